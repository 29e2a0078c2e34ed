package telegram

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"casewire/channels"
)

// refusal is a call that brought no result.
type refusal struct {
	code    int           // the API's, or of HTTP; 0: there was no answer
	text    string        // the API's words, fit to be shown
	after   time.Duration // retry_after
	moved   int64         // migrate_to_chat_id
	foreign bool          // it was no Bot API that answered
	wrote   bool          // the request went out whole, so it may have been carried out
	err     error
}

func (r *refusal) Error() string {
	switch {
	case r.err != nil && r.text != "":
		return r.text + ": " + r.err.Error()
	case r.err != nil:
		return r.err.Error()
	}
	return r.text
}

func (r *refusal) Unwrap() error { return r.err }

// asRefusal finds what Do has said in what the library made of it. What the
// library says itself is left out: it quotes answers, and with them messages.
func asRefusal(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return &refusal{wrote: true, text: "the answer cannot be read"}
}

var quoted = regexp.MustCompile(`"[^"]*"?`)

// shown is a description of the API without what it quotes, which may be of a
// message.
func shown(text string) string {
	text = quoted.ReplaceAllString(clean(text, 200), "…")
	return strings.TrimSpace(text)
}

// says looks for words of the API in its description.
func (r *refusal) says(words ...string) bool {
	text := strings.ToLower(r.text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// sendError is what follows from it for a message (T7).
func (r *refusal) sendError() *channels.SendError {
	e := &channels.SendError{Err: r}
	if r.code != 0 {
		e.Code = strconv.Itoa(r.code)
	}
	switch {
	case r.foreign && r.code < http.StatusInternalServerError:
		e.Reason, e.Retry = channels.Misset, true
	case r.code == 0 && !r.wrote:
		e.Reason, e.Retry = channels.Unreachable, true
	case r.code == 0 || r.code >= http.StatusInternalServerError:
		// There is no key by which the API would know a second try again.
		e.Reason, e.Retry = channels.Unsure, true
	case r.code == http.StatusTooManyRequests:
		e.Reason, e.Retry, e.RetryAfter = channels.Throttled, true, max(r.after, time.Second)
	case r.code == http.StatusUnauthorized, r.code == http.StatusNotFound:
		e.Reason, e.Retry = channels.Misset, true
	case r.code == http.StatusForbidden, r.says("have no rights", "not enough rights", "chat_write_forbidden"):
		e.Reason = channels.Blocked
	case r.says("chat not found", "user not found", "peer_id_invalid", "chat_id is empty", "message thread not found", "upgraded to a supergroup"):
		e.Reason = channels.BadAddress
	case r.code == http.StatusBadRequest, r.code == http.StatusRequestEntityTooLarge:
		e.Reason = channels.BadContent
	default:
		e.Reason, e.Retry = channels.Unreachable, true
	}
	return e
}

// state is what follows from it for the channel: the name of the state it is in,
// and the words for it.
func (r *refusal) state() (name, text string) {
	switch {
	case r.code == http.StatusUnauthorized, r.code == http.StatusNotFound && !r.foreign:
		return "token", "Telegram does not accept the bot's token: get the current one from BotFather"
	case r.code == http.StatusConflict && r.says("webhook"):
		return "webhook", "a webhook is set at the bot, so its messages go elsewhere: remove it, or set takeover: true"
	case r.code == http.StatusConflict:
		return "elsewhere", "the token is used elsewhere: another program reads this bot's messages; stop it, or use a bot of its own"
	case r.code == http.StatusTooManyRequests:
		return "throttled", fmt.Sprintf("Telegram asks to wait %s", max(r.after, time.Second))
	case r.foreign:
		return "foreign", "what answers at the configured server is no Bot API: check server"
	case r.code >= http.StatusInternalServerError:
		return "away", fmt.Sprintf("Telegram is out of order (%d)", r.code)
	case r.code == 0 && errors.Is(r.err, context.DeadlineExceeded):
		return "away", "Telegram does not answer in time"
	case r.code == 0:
		return "away", "Telegram cannot be reached"
	}
	return "refused", fmt.Sprintf("Telegram refuses the request (%d)", r.code)
}

// transient says whether the same call may go well a little later.
func (r *refusal) transient() bool {
	return r.code == 0 || r.code == http.StatusTooManyRequests || r.code >= http.StatusInternalServerError
}
