// Package webhook tells programs outside what happens to cases: events are posted
// to subscribers, signed as the Standard Webhooks specification has it, tried again
// for three days, in order for each case. A delivery is written in the transaction
// of the event it tells of, each try is recorded before the receiver is called, and
// its answer after; what is sent and not recorded when the process dies goes out
// twice, under the same webhook-id. The package knows neither how an event came
// about nor who configures a subscription.
package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"casewire/casecore/store"
)

// Options of a Sender; the zero value is right for most.
type Options struct {
	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger
	Workers   int           // posts at once to one subscriber, on this node; 0: 16
	Timeout   time.Duration // of one post; 0: 10 s; at most half of Lease
	Lease     time.Duration // how long a silent worker keeps a delivery; 0: 1 min
	Grace     time.Duration // how long posts in flight may go on after the stop; 0: 5 s
	Poll      time.Duration // how often to look without being woken; 0: 5 s
	Retention time.Duration // how long deliveries that are over are kept; 0: 30 days
	Agent     string        // the User-Agent; empty: Casewire
	// Alone says that no other process sends from this store, so that leases of
	// an earlier one are over at once.
	Alone bool
	// Transport is what posts go through, in place of the guarded one; for tests.
	Transport http.RoundTripper
	Check     func(point string) // called at named points; tests kill the process there
	Rand      func() float64     // in [0,1), for jitter
}

func (o *Options) defaults() {
	orDuration := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Workers <= 0 {
		o.Workers = 16
	}
	orDuration(&o.Timeout, 10*time.Second)
	orDuration(&o.Lease, time.Minute)
	o.Timeout = min(o.Timeout, o.Lease/2)
	orDuration(&o.Grace, 5*time.Second)
	orDuration(&o.Poll, 5*time.Second)
	orDuration(&o.Retention, 30*24*time.Hour)
	if o.Agent == "" {
		o.Agent = "Casewire"
	}
	if o.Check == nil {
		o.Check = func(string) {}
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
}

// Sender posts deliveries. Its methods are safe for concurrent use.
type Sender struct {
	store store.Store
	subs  func() []Subscription
	o     Options
	stats counters
	wire  wire
}

// New returns a Sender over st. subs is asked anew for each round.
func New(st store.Store, subs func() []Subscription, o Options) *Sender {
	o.defaults()
	return &Sender{store: st, subs: subs, o: o, wire: newWire(o)}
}

// find returns the subscription of this id, nil for none.
func (s *Sender) find(id string) *Subscription {
	all := s.subs()
	for i := range all {
		if all[i].ID == id {
			return &all[i]
		}
	}
	return nil
}

// Run sends until ctx is done and then returns nil. It then leases nothing new,
// gives the posts in flight Grace to end, cancels them, and returns when the last
// has ended and is recorded. One Run at a time; several nodes may each have one.
func (s *Sender) Run(ctx context.Context) error {
	hints, err := s.store.Watch(ctx, Deliveries.Coll())
	if err != nil {
		return fmt.Errorf("watch webhook deliveries: %w", err)
	}
	defer s.wire.close()
	newClerk(s).run(ctx, hints)
	return nil
}

type counters struct{ sent, failed, dead, fenced, rescued atomic.Uint64 }

// Stats counts what a Sender did since it was made.
type Stats struct {
	Sent    uint64 // taken by their receivers
	Failed  uint64 // tries that failed
	Dead    uint64 // given up
	Fenced  uint64 // results that came after their lease was over and were dropped
	Rescued uint64 // leases of workers that fell silent
}

// Stats returns the counts so far.
func (s *Sender) Stats() Stats {
	c := &s.stats
	return Stats{Sent: c.sent.Load(), Failed: c.failed.Load(), Dead: c.dead.Load(), Fenced: c.fenced.Load(), Rescued: c.rescued.Load()}
}
