// Package blobtest is the promises of blob.Store as a test suite. It knows
// nothing of how an engine keeps its contents.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore/blob"
)

const limit = 1 << 20

// Run checks the stores that open gives. Within one test open is called again
// for the same data, after the store it gave before was left as it was.
func Run(t *testing.T, open func(t *testing.T) func() blob.Store) {
	for name, test := range map[string]func(*testing.T, func() blob.Store){
		"round trip":           roundTrip,
		"limit":                limits,
		"unknown and no names": unknown,
		"delete":               remove,
		"each":                 each,
		"sweep":                sweep,
		"one content at once":  together,
		"failing reader":       failingReader,
		"done context":         doneContext,
		"reopen":               reopen,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func name(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func put(t *testing.T, s blob.Store, content []byte) blob.Ref {
	t.Helper()
	ref, err := s.Put(t.Context(), bytes.NewReader(content), limit)
	if err != nil {
		t.Fatalf("put %d bytes: %v", len(content), err)
	}
	return ref
}

func get(t *testing.T, s blob.Store, hash string) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), hash)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("read: %v", err)
	}
	return content
}

func list(t *testing.T, s blob.Store) map[string]int64 {
	t.Helper()
	found := make(map[string]int64)
	err := s.Each(t.Context(), func(hash string, size int64, modified time.Time) error {
		if age := time.Since(modified); age > time.Hour || age < -time.Hour {
			t.Errorf("content put just now is said to be of %v", modified)
		}
		found[hash] = size
		return nil
	})
	if err != nil {
		t.Fatalf("each: %v", err)
	}
	return found
}

func roundTrip(t *testing.T, open func() blob.Store) {
	s := open()
	for _, size := range []int{0, 1, 511, 64 << 10, limit} {
		content := bytes.Repeat([]byte{0, 'a', 0xff, '\n'}, size/4+1)[:size]
		ref := put(t, s, content)
		if want := (blob.Ref{Hash: name(content), Size: int64(size)}); ref != want {
			t.Errorf("put %d bytes: %v, want %v", size, ref, want)
		}
		if got := get(t, s, ref.Hash); !bytes.Equal(got, content) {
			t.Errorf("%d bytes came back as %d others", size, len(got))
		}
	}
	content := []byte("0123456789")
	r, err := s.Open(t.Context(), put(t, s, content).Hash)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, step := range []struct {
		offset int64
		whence int
		want   string
	}{{7, io.SeekStart, "789"}, {-2, io.SeekEnd, "89"}, {0, io.SeekStart, "0123456789"}, {-1, io.SeekCurrent, "9"}} {
		if _, err := r.Seek(step.offset, step.whence); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != step.want {
			t.Errorf("after seek %d, %d: %q, %v; want %q", step.offset, step.whence, got, err, step.want)
		}
	}
}

func limits(t *testing.T, open func() blob.Store) {
	s := open()
	if ref, err := s.Put(t.Context(), strings.NewReader("12345"), 5); err != nil || ref.Size != 5 {
		t.Errorf("just as much as allowed: %v, %v", ref, err)
	}
	if _, err := s.Put(t.Context(), strings.NewReader("123456"), 5); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("one byte too many: %v, want ErrTooLarge", err)
	}
	if got := list(t, s); len(got) != 1 {
		t.Errorf("a refused content left something behind: %v", got)
	}
}

func unknown(t *testing.T, open func() blob.Store) {
	s := open()
	hash := put(t, s, []byte("x")).Hash
	for _, h := range []string{name([]byte("y")), "", hash[:63], hash + "0", strings.ToUpper(hash),
		"../../../../etc/passwd", hash[:1] + "/" + hash[1:2] + "/" + hash, strings.Repeat("g", 64), strings.Repeat(".", 64), strings.Repeat("/", 64), hash[:63] + "\x00"} {
		if r, err := s.Open(t.Context(), h); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("open %q: %v, %v; want ErrNotFound", h, r, err)
		}
		if err := s.Delete(t.Context(), h); err != nil {
			t.Errorf("delete %q: %v", h, err)
		}
	}
	if len(list(t, s)) != 1 {
		t.Error("deleting what is no name deleted something")
	}
}

