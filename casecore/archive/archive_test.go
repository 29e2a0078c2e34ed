package archive_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore/archive"
	"casewire/casecore/blob/dir"
	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
)

// part is a document with keys of every sort.
type part struct {
	store.Meta
	Name string         `json:"name"`
	Tags []string       `json:"tags,omitempty"`
	At   time.Time      `json:"at,omitzero"`
	More map[string]any `json:"more,omitempty"`
	File string         `json:"file,omitempty"`
}

// Keys implements store.Record.
func (p *part) Keys() store.Keys {
	k := store.Keys{}
	k.Set("name", p.Name)
	k.Set("at", store.TimeKey(p.At))
	for _, tag := range p.Tags {
		k.Add("tag", tag)
	}
	return k
}

// bin is a document without keys.
type bin struct {
	store.Meta
	keyless
	Name string `json:"name"`
}

var (
	parts = store.NewTable[part]("part", store.Index{Name: "name", Unique: true}, store.Index{Name: "at"}, store.Index{Name: "tag", Multi: true})
	bins  = store.NewTable[bin]("bin")
	none  = store.NewTable[bin]("empty")
)

func colls() []*store.Coll {
	return append(archive.Collections(), parts.Coll(), bins.Coll(), none.Coll())
}

// house opens the store and the attachments of a folder.
func house(t *testing.T, folder string, colls ...*store.Coll) archive.Book {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(folder, "store.db"), sqlite.Options{}, colls...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return archive.Book{Store: st, Blobs: contents(t, folder), Colls: colls}
}

