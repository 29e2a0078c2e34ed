package desk

import (
	"context"
	"errors"
	"time"

	"casewire/casecore/outside"
	"casewire/casecore/store"
)

// Hooks shows administrators and programs how the programs outside fare that are
// told what happens, and tells them again. Who may ask is the faces' to decide: a
// hook is of no queue. One that is not there is store.ErrNotFound, as is a delivery.
// The house wires it.
type Hooks interface {
	Hooks(ctx context.Context) ([]Hook, error)
	// Deliveries returns the newest events first; state "" is all. The mark is where
	// the next page begins, zero on the last.
	Deliveries(ctx context.Context, hook, state string, after store.Mark, limit int) ([]HookDelivery, store.Mark, error)
	// Replay sends one delivery again; ErrOnItsWay when it has not ended.
	Replay(ctx context.Context, hook, delivery string) (HookDelivery, error)
	// ReplayPeriod sends again what was told of events from a time until before
	// another, and says how many.
	ReplayPeriod(ctx context.Context, hook string, from, to time.Time) (int, error)
	// Try posts a ping at once.
	Try(ctx context.Context, hook string) (HookTrial, error)
}

// ErrOnItsWay is the refusal to send again what has not ended.
var ErrOnItsWay = errors.New("it has not ended yet")

// States of a Hook.
const (
	HookOK      = "ok"
	HookFailing = "failing" // tries fail, and are repeated
	HookGone    = "gone"    // its receiver wants nothing more
)

// Hook is one configured webhook and how its receiver fares. Times that there are
// not are zero.
type Hook struct {
	ID        string
	Host      string // without the path, which may be a secret
	Events    []string
	Queues    []string // none: all
	Content   bool
	State     string
	Waiting   int       // events that it has not taken
	Dead      int       // events that were given up
	Oldest    time.Time // of those that wait
	Succeeded time.Time // the last time
	Since     time.Time // since when tries fail
	NextTry   time.Time // not before
	Status    int       // HTTP, of the last failure
	Reason    string    // of the last failure
}

// HookDelivery is one event on its way to one webhook.
type HookDelivery struct {
	ID      string
	State   string // "waiting", "sending", "done" or "dead"
	Tries   int
	Status  int    // HTTP, of the last answer
	Reason  string // why the last try failed, or why it was given up
	NextTry time.Time
	Done    time.Time
	Event   outside.HookEvent
}

// HookTrial is how a ping went.
type HookTrial struct {
	Event  string // its id
	Status int    // HTTP; 0: no answer
	Reason string // why it failed; empty: it did not
	Took   time.Duration
}
