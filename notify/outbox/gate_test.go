package outbox

import (
	"testing"
	"time"

	"casewire/channels"
)

func TestGate(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	away := &channels.SendError{Reason: channels.Unreachable, Retry: true}
	var g gate
	for range failures - 1 {
		g.note(now, away)
	}
	if g.open(now, 8) != 8 {
		t.Error("closed before enough failures in a row")
	}
	g.note(now, &channels.SendError{Reason: channels.BadAddress})
	g.note(now, away)
	if g.failed != 1 {
		t.Error("a refused message does not show that the channel works")
	}
	for range 3 * failures {
		g.note(now, &channels.SendError{Reason: channels.Unreachable, Retry: true, Recipient: true})
	}
	if g.open(now, 8) != 8 {
		t.Error("greylisted recipients closed the channel")
	}
	g.note(now, away)
	for range failures {
		g.note(now, away)
	}
	var pauses []time.Duration
	for range 8 {
		if g.open(now, 8) != 0 {
			t.Fatal("open during its pause")
		}
		pauses = append(pauses, g.until.Sub(now))
		before := g.until
		g.note(now.Add(time.Millisecond), away)
		if !g.until.Equal(before) {
			t.Error("a send that began before the pause made it longer")
		}
		now = g.until
		if n := g.open(now, 8); n != 1 {
			t.Fatalf("%d sends after the pause, want one to try", n)
		}
		g.note(now, away)
	}
	for i, p := range pauses {
		if want := min(pauseFirst<<i, pauseMost); p != want {
			t.Errorf("pause %d is %v, want %v", i, p, want)
		}
	}
	g.note(now, nil)
	if g.open(now, 8) != 8 {
		t.Error("closed after a success")
	}
}

func TestLadderIsSpread(t *testing.T) {
	for _, tc := range []struct {
		random float64
		want   time.Duration
	}{{0, 8 * time.Minute}, {0.5, 10 * time.Minute}, {1, 12 * time.Minute}} {
		if got := spread(10*time.Minute, tc.random); got != tc.want {
			t.Errorf("spread at %v is %v, want %v", tc.random, got, tc.want)
		}
	}
}
