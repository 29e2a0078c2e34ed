package lease_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casewire/casecore/lease"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
)

const ttl = 500 * time.Millisecond

// nodes runs a test of several nodes on one store, with a clock of its own.
func nodes(t *testing.T, test func(t *testing.T, st store.Store)) {
	t.Helper()
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		test(t, at.Open(t, lease.Collections()...))
	})
}

// severed is a store that a node cannot reach while it is cut off, as when the
// node is stopped or its network is gone.
type severed struct {
	store.Store
	off atomic.Bool
}

var errAway = errors.New("away")

func (s *severed) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.off.Load() {
		return errAway
	}
	return s.Store.Update(ctx, fn)
}

func TestOneHolderAtATimeWithAGrowingFence(t *testing.T) {
	nodes(t, func(t *testing.T, st store.Store) {
		var holders, runs atomic.Int64
		var last atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				l := lease.New(st, string(rune('a'+i)), lease.Options{TTL: 50 * time.Millisecond})
				err := l.Hold(t.Context(), "mailbox", func(_ context.Context, fence int64) error {
					if n := holders.Add(1); n != 1 {
						t.Errorf("%d holders at once", n)
					}
					if before := last.Swap(fence); before >= fence {
						t.Errorf("fence %d after %d", fence, before)
					}
					runs.Add(1)
					time.Sleep(300 * time.Millisecond) // of the bubble's clock, six times the lease: it is renewed
					holders.Add(-1)
					return nil
				})
				if err != nil {
					t.Errorf("hold: %v", err)
				}
			})
		}
		wg.Wait()
		if runs.Load() != 8 {
			t.Errorf("%d runs", runs.Load())
		}
	})
}

// skewed is a clock that is five minutes wrong (F12).
func skewed() time.Time { return time.Now().Add(-5 * time.Minute) }

func TestADeadNodesLeaseIsTakenOverWithinItsTime(t *testing.T) {
	for name, now := range map[string]func() time.Time{"clocks agree": nil, "clocks five minutes apart": skewed} {
		t.Run(name, func(t *testing.T) {
			nodes(t, func(t *testing.T, st store.Store) {
				dead := &severed{Store: st}
				holding, lost := make(chan int64, 1), make(chan time.Time, 1)
				var wg sync.WaitGroup
				defer wg.Wait()
				wg.Go(func() {
					err := lease.New(dead, "a", lease.Options{TTL: ttl}).Hold(t.Context(), "bot", func(ctx context.Context, fence int64) error {
						holding <- fence
						<-ctx.Done()
						lost <- time.Now()
						return context.Cause(ctx)
					})
					if !errors.Is(err, lease.ErrLost) {
						t.Errorf("the cut-off holder ended with %v", err)
					}
				})
				first := <-holding
				dead.off.Store(true)
				cut := time.Now()
				err := lease.New(st, "b", lease.Options{TTL: ttl, Now: now}).Hold(t.Context(), "bot", func(_ context.Context, fence int64) error {
					if fence <= first {
						t.Errorf("fence %d after %d", fence, first)
					}
					select {
					case at := <-lost:
						if time.Since(at) < 0 {
							t.Error("the old holder stopped after the new one began")
						}
					default:
						t.Error("the old holder still runs")
					}
					if d := time.Since(cut); d < ttl || d > ttl+ttl/5 {
						t.Errorf("taken over after %v, with a time of %v", d, ttl)
					}
					return nil
				})
				if err != nil {
					t.Errorf("hold: %v", err)
				}
			})
		})
	}
}

func TestALivingHolderKeepsItsLease(t *testing.T) {
	nodes(t, func(t *testing.T, st store.Store) {
		var wg sync.WaitGroup
		holding, done := make(chan struct{}), make(chan struct{})
		wg.Go(func() {
			err := lease.New(st, "a", lease.Options{TTL: ttl}).Hold(t.Context(), "x", func(ctx context.Context, _ int64) error {
				close(holding)
				<-done
				return ctx.Err()
			})
			if err != nil {
				t.Errorf("the holder: %v", err)
			}
		})
		<-holding
		ctx, cancel := context.WithTimeout(t.Context(), 3*ttl)
		defer cancel()
		err := lease.New(st, "b", lease.Options{TTL: ttl, Now: skewed}).Hold(ctx, "x", func(context.Context, int64) error {
			t.Error("took the lease of a living holder")
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the waiting node: %v", err)
		}
		close(done)
		wg.Wait()
	})
}

// What a paused node writes when it wakes up is refused: another has the lease (F18).
func TestAPausedNodesWritesFail(t *testing.T) {
	nodes(t, func(t *testing.T, st store.Store) {
		paused := lease.New(st, "paused", lease.Options{TTL: time.Hour})
		var fence int64
		release := make(chan struct{})
		var wg sync.WaitGroup
		held := make(chan struct{})
		wg.Go(func() {
			_ = paused.Hold(t.Context(), "x", func(_ context.Context, f int64) error {
				fence = f
				close(held)
				<-release // it neither renews nor notices anything
				return nil
			})
		})
		<-held
		confirm := func() error {
			return st.Update(t.Context(), func(tx store.Tx) error { return paused.Confirm(tx, "x", fence) })
		}
		if err := confirm(); err != nil {
			t.Errorf("while it holds the lease: %v", err)
		}
		other := lease.New(st, "other", lease.Options{TTL: ttl})
		err := other.Hold(t.Context(), "x", func(context.Context, int64) error {
			if err := confirm(); !errors.Is(err, lease.ErrLost) {
				t.Errorf("after it was taken over: %v, want ErrLost", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		close(release)
		wg.Wait()
	})
}

func TestAWaitingNodeGetsAFreedLeaseSoon(t *testing.T) {
	nodes(t, func(t *testing.T, st store.Store) {
		began := time.Now()
		for range 3 {
			if err := lease.New(st, store.NewID(), lease.Options{TTL: time.Hour}).Hold(t.Context(), "x", func(context.Context, int64) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}
