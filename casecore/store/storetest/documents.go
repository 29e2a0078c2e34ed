package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"casewire/casecore/store"
)

var documents = map[string]func(*env){
	"come back as they were":      roundTrip,
	"typed with big integers":     typed,
	"of two collections":          twoCollections,
	"of a collection not opened":  notOpened,
	"that are not there":          notThere,
	"that break the rules":        rules,
	"deleted are gone everywhere": deleted,
}

func roundTrip(e *env) {
	c := newColl("docs")
	e.start(c)
	bodies := map[string]string{
		"empty":                        `{}`,
		"utf-8":                        `{"text":"Ünïcode, кириллица, 日本語, 🙂‍↔️ and \u202eright to left"}`,
		"escapes":                      `{"text":"nul \u0000, quote \", backslash \\, line\n"}`,
		"integers":                     `{"max":9223372036854775807,"min":-9223372036854775808,"beyond":18446744073709551615}`,
		"fractions":                    `{"small":1e-300,"exact":0.1}`,
		"nesting":                      `{"a":[{"b":[null,true,[]]}]}`,
		"a/b?c#d%20 'e\"":              `{"text":"an id of all sorts"}`,
		strings.Repeat("д", 64):        `{"text":"the longest id"}`,
		"1 MB":                         `{"text":"` + strings.Repeat("x", store.MaxBody-11) + `"}`,
		"1 MB of letters of two bytes": `{"text":"` + strings.Repeat("ж", (store.MaxBody-11)/2) + `"}`,
	}
	for id, body := range bodies {
		e.put(c, store.Doc{ID: id, Body: []byte(body)})
	}
	for id, body := range bodies {
		d, err := e.get(c, id)
		if err != nil || d.ID != id || d.Version != 1 || !equalJSON(d.Body, []byte(body)) {
			e.Errorf("%s: got %q version %d with %d bytes, %v", id, d.ID, d.Version, len(d.Body), err)
		}
	}
	for d, err := range each(e, c, store.Range{}) {
		if err != nil || !equalJSON(d.Body, []byte(bodies[d.ID])) {
			e.Errorf("%s: scanned %d bytes, %v", d.ID, len(d.Body), err)
		}
	}
}

// equalJSON compares without losing digits of numbers.
func equalJSON(a, b []byte) bool {
	var x, y any
	for v, text := range map[*any][]byte{&x: a, &y: b} {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(v); err != nil {
			return false
		}
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

// each collects a scan of its own view.
func each(e *env, c *store.Coll, r store.Range) func(yield func(store.Doc, error) bool) {
	return func(yield func(store.Doc, error) bool) {
		e.view(func(tx store.Tx) error {
			for d, err := range tx.Scan(c, r) {
				if !yield(d, err) {
					break
				}
			}
			return nil
		})
	}
}

// part is a typed record with a key of each kind.
type part struct {
	store.Meta
	Serial int64    `json:"serial"`
	Name   string   `json:"name"`
	Tags   []string `json:"tags"`
}

// Keys implements store.Record.
func (p *part) Keys() store.Keys {
	k := make(store.Keys)
	k.Set("name", p.Name)
	for _, t := range p.Tags {
		k.Add("tag", t)
	}
	return k
}

func typed(e *env) {
	parts := store.NewTable[part]("parts", store.Index{Name: "name"}, store.Index{Name: "tag", Multi: true})
	e.start(parts.Coll())
	p := &part{Serial: math.MaxInt64, Name: "screen", Tags: []string{"glass", "phone"}}
	e.update(func(tx store.Tx) error {
		*p = part{Serial: math.MaxInt64, Name: "screen", Tags: []string{"glass", "phone"}}
		return parts.Put(tx, p)
	})
	e.put(parts.Coll(), store.Doc{ID: "other", Body: []byte(`{"name":"screen protector"}`), Keys: one("name", "screen protector")})
	e.view(func(tx store.Tx) error {
		for _, find := range []func() (*part, error){
			func() (*part, error) { return parts.Get(tx, p.ID) },
			func() (*part, error) { return parts.Find(tx, "name", "screen") },
			func() (*part, error) { return parts.Find(tx, "tag", "phone") },
			func() (*part, error) { return parts.First(tx, store.Range{Index: "name"}) },
		} {
			got, err := find()
			if err != nil || got.Serial != math.MaxInt64 || got.ID != p.ID || got.Version != 1 {
				e.Errorf("found %+v, %v", got, err)
			}
		}
		for index, key := range map[string]string{"name": "scree", "tag": "phon"} {
			_, err := parts.Find(tx, index, key)
			e.is("find of the beginning of a key", err, store.ErrNotFound)
		}
		return nil
	})
}

func twoCollections(e *env) {
	a, b := newColl("same", store.Index{Name: "k"}), newColl("same_k", store.Index{Name: "k"})
	e.start(a, b)
	e.put(a, newDoc("x", "in a", one("k", "1")))
	e.put(b, newDoc("x", "in b", one("k", "2")), newDoc("y", "in b", nil))
	same(e, "ids of a", e.ids(a, store.Range{}), []string{"x"})
	same(e, "ids of b", e.ids(b, store.Range{}), []string{"x", "y"})
	same(e, "keys of b", e.ids(b, store.Range{Index: "k", Prefix: "1"}), nil)
}

func notOpened(e *env) {
	c := newColl("known")
	e.start(c)
	unknown := newColl("unknown")
	err := e.s.Update(e.Context(), func(tx store.Tx) error {
		if _, err := tx.Get(unknown, "x"); err == nil {
			e.Error("get from a collection that was not opened")
		}
		if _, err := tx.Put(unknown, newDoc("x", "", nil)); err == nil {
			e.Error("put into a collection that was not opened")
		}
		if _, err := scan(tx, unknown, store.Range{}); err == nil {
			e.Error("scan of a collection that was not opened")
		}
		return nil
	})
	if err != nil {
		e.Error(err)
	}
	if _, err := e.s.Watch(e.Context(), unknown); err == nil {
		e.Error("watch on a collection that was not opened")
	}
}

func notThere(e *env) {
	c := newColl("docs", store.Index{Name: "k"})
	e.start(c)
	for _, id := range []string{"x", "", strings.Repeat("x", 1000)} {
		_, err := e.get(c, id)
		e.is(fmt.Sprintf("get of %.10q", id), err, store.ErrNotFound)
	}
	same(e, "scan of nothing", e.ids(c, store.Range{}), nil)
	same(e, "scan of nothing by key", e.ids(c, store.Range{Index: "k"}), nil)
}

func rules(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	for what, d := range map[string]store.Doc{
		"no id":                  newDoc("", "", nil),
		"id that is not UTF-8":   newDoc("\xff", "", nil),
		"no body":                {ID: "x"},
		"body that is a list":    {ID: "x", Body: []byte("[]")},
		"body that is not UTF-8": {ID: "x", Body: []byte("{\"a\":\"\xff\"}")},
		"unknown index":          newDoc("x", "", one("nope", "1")),
		"two keys, not Multi":    newDoc("x", "", store.Keys{"k": {"1", "2"}}),
		"key that is not UTF-8":  newDoc("x", "", one("k", "\xff")),
	} {
		err := e.s.Update(e.Context(), func(tx store.Tx) error {
			_, err := tx.Put(c, d)
			return err
		})
		if err == nil {
			e.Errorf("%s: put succeeded", what)
		}
	}
	for what, r := range map[string]store.Range{
		"unknown index":       {Index: "nope"},
		"negative limit":      {Limit: -1},
		"Multi without a key": {Index: "m"},
		"Multi with From":     {Index: "m", Prefix: "a", From: "a"},
		"Multi with To":       {Index: "m", Prefix: "a", To: "b"},
	} {
		e.view(func(tx store.Tx) error {
			if _, err := scan(tx, c, r); err == nil {
				e.Errorf("%s: scan succeeded", what)
			}
			return nil
		})
	}
	same(e, "documents", e.ids(c, store.Range{}), nil)
}

func deleted(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "u", Unique: true}, store.Index{Name: "m", Multi: true})
	e.start(c)
	d := newDoc("x", "", store.Keys{"k": {"1"}, "u": {"1"}, "m": {"1", "2"}})
	e.put(c, d, newDoc("y", "", one("k", "1")))
	e.update(func(tx store.Tx) error { return tx.Delete(c, "x", 1) })
	_, err := e.get(c, "x")
	e.is("get", err, store.ErrNotFound)
	for _, index := range []string{"", "k", "u"} {
		want := []string{"y"}
		if index == "u" {
			want = nil
		}
		same(e, "scan by "+index, e.ids(c, store.Range{Index: index}), want)
	}
	same(e, "scan by m", e.ids(c, store.Range{Index: "m", Prefix: "1"}), nil)
	e.put(c, d)
	got, err := e.get(c, "x")
	if err != nil || got.Version != 1 {
		e.Errorf("put again after delete: version %d, %v", got.Version, err)
	}
}

