package channels

import (
	"errors"
	"fmt"
	"time"
)

// Reason says why a message could not be sent. The outbox decides by it.
type Reason string

// Reasons, each with what follows from it.
const (
	Unreachable Reason = "unreachable" // provider away: try again later
	Throttled   Reason = "throttled"   // provider asks for patience: RetryAfter
	Unsure      Reason = "unsure"      // it may have been taken: the channel's policy decides
	Misset      Reason = "misset"      // our account or configuration: alarm, keep waiting
	BadAddress  Reason = "bad_address" // nobody there: mark the identity, next channel
	Blocked     Reason = "blocked"     // the customer refuses this channel: next channel
	BadContent  Reason = "bad_content" // refused for what it says: a person must look
)

// SendError is a failure to send, carrying the decision with it.
type SendError struct {
	Reason     Reason
	Retry      bool
	RetryAfter time.Duration // at least this long, when the provider said so
	Recipient  bool          // concerns this recipient alone: no sign that the channel is out
	Code       string        // the provider's
	Err        error
}

func (e *SendError) Error() string {
	if e.Code != "" {
		return fmt.Sprintf("%s (%s): %v", e.Reason, e.Code, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

func (e *SendError) Unwrap() error { return e.Err }

// FieldError is a fault in a channel's configuration. Path is the key below the
// channel ("origins[1]"), Msg what is wrong and Mend what to write instead.
type FieldError struct{ Path, Msg, Mend string }

func (e *FieldError) Error() string {
	if e.Mend == "" {
		return e.Path + ": " + e.Msg
	}
	return e.Path + ": " + e.Msg + "; " + e.Mend
}

// rank orders the states a receipt may report. Undelivered and Failed share the
// rank of Delivered: whichever of the three comes first stays, and only Read,
// which proves arrival, overrides them.
var rank = map[State]int{
	Queued: 1, Sending: 2, Uncertain: 3, Sent: 4,
	Delivered: 5, Undelivered: 5, Failed: 5, Read: 6,
}

// Later says whether next is news to something in state now: receipts arrive
// late, twice and in any order.
func Later(now, next State) bool { return rank[next] > rank[now] }

// AsSendError returns err as a *SendError; what is none counts as Unreachable
// and worth a retry.
func AsSendError(err error) *SendError {
	if se, ok := errors.AsType[*SendError](err); ok {
		return se
	}
	return &SendError{Reason: Unreachable, Retry: true, Err: err}
}
