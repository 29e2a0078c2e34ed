package webchat

import (
	"container/list"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter holds one token bucket for each key, and forgets the keys that were
// longest unused when there are too many. It is safe for concurrent use.
type limiter struct {
	rate  rate.Limit
	burst int
	room  int // keys remembered at most

	mu   sync.Mutex
	keys map[string]*list.Element
	used *list.List // most recent first
}

type bucket struct {
	key string
	*rate.Limiter
}

func newLimiter(perMinute, burst, room int) *limiter {
	return newBudget(perMinute, time.Minute, burst, room)
}

// newBudget is a limiter of n in each period.
func newBudget(n int, period time.Duration, burst, room int) *limiter {
	return &limiter{
		rate: rate.Limit(float64(n) / period.Seconds()), burst: max(burst, 1), room: room,
		keys: make(map[string]*list.Element), used: list.New(),
	}
}

// take says whether key may go on now, and otherwise how long it must wait.
func (l *limiter) take(key string, now time.Time) (wait time.Duration, ok bool) {
	return l.takeN(key, 1, now)
}

// takeN is take for n at once, which must not be more than the burst.
func (l *limiter) takeN(key string, n int, now time.Time) (wait time.Duration, ok bool) {
	r := l.bucket(key).ReserveN(now, n)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait, false
	}
	return 0, true
}

func (l *limiter) bucket(key string) *bucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.keys[key]; ok {
		l.used.MoveToFront(e)
		return e.Value.(*bucket)
	}
	b := &bucket{key, rate.NewLimiter(l.rate, l.burst)}
	l.keys[key] = l.used.PushFront(b)
	if l.used.Len() > l.room {
		old := l.used.Remove(l.used.Back()).(*bucket)
		delete(l.keys, old.key)
	}
	return b
}

// addressShare is how many visitors' worth one network address may send: a
// stranger becomes a new visitor with every hello, and an office shares one address.
const addressShare = 5

// paced limits a visitor, and all visitors of a network address together (W6).
type paced struct{ visitors, addresses *limiter }

func newPaced(perMinute, burst int) paced {
	burst = max(burst, 1)
	return paced{
		visitors:  newLimiter(perMinute, burst, limiterRoom),
		addresses: newLimiter(addressShare*perMinute, addressShare*burst, limiterRoom),
	}
}

// excess says who has had too much, of how much, and how long to wait.
type excess struct {
	who   string
	limit int // per minute
	wait  time.Duration
}

func (e excess) detail(what string) string {
	return fmt.Sprintf("%s of this %s: at most %d a minute; again in %s", what, e.who, e.limit, seconds(e.wait))
}

// seconds writes a wait so that whoever keeps to it has waited long enough.
func seconds(d time.Duration) string { return strconv.Itoa(wholeSeconds(d)) + " s" }

func wholeSeconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// take says whether both may go on. What a visitor has too much costs the address
// nothing.
func (p paced) take(visitor, address string, now time.Time) (excess, bool) {
	if wait, ok := p.visitors.take(visitor, now); !ok {
		return excess{"visitor", p.visitors.perMinute(), wait}, false
	}
	if wait, ok := p.addresses.take(address, now); !ok {
		return excess{"address", p.addresses.perMinute(), wait}, false
	}
	return excess{}, true
}

func (l *limiter) perMinute() int { return int(math.Round(float64(l.rate) * 60)) }
