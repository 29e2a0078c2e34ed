package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"casewire/casecore/store"
)

var watches = map[string]func(*env){
	"hints after a commit":             hintAfterCommit,
	"hints of its own collection only": ownCollection,
	"hints nothing after a rollback":   noHintAfterRollback,
	"never holds up a writer":          slowWatcher,
	"serves every watcher":             manyWatchers,
	"ends with its context":            watchEnds,
	"ends with the store":              watchClosed,
}

func (e *env) watch(ctx context.Context, c *store.Coll) <-chan store.Hint {
	e.Helper()
	hints, err := e.s.Watch(ctx, c)
	if err != nil {
		e.Fatalf("watch: %v", err)
	}
	return hints
}

// await receives until the hints have named all ids or said Missed, and returns
// what they named.
func (e *env) await(hints <-chan store.Hint, ids ...string) (named map[string]bool, missed bool) {
	e.Helper()
	named = make(map[string]bool)
	late := time.After(patience)
	for {
		select {
		case h, ok := <-hints:
			if !ok {
				e.Fatal("the watch ended")
			}
			if h.Missed {
				return named, true
			}
			for _, id := range h.IDs {
				named[id] = true
			}
		case <-late:
			e.Fatalf("no hint of %v, only of %v", ids, named)
		}
		all := true
		for _, id := range ids {
			all = all && named[id]
		}
		if all {
			return named, false
		}
	}
}

func hintAfterCommit(e *env) {
	c := newColl("docs")
	e.start(c)
	hints := e.watch(e.Context(), c)
	e.put(c, newDoc("x", "", nil), newDoc("y", "", nil))
	e.await(hints, "x", "y")
	d := newDoc("x", "", nil)
	d.Version = 1
	e.put(c, d)
	e.await(hints, "x")
	e.update(func(tx store.Tx) error { return tx.Delete(c, "x", 2) })
	e.await(hints, "x")
}

func ownCollection(e *env) {
	a, b := newColl("a"), newColl("b")
	e.start(a, b)
	hints := e.watch(e.Context(), a)
	e.put(b, newDoc("in b", "", nil))
	e.put(a, newDoc("in a", "", nil))
	if named, _ := e.await(hints, "in a"); named["in b"] {
		e.Error("hint of another collection")
	}
}

func noHintAfterRollback(e *env) {
	c := newColl("docs")
	e.start(c)
	hints := e.watch(e.Context(), c)
	fail := errors.New("fail")
	e.is("update", e.s.Update(e.Context(), func(tx store.Tx) error {
		if _, err := tx.Put(c, newDoc("rolled back", "", nil)); err != nil {
			return err
		}
		return fail
	}), fail)
	e.put(c, newDoc("committed", "", nil))
	if named, _ := e.await(hints, "committed"); named["rolled back"] {
		e.Error("hint of what was rolled back")
	}
}

func slowWatcher(e *env) {
	c := newColl("docs")
	e.start(c)
	hints := e.watch(e.Context(), c)
	var ids []string
	for batch := range 20 {
		docs := make([]store.Doc, 100)
		for i := range docs {
			docs[i] = newDoc(fmt.Sprintf("%d-%d", batch, i), "", nil)
			ids = append(ids, docs[i].ID)
		}
		e.put(c, docs...)
	}
	e.await(hints, ids...) // everything, or Missed
	e.put(c, newDoc("last", "", nil))
	if _, missed := e.await(hints, "last"); missed {
		e.await(hints, "last")
	}
}

func manyWatchers(e *env) {
	c := newColl("docs")
	e.start(c)
	var all []<-chan store.Hint
	for range 10 {
		all = append(all, e.watch(e.Context(), c))
	}
	e.put(c, newDoc("x", "", nil))
	for _, hints := range all {
		e.await(hints, "x")
	}
}

// drained waits for the channel to be closed.
func (e *env) drained(hints <-chan store.Hint) {
	e.Helper()
	late := time.After(patience)
	for {
		select {
		case _, ok := <-hints:
			if !ok {
				return
			}
		case <-late:
			e.Fatal("the watch does not end")
		}
	}
}

func watchEnds(e *env) {
	c := newColl("docs")
	e.start(c)
	ctx, cancel := context.WithCancel(e.Context())
	ends, stays := e.watch(ctx, c), e.watch(e.Context(), c)
	cancel()
	e.drained(ends)
	e.put(c, newDoc("x", "", nil))
	e.await(stays, "x")
	e.drained(e.watch(ctx, c))
}

func watchClosed(e *env) {
	c := newColl("docs")
	e.start(c)
	hints := e.watch(e.Context(), c)
	e.put(c, newDoc("x", "", nil))
	e.stop()
	e.drained(hints)
}
