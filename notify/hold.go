package notify

import (
	"errors"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Reasons of a notice that did not go out after all: its status was taken back, a
// person stopped it, its case had gone on to another status before it was time, or
// its customer wishes to be told otherwise by now and another one goes out instead.
const (
	TakenBack = "taken_back"
	Cancelled = "cancelled"
	Left      = "left"
	Renewed   = "renewed"
)

// withdrawn says that the notice is not sent by intent: nobody had it, or will.
func (n *Notice) withdrawn() bool {
	return n.State == Skipped && (n.Reason == TakenBack || n.Reason == Cancelled || n.Reason == Left || n.Reason == Renewed)
}

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

// Awake is when a notice that is to go out at may do so, as when it was planned; an
// operator's own words are not held by quiet hours, nor what somebody had sent.
func (p *Policy) Awake(tx store.Tx, n *Notice, at time.Time) (time.Time, error) {
	if p.quiet == nil || n.Template == "" || n.Now {
		return at, nil
	}
	sleeper := &casecore.Customer{}
	if !n.Aside {
		c, err := casecore.Cases.Get(tx, n.Case)
		if errors.Is(err, store.ErrNotFound) {
			return at, nil
		}
		if err != nil {
			return at, err
		}
		if sleeper, err = customer(tx, c); err != nil {
			return at, err
		}
	}
	return p.awake(n.Template, sleeper, at), nil
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

// slip is what an event takes back: a status that was a mistake.
type slip struct {
	over   []*Notice       // held ones which must not go out
	missed map[string]bool // by Notice.whom: those who have not heard of the status that the case is back in
}

// news says that somebody is to be told of the status that the case is back in.
func (s *slip) news(n Planned) bool { return len(s.over) == 0 || s.missed[n.one()] }

// slipBefore returns the slip that this event takes back. It writes nothing.
func slipBefore(tx store.Tx, e *casecore.Event) (*slip, error) {
	s := &slip{missed: map[string]bool{}}
	if e.Kind != casecore.Moved {
		return s, nil
	}
	held, err := heldOf(tx, e.Case)
	if err != nil {
		return nil, err
	}
	var same []*Notice // of the status that the case is back in, by an event that is over
	for _, n := range held {
		cause, err := casecore.Events.Get(tx, n.Event)
		if err != nil {
			return nil, fmt.Errorf("event of notice %s: %w", n.ID, err)
		}
		switch {
		case cause.Kind != casecore.Moved:
		case len(s.over) > 0 || cause.From == e.To:
			s.over = append(s.over, n)
		case cause.To == e.To:
			same = append(same, n)
		}
	}
	if len(s.over) == 0 {
		return s, nil
	}
	s.over = append(s.over, same...)
	return s, s.look(tx, e)
}

// look finds out who has not heard of the status that the case is back in: the last
// notice of it that was for them did not go out.
func (s *slip) look(tx store.Tx, e *casecore.Event) error {
	over, last := map[string]bool{}, map[string]int64{}
	for _, n := range s.over {
		over[n.ID] = true
	}
	for n, err := range Notices.Scan(tx, store.Range{Index: "case", Prefix: store.Under(e.Case)}) {
		if err != nil {
			return err
		}
		if n.Template == "" || n.Timed() {
			continue
		}
		cause, err := casecore.Events.Get(tx, n.Event)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("event of notice %s: %w", n.ID, err)
		}
		if cause.To != e.To || cause.Kind != casecore.Moved && cause.Kind != casecore.Reopened || cause.ID == e.ID {
			continue
		}
		whom, unheard := n.whom(), over[n.ID] || n.withdrawn() && n.Reason != Cancelled
		switch {
		case cause.Seq > last[whom]:
			last[whom], s.missed[whom] = cause.Seq, unheard
		case cause.Seq == last[whom]:
			s.missed[whom] = s.missed[whom] && unheard
		}
	}
	return nil
}

// takeBack drops the held notices of a slip.
func (p *Planner) takeBack(tx store.Tx, e *casecore.Event) (*slip, error) {
	s, err := slipBefore(tx, e)
	if err != nil {
		return nil, err
	}
	for _, n := range s.over {
		if err := Drop(tx, p.ledger, n, TakenBack); err != nil {
			return nil, err
		}
	}
	return s, nil
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
	n.State, n.NextAt, n.Now = Pending, now, true
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
