// Package lease lets one of several nodes on one store do a thing at a time: read
// a mailbox, poll for updates, sweep. It knows names and nodes, and deliberately
// not what is done under a lease.
//
// Clocks are never compared. A holder shows that it is alive by writing its lease
// anew; whoever waits takes it over when it has seen no such writing for the
// lease's time by its own clock. A holder stops when it could not write for two
// thirds of that time. A node that was paused may still believe for a moment that
// it holds what another has taken: so whatever it writes to the store should go
// with Lease.Confirm, in the same transaction.
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"casewire/casecore/store"
)

// ErrLost means that another node has taken the lease, or that it could not be
// renewed in time.
var ErrLost = errors.New("lease is lost")

// DefaultTTL is how long a lease outlives its holder when Options do not say.
const DefaultTTL = 15 * time.Second

// record is a lease in the store.
type record struct {
	store.Meta
	Node  string `json:"node"`  // who holds it, "" for nobody
	Fence int64  `json:"fence"` // grows with every holder
	Beat  int64  `json:"beat"`  // grows with every renewal
}

// Keys of a lease: none.
func (*record) Keys() store.Keys { return nil }

var records = store.NewTable[record]("lease")

// Collections lists what this package keeps, for opening a store.
func Collections() []*store.Coll { return []*store.Coll{records.Coll()} }

// Options of Leases; the zero value is right for most.
type Options struct {
	TTL time.Duration    // within which a dead holder's lease is taken over; 0: DefaultTTL
	Now func() time.Time // nil: time.Now; only differences count
}

// Leases is one node's hand on the leases. It is safe for concurrent use.
type Leases struct {
	st   store.Store
	node string
	o    Options
}

// New returns the leases of node, a name that no other running process has: a new
// store.NewID will do.
func New(st store.Store, node string, o Options) *Leases {
	if o.TTL <= 0 {
		o.TTL = DefaultTTL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Leases{st: st, node: node, o: o}
}

// seen is what a waiting node has observed of a lease, and since when.
type seen struct {
	fence, beat int64
	since       time.Time
}

// Hold waits for the lease, runs fn while it holds it and gives it back. fence is
// larger than that of every holder before. The context of fn is done when the
// lease is lost, with ErrLost as its cause; fn must then return. Hold returns the
// error of fn, joined with ErrLost when the lease was lost, or that of ctx.
func (l *Leases) Hold(ctx context.Context, name string, fn func(ctx context.Context, fence int64) error) error {
	fence, began, err := l.wait(ctx, name)
	if err != nil {
		return fmt.Errorf("lease of %s: %w", name, err)
	}
	held, lose := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { l.renew(held, lose, name, fence, began) })
	defer func() { // also when fn panics
		lose(nil)
		renewing.Wait()
		l.giveBack(ctx, name, fence)
	}()
	err = fn(held, fence)
	if errors.Is(context.Cause(held), ErrLost) {
		return errors.Join(err, fmt.Errorf("%s: %w", name, ErrLost))
	}
	return err
}

// Confirm returns ErrLost unless this node holds the lease with this fence, and
// makes a transaction that commits after another node took it fail: it goes into
// the transaction of what is written under the lease.
func (l *Leases) Confirm(tx store.Tx, name string, fence int64) error {
	r, err := records.Get(tx, id(name))
	if errors.Is(err, store.ErrNotFound) || err == nil && (r.Fence != fence || r.Node != l.node) {
		return fmt.Errorf("%s: %w", name, ErrLost)
	}
	if err != nil {
		return err
	}
	return records.Put(tx, r) // whoever takes it over meanwhile is in conflict with this
}

func id(name string) string { return store.HashID("lease", name) }

// interval is how often a holder renews and a waiting node looks.
func (l *Leases) interval() time.Duration { return l.o.TTL / 5 }

// wait waits until the lease is free or its holder has shown no life for TTL, and
// takes it. began is from when on the holder counts as alive.
func (l *Leases) wait(ctx context.Context, name string) (fence int64, began time.Time, err error) {
	var last seen
	for {
		began = l.o.Now()
		fence, err := l.take(ctx, name, &last)
		if ctx.Err() != nil {
			return 0, began, ctx.Err()
		}
		if err == nil && fence > 0 {
			return fence, began, nil
		}
		// A store that is away is waited for like a holder.
		if errors.Is(err, store.ErrClosed) {
			return 0, began, err
		}
		if !sleep(ctx, l.interval()) {
			return 0, began, ctx.Err()
		}
	}
}

// take takes the lease if it may, and returns its fence or 0.
func (l *Leases) take(ctx context.Context, name string, last *seen) (fence int64, err error) {
	var now seen
	err = l.st.Update(ctx, func(tx store.Tx) error {
		fence = 0
		r, err := records.Get(tx, id(name))
		if errors.Is(err, store.ErrNotFound) {
			r, err = &record{Meta: store.Meta{ID: id(name)}}, nil
		}
		if err != nil {
			return err
		}
		now = seen{r.Fence, r.Beat, last.since}
		if now.fence != last.fence || now.beat != last.beat || last.since.IsZero() {
			now.since = l.o.Now()
		}
		if r.Node != "" && l.o.Now().Sub(now.since) < l.o.TTL {
			return nil
		}
		r.Node = l.node
		r.Fence++
		fence = r.Fence
		return records.Put(tx, r)
	})
	if err != nil {
		return 0, err
	}
	*last = now
	return fence, nil
}

// renew writes the lease anew until ctx is done, and gives it up as lost when that
// did not succeed for two thirds of TTL: a third before anybody takes it over.
func (l *Leases) renew(ctx context.Context, lose context.CancelCauseFunc, name string, fence int64, last time.Time) {
	limit := l.o.TTL * 2 / 3
	for {
		wait := min(l.interval(), max(limit-l.o.Now().Sub(last), 0))
		if !sleep(ctx, wait) {
			return
		}
		began := l.o.Now()
		if began.Sub(last) >= limit {
			lose(fmt.Errorf("not renewed for %v: %w", began.Sub(last), ErrLost))
			return
		}
		try, cancel := context.WithTimeout(ctx, limit-began.Sub(last))
		err := l.beat(try, name, fence)
		cancel()
		switch {
		case err == nil:
			last = began
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrLost), errors.Is(err, store.ErrClosed):
			lose(err)
			return
		}
	}
}

func (l *Leases) beat(ctx context.Context, name string, fence int64) error {
	return l.st.Update(ctx, func(tx store.Tx) error {
		r, err := records.Get(tx, id(name))
		if err != nil {
			return err
		}
		if r.Fence != fence || r.Node != l.node {
			return fmt.Errorf("taken by another node: %w", ErrLost)
		}
		r.Beat++
		return records.Put(tx, r)
	})
}

// giveBack frees the lease, so that nobody has to wait for it. What fails here
// ends by itself after TTL.
func (l *Leases) giveBack(ctx context.Context, name string, fence int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.interval())
	defer cancel()
	_ = l.st.Update(ctx, func(tx store.Tx) error {
		r, err := records.Get(tx, id(name))
		if err != nil || r.Fence != fence || r.Node != l.node {
			return err
		}
		r.Node = ""
		return records.Put(tx, r)
	})
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
