package shift_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"casewire/notify/shift"
)

// house is a room with one deed of a given length, begun in the first round. Its store
// takes ends in while takes is true.
type house struct {
	*shift.Shift[error]
	length time.Duration
	deaf   bool // the deed does not heed its context
	takes  bool

	begun, recorded int
	ends            []error
}

func (h *house) round(_, deeds context.Context) time.Duration {
	if h.takes {
		h.recorded += len(h.Finished)
		h.ends = append(h.ends, h.Finished...)
		h.Finished = nil
	}
	if h.begun == 0 && !h.Stopping {
		h.begun++
		h.Begin(func() error { return h.deed(deeds) })
	}
	return time.Hour
}

func (h *house) deed(ctx context.Context) error {
	if h.deaf {
		time.Sleep(h.length)
		return nil
	}
	select {
	case <-time.After(h.length):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func TestStop(t *testing.T) {
	const grace = 10 * time.Second
	for _, c := range []struct {
		name   string
		house  house
		stop   time.Duration // after the start
		ends   time.Duration // after the start
		want   error
		unkept bool
	}{
		{name: "nothing runs: at once", house: house{length: time.Second, takes: true}, stop: 5 * time.Second, ends: 5 * time.Second},
		{name: "a deed that ends in time is waited for", house: house{length: 8 * time.Second, takes: true}, stop: time.Second, ends: 8 * time.Second},
		{name: "one that does not is cut", house: house{length: time.Hour, takes: true}, stop: time.Second, ends: 11 * time.Second, want: shift.ErrCut},
		{name: "one that cannot be cut is waited for", house: house{length: time.Minute, deaf: true, takes: true}, stop: time.Second, ends: time.Minute},
		{name: "what the store does not take is left to the lease", house: house{length: 2 * time.Second}, stop: time.Second, ends: 11 * time.Second, unkept: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithTimeout(t.Context(), c.stop)
				defer stop()
				h := c.house
				h.Shift = shift.New[error]()
				start := time.Now()
				h.Run(ctx, nil, shift.Room[error]{Grace: grace, Round: h.round, Open: func() int { return h.begun - h.recorded }})
				if took := time.Since(start); took != c.ends {
					t.Errorf("ended after %v, want %v", took, c.ends)
				}
				if c.unkept {
					if len(h.Finished) != 1 {
						t.Errorf("%d ends are known, want the one that the store did not take", len(h.Finished))
					}
					return
				}
				if len(h.ends) != 1 || !errors.Is(h.ends[0], c.want) {
					t.Errorf("recorded %v, want %v", h.ends, c.want)
				}
			})
		})
	}
}

func TestEachEndIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s, begun, recorded := shift.New[int](), 0, 0
		var told []int
		go func() {
			time.Sleep(time.Minute)
			stop()
		}()
		s.Run(ctx, nil, shift.Room[int]{
			Grace: time.Second,
			Open:  func() int { return begun - recorded },
			Ended: func(i int) { told = append(told, i) },
			Round: func(context.Context, context.Context) time.Duration {
				recorded += len(s.Finished)
				s.Finished = nil
				for ; begun < 200; begun++ {
					i := begun
					s.Begin(func() int { return i })
				}
				return time.Hour
			},
		})
		seen := map[int]bool{}
		for _, i := range told {
			seen[i] = true
		}
		if len(told) != 200 || len(seen) != 200 || recorded != 200 {
			t.Errorf("told of %d ends, %d different ones, %d recorded; want 200 of each", len(told), len(seen), recorded)
		}
	})
}
