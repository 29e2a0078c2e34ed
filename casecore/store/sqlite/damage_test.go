package sqlite_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
	"casewire/casecore/store/storetest"
)

// closedFile is a store of a few hundred notes that was closed well.
func closedFile(t *testing.T) (path string, ids []string) {
	t.Helper()
	path = newPath(t)
	s := open(t, path, sqlite.Options{})
	for i := range 200 {
		ids = append(ids, fmt.Sprintf("%04d", i))
	}
	put(t, s, ids...)
	closeStore(t, s)
	return path, ids
}

// killedFile is a copy of a store with everything in its log, as a killed
// process leaves it: the last note was put in a transaction of its own.
func killedFile(t *testing.T) (folder string, ids []string) {
	t.Helper()
	path := newPath(t)
	s := open(t, path, sqlite.Options{})
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("%04d", i))
		put(t, s, ids[i])
	}
	return filepath.Dir(copyFolder(t, filepath.Dir(path))), ids
}

func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv(storetest.SeedVariable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("to repeat: %s=%d", storetest.SeedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestTruncatedFileIsRefused(t *testing.T) {
	path, _ := closedFile(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int64{50, 100, 511, 4096, 8192, info.Size() / 2, info.Size() - 4096, info.Size() - 1} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			path := copyFolder(t, filepath.Dir(path))
			if err := os.Truncate(path, length); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, path, sqlite.ErrDamaged)
			// Nothing is deleted or mended by itself.
			if info, err := os.Stat(path); err != nil || info.Size() != length {
				t.Errorf("the file was touched: %v, %v", info.Size(), err)
			}
		})
	}
}

// TestTruncatedFileWithALogIsRefused cuts off pages that the log has not got.
func TestTruncatedFileWithALogIsRefused(t *testing.T) {
	path, _ := closedFile(t)
	s := open(t, path, sqlite.Options{})
	put(t, s, "in the log")
	copied := copyFolder(t, filepath.Dir(path))
	info, err := os.Stat(copied)
	if err != nil {
		t.Fatal(err)
	}
	for _, pages := range []int64{8, 12} {
		if err := os.Truncate(copied, info.Size()-pages*4096); err != nil { // more pages than one put writes
			t.Fatal(err)
		}
		mustRefuse(t, copied, sqlite.ErrDamaged, fmt.Sprint("should have ", info.Size()))
	}
}

// TestCutOffWhileEmptyingTheLog is the other side: a process killed after it
// moved the first page, which tells the new length, but no other.
func TestCutOffWhileEmptyingTheLog(t *testing.T) {
	folder, ids := killedFile(t)
	path := filepath.Join(folder, "store.db")
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for at := 32; at+24+4096 <= len(log); at += 24 + 4096 {
		if binary.BigEndian.Uint32(log[at:]) == 1 {
			first = log[at+24 : at+24+4096]
		}
	}
	if binary.BigEndian.Uint32(first[28:]) < 6 {
		t.Fatal("the first page does not tell the length of a grown file")
	}
	if err := os.WriteFile(path, first, 0o600); err != nil {
		t.Fatal(err)
	}
	mustHold(t, open(t, path, sqlite.Options{}), ids...)
}

func TestEmptiedFileBesideItsLogIsRefused(t *testing.T) {
	folder, _ := killedFile(t)
	path := filepath.Join(folder, "store.db")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, path, sqlite.ErrDamaged)
}

