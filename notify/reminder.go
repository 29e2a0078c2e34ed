package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
)

// remindedOf is the kind of the event that a reminder is rendered for. It is not
// in the book: time has passed, nothing has happened.
const remindedOf casecore.EventKind = "reminder"

// Remind tells the customer again when a case stays in a status. Cases that are in
// it already when the policy is published are not reminded of it.
type Remind struct {
	Status   string        `yaml:"status" json:"status"`
	Template string        `yaml:"template" json:"template"`
	After    flow.Duration `yaml:"after" json:"after"`           // how long after the status was entered
	Every    flow.Duration `yaml:"every" json:"every,omitempty"` // how long after the one before
	Times    int           `yaml:"times" json:"times,omitempty"` // at most; 0: once
}

// reminder is what is left to say to a case's customer while it stays in a status.
// It is written in the transaction that plans the event by which the status was
// entered, and removed by the one that leaves it. One that is Late is what is to be
// said when something does not follow an event; whether it has is looked up when it
// is due.
type reminder struct {
	store.Meta
	Case     string             `json:"case"`  // id
	Event    string             `json:"event"` // by which the status was entered
	Status   string             `json:"status,omitempty"`
	Late     casecore.EventKind `json:"late,omitempty"` // what has not happened since the event; empty: it is of a status
	Whom     string             `json:"whom,omitempty"` // of what is late: Planned.whom
	Template string             `json:"template"`
	Entered  time.Time          `json:"entered"`
	Number   int                `json:"number"` // of the next one, from 1
	Due      time.Time          `json:"due"`
	Failed   int                `json:"failed,omitempty"` // in a row
	Passed   bool               `json:"passed,omitempty"` // those that are due by now may have gone out: only the next one does
}

// Keys of a reminder: when it is due, and its case.
func (r *reminder) Keys() store.Keys {
	k := store.Keys{}
	k.Set("due", store.TimeKey(r.Due))
	k.Set("case", r.Case)
	return k
}

var reminders = store.NewTable[reminder]("reminder", store.Index{Name: "due"}, store.Index{Name: "case"})

// entered returns the status that a case got by an event.
func (p *Policy) entered(e *casecore.Event) (status string, ok bool) {
	switch e.Kind {
	case casecore.Opened:
		return p.o.Flow.Spec().Initial, !e.Auto
	case casecore.Moved, casecore.Reopened:
		return e.To, true
	}
	return "", false
}

// keepReminders makes a case's reminders those of the status that it got by an
// event, in place of those of the one before.
func (p *Planner) keepReminders(tx store.Tx, policy *Policy, e *casecore.Event) error {
	status, ok := policy.entered(e)
	if !ok {
		return nil
	}
	if e.Kind != casecore.Opened && len(policy.reminders) > 0 { // without any, what is left ends when it is due
		if err := endReminders(tx, e.Case); err != nil {
			return err
		}
	}
	for _, want := range policy.reminders[status] {
		r := &reminder{
			Meta: store.Meta{ID: store.HashID("reminder", e.ID, want.Template)}, Case: e.Case, Event: e.ID, Status: status,
			Template: want.Template, Entered: e.At, Number: 1, Due: e.At.Add(time.Duration(want.After)),
		}
		if err := reminders.Put(tx, r); err != nil {
			return err
		}
	}
	return nil
}

func endReminders(tx store.Tx, caseID string) error {
	var old []*reminder
	for r, err := range reminders.Scan(tx, store.Range{Index: "case", From: caseID, To: caseID + "\x00"}) {
		if err != nil {
			return err
		}
		if r.Late == "" {
			old = append(old, r)
		}
	}
	for _, r := range old {
		if err := reminders.Delete(tx, r); err != nil {
			return err
		}
	}
	return nil
}

// remind plans a batch of the reminders that are due and returns how long none will
// be: nothing when there may be more, and at most Poll.
func (p *Planner) remind(ctx context.Context) time.Duration {
	due, next, err := p.dueReminders(ctx)
	switch {
	case err != nil:
		p.o.Log.Error("read reminders", "err", err)
		return p.o.Poll
	case len(due) == 0:
		return next
	}
	if p.planReminders(ctx, due) == nil {
		return 0
	}
	// One of them is at fault, or the store is.
	for _, id := range due {
		err := p.planReminders(ctx, []string{id})
		if err != nil && !isFault(err) {
			p.o.Log.Warn("plan reminders", "reminder", id, "err", err)
			return p.o.Poll
		}
		if err != nil && !p.putOff(ctx, id, err) {
			return p.o.Poll
		}
	}
	return 0
}

// dueReminders returns the ids of reminders that are due, the longest waiting
// first, and without any how long that will be so.
func (p *Planner) dueReminders(ctx context.Context) (due []string, next time.Duration, err error) {
	now := p.ledger.Now()
	err = p.store.View(ctx, func(tx store.Tx) error {
		due, next = nil, p.o.Poll
		for r, err := range reminders.Scan(tx, store.Range{Index: "due", Limit: p.o.Batch}) {
			if err != nil {
				return err
			}
			if r.Due.After(now) {
				next = min(next, r.Due.Sub(now))
				break
			}
			due = append(due, r.ID)
		}
		return nil
	})
	return due, next, err
}

// planReminders plans these in one transaction.
func (p *Planner) planReminders(ctx context.Context, ids []string) error {
	policy := p.policy()
	return p.try(ctx, func(tx store.Tx, t *tally) error {
		for _, id := range ids {
			if err := p.reminder(tx, policy, id, t); err != nil {
				return fmt.Errorf("reminder %s: %w", id, err)
			}
		}
		return nil
	})
}

