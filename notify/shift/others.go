package shift

import "time"

// Others are the leases, named by K, that other workers have. Their clocks may be
// minutes ahead or behind: what counts is for how long a lease has shown no sign of
// life, by our own.
type Others[K comparable] struct {
	TTL   time.Duration // how long a silent worker keeps a lease
	Alone bool          // no other process works on this store: leases of an earlier one are over at once

	tookOver bool
	seen     map[K]sight
}

// sight is how a lease stood, and since when.
type sight struct{ sign, since time.Time }

// See takes note of the leases that others have now. Each comes with what changes when
// its worker shows life, such as the end of the lease; the zero time for what never
// does. next is when the first of them will have been silent for TTL; zero: there is
// none.
func (o *Others[K]) See(leases map[K]time.Time, now time.Time) (next time.Time) {
	before := o.seen
	o.seen = make(map[K]sight, len(leases))
	for k, sign := range leases {
		s, known := before[k]
		if !known || !s.sign.Equal(sign) {
			s = sight{sign, now}
		}
		o.seen[k] = s
		over := s.since.Add(o.TTL)
		if o.Silent(k, sign, now) {
			over = now
		}
		if next.IsZero() || over.Before(next) {
			next = over
		}
	}
	return next
}

// Silent says that a lease that stands so now may be taken over.
func (o *Others[K]) Silent(k K, sign, now time.Time) bool {
	s, known := o.seen[k]
	return o.Alone && !o.tookOver || known && s.sign.Equal(sign) && now.Sub(s.since) >= o.TTL
}

// TookOver says that the leases of an earlier process have been taken over.
func (o *Others[K]) TookOver() { o.tookOver = true }
