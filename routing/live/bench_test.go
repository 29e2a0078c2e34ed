package live_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
	"casewire/routing/live"
)

// operators are as many sockets, each reading all it gets; count is told of each
// frame.
func (h *house) operators(n int, login string, count func(data []byte)) (stop func()) {
	h.t.Helper()
	var wg sync.WaitGroup
	var clients []*client
	for range n {
		c, _ := h.hello(login)
		clients = append(clients, c)
		_ = c.ws.SetReadDeadline(time.Time{})
		wg.Go(func() { drain(c.ws, count) })
	}
	return func() {
		for _, c := range clients {
			c.ws.Close()
		}
		wg.Wait()
	}
}

// drain reads frames into one buffer, so that reading is as cheap as it can be:
// it is done on the same processors as what is measured.
func drain(ws *websocket.Conn, count func(data []byte)) {
	buf := make([]byte, 2<<10)
	for {
		_, r, err := ws.NextReader()
		if err != nil {
			return
		}
		n := 0
		for err == nil {
			var k int
			if n == len(buf) {
				n /= 2 // its head is all that anybody looks at
			}
			k, err = r.Read(buf[n:])
			n += k
		}
		count(buf[:n])
	}
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const sockets = 1000

// BenchmarkFanOut changes cards as fast as 1,000 watchers take them, and compares
// with a loop that does nothing but write prepared messages to 1,000 sockets:
//
//	go test -run '^$' -bench FanOut -benchtime 200x ./routing/live
//
// The readers run in the same process and are part of both figures.
func BenchmarkFanOut(b *testing.B) {
	b.Run("board", func(b *testing.B) {
		h := newHouseWith(b, live.Options{Each: sockets + 1}, desk.BoardOptions{Coalesce: time.Millisecond}, "anna")
		boss := casecore.Actor{ID: "op-boss", Name: "boss", Roles: []string{casecore.RoleSupervisor}}
		var got atomic.Int64
		stop := h.operators(sockets, "anna", func([]byte) { got.Add(1) })
		defer stop()
		var heap runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&heap)
		var numbers []string
		for range 20 {
			numbers = append(numbers, h.arrive("phones").CaseNumber())
		}
		settle(b, h, &got)
		got.Store(0)
		before, start := cpu(), time.Now()
		sent := h.board.Stats().Deliveries
		for i := 0; b.Loop(); i++ {
			p := casecore.Priority(i%4 + 1)
			for _, n := range numbers { // 20 cards change in one commit's time or a few
				if _, err := h.work.Edit(b.Context(), boss, n, casecore.Edit{Priority: &p}, casecore.Guard{}); err != nil {
					b.Fatal(err)
				}
			}
			settle(b, h, &got, sent)
		}
		report(b, got.Load(), time.Since(start), cpu()-before)
		b.ReportMetric(float64(heap.HeapAlloc+heap.StackInuse)/(1<<20), "MB")
	})
	b.Run("bare", func(b *testing.B) {
		conns := make(chan *websocket.Conn, sockets)
		up := websocket.Upgrader{}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			conns <- ws
			<-r.Context().Done()
		}))
		defer srv.Close()
		var got atomic.Int64
		var wg sync.WaitGroup
		var all []*websocket.Conn
		for range sockets {
			ws, resp, err := websocket.DefaultDialer.DialContext(b.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
			if err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
			wg.Go(func() { drain(ws, func([]byte) { got.Add(1) }) })
			all = append(all, <-conns)
		}
		card := []byte(`{"t":"card","seq":123,"queue":"phones","card":{"number":"CW-000020","queue":"phones","channel_kind":"webchat","category":"phone","priority":"normal","status":"new","received_at":"2026-11-22T08:00:00.123456789Z","due_at":"2026-11-22T09:00:00.123456789Z","sla":"ok","position":20}}`)
		before, start := cpu(), time.Now()
		for want := int64(0); b.Loop(); {
			for range 20 {
				m, err := websocket.NewPreparedMessage(websocket.TextMessage, card)
				if err != nil {
					b.Fatal(err)
				}
				for _, ws := range all {
					if err := ws.WritePreparedMessage(m); err != nil {
						b.Fatal(err)
					}
				}
				want += sockets
			}
			for got.Load() < want {
				runtime.Gosched()
			}
		}
		report(b, got.Load(), time.Since(start), cpu()-before)
		for _, ws := range all {
			ws.Close()
		}
		wg.Wait()
	})
}

