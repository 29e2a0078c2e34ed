package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
)

func TestUpdatesShareCommits(t *testing.T) {
	s := open(t, newPath(t), sqlite.Options{})
	var wg sync.WaitGroup
	err := s.Update(t.Context(), func(tx store.Tx) error {
		// While this one runs, the others queue up behind it.
		started := make(chan struct{}, 50)
		for i := range 50 {
			wg.Go(func() {
				started <- struct{}{}
				put(t, s, fmt.Sprintf("%03d", i))
			})
		}
		for range 50 {
			<-started
		}
		return notes.Put(tx, newNote("first"))
	})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	st := s.Stats()
	if st.Updates != 51 || st.Commits >= 40 || st.Commits < 1 || st.FileBytes+st.LogBytes == 0 {
		t.Errorf("51 updates, most of which waited for the first one: %+v", st)
	}
}

// TestFailureInAGroup has functions fail in every way between others, which happen
// all the same, and nobody pays with more than one further run.
func TestFailureInAGroup(t *testing.T) {
	s := open(t, newPath(t), sqlite.Options{})
	var (
		wg   sync.WaitGroup
		runs [30]atomic.Int32
		want = []string{"first"}
		fail = errors.New("fail")
	)
	err := s.Update(t.Context(), func(tx store.Tx) error {
		started := make(chan struct{}, 30)
		for i := range 30 {
			id := fmt.Sprintf("%03d", i)
			if i%3 == 0 {
				want = append(want, id)
			}
			wg.Go(func() {
				started <- struct{}{}
				err := s.Update(t.Context(), func(tx store.Tx) error {
					runs[i].Add(1)
					if i%3 == 2 {
						return fail // before it wrote anything
					}
					if err := notes.Put(tx, newNote(id)); err != nil || i%3 == 1 {
						return errors.Join(err, fail)
					}
					return nil
				})
				if (i%3 != 0) != errors.Is(err, fail) {
					t.Errorf("%s: %v", id, err)
				}
			})
			<-started
		}
		return notes.Put(tx, newNote("first"))
	})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for i := range runs {
		if n := runs[i].Load(); n > 2 {
			t.Errorf("function %d ran %d times", i, n)
		}
	}
	mustHold(t, s, want...)
}

func TestUpdateThatWritesNothingCostsNoCommit(t *testing.T) {
	s := open(t, newPath(t), sqlite.Options{})
	put(t, s, "x")
	before := s.Stats().Commits
	if err := s.Update(t.Context(), func(tx store.Tx) error { _, err := notes.Get(tx, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	_ = s.Update(t.Context(), func(store.Tx) error { return errors.New("fail") })
	if after := s.Stats().Commits; after != before {
		t.Errorf("%d commits for updates that wrote nothing", after-before)
	}
}

func TestCancelledBeforeItsTurnIsNotRun(t *testing.T) {
	s := open(t, newPath(t), sqlite.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	err := s.Update(t.Context(), func(store.Tx) error {
		go func() {
			answer <- s.Update(ctx, func(store.Tx) error {
				t.Error("it ran")
				return nil
			})
		}()
		cancel()
		// The answer comes although the writer is busy with this function.
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Errorf("answer %v, want Canceled", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "x")
	mustHold(t, s, "x")
}

func TestCrashPointErrors(t *testing.T) {
	stop := errors.New("stop")
	for point, kept := range map[string]bool{"store.begin": false, "store.before-commit": false, "store.after-commit": true} {
		t.Run(point, func(t *testing.T) {
			armed := ""
			s := open(t, newPath(t), sqlite.Options{Check: func(p string) error {
				if p == armed {
					return stop
				}
				return nil
			}})
			put(t, s, "before")
			armed = point
			err := s.Update(t.Context(), func(tx store.Tx) error { return notes.Put(tx, newNote("x")) })
			if kept && err != nil || !kept && !errors.Is(err, stop) {
				t.Errorf("update: %v", err)
			}
			armed = ""
			put(t, s, "after")
			want := []string{"before", "after"}
			if kept {
				want = append(want, "x")
			}
			mustHold(t, s, want...)
		})
	}
}

func TestWriteInsideAScanOfTheSameCollectionIsRefused(t *testing.T) {
	s := open(t, newPath(t), sqlite.Options{})
	put(t, s, "a", "b")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for _, err := range notes.Scan(tx, store.Range{}) {
			if err != nil {
				return err
			}
			if err := notes.Put(tx, newNote("c")); err == nil {
				t.Error("put inside the loop succeeded")
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	mustHold(t, s, "a", "b")
}

func TestHintsMergeThenSayMissed(t *testing.T) {
	s := open(t, newPath(t), sqlite.Options{})
	hints, err := s.Watch(t.Context(), notes.Coll())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "b", "a")
	put(t, s, "c")
	if h := <-hints; h.Missed || strings.Join(h.IDs, "") != "abc" {
		t.Errorf("unread hints became %+v, want one of a, b and c", h)
	}
	many := func(n int, prefix string) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("%s%04d", prefix, i))
		}
		return ids
	}
	put(t, s, many(1000, "x")...)
	put(t, s, many(24, "y")...)
	if h := <-hints; h.Missed || len(h.IDs) != 1024 {
		t.Errorf("1024 unread ids became Missed %v with %d ids", h.Missed, len(h.IDs))
	}
	put(t, s, many(1024, "v")...)
	put(t, s, "w")
	put(t, s, "z")
	if h := <-hints; !h.Missed || h.IDs != nil {
		t.Errorf("1026 unread ids became Missed %v with %d ids", h.Missed, len(h.IDs))
	}
	put(t, s, "d")
	if h := <-hints; h.Missed || strings.Join(h.IDs, "") != "d" {
		t.Errorf("after that: %+v", h)
	}
}

func TestBackup(t *testing.T) {
	path := newPath(t)
	s := open(t, path, sqlite.Options{})
	var ids []string
	for i := range 300 {
		ids = append(ids, fmt.Sprintf("%04d", i))
	}
	put(t, s, ids...)
	// Writing goes on meanwhile; each transaction is in the copy or is not.
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i += 2 {
			select {
			case <-stop:
				return
			default:
				put(t, s, fmt.Sprintf("pair %06d", i), fmt.Sprintf("pair %06d", i+1))
			}
		}
	}()
	to := filepath.Join(t.TempDir(), "store.db")
	if err := s.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	close(stop)
	<-done
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, %v", info.Mode(), err)
	}
	if err := s.Backup(t.Context(), to); !errors.Is(err, os.ErrExist) {
		t.Errorf("backup over an existing file: %v", err)
	}
	got, err := content(open(t, to, sqlite.Options{}), t)
	if err != nil || len(got) < 300 || len(got)%2 != 0 {
		t.Errorf("the backup holds %d notes, %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	elsewhere := filepath.Join(t.TempDir(), "store.db")
	if err := s.Backup(ctx, elsewhere); err == nil {
		t.Error("backup with a done context succeeded")
	}
	if left, _ := filepath.Glob(elsewhere + "*"); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}
