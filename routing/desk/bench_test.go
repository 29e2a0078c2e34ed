package desk_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/routing"
	"casewire/routing/desk"
)

// BenchmarkLoad is the start of a board with 100,000 waiting cases:
//
//	go test -run '^$' -bench Load -benchtime 3x ./routing/desk
func BenchmarkLoad(b *testing.B) {
	h := newHouse(b)
	const n = 100_000
	for from := 0; from < n; from += 2000 {
		h.do(func(tx store.Tx) error {
			for i := from; i < from+2000; i++ {
				if err := casecore.Cases.Put(tx, h.stored(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		board := desk.NewBoard(h.store, func() *routing.Router { return h.router }, desk.BoardOptions{})
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- board.Run(ctx) }()
		if _, err := board.Snapshot(b.Context(), anna); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB")
}

// stored is a case with as much in it as a real one.
func (h *house) stored(i int) *casecore.Case {
	at := h.clock.Now().Add(time.Duration(i) * time.Second)
	return &casecore.Case{
		Number: int64(i + 1), Customer: "cu-1", Channel: "webchat:site", To: visitor, Lang: "uk",
		Subject: "The screen is broken and the battery swells", Status: "new", Stage: flow.New,
		Priority: casecore.Priority(i%4 + 1), Category: "phone",
		Attributes: map[string]string{"brand": "Samsung", "model": "A52", "serial": fmt.Sprint("R58N", i)},
		Tags:       []string{"screen", "battery"}, Queue: queues[i%3].ID,
		Received: at, Updated: at, StatusAt: at, DueAt: at.Add(time.Hour), InboundAt: at, Messages: 1, Events: 1, Waiting: true,
		Trace: casecore.Trace{Rule: "phones", Revision: 3, Skipped: 4, Reasons: []casecore.Reason{{Condition: "text", Matched: []string{"screen", "battery"}}}},
	}
}

// BenchmarkChange is one claim and one release, as one board with 100 feeds sees
// them; the claims themselves are most of it.
func BenchmarkChange(b *testing.B) {
	h := newHouse(b)
	cases := h.fill(2000, phones)
	board := h.board(desk.BoardOptions{Coalesce: time.Nanosecond})
	feeds := make([]*desk.Feed, 100)
	for i := range feeds {
		feeds[i] = h.feed(board, operator(fmt.Sprint(i), "phones"))
	}
	top := cases[0].CaseNumber()
	for b.Loop() {
		if _, err := h.work.Claim(b.Context(), anna, top); err != nil {
			b.Fatal(err)
		}
		until(b, feeds[0], goneOf(top))
		if _, err := h.work.Release(b.Context(), anna, top, "", casecore.Guard{}); err != nil {
			b.Fatal(err)
		}
		until(b, feeds[0], cardOf(top))
		for _, f := range feeds[1:] {
			if _, err := f.Take(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