// settle waits until every frame that was handed to feeds has been read; sent is
// how many had been before got was counting.
func settle(b *testing.B, h *house, got *atomic.Int64, sent ...uint64) {
	b.Helper()
	over := time.Now().Add(patience)
	for quiet := 0; quiet < 3; {
		stats := h.board.Stats()
		if len(sent) > 0 && got.Load() >= int64(stats.Deliveries-sent[0]) || len(sent) == 0 && got.Load() >= int64(stats.Deliveries) {
			quiet++
		}
		if time.Now().After(over) {
			b.Fatalf("%d frames read, %d handed out, %d slow", got.Load(), stats.Deliveries, stats.Slow)
		}
		time.Sleep(200 * time.Microsecond) // a benchmark's pacing, not a test's wait
	}
}

func report(b *testing.B, deliveries int64, took, used time.Duration) {
	b.ReportMetric(float64(deliveries)/took.Seconds(), "deliveries/s")
	b.ReportMetric(float64(used.Microseconds())/float64(max(deliveries, 1)), "cpu-µs/delivery")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLatency measures from the moment a customer's message is handed to the
// store to the moment each of 200 operators has the card, at 20 messages a second
// whatever the answers take (open loop):
//
//	go test -run '^$' -bench Latency -benchtime 200x ./routing/live
func BenchmarkLatency(b *testing.B) {
	h := newHouse(b, live.Options{Each: 300}, "anna")
	var mu sync.Mutex
	begun := map[string]time.Time{}
	var samples []time.Duration
	stop := h.operators(200, "anna", func(data []byte) {
		at := time.Now()
		if !strings.HasPrefix(string(data[:min(len(data), 12)]), `{"t":"card"`) {
			return
		}
		_, rest, _ := strings.Cut(string(data), `"number":"`)
		number, _, _ := strings.Cut(rest, `"`)
		mu.Lock()
		defer mu.Unlock()
		if t, ok := begun[number]; ok {
			samples = append(samples, at.Sub(t))
		}
	})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	n := 0
	for b.Loop() {
		<-tick.C
		n++
		number := (&casecore.Case{Number: int64(n)}).CaseNumber()
		mu.Lock()
		begun[number] = time.Now()
		mu.Unlock()
		h.arrive("phones")
		if n > 100 { // keep the queue within its window
			if _, err := h.work.Next(b.Context(), casecore.Actor{ID: "op-boss", Roles: []string{casecore.RoleSupervisor}}, "phones"); err != nil {
				b.Fatal(err)
			}
		}
	}
	over := time.Now().Add(patience)
	for {
		mu.Lock()
		done := len(samples) >= 200*n
		mu.Unlock()
		if done || time.Now().After(over) {
			break
		}
		<-tick.C
	}
	stop()
	if len(samples) < 200*n {
		b.Fatalf("%d cards read, want %d", len(samples), 200*n)
	}
	slices.Sort(samples)
	at := func(q float64) float64 {
		return float64(samples[int(q*float64(len(samples)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkClaim is claims by 8 and by 64 operators at once, through the desk:
//
//	go test -run '^$' -bench Claim -benchtime 4000x ./routing/live
func BenchmarkClaim(b *testing.B) {
	for _, rivals := range []int{8, 64} {
		b.Run(fmt.Sprint(rivals), func(b *testing.B) {
			h := newHouse(b, live.Options{})
			for from := 0; from < b.N; from += 500 {
				h.do(func(tx store.Tx) error {
					for i := from; i < min(from+500, b.N); i++ {
						_, _, err := h.ledger.Open(tx, casecore.System("intake"), casecore.Draft{
							Customer: "cu-1", Channel: "webchat:site", To: visitor, Queue: "phones", Priority: casecore.Normal,
						}, casecore.Message{Direction: casecore.In, Channel: "webchat:site", ExternalID: fmt.Sprint("x", i), From: visitor, Body: channels.Body{Text: "x"}})
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
			took := make([]time.Duration, b.N)
			var no atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for r := range rivals {
				by := casecore.Actor{ID: fmt.Sprint("op-", r), Name: "op", Roles: []string{casecore.RoleOperator}, Queues: []string{"phones"}}
				wg.Go(func() {
					for n := no.Add(1); n <= int64(b.N); n = no.Add(1) {
						start := time.Now()
						if _, err := h.work.Claim(context.WithoutCancel(b.Context()), by, (&casecore.Case{Number: n}).CaseNumber()); err != nil {
							b.Error(err)
						}
						took[n-1] = time.Since(start)
					}
				})
			}
			wg.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
