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
	late  bool      // that run saw its neighbours' changes, or must not be taken for one that did not need to
	err   error     // of a later run
	early bool      // its function is still in its first run, and waits at a contended document
	next  chan bool // early: it goes on; false: the run is worth nothing
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
	s.updating.Add(1)
	defer s.updating.Add(-1)
	began := time.Now()
	for wait, eager := s.patience(), true; ; eager = false {
		err := s.attempt(ctx, fn, eager)
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

// attempt runs fn on a new snapshot and hands what it wrote to the writer; with eager
// perhaps before it has ended.
func (s *Store) attempt(ctx context.Context, fn func(store.Tx) error, eager bool) error {
	seq := s.history.enter()
	defer s.history.leave(seq)
	snap := newSnapshot(s)
	defer snap.end()
	r := &request{
		ctx: ctx, seq: seq, next: make(chan bool, 1),
		turn: make(chan *tx, 1), ran: make(chan outcome, 1), done: make(chan error, 1),
	}
	defer func() { r.fresh.end() }()
	first := &tx{ctx: ctx, s: s, snap: snap, own: newLayer()}
	if eager {
		first.lead = &lead{w: s.writer, r: r}
	}
	err := first.run(fn)
	if l := first.lead; l != nil && l.handed {
		if l.ended {
			return l.answer
		}
		snap.pause()
		return s.writer.answer(r, fn)
	}
	if err != nil && first.hoped && first.broken == nil { // of what it hoped, perhaps
		snap.wary = true
		first = &tx{ctx: ctx, s: s, snap: snap, own: newLayer()}
		err = first.run(fn)
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
	r.tx = first
	if err := s.writer.submit(r); err != nil {
		return err
	}
	return s.writer.answer(r, fn)
}

// again says that a run that failed to read is worth another.
func again(ctx context.Context, err error) error {
	if ctx.Err() == nil && isTransient(err) && !errors.Is(err, ErrUnavailable) {
		return &againError{err}
	}
	return err
}

// submit puts the request in the writer's queue.
func (w *writer) submit(r *request) error {
	select {
	case w.queue <- r:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// answer waits for the writer's answer and runs fn whenever it asks for that.
func (w *writer) answer(r *request, fn func(store.Tx) error) error {
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

// release gives the request back to its caller, who may leave, for the time being.
func (r *request) release() {
	r.state.Store(waiting)
	if err := r.ctx.Err(); err != nil && r.state.CompareAndSwap(waiting, left) {
		r.done <- err
	}
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

// run serves the queue until it is closed. While one round is on its way to the
// server the next one is made ready on top of it.
func (w *writer) run() {
	defer close(w.stopped)
	defer w.endSession()
	var ahead *flight
	var rest []*request
	for {
		rd := &round{w: w, ahead: ahead, pending: newLayer()}
		open, landed := rd.form(rest)
		var done *round
		done, rest = ahead.land(landed)
		rd.ahead, rd.spoiled = nil, landed != nil
		few := rd.few()
		if !open || few {
			done = done.tell()
		}
		if !open {
			return
		}
		if few && !rd.spoiled {
			rd.linger()
		}
		holds := rd.claim()
		if !holds {
			done = done.tell()
		}
		ahead = rd.launch(holds)
		rest = append(rest, rd.leftover()...)
		if done != nil {
			runtime.Gosched() // the commit is on its way before many are busy with their answers
			done.tell()
		}
	}
}

// gather takes what is waiting, at most so many, and does not wait for more: they
// come by themselves while a commit is on its way.
func (w *writer) gather(first *request, most int) []*request {
	runtime.Gosched() // those just answered are about to ask again: let them
	group := []*request{first}
	for len(group) < most {
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
