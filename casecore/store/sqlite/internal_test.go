package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite/sqlite3"
)

var things = &store.Coll{
	Name: "things",
	Indexes: []store.Index{{Name: "plain"}, {Name: "only", Unique: true},
		{Name: "many", Multi: true}, {Name: "many_only", Multi: true, Unique: true}},
	Rekey: func(string, []byte) (store.Keys, error) { return nil, nil },
}

func openThings(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), Options{}, things)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestEveryRangeUsesAnIndex asks SQLite how it would run every form of Range.
func TestEveryRangeUsesAnIndex(t *testing.T) {
	s := openThings(t)
	tab := s.tables["things"]
	c := <-s.readers
	defer func() { s.readers <- c }()
	forms := 0
	for index := byID; index < len(things.Indexes); index++ {
		var ix store.Index
		if index != byID {
			ix = things.Indexes[index]
		}
		for _, r := range rangesOf(ix) {
			form, args := plan(r, ix)
			query := stmtKey{table: tab, verb: verbScan, index: index, shape: form}.sql()
			steps := queryPlan(t, c, query, args)
			forms++
			bounded := r.Prefix+r.From+r.To != "" || r.After != (store.Mark{})
			for _, step := range steps {
				switch {
				case strings.Contains(step, "TEMP B-TREE"), strings.HasPrefix(step, "SCAN") && bounded,
					!strings.Contains(step, "USING") || !strings.Contains(step, "INDEX") && !strings.Contains(step, "PRIMARY KEY"):
					t.Errorf("%+v: %s\n%s", r, step, query)
				}
			}
		}
	}
	if forms < 50 {
		t.Errorf("only %d forms were looked at", forms)
	}
}

// TestDocumentsAreFoundByTheirID asks SQLite how it would find the one that a
// statement reads or writes.
func TestDocumentsAreFoundByTheirID(t *testing.T) {
	s := openThings(t)
	for _, v := range []verb{verbGet, verbKeys, verbDelete, verbRekey} {
		query := stmtKey{table: s.tables["things"], verb: v}.sql()
		steps := queryPlan(t, s.writer.c, query, nil)
		if len(steps) != 1 || steps[0] != "SEARCH things USING INDEX sqlite_autoindex_things_1 (id=?)" {
			t.Errorf("%s: %q", query, steps)
		}
	}
}

func rangesOf(ix store.Index) (list []store.Range) {
	for _, reverse := range []bool{false, true} {
		for _, after := range []store.Mark{{}, {Key: "k", ID: "i"}} {
			if ix.Multi {
				list = append(list, store.Range{Index: ix.Name, Prefix: "k", After: after, Reverse: reverse})
				continue
			}
			for _, prefix := range []string{"", "k"} {
				for _, from := range []string{"", "k"} {
					for _, to := range []string{"", "l"} {
						list = append(list, store.Range{Index: ix.Name, Prefix: prefix, From: from, To: to, After: after, Reverse: reverse})
					}
				}
			}
		}
	}
	return list
}

