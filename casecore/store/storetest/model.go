package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"casewire/casecore/store"
)

// SeedVariable names the environment variable that repeats a run of the random
// tests.
const SeedVariable = "CASEWIRE_SEED"

var models = map[string]func(*env){
	"random operations agree with a map":               func(e *env) { agrees(e, false) },
	"random operations agree when functions run twice": func(e *env) { agrees(e, true) },
}

func (e *env) random() *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv(SeedVariable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			e.Fatalf("%s: %v", SeedVariable, err)
		}
	}
	e.Logf("to repeat: %s=%d", SeedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// model is a collection as a map: what every engine must agree with.
type model struct {
	coll *store.Coll
	docs map[string]store.Doc
}

func (m *model) put(d store.Doc) (uint64, error) {
	old, there := m.docs[d.ID]
	switch {
	case d.Version == 0 && there:
		return 0, store.ErrExists
	case d.Version != 0 && old.Version != d.Version:
		return 0, store.ErrConflict
	case m.taken(d):
		return 0, store.ErrExists
	}
	d.Version++
	m.docs[d.ID] = d
	return d.Version, nil
}

func (m *model) taken(d store.Doc) bool {
	for _, ix := range m.coll.Indexes {
		for _, other := range m.docs {
			if ix.Unique && other.ID != d.ID && slices.ContainsFunc(other.Keys[ix.Name], func(k string) bool { return slices.Contains(d.Keys[ix.Name], k) }) {
				return true
			}
		}
	}
	return false
}

func (m *model) remove(id string, version uint64) error {
	if version == 0 || m.docs[id].Version != version {
		return store.ErrConflict
	}
	delete(m.docs, id)
	return nil
}

// scan is Range in the plainest words.
func (m *model) scan(r store.Range) []string {
	var all []store.Mark
	ix, _ := m.coll.Index(r.Index)
	for id, d := range m.docs {
		keys := d.Keys[r.Index]
		if r.Index == "" {
			keys = []string{id}
		}
		for _, key := range keys {
			if selected(r, ix, key) {
				all = append(all, store.Mark{Key: key, ID: id})
			}
		}
	}
	byPlace := func(a, b store.Mark) int { return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID)) }
	slices.SortFunc(all, byPlace)
	if r.Reverse {
		slices.Reverse(all)
	}
	after := r.After
	if r.Index == "" {
		after.Key = after.ID
	}
	var ids []string
	for _, at := range all {
		order := byPlace(at, after)
		if r.After != (store.Mark{}) && (order == 0 || order < 0 != r.Reverse) {
			continue
		}
		if r.Limit == 0 || len(ids) < r.Limit {
			ids = append(ids, at.ID)
		}
	}
	return ids
}

func selected(r store.Range, ix store.Index, key string) bool {
	if ix.Multi {
		return key == r.Prefix
	}
	return strings.HasPrefix(key, r.Prefix) && key >= r.From && (r.To == "" || key < r.To)
}

func agrees(e *env, again bool) {
	rnd := e.random()
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "u", Unique: true},
		store.Index{Name: "m", Multi: true}, store.Index{Name: "mu", Multi: true, Unique: true})
	m := &model{coll: c, docs: make(map[string]store.Doc)}
	for round := range 60 {
		if round%20 == 0 {
			e.start(c) // what was stored survives
		}
		s := e.s
		if again {
			s = Twice(s)
		}
		seed, steps, fail := rnd.Uint64(), 1+rnd.IntN(12), rnd.IntN(5) == 0
		var next *model
		abort := errors.New("abort")
		err := s.Update(e.Context(), func(tx store.Tx) error {
			// Each run begins with the same state and does the same things.
			next = &model{coll: c, docs: maps.Clone(m.docs)}
			run := rand.New(rand.NewPCG(seed, 1))
			for range steps {
				next.step(e, tx, run)
			}
			if fail {
				return abort
			}
			return nil
		})
		switch {
		case fail:
			e.is("aborted update", err, abort)
		case err != nil:
			e.Fatalf("update: %v", err)
		default:
			m = next
		}
		e.view(func(tx store.Tx) error {
			tx.Expect(randomReads(c, rnd)...)
			for range 10 {
				m.compare(e, tx, randomRange(rnd))
			}
			m.compare(e, tx, store.Range{})
			return nil
		})
		if e.Failed() {
			e.Fatalf("stopped after %d transactions", round+1)
		}
	}
}

