package staff

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// TooMany is the refusal of a sign-in because too many went wrong before it.
type TooMany struct{ RetryAfter time.Duration }

func (t *TooMany) Error() string {
	return fmt.Sprintf("too many attempts; try again in %s", t.RetryAfter.Round(time.Second))
}

// limiter is a bucket of attempts for each key. It forgets keys whose buckets
// are full again and holds at most most of them, so that strangers cannot fill
// the memory.
type limiter struct {
	burst float64
	every time.Duration // one attempt comes back
	most  int

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(burst int, every time.Duration, most int) *limiter {
	return &limiter{burst: float64(burst), every: every, most: most, buckets: map[string]bucket{}}
}

// take uses up one attempt of key, or returns how long to wait for one.
func (l *limiter) take(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.now(key, now)
	if b.left < 1 {
		return max(time.Second, time.Duration((1-b.left)*float64(l.every)))
	}
	b.left--
	if _, known := l.buckets[key]; !known && len(l.buckets) >= l.most {
		l.makeRoom(now)
	}
	l.buckets[key] = b
	return 0
}

// giveBack returns an attempt that went well.
func (l *limiter) giveBack(key string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.now(key, now)
	if b.left++; b.left >= l.burst {
		delete(l.buckets, key)
		return
	}
	l.buckets[key] = b
}

// forget fills the bucket of key.
func (l *limiter) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.buckets, key)
}

// forgetUnder fills the buckets whose keys begin so.
func (l *limiter) forgetUnder(prefix string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.buckets, func(key string, _ bucket) bool { return strings.HasPrefix(key, prefix) })
}

func (l *limiter) now(key string, now time.Time) bucket {
	b, ok := l.buckets[key]
	if !ok {
		return bucket{left: l.burst, at: now}
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(l.burst, b.left+float64(passed)/float64(l.every))
		b.at = now
	}
	return b
}

// makeRoom drops the buckets that are full again, and if that was nothing, the
// one that misses least.
func (l *limiter) makeRoom(now time.Time) {
	var fullest string
	most := -1.0
	for key := range l.buckets {
		b := l.now(key, now)
		if b.left >= l.burst {
			delete(l.buckets, key)
			continue
		}
		if b.left > most {
			fullest, most = key, b.left
		}
	}
	if len(l.buckets) >= l.most {
		delete(l.buckets, fullest)
	}
}

// remoteKey groups the addresses that one party commands: an IPv4 address, or
// the /64 of an IPv6 one.
func remoteKey(remote string) string {
	a, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
