package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/routing"
)

// Board keeps the waiting cases of all queues in memory, in order, and tells
// watchers what changes. The store is the truth: hints of its commits wake the
// board (W4), which reads what changed, and from time to time compares all. It is
// safe for concurrent use.
type Board struct {
	store  store.Store
	router func() *routing.Router
	o      BoardOptions
	epoch  string
	loaded chan struct{} // closed when the board is filled
	over   chan struct{} // closed when it has stopped

	// reading is held from reading the store until what was read is taken over,
	// so that an older state never follows a newer one. It is taken before mu.
	reading sync.Mutex

	mu        sync.Mutex
	seq       uint64
	history   history
	entries   map[string]*entry // waiting cases by id
	lines     map[string]*line
	clock     clock
	flushes   uint64
	surveys   uint64
	feeds     map[*Feed]struct{}
	operators map[string]*operator // also guarded by reading: to change it takes both
	held      map[string]*operator // who of them holds a case, by case id
	watchers  map[string]map[*Feed]struct{}
	stopped   bool
	unread    error // why the store could not be read when last tried
	stats     boardStats
}

// BoardOptions are what a Board can be told; zero values are right for most.
type BoardOptions struct {
	Now      func() time.Time
	Log      *slog.Logger
	Window   int           // cards shown of a queue; 0: 200
	Coalesce time.Duration // changes within it go out together; 0: 25 ms
	History  int           // frames kept for those who resume; 0: 8192
	Survey   time.Duration // how often all is compared with the store; 0: 30 s
}

// countsEvery is how often a queue's counts are told at most.
const countsEvery = 250 * time.Millisecond

// NewBoard returns a board over st with the queues of the policy. Run fills it.
func NewBoard(st store.Store, router func() *routing.Router, o BoardOptions) *Board {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Window = orDefault(o.Window, 200)
	o.Coalesce = orDefault(o.Coalesce, 25*time.Millisecond)
	o.History = orDefault(o.History, 8192)
	o.Survey = orDefault(o.Survey, 30*time.Second)
	return &Board{
		store: st, router: router, o: o, epoch: rand.Text(), loaded: make(chan struct{}), over: make(chan struct{}),
		history: history{frames: make([]*Frame, o.History)},
		entries: map[string]*entry{}, lines: map[string]*line{}, feeds: map[*Feed]struct{}{},
		operators: map[string]*operator{}, held: map[string]*operator{}, watchers: map[string]map[*Feed]struct{}{},
	}
}

