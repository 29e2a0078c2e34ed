package mongo_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// What a document of two versions of the program looks like: the newer one finds it by
// who, uniquely, and by each word.
var (
	olderMarks = &store.Coll{Name: "mark", Indexes: []store.Index{{Name: "old"}}, Rekey: oldKeys}
	newerMarks = &store.Coll{
		Name: "mark", Indexes: []store.Index{{Name: "old"}, {Name: "who", Unique: true}, {Name: "word", Multi: true}},
		Rekey: func(id string, body []byte) (store.Keys, error) {
			k, err := oldKeys(id, body)
			k.Set("who", "by "+id)
			k.Add("word", "all")
			return k, err
		},
	}
)

func oldKeys(id string, _ []byte) (store.Keys, error) { return store.Keys{"old": {id}}, nil }

// put writes documents as the version that declares c.
func put(ctx context.Context, s store.Store, c *store.Coll, ids ...string) error {
	return s.Update(ctx, func(tx store.Tx) error {
		for _, id := range ids {
			d, err := tx.Get(c, id)
			if err != nil {
				d = store.Doc{ID: id}
			}
			d.Body = fmt.Appendf(nil, `{"n":%d}`, d.Version)
			if d.Keys, err = c.Rekey(id, d.Body); err != nil {
				return err
			}
			if _, err := tx.Put(c, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// found is how many documents the newer version finds by its new indexes.
func found(t *testing.T, s store.Store) (who, word int) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.Tx) error {
		who, word = 0, 0
		for _, err := range tx.Scan(newerMarks, store.Range{Index: "who"}) {
			if err != nil {
				return err
			}
			who++
		}
		for _, err := range tx.Scan(newerMarks, store.Range{Index: "word", Prefix: "all"}) {
			if err != nil {
				return err
			}
			word++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return who, word
}

// await waits until the newer version finds so many.
func await(t *testing.T, s store.Store, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		who, word := found(t, s)
		if who == want && word == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d and %d documents are found by the new indexes, want %d", who, word, want)
		}
	}
}

// During a rolling upgrade the older version goes on writing: inserts, and changes
// that take the keys of new indexes away. The newer one finds all of it soon, also
// when the older one ends at once, is killed, or starts again.
func TestOlderVersionWritesDuringAnUpgrade(t *testing.T) {
	name := newDatabase(t)
	before := open(t, mongo.Options{Database: name}, olderMarks)
	if err := put(t.Context(), before, olderMarks, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	newer := open(t, mongo.Options{Database: name, Refill: 50 * time.Millisecond}, newerMarks)
	if who, word := found(t, newer); who != 3 || word != 3 {
		t.Errorf("right after the start %d and %d documents are found, want 3", who, word)
	}
	if err := put(t.Context(), before, olderMarks, "b", "d"); err != nil {
		t.Fatal(err)
	}
	await(t, newer, 4)
	if err := put(t.Context(), newer, newerMarks, "b", "d", "e"); err != nil {
		t.Errorf("the newer version changes what the older one wrote: %v", err)
	}
	if err := put(t.Context(), before, olderMarks, "a", "f"); err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, newer, 6)

	again := open(t, mongo.Options{Database: name}, olderMarks) // a step back: it leaves the new indexes alone
	if err := put(t.Context(), again, olderMarks, "c", "g"); err != nil {
		t.Fatal(err)
	}
	await(t, newer, 7)
}

// A process that has other collections open, or none, can write no document without
// its keys, and is nobody to clear up after.
func TestOthersAreNotOlder(t *testing.T) {
	name := newDatabase(t)
	for _, colls := range [][]*store.Coll{nil, {tallies}} {
		open(t, mongo.Options{Database: name}, colls...)
	}
	newer := open(t, mongo.Options{Database: name, Refill: 10 * time.Millisecond}, newerMarks)
	older := open(t, mongo.Options{Database: name}, olderMarks)
	if err := put(t.Context(), older, olderMarks, "a"); err != nil {
		t.Fatal(err)
	}
	await(t, newer, 1)
	var note struct {
		N int `bson:"n"`
	}
	err := rawClient(t, server(t)).Database(name).Collection("casewire.meta").FindOne(t.Context(), bson.D{{Key: "_id", Value: "keys to complete"}}).Decode(&note)
	if err != nil || note.N != 1 {
		t.Errorf("%d processes are taken for older ones, %v; want the one that is", note.N, err)
	}
}

// A hint that does not come costs time and no key: what an older version wrote while
// nobody listened is found when somebody of the newer one looks.
func TestKeysThatAreOwedArePaid(t *testing.T) {
	name := newDatabase(t)
	db := rawClient(t, server(t)).Database(name)
	older := open(t, mongo.Options{Database: name}, olderMarks)
	first, err := mongo.Open(t.Context(), server(t), mongo.Options{Database: name, Refill: 20 * time.Millisecond}, newerMarks)
	if err != nil {
		t.Fatal(err)
	}
	debt := func() int64 {
		n, err := db.Collection("casewire.meta").CountDocuments(t.Context(), bson.D{{Key: "_id", Value: "keys to complete"}})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := put(t.Context(), older, olderMarks, "a"); err != nil {
		t.Fatal(err)
	}
	await(t, first, 1)
	if debt() != 1 {
		t.Error("it is not noted that documents may lack keys")
	}
	if err := first.Close(); err != nil { // before the older one ends
		t.Fatal(err)
	}
	if err := put(t.Context(), older, olderMarks, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, mongo.Options{Database: name, Refill: 20 * time.Millisecond}, newerMarks)
	await(t, second, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for debt() != 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the note is never removed")
		}
	}
}
