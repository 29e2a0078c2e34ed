package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
	"casewire/casecore/store/storetest"
)

// What the writing child is told.
const (
	pointVariable  = "CASEWIRE_TEST_POINT"  // where it kills itself
	passesVariable = "CASEWIRE_TEST_PASSES" // and at which time it gets there
	firstVariable  = "CASEWIRE_TEST_FIRST"  // the number of its first note
)

// childWrite puts notes from many goroutines until it is killed, and prints the
// id of each as soon as it is acknowledged.
func childWrite(ctx context.Context, path string) error {
	passes, _ := strconv.Atoi(os.Getenv(passesVariable))
	first, _ := strconv.ParseInt(os.Getenv(firstVariable), 10, 64)
	var passed atomic.Int64
	s, err := sqlite.Open(ctx, path, sqlite.Options{Check: func(point string) error {
		if point == os.Getenv(pointVariable) && passed.Add(1) == int64(passes) {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return err
			}
			select {} // until the signal arrives
		}
		return nil
	}}, notes.Coll())
	if err != nil {
		return err
	}
	var next atomic.Int64
	next.Store(first)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				id := fmt.Sprintf("%08d", next.Add(1))
				err := s.Update(ctx, func(tx store.Tx) error { return notes.Put(tx, newNote(id)) })
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Println(id) // one write call: it is with the parent or it is not
			}
		})
	}
	wg.Wait()
	return errors.New("the child ended by itself")
}

// crash lets a child write until it kills itself, or until the parent has read
// so many acknowledgements and kills it. It returns what was acknowledged.
func crash(t *testing.T, path string, first int, stopAfter int, env ...string) []string {
	t.Helper()
	cmd := child(t, "write", path, append(env, firstVariable+"="+fmt.Sprint(first))...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == nil {
			acknowledged = append(acknowledged, strings.TrimSpace(line))
		} else if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if len(acknowledged) == stopAfter {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	if status, ok := waitStatus(cmd.Wait(), cmd.ProcessState.Sys()); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v", cmd.ProcessState)
	}
	return acknowledged
}

func waitStatus(_ error, state any) (syscall.WaitStatus, bool) {
	status, ok := state.(syscall.WaitStatus)
	return status, ok && status.Signaled()
}

// survivors checks the store after a crash: everything that was acknowledged is
// there once and whole. It returns what is there.
func survivors(t *testing.T, path string, acknowledged map[string]bool) {
	t.Helper()
	s := open(t, path, sqlite.Options{})
	ids, err := content(s, t)
	if err != nil {
		t.Fatalf("after the crash: %v", err)
	}
	there := make(map[string]bool)
	for _, id := range ids {
		if there[id] {
			t.Errorf("%s is there twice", id)
		}
		there[id] = true
	}
	lost := 0
	for id := range acknowledged {
		if !there[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged notes are lost", lost, len(acknowledged))
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Errorf("verify: %v", err)
	}
	closeStore(t, s)
}

func TestNothingAcknowledgedIsLostAtACrashPoint(t *testing.T) {
	for _, point := range []string{"store.begin", "store.before-commit", "store.after-commit"} {
		t.Run(point, func(t *testing.T) {
			path, all := newPath(t), make(map[string]bool)
			for i, passes := range []int{1, 2, 30} {
				for _, id := range crash(t, path, i*1_000_000, -1, pointVariable+"="+point, passesVariable+"="+fmt.Sprint(passes)) {
					all[id] = true
				}
				survivors(t, path, all)
			}
			if len(all) == 0 {
				t.Error("nothing was acknowledged, so nothing was tested")
			}
		})
	}
}

func TestNothingAcknowledgedIsLostByRandomKills(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv(storetest.SeedVariable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("to repeat: %s=%d", storetest.SeedVariable, seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path, all := newPath(t), make(map[string]bool)
	for round := range 5 {
		// Enough to be cut off in the middle of moving the log, now and then.
		for _, id := range crash(t, path, round*1_000_000, 1+rnd.IntN(500)) {
			all[id] = true
		}
		survivors(t, path, all)
	}
}

// childFill opens the store with indexes it has not got, and is killed when it
// has made the keys of so many documents.
func childFill(ctx context.Context, path string) error {
	passes, err := strconv.Atoi(os.Getenv(passesVariable))
	if err != nil {
		return err
	}
	c := *notes.Coll()
	c.Rekey = func(id string, body []byte) (store.Keys, error) {
		if passes--; passes < 0 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return nil, err
			}
			select {}
		}
		return notes.Coll().Rekey(id, body)
	}
	s, err := sqlite.Open(ctx, path, sqlite.Options{}, &c)
	if err != nil {
		return err
	}
	return s.Close()
}

func TestFillingAnIndexSurvivesACrash(t *testing.T) {
	path := newPath(t)
	bare := &store.Coll{Name: "notes"}
	s := open(t, path, sqlite.Options{}, bare)
	var ids []string
	err := s.Update(t.Context(), func(tx store.Tx) error {
		ids = nil
		for i := range 1300 {
			n := newNote(fmt.Sprintf("%05d", i))
			ids = append(ids, n.ID)
			body := fmt.Appendf(nil, `{"text":%q,"key":%q,"only":%q,"tags":["all",%q]}`, n.Text, n.Key, n.Only, n.ID)
			if _, err := tx.Put(bare, store.Doc{ID: n.ID, Body: body}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	for _, passes := range []int{0, 1, 499, 500, 501, 1299} {
		cmd := child(t, "fill", path, passesVariable+"="+fmt.Sprint(passes))
		if status, ok := waitStatus(cmd.Run(), cmd.ProcessState.Sys()); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("the child was not killed: %v", cmd.ProcessState)
		}
	}
	mustHold(t, open(t, path, sqlite.Options{}), ids...)
}

// childGrowth lets a commit fail for real: the log may not grow any further. It
// tells what callers, the Fatal function and readers were told.
func childGrowth(ctx context.Context, path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var fatal atomic.Pointer[error]
	s, err := sqlite.Open(ctx, path, sqlite.Options{Fatal: func(err error) { fatal.Store(&err) }}, notes.Coll())
	if err != nil {
		return err
	}
	write := func(id string) error {
		return s.Update(ctx, func(tx store.Tx) error { return notes.Put(tx, newNote(id)) })
	}
	if err := write("before"); err != nil {
		return err
	}
	limit := uint64(s.Stats().LogBytes) + 5000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	first := write("lost")
	second := write("refused")
	read := s.View(ctx, func(tx store.Tx) error {
		_, err := notes.Get(tx, "before")
		return err
	})
	fmt.Println(first != nil, errors.Is(second, sqlite.ErrFailed), fatal.Load() != nil && errors.Is(*fatal.Load(), sqlite.ErrFailed), read == nil)
	fmt.Fprintln(os.Stderr, first, second)
	return nil
}

func TestFailedCommitFailsTheStore(t *testing.T) {
	path := newPath(t)
	cmd := child(t, "growth", path)
	cmd.Stderr = nil
	out, err := cmd.Output()
	if err != nil || string(out) != "true true true true\n" {
		t.Errorf("caller got an error, later callers ErrFailed, Fatal was told, readers go on: %q, %v", out, err)
	}
	s := open(t, path, sqlite.Options{})
	ids, err := content(s, t)
	if err != nil || len(ids) == 0 || ids[0] != "before" {
		t.Errorf("after opening again: %q, %v", ids, err)
	}
}