func queryPlan(t *testing.T, c *conn, query string, args []sqlite3.Arg) (steps []string) {
	t.Helper()
	err := c.each(func(row *sqlite3.Stmt) error {
		steps = append(steps, row.Text(3))
		return nil
	}, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil || len(steps) == 0 {
		t.Fatalf("%s: %v", query, err)
	}
	return steps
}

func thing(id string, size int) store.Doc {
	return store.Doc{ID: id, Body: []byte(`{"x":"` + strings.Repeat("x", size) + `"}`), Keys: store.Keys{"plain": {id}, "many": {"all"}}}
}

// fillDisk makes the disk as good as full for the writer.
func fillDisk(t *testing.T, s *Store, spare int) (free func()) {
	t.Helper()
	pages, err := s.writer.c.number("PRAGMA page_count")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writer.c.script(fmt.Sprintf("PRAGMA max_page_count = %d", pages+spare)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := s.writer.c.script("PRAGMA max_page_count = 1000000"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFullDiskIsAnErrorAndPasses(t *testing.T) {
	s := openThings(t)
	write := func(id string, size int) error {
		return s.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.Put(things, thing(id, size))
			return err
		})
	}
	if err := write("before", 10); err != nil {
		t.Fatal(err)
	}
	free := fillDisk(t, s, 2)
	if err := write("large", 500_000); !errors.Is(err, ErrFull) {
		t.Errorf("on a full disk: %v, want ErrFull", err)
	}
	// Swallowing the error does not help: the transaction is gone.
	err := s.Update(t.Context(), func(tx store.Tx) error {
		_, _ = tx.Put(things, thing("small", 10))
		_, _ = tx.Put(things, thing("large", 500_000))
		return nil
	})
	if !errors.Is(err, ErrFull) {
		t.Errorf("swallowed: %v, want ErrFull", err)
	}
	if err := write("small", 10); err != nil {
		t.Errorf("what fits: %v", err)
	}
	free()
	if err := write("large", 500_000); err != nil {
		t.Errorf("when there is space again: %v", err)
	}
	wantThings(t, s, "before", "large", "small")
}

func wantThings(t *testing.T, s *Store, want ...string) {
	t.Helper()
	for _, r := range []store.Range{{}, {Index: "plain"}, {Index: "many", Prefix: "all"}} {
		var got []string
		err := s.View(t.Context(), func(tx store.Tx) error {
			got = nil
			for d, err := range tx.Scan(things, r) {
				if err != nil {
					return err
				}
				got = append(got, d.ID)
			}
			return nil
		})
		if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("by %q it holds %v, %v; want %v", r.Index, got, err, want)
		}
	}
}

// TestNeighboursOfAFullDisk puts a function that finds the disk full between
// others: SQLite rolls back all of the group, and the others run again.
func TestNeighboursOfAFullDisk(t *testing.T) {
	s := openThings(t)
	if err := s.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Put(things, thing("000", 10)); return err }); err != nil {
		t.Fatal(err)
	}
	free := fillDisk(t, s, 40)
	defer free()
	const n = 20
	var (
		mu   sync.Mutex
		runs = make(map[int]int)
		wg   sync.WaitGroup
	)
	want := []string{"000", "001"}
	failing := func(i int) bool { return i == 7 || i == 13 }
	err := s.Update(t.Context(), func(tx store.Tx) error {
		started := make(chan struct{}, n)
		for i := 2; i < n; i++ {
			if !failing(i) {
				want = append(want, fmt.Sprintf("%03d", i))
			}
			wg.Go(func() {
				started <- struct{}{}
				size := 10
				if failing(i) {
					size = 900_000
				}
				err := s.Update(t.Context(), func(tx store.Tx) error {
					mu.Lock()
					runs[i]++
					mu.Unlock()
					_, err := tx.Put(things, thing(fmt.Sprintf("%03d", i), size))
					return err
				})
				if failing(i) != errors.Is(err, ErrFull) || !failing(i) && err != nil {
					t.Errorf("%d: %v", i, err)
				}
			})
			<-started
		}
		_, err := tx.Put(things, thing("001", 10))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	wantThings(t, s, want...)
	again := 0
	for i, n := range runs {
		if n > 1 {
			again++
		}
		if failing(i) && n != 1 {
			t.Errorf("the one that fails ran %d times", n)
		}
	}
	t.Logf("%d of %d ran again", again, n)
}

// TestConnectionsAreSetUp holds the settings that durability and speed rest on.
func TestConnectionsAreSetUp(t *testing.T) {
	s := openThings(t)
	reader := <-s.readers
	defer func() { s.readers <- reader }()
	for _, want := range []struct {
		c             *conn
		pragma, value string
	}{
		{s.writer.c, "journal_mode", "wal"}, {s.writer.c, "synchronous", "2"}, {s.writer.c, "wal_autocheckpoint", "4000"},
		{s.writer.c, "cache_size", "-65536"}, {s.writer.c, "busy_timeout", "5000"}, {s.writer.c, "query_only", "0"},
		{reader, "journal_mode", "wal"}, {reader, "query_only", "1"}, {reader, "cache_size", "-16384"}, {reader, "busy_timeout", "5000"},
	} {
		got, err := want.c.text("PRAGMA " + want.pragma)
		if err != nil || got != want.value {
			t.Errorf("%s is %s, %v; want %s", want.pragma, got, err, want.value)
		}
	}
}

func TestPrefixEnds(t *testing.T) {
	for prefix, want := range map[string]string{
		"": "", "a": "b", "a\x1f": "a ", "az": "a{", "a\xff": "b", "\xff\xff": "", "é": "\xc3\xaa", "\x7f": "\x80",
	} {
		if got := afterPrefix(prefix); got != want {
			t.Errorf("after %q comes %q, want %q", prefix, got, want)
		}
	}
}
