package mongo

import (
	"context"
	"math/rand/v2"
	"time"
)

// patience spaces attempts and ends them.
type patience struct {
	until time.Time
	n     int
}

func (s *Store) patience() *patience { return &patience{until: time.Now().Add(s.opts.Patience)} }

// pause waits before the next attempt: a little at first, half a second at most.
// It answers ErrUnavailable when there is to be none.
func (p *patience) pause(ctx context.Context) error {
	if time.Now().After(p.until) {
		return ErrUnavailable
	}
	d := min(2*time.Millisecond<<min(p.n, 10), 500*time.Millisecond)
	p.n++
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
