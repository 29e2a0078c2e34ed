package email

import (
	"crypto/rand"
	"fmt"
	"testing"

	"casewire/channels/channeltest"
)

// BenchmarkTakeIn takes in mails of 20 KB from a server in this process into a house
// in memory; the server's share of the time is in the figure.
func BenchmarkTakeIn(b *testing.B) {
	h := channeltest.NewHouse(b)
	w := newWorld(b, h)
	filler := make([]byte, 14<<10)
	for i := range b.N {
		_, _ = rand.Read(filler)
		raw := letter(fmt.Sprintf("waiting %d\n\n%s", i, wrapped(filler)), fmt.Sprintf("Message-ID: <w%d@mail.test>", i), fmt.Sprintf("From: c%d@mail.test", i%50))
		if err := w.srv.Put(shop, "INBOX", []byte(raw)); err != nil {
			b.Fatal(err)
		}
	}
	ch, err := w.Open(h.Env(channelID))
	if err != nil {
		b.Fatal(err)
	}
	full := counted(h.Book, int64(b.N))
	b.ResetTimer()
	stop := h.Start(b, ch, h.Book)
	<-full
	b.StopTimer()
	if _, err := stop(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
