package store_test

import (
	"errors"
	"strings"
	"testing"

	"casewire/casecore/store"
)

type part struct {
	store.Meta
	Name string   `json:"name"`
	Tags []string `json:"tags,omitempty"`
}

// Keys implements store.Record.
func (p *part) Keys() store.Keys {
	k := make(store.Keys)
	k.Set("name", p.Name)
	for _, tag := range p.Tags {
		k.Add("tag", tag)
	}
	return k
}

var partsTable = store.NewTable[part]("parts", store.Index{Name: "name", Unique: true}, store.Index{Name: "tag", Multi: true})

func openParts(t *testing.T) store.Store {
	t.Helper()
	return stores.Open(t, partsTable.Coll())
}

func update(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestTableKeepsIDAndVersion(t *testing.T) {
	s := openParts(t)
	update(t, s, func(tx store.Tx) error {
		p := &part{Name: "screen", Tags: []string{"glass"}}
		if err := partsTable.Put(tx, p); err != nil {
			return err
		}
		if p.ID == "" || p.Version != 1 {
			t.Errorf("after the first put: %+v", p.Meta)
		}
		p.Name = "display"
		if err := partsTable.Put(tx, p); err != nil || p.Version != 2 {
			t.Errorf("after the second: %+v, %v", p.Meta, err)
		}
		got, err := partsTable.Get(tx, p.ID)
		if err != nil || got.Meta != p.Meta || got.Name != "display" {
			t.Errorf("got %+v, %v", got, err)
		}
		old := &part{Meta: store.Meta{ID: p.ID, Version: 1}}
		if err := partsTable.Put(tx, old); !errors.Is(err, store.ErrConflict) || old.Version != 1 {
			t.Errorf("stale put: %v, version %d", err, old.Version)
		}
		if err := partsTable.Delete(tx, old); !errors.Is(err, store.ErrConflict) {
			t.Errorf("stale delete: %v", err)
		}
		if err := partsTable.Delete(tx, p); err != nil {
			t.Errorf("delete: %v", err)
		}
		if _, err := partsTable.Get(tx, p.ID); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "parts "+p.ID) {
			t.Errorf("get of what is gone: %v", err)
		}
		return nil
	})
}

func TestFindIsExact(t *testing.T) {
	s := openParts(t)
	names := []string{"a", "ab", "a\x1fb", "a b", "A", "b", "é", "日"}
	update(t, s, func(tx store.Tx) error {
		for _, name := range names {
			if err := partsTable.Put(tx, &part{Name: name, Tags: []string{name}}); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error {
		for _, index := range []string{"name", "tag"} {
			for _, name := range names {
				if p, err := partsTable.Find(tx, index, name); err != nil || p.Name != name {
					t.Errorf("find %q by %s: %+v, %v", name, index, p, err)
				}
			}
			for _, name := range []string{"", "abc", "a\x1f", "B", "a\x00", "e", "z"} {
				if p, err := partsTable.Find(tx, index, name); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("find %q by %s: %+v, %v", name, index, p, err)
				}
			}
		}
		return nil
	})
}

func TestErrorsDoNotRepeatKeys(t *testing.T) {
	s := openParts(t)
	const secret = "+44 20 7946 0000"
	update(t, s, func(tx store.Tx) error {
		if err := partsTable.Put(tx, &part{Name: secret}); err != nil {
			return err
		}
		_, byTag := partsTable.Find(tx, "tag", secret)
		_, first := partsTable.First(tx, store.Range{Index: "name", Prefix: secret + "1"})
		taken := partsTable.Put(tx, &part{Name: secret})
		long := partsTable.Put(tx, &part{Name: secret + strings.Repeat("0", 600)})
		notText := partsTable.Put(tx, &part{Name: secret + "\xff"})
		for _, err := range []error{byTag, first, taken, long, notText} {
			if err == nil || strings.Contains(err.Error(), "7946") {
				t.Errorf("error: %v", err)
			}
		}
		return nil
	})
}

func TestScanStopsAtWhatCannotBeDecoded(t *testing.T) {
	s := openParts(t)
	update(t, s, func(tx store.Tx) error {
		for id, body := range map[string]string{"1": `{"name":"one"}`, "2": `{"name":2}`, "3": `{"name":"three"}`} {
			if _, err := tx.Put(partsTable.Coll(), store.Doc{ID: id, Body: []byte(body)}); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error {
		var good, bad int
		for p, err := range partsTable.Scan(tx, store.Range{}) {
			if err != nil {
				bad++
			} else if good++; p.ID != "1" {
				t.Errorf("scanned %s", p.ID)
			}
		}
		if good != 1 || bad != 1 {
			t.Errorf("%d records and %d errors, want one of each", good, bad)
		}
		return nil
	})
	if _, err := partsTable.Coll().Rekey("2", []byte(`{"name":2}`)); err == nil {
		t.Error("keys were made of what cannot be decoded")
	}
}
