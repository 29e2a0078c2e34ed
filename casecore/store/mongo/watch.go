package mongo

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

// Watch implements store.Store. Commits of this process are told at once, those
// of others as soon as the change stream brings them.
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
	// The buffer of one is the watcher's pending hint: tell, its only sender,
	// takes an unread one out again and merges.
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
func (h *hub) publish(l *layer) {
	for t, all := range l.tables {
		var ids []string
		for id, c := range all.docs {
			if !c.gone || c.base != 0 {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			h.tell(t, store.Hint{IDs: ids})
		}
	}
}

func (h *hub) tell(t *table, news store.Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.watchers[t] {
		var pending store.Hint
		select {
		case pending = <-ch:
		default:
		}
		ch <- merge(pending, news)
	}
}

// missed tells everybody to look for themselves.
func (h *hub) missed() {
	h.mu.Lock()
	tables := make([]*table, 0, len(h.watchers))
	for t := range h.watchers {
		tables = append(tables, t)
	}
	h.mu.Unlock()
	for _, t := range tables {
		h.tell(t, store.Hint{Missed: true})
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
