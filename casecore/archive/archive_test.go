package archive_test

import (
	"bytes"
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

// house opens a store, and the attachments of a folder.
func house(t *testing.T, folder string, colls ...*store.Coll) archive.Book {
	t.Helper()
	return archive.Book{Store: stores.Open(t, colls...), Blobs: contents(t, folder), Colls: colls}
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
