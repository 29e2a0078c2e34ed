package archive_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"casewire/casecore/archive"
	"casewire/casecore/store"
)

// reads tries an archive that may be damaged and says whether it was taken.
func reads(t *testing.T, data []byte) bool {
	t.Helper()
	_, err := archive.Check(t.Context(), bytes.NewReader(data), colls())
	known := func(why error) bool { return errors.Is(err, why) }
	if err != nil && !slices.ContainsFunc([]error{archive.ErrDamaged, archive.ErrForeign, archive.ErrUnknown, archive.ErrNewer}, known) {
		t.Errorf("refused with %v", err)
	}
	return err == nil
}

// A backup that was cut off is refused, wherever that was.
func TestCutOffIsRefused(t *testing.T) {
	from := newHouse(t)
	fill(t, from, 20)
	data, _ := write(t, from)
	for k := range len(data) {
		if reads(t, data[:k]) {
			t.Fatalf("the first %d bytes of %d are taken for a backup", k, len(data))
		}
	}
	for _, more := range []string{"\x00", "x", "more"} {
		if reads(t, append(slices.Clone(data), more...)) {
			t.Errorf("%q behind the end is not noticed", more)
		}
	}
	if !reads(t, data) {
		t.Error("the whole one is not taken")
	}
}

// A flipped bit is noticed, unless it says nothing: gzip's head has a time that
// nobody reads, and its blocks have bits that mean the same either way.
func TestFlippedBitsAreRefused(t *testing.T) {
	from := newHouse(t)
	fill(t, from, 20)
	data, _ := write(t, from)
	whole, noticed := unpacked(t, data), 0
	for k := range len(data) {
		for _, bit := range []byte{1, 0x80} {
			bad := slices.Clone(data)
			bad[k] ^= bit
			if !reads(t, bad) {
				noticed++
			} else if !bytes.Equal(unpacked(t, bad), whole) {
				t.Fatalf("bit %#x of byte %d is flipped and nobody notices", bit, k)
			}
		}
	}
	if noticed < 2*len(data)*9/10 {
		t.Errorf("%d of %d flips are noticed", noticed, 2*len(data))
	}
}

