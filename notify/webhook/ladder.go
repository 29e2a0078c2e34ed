package webhook

import "time"

// Patience is how long a delivery is tried, from when it was written or asked for
// again: the last try is at its end. What waited behind others for longer is tried
// once.
const Patience = 3 * 24 * time.Hour

// Ladder returns the waits after the first try, the second and so on; the last is
// repeated.
func Ladder() []time.Duration {
	const s, m, h = time.Second, time.Minute, time.Hour
	return []time.Duration{10 * s, m, 5 * m, 30 * m, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h}
}

// After this many tries in a row that failed, a receiver counts as out: one try at
// a time finds out when it is back.
const out = 3

// pauses returns the waits between the tries at a receiver that is out; the last
// is repeated. Each new event would be tried at once otherwise.
func pauses() []time.Duration {
	const s, m = time.Second, time.Minute
	return []time.Duration{10 * s, 30 * s, m, 2 * m, 5 * m}
}

// step is the wait after n steps of a ladder.
func step(ladder []time.Duration, n int) time.Duration {
	return ladder[min(max(n, 0), len(ladder)-1)]
}

// spread varies a span by a fifth either way, so that what failed together does
// not come back together.
func spread(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*random))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
