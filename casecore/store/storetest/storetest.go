// Package storetest is the promises of store.Store as a test suite that judges
// every engine alike. It knows nothing of how an engine keeps its data.
package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"casewire/casecore/store"
)

// Open opens the data of one test with these collections. The suite calls it
// again after closing the store that it gave before, and closes the last one.
type Open func(colls ...*store.Coll) (store.Store, error)

// Run judges an engine. data makes a place for the data of one test and returns
// how to open it. Only names the groups to be run, when not all are.
func Run(t *testing.T, data func(t *testing.T) Open, only ...string) {
	groups := []struct {
		name  string
		tests map[string]func(*env)
	}{
		{"documents", documents},
		{"limits", limits},
		{"versions", versions},
		{"indexes", indexes},
		{"ranges", ranges},
		{"model", models},
		{"transactions", transactions},
		{"contention", contention},
		{"watch", watches},
		{"reopen", reopening},
	}
	for _, g := range groups {
		if len(only) > 0 && !slices.Contains(only, g.name) {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			for name, test := range g.tests {
				t.Run(name, func(t *testing.T) { test(&env{T: t, open: data(t)}) })
			}
		})
	}
}

// env is one test and the store it has open.
type env struct {
	*testing.T
	open Open
	s    store.Store
}

// start opens the store, after closing the one that was open.
func (e *env) start(colls ...*store.Coll) {
	e.Helper()
	e.stop()
	s, err := e.open(colls...)
	if err != nil {
		e.Fatalf("open: %v", err)
	}
	e.s = s
	e.Cleanup(e.stop)
}

func (e *env) stop() {
	e.Helper()
	if e.s == nil {
		return
	}
	if err := e.s.Close(); err != nil {
		e.Errorf("close: %v", err)
	}
	e.s = nil
}

func (e *env) update(fn func(store.Tx) error) {
	e.Helper()
	if err := e.s.Update(e.Context(), fn); err != nil {
		e.Fatalf("update: %v", err)
	}
}

func (e *env) view(fn func(store.Tx) error) {
	e.Helper()
	if err := e.s.View(e.Context(), fn); err != nil {
		e.Fatalf("view: %v", err)
	}
}

// put writes documents in one transaction.
func (e *env) put(c *store.Coll, docs ...store.Doc) {
	e.Helper()
	e.update(func(tx store.Tx) error {
		for _, d := range docs {
			if _, err := tx.Put(c, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// get reads one document. It may be called from any goroutine.
func (e *env) get(c *store.Coll, id string) (d store.Doc, err error) {
	e.Helper()
	if failed := e.s.View(e.Context(), func(tx store.Tx) error {
		d, err = tx.Get(c, id)
		return nil
	}); failed != nil {
		e.Errorf("view: %v", failed)
	}
	return d, err
}

// ids returns the ids that a range yields, in its order.
func (e *env) ids(c *store.Coll, r store.Range) (ids []string) {
	e.Helper()
	e.view(func(tx store.Tx) (err error) {
		ids, err = scan(tx, c, r)
		return err
	})
	return ids
}

func scan(tx store.Tx, c *store.Coll, r store.Range) (ids []string, err error) {
	for d, err := range tx.Scan(c, r) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, d.ID)
	}
	return ids, nil
}

// same fails the test when what was got is not what was wanted.
func same[T any](e *env, what string, got, want T) {
	e.Helper()
	g, err := json.Marshal(got)
	w, err2 := json.Marshal(want)
	if err := errors.Join(err, err2); err != nil {
		e.Fatal(err)
	}
	if string(g) != string(w) && (string(g) != "null" || string(w) != "[]") {
		e.Errorf("%s: %s, want %s", what, g, w)
	}
}

func (e *env) is(what string, got, want error) {
	e.Helper()
	if !errors.Is(got, want) {
		e.Errorf("%s: %v, want %v", what, got, want)
	}
}

// note is the body of the suite's documents: it carries its keys, so that they
// can be made again from it.
type note struct {
	Text string     `json:"text,omitempty"`
	Keys store.Keys `json:"keys,omitempty"`
}

func newDoc(id, text string, keys store.Keys) store.Doc {
	body, err := json.Marshal(note{text, keys})
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return store.Doc{ID: id, Body: body, Keys: keys}
}

func rekey(_ string, body []byte) (store.Keys, error) {
	var n note
	err := json.Unmarshal(body, &n)
	return n.Keys, err
}

func newColl(name string, indexes ...store.Index) *store.Coll {
	return &store.Coll{Name: name, Indexes: indexes, Rekey: rekey}
}

// one is keys with one key.
func one(index, key string) store.Keys { return store.Keys{index: {key}} }

// patience is how long the suite waits for what must come. It is never waited
// out by a store that keeps its promises.
const patience = 20 * time.Second
