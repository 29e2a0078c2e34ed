package outbox

import (
	"time"

	"casewire/channels"
)

// Ladder returns how long to wait after the first try, the second and so on. A
// notice that fails once more than the ladder has steps is given up.
func Ladder(kind channels.Kind) []time.Duration {
	const m, h = time.Minute, time.Hour
	mail := []time.Duration{7 * m, 15 * m, 30 * m, h, 2 * h, 4 * h, 8 * h, 16 * h}
	switch {
	case kind == channels.Email:
		return mail
	case kind.Hosted():
		return append([]time.Duration{time.Second, 5 * time.Second, 15 * time.Second, m}, mail...)
	}
	return append([]time.Duration{15 * time.Second, m}, mail...)
}

// Doubt is what to do when a provider may or may not have taken a message.
type Doubt string

// Policies. A message that is sent again carries the same id, by which the
// receiver can drop it.
const (
	Resend Doubt = "resend"
	Hold   Doubt = "hold" // wait for a receipt, and give up aloud without one
)

// InDoubt is the policy of a kind: what can be repeated is sent again, what people
// would read twice is not (T7, S3).
func InDoubt(kind channels.Kind) Doubt {
	if kind.Repeatable() {
		return Resend
	}
	return Hold
}

// spread varies a span by a fifth either way, so that what failed together does
// not come back together.
func spread(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*random))
}
