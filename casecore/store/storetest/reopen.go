package storetest

import (
	"fmt"

	"casewire/casecore/store"
)

var reopening = map[string]func(*env){
	"keeps documents and keys":            survives,
	"fills new indexes":                   fills,
	"fills more than a batch":             fillsMany,
	"refuses a unique index over doubles": doubles,
	"forgets indexes no longer declared":  forgets,
	"fills an index that came back":       comesBack,
	"follows a change of kind":            changesKind,
	"adds a collection":                   addsCollection,
	"leaves other collections alone":      leavesAlone,
}

func survives(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "u", Unique: true}, store.Index{Name: "m", Multi: true})
	e.start(c)
	d := newDoc("x", "text", store.Keys{"k": {"1"}, "u": {"2"}, "m": {"3", "4"}})
	e.put(c, d)
	d.Version = 1
	e.put(c, d)
	for range 2 {
		e.start(c)
		got, err := e.get(c, "x")
		if err != nil || got.Version != 2 || !equalJSON(got.Body, d.Body) {
			e.Errorf("after reopening %s, version %d, %v", got.Body, got.Version, err)
		}
		for _, r := range []store.Range{{}, {Index: "k"}, {Index: "u"}, {Index: "m", Prefix: "3"}, {Index: "m", Prefix: "4"}} {
			same(e, fmt.Sprintf("%+v", r), e.ids(c, r), []string{"x"})
		}
	}
	err := e.s.Update(e.Context(), func(tx store.Tx) error {
		_, err := tx.Put(c, newDoc("y", "", one("u", "2")))
		return err
	})
	e.is("unique key after reopening", err, store.ErrExists)
}

func fills(e *env) {
	all := store.Keys{"k": {"1"}, "u": {"2"}, "m": {"3", "4"}, "mu": {"5", "6"}}
	old := &store.Coll{Name: "docs"}
	e.start(old)
	for _, id := range []string{"x", "none"} {
		d := newDoc(id, "", nil)
		if id == "x" {
			d = newDoc(id, "", all)
			d.Keys = nil
		}
		e.put(old, d)
	}
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "u", Unique: true},
		store.Index{Name: "m", Multi: true}, store.Index{Name: "mu", Multi: true, Unique: true})
	for range 2 {
		e.start(c)
		for _, r := range []store.Range{{Index: "k"}, {Index: "u"}, {Index: "m", Prefix: "3"}, {Index: "m", Prefix: "4"},
			{Index: "mu", Prefix: "5"}, {Index: "mu", Prefix: "6"}} {
			same(e, fmt.Sprintf("%+v", r), e.ids(c, r), []string{"x"})
		}
		same(e, "by id", e.ids(c, store.Range{}), []string{"none", "x"})
	}
	d, err := e.get(c, "x")
	if err != nil || d.Version != 1 {
		e.Errorf("filling changed the version to %d, %v", d.Version, err)
	}
	for _, index := range []string{"u", "mu"} {
		err := e.s.Update(e.Context(), func(tx store.Tx) error {
			_, err := tx.Put(c, newDoc("y", "", one(index, all[index][0])))
			return err
		})
		e.is("filled key of "+index, err, store.ErrExists)
	}
}

func fillsMany(e *env) {
	const n = 1100
	old := newColl("docs")
	e.start(old)
	var docs []store.Doc
	var want []string
	for i := range n {
		id := fmt.Sprintf("%05d", i)
		d := newDoc(id, "", store.Keys{"k": {fmt.Sprintf("%05d", n-i)}, "m": {"all"}})
		d.Keys = nil
		docs, want = append(docs, d), append(want, id)
	}
	e.put(old, docs...)
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	same(e, "by m", e.ids(c, store.Range{Index: "m", Prefix: "all"}), want)
	same(e, "by k", e.ids(c, store.Range{Index: "k"}), reversed(want))
}

func doubles(e *env) {
	for _, ix := range []store.Index{{Name: "k", Unique: true}, {Name: "m", Unique: true, Multi: true}} {
		plain := ix
		plain.Unique = false
		old := newColl("docs_"+ix.Name, plain)
		e.start(old)
		e.put(old, newDoc("x", "", one(ix.Name, "same")), newDoc("y", "", one(ix.Name, "same")))
		e.stop()
		s, err := e.open(newColl("docs_"+ix.Name, ix))
		if err == nil {
			_ = s.Close()
		}
		e.is("open with "+ix.Name+" unique", err, store.ErrExists)
		// Nothing is lost: as before it opens as before.
		e.start(old)
		same(e, "by id", e.ids(old, store.Range{}), []string{"x", "y"})
		same(e, "by "+ix.Name, e.ids(old, store.Range{Index: ix.Name, Prefix: "same"}), []string{"x", "y"})
	}
}

