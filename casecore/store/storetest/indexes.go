package storetest

import (
	"fmt"

	"casewire/casecore/store"
)

var indexes = map[string]func(*env){
	"follow a change of keys":    keyChange,
	"are sparse":                 sparse,
	"Multi answers exact keys":   multi,
	"Multi pages by id":          multiPages,
	"are as of the transaction":  indexInTx,
	"with every option together": allKinds,
}

func keyChange(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	e.put(c, newDoc("x", "", store.Keys{"k": {"a"}, "m": {"1", "2"}}))
	steps := []struct {
		keys store.Keys
		k, m []string // what is found by k, and which of 1, 2, 3 find x by m
	}{
		{store.Keys{"k": {"b"}, "m": {"2", "3"}}, []string{"x"}, []string{"2", "3"}},
		{store.Keys{"k": {"b"}, "m": {"2", "3"}}, []string{"x"}, []string{"2", "3"}},
		{store.Keys{"m": {"1"}}, nil, []string{"1"}},
		{nil, nil, nil},
		{store.Keys{"k": {"c"}, "m": {"1", "1", "", "3"}}, []string{"x"}, []string{"1", "3"}},
	}
	for i, step := range steps {
		d := newDoc("x", "", step.keys)
		d.Version = uint64(i + 1)
		e.put(c, d)
		same(e, fmt.Sprintf("step %d by k", i), e.ids(c, store.Range{Index: "k"}), step.k)
		var found []string
		for _, key := range []string{"1", "2", "3"} {
			for range e.ids(c, store.Range{Index: "m", Prefix: key}) {
				found = append(found, key)
			}
		}
		same(e, fmt.Sprintf("step %d by m", i), found, step.m)
	}
	same(e, "the first key", e.ids(c, store.Range{Index: "k", Prefix: "a"}), nil)
}

func sparse(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "u", Unique: true})
	e.start(c)
	e.put(c, newDoc("a", "", nil), newDoc("b", "", one("k", "1")), newDoc("c", "", store.Keys{"k": {""}, "u": {}}), newDoc("d", "", store.Keys{"u": {""}}))
	same(e, "by id", e.ids(c, store.Range{}), []string{"a", "b", "c", "d"})
	same(e, "by k", e.ids(c, store.Range{Index: "k"}), []string{"b"})
	same(e, "by k, backwards", e.ids(c, store.Range{Index: "k", Reverse: true}), []string{"b"})
	same(e, "by u", e.ids(c, store.Range{Index: "u"}), nil)
}

func multi(e *env) {
	c := newColl("docs", store.Index{Name: "m", Multi: true})
	e.start(c)
	e.put(c, newDoc("b", "", store.Keys{"m": {"ab", "abc"}}), newDoc("a", "", store.Keys{"m": {"abc"}}), newDoc("c", "", store.Keys{"m": {"Ab"}}))
	for key, want := range map[string][]string{"abc": {"a", "b"}, "ab": {"b"}, "a": nil, "Ab": {"c"}, "abcd": nil} {
		same(e, "by "+key, e.ids(c, store.Range{Index: "m", Prefix: key}), want)
	}
	same(e, "backwards", e.ids(c, store.Range{Index: "m", Prefix: "abc", Reverse: true}), []string{"b", "a"})
}

func multiPages(e *env) {
	c := newColl("docs", store.Index{Name: "m", Multi: true})
	e.start(c)
	var want []string
	for i := range 10 {
		id := fmt.Sprintf("%02d", i)
		want = append(want, id)
		e.put(c, newDoc(id, "", store.Keys{"m": {"x", fmt.Sprint(i)}}))
	}
	for _, reverse := range []bool{false, true} {
		var got []string
		r := store.Range{Index: "m", Prefix: "x", Reverse: reverse, Limit: 3}
		for {
			page := e.ids(c, r)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			r.After = store.Mark{Key: "x", ID: page[len(page)-1]}
		}
		if reverse {
			want = reversed(want)
		}
		same(e, fmt.Sprintf("pages, reverse %v", reverse), got, want)
	}
}

func indexInTx(e *env) {
	c := newColl("docs", store.Index{Name: "k"})
	e.start(c)
	e.put(c, newDoc("a", "", one("k", "1")))
	e.update(func(tx store.Tx) error {
		d := newDoc("a", "", one("k", "2"))
		d.Version = 1
		if _, err := tx.Put(c, d); err != nil {
			return err
		}
		if _, err := tx.Put(c, newDoc("b", "", one("k", "1"))); err != nil {
			return err
		}
		got, err := scan(tx, c, store.Range{Index: "k"})
		same(e, "inside the transaction", got, []string{"b", "a"})
		return err
	})
	same(e, "after it", e.ids(c, store.Range{Index: "k"}), []string{"b", "a"})
}

func allKinds(e *env) {
	c := newColl("docs", store.Index{Name: "plain"}, store.Index{Name: "only", Unique: true},
		store.Index{Name: "many", Multi: true}, store.Index{Name: "many_only", Multi: true, Unique: true})
	e.start(c)
	e.put(c, newDoc("x", "", store.Keys{"plain": {"p"}, "only": {"o"}, "many": {"m", "n"}, "many_only": {"q", "r"}}))
	for _, r := range []store.Range{{}, {Index: "plain"}, {Index: "only"}, {Index: "many", Prefix: "m"}, {Index: "many", Prefix: "n"},
		{Index: "many_only", Prefix: "q"}, {Index: "many_only", Prefix: "r"}} {
		same(e, fmt.Sprintf("%+v", r), e.ids(c, r), []string{"x"})
	}
}

func reversed(list []string) []string {
	out := make([]string, 0, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		out = append(out, list[i])
	}
	return out
}