func contents(t *testing.T, folder string) *dir.Store {
	t.Helper()
	files, err := dir.Open(filepath.Join(folder, "blobs"), dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	return files
}

func newHouse(t *testing.T) archive.Book {
	t.Helper()
	return house(t, t.TempDir(), colls()...)
}

// fill makes a store of n documents and a few more, and attachments; many
// documents are large ones, too.
func fill(t *testing.T, b archive.Book, n int) {
	t.Helper()
	large := 10
	if n >= 1000 {
		large = 300_000
	}
	files := []string{"", "plain", strings.Repeat("large ", large)}
	for _, text := range files {
		if _, err := b.Blobs.Put(t.Context(), strings.NewReader(text), 1<<30); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2026, 11, 22, 9, 0, 0, 123456789, time.UTC)
	err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		for i := range n {
			p := &part{
				Meta: store.Meta{ID: fmt.Sprintf("part-%06d", i)}, Name: fmt.Sprintf("name %d <&> \u2028 \"é\"\t\n", i),
				Tags: []string{"all", fmt.Sprint(i % 7)}, At: at.Add(time.Duration(i) * time.Second),
				More: map[string]any{"big": json.Number("9007199254740993"), "float": 1.5, "nil": nil, "a.b$c": []any{true, "x"}},
			}
			if err := parts.Put(tx, p); err != nil {
				return err
			}
		}
		for _, id := range []string{"\"quoted\" id\\", "ключ", strings.Repeat("i", store.MaxID)} {
			if err := bins.Put(tx, &bin{Meta: store.Meta{ID: id}, Name: strings.Repeat("я", large)}); err != nil {
				return err
			}
		}
		// A body that somebody wrote by hand.
		_, err := tx.Put(bins.Coll(), store.Doc{ID: "by hand", Body: []byte("{\n  \"name\": \"spaced\",\r\n\t\"more\": {}\n}")})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var made = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func write(t *testing.T, from archive.Book) ([]byte, archive.Report) {
	t.Helper()
	var out bytes.Buffer
	report, err := archive.Write(t.Context(), from, archive.Manifest{Program: "test", At: made}, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), report
}

// holds is all that a book holds, in a form to compare: bodies as values, so that
// engines may write them in their own way.
type holds struct {
	Documents map[string]any
	Keys      map[string][]string // ids by collection, index and key
	Blobs     map[string]int64
}

func everything(t *testing.T, b archive.Book) holds {
	t.Helper()
	h := holds{map[string]any{}, map[string][]string{}, map[string]int64{}}
	err := b.Store.View(t.Context(), func(tx store.Tx) error {
		for _, c := range b.Colls {
			if c.Name == archive.Collections()[0].Name {
				continue
			}
			for d, err := range tx.Scan(c, store.Range{}) {
				if err != nil {
					return err
				}
				var v any
				dec := json.NewDecoder(bytes.NewReader(d.Body))
				dec.UseNumber()
				if err := dec.Decode(&v); err != nil {
					return err
				}
				h.Documents[c.Name+"/"+d.ID] = v
			}
			for _, ix := range c.Indexes {
				r := store.Range{Index: ix.Name}
				if ix.Multi {
					r.Prefix = "all"
				}
				for d, err := range tx.Scan(c, r) {
					if err != nil {
						return err
					}
					h.Keys[c.Name+"/"+ix.Name] = append(h.Keys[c.Name+"/"+ix.Name], d.ID)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Blobs.Each(t.Context(), func(hash string, _ int64, _ time.Time) error {
		r, err := b.Blobs.Open(t.Context(), hash)
		if err != nil {
			return err
		}
		defer r.Close()
		h.Blobs[hash], err = io.Copy(io.Discard, r) // which fails on a damaged one
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func same(t *testing.T, got, want holds) {
	t.Helper()
	if len(want.Documents) == 0 || len(want.Blobs) == 0 {
		t.Fatal("there is nothing to compare")
	}
	for id, v := range want.Documents {
		if !reflect.DeepEqual(got.Documents[id], v) {
			t.Errorf("document %.60s is %.200v, was %.200v", id, got.Documents[id], v)
		}
	}
	if len(got.Documents) != len(want.Documents) {
		t.Errorf("%d documents, want %d", len(got.Documents), len(want.Documents))
	}
	if !reflect.DeepEqual(got.Keys, want.Keys) {
		t.Error("indexes find other documents than before")
	}
	if !maps.Equal(got.Blobs, want.Blobs) {
		t.Errorf("%d attachments, want %d", len(got.Blobs), len(want.Blobs))
	}
}

// The body of a document comes back to the byte: nothing that an engine or a
// person wrote is written otherwise.
func TestRoundTripIsEqual(t *testing.T) {
	from, to := newHouse(t), newHouse(t)
	fill(t, from, 12_000) // several chunks
	data, wrote := write(t, from)
	checked, err := archive.Check(t.Context(), bytes.NewReader(data), colls())
	if err != nil {
		t.Fatal(err)
	}
	settled := false
	read, err := archive.Read(t.Context(), bytes.NewReader(data), to, func(ctx context.Context) error {
		settled = true
		var u *archive.Unfinished
		if err := archive.Ready(ctx, to.Store); !errors.As(err, &u) || !u.At.Equal(made) {
			t.Errorf("before it is settled the store says %v", err)
		}
		return nil
	})
	if err != nil || !settled {
		t.Fatalf("settled %v, %v", settled, err)
	}
	if !reflect.DeepEqual(wrote, checked) || !reflect.DeepEqual(wrote, read) {
		t.Errorf("wrote %+v, checked %+v, read %+v", wrote, checked, read)
	}
	if wrote.Total() != 12_004 || wrote.Blobs != 3 || wrote.Program != "test" || !wrote.At.Equal(made) || wrote.Documents["empty"] != 0 {
		t.Errorf("%+v", wrote)
	}
	same(t, everything(t, to), everything(t, from))
	if err := archive.Ready(t.Context(), to.Store); err != nil {
		t.Error(err)
	}
	for _, b := range []archive.Book{from, to} {
		err := b.Store.View(t.Context(), func(tx store.Tx) error {
			d, err := tx.Get(parts.Coll(), "part-000007")
			if err == nil && !strings.Contains(string(d.Body), `"big":9007199254740993`) {
				t.Errorf("%s", d.Body)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	again, _ := write(t, to)
	if !bytes.Equal(again, data) {
		t.Error("a backup of what was restored is another one")
	}
}

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

// A damaged attachment costs itself and nothing else, and is named.
func TestDamagedAttachmentIsLeftOutAndNamed(t *testing.T) {
	folder := t.TempDir()
	from := house(t, folder, colls()...)
	fill(t, from, 5)
	ref, err := from.Blobs.Put(t.Context(), strings.NewReader(strings.Repeat("large", 500_000)), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{sumOfPlain, ref.Hash}
	for _, hash := range bad {
		file := filepath.Join(folder, "blobs", hash[:1], hash[1:2], hash)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b[2] ^= 1
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, wrote := write(t, from)
	slices.Sort(wrote.Unreadable)
	slices.Sort(bad)
	if !slices.Equal(wrote.Unreadable, bad) || wrote.Blobs != 2 {
		t.Errorf("%+v", wrote)
	}
	to := newHouse(t)
	read, err := archive.Read(t.Context(), bytes.NewReader(data), to, nil)
	if err != nil || len(read.Unreadable) != 2 {
		t.Errorf("%+v, %v", read, err)
	}
	if got := everything(t, to); len(got.Documents) != 9 || len(got.Blobs) != 2 {
		t.Errorf("%d documents and %d attachments", len(got.Documents), len(got.Blobs))
	}
}

// pair writes two documents that always agree, with an attachment that is there
// before they are.
func pair(ctx context.Context, b archive.Book, i int) error {
	ref, err := b.Blobs.Put(ctx, strings.NewReader(fmt.Sprintf("file %d", i)), 100)
	if err != nil {
		return err
	}
	return b.Store.Update(ctx, func(tx store.Tx) error {
		for _, id := range []string{"left", "right"} {
			p, err := bins.Get(tx, id)
			if errors.Is(err, store.ErrNotFound) {
				p, err = &bin{Meta: store.Meta{ID: id}}, nil
			}
			if err != nil {
				return err
			}
			p.Name = fmt.Sprint(i)
			if err := bins.Put(tx, p); err != nil {
				return err
			}
		}
		return parts.Put(tx, &part{Name: fmt.Sprintf("written %d", i), File: ref.Hash})
	})
}

// A backup is one moment of a store that goes on: what was written together is in
// it together, and what it refers to is there.
func TestBackupUnderLoadIsOneMoment(t *testing.T) {
	from := newHouse(t)
	fill(t, from, 3000)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	started := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := pair(context.WithoutCancel(ctx), from, i); err != nil {
				t.Error(err)
				return
			}
			if i == 20 {
				close(started)
			}
		}
	})
	<-started
	for range 3 {
		data, _ := write(t, from)
		to := newHouse(t)
		if _, err := archive.Read(t.Context(), bytes.NewReader(data), to, nil); err != nil {
			t.Fatal(err)
		}
		isOneMoment(t, to)
	}
	stop()
	writer.Wait()
}

func isOneMoment(t *testing.T, b archive.Book) {
	t.Helper()
	err := b.Store.View(t.Context(), func(tx store.Tx) error {
		left, err := bins.Get(tx, "left")
		if err != nil {
			return err
		}
		right, err := bins.Get(tx, "right")
		if err != nil {
			return err
		}
		written := 0
		for p, err := range parts.Scan(tx, store.Range{Index: "name", Prefix: "written "}) {
			if err != nil {
				return err
			}
			written++
			r, err := b.Blobs.Open(t.Context(), p.File)
			if err != nil {
				t.Errorf("%s refers to what is not there: %v", p.Name, err)
				continue
			}
			_ = r.Close()
		}
		if left.Name != right.Name || left.Name != fmt.Sprint(written-1) || written < 20 {
			t.Errorf("left has %s, right %s, and %d were written", left.Name, right.Name, written)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A writer that fails, and one who gives up, get an error and no archive.
func TestWriteEndsWithItsWriter(t *testing.T) {
	from := newHouse(t)
	fill(t, from, 500)
	full := errors.New("disk full")
	if _, err := archive.Write(t.Context(), from, archive.Manifest{}, &limited{left: 100, err: full}); !errors.Is(err, full) {
		t.Error(err)
	}
	data, _ := write(t, from)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := archive.Write(ctx, from, archive.Manifest{}, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("written all the same: %v", err)
	}
	if _, err := archive.Check(ctx, bytes.NewReader(data), colls()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	broken := errors.New("cable pulled")
	r := io.MultiReader(bytes.NewReader(data[:len(data)/2]), &limited{err: broken})
	if _, err := archive.Check(t.Context(), r, colls()); !errors.Is(err, broken) || errors.Is(err, archive.ErrDamaged) {
		t.Errorf("a failure to read is told as %v", err)
	}
}

// limited takes so many bytes and then fails.
type limited struct {
	left int
	err  error
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, l.err
	}
	return len(p), nil
}

// Read implements io.Reader.
func (l *limited) Read([]byte) (int, error) { return 0, l.err }