// reminder tells one case's customer once more, unless it is night there, and sets
// the next one.
func (p *Planner) reminder(tx store.Tx, policy *Policy, id string, t *tally) (err error) {
	defer caught(&err)
	r, err := reminders.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	now := p.ledger.Now()
	if r.Due.After(now) {
		return nil // another node was first
	}
	if r.Late != "" {
		return p.late(tx, policy, r, t)
	}
	want, ok := policy.reminder(r.Status, r.Template)
	if !ok {
		return reminders.Delete(tx, r)
	}
	c, err := casecore.Cases.Get(tx, r.Case)
	if errors.Is(err, store.ErrNotFound) || err == nil && r.left(c) {
		return reminders.Delete(tx, r)
	}
	if err != nil {
		return err
	}
	who, err := customer(tx, c)
	if err != nil {
		return err
	}
	if wake := policy.awake(r.Template, who, now); wake.After(now) {
		r.Due = wake
		return reminders.Put(tx, r)
	}
	if r.Passed {
		return want.goOn(tx, r, now)
	}
	e, err := casecore.Events.Get(tx, r.Event)
	if err != nil {
		return err
	}
	skipped := t.skipped
	if err := p.tell(tx, policy, e, c, who, Planned{Template: r.Template, Reminder: r.Number}, t); err != nil {
		return err
	}
	if r.Number >= want.Times || t.skipped > skipped {
		return reminders.Delete(tx, r)
	}
	r.Number, r.Failed = r.Number+1, 0
	r.Due = want.at(r, now)
	return reminders.Put(tx, r)
}

// left says that the case is not in the status any more, or is again, by a later
// event.
func (r *reminder) left(c *casecore.Case) bool {
	return c.Status != r.Status || c.StatusAt.After(r.Entered)
}

// slot is when a reminder is due by the schedule.
func (w Remind) slot(r *reminder) time.Time {
	return r.Entered.Add(time.Duration(w.After) + time.Duration(r.Number-1)*time.Duration(w.Every))
}

// at is when a reminder comes. One that the schedule had before now, while nobody
// was there to send it, comes later instead of together with the one before.
func (w Remind) at(r *reminder, now time.Time) time.Time {
	every := time.Duration(w.Every)
	if due := w.slot(r); due.After(now.Add(every / 2)) {
		return due
	}
	return now.Add(every)
}

// goOn sets the first reminder that the schedule has after now, without a word of
// those before it.
func (w Remind) goOn(tx store.Tx, r *reminder, now time.Time) error {
	r.Passed = false
	for ; r.Number <= w.Times; r.Number++ {
		if due := w.slot(r); due.After(now) {
			r.Due = due
			return reminders.Put(tx, r)
		}
	}
	return reminders.Delete(tx, r)
}

// passOver keeps a restored store from telling of what came due since its backup was
// made.
func passOver(tx store.Tx, now time.Time) (int, error) {
	var due []*reminder
	for r, err := range reminders.Scan(tx, store.Range{Index: "due", To: store.TimeKey(now) + "\x00", Limit: restoreBatch}) {
		if err != nil {
			return 0, err
		}
		due = append(due, r)
	}
	for _, r := range due {
		r.Passed, r.Due = true, now.Add(time.Second)
		if err := reminders.Put(tx, r); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

const putOffBy = time.Hour

// putOff sets a reminder that cannot be planned to a later time, and gives it up
// when that happens again and again: then the case says so.
func (p *Planner) putOff(ctx context.Context, id string, cause error) bool {
	var r *reminder
	policy := p.policy()
	put := func(say bool) error {
		return p.try(ctx, func(tx store.Tx, _ *tally) (err error) {
			if r, err = reminders.Get(tx, id); err != nil {
				return err
			}
			if r.Failed++; r.Failed < patience {
				r.Due = p.ledger.Now().Add(putOffBy)
				return reminders.Put(tx, r)
			}
			if err := reminders.Delete(tx, r); err != nil || !say {
				return err
			}
			return p.dropped(tx, policy, r)
		})
	}
	err := put(true)
	if isFault(err) { // not even that can be said
		err = put(false)
	}
	if err != nil {
		p.o.Log.Error("put off reminder", "reminder", id, "err", errors.Join(cause, err))
		return false
	}
	p.o.Log.Error("reminder cannot be planned", "reminder", id, "times", r.Failed, "given_up", r.Failed >= patience, "err", cause)
	return true
}

// dropped says on the case that somebody was not reminded.
func (p *Planner) dropped(tx store.Tx, policy *Policy, r *reminder) (err error) {
	defer caught(&err)
	plan := Planned{Template: r.Template, Reminder: r.Number}
	if r.Late != "" {
		on, _ := policy.late(r)
		plan = on.plan()
		plan.Template, plan.Late = r.Template, r.Late
	}
	e, err := casecore.Events.Get(tx, r.Event)
	if err != nil {
		return unlessGone(err)
	}
	c, err := casecore.Cases.Get(tx, r.Case)
	if err != nil {
		return unlessGone(err)
	}
	return p.fail(tx, policy, e, c, plan)
}

// reminder returns what the policy says of reminding of a status with a template.
func (p *Policy) reminder(status, template string) (Remind, bool) {
	for _, r := range p.reminders[status] {
		if r.Template == template {
			return r, true
		}
	}
	return Remind{}, false
}
