package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"casewire/casecore/store"
)

const rivals = 100

var contention = map[string]func(*env){
	"one of a hundred claims wins":               claims,
	"one of a hundred writers of a version wins": writers,
	"one of a hundred inserts wins":              inserts,
	"a counter misses nobody":                    counter,
	"a failing function leaves others alone":     neighbours,
	"readers see whole transactions":             wholeTransactions,
}

var errTaken = errors.New("taken")

// together runs fn in as many goroutines as there are rivals.
func together(fn func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range rivals {
		wg.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	wg.Wait()
}

func claims(e *env) {
	c := newColl("docs", store.Index{Name: "owner"})
	e.start(c)
	e.put(c, newDoc("x", "", nil))
	var won, lost atomic.Int32
	together(func(i int) {
		err := e.s.Update(e.Context(), func(tx store.Tx) error {
			d, err := tx.Get(c, "x")
			if err != nil {
				return err
			}
			if keys, err := rekey(d.ID, d.Body); err != nil || len(keys["owner"]) > 0 {
				return errors.Join(err, errTaken)
			}
			claim := newDoc("x", "", one("owner", fmt.Sprint(i)))
			claim.Version = d.Version
			_, err = tx.Put(c, claim)
			return err
		})
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, errTaken), errors.Is(err, store.ErrConflict):
			lost.Add(1)
		default:
			e.Errorf("claim: %v", err)
		}
	})
	if won.Load() != 1 || lost.Load() != rivals-1 {
		e.Errorf("%d won and %d lost", won.Load(), lost.Load())
	}
	same(e, "owned documents", e.ids(c, store.Range{Index: "owner"}), []string{"x"})
}

func writers(e *env) {
	c := newColl("docs")
	e.start(c)
	e.put(c, newDoc("x", "", nil))
	e.oneWins(store.ErrConflict, func(i int, tx store.Tx) error {
		d := newDoc("x", fmt.Sprint(i), nil)
		d.Version = 1
		_, err := tx.Put(c, d)
		return err
	})
}

func inserts(e *env) {
	c := newColl("docs", store.Index{Name: "slot", Unique: true})
	e.start(c)
	e.oneWins(store.ErrExists, func(_ int, tx store.Tx) error {
		_, err := tx.Put(c, newDoc("x", "", nil))
		return err
	})
	e.oneWins(store.ErrExists, func(i int, tx store.Tx) error {
		_, err := tx.Put(c, newDoc(fmt.Sprint(i), "", one("slot", "nine o'clock")))
		return err
	})
}

// oneWins runs fn in many transactions at once: one succeeds, all others get
// the given error.
func (e *env) oneWins(loser error, fn func(i int, tx store.Tx) error) {
	e.Helper()
	var won atomic.Int32
	together(func(i int) {
		err := e.s.Update(e.Context(), func(tx store.Tx) error { return fn(i, tx) })
		if err == nil {
			won.Add(1)
		} else {
			e.is("loser", err, loser)
		}
	})
	if won.Load() != 1 {
		e.Errorf("%d won", won.Load())
	}
}

func counter(e *env) {
	const times = 5
	c := newColl("docs")
	e.start(c)
	e.put(c, store.Doc{ID: "n", Body: []byte(`{"n":0}`)})
	together(func(int) {
		for range times {
			if err := e.s.Update(e.Context(), func(tx store.Tx) error { return add(tx, c, 1) }); err != nil {
				e.Errorf("count: %v", err)
			}
		}
	})
	d, err := e.get(c, "n")
	if want := fmt.Sprintf(`{"n":%d}`, rivals*times); err != nil || !equalJSON(d.Body, []byte(want)) || d.Version != rivals*times+1 {
		e.Errorf("counted %s at version %d, %v; want %s", d.Body, d.Version, err, want)
	}
}

func add(tx store.Tx, c *store.Coll, by int) error {
	d, err := tx.Get(c, "n")
	if err != nil {
		return err
	}
	var n struct {
		N int `json:"n"`
	}
	if err := json.Unmarshal(d.Body, &n); err != nil {
		return err
	}
	n.N += by
	if d.Body, err = json.Marshal(n); err != nil {
		return err
	}
	_, err = tx.Put(c, d)
	return err
}

func neighbours(e *env) {
	c := newColl("docs", store.Index{Name: "k"}, store.Index{Name: "m", Multi: true})
	e.start(c)
	e.put(c, newDoc("taken", "", nil))
	fail := errors.New("fail")
	together(func(i int) {
		defer func() {
			if v := recover(); (v != nil) != (i%4 == 3) {
				e.Errorf("%d panicked with %v", i, v)
			}
		}()
		id := fmt.Sprintf("%03d", i)
		err := e.s.Update(e.Context(), func(tx store.Tx) error {
			if _, err := tx.Put(c, newDoc(id, "", store.Keys{"k": {id}, "m": {"all", id}})); err != nil {
				return err
			}
			switch i % 4 {
			case 1:
				return fail
			case 2:
				_, err := tx.Put(c, newDoc("taken", "", nil))
				return err
			case 3:
				panic("at the disco")
			}
			return nil
		})
		e.is("update "+id, err, []error{nil, fail, store.ErrExists, nil}[i%4])
	})
	var want []string
	for i := 0; i < rivals; i += 4 {
		want = append(want, fmt.Sprintf("%03d", i))
	}
	same(e, "by k", e.ids(c, store.Range{Index: "k"}), want)
	same(e, "by m", e.ids(c, store.Range{Index: "m", Prefix: "all"}), want)
	same(e, "by id", e.ids(c, store.Range{}), append(want, "taken"))
}

// wholeTransactions moves what two documents have from one to the other while
// readers look at the sum.
func wholeTransactions(e *env) {
	a, b := newColl("a"), newColl("b")
	e.start(a, b)
	e.put(a, store.Doc{ID: "n", Body: []byte(`{"n":0}`)})
	e.put(b, store.Doc{ID: "n", Body: []byte(`{"n":0}`)})
	together(func(i int) {
		if i%2 == 0 {
			err := e.s.Update(e.Context(), func(tx store.Tx) error {
				return errors.Join(add(tx, a, i), add(tx, b, i))
			})
			if err != nil {
				e.Errorf("update: %v", err)
			}
			return
		}
		err := e.s.View(e.Context(), func(tx store.Tx) error {
			x, err1 := tx.Get(a, "n")
			y, err2 := tx.Get(b, "n")
			if string(x.Body) != string(y.Body) || x.Version != y.Version {
				e.Errorf("half a transaction: %s and %s", x.Body, y.Body)
			}
			return errors.Join(err1, err2)
		})
		if err != nil {
			e.Errorf("view: %v", err)
		}
	})
}
