package desk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// retryAfter is the pause after the store could not be read.
const retryAfter = 250 * time.Millisecond

// surveyShare bounds surveys to a fiftieth of the time.
const surveyShare = 50

// Run loads the board and follows the store until ctx is done; then it ends all
// feeds and returns nil. An error means that the board could not be loaded or
// that the store has closed. It is called once.
func (b *Board) Run(ctx context.Context) error {
	defer b.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Watch first, load then: what is committed in between is read twice, not
	// missed.
	cases, err := b.store.Watch(ctx, casecore.Cases.Coll())
	if err != nil {
		return fmt.Errorf("watch cases: %w", err)
	}
	messages, err := b.store.Watch(ctx, casecore.Messages.Coll())
	if err != nil {
		return fmt.Errorf("watch messages: %w", err)
	}
	started := time.Now()
	if err := b.load(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("load the board: %w", err)
	}
	b.o.Log.Info("board loaded", "waiting", len(b.entries), "took", time.Since(started))
	f := &follower{b: b, cases: map[string]bool{}, messages: map[string]bool{}, found: make(chan surveyed, 1)}
	defer f.wg.Wait()
	defer cancel()
	f.nextSurvey = time.Now().Add(b.o.Survey)
	return f.run(ctx, cases, messages)
}

// load reads all waiting cases.
func (b *Board) load(ctx context.Context) error {
	b.reading.Lock()
	defer b.reading.Unlock()
	err := b.scan(ctx, store.Range{Index: "board"}, func(docs []store.Doc) error {
		heads := make([]*head, 0, len(docs))
		for _, d := range docs {
			h, err := headOf(d)
			if err != nil {
				return err
			}
			heads = append(heads, h)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, h := range heads {
			b.place(h.ID, h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
	b.history.first = b.seq
	close(b.loaded)
	return nil
}

// follower is the state of Run.
type follower struct {
	b          *Board
	cases      map[string]bool // to be read
	messages   map[string]bool // whose cases are to be told of, if anybody watches them
	messagesAt time.Time       // when the first of them was noted
	missed     bool            // hints were lost: compare everything
	readAt     time.Time       // of the last flush
	retryAt    time.Time       // after a failure

	wg         sync.WaitGroup
	surveying  bool
	nextSurvey time.Time
	found      chan surveyed
}

func (f *follower) run(ctx context.Context, cases, messages <-chan store.Hint) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		ok := true
		var h store.Hint
		select {
		case <-ctx.Done():
			return nil
		case h, ok = <-cases:
			f.note(f.cases, h)
			f.missed = f.missed || h.Missed
		case h, ok = <-messages:
			f.noteMessages(h)
		case s := <-f.found:
			f.surveyed(s)
		case <-timer.C:
		}
		if !ok {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("follow cases: %w", store.ErrClosed)
		}
		timer.Reset(time.Until(f.step(ctx)))
	}
}

// noteMessages waits for the hint of the case, which mostly comes with it: read
// alone, the message would use up the turn of the case. A lost one costs a
// delivery state until the holder's next look.
func (f *follower) noteMessages(h store.Hint) {
	if !f.b.watched("") {
		return
	}
	if len(f.messages) == 0 {
		f.messagesAt = time.Now()
	}
	f.note(f.messages, h)
}

func (f *follower) note(set map[string]bool, h store.Hint) {
	for _, id := range h.IDs {
		set[id] = true
	}
}

// step does what is due and returns when to step again, at the latest.
func (f *follower) step(ctx context.Context) time.Time {
	now := time.Now()
	if f.missed && !f.surveying || !now.Before(f.nextSurvey) {
		f.survey(ctx)
	}
	if at := f.next(); at.After(now) {
		return at
	}
	f.readAt = now
	f.read(ctx)
	return f.next()
}

// next is when something will have to be done if nothing comes in. Changes go out
// at once after a quiet time, and otherwise together with all that come within
// Coalesce.
func (f *follower) next() time.Time {
	at, due := f.nextSurvey, later(f.readAt.Add(f.b.o.Coalesce), f.retryAt)
	earlier := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if len(f.cases) > 0 {
		earlier(due)
	}
	if len(f.messages) > 0 {
		earlier(later(due, f.messagesAt.Add(f.b.o.Coalesce)))
	}
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	if alarm := f.b.clock.next(); !alarm.IsZero() {
		earlier(later(due, time.Now().Add(alarm.Sub(f.b.o.Now()))))
	}
	if counts := f.b.nextCounts(); !counts.IsZero() {
		earlier(later(due, counts))
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// read reads what was noted, takes it over and flushes.
func (f *follower) read(ctx context.Context) {
	b := f.b
	b.reading.Lock()
	defer b.reading.Unlock()
	var readings []reading
	if len(f.cases)+len(f.messages) > 0 {
		var err error
		readings, err = b.readAll(ctx, f.cases, f.messages)
		if f.failed(ctx, err) {
			return
		}
		clear(f.cases)
		clear(f.messages)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range readings {
		b.take(r)
	}
	b.ring()
	b.flush()
}

// failed notes how reading the store went; it logs the first failure of a row.
func (f *follower) failed(ctx context.Context, err error) bool {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	was := f.b.unread
	f.b.unread = err
	if err == nil {
		return false
	}
	f.retryAt = time.Now().Add(retryAfter)
	if was == nil && ctx.Err() == nil {
		f.b.o.Log.Error("board cannot read the store; it will try again", "err", err)
	}
	return true
}

// reading is what the store says of one case.
type reading struct {
	id     string
	head   *head // nil when there is no such case
	mine   *Mine // when a watching operator holds it
	forced bool  // tell its holder even if the case itself is the same
}

// readAll reads cases by id, and those that the messages belong to if anybody
// watches them. The caller holds reading.
func (b *Board) readAll(ctx context.Context, cases, messages map[string]bool) ([]reading, error) {
	b.stats.reads.Add(1)
	var out []reading
	err := b.store.View(ctx, func(tx store.Tx) error {
		out = out[:0]
		forced, err := b.touched(tx, messages)
		if err != nil {
			return err
		}
		for id := range cases {
			if !forced[id] {
				forced[id] = false
			}
		}
		reads := make([]store.Read, 0, len(forced))
		for id := range forced {
			reads = append(reads, casecore.Cases.ByID(id))
		}
		tx.Expect(reads...)
		for id, force := range forced {
			r, err := b.readOne(tx, id)
			if err != nil {
				return err
			}
			r.forced = force
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

// touched returns the watched cases that these messages belong to.
func (b *Board) touched(tx store.Tx, messages map[string]bool) (map[string]bool, error) {
	out := map[string]bool{}
	if !b.watched("") {
		return out, nil
	}
	reads := make([]store.Read, 0, len(messages))
	for id := range messages {
		reads = append(reads, casecore.Messages.ByID(id))
	}
	tx.Expect(reads...)
	for id := range messages {
		d, err := tx.Get(casecore.Messages.Coll(), id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c, err := caseOf(d)
		if err != nil {
			return nil, err
		}
		if b.watched(c) {
			out[c] = true
		}
	}
	return out, nil
}

// watched says whether somebody wants to know of the case besides its queue; of
// any case if id is empty.
func (b *Board) watched(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id == "" {
		return len(b.held)+len(b.watchers) > 0
	}
	return b.held[id] != nil || b.watchers[id] != nil
}

func (b *Board) readOne(tx store.Tx, id string) (reading, error) {
	r := reading{id: id}
	d, err := tx.Get(casecore.Cases.Coll(), id)
	if errors.Is(err, store.ErrNotFound) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if r.head, err = headOf(d); err != nil {
		return r, err
	}
	if !r.head.holds() || b.operators[r.head.Owner] == nil {
		return r, nil
	}
	c, err := casecore.Cases.Get(tx, id)
	if err != nil {
		return r, err
	}
	m, err := readMine(tx, c)
	r.mine = &m
	return r, err
}
