package outbox

import (
	"time"

	"casewire/channels"
)

// When a channel is left alone, and for how long at first and at most.
const (
	failures    = 5 // in a row
	pauseFirst  = 5 * time.Second
	pauseMost   = 2 * time.Minute
	missetFirst = time.Minute
	missetMost  = 15 * time.Minute
	throttle    = 30 * time.Second // when the provider does not say how long
)

// gate decides whether a channel may be used now. After failures in a row it
// closes for a while and then lets one notice try, so that an outage costs few
// attempts and no other channel notices it.
type gate struct {
	failed int // in a row
	pauses int // in a row
	until  time.Time
	reason channels.Reason // of the pause
}

// open says how many sends may run at once on the channel, of at most workers.
func (g *gate) open(now time.Time, workers int) int {
	switch {
	case now.Before(g.until):
		return 0
	case g.failed >= failures:
		return 1
	}
	return workers
}

// works takes in that the channel works. What began before the provider asked for a
// pause does not end it.
func (g *gate) works(now time.Time) {
	if g.reason == channels.Throttled && now.Before(g.until) {
		g.failed, g.pauses = 0, 0
		return
	}
	*g = gate{}
}

// note takes in how a send ended. A refusal of the message itself shows that the
// channel works.
func (g *gate) note(now time.Time, e *channels.SendError) {
	if e == nil {
		g.works(now)
		return
	}
	switch e.Reason {
	case channels.Throttled:
		wait := e.RetryAfter
		if wait <= 0 {
			wait = throttle
		}
		g.pause(now, wait, e.Reason)
	case channels.Misset:
		g.failed = failures
		g.backOff(now, missetFirst, missetMost, e)
	case channels.Unreachable, channels.Unsure:
		if e.Recipient {
			g.works(now)
			return
		}
		if g.failed++; g.failed >= failures {
			g.backOff(now, pauseFirst, pauseMost, e)
		}
	default:
		g.works(now)
	}
}

// backOff pauses twice as long as the last time. What ends during a pause began
// before it and does not make it longer.
func (g *gate) backOff(now time.Time, first, most time.Duration, e *channels.SendError) {
	if now.Before(g.until) {
		return
	}
	wait := min(first<<min(g.pauses, 10), most)
	g.pauses++
	g.pause(now, max(wait, e.RetryAfter), e.Reason)
}

func (g *gate) pause(now time.Time, wait time.Duration, why channels.Reason) {
	if until := now.Add(wait); until.After(g.until) {
		g.until, g.reason = until, why
	}
}