func remove(t *testing.T, open func() blob.Store) {
	s := open()
	a, b := put(t, s, []byte("a")), put(t, s, []byte("b"))
	for range 2 {
		if err := s.Delete(t.Context(), a.Hash); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Open(t.Context(), a.Hash); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open after delete: %v, want ErrNotFound", err)
	}
	if got := get(t, s, b.Hash); string(got) != "b" {
		t.Errorf("the other content is %q", got)
	}
	put(t, s, []byte("a"))
	if got := get(t, s, a.Hash); string(got) != "a" {
		t.Errorf("put again after delete: %q", got)
	}
}

func each(t *testing.T, open func() blob.Store) {
	s := open()
	want := make(map[string]int64)
	for i := range 20 {
		ref := put(t, s, bytes.Repeat([]byte{byte(i)}, i))
		want[ref.Hash] = ref.Size
	}
	if got := list(t, s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("each: %v, want %v", got, want)
	}
	stop, calls := errors.New("stop"), 0
	if err := s.Each(t.Context(), func(string, int64, time.Time) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("stopping each: %v after %d calls", err, calls)
	}
}

func sweep(t *testing.T, open func() blob.Store) {
	s := open()
	kept, orphan, again := put(t, s, []byte("kept")), put(t, s, []byte("orphan")), put(t, s, []byte("again"))
	never := func(string) (bool, error) { return false, nil }
	if n, err := s.Sweep(t.Context(), time.Now().Add(-time.Hour), never); n != 0 || err != nil {
		t.Errorf("sweep of what is an hour old: %d, %v; all is new", n, err)
	}
	fail := errors.New("fail")
	if _, err := s.Sweep(t.Context(), time.Now().Add(time.Minute), func(string) (bool, error) { return false, fail }); !errors.Is(err, fail) {
		t.Errorf("sweep when referenced fails: %v", err)
	}
	// The clock that stamps contents may be coarse, so look until it has moved.
	border := modified(t, s, again.Hash).Add(1)
	n, err := s.Sweep(t.Context(), border, func(hash string) (bool, error) {
		for hash == again.Hash && modified(t, s, hash).Before(border) {
			put(t, s, []byte("again"))
		}
		return hash == kept.Hash, nil
	})
	if n != 1 || err != nil {
		t.Errorf("sweep: %d, %v; want the orphan to go", n, err)
	}
	if got := list(t, s); len(got) != 2 || got[kept.Hash] != kept.Size || got[again.Hash] != again.Size {
		t.Errorf("after the sweep %v, want the referenced and the one put meanwhile, without %s", got, orphan.Hash)
	}
}

func modified(t *testing.T, s blob.Store, hash string) (at time.Time) {
	t.Helper()
	err := s.Each(t.Context(), func(h string, _ int64, m time.Time) error {
		if h == hash {
			at = m
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func together(t *testing.T, open func() blob.Store) {
	s := open()
	content := bytes.Repeat([]byte("same"), 10_000)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			ref, err := s.Put(t.Context(), bytes.NewReader(content), limit)
			if err != nil || ref.Hash != name(content) {
				t.Errorf("put: %v, %v", ref, err)
			}
		})
	}
	wg.Wait()
	if got := list(t, s); len(got) != 1 || !bytes.Equal(get(t, s, name(content)), content) {
		t.Errorf("one content put by many: %v", got)
	}
}

func failingReader(t *testing.T, open func() blob.Store) {
	s := open()
	if _, err := s.Put(t.Context(), io.MultiReader(strings.NewReader("begun"), failing{}), limit); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("put from a failing reader: %v", err)
	}
	if got := list(t, s); len(got) != 0 {
		t.Errorf("half a content is kept: %v", got)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func doneContext(t *testing.T, open func() blob.Store) {
	s := open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, strings.NewReader("x"), limit); !errors.Is(err, context.Canceled) {
		t.Errorf("put with a done context: %v", err)
	}
	if got := list(t, s); len(got) != 0 {
		t.Errorf("something is kept: %v", got)
	}
}

func reopen(t *testing.T, open func() blob.Store) {
	ref := put(t, open(), []byte("lasting"))
	if got := get(t, open(), ref.Hash); string(got) != "lasting" {
		t.Errorf("after reopening: %q", got)
	}
}
