package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"casewire/casecore/outside"
	"casewire/casecore/store"
)

// ErrBusy is the refusal to send again what is on its way.
var ErrBusy = errors.New("it is on its way already")

// Status is a subscription and how it fares.
type Status struct {
	Subscription Subscription
	Health       Health
	Waiting      int       // at most CountMost are counted
	Oldest       time.Time // event of the oldest that waits; zero without any
	Dead         int       // likewise, within the time that they are kept
}

// CountMost is how far Statuses counts.
const CountMost = 1_000

// Statuses returns all subscriptions in the order in which they are configured.
func (s *Sender) Statuses(ctx context.Context) ([]Status, error) {
	var out []Status
	subs := s.subs()
	err := s.store.View(ctx, func(tx store.Tx) error {
		out = nil
		for i := range subs {
			st, err := status(tx, &subs[i])
			if err != nil {
				return err
			}
			out = append(out, st)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	return out, nil
}

func status(tx store.Tx, sub *Subscription) (Status, error) {
	h, err := health(tx, sub)
	if err != nil {
		return Status{}, err
	}
	st := Status{Subscription: *sub, Health: *h}
	for _, c := range []struct {
		state State
		count *int
	}{{Waiting, &st.Waiting}, {Sending, &st.Waiting}, {Dead, &st.Dead}} {
		for d, err := range Deliveries.Scan(tx, store.Range{Index: "list", Prefix: store.Under(sub.ID, string(c.state)), Limit: CountMost}) {
			if err != nil {
				return Status{}, err
			}
			*c.count++
			if at := d.Event.Timestamp; c.state != Dead && (st.Oldest.IsZero() || at.Before(st.Oldest)) {
				st.Oldest = at
			}
		}
	}
	return st, nil
}

// List returns deliveries of a subscription, the newest events first; state "" is
// all. The mark is where the next page begins, zero on the last. A subscription
// that is not there is store.ErrNotFound.
func (s *Sender) List(ctx context.Context, hook string, state State, after store.Mark, limit int) ([]*Delivery, store.Mark, error) {
	if s.find(hook) == nil {
		return nil, store.Mark{}, fmt.Errorf("webhook %s: %w", hook, store.ErrNotFound)
	}
	r := store.Range{Index: "period", Prefix: store.Under(hook), Reverse: true, After: after, Limit: limit + 1}
	if state != "" {
		r.Index, r.Prefix = "list", store.Under(hook, string(state))
	}
	var out []*Delivery
	var next store.Mark
	err := s.store.View(ctx, func(tx store.Tx) error {
		out, next = nil, store.Mark{}
		for d, err := range Deliveries.Scan(tx, r) {
			if err != nil {
				return err
			}
			if len(out) == limit {
				last := out[limit-1]
				next = store.Mark{ID: last.ID, Key: last.Keys()[r.Index][0]}
				return nil
			}
			out = append(out, d)
		}
		return nil
	})
	if err != nil {
		return nil, store.Mark{}, fmt.Errorf("list webhook deliveries: %w", err)
	}
	return out, next, nil
}

// Replay sends a delivery again, under the same event id. store.ErrNotFound: this
// subscription has none of that id. ErrBusy: it waits or is on its way.
func (s *Sender) Replay(ctx context.Context, hook, delivery string) (*Delivery, error) {
	if s.find(hook) == nil {
		return nil, fmt.Errorf("webhook %s: %w", hook, store.ErrNotFound)
	}
	var out *Delivery
	err := s.store.Update(ctx, func(tx store.Tx) error {
		d, err := Deliveries.Get(tx, delivery)
		if err == nil && d.Hook != hook {
			err = fmt.Errorf("of another webhook: %w", store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		if d.State != Done && d.State != Dead {
			return ErrBusy
		}
		d.again(s.o.Now())
		out = d
		return Deliveries.Put(tx, d)
	})
	if err != nil {
		return nil, fmt.Errorf("replay webhook delivery: %w", err)
	}
	return out, nil
}

// ReplayPeriod sends again all that a subscription was told of events from a time
// until before another, under the same event ids, and says how many. What waits or
// is on its way is left alone. When it fails in the middle, a repeat does the rest.
func (s *Sender) ReplayPeriod(ctx context.Context, hook string, from, to time.Time) (int, error) {
	if s.find(hook) == nil {
		return 0, fmt.Errorf("webhook %s: %w", hook, store.ErrNotFound)
	}
	total := 0
	r := store.Range{Index: "period", From: store.Join(hook, store.TimeKey(from)), To: store.Join(hook, store.TimeKey(to)), Limit: page}
	for {
		var n, seen int
		var last store.Mark
		err := s.store.Update(ctx, func(tx store.Tx) error {
			n, seen = 0, 0
			var over []*Delivery
			for d, err := range Deliveries.Scan(tx, r) {
				if err != nil {
					return err
				}
				seen++
				last = store.Mark{ID: d.ID, Key: d.Keys()["period"][0]}
				if d.State == Done || d.State == Dead {
					over = append(over, d)
				}
			}
			for _, d := range over {
				d.again(s.o.Now())
				if err := Deliveries.Put(tx, d); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			return total, fmt.Errorf("replay webhook %s: %w", hook, err)
		}
		total += n
		if seen < page {
			return total, nil
		}
		r.After = last
	}
}

// Trial is how a ping went.
type Trial struct {
	Event  string // its id
	Status int    // 0: no answer
	Reason string // why it failed; empty: it did not
	Took   time.Duration
}

// Try posts a ping to a subscriber at once. One that is taken lets what waits go
// on, also to a receiver that had said it was gone. store.ErrNotFound: there is no
// such subscription.
func (s *Sender) Try(ctx context.Context, hook string) (Trial, error) {
	sub := s.find(hook)
	if sub == nil {
		return Trial{}, fmt.Errorf("webhook %s: %w", hook, store.ErrNotFound)
	}
	e := outside.HookEvent{ID: store.NewID(), Type: outside.Ping, Timestamp: s.o.Now().UTC()}
	body, err := e.PingBody()
	if err != nil {
		return Trial{}, err
	}
	a := s.wire.post(ctx, sub, e.ID, body)
	out := Trial{Event: e.ID, Status: a.status, Reason: a.reason, Took: a.took}
	if a.reason != "" {
		return out, nil
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		h, err := health(tx, sub)
		if err != nil || h.Fails == 0 && h.Gone.IsZero() && !h.Hurry {
			return err
		}
		h.recover(s.o.Now())
		h.Hurry = true
		if err := healths.Put(tx, h); err != nil {
			return err
		}
		return nudge(tx, hook, s.o.Now())
	})
	if err != nil {
		return out, fmt.Errorf("note that webhook %s works: %w", hook, err)
	}
	return out, nil
}

// nudge makes what waits the longest due, whose commit wakes the clerks.
func nudge(tx store.Tx, hook string, now time.Time) error {
	d, err := Deliveries.First(tx, store.Range{Index: "due", Prefix: store.Under(hook)})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.NextAt = now
	return Deliveries.Put(tx, d)
}

// Ailing returns the receivers that count as out or gone, by id of the
// subscription. It costs one look for each.
func (s *Sender) Ailing(ctx context.Context) ([]Health, error) {
	var ill []Health
	subs := s.subs()
	err := s.store.View(ctx, func(tx store.Tx) error {
		ill = nil
		for i := range subs {
			h, err := health(tx, &subs[i])
			if err != nil {
				return err
			}
			if h.Fails >= out || !h.Gone.IsZero() {
				ill = append(ill, *h)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	return ill, nil
}

// Out says that the receiver takes nothing at the moment.
func (h *Health) Out() bool { return h.Fails >= out || !h.Gone.IsZero() }
