// Package outbox is the only caller of Channel.Send. It leases due notices, sends
// them, records what the provider said, tries again, and gives up aloud. It knows
// neither why a notice was written nor what it says.
//
// A notice is written before it is tried (planner), each try is recorded before
// the provider is called, and the provider's answer after. What is sent but not
// yet recorded when the process dies is the one case in which a message may go
// out twice; it then carries the same Outbound.ID.
package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
)

// Options of an Outbox. The zero value is right for one node.
type Options struct {
	Now     func() time.Time // nil: the ledger's
	Log     *slog.Logger
	Workers int           // sends at once on one channel; 0: 32
	Lease   time.Duration // how long a silent worker keeps a notice; 0: 30 s
	Grace   time.Duration // how long sends in flight may go on after the stop; 0: 10 s
	Poll    time.Duration // how often to look without being woken; 0: 3 s
	Timeout time.Duration // of one send; 0: none, the lease is renewed meanwhile
	Holding time.Duration // how long a held notice waits for a receipt; 0: 24 h
	// Ladder returns the waits between the tries of a kind; nil: Ladder.
	Ladder func(channels.Kind) []time.Duration
	// Doubt returns a channel's policy for what may have been sent; nil: InDoubt
	// of its kind.
	Doubt func(channelID string, kind channels.Kind) Doubt
	// Reach is for what could not be delivered where it was sent: it goes to
	// another address of its customer.
	Reach notify.Reach
	// Receipt is how long a receipt is awaited on channels that give any, before
	// an automatic message goes to the next address as well; nil or 0: for ever.
	Receipt func() time.Duration
	// Awake is when a notice that is to go out at may do so, for the quiet hours of
	// whom it is for; nil: at once.
	Awake func(tx store.Tx, n *notify.Notice, at time.Time) (time.Time, error)
	// Alone says that no other process sends from this store, so that leases of
	// an earlier one are over at once.
	Alone bool
	// Came is told, behind the commit, of each notice that has gone out, arrived or
	// been given up, as it was before and as it is now; optional.
	Came  func(was, is notify.Notice)
	Check func(point string) // called at named points; tests kill the process there
	Rand  func() float64     // in [0,1), for jitter
}

func (o *Options) defaults(l *casecore.Ledger) {
	orDuration := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if o.Now == nil {
		o.Now = l.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Workers <= 0 {
		o.Workers = 32
	}
	orDuration(&o.Lease, 30*time.Second)
	orDuration(&o.Grace, 10*time.Second)
	orDuration(&o.Poll, 3*time.Second)
	orDuration(&o.Holding, 24*time.Hour)
	if o.Ladder == nil {
		o.Ladder = Ladder
	}
	if o.Doubt == nil {
		o.Doubt = func(_ string, kind channels.Kind) Doubt { return InDoubt(kind) }
	}
	if o.Receipt == nil {
		o.Receipt = func() time.Duration { return 0 }
	}
	if o.Awake == nil {
		o.Awake = func(_ store.Tx, _ *notify.Notice, at time.Time) (time.Time, error) { return at, nil }
	}
	if o.Came == nil {
		o.Came = func(_, _ notify.Notice) {}
	}
	if o.Check == nil {
		o.Check = func(string) {}
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
}

// Outbox sends notices. Its methods are safe for concurrent use.
type Outbox struct {
	store  store.Store
	ledger *casecore.Ledger
	doors  func(channelID string) channels.Channel
	o      Options
	stats  counters
	paused atomic.Pointer[[]Pause]
}

// New returns an Outbox over st. doors returns the open door of a channel, or nil
// when there is none now; its notices then wait.
func New(st store.Store, l *casecore.Ledger, doors func(channelID string) channels.Channel, o Options) *Outbox {
	o.defaults(l)
	return &Outbox{store: st, ledger: l, doors: doors, o: o}
}

// by is who records that a message did not arrive.
func by() casecore.Actor { return casecore.System("outbox") }

// Run sends until ctx is done and then returns nil. It then leases nothing new,
// gives the sends in flight Grace to end, cancels them, and returns when the last
// has ended and is recorded. A cancelled send does not count as a try. One Run at
// a time.
func (o *Outbox) Run(ctx context.Context) error {
	hints, err := o.store.Watch(ctx, notify.Notices.Coll())
	if err != nil {
		return fmt.Errorf("watch notices: %w", err)
	}
	newClerk(o).run(ctx, hints)
	return nil
}

type counters struct {
	sent, retried, uncertain, dead, fenced, rescued, cut, receipts, unknown atomic.Uint64
}

// Stats counts what an Outbox did since it was made.
type Stats struct {
	Sent      uint64 // taken by a provider
	Retried   uint64 // tries that failed and will be repeated
	Uncertain uint64 // tries that may have been taken
	Dead      uint64 // given up
	Fenced    uint64 // results that came after their lease was over and were dropped
	Rescued   uint64 // leases of workers that fell silent
	Cut       uint64 // sends cancelled by a stop
	Receipts  uint64 // that changed something
	Unknown   uint64 // receipts for messages that are not ours
	Paused    []Pause
}

// Pause is a channel that is not used until then.
type Pause struct {
	Channel string
	Reason  channels.Reason
	Until   time.Time
}

// Stats returns the counts so far.
func (o *Outbox) Stats() Stats {
	c := &o.stats
	s := Stats{
		Sent: c.sent.Load(), Retried: c.retried.Load(), Uncertain: c.uncertain.Load(), Dead: c.dead.Load(),
		Fenced: c.fenced.Load(), Rescued: c.rescued.Load(), Cut: c.cut.Load(),
		Receipts: c.receipts.Load(), Unknown: c.unknown.Load(),
	}
	if p := o.paused.Load(); p != nil {
		s.Paused = *p
	}
	return s
}

// Backlog is what waits to be sent.
type Backlog struct {
	Count  int       // at most BacklogMost are counted
	Oldest time.Time // when the oldest of them was planned; zero without any
}

// BacklogMost is how far Backlog counts.
const BacklogMost = 10_000

// Backlog reads what is not sent yet.
func (o *Outbox) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	err := o.store.View(ctx, func(tx store.Tx) error {
		b = Backlog{}
		for _, s := range notify.Unfinished {
			r := store.Range{Index: "state", Prefix: store.Under(string(s)), Limit: BacklogMost - b.Count}
			if r.Limit == 0 {
				break
			}
			oldest, err := notify.Notices.First(tx, r)
			if isNotFound(err) {
				continue
			}
			if err != nil {
				return err
			}
			if b.Oldest.IsZero() || oldest.Created.Before(b.Oldest) {
				b.Oldest = oldest.Created
			}
			for _, err := range tx.Scan(notify.Notices.Coll(), r) {
				if err != nil {
					return err
				}
				b.Count++
			}
		}
		return nil
	})
	return b, err
}
