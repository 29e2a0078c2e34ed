package mongo

import (
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store"
)

// change is what became of a document: in one run, one round or one commit.
type change struct {
	id      string
	gone    bool
	version uint64 // as it is now, or was when it went
	body    []byte
	keys    keySet
	base    uint64   // the version below this change; 0: there was none
	had     keySet   // the keys of that version
	doc     bson.Raw // as it is stored; nil: not made yet
	sure    bool     // read from the server after every run that may meet it began
}

// changes are those of one table. held says which document a unique key went to.
type changes struct {
	docs map[string]*change
	held map[string]string
}

// layer is what one commit, or one round on its way there, changed.
type layer struct {
	seq     uint64
	tables  map[*table]*changes
	foreign bool // parts of what other processes committed
	sent    bool // its commit is on its way, or done
}

func newLayer() *layer { return &layer{tables: make(map[*table]*changes)} }

func (l *layer) of(t *table) *changes {
	c := l.tables[t]
	if c == nil {
		c = &changes{docs: make(map[string]*change), held: make(map[string]string)}
		l.tables[t] = c
	}
	return c
}

func (l *layer) find(t *table, id string) *change {
	if c := l.tables[t]; c != nil {
		return c.docs[id]
	}
	return nil
}

// put adds a change; what it was based on stays that of the first.
func (l *layer) put(t *table, c *change) {
	all := l.of(t)
	if first := all.docs[c.id]; first != nil {
		merged := *c
		merged.base, merged.had = first.base, first.had
		c = &merged
	}
	all.docs[c.id] = c
	if c.gone {
		return
	}
	for _, ix := range t.unique {
		for _, key := range c.keys[ix.Name].keys {
			all.held[heldKey(ix.Name, key)] = c.id
		}
	}
}

func (l *layer) merge(other *layer) {
	for t, all := range other.tables {
		for _, c := range all.docs {
			l.put(t, c)
		}
	}
}

// encode makes the stored form of what is in the layer.
func (l *layer) encode() {
	for _, all := range l.tables {
		for _, c := range all.docs {
			if !c.gone && c.doc == nil {
				c.doc = document(c.id, c.version, c.keys, c.body)
			}
		}
	}
}

func heldKey(index, key string) string { return index + "\x00" + key }

// layers are laid over a snapshot, the newest last.
type layers []*layer

// newest returns the last change of a document.
func (ls layers) newest(t *table, id string) *change {
	for _, l := range slices.Backward(ls) {
		if c := l.find(t, id); c != nil {
			return c
		}
	}
	return nil
}

// committed reports whether the last change of a document is a commit, or may be one
// by now, and not of the round that is being made.
func (ls layers) committed(t *table, id string) bool {
	for _, l := range slices.Backward(ls) {
		if l.find(t, id) != nil {
			return l.seq != 0 || l.sent
		}
	}
	return false
}

// holder returns who holds a unique key by these layers, "" if they do not tell.
func (ls layers) holder(t *table, ix store.Index, key string) string {
	for _, l := range slices.Backward(ls) {
		all := l.tables[t]
		if all == nil {
			continue
		}
		if id := all.held[heldKey(ix.Name, key)]; id != "" {
			if c := ls.newest(t, id); c != nil && !c.gone && slices.Contains(c.keys[ix.Name].keys, key) {
				return id
			}
		}
	}
	return ""
}

// mixed reports whether the layers hold parts of others' commits, so that they and
// the snapshot below need not be the state of any moment.
func (ls layers) mixed() bool {
	return slices.ContainsFunc(ls, func(l *layer) bool { return l.foreign })
}

// history is what this process has committed, and what it learned of others'
// commits, as far back as somebody who is running may have missed it.
type history struct {
	mu     sync.Mutex
	seq    uint64
	layers layers
	active map[uint64]int // by seq: runs that began then
}

// enter returns the place in the history where a run begins.
func (h *history) enter() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.active[h.seq]++
	return h.seq
}

// now returns the place in the history that is reached.
func (h *history) now() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// leave forgets a run, and what nobody needs any more.
func (h *history) leave(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.active[seq]--; h.active[seq] == 0 {
		delete(h.active, seq)
	}
	h.trim()
}

func (h *history) trim() {
	oldest := h.seq
	for seq := range h.active {
		oldest = min(oldest, seq)
	}
	n := 0
	for n < len(h.layers) && h.layers[n].seq <= oldest {
		n++
	}
	h.layers = slices.Clone(h.layers[n:])
}

// add notes a commit.
func (h *history) add(l *layer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	l.seq = h.seq
	h.layers = append(h.layers, l)
	h.trim()
}

// since returns the commits behind seq.
func (h *history) since(seq uint64) layers {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, l := range h.layers {
		if l.seq > seq {
			return slices.Clone(h.layers[i:])
		}
	}
	return nil
}
