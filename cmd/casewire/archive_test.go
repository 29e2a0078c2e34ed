package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/archive"
	"casewire/casecore/blob"
	"casewire/casecore/blob/dir"
	"casewire/casecore/blob/gridfs"
	"casewire/casecore/lease"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
	"casewire/casecore/store/sqlite"
	"casewire/config/policy"
	"casewire/notify"
	"casewire/routing/api"
)

// collected is everything that a store keeps.
func collected() []*store.Coll {
	return slices.Concat(archive.Collections(), casecore.Collections(), lease.Collections(), staff.Collections(),
		policy.Collections(), notify.Collections(), api.Collections())
}

// openFolder opens what a stopped casewire left.
func openFolder(t *testing.T, data string) archive.Book {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(data, "casewire.db"), sqlite.Options{}, collected()...)
	if err != nil {
		t.Fatal(err)
	}
	files, err := dir.Open(filepath.Join(data, "blobs"), dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return archive.Book{Store: st, Blobs: files, Colls: collected()}
}

// contents is all that a book holds: bodies as values, because each engine writes
// them in its own way, and attachments, which are read through.
func contents(t *testing.T, b archive.Book) map[string]any {
	t.Helper()
	out := map[string]any{}
	err := b.Store.View(t.Context(), func(tx store.Tx) error {
		for _, c := range b.Colls {
			for d, err := range tx.Scan(c, store.Range{}) {
				if err != nil {
					return err
				}
				var v any
				lines := json.NewDecoder(bytes.NewReader(d.Body))
				lines.UseNumber()
				if err := lines.Decode(&v); err != nil {
					return err
				}
				out[c.Name+"/"+d.ID] = v
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(out, "restore/restore") // says where it came from
	return withFiles(t, out, b.Blobs)
}

func withFiles(t *testing.T, out map[string]any, files blob.Store) map[string]any {
	t.Helper()
	err := files.Each(t.Context(), func(hash string, _ int64, _ time.Time) error {
		r, err := files.Open(t.Context(), hash)
		if err != nil {
			return err
		}
		defer r.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			return err
		}
		out["blobs/"+hash] = b.String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameContents(t *testing.T, got, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if !reflect.DeepEqual(got[name], v) {
			t.Errorf("%s is %.300v, was %.300v", name, got[name], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("it holds %d things, was %d", len(got), len(want))
	}
}

// move copies a book through an archive.
func move(t *testing.T, from, to archive.Book) {
	t.Helper()
	var packed bytes.Buffer
	wrote, err := archive.Write(t.Context(), from, archive.Manifest{Program: "test", At: time.Now()}, &packed)
	if err != nil {
		t.Fatal(err)
	}
	read, err := archive.Read(t.Context(), &packed, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(wrote.Contents, read.Contents) || read.Lacking != nil {
		t.Errorf("wrote %+v, read %+v", wrote, read)
	}
}

// demoData is the folder of a demo that has run: cases of every channel, with mails
// and files.
func demoData(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	p := spawn(t, childCommand, []string{"demo", "--listen", "127.0.0.1:0", "--data", data})
	v := newVisitor("ada", func() {})
	if err := v.connect(t.Context(), p.url()); err != nil {
		t.Fatal(err)
	}
	if err := v.send(t.Context(), newWritten(v, "My phone is broken", []byte("a file"))); err != nil {
		t.Fatal(err)
	}
	v.leave()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Fatalf("the demo ended with %d; stderr:\n%s", code, tail(p.log.String()))
	}
	return data
}

// A house that moves from the embedded store to MongoDB and back is the same:
// every document, every key, every attachment.
func TestHouseMovesBetweenEngines(t *testing.T) {
	data := demoData(t)
	from := openFolder(t, data)
	want := contents(t, from)
	if len(want) < 100 {
		t.Fatalf("the demo holds %d things", len(want))
	}
	t.Run("embedded", func(t *testing.T) {
		to := openFolder(t, filepath.Join(t.TempDir()))
		move(t, from, to)
		sameContents(t, contents(t, to), want)
	})
	t.Run("MongoDB and back", func(t *testing.T) {
		there := openDatabase(t)
		move(t, from, there)
		sameContents(t, contents(t, there), want)
		back := openFolder(t, t.TempDir())
		move(t, there, back)
		sameContents(t, contents(t, back), want)
	})
}

// mongoVariable names the environment variable with the address of a replica set.
const mongoVariable = "MONGODB_URI"

// database is the address of a database of its own, dropped after the test.
func database(t testing.TB) string {
	t.Helper()
	uri := os.Getenv(mongoVariable)
	switch {
	case uri != "":
	case os.Getenv("CASEWIRE_REALSERVERS") == "required":
		t.Fatalf("%s is not set, and CASEWIRE_REALSERVERS=required", mongoVariable)
	default:
		t.Skipf("%s is not set: no MongoDB to test with", mongoVariable)
	}
	hosts, query, _ := strings.Cut(uri, "?")
	name := "test_" + strings.ToLower(strings.ReplaceAll(store.NewID(), "-", ""))[12:]
	address := strings.TrimSuffix(hosts, "/") + "/" + name + "?" + query
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		st, err := mongo.Open(ctx, address, mongo.Options{})
		if err != nil {
			t.Errorf("drop the database: %v", err)
			return
		}
		if err := st.Database().Drop(ctx); err != nil {
			t.Errorf("drop the database: %v", err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return address
}

func openDatabase(t *testing.T) archive.Book {
	t.Helper()
	st, err := mongo.Open(t.Context(), database(t), mongo.Options{}, collected()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	files, err := gridfs.Open(t.Context(), st.Database())
	if err != nil {
		t.Fatal(err)
	}
	return archive.Book{Store: st, Blobs: files, Colls: collected()}
}

// A house moves to MongoDB and back by three commands, and each of its stations
// verifies.
func TestHouseMovesByCommand(t *testing.T) {
	data, folder := demoData(t), t.TempDir()
	address := database(t)
	file := filepath.Join(folder, "casewire.yaml")
	text := fmt.Sprintf("data: %s\nstore: %q\nchannels:\n  - {kind: webchat, id: site}\n", filepath.Join(folder, "node"), address)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "node"), 0o700); err != nil {
		t.Fatal(err)
	}
	first, second, home := filepath.Join(folder, "1.tar.gz"), filepath.Join(folder, "2.tar.gz"), filepath.Join(folder, "home")
	for _, line := range []string{
		"backup " + first + " --data " + data, "restore " + first + " --config " + file, "verify --config " + file,
		"backup " + second + " --config " + file, "restore " + second + " --data " + home, "verify --data " + home,
	} {
		if got := command(t, "", strings.Fields(line)...); got.code != 0 || got.err != "" {
			t.Fatalf("%s: %+v", line, got)
		}
	}
	if got := command(t, "", "restore", first, "--config", file); got.code != 1 || !strings.Contains(got.err, "has documents already") {
		t.Errorf("a second restore into the database: %+v", got)
	}
	was, is := openBook(t, data), openBook(t, home)
	if len(is.cases) != len(was.cases) || len(is.messages) != len(was.messages) || len(is.files) != len(was.files) || len(is.cases) < 5 {
		t.Errorf("%d cases, %d messages, %d files; were %d, %d, %d",
			len(is.cases), len(is.messages), len(is.files), len(was.cases), len(was.messages), len(was.files))
	}
	is.isInOrder()
}
