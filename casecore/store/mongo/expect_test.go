package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// What a function expects costs one question for each collection and index, and none
// when it is read.
func TestExpectedIsAskedForAtOnce(t *testing.T) {
	var finds atomic.Int64
	watch := &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		if e.CommandName == "find" {
			finds.Add(1)
		}
	}}
	s := open(t, mongo.Options{Database: newDatabase(t), Monitor: watch}, loads.Coll(), tallies)
	const n = 50
	docs := make([]store.Doc, n)
	for i := range docs {
		docs[i] = docOf(fmt.Sprintf("id%04d", i), fmt.Sprintf(`{"name":"n%04d"}`, i))
	}
	if err := s.Load(t.Context(), loads.Coll(), docs); err != nil {
		t.Fatal(err)
	}
	look := func(tx store.Tx) error {
		before := finds.Load()
		reads := []store.Read{{Coll: tallies, Key: "none"}}
		for i := range n {
			reads = append(reads, loads.ByID(fmt.Sprintf("id%04d", i)), loads.ByKey("name", fmt.Sprintf("n%04d", i)))
		}
		tx.Expect(reads...)
		tx.Expect(reads...) // it is known by now
		for i := range n {
			l, err := loads.Find(tx, "name", fmt.Sprintf("n%04d", i))
			if err != nil {
				return err
			}
			if again, err := loads.Get(tx, l.ID); err != nil || again.Name != l.Name {
				t.Errorf("%s by its id: %+v, %v", l.ID, again, err)
			}
		}
		if _, err := tx.Get(tallies, "none"); err == nil {
			t.Error("what is not there was read")
		}
		if asked := finds.Load() - before; asked != 3 {
			t.Errorf("%d questions, want one for the ids, one for the keys and one for the other collection", asked)
		}
		return nil
	}
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"view": s.View, "update": s.Update} {
		if err := run(t.Context(), look); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// When what is expected cannot be read, whoever reads it is told why: not that the
// transaction is over, nor that the server is away.
func TestWhyItCouldNotBeReadAhead(t *testing.T) {
	s := open(t, mongo.Options{Database: newDatabase(t)}, tallies)
	fail := failPoint(t)
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"view": s.View, "update": s.Update} {
		const missingRights = 13
		err := store.ErrNotFound
		for try := 0; try < 20 && errors.Is(err, store.ErrNotFound); try++ { // the store reads by itself, too, and may meet the fault first
			if err := fail(once, failing(bson.D{{Key: "errorCode", Value: missingRights}}, "find")); err != nil {
				t.Fatal(err)
			}
			err = run(t.Context(), func(tx store.Tx) error {
				tx.Expect(store.Read{Coll: tallies, Key: "n"})
				_, err := tx.Get(tallies, "n")
				return err
			})
		}
		var refused driver.ServerError
		if !errors.As(err, &refused) || !refused.HasErrorCode(missingRights) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A commit has no more functions than it may, however many are on their way.
func TestARoundHasABound(t *testing.T) {
	const most, workers, each = 2, 64, 5
	s := open(t, mongo.Options{Database: newDatabase(t), MaxGroup: most}, tallies)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				err := s.Update(t.Context(), func(tx store.Tx) error {
					_, err := tx.Put(tallies, store.Doc{ID: store.NewID(), Body: []byte(`{}`)})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if st := s.Stats(); st.Updates != workers*each || st.Commits*most < st.Updates {
		t.Errorf("%d updates in %d commits, at most %d in one", st.Updates, st.Commits, most)
	}
}
