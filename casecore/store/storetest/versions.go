package storetest

import (
	"errors"

	"casewire/casecore/store"
)

var versions = map[string]func(*env){
	"count up":              countUp,
	"stale are refused":     stale,
	"unique keys are taken": unique,
	"a refused put is none": refusedIsNone,
}

func countUp(e *env) {
	c := newColl("docs")
	e.start(c)
	e.update(func(tx store.Tx) error {
		d := newDoc("x", "", nil)
		for want := uint64(1); want <= 3; want++ {
			v, err := tx.Put(c, d)
			if err != nil || v != want {
				e.Errorf("put: version %d, %v, want %d", v, err, want)
			}
			d.Version = v
		}
		return nil
	})
	d, err := e.get(c, "x")
	if err != nil || d.Version != 3 {
		e.Errorf("stored version %d, %v", d.Version, err)
	}
}

func stale(e *env) {
	c := newColl("docs")
	e.start(c)
	e.put(c, newDoc("x", "first", nil))
	second := newDoc("x", "second", nil)
	second.Version = 1
	e.put(c, second)
	e.update(func(tx store.Tx) error {
		d := newDoc("x", "third", nil)
		for version, want := range map[uint64]error{0: store.ErrExists, 1: store.ErrConflict, 3: store.ErrConflict} {
			d.Version = version
			_, err := tx.Put(c, d)
			e.is("put over version 2", err, want)
		}
		e.is("delete stale", tx.Delete(c, "x", 1), store.ErrConflict)
		e.is("delete version 0", tx.Delete(c, "x", 0), store.ErrConflict)
		d = newDoc("gone", "", nil)
		d.Version = 1
		_, err := tx.Put(c, d)
		e.is("put of a version that never was", err, store.ErrConflict)
		e.is("delete of what is not there", tx.Delete(c, "gone", 1), store.ErrConflict)
		return nil
	})
	d, err := e.get(c, "x")
	if err != nil || d.Version != 2 || !equalJSON(d.Body, second.Body) {
		e.Errorf("stored %s, version %d, %v", d.Body, d.Version, err)
	}
}

func unique(e *env) {
	c := newColl("docs", store.Index{Name: "u", Unique: true}, store.Index{Name: "mu", Unique: true, Multi: true})
	e.start(c)
	e.put(c, newDoc("a", "", store.Keys{"u": {"1"}, "mu": {"1", "2"}}), newDoc("b", "", store.Keys{"u": {"2"}, "mu": {"3"}}),
		newDoc("none", "", nil), newDoc("none either", "", nil))
	for what, d := range map[string]store.Doc{
		"insert with a taken key":         newDoc("c", "", one("u", "1")),
		"insert with a taken Multi key":   newDoc("c", "", store.Keys{"mu": {"9", "2"}}),
		"fresh id with a taken key":       newDoc(store.NewID(), "", one("u", "1")),
		"fresh id with a taken Multi key": newDoc(store.NewID(), "", store.Keys{"mu": {"9", "2"}}),
		"update to a taken key":           {ID: "b", Version: 1, Body: []byte(`{}`), Keys: store.Keys{"u": {"1"}, "mu": {"3"}}},
		"update to a taken Multi key":     {ID: "b", Version: 1, Body: []byte(`{}`), Keys: store.Keys{"u": {"2"}, "mu": {"3", "1"}}},
		"insert of an id with taken keys": newDoc("a", "", store.Keys{"u": {"1"}}),
	} {
		e.is(what, e.s.Update(e.Context(), func(tx store.Tx) error {
			_, err := tx.Put(c, d)
			return err
		}), store.ErrExists)
	}
	staleDoc := store.Doc{ID: "b", Version: 7, Body: []byte(`{}`), Keys: store.Keys{"mu": {"1"}}}
	e.is("stale put with a taken key", e.s.Update(e.Context(), func(tx store.Tx) error {
		_, err := tx.Put(c, staleDoc)
		return err
	}), store.ErrConflict)
	// A key is free again when its holder lets go of it or is deleted.
	e.put(c, store.Doc{ID: "b", Version: 1, Body: []byte(`{}`), Keys: store.Keys{"u": {"2"}}})
	e.put(c, newDoc("c", "", store.Keys{"mu": {"3"}}))
	e.update(func(tx store.Tx) error { return tx.Delete(c, "a", 1) })
	e.put(c, newDoc("d", "", store.Keys{"u": {"1"}, "mu": {"1", "2"}}))
	same(e, "by u", e.ids(c, store.Range{Index: "u"}), []string{"d", "b"})
}

func refusedIsNone(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "u", Unique: true},
		store.Index{Name: "m", Multi: true}, store.Index{Name: "mu", Unique: true, Multi: true})
	e.start(c)
	e.put(c, newDoc("a", "", store.Keys{"u": {"1"}, "mu": {"1"}}), newDoc("b", "", store.Keys{"k": {"old"}, "m": {"old"}}))
	// The transaction goes on after the refusal, and commits.
	var got []error
	e.update(func(tx store.Tx) error {
		got = nil
		for _, keys := range []store.Keys{{"k": {"new"}, "m": {"new"}, "u": {"1"}}, {"k": {"new"}, "m": {"new"}, "mu": {"2", "1"}}} {
			insert, fresh, update := newDoc("c", "refused", keys), newDoc(store.NewID(), "refused", keys), newDoc("b", "refused", keys)
			update.Version = 1
			for _, d := range []store.Doc{insert, fresh, update} {
				_, err := tx.Put(c, d)
				got = append(got, err)
			}
		}
		_, err := tx.Put(c, newDoc("z", "", store.Keys{"mu": {"2"}}))
		return err
	})
	for i, err := range got {
		if !errors.Is(err, store.ErrExists) {
			e.Errorf("put %d with a taken key: %v, want ErrExists", i, err)
		}
	}
	same(e, "documents", e.ids(c, store.Range{}), []string{"a", "b", "z"})
	same(e, "old keys", e.ids(c, store.Range{Index: "k"}), []string{"b"})
	same(e, "old Multi keys", e.ids(c, store.Range{Index: "m", Prefix: "old"}), []string{"b"})
	same(e, "new Multi keys", e.ids(c, store.Range{Index: "m", Prefix: "new"}), nil)
	d, err := e.get(c, "b")
	if err != nil || d.Version != 1 {
		e.Errorf("b has version %d, %v", d.Version, err)
	}
}
