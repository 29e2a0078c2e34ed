package submit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"casewire/channels"
	"casewire/channels/email/link"
	"casewire/channels/email/login"

	"github.com/emersion/go-smtp"
)

// classify says what follows from a failure (O3, F8, F9).
func classify(err error) *channels.SendError {
	if reply, ok := errors.AsType[*smtp.SMTPError](err); ok && stageOf(err) != stageBody {
		return refused(stageOf(err), reply)
	}
	stage := stageOf(err)
	e := &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: err}
	switch {
	case stage == stageDot:
		e.Reason, e.Err = channels.Unsure, plainly(stage, err)
	case stage == stageAddress:
		e.Reason, e.Retry = channels.BadAddress, false
	case stage == stageSender:
		e.Reason = channels.Misset
	case errors.Is(err, channels.ErrNotFound), errors.Is(err, errTooLarge):
		e.Reason, e.Retry = channels.BadContent, false
	case isMisset(err):
		e.Reason = channels.Misset
	default:
		e.Err = plainly(stage, err)
	}
	return e
}

// isMisset says that nothing but a change of configuration helps: a login or a
// certificate (E18).
func isMisset(err error) bool {
	if _, ok := errors.AsType[*login.Error](err); ok {
		return true
	}
	if stageOf(err) == stageFiles || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	step := link.Explain(err).Step
	return step == "certificate" || step == "tls"
}

// plainly says what happened without what the system says of it, which may hold
// names.
func plainly(s stage, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || s == stageFiles {
		return err
	}
	return fmt.Errorf("%s: %w", strings.TrimSpace(string(s)), link.Explain(err))
}

var (
	rateWords = regexp.MustCompile(`(?i)\brate\b|ratelimit|rate-limit|throttl|too many|too fast|too much mail|slow down|concurrent|quota|submission ?quota|sending limit|limit(?:s|ed)? (?:has been |was )?exceeded|exceed(?:s|ed|ing)? .{0,40}limit|message limit|hourly|daily`)
	// What servers say when it is the sender, and not the mail, that they refuse.
	senderWords = regexp.MustCompile(`(?i)sender address|not owned|not (?:allowed|permitted) to send (?:as|from|mail from|on behalf)|send as|sendas|relay|from address|from header|sender .{0,30}(?:reject|denied|not|verif)|not verified|authenticat|unauthori[sz]ed sender`)
	// What they say of a mailbox that is full, and of us when we send too much.
	fullWords  = regexp.MustCompile(`(?i)(?:mailbox|inbox|recipient|user|storage).{0,40}(?:full|quota|exceed)|over ?quota|quota exceeded`)
	ourWords   = regexp.MustCompile(`(?i)sending|sent|submission|\brate\b|daily|hourly`)
	quotaWords = regexp.MustCompile(`(?i)quota|daily|hourly`)
	afterWords = regexp.MustCompile(`(?i)\b(\d{1,5}) ?(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?)\b`)
)

// ratePause is how long a mailbox that sends too fast is left alone, when the server
// does not say.
const (
	ratePause  = 5 * time.Minute
	quotaPause = time.Hour
	longestAsk = 24 * time.Hour
)

// refused says what follows from a server's answer.
func refused(s stage, r *smtp.SMTPError) *channels.SendError {
	e := &channels.SendError{Code: code(r), Err: fmt.Errorf("%s: the server says: %s", strings.TrimSpace(string(s)), sanitise(r.Message))}
	// A stranger chooses their address, and must not thereby choose what follows.
	plain := *r
	plain.Message = addressShape.ReplaceAllString(r.Message, " ")
	r = &plain
	if speaksOfRate(r) {
		e.Reason, e.Retry, e.RetryAfter = channels.Throttled, true, pause(r)
		return e
	}
	if r.Code < 500 {
		e.Reason, e.Retry, e.RetryAfter, e.Recipient = channels.Unreachable, true, asked(r), s == stageRcpt
		return e
	}
	e.Reason = permanent(s, r)
	e.Retry = e.Reason == channels.Misset
	e.Recipient = e.Reason == channels.Unreachable // others can be reached
	return e
}

