package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"casewire/channels"
)

// waits are how long the door waits before it tries again.
type waits struct {
	first, most       time.Duration // Telegram is away
	wrong             time.Duration // token or server is wrong
	elsewhere         time.Duration // somebody else polls, at first
	store, storeMost  time.Duration // the house does not take a message
	fetch             time.Duration // a file, at first
	lag               time.Duration // how long the next request waits for messages in hand
	grace             time.Duration // for messages in hand at the stop
	seen              time.Duration // how often it is kept that Telegram was asked
	reach, forgets    time.Duration // how old a cursor may be; how long Telegram keeps updates
	checkHook, renews time.Duration // how often the webhook is looked at, when wrong and when right
}

func usualWaits() waits {
	return waits{
		first: 500 * time.Millisecond, most: 30 * time.Second, wrong: time.Minute, elsewhere: 5 * time.Second,
		store: 100 * time.Millisecond, storeMost: 3 * time.Second, fetch: 500 * time.Millisecond,
		lag: 250 * time.Millisecond, grace: 500 * time.Millisecond, seen: time.Hour,
		reach: 5 * 24 * time.Hour, forgets: 24 * time.Hour, checkHook: 15 * time.Second, renews: 5 * time.Minute,
	}
}

// window is the updates that were fetched and are not confirmed, in the order they
// came. Numbers are only compared for being equal: after a quiet week Telegram
// goes on from any number it likes (T2).
type window struct {
	mu      sync.Mutex
	order   []*entry
	past    []int64 // done, and not known to be confirmed: a request under way may bring them again
	known   map[int64]bool
	offset  int64         // confirms everything before the first that is not done; 0: nothing to confirm
	changed chan struct{} // closed and replaced when an update is done
}

type entry struct {
	u    update
	done bool
}

func newWindow(offset int64) *window {
	return &window{known: map[int64]bool{}, offset: offset, changed: make(chan struct{})}
}

// put returns the entry of an update, nil for one that is in hand already.
func (w *window) put(u update) *entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known[u.ID] {
		return nil
	}
	e := &entry{u: u}
	w.known[u.ID], w.order = true, append(w.order, e)
	return e
}

// cursor returns what to store with an update: how far all is done once it is.
// Out of order it says nothing.
func (w *window) cursor(e *entry, now time.Time) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 || w.order[0] != e {
		return nil
	}
	b, err := json.Marshal(cursor{Offset: e.u.ID + 1, At: now.Unix()})
	if err != nil {
		return nil
	}
	return b
}

// cursor is what the house keeps for the door: where to begin after a restart.
type cursor struct {
	Offset int64 `json:"offset"`
	At     int64 `json:"at"` // Unix seconds
}

