package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"casewire/casecore/store"
)

var transactions = map[string]func(*env){
	"roll back on error":                     rollsBack,
	"roll back on panic":                     panics,
	"roll back when their goroutine exits":   exits,
	"read their own writes":                  ownWrites,
	"are not seen before they are committed": noDirtyReads,
	"views are one snapshot":                 snapshot,
	"what is expected is read as it is":      expected,
	"what is expected binds nobody":          expectedOnly,
	"views cannot write":                     viewReadOnly,
	"end with their function":                ended,
	"may run twice":                          runTwice,
	"with a done context do not happen":      doneContext,
	"cancelled half way tell the truth":      cancelled,
	"on a closed store are refused":          closedStore,
}

func rollsBack(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	e.put(c, newDoc("x", "old", store.Keys{"k": {"old"}, "m": {"old"}}), newDoc("y", "", nil))
	fail := errors.New("fail")
	err := e.s.Update(e.Context(), func(tx store.Tx) error {
		d := newDoc("x", "new", store.Keys{"k": {"new"}, "m": {"new"}})
		d.Version = 1
		_, err1 := tx.Put(c, d)
		_, err2 := tx.Put(c, newDoc("z", "", one("k", "z")))
		if err := errors.Join(err1, err2, tx.Delete(c, "y", 1)); err != nil {
			e.Error(err)
		}
		return fmt.Errorf("wrapped: %w", fail)
	})
	e.is("update", err, fail)
	e.unchanged(c)
}

// unchanged checks that x and y are as rollsBack and its like put them.
func (e *env) unchanged(c *store.Coll) {
	e.Helper()
	same(e, "documents", e.ids(c, store.Range{}), []string{"x", "y"})
	same(e, "by k", e.ids(c, store.Range{Index: "k"}), []string{"x"})
	same(e, "by m", e.ids(c, store.Range{Index: "m", Prefix: "new"}), nil)
	d, err := e.get(c, "x")
	if err != nil || d.Version != 1 || !equalJSON(d.Body, newDoc("", "old", store.Keys{"k": {"old"}, "m": {"old"}}).Body) {
		e.Errorf("x is %s, version %d, %v", d.Body, d.Version, err)
	}
}

func panics(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	e.put(c, newDoc("x", "old", store.Keys{"k": {"old"}, "m": {"old"}}), newDoc("y", "", nil))
	for what, run := range map[string]func(context.Context, func(store.Tx) error) error{"update": e.s.Update, "view": e.s.View} {
		value := func() (v any) {
			defer func() { v = recover() }()
			err := run(e.Context(), func(tx store.Tx) error {
				if what == "update" {
					if _, err := tx.Put(c, newDoc("z", "", nil)); err != nil {
						return err
					}
				}
				for _, err := range tx.Scan(c, store.Range{}) {
					if err == nil {
						panic("out of the loop")
					}
				}
				return nil
			})
			return fmt.Sprintf("returned %v", err)
		}()
		same(e, what+" panicked with", value, any("out of the loop"))
	}
	e.unchanged(c)
	// The store goes on working.
	e.put(c, newDoc("z", "", nil))
}

func exits(e *env) {
	c := newColl("docs")
	e.start(c)
	for _, run := range []func(context.Context, func(store.Tx) error) error{e.s.Update, e.s.View} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = run(e.Context(), func(tx store.Tx) error { // never returns
				_, _ = tx.Put(c, newDoc("x", "", nil))
				runtime.Goexit()
				return nil
			})
		}()
		<-done
	}
	e.put(c, newDoc("y", "", nil))
	same(e, "documents", e.ids(c, store.Range{}), []string{"y"})
}

func ownWrites(e *env) {
	c := newColl("docs", store.Index{Name: "k"})
	e.start(c)
	e.put(c, newDoc("a", "", one("k", "1")))
	e.update(func(tx store.Tx) error {
		if _, err := tx.Put(c, newDoc("b", "", one("k", "0"))); err != nil {
			return err
		}
		if d, err := tx.Get(c, "b"); err != nil || d.Version != 1 {
			e.Errorf("get of what was put: version %d, %v", d.Version, err)
		}
		got, err := scan(tx, c, store.Range{Index: "k"})
		same(e, "scan after put", got, []string{"b", "a"})
		if err != nil {
			return err
		}
		if err := tx.Delete(c, "a", 1); err != nil {
			return err
		}
		_, err = tx.Get(c, "a")
		e.is("get of what was deleted", err, store.ErrNotFound)
		got, err = scan(tx, c, store.Range{Index: "k"})
		same(e, "scan after delete", got, []string{"b"})
		return err
	})
}

func noDirtyReads(e *env) {
	c := newColl("docs")
	e.start(c)
	e.put(c, newDoc("x", "", nil))
	e.update(func(tx store.Tx) error {
		d := newDoc("x", "", nil)
		d.Version = 1
		if _, err := tx.Put(c, d); err != nil {
			return err
		}
		if _, err := tx.Put(c, newDoc("y", "", nil)); err != nil {
			return err
		}
		// A view meanwhile sees what was committed, and does not wait.
		if d, err := e.get(c, "x"); err != nil || d.Version != 1 {
			e.Errorf("during the update x has version %d, %v", d.Version, err)
		}
		same(e, "during the update", e.ids(c, store.Range{}), []string{"x"})
		return nil
	})
	same(e, "after the update", e.ids(c, store.Range{}), []string{"x", "y"})
}

