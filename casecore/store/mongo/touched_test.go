package mongo

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"casewire/casecore/store"
)

// Whoever looked for a unique key is overtaken when another document has it by now, or
// the one that has it is not the same any more, whatever happened in between.
func TestAKeyThatMovedIsTouched(t *testing.T) {
	const runs = 20_000
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for run := range runs {
		h := newKeyHistory(rnd)
		began := rnd.IntN(len(h.states))
		read, now := h.states[began].holder("a"), h.states[len(h.states)-1].holder("a")
		r := store.Range{Index: "key", From: "a", To: "a\x00"}
		sc := &scanned{sp: newSpan(h.t, r), whole: read == nil || rnd.IntN(2) == 0}
		if read != nil {
			sc.docs = []*stored{read}
		}
		moved := (read == nil) != (now == nil) || read != nil && (read.id != now.id || read.version != now.version)
		touched := sc.touched(h.layers)
		if moved && !touched {
			t.Fatalf("run %d of seed %d: was %+v, is %+v, and counts as untouched", run, seed, read, now)
		}
		if began == 0 && touched && !h.had("a") {
			t.Fatalf("run %d of seed %d: %+v counts as touched, and nobody ever had the key", run, seed, read)
		}
	}
}

// keyHistory is what became of three documents at a time that fight over two keys. What
// is deleted comes back under another id.
type keyHistory struct {
	t      *table
	ids    [3]string
	made   int
	layers layers
	states []keyState // before, between and after the layers
}

// keyState is the documents that are there.
type keyState map[string]*stored

func (s keyState) holder(key string) *stored {
	for _, d := range s {
		if list := d.keys["key"].keys; len(list) > 0 && list[0] == key {
			return d
		}
	}
	return nil
}

func newKeyHistory(rnd *rand.Rand) *keyHistory {
	h := &keyHistory{t: newTable(&store.Coll{Name: "x", Indexes: []store.Index{{Name: "key", Unique: true}}}, nil)}
	for i := range h.ids {
		h.ids[i] = h.newID()
	}
	state := keyState{}
	h.states = append(h.states, maps.Clone(state))
	for range 1 + rnd.IntN(4) {
		l := newLayer()
		for range 1 + rnd.IntN(5) {
			h.step(rnd, l, state)
		}
		h.layers = append(h.layers, l)
		h.states = append(h.states, maps.Clone(state))
	}
	return h
}

func (h *keyHistory) newID() string {
	h.made++
	return strconv.Itoa(h.made)
}

// step changes or deletes one document, if nobody else has the key it is to have.
func (h *keyHistory) step(rnd *rand.Rand, l *layer, state keyState) {
	slot := rnd.IntN(len(h.ids))
	c := &change{id: h.ids[slot], keys: keySet{}}
	if was := state[c.id]; was != nil {
		c.base, c.had = was.version, was.keys
	}
	if c.base > 0 && rnd.IntN(4) == 0 {
		c.gone, c.version = true, c.base
		l.put(h.t, c)
		delete(state, c.id)
		h.ids[slot] = h.newID()
		return
	}
	if key := []string{"", "a", "b"}[rnd.IntN(3)]; key != "" {
		if other := state.holder(key); other != nil && other.id != c.id {
			return
		}
		c.keys["key"] = keyList{keys: []string{key}}
	}
	c.version = c.base + 1
	l.put(h.t, c)
	state[c.id] = &stored{id: c.id, version: c.version, keys: c.keys}
}

// had reports whether any document had the key between two layers.
func (h *keyHistory) had(key string) bool {
	return slices.ContainsFunc(h.states, func(s keyState) bool { return s.holder(key) != nil })
}
