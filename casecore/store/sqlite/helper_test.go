package sqlite_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
)

// note is a document of these tests: Text and one key of each kind.
type note struct {
	store.Meta
	Text string   `json:"text"`
	Key  string   `json:"key,omitempty"`
	Only string   `json:"only,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

// Keys implements store.Record.
func (n *note) Keys() store.Keys {
	k := make(store.Keys)
	k.Set("key", n.Key)
	k.Set("only", n.Only)
	for _, tag := range n.Tags {
		k.Add("tag", tag)
	}
	return k
}

var notes = store.NewTable[note]("notes", store.Index{Name: "key"}, store.Index{Name: "only", Unique: true}, store.Index{Name: "tag", Multi: true})

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "data", "store.db") }

func open(t *testing.T, path string, o sqlite.Options, colls ...*store.Coll) *sqlite.Store {
	t.Helper()
	if len(colls) == 0 {
		colls = []*store.Coll{notes.Coll()}
	}
	s, err := sqlite.Open(t.Context(), path, o, colls...)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func put(t *testing.T, s store.Store, ids ...string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for _, id := range ids {
			if err := notes.Put(tx, newNote(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("put %v: %v", ids, err)
	}
}

func newNote(id string) *note {
	return &note{Meta: store.Meta{ID: id}, Text: "text of " + id, Key: "key of " + id, Only: id, Tags: []string{"all", id}}
}

// content checks that every note is whole and found by all its keys, and
// returns the ids. An error is damage that was noticed.
func content(s store.Store, t *testing.T) (ids []string, err error) {
	err = s.View(t.Context(), func(tx store.Tx) error {
		for n, err := range notes.Scan(tx, store.Range{}) {
			if err != nil {
				return err
			}
			ids = append(ids, n.ID)
			got, _ := json.Marshal(n)
			want, _ := json.Marshal(newNote(n.ID))
			if string(got) != string(want) {
				t.Errorf("%s was served as %s", n.ID, got)
			}
			for index, key := range map[string]string{"key": n.Key, "only": n.Only, "tag": n.ID} {
				if found, err := notes.Find(tx, index, key); err != nil {
					return fmt.Errorf("find %s by %s: %w", n.ID, index, err)
				} else if found.ID != n.ID {
					t.Errorf("by %s of %s %s is found", index, n.ID, found.ID)
				}
			}
		}
		for _, r := range []store.Range{{Index: "key"}, {Index: "only"}, {Index: "tag", Prefix: "all"}} {
			var found []string
			for n, err := range notes.Scan(tx, r) {
				if err != nil {
					return err
				}
				found = append(found, n.ID)
			}
			if slices.Sort(found); !slices.Equal(found, ids) {
				t.Errorf("by %s there are %d notes, by id %d", r.Index, len(found), len(ids))
			}
		}
		return nil
	})
	return ids, err
}

// mustHold checks that the store holds exactly these notes.
func mustHold(t *testing.T, s store.Store, want ...string) {
	t.Helper()
	got, err := content(s, t)
	if err != nil {
		t.Errorf("reading everything: %v", err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it holds %d notes %.10q, want %d %.10q", len(got), got, len(want), want)
	}
}

// mustRefuse checks that the file cannot be opened, for this reason, and that
// the error names the path and what to do, and says these things.
func mustRefuse(t *testing.T, path string, kind error, says ...string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{}, notes.Coll())
	if err == nil {
		closeStore(t, s)
	}
	var e *sqlite.OpenError
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Fatalf("open: %v, want %v", err, kind)
	}
	if e.Path != path && e.Path != filepath.Dir(path) {
		t.Errorf("the error names %q", e.Path)
	}
	for _, text := range append(says, e.Path, e.Mend) {
		if text == "" || !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

// copyFolder copies the files of a data folder, as a backup of the disk would.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"store.db", "store.db-wal"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(to, "store.db")
}
