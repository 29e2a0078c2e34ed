package telegram

import (
	"context"
	"sync"
	"time"
)

// limiter spaces what the bot sends as the documentation asks (T7): so much per
// second in all, so much per chat and per group, people before machines. Its
// methods are safe for concurrent use.
//
// It works with the clock of its timers and not with the house's.
type limiter struct {
	gap      time.Duration // between any two messages
	chatGap  time.Duration // between two messages of a chat
	perGroup int           // messages per minute

	mu     sync.Mutex
	free   time.Time // when the bot may send next
	chats  map[int64]*spoor
	many   int // chats known after the last sweep
	urgent []*waiter
	bulk   []*waiter
	timer  *time.Timer
}

// spoor is what was sent to a chat lately.
type spoor struct {
	next  time.Time   // when it may get the next
	times []time.Time // of a group, the last minute
}

type waiter struct {
	chat  int64
	to    *spoor
	ready chan struct{}
}

func newLimiter(l Limits) *limiter {
	second := int64(time.Second)
	return &limiter{
		// Rounded up: thirty of these are never less than a second.
		gap:     time.Duration((second + int64(l.PerSecond) - 1) / int64(l.PerSecond)),
		chatGap: l.PerChat, perGroup: l.PerGroup, chats: map[int64]*spoor{},
	}
}

// wait returns when a message may be sent to a chat, or with the error of ctx.
func (l *limiter) wait(ctx context.Context, chat int64, bulk bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &waiter{chat: chat, ready: make(chan struct{})}
	l.mu.Lock()
	w.to = l.spoor(chat)
	queue := &l.urgent
	if bulk {
		queue = &l.bulk
	}
	*queue = append(*queue, w)
	l.grant()
	l.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		*queue = without(*queue, w)
		return ctx.Err()
	}
}

// pause lets nothing out for a while: the provider asked for it.
func (l *limiter) pause(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.free) {
		l.free = until
	}
}

// paused says how long nothing goes out.
func (l *limiter) paused() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := time.Until(l.free); d > l.gap {
		return d
	}
	return 0
}

// spoor returns what is known of a chat. The caller holds mu.
func (l *limiter) spoor(chat int64) *spoor {
	s := l.chats[chat]
	if s == nil {
		if len(l.chats) > 2*l.many+1000 {
			l.sweep()
		}
		s = &spoor{}
		l.chats[chat] = s
	}
	return s
}

// sweep forgets chats that nothing was sent to lately and nobody waits for.
func (l *limiter) sweep() {
	wanted := map[int64]bool{}
	for _, w := range append(append([]*waiter(nil), l.urgent...), l.bulk...) {
		wanted[w.chat] = true
	}
	old := time.Now().Add(-time.Minute)
	for id, s := range l.chats {
		if !wanted[id] && s.next.Before(old) {
			delete(l.chats, id)
		}
	}
	l.many = len(l.chats)
}

// grant lets go who may go now and sets the timer for the next. The caller holds
// mu.
func (l *limiter) grant() {
	for len(l.urgent)+len(l.bulk) > 0 {
		now := time.Now()
		if now.Before(l.free) {
			l.arm(l.free.Sub(now))
			return
		}
		i, soonest := ready(l.urgent, now, time.Time{})
		queue := &l.urgent
		if i < 0 {
			queue = &l.bulk
			i, soonest = ready(l.bulk, now, soonest)
		}
		if i < 0 {
			l.arm(soonest.Sub(now))
			return
		}
		w := (*queue)[i]
		*queue = append((*queue)[:i], (*queue)[i+1:]...)
		l.free = now.Add(l.gap)
		l.took(w, now)
		close(w.ready)
	}
}

// took notes a message to a chat.
func (l *limiter) took(w *waiter, now time.Time) {
	w.to.next = now.Add(l.chatGap)
	if w.chat > 0 {
		return
	}
	t := append(w.to.times, now)
	if len(t) > l.perGroup {
		t = t[len(t)-l.perGroup:]
	}
	w.to.times = t
	if len(t) == l.perGroup {
		if next := t[0].Add(time.Minute); next.After(w.to.next) {
			w.to.next = next
		}
	}
}

// ready returns the first waiter whose chat may get a message, or -1 and when the
// soonest may.
func ready(queue []*waiter, now, soonest time.Time) (int, time.Time) {
	for i, w := range queue {
		if !now.Before(w.to.next) {
			return i, soonest
		}
		if soonest.IsZero() || w.to.next.Before(soonest) {
			soonest = w.to.next
		}
	}
	return -1, soonest
}

func (l *limiter) arm(d time.Duration) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.grant()
	})
}

func without(queue []*waiter, w *waiter) []*waiter {
	for i := range queue {
		if queue[i] == w {
			return append(queue[:i], queue[i+1:]...)
		}
	}
	return queue
}
