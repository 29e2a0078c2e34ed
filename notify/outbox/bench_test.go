package outbox_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// BenchmarkNotices measures the whole way of a status notice, from the commit of
// the event on: planned, rendered and written, leased and its attempt written,
// handed to a local door, and the outcome written, all durable. Reported are
// notices per second and the processor time of each.
//
//	go test -run '^$' -bench BenchmarkNotices -benchtime 5000x ./notify/outbox
func BenchmarkNotices(b *testing.B) {
	h := newHouse(b)
	defer h.close()
	h.door(chat).on(func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
		return channels.Receipt{State: channels.Sent}, nil
	})
	ids := make([]string, b.N)
	h.inBatches(b.N, func(tx store.Tx, i int) error {
		to := channels.Address{Kind: channels.WebChat, Handle: fmt.Sprint("visitor", i)}
		c, _, err := h.ledger.Open(tx, master, casecore.Draft{Channel: chat, To: to, Queue: "general", Lang: "uk"},
			casecore.Message{Direction: casecore.Note, Auto: true, Body: channels.Body{Text: "It is broken."}})
		ids[i] = c.ID
		return err
	})
	h.planAll()
	h.inBatches(b.N, func(tx store.Tx, i int) error {
		_, err := h.ledger.Move(tx, master, ids[i], "ready", casecore.Guard{})
		return err
	})
	b.ResetTimer()
	before := processorTime()
	box, stop := h.start(outbox.Options{})
	deadline := time.After(time.Minute)
	for look := time.Tick(time.Millisecond); box.Stats().Sent < uint64(b.N); {
		select {
		case <-look:
		case <-deadline:
			b.Fatalf("only %+v", box.Stats())
		}
	}
	b.StopTimer()
	stop()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notices/s")
	b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N), "cpu-µs/notice")
}

// BenchmarkStatusToProvider measures how long after an operator's click the provider
// is called, without a hold, at a hundred clicks a second: from before the change of
// status is committed to the door.
//
//	go test -run '^$' -bench BenchmarkStatusToProvider -benchtime 1000x ./notify/outbox
func BenchmarkStatusToProvider(b *testing.B) {
	h := newHouse(b)
	defer h.close()
	var mu sync.Mutex
	called, all := map[string]time.Time{}, make(chan struct{})
	h.door(chat).on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
		mu.Lock()
		defer mu.Unlock()
		if called[m.Case] = time.Now(); len(called) == b.N {
			close(all)
		}
		return channels.Receipt{State: channels.Sent}, nil
	})
	cases := make([]*casecore.Case, b.N)
	h.inBatches(b.N, func(tx store.Tx, i int) (err error) {
		to := channels.Address{Kind: channels.WebChat, Handle: fmt.Sprint("visitor", i)}
		cases[i], _, err = h.ledger.Open(tx, master, casecore.Draft{Channel: chat, To: to, Queue: "general", Lang: "uk"},
			casecore.Message{Direction: casecore.Note, Auto: true, Body: channels.Body{Text: "It is broken."}})
		return err
	})
	h.planAll()
	_, stop := h.start(outbox.Options{})
	defer stop()
	clicked := make([]time.Time, b.N)
	b.ResetTimer()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i, c := range cases {
		<-tick.C
		clicked[i] = time.Now()
		h.move(c, "ready")
	}
	select {
	case <-all:
	case <-time.After(time.Minute):
		b.Fatal("not all have gone out")
	}
	b.StopTimer()
	took := make([]time.Duration, b.N)
	for i, c := range cases {
		took[i] = called[c.CaseNumber()].Sub(clicked[i])
	}
	slices.Sort(took)
	for name, share := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99, "max-ms": 1} {
		b.ReportMetric(float64(took[int(share*float64(b.N-1))].Microseconds())/1000, name)
	}
}

// planAll runs a planner until no event is pending.
func (h *house) planAll() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	hints, err := h.st.Watch(ctx, casecore.Events.Coll())
	if err != nil {
		h.t.Fatal(err)
	}
	planner := notify.NewPlanner(h.st, h.ledger, h.inForce, notify.Options{Log: h.log})
	var wg sync.WaitGroup
	wg.Go(func() { h.must(planner.Run(ctx)) })
	for left := true; left; {
		<-hints
		h.view(func(tx store.Tx) error {
			_, err := casecore.Events.Find(tx, "pending", casecore.PendingNotify)
			left = err == nil
			return nil
		})
	}
	cancel()
	wg.Wait()
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
