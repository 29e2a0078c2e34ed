package webhook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify/webhook"
)

// BenchmarkOwe is what webhooks cost the transaction that opens a case: 50 cases a
// commit, with so many subscribers.
func BenchmarkOwe(b *testing.B) {
	for _, n := range []int{0, 1, 4} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var subs []webhook.Subscription
			for i := range n {
				subs = append(subs, hook(fmt.Sprint("s", i)))
			}
			h := newHouse(b, subs...)
			defer h.close()
			for from := 0; b.Loop(); from++ {
				h.openCases(50)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/50, "µs/case")
		})
	}
}

func (h *house) openCases(n int) {
	h.t.Helper()
	to := channels.Address{Kind: channels.Telegram, Handle: "anna"}
	h.update(func(tx store.Tx) error {
		for range n {
			if _, _, err := h.ledger.Open(tx, master, casecore.Draft{Channel: "telegram:bot", To: to, Queue: "phones"},
				casecore.Message{Direction: casecore.Note, Body: channels.Body{Text: "it is broken"}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// BenchmarkPosts is how fast deliveries that wait reach one receiver on a real
// socket: leased, signed, posted, recorded.
func BenchmarkPosts(b *testing.B) {
	var heard sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Done() }))
	defer srv.Close()
	h := newHouse(b, real(srv.URL))
	defer h.close()
	heard.Add(b.N)
	for left := b.N; left > 0; left -= 50 {
		h.openCases(min(50, left))
	}
	b.ResetTimer()
	_, stop := h.startReal()
	heard.Wait()
	b.StopTimer()
	stop()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}
