package mongo_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// loaded is a document with keys of every sort.
type loaded struct {
	store.Meta
	Name string   `json:"name"`
	Tags []string `json:"tags,omitempty"`
}

// Keys implements store.Record.
func (l *loaded) Keys() store.Keys {
	k := store.Keys{}
	k.Set("name", l.Name)
	for _, tag := range l.Tags {
		k.Add("tag", tag)
	}
	return k
}

var loads = store.NewTable[loaded]("loaded", store.Index{Name: "name", Unique: true}, store.Index{Name: "tag", Multi: true})

func docOf(id, body string) store.Doc {
	keys, err := loads.Coll().Rekey(id, []byte(body))
	if err != nil {
		keys = nil
	}
	return store.Doc{ID: id, Body: []byte(body), Keys: keys}
}

// What was loaded is what a transaction would have put: found by its keys, and
// changed from its first version on.
func TestLoadedIsAsPut(t *testing.T) {
	s := open(t, mongo.Options{Database: newDatabase(t)}, loads.Coll())
	docs := make([]store.Doc, 1000)
	for i := range docs {
		docs[i] = docOf(fmt.Sprintf("id%04d", i), fmt.Sprintf(`{"name":"n%04d","tags":["all","t%d"],"at":"2026-11-22T10:00:00.123456789Z"}`, i, i%10))
	}
	if err := s.Load(t.Context(), loads.Coll(), docs); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(t.Context(), loads.Coll(), nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
	err := s.Update(t.Context(), func(tx store.Tx) error {
		found := 0
		for d, err := range tx.Scan(loads.Coll(), store.Range{Index: "tag", Prefix: "t3"}) {
			if err != nil {
				return err
			}
			found++
			if !strings.Contains(string(d.Body), "00.123456789Z") || d.Version != 1 {
				t.Errorf("%+v", d)
			}
		}
		p, err := loads.Find(tx, "name", "n0042")
		if err != nil {
			return err
		}
		p.Name = "changed"
		if err := loads.Put(tx, p); err != nil || found != 100 || p.ID != "id0042" || p.Version != 2 {
			t.Errorf("%d found, %+v, %v", found, p, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	s := open(t, mongo.Options{Database: newDatabase(t)}, loads.Coll())
	const secret = "+44 20 7946 0000"
	if err := s.Load(t.Context(), loads.Coll(), []store.Doc{docOf("a", `{"name":"`+secret+`"}`)}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		doc  store.Doc
		want error
	}{
		"an id that is taken":   {docOf("a", `{"name":"other"}`), store.ErrExists},
		"a key that is taken":   {docOf("b", `{"name":"`+secret+`"}`), store.ErrExists},
		"a body that is none":   {docOf("c", `{"name":}`), nil},
		"a body over the limit": {docOf("d", `{"name":"x","tags":["`+strings.Repeat("x", store.MaxBody)+`"]}`), store.ErrLimit},
	} {
		err := s.Load(t.Context(), loads.Coll(), []store.Doc{tt.doc})
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || strings.Contains(fmt.Sprint(err), "7946") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Load(t.Context(), store.NewTable[loaded]("other").Coll(), []store.Doc{docOf("a", `{}`)}); err == nil {
		t.Error("a collection that was not opened takes documents")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(t.Context(), loads.Coll(), nil); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
