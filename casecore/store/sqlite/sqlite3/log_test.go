package sqlite3

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// logged opens a file with a write-ahead log.
func logged(t *testing.T, path string, pragmas ...string) *Conn {
	t.Helper()
	c, err := Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	run(t, c, "PRAGMA journal_mode = WAL")
	run(t, c, "PRAGMA synchronous = FULL")
	for _, p := range pragmas {
		run(t, c, "PRAGMA "+p)
	}
	return c
}

// run executes a statement and returns the first column of its last row.
func run(t *testing.T, c *Conn, query string, args ...Arg) string {
	t.Helper()
	got, err := try(c, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got
}

func try(c *Conn, query string, args ...Arg) (got string, err error) {
	s, err := c.Prepare(query)
	if err != nil {
		return "", err
	}
	err = s.Bind(args...)
	for row := true; row && err == nil; {
		if row, err = s.Step(); row {
			got = s.Text(0)
		}
	}
	if e := s.Close(); err == nil {
		err = e
	}
	return got, err
}

// TestBufferedLog writes commits of every size through a buffered log, with pages
// that do not fit the cache and are written and read again before their commit, with
// transactions taken back and checkpoints in between. Another connection must see
// each commit as soon as it is done, and the file must be whole in the end.
func TestBufferedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	c := logged(t, path, "cache_size = 20", "wal_autocheckpoint = 300")
	run(t, c, "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")
	run(t, c, "CREATE INDEX tx ON t (x)")
	for range 2 {
		if err := c.BufferLog(); err != nil {
			t.Fatal(err)
		}
	}
	reader := logged(t, path)
	want := 0
	for round := range 20 {
		run(t, c, "BEGIN IMMEDIATE")
		rows := []int{1, 3, 40, 300}[round%4]
		for i := range rows {
			run(t, c, "INSERT INTO t (x) VALUES (?)", Text(fmt.Sprintf("%d %s", (i*7919)%rows, strings.Repeat("x", i*37%3000))))
		}
		run(t, c, "UPDATE t SET x = x || '.' WHERE id % 97 = 0")
		if round%5 == 4 {
			run(t, c, "ROLLBACK")
		} else {
			run(t, c, "COMMIT")
			want += rows
		}
		if got := run(t, reader, "SELECT count(*) FROM t"); got != fmt.Sprint(want) {
			t.Fatalf("after round %d the reader sees %s rows, want %d", round, got, want)
		}
		if round == 10 {
			run(t, c, "PRAGMA wal_checkpoint(TRUNCATE)")
		}
	}
	for _, c := range []*Conn{reader, c, logged(t, path)} {
		if got := run(t, c, "PRAGMA integrity_check"); got != "ok" {
			t.Error(got)
		}
	}
}

// full makes the disk of TestFullDiskAtTheSync full.
var full atomic.Bool

func writeUnlessFull(tls *libc.TLS, file, data uintptr, n int32, at int64) int32 {
	if full.Load() {
		return lib.SQLITE_FULL
	}
	_, original := logOf(file)
	theirs := methodsAt(original.FxFetch) // where the test has put the methods of the system
	return write(theirs.FxWrite)(tls, file, data, n, at)
}

// TestFullDiskAtTheSync has the system refuse what was gathered: the commit fails
// as it does without a buffer, nothing of it shows, and the next one works.
func TestFullDiskAtTheSync(t *testing.T) {
	c := logged(t, filepath.Join(t.TempDir(), "x.db"))
	run(t, c, "CREATE TABLE t (x TEXT)")
	if err := c.BufferLog(); err != nil {
		t.Fatal(err)
	}
	l := logUnder(t, c)
	mine, err := c.alloc(1 << 10)
	if err != nil {
		t.Fatal(err)
	}
	theirs := l.original
	*methodsAt(mine) = *methodsAt(theirs)
	methodsAt(mine).FxWrite, methodsAt(mine).FxFetch = address(writeUnlessFull), theirs
	l.original = mine
	defer func() { l.original = theirs; libc.Xfree(c.tls, mine) }()

	run(t, c, "INSERT INTO t VALUES ('before')")
	full.Store(true)
	run(t, c, "BEGIN IMMEDIATE")
	run(t, c, "INSERT INTO t VALUES ('lost')")
	_, failure := try(c, "COMMIT")
	full.Store(false)
	if e, ok := errors.AsType[*Error](failure); !ok || e.Code != lib.SQLITE_FULL {
		t.Errorf("commit on a full disk: %v", failure)
	}
	if got := run(t, c, "SELECT group_concat(x) FROM t"); got != "before" {
		t.Errorf("after the failure there is %s", got)
	}
	run(t, c, "INSERT INTO t VALUES ('after')")
	if got := run(t, c, "SELECT group_concat(x) FROM t"); got != "before,after" {
		t.Errorf("in the end there is %s", got)
	}
}

// logUnder returns the buffered log of c.
func logUnder(t *testing.T, c *Conn) *bufferedLog {
	t.Helper()
	out, err := c.alloc(int(pointerSize))
	if err != nil {
		t.Fatal(err)
	}
	defer libc.Xfree(c.tls, out)
	lib.Xsqlite3_file_control(c.tls, c.db, 0, lib.SQLITE_FCNTL_JOURNAL_POINTER, out)
	return logAt(pointer(pointer(out)))
}

func TestBufferLogNeedsALog(t *testing.T) {
	c, err := Open("file:" + filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	run(t, c, "CREATE TABLE t (x)")
	if err := c.BufferLog(); err == nil {
		t.Error("a file without a log was taken")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
