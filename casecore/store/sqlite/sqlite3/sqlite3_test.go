package sqlite3_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"casewire/casecore/store/sqlite/sqlite3"

	lib "modernc.org/sqlite/lib"
)

func open(t *testing.T) *sqlite3.Conn {
	t.Helper()
	c, err := sqlite3.Open("file:" + filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func prepare(t *testing.T, c *sqlite3.Conn, query string) *sqlite3.Stmt {
	t.Helper()
	s, err := c.Prepare(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func exec(t *testing.T, c *sqlite3.Conn, query string) {
	t.Helper()
	if _, err := prepare(t, c, query).Exec(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// TestArgumentsComeBack writes texts of every kind and size with one statement,
// which must not mix up its runs, and reads them with another.
func TestArgumentsComeBack(t *testing.T) {
	c := open(t)
	exec(t, c, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER) STRICT")
	insert := prepare(t, c, "INSERT INTO t VALUES (?, ?, ?, ?)")
	read := prepare(t, c, "SELECT a, b, n FROM t WHERE id = ?")
	long := strings.Repeat("довгий ", 20_000)
	texts := []string{"", "a", "nul \x00 in it", "Доброго дня", "not \xff UTF-8", long, "short again", ""}
	for i, text := range texts {
		b := []byte("b" + text)
		if n, err := insert.Exec(sqlite3.Int(int64(i)), sqlite3.Text(text), sqlite3.TextBytes(b), sqlite3.Int(-1<<63)); err != nil || n != 1 {
			t.Fatalf("insert %d: %d, %v", i, n, err)
		}
		clear(b)
	}
	if _, err := insert.Exec(sqlite3.Int(99)); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if err := read.Bind(sqlite3.Int(int64(i))); err != nil {
			t.Fatal(err)
		}
		if row, err := read.Step(); !row || err != nil {
			t.Fatalf("step %d: %v, %v", i, row, err)
		}
		if a, b := read.Text(0), string(read.Bytes(1)); a != text || b != "b"+text || read.IsNull(0) {
			t.Errorf("%d holds %.20q and %.20q, want %.20q", i, a, b, text)
		}
		if read.Int(2) != -1<<63 {
			t.Errorf("the number of %d is %d", i, read.Int(2))
		}
		if row, err := read.Step(); row || err != nil {
			t.Errorf("after the row: %v, %v", row, err)
		}
		if err := read.Reset(); err != nil {
			t.Error(err)
		}
	}
	if err := read.Bind(sqlite3.Int(99)); err != nil {
		t.Fatal(err)
	}
	if row, err := read.Step(); !row || err != nil || !read.IsNull(0) || read.Text(0) != "" || !read.IsNull(2) {
		t.Errorf("arguments that were not given are %q and %v (%v)", read.Text(0), read.Int(2), err)
	}
	if err := read.Reset(); err != nil {
		t.Error(err)
	}
}

// TestFailures holds the codes, and that a statement works again after one.
func TestFailures(t *testing.T) {
	c := open(t)
	exec(t, c, "CREATE TABLE t (id TEXT PRIMARY KEY, k TEXT UNIQUE) STRICT")
	insert := prepare(t, c, "INSERT INTO t VALUES (?, ?)")
	for _, step := range []struct {
		id, key string
		want    int
	}{
		{"a", "1", 0}, {"a", "2", lib.SQLITE_CONSTRAINT_PRIMARYKEY}, {"b", "1", lib.SQLITE_CONSTRAINT_UNIQUE}, {"b", "2", 0},
	} {
		_, err := insert.Exec(sqlite3.Text(step.id), sqlite3.Text(step.key))
		if code(err) != step.want {
			t.Errorf("insert %s %s: %v, want code %d", step.id, step.key, err, step.want)
		}
	}
	for query, want := range map[string]int{"SELECT": lib.SQLITE_ERROR, "SELECT x FROM t": lib.SQLITE_ERROR, "": -1, "SELECT 1; SELECT 2": -1} {
		s, err := c.Prepare(query)
		if err == nil {
			t.Errorf("%q was prepared", query)
			_ = s.Close()
		}
		if want != -1 && code(err) != want {
			t.Errorf("%q: %v, want code %d", query, err, want)
		}
	}
	if _, err := sqlite3.Open("file:" + filepath.Join(t.TempDir(), "no", "x.db")); code(err)&0xff != lib.SQLITE_CANTOPEN {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func code(err error) int {
	if e, ok := errors.AsType[*sqlite3.Error](err); ok {
		return e.Code
	}
	return 0
}

// TestInterrupt ends a statement that would not end, and harms no other.
func TestInterrupt(t *testing.T) {
	c := open(t)
	c.Interrupt() // nothing runs: nothing happens
	endless := prepare(t, c, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n")
	if row, err := endless.Step(); !row || err != nil {
		t.Fatal(row, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Interrupt()
	}()
	for row, err := true, error(nil); row || err != nil; row, err = endless.Step() {
		if err != nil {
			if code(err) != lib.SQLITE_INTERRUPT {
				t.Errorf("interrupted: %v", err)
			}
			break
		}
	}
	<-done
	if err := endless.Reset(); err != nil {
		t.Error(err)
	}
	exec(t, c, "CREATE TABLE t (x)")
}

func TestInterruptAfterClose(t *testing.T) {
	c, err := sqlite3.Open("file:" + filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		c.Interrupt()
	}
}
