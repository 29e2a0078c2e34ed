package tempstore

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo/mongotest"
	"casewire/casecore/store/sqlite"
	"casewire/casecore/store/storetest"
)

type note struct {
	store.Meta
	Text string `json:"text"`
}

func (n *note) Keys() store.Keys {
	k := store.Keys{}
	k.Set("text", n.Text)
	return k
}

var notes = store.NewTable[note]("note", store.Index{Name: "text"})

// The ferry keeps the promises of a store, whatever it crosses to.
func TestTheFerryIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		f, path := newFerry(t.Context()), filepath.Join(t.TempDir(), "casewire.db")
		t.Cleanup(f.close)
		return func(colls ...*store.Coll) (store.Store, error) {
			return f.open(context.WithoutCancel(t.Context()), colls, func(ctx context.Context) (store.Store, error) {
				return sqlite.Open(ctx, path, sqlite.Options{}, colls...)
			})
		}
	})
}

// over runs a test in a bubble with a store on the other side.
func over(t *testing.T, test func(t *testing.T, st store.Store)) {
	t.Helper()
	f, path := newFerry(t.Context()), filepath.Join(t.TempDir(), "casewire.db")
	defer f.close()
	synctest.Test(t, func(t *testing.T) {
		st, err := f.open(t.Context(), []*store.Coll{notes.Coll()}, func(ctx context.Context) (store.Store, error) {
			return sqlite.Open(ctx, path, sqlite.Options{}, notes.Coll())
		})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		test(t, st)
	})
}

func count(t *testing.T, st store.Store) (n int) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		n = 0
		for _, err := range tx.Scan(notes.Coll(), store.Range{}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func add(ctx context.Context, st store.Store, text string) error {
	return st.Update(ctx, func(tx store.Tx) error {
		return notes.Put(tx, &note{Meta: store.Meta{ID: store.NewID()}, Text: text})
	})
}

// In a bubble time passes while nobody calls, and only then.
func TestTimeStandsStillDuringACall(t *testing.T) {
	over(t, func(t *testing.T, st store.Store) {
		hints, err := st.Watch(t.Context(), notes.Coll())
		if err != nil {
			t.Fatal(err)
		}
		woken := make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			hint := <-hints
			if len(hint.IDs) != 1 {
				t.Errorf("the hint names %d notes", len(hint.IDs))
			}
			woken <- time.Since(began)
		}()
		time.Sleep(time.Hour)
		var at time.Time
		err = st.Update(t.Context(), func(tx store.Tx) error {
			at = time.Now()
			return notes.Put(tx, &note{Meta: store.Meta{ID: "a"}, Text: "a"})
		})
		if err != nil {
			t.Fatal(err)
		}
		if took := at.Sub(began); took != time.Hour {
			t.Errorf("the function ran after %v of the bubble's hour", took)
		}
		if took := <-woken; took != time.Hour {
			t.Errorf("the watcher was woken after %v", took)
		}
	})
}

func TestCallersOfABubbleAreIndependent(t *testing.T) {
	over(t, func(t *testing.T, st store.Store) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 5 {
					time.Sleep(time.Minute)
					if err := add(t.Context(), st, "x"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := count(t, st); n != 100 {
			t.Errorf("%d notes, want 100", n)
		}
	})
}

// What a function leaves half done when it panics, or when its goroutine ends, is
// rolled back before the caller goes on.
func TestAnAbandonedFunctionIsRolledBack(t *testing.T) {
	over(t, func(t *testing.T, st store.Store) {
		put := func(then func()) {
			_ = st.Update(t.Context(), func(tx store.Tx) error {
				defer then()
				return notes.Put(tx, &note{Meta: store.Meta{ID: "a"}, Text: "a"})
			})
		}
		func() {
			defer func() {
				if said := recover(); said != "killed" {
					t.Errorf("the panic said %v", said)
				}
			}()
			put(func() { panic("killed") })
		}()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			put(runtime.Goexit)
		}()
		<-ended
		if n := count(t, st); n != 0 {
			t.Errorf("%d notes are left", n)
		}
		if err := add(t.Context(), st, "b"); err != nil {
			t.Error(err)
		}
	})
}

func TestACallEndsWithItsContext(t *testing.T) {
	over(t, func(t *testing.T, st store.Store) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var again error
		err := st.Update(ctx, func(tx store.Tx) error {
			time.Sleep(2 * time.Second)
			_, again = notes.Get(tx, "none")
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the call ended with %v", err)
		}
		if again == nil {
			t.Error("a note that is not there was found")
		}
		if err := add(ctx, st, "late"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call that came too late ended with %v", err)
		}
	})
}

// A test finds nothing of the one before it, also where it is given its database.
func TestAPoolHandsOnEmptyDatabases(t *testing.T) {
	mongotest.Server(t)
	t.Setenv(Variable, "mongodb")
	p := &Pool{keeps: true}
	var names []string
	for range 2 {
		t.Run("test", func(t *testing.T) {
			at := p.Place(t)
			for i := range 2 {
				st := at.Open(t, notes.Coll())
				if n := count(t, st); n != i {
					t.Errorf("%d notes at opening %d", n, i)
				}
				if err := errors.Join(add(t.Context(), st, "x"), st.Close()); err != nil {
					t.Fatal(err)
				}
			}
			names = append(names, at.data.db.Name())
		})
	}
	if names[0] != names[1] {
		t.Error("the second test was given another database than the first")
	}
	if err := p.drop(t.Context()); err != nil {
		t.Error(err)
	}
}
