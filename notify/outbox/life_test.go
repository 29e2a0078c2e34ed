package outbox_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// life is one process of the post room on the house's store. When it dies, at a
// named point, nothing of it reaches the store or a provider any more.
type life struct {
	h     *house
	store *mortalStore
	dead  atomic.Bool
	sick  atomic.Bool // commits fail
	died  chan struct{}
	mu    sync.Mutex
	at    string        // the point
	left  int           // how often it is passed before
	poll  time.Duration // of the planner
	box   *outbox.Outbox
	stop  func() // ends it in an orderly way
	wait  func() // waits until it has died
}

var errDead = errors.New("the process is dead")

func newLife(h *house) *life {
	l := &life{h: h, died: make(chan struct{}), poll: seldom}
	l.store = &mortalStore{Store: h.st, life: l}
	return l
}

// dieAt lets the process die when it reaches a point for the nth time.
func (l *life) dieAt(point string, nth int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.left = point, nth
}

// die is kill -9.
func (l *life) die() {
	if l.dead.CompareAndSwap(false, true) {
		close(l.died)
	}
}

func (l *life) check(point string) {
	l.mu.Lock()
	hit := point == l.at
	if hit {
		l.left--
		hit = l.left == 0
	}
	l.mu.Unlock()
	if hit {
		l.die()
	}
}

// run starts the planner and the outbox of this life.
func (l *life) run(o outbox.Options) {
	ctx, cancel := context.WithCancel(l.h.t.Context())
	o.Check, o.Poll, o.Log = l.check, seldom, l.h.log
	if o.Rand == nil {
		o.Rand = func() float64 { return 0.5 }
	}
	o.Doubt = doubt
	l.box = outbox.New(l.store, l.h.ledger, l.door, o)
	planner := notify.NewPlanner(l.store, l.h.ledger, l.h.inForce,
		notify.Options{Poll: l.poll, Check: l.check, Log: l.h.log, Reach: o.Reach})
	var wg sync.WaitGroup
	wg.Go(func() { l.h.must(planner.Run(ctx)) })
	wg.Go(func() { l.h.must(l.box.Run(ctx)) })
	l.stop = func() { cancel(); wg.Wait() }
	l.wait = func() { <-l.died; l.stop() }
}

func (l *life) door(channel string) channels.Channel {
	if d := l.h.doorOf(channel); d != nil {
		return mortalDoor{d, l}
	}
	return nil
}

// mortalStore refuses everything once its life is over. A transaction that was
// running then is rolled back.
type mortalStore struct {
	store.Store
	life *life
}

func (s *mortalStore) View(ctx context.Context, fn func(store.Tx) error) error {
	if s.life.dead.Load() {
		return errDead
	}
	return s.Store.View(ctx, fn)
}

func (s *mortalStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.life.dead.Load() || s.life.sick.Load() {
		return errDead
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if s.life.dead.Load() {
			return errDead
		}
		return nil
	})
}

// mortalDoor reaches no provider once its life is over.
type mortalDoor struct {
	channels.Channel
	life *life
}

func (d mortalDoor) Send(ctx context.Context, m channels.Outbound) (channels.Receipt, error) {
	if d.life.dead.Load() {
		return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: errDead}
	}
	return d.Channel.Send(ctx, m)
}