func snapshot(e *env) {
	c := newColl("docs")
	e.start(c)
	e.put(c, newDoc("x", "", nil))
	e.view(func(tx store.Tx) error {
		before, err := scan(tx, c, store.Range{})
		if err != nil {
			return err
		}
		e.put(c, newDoc("y", "", nil))
		after, err := scan(tx, c, store.Range{})
		same(e, "in one view", after, before)
		_, getErr := tx.Get(c, "y")
		e.is("get of what came later", getErr, store.ErrNotFound)
		return err
	})
	same(e, "in a new view", e.ids(c, store.Range{}), []string{"x", "y"})
}

func expected(e *env) {
	c := newColl("docs", store.Index{Name: "u", Unique: true})
	e.start(c)
	e.put(c, newDoc("x", "", one("u", "1")), newDoc("y", "", one("u", "2")))
	reads := []store.Read{
		{Coll: c, Key: "x"}, {Coll: c, Key: "z"}, {Coll: c, Index: "u", Key: "1"}, {Coll: c, Index: "u", Key: "2"}, {Coll: c, Index: "u", Key: "3"},
	}
	by := func(tx store.Tx, key string) []string {
		found, err := scan(tx, c, store.Range{Index: "u", From: key, To: key + "\x00", Limit: 1})
		if err != nil {
			e.Error(err)
		}
		return found
	}
	look := func(tx store.Tx) error {
		same(e, "the key of x", by(tx, "1"), []string{"x"})
		same(e, "the key of y", by(tx, "2"), []string{"y"})
		same(e, "nobody's key", by(tx, "3"), nil)
		_, err := tx.Get(c, "z")
		e.is("what is not there", err, store.ErrNotFound)
		d, err := tx.Get(c, "x")
		if err == nil && d.Version != 1 {
			e.Errorf("x has version %d", d.Version)
		}
		return err
	}
	e.view(func(tx store.Tx) error {
		tx.Expect(reads...)
		if _, err := tx.Get(c, "x"); err != nil {
			return err
		}
		// A view is one snapshot, whatever it expects.
		if err := e.s.Update(e.Context(), func(tx store.Tx) error { return tx.Delete(c, "y", 1) }); err != nil {
			return err
		}
		tx.Expect(append(reads, store.Read{Coll: c, Key: "y"})...)
		if _, err := tx.Get(c, "y"); err != nil {
			return err
		}
		return look(tx)
	})
	e.put(c, newDoc("y", "", one("u", "2")))
	e.update(func(tx store.Tx) error {
		tx.Expect(reads...)
		if err := look(tx); err != nil {
			return err
		}
		// What the function itself changes it sees at once.
		for _, d := range []store.Doc{{ID: "x", Version: 1, Body: []byte(`{}`), Keys: one("u", "3")}, newDoc("z", "", one("u", "4"))} {
			if _, err := tx.Put(c, d); err != nil {
				return err
			}
		}
		tx.Expect(reads...)
		same(e, "a key that was let go of", by(tx, "1"), nil)
		same(e, "a key that was taken", by(tx, "3"), []string{"x"})
		_, err := tx.Get(c, "z")
		return err
	})
	e.view(func(tx store.Tx) error {
		tx.Expect(reads...)
		same(e, "later", by(tx, "1"), nil)
		same(e, "later", by(tx, "3"), []string{"x"})
		return nil
	})
}

// A function that changes what it expected changes what is there when it commits; what
// it expected and did not read is nothing to it.
func expectedOnly(e *env) {
	const times = 5
	c := newColl("docs")
	e.start(c)
	e.put(c, store.Doc{ID: "n", Body: []byte(`{"n":0}`)}, newDoc("other", "", nil))
	together(func(i int) {
		for range times {
			err := e.s.Update(e.Context(), func(tx store.Tx) error {
				tx.Expect(store.Read{Coll: c, Key: "n"}, store.Read{Coll: c, Key: "other"}, store.Read{Coll: c, Key: fmt.Sprint(i)})
				return add(tx, c, 1)
			})
			if err != nil {
				e.Errorf("count: %v", err)
			}
		}
	})
	d, err := e.get(c, "n")
	if want := fmt.Sprintf(`{"n":%d}`, rivals*times); err != nil || !equalJSON(d.Body, []byte(want)) {
		e.Errorf("counted %s, %v; want %s", d.Body, err, want)
	}
}

