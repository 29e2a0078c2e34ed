package sms

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"casewire/channels"
)

// ruling is what follows from one of Twilio's codes (S6).
type ruling struct {
	reason channels.Reason
	retry  bool
	cause  cause
}

// cause says in words why, one for all codes that mean the same to people.
type cause string

const (
	causeNumber    cause = "number"
	causeRoute     cause = "route"
	causeMobile    cause = "mobile"
	causeGone      cause = "gone"
	causeLandline  cause = "landline"
	causeStopped   cause = "stopped"
	causeCarrier   cause = "carrier"
	causeRegion    cause = "region"
	causeSender    cause = "sender"
	causeLogin     cause = "login"
	causeSuspended cause = "suspended"
	causeUnlisted  cause = "unlisted"
	causeSetting   cause = "setting"
	causeMoney     cause = "money"
	causeQueue     cause = "queue"
	causeRate      cause = "rate"
	causeCap       cause = "cap"
	causeOff       cause = "off"
	causeUnknown   cause = "unknown"
	causeEmpty     cause = "empty"
	causeLong      cause = "long"
	causeFiltered  cause = "filtered"
	causeMMS       cause = "mms"
	causeBroken    cause = "broken"
	causeFiles     cause = "files"
)

// Codes of our own, for what is refused before Twilio is asked.
const (
	codeFiles   = "files"
	codeUnsure  = "no_answer"
	codeStopped = "21610"
	codeEmpty   = "21602"
	codeLong    = "21617"
	codeNumber  = "21211"
)

// rulings maps Twilio's codes to what follows. Codes that are not here are judged
// by the HTTP status, or count as unknown when they come with a callback.
var rulings = map[string]ruling{
	"21211": {channels.BadAddress, false, causeNumber},
	"21214": {channels.BadAddress, false, causeNumber},
	"21217": {channels.BadAddress, false, causeNumber},
	"21604": {channels.BadAddress, false, causeNumber},
	"21612": {channels.BadAddress, false, causeRoute},
	"21614": {channels.BadAddress, false, causeMobile},
	"30005": {channels.BadAddress, false, causeGone},
	"30006": {channels.BadAddress, false, causeLandline},
	"21610": {channels.Blocked, false, causeStopped},
	"30004": {channels.Blocked, false, causeCarrier},

	"20003": {channels.Misset, true, causeLogin},
	"20005": {channels.Misset, true, causeSuspended},
	"20006": {channels.Misset, true, causeLogin},
	"20404": {channels.Misset, true, causeSetting},
	"21210": {channels.Misset, true, causeSender},
	"21212": {channels.Misset, true, causeSender},
	"21215": {channels.Misset, true, causeRegion},
	"21408": {channels.Misset, true, causeRegion},
	"21603": {channels.Misset, true, causeSender},
	"21606": {channels.Misset, true, causeSender},
	"21609": {channels.Misset, true, causeSetting},
	"21659": {channels.Misset, true, causeSender},
	"21660": {channels.Misset, true, causeSender},
	"21701": {channels.Misset, true, causeSender},
	"21703": {channels.Misset, true, causeSender},
	"21705": {channels.Misset, true, causeSender},
	"30002": {channels.Misset, true, causeSuspended},
	"30032": {channels.Misset, true, causeUnlisted},
	"30034": {channels.Misset, true, causeUnlisted},
	"30044": {channels.Misset, true, causeMoney},
	"63007": {channels.Misset, true, causeSender},

	"20429": {channels.Throttled, true, causeRate},
	"14107": {channels.Throttled, true, causeRate},
	"21611": {channels.Throttled, true, causeQueue},
	"30001": {channels.Throttled, true, causeQueue},
	"30017": {channels.Throttled, true, causeQueue},
	"30022": {channels.Throttled, true, causeRate},
	"30023": {channels.Throttled, true, causeCap},
	"30027": {channels.Throttled, true, causeCap},
	"63018": {channels.Throttled, true, causeRate},

	"30003": {channels.Unreachable, true, causeOff},
	"30008": {channels.Unreachable, true, causeUnknown},
	"30410": {channels.Unreachable, true, causeBroken},
	"20500": {channels.Unreachable, true, causeBroken},
	"20503": {channels.Unreachable, true, causeBroken},

	"21602": {channels.BadContent, false, causeEmpty},
	"21605": {channels.BadContent, false, causeLong},
	"21617": {channels.BadContent, false, causeLong},
	"30007": {channels.BadContent, false, causeFiltered},
	"30011": {channels.BadContent, false, causeMMS},
	"30019": {channels.BadContent, false, causeMMS},
	"files": {channels.BadContent, false, causeFiles},
}

// Codes returns the codes that Meaning knows, sorted.
func Codes() []string { return slices.Sorted(maps.Keys(rulings)) }

// refusal is Twilio's answer to a request that it did not carry out, or the
// absence of one.
type refusal struct {
	status int // HTTP, 0 without an answer
	code   int // Twilio's, 0 without one
	after  time.Duration
	doubt  bool // the request may have been carried out
	err    error
}

func (r *refusal) Error() string {
	switch {
	case r.status == 0:
		return fmt.Sprintf("ask Twilio: %v", r.err)
	case r.code != 0:
		return fmt.Sprintf("Twilio answered HTTP %d, code %d", r.status, r.code)
	}
	return fmt.Sprintf("Twilio answered HTTP %d", r.status)
}

func (r *refusal) Unwrap() error { return r.err }

// verdict turns a failed request into what the outbox decides by.
func verdict(err error) *channels.SendError {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: err}
	}
	e := &channels.SendError{RetryAfter: r.after, Err: err}
	if r.code != 0 {
		e.Code = strconv.Itoa(r.code)
	}
	if known, ok := rulings[e.Code]; ok && r.status < 500 {
		e.Reason, e.Retry = known.reason, known.retry
		return e
	}
	switch {
	case r.doubt:
		e.Reason, e.Retry = channels.Unsure, true
	case r.status == 0:
		e.Reason, e.Retry = channels.Unreachable, true
	case r.status == http.StatusTooManyRequests:
		e.Reason, e.Retry = channels.Throttled, true
	case r.status == http.StatusBadRequest:
		e.Reason = channels.BadContent
	case r.status >= 500:
		e.Reason, e.Retry = channels.Unreachable, true
	default:
		// 401, 403, 404, a redirect: our account or its settings.
		e.Reason, e.Retry = channels.Misset, true
	}
	return e
}
