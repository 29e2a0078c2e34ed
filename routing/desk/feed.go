package desk

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Why a feed is over.
var (
	// ErrSlow: its reader lagged too far behind. It comes back and resumes.
	ErrSlow = errors.New("the reader of the feed is too slow")
	// ErrStopped: the board has stopped.
	ErrStopped = errors.New("the board has stopped")
	// ErrClosed: its reader closed it.
	ErrClosed = errors.New("the feed is closed")
)

// How far a reader may lag behind.
const (
	feedFrames = 256
	feedBytes  = 1 << 20
)

// watchLimit is how many cases one feed may watch besides its queues.
const watchLimit = 16

// ErrWatches is the refusal of one more Watch.
var ErrWatches = fmt.Errorf("at most %d cases can be watched at a time", watchLimit)

// Feed is one watcher's stream of frames. It never blocks the board: what is not
// taken in time ends this feed alone. It is for one goroutine, except that Close
// may be called from any.
type Feed struct {
	Epoch    string    // of this feed, for Resume
	Snapshot *Snapshot // where it begins; nil when it goes on where it was cut

	board *Board
	actor casecore.Actor
	lines []*line
	own   *operator
	watch map[string]string // watched cases: id to number; guarded by board.mu

	ready chan struct{}
	mu    sync.Mutex
	queue []*Frame
	free  int // frames at the head of queue that are not counted: the replay
	bytes int // of those that are
	err   error
}

// Ready receives after frames arrived or the feed ended: time to Take.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Take returns the frames that have arrived, in order, or why there will be none.
func (f *Feed) Take() ([]*Frame, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.queue
	f.queue, f.bytes, f.free = nil, 0, 0
	return out, f.err
}

// push adds frames, or ends the feed when it is full.
func (f *Feed) push(frames ...*Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return
	}
	f.queue = append(f.queue, frames...)
	for _, fr := range frames {
		f.bytes += len(fr.Data)
	}
	if len(f.queue)-f.free > feedFrames || f.bytes > feedBytes {
		f.queue, f.err = nil, ErrSlow
		f.board.stats.slow.Add(1)
	}
	f.wake()
}

func (f *Feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// end closes the feed for a reason; the first one stands.
func (f *Feed) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.queue, f.err = nil, err
	}
	f.wake()
}

// Close ends the feed. It may be called more than once.
func (f *Feed) Close() {
	f.end(ErrClosed)
	f.board.mu.Lock()
	defer f.board.mu.Unlock()
	f.board.leave(f)
}

// Watch adds "changed" frames for a case that the watcher may read, wherever it
// waits and whoever holds it; casecore.ErrForbidden when they may not. The right
// is asked again at each change (W5).
func (f *Feed) Watch(ctx context.Context, number string) error {
	b := f.board
	b.reading.Lock()
	defer b.reading.Unlock()
	var id string
	err := b.store.View(ctx, func(tx store.Tx) error {
		c, err := byNumber(tx, number)
		if err != nil {
			return err
		}
		id, number = c.ID, c.CaseNumber()
		return casecore.Authorize(f.actor, casecore.VerbRead, c)
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.feeds[f]; !ok {
		return ErrClosed
	}
	if _, ok := f.watch[id]; !ok && len(f.watch) >= watchLimit {
		return ErrWatches
	}
	f.watch[id] = number
	if b.watchers[id] == nil {
		b.watchers[id] = map[*Feed]struct{}{}
	}
	b.watchers[id][f] = struct{}{}
	return nil
}

// Unwatch ends Watch for a case.
func (f *Feed) Unwatch(number string) {
	f.board.mu.Lock()
	defer f.board.mu.Unlock()
	for id, n := range f.watch {
		if n == number {
			f.board.unwatch(f, id)
		}
	}
}

func (b *Board) unwatch(f *Feed, id string) {
	delete(f.watch, id)
	delete(b.watchers[id], f)
	if len(b.watchers[id]) == 0 {
		delete(b.watchers, id)
	}
}