// done notes that an update is durable. The offset moves over what is done without
// a gap.
func (w *window) done(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.done = true
	for len(w.order) > 0 && w.order[0].done {
		w.offset = w.order[0].u.ID + 1
		w.past = append(w.past, w.order[0].u.ID)
		w.order = w.order[1:]
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// next returns the offset to send, and whether updates are in hand.
func (w *window) next() (offset int64, busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.offset, len(w.order) > 0
}

// confirmed forgets an offset that Telegram has taken. The next request then asks
// for whatever is not confirmed, so that no number of ours can hide updates that
// begin again at a lower one.
func (w *window) confirmed(offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.offset == offset {
		w.offset = 0
	}
	if i := slices.Index(w.past, offset-1); i >= 0 {
		for _, id := range w.past[:i+1] {
			delete(w.known, id)
		}
		w.past = slices.Clone(w.past[i+1:])
	}
}

// idle returns when nothing is in hand, after at most d, or when ctx is done.
func (w *window) idle(ctx context.Context, d time.Duration) {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		w.mu.Lock()
		busy, changed := len(w.order) > 0, w.changed
		w.mu.Unlock()
		if !busy {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// getUpdates are the parameters of a request for updates.
type getUpdates struct {
	Offset  int64    `json:"offset,omitempty"`
	Limit   int      `json:"limit"`
	Timeout int      `json:"timeout"` // seconds
	Allowed []string `json:"allowed_updates,omitempty"`
}

// poll asks for updates until ctx is done (T1, T2). What it has fetched is worked
// on under work.
func (d *Door) poll(ctx, work context.Context, in channels.Sink) {
	w := newWindow(d.resume(ctx))
	tries, served := 0, false
	for ctx.Err() == nil {
		// The first request after a trouble does not wait for messages, so that
		// it is known at once that the trouble is over.
		fresh, err := d.ask(ctx, w, served)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			tries++
			served = false
			r := asRefusal(err)
			d.ill(ctx, r)
			wait := d.backOff(r, tries)
			if name, _ := r.state(); name == "webhook" && d.dropHook(ctx) {
				wait = d.waits.first
			}
			_ = pause(ctx, wait)
			continue
		}
		tries, served = 0, true
		d.well(ctx)
		d.learn(ctx)
		for _, e := range fresh {
			d.lanes.put(work, e.u.lane(), func(ctx context.Context) { d.work(ctx, w, e, in) })
		}
		lag := d.waits.lag
		if len(fresh) == 0 {
			lag *= 4 // all that Telegram shows is in hand: it would show it again at once
		}
		w.idle(ctx, lag)
	}
}

// ask makes one request and returns the updates that are new. A long one waits
// for some, unless there are any in hand.
func (d *Door) ask(ctx context.Context, w *window, long bool) ([]*entry, error) {
	offset, busy := w.next()
	wait := d.cfg.Times.Poll
	if busy || !long {
		wait = 0
	}
	call, cancel := context.WithTimeout(ctx, wait+d.cfg.Times.Call)
	defer cancel()
	var raws []json.RawMessage
	err := d.api.call(call, "getUpdates", getUpdates{Offset: offset, Limit: 100, Timeout: int(wait / time.Second), Allowed: allowed}, &raws)
	if err != nil {
		return nil, err
	}
	w.confirmed(offset)
	d.remember(ctx)
	var fresh []*entry
	for _, raw := range raws {
		u, err := readUpdate(raw)
		if err != nil {
			d.count.ignored.Add(1)
			d.log.WarnContext(ctx, "an update cannot be read", "err", err)
			continue
		}
		if e := w.put(u); e != nil {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// work takes an update in, again and again until it is durable.
func (d *Door) work(ctx context.Context, w *window, e *entry, in channels.Sink) {
	for wait := d.waits.store; ; wait = min(2*wait, d.waits.storeMost) {
		err := d.take(ctx, e.u, w.cursor(e, d.env.Now()), in)
		if err == nil {
			d.health.store(nil)
			w.done(e)
			return
		}
		if ctx.Err() != nil {
			return
		}
		d.storeFailed(ctx, err)
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// backOff says how long to leave Telegram alone (T1: never spin).
func (d *Door) backOff(r *refusal, tries int) time.Duration {
	w := d.waits
	first, most := w.first, w.most
	switch name, _ := r.state(); name {
	case "throttled":
		return max(r.after, time.Second)
	case "token", "foreign":
		return spread(w.wrong)
	case "elsewhere", "webhook":
		first, most = w.elsewhere, max(w.most, w.wrong)
	}
	return spread(min(first<<min(tries-1, 10), most))
}

// spread keeps programs that fail together from trying together.
func spread(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// resume returns the offset at which the last Run ended. An old one is not sent:
// Telegram may have begun again at lower numbers since.
func (d *Door) resume(ctx context.Context) int64 {
	var seen, c cursor
	if b, err := d.env.State.Load(ctx, "seen"); err == nil && json.Unmarshal(b, &seen) == nil {
		if away := d.env.Now().Sub(time.Unix(seen.At, 0)); away > d.waits.forgets {
			d.health.absent(away)
			d.log.WarnContext(ctx, "telegram was not asked for longer than it keeps messages", "hours", int(away.Hours()))
		}
	}
	b, err := d.env.State.Load(ctx, "cursor")
	if err != nil {
		if !errors.Is(err, channels.ErrNotFound) {
			d.log.WarnContext(ctx, "the cursor cannot be read", "err", err)
		}
		return 0 // repeats at worst
	}
	if json.Unmarshal(b, &c) != nil || d.env.Now().Sub(time.Unix(c.At, 0)) > d.waits.reach {
		return 0
	}
	return c.Offset
}

// remember keeps, now and then, that Telegram was asked, so that the next start
// knows how long nobody did.
func (d *Door) remember(ctx context.Context) {
	now := d.env.Now()
	if now.Sub(d.seen) < d.waits.seen {
		return
	}
	b, err := json.Marshal(cursor{At: now.Unix()})
	if err == nil {
		err = d.env.State.Save(ctx, "seen", b, 0)
	}
	if err == nil {
		d.seen = now
	}
}
