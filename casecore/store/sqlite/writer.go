package sqlite

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"casewire/casecore/store"
)

// request is one Update on its way. The caller's goroutine runs the function
// when it gets a turn; the writer's goroutine does everything around it.
type request struct {
	ctx   context.Context
	state atomic.Int32
	turn  chan *tx     // from the writer: run the function now
	ran   chan outcome // to the writer: it has run
	done  chan error   // from the writer: the answer
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

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, turn: make(chan *tx, 1), ran: make(chan outcome, 1), done: make(chan error, 1)}
	select {
	case s.writer.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	cancelled := ctx.Done()
	for {
		select {
		case tx := <-r.turn:
			r.run(tx, fn)
		case err := <-r.done:
			return err
		case <-cancelled:
			if r.state.CompareAndSwap(waiting, left) {
				return ctx.Err()
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

// writer owns the writing connection and the goroutine that serves the queue.
type writer struct {
	s       *Store
	c       *conn
	queue   chan *request
	stopped chan struct{}
	failed  error // set once, by a commit whose outcome on the disk is unknown
}

// run serves the queue until it is closed.
func (w *writer) run() {
	defer close(w.stopped)
	for first := range w.queue {
		// Whoever loses its work to a neighbour's failure runs again, with more
		// care, and in the end alone.
		again := w.round(w.round(w.gather(first), bare), guarded)
		for _, r := range again {
			w.round([]*request{r}, guarded)
		}
	}
}

// gather takes what is waiting and does not wait for more: the next group forms
// by itself during the fsync of this one.
func (w *writer) gather(first *request) []*request {
	// Those just answered are about to ask again: let them, instead of spending
	// an fsync on the fastest one.
	runtime.Gosched()
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

// fail marks the store as failed; the caller has answered everybody.
func (w *writer) fail(err error) {
	w.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	w.s.log.Error("the outcome of a commit is unknown; nothing more is written", "err", err)
	if w.s.opts.Fatal != nil {
		w.s.opts.Fatal(w.failed)
	}
}