func forgets(e *env) {
	e.start(newColl("docs", store.Index{Name: "u", Unique: true}, store.Index{Name: "m", Multi: true}, store.Index{Name: "k"}))
	full := newColl("docs", store.Index{Name: "u", Unique: true}, store.Index{Name: "m", Multi: true}, store.Index{Name: "k"})
	e.put(full, newDoc("x", "", store.Keys{"u": {"1"}, "m": {"1"}, "k": {"1"}}))
	less := newColl("docs", store.Index{Name: "k"})
	e.start(less)
	same(e, "by the index that stays", e.ids(less, store.Range{Index: "k"}), []string{"x"})
	e.put(less, newDoc("y", "", one("k", "1")))
	e.view(func(tx store.Tx) error {
		if _, err := scan(tx, less, store.Range{Index: "u"}); err == nil {
			e.Error("scan by an index that is not declared")
		}
		return nil
	})
}

func comesBack(e *env) {
	full := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	less := newColl("docs")
	e.start(full)
	e.put(full, newDoc("x", "", store.Keys{"k": {"old"}, "m": {"old"}}), newDoc("gone", "", store.Keys{"k": {"gone"}, "m": {"gone"}}))
	e.start(less)
	d := newDoc("x", "", store.Keys{"k": {"new"}, "m": {"new"}})
	d.Version, d.Keys = 1, nil
	e.put(less, d)
	e.update(func(tx store.Tx) error { return tx.Delete(less, "gone", 1) })
	e.start(full)
	same(e, "by k", e.ids(full, store.Range{Index: "k"}), []string{"x"})
	for key, want := range map[string][]string{"old": nil, "gone": nil, "new": {"x"}} {
		same(e, "by k "+key, e.ids(full, store.Range{Index: "k", Prefix: key}), want)
		same(e, "by m "+key, e.ids(full, store.Range{Index: "m", Prefix: key}), want)
	}
}

func changesKind(e *env) {
	kinds := []store.Index{{Name: "k"}, {Name: "k", Multi: true}, {Name: "k", Unique: true}, {Name: "k", Multi: true, Unique: true},
		{Name: "k", Multi: true}, {Name: "k", Unique: true}, {Name: "k"}}
	for i, ix := range kinds {
		c := newColl("docs", ix)
		e.start(c)
		if i == 0 {
			e.put(c, newDoc("x", "", one("k", "1")))
		}
		same(e, fmt.Sprintf("as %+v", ix), e.ids(c, store.Range{Index: "k", Prefix: "1"}), []string{"x"})
		err := e.s.Update(e.Context(), func(tx store.Tx) error {
			if _, err := tx.Put(c, newDoc("double", "", one("k", "1"))); err != nil {
				return err
			}
			return tx.Delete(c, "double", 1)
		})
		want := error(nil)
		if ix.Unique {
			want = store.ErrExists
		}
		e.is(fmt.Sprintf("double key as %+v", ix), err, want)
	}
}

func addsCollection(e *env) {
	a, b := newColl("a"), newColl("b", store.Index{Name: "k"})
	e.start(a)
	e.put(a, newDoc("x", "", nil))
	e.start(a, b)
	e.put(b, newDoc("y", "", one("k", "1")))
	same(e, "a", e.ids(a, store.Range{}), []string{"x"})
	same(e, "b", e.ids(b, store.Range{Index: "k"}), []string{"y"})
}

func leavesAlone(e *env) {
	a, b := newColl("a", store.Index{Name: "k"}), newColl("a_k", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(a, b)
	e.put(a, newDoc("x", "", one("k", "1")))
	e.put(b, newDoc("y", "", store.Keys{"k": {"1"}, "m": {"1"}}))
	e.start(newColl("a"))
	e.start(a, b)
	same(e, "b by k", e.ids(b, store.Range{Index: "k"}), []string{"y"})
	same(e, "b by m", e.ids(b, store.Range{Index: "m", Prefix: "1"}), []string{"y"})
	same(e, "a by k", e.ids(a, store.Range{Index: "k"}), []string{"x"})
}
