package desk

import (
	"context"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Post is the post room as operators and programs see it: what is on its way to
// customers, what did not arrive, and what may be done about it. The house wires
// it, for this room and the post room meet in the book only. Each call asks for
// the right in the transaction that uses it: reading the case to see its notices,
// working on it to change them.
type Post interface {
	// Notices returns at most limit notices that the actor may see, from a mark
	// on, and the mark behind them; the zero mark at the end.
	Notices(ctx context.Context, by casecore.Actor, f NoticeFilter, after store.Mark, limit int) ([]Notice, store.Mark, error)
	// Hurry lets a held notice go out now; *Late when it has gone out.
	Hurry(ctx context.Context, by casecore.Actor, id string) (Notice, error)
	// Cancel stops a held notice; *Late when it has gone out.
	Cancel(ctx context.Context, by casecore.Actor, id string) (Notice, error)
	// Resend sends what did not arrive once more, to the same address, or to this
	// identity of the customer.
	Resend(ctx context.Context, by casecore.Actor, id, identity string) (Notice, error)
	// Handled marks what did not arrive as seen to.
	Handled(ctx context.Context, by casecore.Actor, id string) (Notice, error)
}

// NoticeFilter chooses notices. The zero filter chooses what did not arrive and
// nobody has seen to, oldest first.
type NoticeFilter struct {
	Case  string // number: all of one case, in the order they were planned
	State string // all in one state, oldest first
}

// Late is the refusal of what can no longer be done with a notice, in words.
type Late struct{ Msg string }

func (l *Late) Error() string { return l.Msg }

// Notice is one message on its way to a customer.
type Notice struct {
	ID       string
	Case     string // number
	Message  string // id; empty when none was written
	Template string // empty for an operator's own words
	Channel  string
	To       channels.Address
	State    string
	Reason   string // why it was not sent
	Open     bool   // did not arrive, and nobody has seen to it
	Held     bool   // may be hurried or cancelled
	Aside    bool   // for somebody of the house, at To and nowhere else
	Tries    int
	Created  time.Time
	Due      time.Time // when it goes out or is tried again; zero when it does not
	Done     time.Time // when it was sent or given up
	Handled  string    // who saw to it
	Proof    string    // casecore.Message.Proof of Message
}
