package engine

import (
	"context"
	"maps"
	"slices"
	"sync"

	"casewire/casecore/store"
)

// maxHintIDs is how many ids a hint gathers while nobody receives; beyond that
// it says Missed.
const maxHintIDs = 1024

// Hub hands hints to the watchers of collections, by name, and never waits for one.
type Hub struct {
	mu       sync.Mutex
	closed   bool
	watchers map[string]map[chan store.Hint]func() bool // the func forgets the watcher's context
}

// NewHub returns a hub without watchers.
func NewHub() *Hub { return &Hub{watchers: map[string]map[chan store.Hint]func() bool{}} }

// Watch sends hints of a collection until ctx is done or the hub closes; see
// store.Store.
func (h *Hub) Watch(ctx context.Context, coll string) (<-chan store.Hint, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, store.ErrClosed
	}
	if h.watchers[coll] == nil {
		h.watchers[coll] = make(map[chan store.Hint]func() bool)
	}
	// The buffer of one is the watcher's pending hint: tell, its only sender,
	// takes an unread one out again and merges.
	ch := make(chan store.Hint, 1)
	h.watchers[coll][ch] = context.AfterFunc(ctx, func() { h.leave(coll, ch) })
	return ch, nil
}

func (h *Hub) leave(coll string, ch chan store.Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.watchers[coll][ch]; ok {
		delete(h.watchers[coll], ch)
		close(ch)
	}
}

// Tell wakes the watchers of a collection.
func (h *Hub) Tell(coll string, news store.Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tell(coll, news)
}

// tell is Tell for who holds mu.
func (h *Hub) tell(coll string, news store.Hint) {
	for ch := range h.watchers[coll] {
		var pending store.Hint
		select {
		case pending = <-ch:
		default:
		}
		ch <- merge(pending, news)
	}
}

// Missed tells everybody to look for themselves.
func (h *Hub) Missed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for coll := range maps.Keys(h.watchers) {
		h.tell(coll, store.Hint{Missed: true})
	}
}

func merge(a, b store.Hint) store.Hint {
	if a.Missed || b.Missed {
		return store.Hint{Missed: true}
	}
	all := slices.Concat(a.IDs, b.IDs)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > maxHintIDs {
		return store.Hint{Missed: true}
	}
	return store.Hint{IDs: all}
}

// Close ends all watches.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, chans := range h.watchers {
		for ch, forget := range chans {
			forget()
			close(ch)
		}
	}
	h.watchers = nil
}
