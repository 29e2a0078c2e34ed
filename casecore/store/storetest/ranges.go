package storetest

import (
	"fmt"
	"slices"

	"casewire/casecore/store"
)

var ranges = map[string]func(*env){
	"are in the order of bytes":        byteOrder,
	"select by prefix and bounds":      bounds,
	"go on behind a mark":              marks,
	"page across equal keys":           equalKeys,
	"can be left early":                leftEarly,
	"inside ranges":                    nested,
	"leave out writes to what is read": writeInScan,
	"by id":                            byID,
}

// awkward are keys in the order of their bytes, which is neither that of UTF-16
// nor that of any dictionary.
var awkward = []string{"A", "A\x1fB", "A\x1fa", "A B", "AB", "B", "Z", "a", "ab", "b", "z", "z\x7f", "ß", "é", "я", "日", "\uffff", "🙂", "🙂🙂"}

func byteOrder(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "u", Unique: true})
	e.start(c)
	for i := range awkward { // inserted in an order of its own
		key := awkward[(i*7)%len(awkward)]
		e.put(c, newDoc(key, "", store.Keys{"k": {key}, "u": {key}}))
	}
	for _, index := range []string{"", "k", "u"} {
		same(e, "by "+index, e.ids(c, store.Range{Index: index}), awkward)
		same(e, "by "+index+" backwards", e.ids(c, store.Range{Index: index, Reverse: true}), reversed(awkward))
		for i, key := range awkward {
			same(e, fmt.Sprintf("by %s from %q", index, key), e.ids(c, store.Range{Index: index, From: key}), awkward[i:])
			same(e, fmt.Sprintf("by %s to %q", index, key), e.ids(c, store.Range{Index: index, To: key}), awkward[:i])
			same(e, fmt.Sprintf("by %s exactly %q", index, key), e.ids(c, store.Range{Index: index, From: key, To: key + "\x00"}), []string{key})
			same(e, fmt.Sprintf("by %s after %q", index, key), e.ids(c, store.Range{Index: index, After: store.Mark{Key: key, ID: key}}), awkward[i+1:])
		}
	}
}

func bounds(e *env) {
	c := newColl("docs", store.Index{Name: "k"})
	e.start(c)
	for _, key := range []string{"a", "b", "b\x1f1", "b\x1f2", "ba", "c", "\U0010ffff", "\U0010ffff\U0010ffff"} {
		e.put(c, newDoc(key, "", one("k", key)))
	}
	for _, test := range []struct {
		r    store.Range
		want []string
	}{
		{store.Range{Prefix: "b"}, []string{"b", "b\x1f1", "b\x1f2", "ba"}},
		{store.Range{Prefix: store.Under("b")}, []string{"b\x1f1", "b\x1f2"}},
		{store.Range{Prefix: "b", Reverse: true, Limit: 2}, []string{"ba", "b\x1f2"}},
		{store.Range{Prefix: "\U0010ffff"}, []string{"\U0010ffff", "\U0010ffff\U0010ffff"}},
		{store.Range{Prefix: "x"}, nil},
		{store.Range{From: "b", To: "c"}, []string{"b", "b\x1f1", "b\x1f2", "ba"}},
		{store.Range{From: "b", To: "b"}, nil},
		{store.Range{From: "c", To: "b"}, nil},
		{store.Range{Prefix: "b", From: "b\x1f2"}, []string{"b\x1f2", "ba"}},
		{store.Range{Prefix: "b", From: "a", To: "b\x1f2"}, []string{"b", "b\x1f1"}},
		{store.Range{Prefix: "b", From: "c"}, nil},
		{store.Range{Prefix: "b", To: "z"}, []string{"b", "b\x1f1", "b\x1f2", "ba"}},
		{store.Range{To: "b", Reverse: true}, []string{"a"}},
		{store.Range{Limit: 1}, []string{"a"}},
		{store.Range{Limit: 100, From: "\U0010ffff"}, []string{"\U0010ffff", "\U0010ffff\U0010ffff"}},
	} {
		for _, test.r.Index = range []string{"", "k"} {
			same(e, fmt.Sprintf("%+v", test.r), e.ids(c, test.r), test.want)
		}
	}
}

func marks(e *env) {
	c := newColl("docs", store.Index{Name: "k"})
	e.start(c)
	for _, key := range []string{"b", "d", "f"} {
		e.put(c, newDoc("id "+key, "", one("k", key)))
	}
	for _, test := range []struct {
		r    store.Range
		want []string
	}{
		{store.Range{After: store.Mark{Key: "b", ID: "id b"}}, []string{"id d", "id f"}},
		{store.Range{After: store.Mark{Key: "c"}}, []string{"id d", "id f"}},
		{store.Range{After: store.Mark{Key: "d"}}, []string{"id d", "id f"}},
		{store.Range{After: store.Mark{Key: "a", ID: "zzz"}, From: "c"}, []string{"id d", "id f"}},
		{store.Range{After: store.Mark{Key: "d", ID: "id d"}, Prefix: "d"}, nil},
		{store.Range{After: store.Mark{Key: "f", ID: "id f"}}, nil},
		{store.Range{After: store.Mark{Key: "z"}, To: "e"}, nil},
		{store.Range{After: store.Mark{Key: "d", ID: "id d"}, Reverse: true}, []string{"id b"}},
		{store.Range{After: store.Mark{Key: "e"}, Reverse: true}, []string{"id d", "id b"}},
		{store.Range{After: store.Mark{Key: "d"}, Reverse: true}, []string{"id b"}},
		{store.Range{After: store.Mark{Key: "z"}, To: "e", Reverse: true}, []string{"id d", "id b"}},
		{store.Range{After: store.Mark{Key: "b", ID: "id b"}, Reverse: true}, nil},
	} {
		test.r.Index = "k"
		same(e, fmt.Sprintf("%+v", test.r), e.ids(c, test.r), test.want)
	}
}

