package webhook

import (
	"context"
	"errors"
	"time"

	"casewire/casecore/store"
)

// look is what a glance at the store shows: whether there is something to do now,
// and else when there will be.
type look struct {
	now    bool
	at     time.Time
	others map[lease]time.Time // leases of other workers; they are never extended
}

func (l *look) by(t, now time.Time) {
	l.now = l.now || !t.After(now)
	if t.Before(l.at) {
		l.at = t
	}
}

// look reads without writing, so that waking up for nothing costs no commit.
func (c *clerk) look(ctx context.Context) (look, error) {
	now, subs := c.o.Now(), c.subs()
	var l look
	err := c.store.View(ctx, func(tx store.Tx) error {
		l = look{at: now.Add(c.o.Poll), others: map[lease]time.Time{}}
		if c.Stopping {
			return nil
		}
		if err := c.lookAtLeases(tx, &l); err != nil {
			return err
		}
		for i := range subs {
			if err := c.lookAt(tx, &subs[i], now, &l); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && !c.Stopping {
		if next := c.others.See(l.others, now); !next.IsZero() {
			l.by(next, now)
		}
	}
	return l, err
}

// lookAtLeases finds the leases of other workers.
func (c *clerk) lookAtLeases(tx store.Tx, l *look) error {
	for d, err := range Deliveries.Scan(tx, store.Range{Index: "lease"}) {
		if err != nil {
			return err
		}
		if c.jobs[leaseOf(d)] == nil {
			l.others[leaseOf(d)] = time.Time{}
		}
	}
	return nil
}

// lookAt finds out when there is something to do for a subscriber.
func (c *clerk) lookAt(tx store.Tx, s *Subscription, now time.Time, l *look) error {
	h, err := health(tx, s)
	if err != nil {
		return err
	}
	if h.Hurry {
		l.by(now, now)
		return nil
	}
	if !h.Gone.IsZero() || c.busy(s.ID, nil) >= c.workers(h) {
		return nil // a trial, or the answer to a post, wakes the clerk
	}
	for _, index := range []string{"due", "behind"} {
		d, err := Deliveries.First(tx, store.Range{Index: index, Prefix: store.Under(s.ID)})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		l.by(later(d.NextAt, h.Until), now)
	}
	return nil
}
