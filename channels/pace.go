package channels

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Pace spaces what a door sends by itself, so that a burst of notices stays within
// what its provider allows. What a person wrote is never held up: it goes at once,
// and notices wait the longer. The zero value holds nothing up. It is safe for
// concurrent use.
type Pace struct{ limit *rate.Limiter }

// NewPace returns the pace of n messages in a time; 0 sets none.
func NewPace(n int, in time.Duration) Pace {
	if n <= 0 {
		return Pace{}
	}
	return Pace{rate.NewLimiter(rate.Every(in/time.Duration(n)), 1)}
}

// Wait returns when m may be sent, or with a *SendError when ctx ends before: then
// nothing was sent.
func (p Pace) Wait(ctx context.Context, m Outbound) error {
	switch {
	case p.limit == nil:
		return nil
	case !m.Auto:
		p.limit.Reserve()
		return nil
	}
	if err := p.limit.Wait(ctx); err != nil {
		return &SendError{Reason: Unreachable, Retry: true, Err: err}
	}
	return nil
}