// step does one random thing to both and compares the answers.
func (m *model) step(e *env, tx store.Tx, rnd *rand.Rand) {
	id := randomID(rnd)
	stored := m.docs[id].Version
	version := stored
	if rnd.IntN(6) == 0 {
		version = uint64(rnd.IntN(4))
	}
	switch rnd.IntN(7) {
	case 6:
		tx.Expect(randomReads(m.coll, rnd)...)
	case 0, 1, 2:
		d := newDoc(id, fmt.Sprint(rnd.IntN(1000)), randomKeys(rnd))
		d.Version = version
		want, wantErr := m.put(d)
		got, err := tx.Put(m.coll, d)
		if got != want || !errors.Is(err, wantErr) {
			e.Errorf("put %s version %d with %v: %d, %v; want %d, %v", id, version, d.Keys, got, err, want, wantErr)
		}
	case 3:
		wantErr := m.remove(id, version)
		if err := tx.Delete(m.coll, id, version); !errors.Is(err, wantErr) {
			e.Errorf("delete %s version %d: %v; want %v", id, version, err, wantErr)
		}
	case 4:
		d, err := tx.Get(m.coll, id)
		want, there := m.docs[id]
		if there != (err == nil) || d.Version != want.Version || there && !equalJSON(d.Body, want.Body) {
			e.Errorf("get %s: version %d %s, %v; want version %d %s", id, d.Version, d.Body, err, want.Version, want.Body)
		}
	default:
		m.compare(e, tx, randomRange(rnd))
	}
}

func (m *model) compare(e *env, tx store.Tx, r store.Range) {
	got, err := scan(tx, m.coll, r)
	if err != nil {
		e.Errorf("scan %+v: %v", r, err)
	}
	same(e, fmt.Sprintf("scan %+v", r), got, m.scan(r))
}

// randomReads are some that may be made and some that cannot.
func randomReads(c *store.Coll, rnd *rand.Rand) []store.Read {
	list := []store.Read{{Coll: newColl("unknown"), Key: "A"}}
	for range rnd.IntN(20) {
		r := store.Read{Coll: c, Key: randomID(rnd), Index: []string{"", "", "u", "u", "k", "mu", "none"}[rnd.IntN(7)]}
		if rnd.IntN(20) == 0 {
			r.Key = []string{"", "\xff", strings.Repeat("x", store.MaxKey+1)}[rnd.IntN(3)]
		}
		list = append(list, r)
	}
	return list
}

func randomID(rnd *rand.Rand) string { return awkward[rnd.IntN(len(awkward))] }

func randomKey(rnd *rand.Rand) string {
	key := awkward[rnd.IntN(len(awkward))]
	if rnd.IntN(2) == 0 {
		key += awkward[rnd.IntN(len(awkward))]
	}
	return key
}

func randomKeys(rnd *rand.Rand) store.Keys {
	keys := make(store.Keys)
	for _, index := range []string{"k", "u", "m", "mu"} {
		if rnd.IntN(3) == 0 {
			continue
		}
		keys[index] = []string{randomKey(rnd)}
		for index[0] == 'm' && rnd.IntN(2) == 0 {
			if key := randomKey(rnd); !slices.Contains(keys[index], key) {
				keys[index] = append(keys[index], key)
			}
		}
	}
	return keys
}

func randomRange(rnd *rand.Rand) store.Range {
	r := store.Range{Index: []string{"", "k", "u", "m", "mu"}[rnd.IntN(5)], Reverse: rnd.IntN(2) == 0}
	if r.Index == "m" || r.Index == "mu" {
		r.Prefix = randomKey(rnd)
	} else {
		r.Prefix = maybe(rnd, randomID)
		r.From, r.To = maybe(rnd, randomKey), maybe(rnd, randomKey)
	}
	if rnd.IntN(3) == 0 {
		r.Limit = 1 + rnd.IntN(5)
	}
	if rnd.IntN(3) == 0 {
		r.After = store.Mark{Key: randomKey(rnd), ID: randomID(rnd)}
		if r.Index == "m" || r.Index == "mu" {
			r.After.Key = r.Prefix
		}
	}
	return r
}

func maybe(rnd *rand.Rand, of func(*rand.Rand) string) string {
	if rnd.IntN(2) == 0 {
		return ""
	}
	return of(rnd)
}
