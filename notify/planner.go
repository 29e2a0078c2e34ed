package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// PendingFailed marks events that could not be planned. They wait for a person.
const PendingFailed = "notify-failed"

// Options of a Planner.
type Options struct {
	// Reach is for customers who prefer another channel, or cannot be told on the
	// one where they wrote. Without it they are answered there or not at all.
	Reach Reach
	// Link returns the address of the case's own page; nil or empty: none.
	Link  func(c *casecore.Case) string
	Batch int           // events of one transaction, at most 256; 0: 64
	Poll  time.Duration // how often to look without being woken; 0: 5 s
	Log   *slog.Logger
	Check func(point string) // called at named points; tests kill the process there
}

const (
	defaultBatch = 64 // plans in about 15 ms, for which intake waits
	maxBatch     = 256
	defaultPoll  = 5 * time.Second
	patience     = 3 // times an event may fail before it is put aside
)

// failure is what is known of an event that could not be planned.
type failure struct {
	times   int
	again   time.Time // not before
	without []string  // Planned.label of the notices that it is planned without
}

// fault is an error of what is planned, which comes again with any store.
type fault struct{ err error }

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// misfit is the error of one notice of several.
type misfit struct {
	label string // with an address: nothing for a log
	err   error
}

func (m *misfit) Error() string { return m.err.Error() }
func (m *misfit) Unwrap() error { return m.err }

// Planner reads the events of the book and writes the notices that they ask for,
// with their words, in the same transaction that strikes the events from its
// list: each event is planned exactly once.
type Planner struct {
	store  store.Store
	ledger *casecore.Ledger
	policy func() *Policy
	o      Options
	failed map[string]failure // events to be tried again alone; Run's alone
	stats  struct{ events, planned, skipped, failed atomic.Uint64 }
}

// NewPlanner returns a Planner over st. policy is asked anew for each batch.
func NewPlanner(st store.Store, l *casecore.Ledger, policy func() *Policy, o Options) *Planner {
	if o.Link == nil {
		o.Link = func(*casecore.Case) string { return "" }
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	o.Batch = min(o.Batch, maxBatch)
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Check == nil {
		o.Check = func(string) {}
	}
	return &Planner{store: st, ledger: l, policy: policy, o: o, failed: map[string]failure{}}
}

// Stats counts what a Planner did since it was made.
type Stats struct {
	Events  uint64 // read and done with
	Planned uint64 // notices written
	Skipped uint64 // notices that could not be addressed
	Failed  uint64 // events put aside, and notices that an event was planned without
}

// Stats returns the counts so far. It is safe for concurrent use.
func (p *Planner) Stats() Stats {
	return Stats{
		Events: p.stats.events.Load(), Planned: p.stats.planned.Load(),
		Skipped: p.stats.skipped.Load(), Failed: p.stats.failed.Load(),
	}
}

// Run plans until ctx is done and then returns nil. It stops between
// transactions. One Run at a time; several nodes may each have one.
func (p *Planner) Run(ctx context.Context) error {
	hints, err := p.store.Watch(ctx, casecore.Events.Coll())
	if err != nil {
		return fmt.Errorf("watch events: %w", err)
	}
	work := context.WithoutCancel(ctx)
	timer := time.NewTimer(p.o.Poll)
	defer timer.Stop()
	for {
		more := p.round(work)
		if ctx.Err() != nil {
			return nil
		}
		if more {
			continue
		}
		wait := p.remind(work)
		if wait <= 0 {
			continue // what has just happened is told before what waits for days
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-hints:
			if !ok {
				hints = nil // ctx is done, or the store is closed: the poll tells
			}
		case <-timer.C:
		}
	}
}

// round plans one batch and says whether there may be more at once. When the
// batch fails, each event is tried alone, so that one does not block the others.
func (p *Planner) round(ctx context.Context) (more bool) {
	ids, err := p.pending(ctx)
	if err != nil {
		p.o.Log.Error("read pending events", "err", err)
		return false
	}
	if len(ids) == 0 {
		return false
	}
	if err = p.plan(ctx, ids); err == nil {
		return len(ids) == p.o.Batch
	}
	if errors.Is(err, store.ErrClosed) {
		p.o.Log.Error("plan notices", "err", err)
		return false
	}
	done := 0
	for i, id := range ids {
		if p.alone(ctx, id) {
			done++
		} else if i >= patience && done == 0 {
			return false // it is the store that fails, not the events
		}
	}
	return done > 0
}

// pending returns the ids of the oldest events that are not planned yet, without
// those that failed a moment ago.
func (p *Planner) pending(ctx context.Context) ([]string, error) {
	var ids []string
	var still map[string]failure
	now := p.ledger.Now()
	err := p.store.View(ctx, func(tx store.Tx) error {
		ids, still = nil, map[string]failure{}
		r := store.Range{Index: "pending", Prefix: casecore.PendingNotify, Limit: p.o.Batch + len(p.failed)}
		for d, err := range tx.Scan(casecore.Events.Coll(), r) {
			if err != nil {
				return err
			}
			f, failed := p.failed[d.ID]
			if failed {
				still[d.ID] = f
			}
			if len(ids) < p.o.Batch && !now.Before(f.again) {
				ids = append(ids, d.ID)
			}
		}
		return nil
	})
	if err == nil {
		p.failed = still
	}
	return ids, err
}

// plan plans these events in one transaction.
func (p *Planner) plan(ctx context.Context, ids []string) error {
	policy := p.policy()
	reads := make([]store.Read, len(ids))
	for i, id := range ids {
		reads[i] = casecore.Events.ByID(id)
	}
	return p.try(ctx, func(tx store.Tx, t *tally) error {
		tx.Expect(reads...)
		for _, id := range ids {
			if err := p.event(tx, policy, id, t); err != nil {
				return fmt.Errorf("event %s: %w", id, err)
			}
		}
		return nil
	})
}

// try runs what in a transaction. Only an error that the store has no part in is a
// *fault: one with which it refuses a commit is not, whatever was to be written.
func (p *Planner) try(ctx context.Context, what func(tx store.Tx, t *tally) error) error {
	var t tally
	inside := false
	err := p.store.Update(ctx, func(tx store.Tx) error {
		t, inside = tally{}, true
		if err := what(tx, &t); err != nil {
			return err
		}
		p.o.Check("planner.before-commit")
		inside = false
		return nil
	})
	if err == nil {
		p.count(t)
		return nil
	}
	for _, passing := range []error{store.ErrUnavailable, store.ErrClosed, store.ErrConflict, context.Canceled, context.DeadlineExceeded} {
		inside = inside && !errors.Is(err, passing)
	}
	if inside {
		return &fault{err}
	}
	return err
}

// isFault says that the store is not to blame for an error of try.
func isFault(err error) bool {
	_, is := errors.AsType[*fault](err)
	return is
}

// tally counts what one transaction does.
type tally struct{ events, planned, skipped, failed uint64 }

func (p *Planner) count(t tally) {
	p.stats.events.Add(t.events)
	p.stats.planned.Add(t.planned)
	p.stats.skipped.Add(t.skipped)
	p.stats.failed.Add(t.failed)
}

// caught makes a panic the error that a function returns.
func caught(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("panic: %v", fault)
	}
}