// TestFlippedBitIsNeverServed flips one bit anywhere: the store is refused, or
// reading it reports the damage, or everything is as it was stored.
func TestFlippedBitIsNeverServed(t *testing.T) {
	rnd := random(t)
	path, ids := closedFile(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for range 60 {
		at, bit := rnd.IntN(len(whole)), byte(1)<<rnd.IntN(8)
		copied := filepath.Join(t.TempDir(), "store.db")
		flipped := slices.Clone(whole)
		flipped[at] ^= bit
		if err := os.WriteFile(copied, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		if !servedOrRefused(t, copied, func(got []string) bool { return slices.Equal(got, ids) }) {
			refused++
		}
		if t.Failed() {
			t.Fatalf("bit %08b of byte %d of %d", bit, at, len(whole))
		}
	}
	// Most of the file is data.
	if refused < 15 {
		t.Errorf("only %d of 60 were noticed", refused)
	}
}

// servedOrRefused opens a damaged copy. If that and reading everything succeed,
// right decides about what was read.
func servedOrRefused(t *testing.T, path string, right func(ids []string) bool) (served bool) {
	t.Helper()
	file, log := readFile(t, path), readFile(t, path+"-wal")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{}, notes.Coll())
	if err != nil {
		var e *sqlite.OpenError
		if !errors.As(err, &e) {
			t.Errorf("refused with an error that names nothing: %v", err)
		}
		if !bytes.Equal(file, readFile(t, path)) || !bytes.Equal(log, readFile(t, path+"-wal")) {
			t.Errorf("refused (%v), but the files were changed", err)
		}
		return false
	}
	defer func() { _ = s.Close() }() // of a damaged file, whatever it says
	got, err := content(s, t)
	if err != nil {
		return false
	}
	if !right(got) {
		t.Errorf("%d notes were served, wrongly", len(got))
	}
	return true
}

// TestFlippedBitInTheLogLosesNothingSilently does the same to the log that a
// killed process leaves. Only the very last transaction cannot be told from one
// that was cut off by a loss of power.
func TestFlippedBitInTheLogLosesNothingSilently(t *testing.T) {
	rnd := random(t)
	folder, ids := killedFile(t)
	log, err := os.ReadFile(filepath.Join(folder, "store.db-wal"))
	if err != nil || len(log) < 100_000 {
		t.Fatalf("log of %d bytes, %v", len(log), err)
	}
	refused := 0
	for i := range 80 {
		at := rnd.IntN(len(log))
		if i < 32 {
			at = i // every byte of the header
		}
		copied := copyFolder(t, folder)
		flipped := slices.Clone(log)
		flipped[at] ^= 1 << rnd.IntN(8)
		if err := os.WriteFile(copied+"-wal", flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		served := servedOrRefused(t, copied, func(got []string) bool {
			return slices.Equal(got, ids) || at > len(log)*9/10 && slices.Equal(got, ids[:len(ids)-1])
		})
		if !served {
			refused++
		}
		if t.Failed() {
			t.Fatalf("byte %d of %d", at, len(log))
		}
	}
	if refused < 60 {
		t.Errorf("only %d of 80 were noticed", refused)
	}
}

// TestTornLogIsRecovered cuts the log at any place, as a loss of power may: a
// leading part of the transactions is there, whole.
func TestTornLogIsRecovered(t *testing.T) {
	rnd := random(t)
	folder, ids := killedFile(t)
	log, err := os.ReadFile(filepath.Join(folder, "store.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	for range 25 {
		length := len(log)/2 + rnd.IntN(len(log)/2)
		copied := copyFolder(t, folder)
		if err := os.WriteFile(copied+"-wal", log[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, copied, sqlite.Options{})
		got, err := content(s, t)
		if err != nil || len(got) == 0 || !slices.Equal(got, ids[:len(got)]) {
			t.Errorf("log cut to %d of %d bytes: %d notes, %v", length, len(log), len(got), err)
		}
		put(t, s, "after")
		closeStore(t, s)
	}
}

// readFile returns what a file holds, or nil if there is none.
func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return data
}

func TestDamagedDocumentIsNamedAndCanBeMended(t *testing.T) {
	path, ids := closedFile(t)
	s := open(t, path, sqlite.Options{})
	// What is damaged while the store is open is noticed by reading it.
	execSQL(t, path, "UPDATE notes SET body = replace(body, 'text of 0007', 'tExt of 0007') WHERE id = '0007'")
	err := s.View(t.Context(), func(tx store.Tx) error {
		if _, err := notes.Get(tx, "0006"); err != nil {
			t.Errorf("a neighbour: %v", err)
		}
		_, err := notes.Get(tx, "0007")
		return err
	})
	if !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("get: %v, want ErrDamaged", err)
	}
	err = s.View(t.Context(), func(tx store.Tx) error {
		for _, err := range notes.Scan(tx, store.Range{Index: "key"}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("scan: %v, want ErrDamaged", err)
	}
	if err := s.Verify(t.Context()); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("verify: %v, want ErrDamaged", err)
	}
	closeStore(t, s)
	mustRefuse(t, path, sqlite.ErrDamaged)
	// An operator mends it by hand.
	execSQL(t, path, "UPDATE notes SET body = replace(body, 'tExt', 'text'), sum = NULL WHERE id = '0007'")
	mustHold(t, open(t, path, sqlite.Options{}), ids...)
}

func TestVerifyListsIndexFaults(t *testing.T) {
	path, _ := closedFile(t)
	s := open(t, path, sqlite.Options{})
	if err := s.Verify(t.Context()); err != nil {
		t.Errorf("verify of a good file: %v", err)
	}
	execSQL(t, path, `DELETE FROM "notes" WHERE id = '0003'`)
	err := s.View(t.Context(), func(tx store.Tx) error {
		_, err := notes.Find(tx, "tag", "0003")
		return err
	})
	if !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("a key without its document: %v, want ErrDamaged", err)
	}
}
