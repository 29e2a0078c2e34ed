package mongo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// A function that waits for its turn at a document over which all fight ends in every
// way that another one may: what it adds is there once, or not at all.
func TestWhoWaitsAtAContendedDocument(t *testing.T) {
	others := &store.Coll{Name: "others", Rekey: noKeys}
	s := open(t, mongo.Options{Database: newDatabase(t)}, sums, others)
	begin(t, s)
	errNo := errors.New("no")
	const workers, each = 24, 40
	var added, notes atomic.Int64
	one := func(id string, way int, late bool) (err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				err = errNo
			}
		}()
		return s.Update(ctx, func(tx store.Tx) error {
			if _, err := tx.Get(others, id); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("%s is there: %w", id, err)
			}
			if way == 13 { // its caller leaves while it waits
				go cancel()
			}
			d, all, err := sumOf(tx, "all")
			if err != nil {
				return err
			}
			switch way {
			case 3:
				return errNo
			case 5:
				panic(errNo)
			case 7: // it only reads
				_, err := tx.Put(others, store.Doc{ID: id, Body: fmt.Appendf(nil, `{"saw":%d}`, all.N)})
				return err
			case 9: // it reads more behind it: nobody waits any more
				if !late {
					break
				}
				if _, err := tx.Get(others, "nothing"); !errors.Is(err, store.ErrNotFound) {
					return err
				}
			case 11: // its caller leaves
				cancel()
			}
			d.Body = fmt.Appendf(nil, `{"N":%d}`, all.N+1)
			if _, err := tx.Put(sums, d); err != nil {
				return err
			}
			_, err = tx.Put(others, store.Doc{ID: id, Body: fmt.Appendf(nil, `{"was":%d}`, all.N)})
			return err
		})
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				way := (w + i) % 16
				err := one(fmt.Sprint(w, " ", i), way, i > each/2)
				switch {
				case way == 3 || way == 5:
					if !errors.Is(err, errNo) {
						t.Errorf("who refuses heard %v", err)
					}
				case (way == 11 || way == 13) && err != nil:
					if !errors.Is(err, context.Canceled) {
						t.Errorf("who left heard %v", err)
					}
				case err != nil:
					t.Errorf("update: %v", err)
				case way == 7:
					notes.Add(1)
				default:
					added.Add(1)
				}
			}
		})
	}
	wg.Wait()
	err := s.View(t.Context(), func(tx store.Tx) error {
		d, err := tx.Get(sums, "all")
		if err != nil {
			return err
		}
		was := map[int]bool{}
		saw := 0
		for d, err := range tx.Scan(others, store.Range{}) {
			if err != nil {
				return err
			}
			var n struct{ Was, Saw *int }
			if err := json.Unmarshal(d.Body, &n); err != nil {
				return err
			}
			if n.Saw != nil {
				saw++
			} else {
				was[*n.Was] = true
			}
		}
		if want := fmt.Sprintf(`{"N":%d}`, added.Load()); string(d.Body) != want || len(was) != int(added.Load()) || saw != int(notes.Load()) {
			t.Errorf("the sum is %s with %d who added and %d who looked, want %s and %d", d.Body, len(was), saw, want, notes.Load())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Waited == 0 {
		t.Errorf("nobody waited: %+v", st)
	}
}

// A scan in whose middle a function comes to a contended document yields everything,
// though others change what it has not read yet.
func TestScanAroundAContendedDocument(t *testing.T) {
	const many = 150 // more than is read at once
	items := &store.Coll{Name: "items", Rekey: noKeys}
	s := open(t, mongo.Options{Database: newDatabase(t)}, sums, items)
	begin(t, s)
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		for i := range many {
			if _, err := tx.Put(items, store.Doc{ID: fmt.Sprintf("item%03d", i), Body: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	add := func(tx store.Tx) error {
		d, err := tx.Get(sums, "all")
		if err != nil {
			return err
		}
		_, err = tx.Put(sums, d)
		return err
	}
	change := func(tx store.Tx, i int) error {
		d, err := tx.Get(items, fmt.Sprintf("item%03d", many-1-i%20))
		if err != nil {
			return err
		}
		if err := add(tx); err != nil {
			return err
		}
		_, err = tx.Put(items, d)
		return err
	}
	look := func(tx store.Tx) error {
		n := 0
		for _, err := range tx.Scan(items, store.Range{}) {
			if err != nil {
				return err
			}
			if n++; n == 3 {
				if err := add(tx); err != nil {
					return err
				}
			}
		}
		if n != many {
			return fmt.Errorf("%d of %d are there", n, many)
		}
		return nil
	}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 25 {
				fn := look
				if w%4 > 0 {
					fn = func(tx store.Tx) error { return change(tx, w+i) }
				}
				if err := s.Update(t.Context(), fn); err != nil {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
