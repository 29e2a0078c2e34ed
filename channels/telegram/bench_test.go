package telegram

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"casewire/channels"
)

// BenchmarkTakeIn measures text messages from the sandbox, over HTTP, into the
// suite's book: one that keeps them at once, which shows what the door itself can
// do, and one that takes as long as a slow disk for each.
//
//	go test -run '^$' -bench BenchmarkTakeIn -benchtime 20000x ./channels/telegram
func BenchmarkTakeIn(b *testing.B) {
	b.Run("store=0ms", func(b *testing.B) { takeIn(b, 0) })
	b.Run("store=5ms", func(b *testing.B) { takeIn(b, 5*time.Millisecond) })
}

func takeIn(b *testing.B, commit time.Duration) {
	o := prepare(b)
	if commit > 0 {
		o.house.Book.Before = func(ctx context.Context, _ channels.Inbound) error { return pause(ctx, commit) }
	}
	for i := range b.N {
		o.api.Say(customer+int64(i%500), fmt.Sprint("message ", i))
	}
	b.ResetTimer()
	before := processorTime()
	o.start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		hints := o.api.Watch(b.Context(), 0)
		for o.api.Waiting() > 0 {
			<-hints
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		b.Error("not all were taken in within a minute")
	}
	b.StopTimer()
	if n := len(o.house.Book.Messages()); n != b.N {
		b.Errorf("%d messages of %d", n, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N), "cpu-µs/update")
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