func code(r *smtp.SMTPError) string {
	c := strconv.Itoa(r.Code)
	if known(r) {
		c += fmt.Sprintf(" %d.%d.%d", r.EnhancedCode[0], r.EnhancedCode[1], r.EnhancedCode[2])
	}
	return c
}

// known says whether the server gave an enhanced code (RFC 3463).
func known(r *smtp.SMTPError) bool {
	return r.EnhancedCode != smtp.EnhancedCodeNotSet && r.EnhancedCode != smtp.NoEnhancedCode
}

// is says whether the enhanced code is of a subject, and of one of the details when
// any are given.
func is(r *smtp.SMTPError, subject int, details ...int) bool {
	if !known(r) || r.EnhancedCode[1] != subject {
		return false
	}
	for _, d := range details {
		if r.EnhancedCode[2] == d {
			return true
		}
	}
	return len(details) == 0
}

// speaksOfRate says that we send too much or too fast: the whole mailbox has to
// slow down. A full mailbox of the recipient is another matter.
func speaksOfRate(r *smtp.SMTPError) bool {
	if is(r, 7, 28) || is(r, 4, 5) && r.Code >= 500 {
		return true
	}
	if isFull(r) || is(r, 1) || is(r, 3, 4) || r.Code == 535 {
		return false
	}
	return rateWords.MatchString(r.Message)
}

// isFull says that the recipient's mailbox takes no more.
func isFull(r *smtp.SMTPError) bool {
	if known(r) && !is(r, 0) {
		return is(r, 2, 2)
	}
	return fullWords.MatchString(r.Message) && !ourWords.MatchString(r.Message)
}

func pause(r *smtp.SMTPError) time.Duration {
	if d := asked(r); d > 0 {
		return d
	}
	if r.Code >= 500 || quotaWords.MatchString(r.Message) {
		return quotaPause
	}
	return ratePause
}

// asked is for how long the server asks us to wait, 0 when it does not say.
func asked(r *smtp.SMTPError) time.Duration {
	m := afterWords.FindStringSubmatch(r.Message)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // at most five digits
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}[strings.ToLower(m[2])[0]]
	return min(time.Duration(n)*unit, longestAsk)
}

// permanent says what a refusal with 5xx means.
func permanent(s stage, r *smtp.SMTPError) channels.Reason {
	sender := senderWords.MatchString(r.Message)
	switch s {
	case stageRcpt:
		return permanentRcpt(r, sender)
	case stageData, stageDot:
		switch {
		case is(r, 1, 7, 8), r.Code == 530, r.Code == 535, sender && !is(r, 6) && !is(r, 3):
			return channels.Misset
		case is(r, 1), is(r, 2, 1):
			return channels.BadAddress
		case isFull(r):
			return channels.Unreachable
		}
		return channels.BadContent
	case stageMail:
		if is(r, 3, 4) || r.Code == 552 {
			return channels.BadContent
		}
	}
	return channels.Misset // of us and not of the mail
}

func permanentRcpt(r *smtp.SMTPError, sender bool) channels.Reason {
	switch {
	case is(r, 1, 7, 8), r.Code == 530, r.Code == 535, r.Code == 503:
		return channels.Misset
	case isFull(r), r.Code == 552 && !known(r):
		return channels.Unreachable
	case is(r, 1), is(r, 2, 1):
		return channels.BadAddress
	case is(r, 4): // no such domain, or no way to it
		return channels.BadAddress
	case is(r, 7), r.Code == 554:
		if sender {
			return channels.Misset
		}
		return channels.Unreachable // by a policy, before a word of the mail was seen
	case sender:
		return channels.Misset
	case r.Code == 550, r.Code == 551, r.Code == 553, r.Code == 501, r.Code == 513, r.Code == 556:
		return channels.BadAddress
	}
	return channels.BadContent
}
