package app_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/blob/dir"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
	"casewire/channels"
	"casewire/config/policy"
	"casewire/routing"
	"casewire/routing/intake"
)

// BenchmarkTake takes messages in with the default policy, durable each, from as
// many senders as stated; every one opens a case. BenchmarkStore is the limit in
// the same run: the store alone writing five documents in a transaction.
//
//	go test -run '^$' -bench 'Take|Store' -benchtime 3s ./cmd/casewire/app
func BenchmarkTake(b *testing.B) {
	for _, senders := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(senders), func(b *testing.B) {
			p, err := policy.Load("default.yaml", policy.Default(), 1)
			if err != nil {
				b.Fatal(err)
			}
			st := openBench(b, casecore.Collections()...)
			blobs, err := dir.Open(b.TempDir(), dir.Options{})
			if err != nil {
				b.Fatal(err)
			}
			l := &casecore.Ledger{Flow: func() *flow.Flow { return p.Flow }, Now: time.Now}
			in := intake.New(st, l, func() *routing.Router { return p.Router }, blobs, intake.Options{})
			var n atomic.Int64
			parallel(b, st, senders, func() error {
				id := fmt.Sprint(n.Add(1))
				return in.Message(b.Context(), channels.Inbound{
					Channel: "webchat:site", ExternalID: id,
					From: channels.Address{Kind: channels.WebChat, Handle: "visitor-" + id},
					Body: channels.Body{Lang: "uk", Text: "Доброго дня! Впав телефон Samsung A52, екран чорний, але дзвінки чую. Скільки коштує заміна екрана і як довго чекати? Дякую."},
				})
			})
		})
	}
}

type thing struct {
	store.Meta
	Text string `json:"text"`
}

// Keys of a thing: one.
func (t *thing) Keys() store.Keys { return store.Keys{"key": {t.ID}} }

// BenchmarkStore is what BenchmarkTake is compared with.
func BenchmarkStore(b *testing.B) {
	things := store.NewTable[thing]("thing", store.Index{Name: "key"})
	for _, senders := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(senders), func(b *testing.B) {
			st := openBench(b, things.Coll())
			parallel(b, st, senders, func() error {
				return st.Update(b.Context(), func(tx store.Tx) error {
					for range 5 {
						if err := things.Put(tx, &thing{Text: "Доброго дня! Впав телефон Samsung A52, екран чорний, але дзвінки чую."}); err != nil {
							return err
						}
					}
					return nil
				})
			})
		})
	}
}

func openBench(b *testing.B, colls ...*store.Coll) *sqlite.Store {
	b.Helper()
	st, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "casewire.db"), sqlite.Options{}, colls...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	return st
}

// parallel does the work from so many goroutines and reports rate, processor time
// and how many transactions shared a commit.
func parallel(b *testing.B, st *sqlite.Store, senders int, work func() error) {
	b.Helper()
	b.SetParallelism((senders + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	before, cpu := st.Stats(), processor(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := work(); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	after := st.Stats()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64((processor(b)-cpu).Microseconds())/float64(b.N), "µs-cpu/op")
	b.ReportMetric(float64(after.Updates-before.Updates)/float64(max(1, after.Commits-before.Commits)), "per-fsync")
}

func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
