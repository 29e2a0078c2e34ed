package tempstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"casewire/casecore/store"
	"casewire/casecore/store/engine"
)

// A bubble of synctest must have no part in a network: its clock stands while one of
// its goroutines waits for what may come from outside, and a driver always does. So the
// store stays outside, and a ferry carries each call there and back, over channels made
// outside: whoever waits for it keeps the clock from moving until the call has returned,
// and nobody else does. Functions of the caller run inside, where their clock is.

// ferry serves the calls of one bubble.
type ferry struct {
	trips chan *trip
	end   context.CancelFunc
	done  sync.WaitGroup
}

// trip is one call. Its channels are made outside, and need no clock.
type trip struct {
	ctx   context.Context // outside
	calls chan func(ctx context.Context, t *trip) error
	turns chan turn
	work  chan func()
	did   chan struct{}
	over  chan error
	left  chan struct{} // the caller's context is done
}

// turn tells the caller to run its function, or that the call has ended.
type turn struct {
	tx    store.Tx
	ended bool
	err   error
}

// newFerry starts a ferry; it ends with close alone.
func newFerry(ctx context.Context) *ferry {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	f := &ferry{trips: make(chan *trip), end: end}
	f.done.Go(func() {
		for ctx.Err() == nil {
			t := &trip{
				ctx: ctx, calls: make(chan func(context.Context, *trip) error), turns: make(chan turn),
				work: make(chan func()), did: make(chan struct{}), over: make(chan error), left: make(chan struct{}, 1),
			}
			select {
			case f.trips <- t:
				f.done.Go(t.serve)
			case <-ctx.Done():
			}
		}
	})
	return f
}

// close ends the ferry, when nobody in the bubble needs it any more.
func (f *ferry) close() {
	f.end()
	f.done.Wait()
}

// serve runs the call outside.
func (t *trip) serve() {
	ctx, cancel := context.WithCancel(t.ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-t.left:
			cancel()
		case <-ctx.Done():
		}
	})
	err := (<-t.calls)(ctx, t)
	t.turns <- turn{ended: true, err: err}
}

// inside lets the caller's function run in the bubble, with tx, and does outside what
// it asks for.
func (t *trip) inside(tx store.Tx) error {
	t.turns <- turn{tx: tx}
	for {
		select {
		case f := <-t.work:
			f()
			t.did <- struct{}{}
		case err := <-t.over:
			return err
		}
	}
}

// errAbandoned rolls back what a panic or the end of the test has cut off.
var errAbandoned = errors.New("the function did not return")

// carry makes the call from the bubble; fn runs there.
func (f *ferry) carry(ctx context.Context, call func(context.Context, *trip) error, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := <-f.trips
	t.calls <- call
	defer context.AfterFunc(ctx, func() { t.left <- struct{}{} })()
	for {
		next := <-t.turns
		if next.ended {
			if cause := ctx.Err(); cause != nil && errors.Is(next.err, context.Canceled) {
				return cause
			}
			return next.err
		}
		t.run(next.tx, fn)
	}
}

// run runs fn in the bubble. When it panics or ends its goroutine, the call is waited
// for, so that nothing of it is left behind.
func (t *trip) run(tx store.Tx, fn func(store.Tx) error) {
	c := &crossing{trip: t, tx: tx}
	err, returned := errAbandoned, false
	defer func() {
		c.ended = true
		t.over <- err
		for !returned && !(<-t.turns).ended {
			t.over <- err
		}
	}()
	err = fn(c)
	returned = true
}

// open opens a store of these collections outside, for the use inside.
func (f *ferry) open(ctx context.Context, colls []*store.Coll, open func(context.Context) (store.Store, error)) (store.Store, error) {
	s := &ferried{ferry: f, colls: colls, hub: engine.NewHub(), base: context.WithoutCancel(ctx)}
	err := f.carry(ctx, func(ctx context.Context, _ *trip) (err error) {
		s.there, err = open(ctx)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ferried is a store outside as it is seen in the bubble. What its own Updates change
// it tells to its watchers itself: news from outside could not wake them.
type ferried struct {
	ferry *ferry
	there store.Store
	colls []*store.Coll
	hub   *engine.Hub
	base  context.Context // inside
}

func (s *ferried) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.ferry.carry(ctx, func(ctx context.Context, t *trip) error { return s.there.View(ctx, t.inside) }, fn)
}

func (s *ferried) Update(ctx context.Context, fn func(store.Tx) error) error {
	var changed map[string][]string
	err := s.ferry.carry(ctx, func(ctx context.Context, t *trip) error { return s.there.Update(ctx, t.inside) }, func(tx store.Tx) error {
		changed = make(map[string][]string)
		return fn(noting{tx, changed})
	})
	if err != nil {
		return err
	}
	for coll, ids := range changed {
		s.hub.Tell(coll, store.Hint{IDs: ids})
	}
	return nil
}

func (s *ferried) Watch(ctx context.Context, coll *store.Coll) (<-chan store.Hint, error) {
	if !slices.Contains(s.colls, coll) {
		return nil, fmt.Errorf("watch of %s: it is not open", coll.Name)
	}
	return s.hub.Watch(ctx, coll.Name)
}

func (s *ferried) Close() error {
	s.hub.Close()
	return s.ferry.carry(s.base, func(context.Context, *trip) error { return s.there.Close() }, nil)
}

// crossing is a transaction outside as it is seen in the bubble.
type crossing struct {
	trip  *trip
	tx    store.Tx
	ended bool
}

// outside has f run outside. When the transaction has ended nobody waits there, and the
// transaction itself says so.
func (c *crossing) outside(f func()) {
	if c.ended {
		f()
		return
	}
	c.trip.work <- f
	<-c.trip.did
}

func (c *crossing) Get(coll *store.Coll, id string) (d store.Doc, err error) {
	c.outside(func() { d, err = c.tx.Get(coll, id) })
	return d, err
}

func (c *crossing) Expect(reads ...store.Read) {
	c.outside(func() { c.tx.Expect(reads...) })
}

func (c *crossing) Put(coll *store.Coll, d store.Doc) (version uint64, err error) {
	c.outside(func() { version, err = c.tx.Put(coll, d) })
	return version, err
}

func (c *crossing) Delete(coll *store.Coll, id string, version uint64) (err error) {
	c.outside(func() { err = c.tx.Delete(coll, id, version) })
	return err
}

func (c *crossing) Scan(coll *store.Coll, r store.Range) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		var next func() (store.Doc, error, bool)
		var stop func()
		c.outside(func() { next, stop = iter.Pull2(c.tx.Scan(coll, r)) })
		defer c.outside(func() { stop() })
		for {
			var d store.Doc
			var err error
			var more bool
			c.outside(func() { d, err, more = next() })
			if !more || !yield(d, err) {
				return
			}
		}
	}
}

// noting is a transaction that notes what it changes.
type noting struct {
	store.Tx
	changed map[string][]string
}

func (n noting) Put(coll *store.Coll, d store.Doc) (uint64, error) {
	version, err := n.Tx.Put(coll, d)
	if err == nil {
		n.changed[coll.Name] = append(n.changed[coll.Name], d.ID)
	}
	return version, err
}

func (n noting) Delete(coll *store.Coll, id string, version uint64) error {
	err := n.Tx.Delete(coll, id, version)
	if err == nil {
		n.changed[coll.Name] = append(n.changed[coll.Name], id)
	}
	return err
}
