package notify

import (
	"errors"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
)

// Events of a policy that are not in the book: time has passed, and nobody has done
// anything.
const (
	waiting casecore.EventKind = "waiting" // the customer has waited for an answer for so long
	overdue casecore.EventKind = "overdue" // the case was not answered by its due time
)

// Awaits says that the policy has something to tell of customers who wait for an
// answer. Then the planner must read of each of their words: casecore.Ledger.Awaited.
func (p *Policy) Awaits() bool { return len(p.events[waiting]) > 0 }

// watch writes down when to look whether anything has followed an event: a new case,
// or the first of the words that the customer waits for an answer to. What was there
// before the policy had such an event is not watched.
func (p *Planner) watch(tx store.Tx, policy *Policy, e *casecore.Event) error {
	if e.Kind == casecore.Opened && len(policy.events[overdue]) > 0 {
		c, err := casecore.Cases.Get(tx, e.Case)
		if err != nil {
			return err
		}
		for _, on := range policy.events[overdue] {
			if c.DueAt.IsZero() {
				break // answered already, or nobody has to
			}
			if err := await(tx, e, on, c.DueAt); err != nil {
				return err
			}
		}
	}
	if !policy.Awaits() {
		return nil
	}
	if begins, err := beginsWait(tx, policy, e); err != nil || !begins {
		return err
	}
	for _, on := range policy.events[waiting] {
		if err := await(tx, e, on, e.At.Add(time.Duration(on.After))); err != nil {
			return err
		}
	}
	return nil
}

// await is a reminder of what an event should be followed by.
func await(tx store.Tx, e *casecore.Event, on told, due time.Time) error {
	whom := on.plan().whom()
	id := store.HashID("late", e.ID, on.Event, on.Template, whom)
	if _, err := reminders.Get(tx, id); err == nil || !errors.Is(err, store.ErrNotFound) {
		return err // the event is planned once more
	}
	return reminders.Put(tx, &reminder{
		Meta: store.Meta{ID: id}, Case: e.Case, Event: e.ID,
		Late: casecore.EventKind(on.Event), Whom: whom, Template: on.Template, Entered: e.At, Number: 1, Due: due,
	})
}

// beginsWait says that an event is a word of the customer behind which they wait for
// an answer, and did not before.
func beginsWait(tx store.Tx, policy *Policy, e *casecore.Event) (bool, error) {
	if is, err := isWord(tx, e); err != nil || !is {
		return false, err
	}
	before := store.Range{Index: "case", Prefix: store.Under(e.Case), To: store.Join(e.Case, store.NumberKey(e.Seq)), Reverse: true}
	for prev, err := range casecore.Events.Scan(tx, before) {
		if err != nil {
			return false, err
		}
		if over, err := answers(tx, policy, prev); err != nil || over {
			return over, err
		}
		if waits, err := isWord(tx, prev); err != nil || waits {
			return false, err
		}
	}
	return true, nil
}

// isWord says that an event is a word of its case's customer, and not of a machine,
// which is still in that case.
func isWord(tx store.Tx, e *casecore.Event) (bool, error) {
	switch e.Kind {
	case casecore.Opened, casecore.Received, casecore.Refiled, casecore.Revised:
	default:
		return false, nil
	}
	m, err := casecore.Messages.Get(tx, e.Message)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && m.Case == e.Case && m.Direction == casecore.In && !m.Auto && m.CopyOf == "", err
}

// answers says that by an event somebody told the customer something, or saw to it
// that there is nothing left to say.
func answers(tx store.Tx, policy *Policy, e *casecore.Event) (bool, error) {
	switch e.Kind {
	case casecore.Answered:
		return true, nil
	case casecore.CallMade:
		return e.To == casecore.CallReached, nil
	case casecore.CallTaken:
		return e.To == casecore.CallAnswered, nil
	case casecore.Moved:
		if !policy.o.Flow.Status(e.To).Category.Active() {
			return true, nil
		}
		return toldBy(tx, e)
	}
	return false, nil
}

// toldBy says that a person gave the case a status of which its customer is told.
func toldBy(tx store.Tx, e *casecore.Event) (bool, error) {
	if strings.HasPrefix(e.Actor, casecore.System("").ID) {
		return false, nil
	}
	for n, err := range Notices.Scan(tx, store.Range{Index: "case", Prefix: store.Under(e.Case)}) {
		if err != nil {
			return false, err
		}
		if n.Event == e.ID && !n.Aside && n.State != Skipped {
			return true, nil
		}
	}
	return false, nil
}

// late tells of what has not happened by now, once, unless it has.
func (p *Planner) late(tx store.Tx, policy *Policy, r *reminder, t *tally) error {
	on, ok := policy.late(r)
	if !ok || r.Passed {
		return reminders.Delete(tx, r)
	}
	e, c, err := missing(tx, policy, r)
	if err != nil {
		return err
	}
	if c == nil {
		return reminders.Delete(tx, r)
	}
	who, err := customer(tx, c)
	if err != nil {
		return err
	}
	plan, now := on.plan(), p.ledger.Now()
	plan.Late = r.Late
	due := c.DueAt
	if r.Late == waiting {
		due = r.Entered.Add(time.Duration(on.After)) // the policy may say another time by now
	}
	if !due.After(now) {
		due = policy.awake(r.Template, plan.sleeper(who), now)
	}
	if due.After(now) {
		r.Due = due
		return reminders.Put(tx, r)
	}
	each, err := spread(tx, c, plan)
	if err != nil {
		return err
	}
	if err := p.tellAll(tx, policy, e, c, who, each, t); err != nil {
		return err
	}
	return reminders.Delete(tx, r)
}

// missing returns the event behind which something has not happened, and its case;
// nil when it has, or there is nothing left to wait for.
func missing(tx store.Tx, policy *Policy, r *reminder) (*casecore.Event, *casecore.Case, error) {
	c, err := casecore.Cases.Get(tx, r.Case)
	if errors.Is(err, store.ErrNotFound) || err == nil && over(r.Late, c) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	e, err := casecore.Events.Get(tx, r.Event)
	if err != nil {
		return nil, nil, err
	}
	if r.Late == overdue {
		if e.Auto && !c.Waiting {
			return nil, nil, nil // of a machine's letter nobody is told (E9)
		}
		return e, c, nil
	}
	if is, err := isWord(tx, e); err != nil || !is {
		return nil, nil, err
	}
	since := store.Range{Index: "case", Prefix: store.Under(e.Case), From: store.Join(e.Case, store.NumberKey(e.Seq+1))}
	for next, err := range casecore.Events.Scan(tx, since) {
		if err != nil {
			return nil, nil, err
		}
		if done, err := answers(tx, policy, next); err != nil || done {
			return nil, nil, err
		}
	}
	return e, c, nil
}

// over says that a case shows by itself that there is nothing late about it.
func over(late casecore.EventKind, c *casecore.Case) bool {
	if late == overdue {
		return c.DueAt.IsZero()
	}
	return !c.Waiting || c.Stage == flow.Closed
}

// late returns what the policy says of being late with what a reminder is for.
func (p *Policy) late(r *reminder) (told, bool) {
	for _, on := range p.events[r.Late] {
		if on.Template == r.Template && on.plan().whom() == r.Whom {
			return on, true
		}
	}
	return told{}, false
}
