package sqlite

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"casewire/casecore/store"
)

// maxHintIDs is how many ids a hint gathers while nobody receives; beyond that
// it says Missed.
const maxHintIDs = 1024

// hub hands hints to watchers and never waits for one.
type hub struct {
	mu       sync.Mutex
	closed   bool
	watchers map[*table]map[chan store.Hint]func() bool // the func forgets the watcher's context
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, coll *store.Coll) (<-chan store.Hint, error) {
	t, ok := s.tables[coll.Name]
	if !ok {
		return nil, fmt.Errorf("collection %s was not opened", coll.Name)
	}
	return s.hub.watch(ctx, t)
}

func (h *hub) watch(ctx context.Context, t *table) (<-chan store.Hint, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, store.ErrClosed
	}
	if h.watchers[t] == nil {
		h.watchers[t] = make(map[chan store.Hint]func() bool)
	}
	// The buffer of one is the watcher's pending hint: publish, its only
	// sender, takes an unread one out again and merges.
	ch := make(chan store.Hint, 1)
	h.watchers[t][ch] = context.AfterFunc(ctx, func() { h.leave(t, ch) })
	return ch, nil
}

func (h *hub) leave(t *table, ch chan store.Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.watchers[t][ch]; ok {
		delete(h.watchers[t], ch)
		close(ch)
	}
}

// publish tells the watchers what one commit changed.
func (h *hub) publish(changed []change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make(map[*table][]string)
	for _, c := range changed {
		if len(h.watchers[c.table]) > 0 {
			ids[c.table] = append(ids[c.table], c.id)
		}
	}
	for t, list := range ids {
		for ch := range h.watchers[t] {
			var pending store.Hint
			select {
			case pending = <-ch:
			default:
			}
			ch <- merge(pending, list)
		}
	}
}

func merge(h store.Hint, ids []string) store.Hint {
	if h.Missed {
		return h
	}
	all := slices.Concat(h.IDs, ids)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > maxHintIDs {
		return store.Hint{Missed: true}
	}
	return store.Hint{IDs: all}
}

// close ends all watches.
func (h *hub) close() {
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