func orDefault[T int | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Open begins a feed of these queues, or of all that the actor serves when none
// is named, and of the actor's own cases. It waits until the board is loaded. A
// queue that the actor does not serve is casecore.ErrForbidden. Rights are those
// the actor has now: whoever changes them closes the feed (W5).
func (b *Board) Open(ctx context.Context, a casecore.Actor, queues ...string) (*Feed, error) {
	return b.Resume(ctx, a, "", 0, queues...)
}

// Resume is Open for a watcher that was cut off after the frame seq of a feed
// with this epoch, by the same actor of the same queues: it goes on behind that
// frame without a snapshot, if the board still knows all that was missed.
func (b *Board) Resume(ctx context.Context, a casecore.Actor, epoch string, seq uint64, queues ...string) (*Feed, error) {
	queues, err := b.admit(ctx, a, queues)
	if err != nil {
		return nil, err
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	own, err := b.track(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return nil, ErrStopped
	}
	f := &Feed{
		Epoch: b.feedEpoch(a, queues), board: b, actor: a, own: own,
		ready: make(chan struct{}, 1), watch: map[string]string{},
	}
	b.flush() // so that the feed begins between two flushes
	known := own.since <= seq && epoch == f.Epoch
	if known {
		f.queue, known = b.history.since(seq, b.seq, func(fr *Frame) bool {
			return slices.Contains(queues, fr.queue) || fr.operator != "" && fr.operator == a.ID
		})
	}
	if !known {
		f.Snapshot = b.snapshot(f.Epoch, queues, own)
	}
	f.free = len(f.queue)
	f.wake()
	b.feeds[f] = struct{}{}
	own.feeds[f] = struct{}{}
	for _, q := range queues {
		l := b.line(q)
		f.lines = append(f.lines, l)
		l.feeds[f] = struct{}{}
	}
	return f, nil
}

// Snapshot returns what a feed of these queues would begin with.
func (b *Board) Snapshot(ctx context.Context, a casecore.Actor, queues ...string) (*Snapshot, error) {
	queues, err := b.admit(ctx, a, queues)
	if err != nil {
		return nil, err
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	own, err := b.ownOf(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
	return b.snapshot(b.feedEpoch(a, queues), queues, own), nil
}

// admit waits until the board is loaded and says which queues are meant.
func (b *Board) admit(ctx context.Context, a casecore.Actor, queues []string) ([]string, error) {
	select {
	case <-b.loaded:
	case <-b.over:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, fmt.Errorf("board is loading: %w", ctx.Err())
	}
	if len(queues) == 0 {
		return b.served(a), nil
	}
	var out []string
	for _, q := range queues {
		if _, ok := b.router().Queue(q); !a.Serves(q) {
			if !a.Wide() {
				return nil, fmt.Errorf("queue %q: %w", clip(q), casecore.ErrForbidden)
			}
			if !ok {
				return nil, fmt.Errorf("queue %q: %w", clip(q), store.ErrNotFound)
			}
		}
		if !slices.Contains(out, q) {
			out = append(out, q)
		}
	}
	return out, nil
}

// served lists the queues of the policy that the actor sees without asking for
// any: their own, or all when they are bound to none.
func (b *Board) served(a casecore.Actor) []string {
	var out []string
	for _, q := range b.router().Queues() {
		if a.Serves(q.ID) || a.Wide() && len(a.Queues) == 0 {
			out = append(out, q.ID)
		}
	}
	return out
}

// feedEpoch ties a feed to its actor and queues, so that nobody goes on with a
// sequence that was filtered for others.
func (b *Board) feedEpoch(a casecore.Actor, queues []string) string {
	sorted := slices.Sorted(slices.Values(queues))
	return b.epoch + "." + store.HashID("feed", a.ID, strings.Join(sorted, "\x00"))[:8]
}

func (b *Board) snapshot(epoch string, queues []string, own *operator) *Snapshot {
	s := &Snapshot{Epoch: epoch, Seq: b.seq, Queues: make([]Queue, 0, len(queues)), Mine: own.list()}
	for _, id := range queues {
		q := Queue{ID: id, Name: lang.Text{lang.Fallback: id}, Cards: []Card{}}
		if spec, ok := b.router().Queue(id); ok && len(spec.Name) > 0 {
			q.Name = spec.Name
		}
		l := b.line(id)
		q.Counts = l.count()
		for i, e := range l.shown {
			q.Cards = append(q.Cards, e.card(i+1))
		}
		s.Queues = append(s.Queues, q)
	}
	return s
}

// line returns the line of a queue. The caller has checked that it may exist.
func (b *Board) line(queue string) *line {
	l := b.lines[queue]
	if l == nil {
		l = newLine(queue)
		b.lines[l.queue] = l
	}
	return l
}

// leave forgets a feed.
func (b *Board) leave(f *Feed) {
	if _, ok := b.feeds[f]; !ok {
		return
	}
	delete(b.feeds, f)
	for _, l := range f.lines {
		delete(l.feeds, f)
	}
	for id := range maps.Clone(f.watch) {
		b.unwatch(f, id)
	}
	delete(f.own.feeds, f)
	if len(f.own.feeds) == 0 {
		f.own.left = time.Now()
	}
}

// stop ends all feeds.
func (b *Board) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	close(b.over)
	for f := range maps.Clone(b.feeds) {
		f.end(ErrStopped)
		b.leave(f)
	}
}

// Ready says why the board cannot be relied on at the moment, if so: it is still
// loading, the store cannot be read, or it has stopped.
func (b *Board) Ready() error {
	select {
	case <-b.loaded:
	default:
		return errors.New("board is loading")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return ErrStopped
	}
	return b.unread
}

// boardStats are counted as they happen.
type boardStats struct {
	frames, deliveries, slow, reads, surveys, repairs atomic.Uint64
}

// BoardStats are figures of a board since it was made.
type BoardStats struct {
	Waiting    int    // cases on the board now
	Feeds      int    // open now
	Frames     uint64 // encoded
	Deliveries uint64 // frames times watchers
	Slow       uint64 // feeds ended because their reader was too slow
	Reads      uint64 // of the store after hints
	Surveys    uint64 // comparisons of everything with the store
	Repairs    uint64 // cases found to differ by a survey, usually changing just then
}

// Stats returns the figures as they are now.
func (b *Board) Stats() BoardStats {
	b.mu.Lock()
	waiting, feeds := len(b.entries), len(b.feeds)
	b.mu.Unlock()
	s := &b.stats
	return BoardStats{
		Waiting: waiting, Feeds: feeds, Frames: s.frames.Load(), Deliveries: s.deliveries.Load(),
		Slow: s.slow.Load(), Reads: s.reads.Load(), Surveys: s.surveys.Load(), Repairs: s.repairs.Load(),
	}
}
