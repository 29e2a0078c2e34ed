package mongo_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// Two nodes fill the places of groups. A place is free as long as a range says so, and
// whoever takes one writes the document of the group: so no two take the last one,
// whichever of them is overtaken and runs again.
func TestTwoNodesTakeThePlacesThereAre(t *testing.T) {
	name := newDatabase(t)
	places := &store.Coll{Name: "place", Indexes: []store.Index{{Name: "group"}}, Rekey: noKeys}
	groups := &store.Coll{Name: "groups"}
	var nodes []*mongo.Store
	for range 2 {
		nodes = append(nodes, open(t, mongo.Options{Database: name}, places, groups))
	}
	const rounds, rivals, free = 8, 10, 3
	errFull := errors.New("full")
	take := func(tx store.Tx, group string) error {
		taken := 0
		for _, err := range tx.Scan(places, store.Range{Index: "group", From: group, To: group + "\x00"}) {
			if err != nil {
				return err
			}
			taken++
		}
		if taken >= free {
			return errFull
		}
		g, err := tx.Get(groups, group)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if _, err := tx.Put(groups, store.Doc{ID: group, Version: g.Version, Body: []byte(`{}`)}); err != nil {
			return err
		}
		_, err = tx.Put(places, store.Doc{ID: store.NewID(), Body: []byte(`{}`), Keys: store.Keys{"group": {group}}})
		return err
	}
	for round := range rounds {
		var taken atomic.Int32
		var wg sync.WaitGroup
		for i := range rivals {
			wg.Go(func() {
				err := nodes[i%2].Update(t.Context(), func(tx store.Tx) error { return take(tx, fmt.Sprint("g", round)) })
				switch {
				case err == nil:
					taken.Add(1)
				case !errors.Is(err, errFull):
					t.Errorf("take: %v", err)
				}
			})
		}
		wg.Wait()
		if taken.Load() != free {
			t.Errorf("round %d: %d places are taken of %d", round, taken.Load(), free)
		}
	}
	for _, s := range nodes {
		t.Logf("%+v", s.Stats())
	}
}

// A function has read two sums when another node adds to both at once and this one to the
// first alone. When it runs again it finds what the other node did in both or in neither.
func TestNewsOfAnotherNodeComesWhole(t *testing.T) {
	name := newDatabase(t)
	here := open(t, mongo.Options{Database: name}, sums)
	there := open(t, mongo.Options{Database: name}, sums)
	begin(t, here)
	update := func(s store.Store, ids ...string) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			for _, id := range ids {
				d, n, err := sumOf(tx, id)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				if _, err := tx.Put(sums, store.Doc{ID: id, Version: d.Version, Body: fmt.Appendf(nil, `{"N":%d}`, n.N+1)}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	update(here, "other")
	type view struct{ all, other int }
	var views []view // of the function's runs, which follow one another
	hasRead, goOn, end := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		end <- here.Update(t.Context(), func(tx store.Tx) error {
			_, other, err := sumOf(tx, "other")
			if err != nil {
				return err
			}
			_, all, err := sumOf(tx, "all")
			if err != nil {
				return err
			}
			if views = append(views, view{all.N, other.N}); len(views) == 1 {
				close(hasRead)
				<-goOn
			}
			_, err = tx.Put(sums, store.Doc{ID: "seen", Body: []byte(`{}`)})
			return err
		})
	}()
	<-hasRead
	update(there, "all", "other")
	update(here, "all")
	close(goOn)
	if err := <-end; err != nil {
		t.Fatal(err)
	}
	if want := []view{{0, 1}, {2, 2}}; !slices.Equal(views, want) {
		t.Errorf("its runs have seen %v, want %v", views, want)
	}
}
