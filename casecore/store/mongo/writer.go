package mongo

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"casewire/casecore/store"
)

// request is one Update on its way. The caller's goroutine runs the function,
// first by itself and later when it gets a turn; the writer's goroutine does
// everything around it.
type request struct {
	ctx   context.Context
	state atomic.Int32
	seq   uint64    // of the history, when the first run began
	tx    *tx       // the last run
	fresh *snapshot // of a run after another process has changed something; nil: none
	late  bool      // that was a later run, which saw its neighbours' changes
	err   error     // of a later run
	turn  chan *tx
	ran   chan outcome
	done  chan error
}

const (
	waiting int32 = iota
	taken         // by the writer: the caller waits for its answer
	left          // by the caller: the writer passes it over
)

// outcome is how the run of a function ended.
type outcome struct {
	err  error
	gone bool // by a panic or Goexit: nobody waits for an answer
}

// againError is the answer to a request whose function must be run on a newer
// snapshot, and why.
type againError struct{ cause error }

func (e *againError) Error() string { return "begin again: " + e.cause.Error() }

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.inside.Add(1)
	defer s.inside.Add(-1)
	began := time.Now()
	for wait := s.patience(); ; {
		err := s.attempt(ctx, fn)
		var again *againError
		if !errors.As(err, &again) {
			return err
		}
		s.stats.again.Add(1)
		if isConflict(again.cause) {
			s.writer.blocked(began) //nolint:contextcheck // what is in everybody's way is ended when ctx is done too
		}
		if e := wait.pause(ctx); e != nil {
			return fmt.Errorf("%w: %w", e, again.cause)
		}
	}
}

// attempt runs fn on a new snapshot and hands what it wrote to the writer.
func (s *Store) attempt(ctx context.Context, fn func(store.Tx) error) error {
	seq := s.history.enter()
	defer s.history.leave(seq)
	snap := newSnapshot(s)
	defer snap.end()
	first, err := s.firstRun(ctx, snap, fn)
	if err != nil && first.hoped && first.broken == nil { // of what it hoped, perhaps
		snap.wary = true
		first, err = s.firstRun(ctx, snap, fn)
	}
	snap.pause()
	if broken := first.broken; broken != nil {
		return again(ctx, broken)
	}
	if err != nil {
		return err
	}
	if len(first.own.tables) == 0 {
		s.stats.updates.Add(1)
		return nil
	}
	r := &request{
		ctx: ctx, seq: seq, tx: first,
		turn: make(chan *tx, 1), ran: make(chan outcome, 1), done: make(chan error, 1),
	}
	defer func() { r.fresh.end() }()
	return s.writer.submit(r, fn)
}

func (s *Store) firstRun(ctx context.Context, snap *snapshot, fn func(store.Tx) error) (*tx, error) {
	first := &tx{ctx: ctx, s: s, snap: snap, own: newLayer()}
	defer func() { first.ended = true }()
	err := fn(first)
	return first, err
}

// again says that a run that failed to read is worth another.
func again(ctx context.Context, err error) error {
	if ctx.Err() == nil && isTransient(err) && !errors.Is(err, ErrUnavailable) {
		return &againError{err}
	}
	return err
}

// submit waits for the writer's answer and runs fn whenever it asks for that.
func (w *writer) submit(r *request, fn func(store.Tx) error) error {
	select {
	case w.queue <- r:
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	cancelled := r.ctx.Done()
	for {
		select {
		case tx := <-r.turn:
			r.run(tx, fn)
		case err := <-r.done:
			return err
		case <-cancelled:
			if r.state.CompareAndSwap(waiting, left) {
				return r.ctx.Err()
			}
			cancelled = nil // too late: only the writer knows how it ends
		}
	}
}

// run calls fn and tells the writer how it ended, also when it does not return.
func (r *request) run(tx *tx, fn func(store.Tx) error) {
	end := outcome{gone: true}
	defer func() {
		tx.ended = true
		r.ran <- end
	}()
	end.err = fn(tx)
	end.gone = false
}

// take claims the request for the writer, unless its caller has left.
func (r *request) take() bool {
	return r.state.CompareAndSwap(waiting, taken) || r.state.Load() == taken
}

// writer owns the goroutine that makes transactions of requests.
type writer struct {
	s       *Store
	queue   chan *request
	stopped chan struct{}
	round   int64 // number of the last round that was sent
	sess    *mongo.Session
	ending  sync.Mutex // guards ended
	ended   time.Time  // when the sessions of the others were ended last
}

// run serves the queue until it is closed.
func (w *writer) run() {
	defer close(w.stopped)
	defer w.endSession()
	var rest []*request
	for {
		group := rest
		if len(group) == 0 {
			first, ok := <-w.queue
			if !ok {
				return
			}
			group = w.gather(first)
		}
		rest = w.serve(group)
	}
}

// gather takes what is waiting and does not wait for more: the next group forms
// by itself during the commit of this one.
func (w *writer) gather(first *request) []*request {
	runtime.Gosched() // those just answered are about to ask again: let them
	group := []*request{first}
	for len(group) < w.s.opts.MaxGroup {
		select {
		case r, ok := <-w.queue:
			if !ok {
				return group
			}
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}
