package channels_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"casewire/channels"
)

// Notices go out at the pace that was set and no slower; what a person writes in
// between is not held up, and counts.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := channels.NewPace(20, time.Second)
		began := time.Now()
		for range 1000 {
			if err := p.Wait(t.Context(), channels.Outbound{Auto: true}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 49900*time.Millisecond || took > 50*time.Second {
			t.Errorf("1,000 at 20 a second took %v", took)
		}
		before := time.Now()
		for range 40 {
			if err := p.Wait(t.Context(), channels.Outbound{}); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("a person waited %v", waited)
		}
		if err := p.Wait(t.Context(), channels.Outbound{Auto: true}); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(before); waited < 2*time.Second {
			t.Errorf("what people wrote does not count: the next notice waited %v", waited)
		}
	})
}

// Without a pace nothing waits; a wait that is cut short is a send to be tried
// again.
func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for range 1000 {
			if err := channels.NewPace(0, time.Second).Wait(t.Context(), channels.Outbound{Auto: true}); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(began) != 0 {
			t.Error("no pace was set, and something waited")
		}
		p := channels.NewPace(1, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		if err := p.Wait(ctx, channels.Outbound{Auto: true}); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, cancel)
		err := p.Wait(ctx, channels.Outbound{Auto: true})
		if e, ok := errors.AsType[*channels.SendError](err); !ok || !e.Retry {
			t.Errorf("cut short: %v", err)
		}
	})
}
