package notify

import (
	"errors"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Loop is the Reason of a notice that was not written because its recipient seems
// to be a machine that answers each of ours.
const Loop = "loop"

// windows bound how many automatic answers one address gets, over all cases: the
// last defence against two machines that answer each other, when no header gives
// the other one away (E11).
var windows = []struct {
	most   int
	within time.Duration
}{
	{10, 10 * time.Minute}, {15, 30 * time.Minute}, {25, time.Hour}, {50, 3 * time.Hour}, {100, 10 * time.Hour},
}

// budget is when an address got automatic answers, oldest first.
type budget struct {
	store.Meta
	Times []time.Time `json:"times"`
}

// Keys of a budget: when it may be forgotten.
func (b *budget) Keys() store.Keys {
	k := store.Keys{}
	if n := len(b.Times); n > 0 {
		k.Set("until", store.TimeKey(b.Times[n-1].Add(windows[len(windows)-1].within)))
	}
	return k
}

var budgets = store.NewTable[budget]("budget", store.Index{Name: "until"})

// answersItself says that an event is the doing of a customer's message alone, so
// that telling of it can make a loop.
func answersItself(e *casecore.Event) bool {
	return e.Kind == casecore.Opened || e.Kind == casecore.Reopened || e.Kind == casecore.Asked
}

// mayLoop says that a notice may be the doing of a machine that answers each of ours.
// People of the house get as much as there is, unless it came the way they are told:
// their own machine may have written it.
func mayLoop(e *casecore.Event, c *casecore.Case, plan Planned, to channels.Address) bool {
	itself := plan.Late != "" || answersItself(e) && plan.Reminder == 0
	return itself && (!plan.aside() || to.Kind == c.To.Kind)
}

// spend counts one more automatic answer to an address, and says no when it had
// too many lately.
func spend(tx store.Tx, to channels.Address, now time.Time) (bool, error) {
	if err := forget(tx, now); err != nil {
		return false, err
	}
	id := store.HashID("budget", to.Key())
	b, err := budgets.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		b = &budget{Meta: store.Meta{ID: id}}
	} else if err != nil {
		return false, err
	}
	last := windows[len(windows)-1]
	for len(b.Times) > 0 && now.Sub(b.Times[0]) >= last.within {
		b.Times = b.Times[1:]
	}
	for _, w := range windows {
		if len(b.Times) >= w.most && now.Sub(b.Times[len(b.Times)-w.most]) < w.within {
			return false, nil
		}
	}
	b.Times = append(b.Times, now)
	return true, budgets.Put(tx, b)
}

// forget removes a few budgets whose time is over: more than are made.
func forget(tx store.Tx, now time.Time) error {
	var old []*budget
	for b, err := range budgets.Scan(tx, store.Range{Index: "until", To: store.TimeKey(now), Limit: 2}) {
		if err != nil {
			return err
		}
		old = append(old, b)
	}
	for _, b := range old {
		if err := budgets.Delete(tx, b); err != nil {
			return err
		}
	}
	return nil
}
