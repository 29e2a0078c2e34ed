package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
)

// The collections of an intake, as one message touches them.
var (
	benchMessages  = &store.Coll{Name: "messages", Indexes: []store.Index{{Name: "origin", Unique: true}, {Name: "case"}}, Rekey: noKeys}
	benchCustomers = &store.Coll{Name: "customers", Indexes: []store.Index{{Name: "address", Multi: true, Unique: true}}, Rekey: noKeys}
	benchCases     = &store.Coll{Name: "cases", Indexes: []store.Index{{Name: "board"}, {Name: "customer"}, {Name: "number", Unique: true}}, Rekey: noKeys}
	benchEvents    = &store.Coll{Name: "events", Indexes: []store.Index{{Name: "case"}, {Name: "pending", Multi: true}}, Rekey: noKeys}
)

func noKeys(string, []byte) (store.Keys, error) { return nil, nil }

func openBench(b *testing.B) *sqlite.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"), sqlite.Options{}, benchMessages, benchCustomers, benchCases, benchEvents)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func body(size int) []byte {
	return []byte(`{"text":"` + strings.Repeat("a word ", size/7) + `"}`)
}

// intake writes what one inbound message of a new customer writes: five
// documents with eleven keys, after two lookups.
func intake(tx store.Tx, n int64, text, small []byte) error {
	number := store.NumberKey(n)
	for d, err := range tx.Scan(benchCustomers, store.Range{Index: "address", Prefix: "sms " + number, Limit: 1}) {
		return errors.Join(fmt.Errorf("the customer is there: %s", d.ID), err)
	}
	id := store.NewID()
	for _, put := range []struct {
		coll *store.Coll
		doc  store.Doc
	}{
		{benchMessages, store.Doc{Body: text, Keys: store.Keys{"origin": {store.Join("sms", number)}, "case": {store.Join(id, number)}}}},
		{benchCustomers, store.Doc{Body: small, Keys: store.Keys{"address": {"sms " + number}}}},
		{benchCases, store.Doc{ID: id, Body: text, Keys: store.Keys{"board": {store.Join(fmt.Sprint("q", n%5), number)}, "customer": {number}, "number": {number}}}},
		{benchEvents, store.Doc{Body: small, Keys: store.Keys{"case": {store.Join(id, "1")}, "pending": {"notify", "rules"}}}},
		{benchEvents, store.Doc{Body: small, Keys: store.Keys{"case": {store.Join(id, "2")}, "pending": {"notify"}}}},
	} {
		if put.doc.ID == "" {
			put.doc.ID = store.NewID()
		}
		if _, err := tx.Put(put.coll, put.doc); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkIntake(b *testing.B) {
	for _, producers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			s := openBench(b)
			text, small := body(600), body(150)
			var next atomic.Int64
			var wg sync.WaitGroup
			took := make([]time.Duration, b.N)
			for range producers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						began := time.Now()
						if err := s.Update(b.Context(), func(tx store.Tx) error { return intake(tx, n, text, small) }); err != nil {
							b.Error(err)
							return
						}
						took[n-1] = time.Since(began)
					}
				})
			}
			wg.Wait()
			st := s.Stats()
			b.ReportMetric(float64(st.Updates)/b.Elapsed().Seconds(), "updates/s")
			b.ReportMetric(float64(st.Updates)/float64(st.Commits), "updates/fsync")
			slices.Sort(took)
			b.ReportMetric(float64(took[b.N/2].Microseconds())/1e3, "ms-p50")
			b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1e3, "ms-p99")
			b.ReportMetric(float64(took[b.N-1].Microseconds())/1e3, "ms-max")
		})
	}
}

func BenchmarkTop50Of100k(b *testing.B) {
	s := openBench(b)
	text := body(600)
	for n := 0; n < 100_000; n += 1000 {
		err := s.Update(b.Context(), func(tx store.Tx) error {
			for i := n; i < n+1000; i++ {
				number := store.NumberKey(int64(i))
				keys := store.Keys{"number": {number}, "board": {store.Join(fmt.Sprint("q", i%5), number)}}
				if _, err := tx.Put(benchCases, store.Doc{ID: store.NewID(), Body: text, Keys: keys}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		err := s.View(b.Context(), func(tx store.Tx) error {
			n := 0
			for _, err := range tx.Scan(benchCases, store.Range{Index: "board", Prefix: store.Under("q3"), Limit: 50}) {
				if err != nil {
					return err
				}
				n++
			}
			if n != 50 {
				return fmt.Errorf("%d cases", n)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := openBench(b)
	err := s.Update(b.Context(), func(tx store.Tx) error {
		_, err := tx.Put(benchCases, store.Doc{ID: "x", Body: body(600)})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := s.View(b.Context(), func(tx store.Tx) error {
			_, err := tx.Get(benchCases, "x")
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