// event plans one event and strikes it from the list. A fault in a template or a
// policy must not stop the post room, so a panic counts as this event's failure.
func (p *Planner) event(tx store.Tx, policy *Policy, id string, t *tally) (err error) {
	defer caught(&err)
	e, err := casecore.Events.Get(tx, id)
	if err != nil {
		return err
	}
	if !slices.Contains(e.Pending, casecore.PendingNotify) {
		return nil // another node was first
	}
	if err := p.notices(tx, policy, e, t); err != nil {
		return err
	}
	t.events++
	return strike(tx, e, "")
}

// strike takes the event off the post room's list, and puts it on another one.
func strike(tx store.Tx, e *casecore.Event, instead string) error {
	e.Pending = slices.DeleteFunc(e.Pending, func(s string) bool { return s == casecore.PendingNotify })
	if instead != "" {
		e.Pending = append(e.Pending, instead)
	}
	return casecore.Events.Put(tx, e)
}

// alone plans one event by itself, and says whether that is over. One that fails
// again and again is planned without those recipients who are at fault, and when
// that does not help put aside. What fails for the store's sake is tried for ever.
func (p *Planner) alone(ctx context.Context, id string) bool {
	err := p.plan(ctx, []string{id})
	for err != nil && p.leaveOut(id, err) {
		err = p.plan(ctx, []string{id})
	}
	switch {
	case err == nil:
		delete(p.failed, id)
		return true
	case !isFault(err):
		p.o.Log.Warn("plan notices", "event", id, "err", err)
		return false
	}
	return p.putAside(ctx, id, err)
}

// leaveOut has an event planned without the notice with which it failed once too
// often.
func (p *Planner) leaveOut(id string, cause error) bool {
	f := p.failed[id]
	m, ok := errors.AsType[*misfit](cause)
	if !ok || !isFault(cause) || f.times+1 < patience || slices.Contains(f.without, m.label) {
		return false
	}
	f.without = append(f.without, m.label)
	p.failed[id] = f
	p.o.Log.Error("notice cannot be planned: it is not sent", "event", id, "err", cause)
	return true
}

// putAside takes an event that failed again and again off the list, and says on its
// case that nobody was told of it.
func (p *Planner) putAside(ctx context.Context, id string, cause error) bool {
	f := p.failed[id]
	f.times++
	f.again = p.ledger.Now().Add(time.Duration(f.times) * time.Second)
	p.failed[id] = f
	if f.times < patience {
		p.o.Log.Warn("event cannot be planned", "event", id, "times", f.times, "err", cause)
		return false
	}
	policy := p.policy()
	err := p.try(ctx, func(tx store.Tx, _ *tally) error { return p.strikeOut(tx, policy, id) })
	if isFault(err) { // not even that can be said
		err = p.try(ctx, func(tx store.Tx, _ *tally) error { return p.strikeOut(tx, nil, id) })
	}
	if err != nil {
		p.o.Log.Error("put aside event", "event", id, "err", err)
		return false
	}
	delete(p.failed, id)
	p.stats.failed.Add(1)
	p.o.Log.Error("event put aside: its notice is not sent", "event", id, "mark", PendingFailed, "err", cause)
	return true
}

// strikeOut puts an event aside; without a policy nothing is said of it.
func (p *Planner) strikeOut(tx store.Tx, policy *Policy, id string) (err error) {
	defer caught(&err)
	e, err := casecore.Events.Get(tx, id)
	if err != nil {
		return err
	}
	if err := strike(tx, e, PendingFailed); err != nil || policy == nil {
		return err
	}
	c, err := casecore.Cases.Get(tx, e.Case)
	if err != nil {
		return unlessGone(err)
	}
	plan := policy.Plan(e)
	if e.Kind == casecore.Answered {
		plan = []Planned{{}}
	}
	for _, n := range plan {
		if err := p.fail(tx, policy, e, c, n); err != nil {
			return err
		}
	}
	return nil
}