func unpacked(t *testing.T, data []byte) []byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is read once, from a pipe, and turns out damaged leaves a store that is
// refused, and that the next restore makes good.
func TestHalfRestoredIsUnusableUntilRestoredAgain(t *testing.T) {
	from := newHouse(t)
	fill(t, from, 3000)
	data, _ := write(t, from)
	to := newHouse(t)
	begun := 0
	for k := 1; k < len(data); k += len(data) / 6 {
		for name, bad := range map[string][]byte{"cut": data[:k], "flipped": slices.Concat(data[:k], []byte{data[k] ^ 4}, data[k+1:])} {
			_, err := archive.Read(t.Context(), bytes.NewReader(bad), to, func(context.Context) error {
				t.Error("a bad archive is settled")
				return nil
			})
			if err == nil {
				t.Fatalf("%s at %d: taken", name, k)
			}
			ready := archive.Ready(t.Context(), to.Store)
			var u *archive.Unfinished
			switch {
			case errors.As(ready, &u):
				begun++
				if !strings.Contains(err.Error(), "run casewire restore again") {
					t.Errorf("%s at %d: no mend is told: %v", name, k, err)
				}
			case ready != nil:
				t.Error(ready)
			case len(everything(t, to).Documents) != 0:
				t.Fatalf("%s at %d: half a store passes for a whole one", name, k)
			}
		}
	}
	if begun == 0 {
		t.Error("no restore got so far as to leave anything")
	}
	failed := errors.New("not settled")
	if _, err := archive.Read(t.Context(), bytes.NewReader(data), to, func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := archive.Ready(t.Context(), to.Store); err == nil {
		t.Error("a store that was not settled is taken")
	}
	if _, err := archive.Read(t.Context(), bytes.NewReader(data), to, nil); err != nil {
		t.Fatal(err)
	}
	got, want := everything(t, to), everything(t, from)
	maps.DeleteFunc(got.Blobs, func(hash string, _ int64) bool { _, ok := want.Blobs[hash]; return !ok }) // flipped ones, to be swept
	same(t, got, want)
}

// Somebody's documents are never touched.
func TestOnlyAnEmptyStoreIsRestoredInto(t *testing.T) {
	from, to := newHouse(t), newHouse(t)
	fill(t, from, 5)
	data, _ := write(t, from)
	err := to.Store.Update(t.Context(), func(tx store.Tx) error { return bins.Put(tx, &bin{Meta: store.Meta{ID: "mine"}}) })
	if err != nil {
		t.Fatal(err)
	}
	before := everything(t, to)
	if _, err := archive.Read(t.Context(), bytes.NewReader(data), to, nil); !errors.Is(err, archive.ErrNotEmpty) {
		t.Errorf("a store with a document: %v", err)
	}
	if after := everything(t, to); !reflect.DeepEqual(after, before) || archive.Ready(t.Context(), to.Store) != nil {
		t.Errorf("the refusal changed it: %+v", after)
	}
	done := newHouse(t)
	for i, want := range []error{nil, archive.ErrNotEmpty} {
		if _, err := archive.Read(t.Context(), bytes.NewReader(data), done, nil); !errors.Is(err, want) {
			t.Errorf("restore %d: %v", i+1, err)
		}
	}
	same(t, everything(t, done), everything(t, from))
}

// Versions: what is newer or not known is refused by name, what is older is taken.
func TestOtherVersions(t *testing.T) {
	from := newHouse(t)
	fill(t, from, 5)
	data, _ := write(t, from)
	t.Run("a collection that is not known", func(t *testing.T) {
		less := append(archive.Collections(), parts.Coll())
		to := house(t, t.TempDir(), less...)
		_, err := archive.Read(t.Context(), bytes.NewReader(data), to, nil)
		if !errors.Is(err, archive.ErrUnknown) || !strings.Contains(err.Error(), "bin, empty") {
			t.Error(err)
		}
		if err := archive.Ready(t.Context(), to.Store); err != nil {
			t.Errorf("the refusal changed the store: %v", err)
		}
	})
	t.Run("a collection that it lacks", func(t *testing.T) {
		newer := store.NewTable[bin]("newer")
		to := house(t, t.TempDir(), append(colls(), newer.Coll())...)
		report, err := archive.Read(t.Context(), bytes.NewReader(data), to, nil)
		if err != nil || !slices.Equal(report.Lacking, []string{"newer"}) {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("a document that is not understood", func(t *testing.T) {
		other := store.NewTable[struct {
			store.Meta
			keyless
			Name int `json:"name"`
		}]("bin")
		_, err := archive.Check(t.Context(), bytes.NewReader(data), append(archive.Collections(), parts.Coll(), none.Coll(), other.Coll()))
		if !errors.Is(err, archive.ErrUnknown) || !strings.Contains(err.Error(), "bin") {
			t.Error(err)
		}
	})
	t.Run("a newer format", func(t *testing.T) {
		newer := rewrite(t, data, "manifest.json", func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 2`), 1)
		})
		_, err := archive.Check(t.Context(), bytes.NewReader(newer), colls())
		if !errors.Is(err, archive.ErrNewer) || !strings.Contains(err.Error(), "format 2, this one knows 1") {
			t.Error(err)
		}
	})
	t.Run("something else", func(t *testing.T) {
		for _, text := range []string{"", "Dear diary", "\x1f\x8b"} {
			if _, err := archive.Check(t.Context(), strings.NewReader(text), colls()); !errors.Is(err, archive.ErrForeign) {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}

// keyless is what a record without keys embeds.
type keyless struct{}

// Keys implements store.Record.
func (keyless) Keys() store.Keys { return nil }

// What an archive says of itself must fit, also where no checksum of gzip's helps.
func TestWhatDoesNotFitItsEndIsRefused(t *testing.T) {
	from := newHouse(t)
	fill(t, from, 5)
	data, _ := write(t, from)
	const chunk = "documents/part/000001.jsonl"
	for name, bad := range map[string][]byte{
		"a changed document":      rewrite(t, data, chunk, func(b []byte) []byte { return bytes.Replace(b, []byte("name 3"), []byte("name 9"), 1) }),
		"a missing line":          rewrite(t, data, chunk, func(b []byte) []byte { return b[bytes.IndexByte(b, '\n')+1:] }),
		"a missing chunk":         rewrite(t, data, chunk, nil),
		"a missing manifest":      rewrite(t, data, "manifest.json", nil),
		"a missing end":           rewrite(t, data, "end.json", nil),
		"a missing attachment":    rewrite(t, data, "blobs/"+sumOfPlain, nil),
		"a changed attachment":    rewrite(t, data, "blobs/"+sumOfPlain, bytes.ToUpper),
		"an attachment elsewhere": rewriteNames(t, data, "blobs/"+sumOfPlain, "../blobs/"+sumOfPlain),
		"a chunk out of order":    rewriteNames(t, data, chunk, "documents/part/000002.jsonl"),
		"a chunk of nothing":      rewriteNames(t, data, chunk, "documents/other/000001.jsonl"),
		"a line without its end":  rewrite(t, data, chunk, func(b []byte) []byte { return b[:len(b)-1] }),
		"a line of something":     rewrite(t, data, chunk, func(b []byte) []byte { return append([]byte("x\n"), b...) }),
	} {
		if reads(t, bad) {
			t.Errorf("%s is not noticed", name)
		}
	}
	if !reads(t, rewrite(t, data, "none", nil)) {
		t.Error("writing it anew is noticed: the other cases prove nothing")
	}
}
