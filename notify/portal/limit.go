package portal

import (
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often one network address may ask, and how many addresses are remembered.
const (
	perMinute = 60
	burst     = 30
	room      = 20000
)

// limiter holds a token bucket for each address, and forgets the one that was
// longest unused when there are too many. It is safe for concurrent use.
type limiter struct {
	rate  rate.Limit
	burst int
	room  int

	mu   sync.Mutex
	keys map[string]*list.Element
	used *list.List // most recent first
}

type bucket struct {
	key string
	*rate.Limiter
}

func newLimiter(perMinute, burst, room int) *limiter {
	return &limiter{rate: rate.Limit(float64(perMinute) / 60), burst: burst, room: room, keys: map[string]*list.Element{}, used: list.New()}
}

// take says whether key may go on now, and otherwise how many seconds it must wait.
func (l *limiter) take(key string, now time.Time) (wait int, ok bool) {
	r := l.bucket(key).ReserveN(now, 1)
	d := r.DelayFrom(now)
	if d <= 0 {
		return 0, true
	}
	r.CancelAt(now)
	return max(1, int(math.Ceil(d.Seconds()))), false
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
		delete(l.keys, l.used.Remove(l.used.Back()).(*bucket).key)
	}
	return b
}

// network is what counts as one address: of IPv6 the network, which a single
// customer is given whole.
func network(remote string) string {
	a, err := netip.ParseAddr(remote)
	if err != nil {
		p, err := netip.ParseAddrPort(remote)
		if err != nil {
			return remote
		}
		a = p.Addr()
	}
	if a = a.Unmap(); a.Is6() {
		return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
	}
	return a.String()
}