var limits = map[string]func(*env){
	"are allowed":           atLimits,
	"beyond are refused":    beyondLimits,
	"beyond leave no trace": beyondNoTrace,
}

func manyKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key %d", i)
	}
	return keys
}

func atLimits(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	id, key := strings.Repeat("i", store.MaxID), strings.Repeat("k", store.MaxKey)
	body := []byte(`{"text":"` + strings.Repeat("x", store.MaxBody-11) + `"}`)
	e.put(c, store.Doc{ID: id, Body: body, Keys: store.Keys{"k": {key}, "m": manyKeys(store.MaxMulti)}})
	same(e, "by the longest key", e.ids(c, store.Range{Index: "k", Prefix: key}), []string{id})
	same(e, "by the last of many keys", e.ids(c, store.Range{Index: "m", Prefix: "key 255"}), []string{id})
}

// tooLarge names documents that are over one limit each.
func tooLarge() map[string]store.Doc {
	return map[string]store.Doc{
		"id":        newDoc(strings.Repeat("i", store.MaxID+1), "", nil),
		"body":      {ID: "x", Body: []byte(`{"text":"` + strings.Repeat("x", store.MaxBody-10) + `"}`)},
		"key":       newDoc("x", "", one("k", strings.Repeat("k", store.MaxKey+1))),
		"Multi key": newDoc("x", "", one("m", strings.Repeat("k", store.MaxKey+1))),
		"keys":      newDoc("x", "", store.Keys{"m": manyKeys(store.MaxMulti + 1)}),
	}
}

func beyondLimits(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	for what, d := range tooLarge() {
		err := e.s.Update(e.Context(), func(tx store.Tx) error {
			_, err := tx.Put(c, d)
			return err
		})
		e.is(what, err, store.ErrLimit)
	}
}

func beyondNoTrace(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	// A refused Put does not spoil the transaction it was tried in.
	e.update(func(tx store.Tx) error {
		for _, d := range tooLarge() {
			if _, err := tx.Put(c, d); err == nil {
				e.Error("put over a limit succeeded")
			}
		}
		_, err := tx.Put(c, newDoc("y", "", nil))
		return err
	})
	same(e, "documents", e.ids(c, store.Range{}), []string{"y"})
}