func equalKeys(e *env) {
	c := newColl("docs", store.Index{Name: "k"})
	e.start(c)
	keyOf := make(map[string]string)
	var want []string
	for i := range 30 {
		id, key := fmt.Sprintf("%02d", i), fmt.Sprint(i/10)
		keyOf[id] = key
		want = append(want, id)
		e.put(c, newDoc(id, "", one("k", key)))
	}
	for _, limit := range []int{1, 3, 7, 10} {
		for _, reverse := range []bool{false, true} {
			var got []string
			r := store.Range{Index: "k", Limit: limit, Reverse: reverse}
			for page := e.ids(c, r); len(page) > 0; page = e.ids(c, r) {
				got = append(got, page...)
				last := page[len(page)-1]
				r.After = store.Mark{Key: keyOf[last], ID: last}
			}
			expect := want
			if reverse {
				expect = reversed(want)
			}
			same(e, fmt.Sprintf("pages of %d, reverse %v", limit, reverse), got, expect)
		}
	}
}

func leftEarly(e *env) {
	c := newColl("docs", store.Index{Name: "m", Multi: true})
	e.start(c)
	for i := range 10 {
		e.put(c, newDoc(fmt.Sprint(i), "", store.Keys{"m": {"x"}}))
	}
	for _, r := range []store.Range{{}, {Index: "m", Prefix: "x"}} {
		e.update(func(tx store.Tx) error {
			for range 20 {
				for d, err := range tx.Scan(c, r) {
					if err != nil || d.ID != "0" {
						e.Errorf("first of %+v: %q, %v", r, d.ID, err)
					}
					break
				}
			}
			// Nothing may be left behind that keeps the documents from changing.
			d := newDoc("9", "", store.Keys{"m": {"x"}})
			old, err := tx.Get(c, "9")
			if err != nil {
				return err
			}
			d.Version = old.Version
			_, err = tx.Put(c, d)
			return err
		})
	}
}

func nested(e *env) {
	c := newColl("docs", store.Index{Name: "k"})
	e.start(c)
	for i := range 4 {
		e.put(c, newDoc(fmt.Sprint(i), "", one("k", fmt.Sprint(9-i))))
	}
	var got []string
	e.view(func(tx store.Tx) error {
		got = nil
		for a, err := range tx.Scan(c, store.Range{Index: "k"}) {
			if err != nil {
				return err
			}
			if _, err := tx.Get(c, a.ID); err != nil {
				return err
			}
			for b, err := range tx.Scan(c, store.Range{Index: "k", Limit: 3}) {
				if err != nil {
					return err
				}
				if b.ID == "2" {
					break
				}
				got = append(got, a.ID+b.ID)
			}
		}
		return nil
	})
	same(e, "pairs", got, []string{"33", "23", "13", "03"})
}

func writeInScan(e *env) {
	a, b := newColl("a"), newColl("b")
	e.start(a, b)
	e.put(a, newDoc("1", "", nil), newDoc("2", "", nil))
	e.update(func(tx store.Tx) error {
		for d, err := range tx.Scan(a, store.Range{}) {
			if err != nil {
				return err
			}
			if _, err := tx.Put(b, newDoc(d.ID, "", nil)); err != nil {
				e.Errorf("put into another collection while scanning: %v", err)
			}
		}
		for _, id := range []string{"3", "4"} {
			if _, err := tx.Put(a, newDoc(id, "", nil)); err != nil {
				e.Errorf("put after the loop: %v", err)
			}
		}
		return nil
	})
	same(e, "a", e.ids(a, store.Range{}), []string{"1", "2", "3", "4"})
	same(e, "b", e.ids(b, store.Range{}), []string{"1", "2"})
}

func byID(e *env) {
	c := newColl("docs")
	e.start(c)
	want := make([]string, 20)
	for i := range want {
		want[i] = store.NewID()
		e.put(c, newDoc(want[i], "", nil))
	}
	if !slices.IsSorted(want) {
		e.Error("ids made later do not sort later")
	}
	same(e, "all", e.ids(c, store.Range{}), want)
	same(e, "after the fifth", e.ids(c, store.Range{After: store.Mark{ID: want[4]}, Limit: 3}), want[5:8])
	same(e, "before the fifth", e.ids(c, store.Range{After: store.Mark{ID: want[4]}, Reverse: true}), reversed(want[:4]))
	same(e, "a period", e.ids(c, store.Range{From: want[3], To: want[6]}), want[3:6])
}
