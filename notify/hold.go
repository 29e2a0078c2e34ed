package notify

import (
	"errors"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// TakenBack is the Reason of a notice whose status was taken back before it went
// out, and Cancelled of one that a person stopped.
const (
	TakenBack = "taken_back"
	Cancelled = "cancelled"
)

// ErrTooLate is the refusal to stop or hurry what has gone out, or is just going.
var ErrTooLate = errors.New("it is on its way already")

// Matters says that a customer who cannot be told of an event must be called: an
// answer or a new status, but not a receipt.
func Matters(e *casecore.Event) bool {
	return e.Kind == casecore.Answered || e.Kind == casecore.Moved
}

// when is at what time a notice may go out: after the hold, for what somebody
// did to the status, and after the quiet hours, unless the template is urgent.
func (p *Policy) when(e *casecore.Event, template string, who *casecore.Customer, now time.Time) time.Time {
	at := now
	if e.Kind == casecore.Moved && p.delivery.Hold > 0 {
		at = at.Add(time.Duration(p.delivery.Hold))
	}
	if t := p.templates[template]; t == nil || !t.urgent {
		at = p.quiet.wake(at, p.zone(who))
	}
	return at
}

func (p *Policy) zone(who *casecore.Customer) *time.Location {
	if who.Zone != "" {
		if z, err := time.LoadLocation(who.Zone); err == nil {
			return z
		}
	}
	if p.o.Zone != nil {
		return p.o.Zone
	}
	return time.UTC
}

// takenBack cancels the held notices of a case that tell of statuses which this
// event goes back behind, and says whether there were any: then it is no news
// either.
func (p *Planner) takenBack(tx store.Tx, e *casecore.Event) (bool, error) {
	behind, err := behind(tx, e)
	if err != nil {
		return false, err
	}
	for _, n := range behind {
		if err := drop(tx, p.ledger, n, TakenBack); err != nil {
			return false, err
		}
	}
	return len(behind) > 0, nil
}

// behind returns the held notices that tell of statuses which this event goes back
// behind.
func behind(tx store.Tx, e *casecore.Event) ([]*Notice, error) {
	if e.Kind != casecore.Moved {
		return nil, nil
	}
	held, err := heldOf(tx, e.Case)
	if err != nil {
		return nil, err
	}
	var out []*Notice
	for _, n := range held {
		cause, err := casecore.Events.Get(tx, n.Event)
		if err != nil {
			return nil, fmt.Errorf("event of notice %s: %w", n.ID, err)
		}
		if cause.Kind == casecore.Moved && (len(out) > 0 || cause.From == e.To) {
			out = append(out, n)
		}
	}
	return out, nil
}

// heldOf returns the held notices of a case, in the order of their events.
func heldOf(tx store.Tx, caseID string) ([]*Notice, error) {
	var out []*Notice
	for n, err := range Notices.Scan(tx, store.Range{Index: "held", Prefix: store.Under(caseID)}) {
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// drop ends a notice that has not gone out: it is no failure (N5).
func drop(tx store.Tx, l *casecore.Ledger, n *Notice, reason string) error {
	n.State, n.Reason, n.Done, n.NextAt, n.Behind = Skipped, reason, l.Now(), time.Time{}, false
	if err := Notices.Put(tx, n); err != nil {
		return err
	}
	return l.Cancelled(tx, n.Message)
}

// Hurry lets a held notice go out now.
func Hurry(tx store.Tx, id string, now time.Time) error {
	n, err := Notices.Get(tx, id)
	if err != nil {
		return err
	}
	if n.State != Held {
		return ErrTooLate
	}
	n.State, n.NextAt = Pending, now
	return Enlist(tx, n)
}

// Cancel stops a held notice: its recipient is told nothing.
func Cancel(tx store.Tx, l *casecore.Ledger, id string) error {
	n, err := Notices.Get(tx, id)
	if err != nil {
		return err
	}
	if n.State != Held {
		return ErrTooLate
	}
	return drop(tx, l, n, Cancelled)
}
