package shift_test

import (
	"testing"
	"time"

	"casewire/notify/shift"
)

const ttl = time.Minute

// TestALeaseIsOverByOurOwnClock has a worker whose clock is five minutes off in either
// direction: what it writes as the end of its lease says nothing by itself.
func TestALeaseIsOverByOurOwnClock(t *testing.T) {
	for _, skew := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
		o := shift.Others[string]{TTL: ttl}
		at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		end := at.Add(skew)
		see := func(after time.Duration, want time.Duration) {
			t.Helper()
			at = at.Add(after)
			next := o.See(map[string]time.Time{"n1": end}, at)
			if got := next.Sub(at); got != want {
				t.Errorf("skew %v: over in %v, want %v", skew, got, want)
			}
			if got := o.Silent("n1", end, at); got != (want == 0) {
				t.Errorf("skew %v: silent is %v with %v to go", skew, got, want)
			}
		}
		see(0, ttl)
		see(40*time.Second, 20*time.Second)
		end = end.Add(ttl) // it shows life
		see(time.Second, ttl)
		see(59*time.Second, time.Second)
		see(time.Second, 0)
		see(time.Hour, 0)
	}
}

func TestALeaseThatNobodySawIsNotOver(t *testing.T) {
	o := shift.Others[string]{TTL: ttl}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	if o.Silent("n1", now.Add(-time.Hour), now) {
		t.Error("a lease seen for the first time counts as silent")
	}
	if next := o.See(nil, now); !next.IsZero() {
		t.Errorf("no leases, and yet one is over at %v", next)
	}
	lease := map[string]time.Time{"n1": {}}
	o.See(lease, now)
	o.See(nil, now.Add(30*time.Second)) // its worker gave it back
	o.See(lease, now.Add(40*time.Second))
	if o.Silent("n1", time.Time{}, now.Add(ttl)) {
		t.Error("a lease taken anew inherits the silence of the earlier one")
	}
}

// TestAloneTakesOverAtOnce has a store that no other process works on: who had the
// leases is dead. Later ones can only be our own.
func TestAloneTakesOverAtOnce(t *testing.T) {
	o := shift.Others[string]{TTL: ttl, Alone: true}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	lease := map[string]time.Time{"n1": now.Add(time.Hour)}
	if next := o.See(lease, now); !next.Equal(now) {
		t.Errorf("over at %v, want at once", next)
	}
	o.TookOver()
	if o.Silent("n2", now, now) {
		t.Error("after the take-over, a lease is over at once")
	}
}
