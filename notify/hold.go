package notify

import (
	"errors"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Reasons of a notice that did not go out after all: its status was taken back, a
// person stopped it, or its case had gone on to another status before it was time.
const (
	TakenBack = "taken_back"
	Cancelled = "cancelled"
	Left      = "left"
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
	if e.Kind == casecore.Moved && p.delivery.Hold > 0 {
		now = now.Add(time.Duration(p.delivery.Hold))
	}
	return p.awake(template, who, now)
}

// awake is when a notice that is to go out at may do so: behind the quiet hours of
// its customer, unless the template is urgent.
func (p *Policy) awake(template string, who *casecore.Customer, at time.Time) time.Time {
	if t := p.templates[template]; t != nil && t.urgent {
		return at
	}
	return p.quiet.wake(at, p.zone(who))
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
		if err := Drop(tx, p.ledger, n, TakenBack); err != nil {
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

// Drop ends a notice that has not gone out: it is no failure (N5).
func Drop(tx store.Tx, l *casecore.Ledger, n *Notice, reason string) error {
	m, err := l.Cancelled(tx, n.Message)
	if err != nil {
		return err
	}
	n.State, n.Reason, n.Done, n.Proof = Skipped, reason, l.Now(), m.Proof()
	n.NextAt, n.Behind, n.Stuck = time.Time{}, false, false
	return Notices.Put(tx, n)
}

// Outdated says that a case has left the status which a notice tells of, or is no
// longer late with what it tells of.
func Outdated(tx store.Tx, n *Notice) (bool, error) {
	if n.Late != "" {
		c, err := casecore.Cases.Get(tx, n.Case)
		if errors.Is(err, store.ErrNotFound) {
			return true, nil
		}
		return err == nil && over(n.Late, c), err
	}
	e, err := casecore.Events.Get(tx, n.Event)
	if err != nil {
		return false, err
	}
	status := e.To
	switch {
	case e.Kind == casecore.Moved, e.Kind == casecore.Reopened:
	case e.Kind == casecore.Opened && n.Reminder > 0:
		status = "" // the initial one: that it was left shows by the time
	default:
		return false, nil // a receipt is one whatever has happened since
	}
	c, err := casecore.Cases.Get(tx, n.Case)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return err == nil && (c.StatusAt.After(e.At) || status != "" && c.Status != status), err
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
	return Drop(tx, l, n, Cancelled)
}