func viewReadOnly(e *env) {
	c := newColl("docs")
	e.start(c)
	e.put(c, newDoc("x", "", nil))
	fail := errors.New("fail")
	e.is("view", e.s.View(e.Context(), func(tx store.Tx) error {
		_, err := tx.Put(c, newDoc("y", "", nil))
		e.is("put", err, store.ErrReadOnly)
		e.is("delete", tx.Delete(c, "x", 1), store.ErrReadOnly)
		return fail
	}), fail)
	same(e, "documents", e.ids(c, store.Range{}), []string{"x"})
}

func ended(e *env) {
	c := newColl("docs")
	e.start(c)
	for _, run := range []func(context.Context, func(store.Tx) error) error{e.s.Update, e.s.View} {
		var kept store.Tx
		if err := run(e.Context(), func(tx store.Tx) error { kept = tx; return nil }); err != nil {
			e.Fatal(err)
		}
		if _, err := kept.Get(c, "x"); err == nil || errors.Is(err, store.ErrNotFound) {
			e.Errorf("get after the end: %v", err)
		}
		if _, err := kept.Put(c, newDoc("x", "", nil)); err == nil {
			e.Error("put after the end succeeded")
		}
		if _, err := scan(kept, c, store.Range{}); err == nil {
			e.Error("scan after the end succeeded")
		}
	}
	same(e, "documents", e.ids(c, store.Range{}), nil)
}

func runTwice(e *env) {
	c := newColl("docs", store.Index{Name: "k"})
	e.start(c)
	s, runs := Twice(e.s), 0
	var version uint64
	err := s.Update(e.Context(), func(tx store.Tx) (err error) {
		runs++
		if _, err := tx.Get(c, "x"); !errors.Is(err, store.ErrNotFound) {
			e.Errorf("run %d sees what the one before did: %v", runs, err)
		}
		version, err = tx.Put(c, newDoc("x", "", one("k", fmt.Sprint(runs))))
		return err
	})
	if err != nil || runs != 2 || version != 1 {
		e.Errorf("%d runs, version %d, %v", runs, version, err)
	}
	same(e, "the second run counts", e.ids(c, store.Range{Index: "k", Prefix: "2"}), []string{"x"})
}

func doneContext(e *env) {
	c := newColl("docs")
	e.start(c)
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	for what, run := range map[string]func(context.Context, func(store.Tx) error) error{"update": e.s.Update, "view": e.s.View} {
		e.is(what, run(ctx, func(store.Tx) error {
			e.Errorf("%s ran", what)
			return nil
		}), context.Canceled)
	}
}

func cancelled(e *env) {
	c := newColl("docs")
	e.start(c)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			id := fmt.Sprint(i)
			ctx, cancel := context.WithCancel(e.Context())
			defer cancel()
			err := e.s.Update(ctx, func(tx store.Tx) error {
				_, err := tx.Put(c, newDoc(id, "", nil))
				if i%2 == 0 {
					cancel()
				}
				return err
			})
			if err != nil {
				e.is("update", err, context.Canceled)
			}
			if _, there := e.get(c, id); (there == nil) != (err == nil) {
				e.Errorf("update %s answered %v, but reading it gives %v", id, err, there)
			}
		})
		wg.Go(func() { // whose caller does not wait
			id := fmt.Sprint("impatient ", i)
			ctx, cancel := context.WithCancel(e.Context())
			go cancel()
			err := e.s.Update(ctx, func(tx store.Tx) error {
				_, err := tx.Put(c, newDoc(id, "", nil))
				return err
			})
			if _, there := e.get(c, id); (there == nil) != (err == nil) {
				e.Errorf("update %s answered %v, but reading it gives %v", id, err, there)
			}
		})
	}
	wg.Wait()
}

func closedStore(e *env) {
	c := newColl("docs")
	e.start(c)
	e.put(c, newDoc("x", "", nil))
	e.closeDuring(c, e.s.Update)
	e.start(c)
	e.closeDuring(c, e.s.View)
	e.start(c)
	same(e, "after reopening", e.ids(c, store.Range{}), []string{"x"})
}

// closeDuring closes the store while a transaction runs: Close waits for it and
// it does not notice, but nothing begins any more.
func (e *env) closeDuring(c *store.Coll, run func(context.Context, func(store.Tx) error) error) {
	e.Helper()
	s, closed := e.s, make(chan error, 1)
	never := func(store.Tx) error { e.Error("ran on a closed store"); return nil }
	err := run(e.Context(), func(tx store.Tx) error {
		go func() { closed <- s.Close() }()
		var err error
		for err == nil { // until the store is closing
			err = s.View(e.Context(), func(store.Tx) error { return nil })
			runtime.Gosched()
		}
		e.is("view while closing", err, store.ErrClosed)
		e.is("update while closing", s.Update(e.Context(), never), store.ErrClosed)
		_, err = tx.Get(c, "x")
		return err
	})
	if err := errors.Join(err, <-closed, s.Close()); err != nil {
		e.Errorf("transaction while closing, then close twice: %v", err)
	}
	e.is("update", s.Update(e.Context(), never), store.ErrClosed)
	e.is("view", s.View(e.Context(), never), store.ErrClosed)
	_, err = s.Watch(e.Context(), c)
	e.is("watch", err, store.ErrClosed)
}
