package outbox

import (
	"context"
	"iter"
	"time"

	"casewire/casecore/store"
	"casewire/notify"
)

// look is what a glance at the store shows: whether there is something to do now,
// and else when there will be.
type look struct {
	now    bool
	at     time.Time
	others map[lease]time.Time // leases of other workers, and their ends
}

func (l *look) by(t, now time.Time) {
	if !t.After(now) {
		l.now = true
	}
	if t.Before(l.at) {
		l.at = t
	}
}

// look reads without writing, so that waking up for nothing costs no commit.
func (c *clerk) look(ctx context.Context) (look, error) {
	now := c.o.Now()
	var l look
	var shut []string
	err := c.store.View(ctx, func(tx store.Tx) (err error) {
		l = look{at: now.Add(c.o.Poll), others: map[lease]time.Time{}}
		if err := c.lookAtLeases(tx, now, &l); err != nil || c.Stopping {
			return err
		}
		shut, err = c.lookAtChannels(tx, now, &l)
		return err
	})
	if err == nil && !c.Stopping {
		c.notice(shut)
		if next := c.others.See(l.others, now); !next.IsZero() {
			l.by(next, now)
		}
	}
	return l, err
}

// silent says that nothing was heard of a notice's worker for a lease's time.
func (c *clerk) silent(n *notify.Notice, now time.Time) bool {
	return c.others.Silent(leaseOf(n), n.LeaseUntil, now)
}

// notice remembers which channels have notices and no door, and raises an alarm
// once for each.
func (c *clerk) notice(shut []string) {
	before := c.shut
	c.shut = make(map[string]bool, len(shut))
	for _, channel := range shut {
		c.shut[channel] = true
		if !before[channel] {
			c.o.Log.Error("a channel has notices and no door; they wait", "channel", channel)
		}
	}
}

// lookAtLeases finds leases to renew and leases to rescue.
func (c *clerk) lookAtLeases(tx store.Tx, now time.Time, l *look) error {
	for _, j := range c.running() {
		l.by(j.renewed.Add(c.o.Lease/2), now)
	}
	if c.Stopping {
		return nil
	}
	for n, err := range c.leasedByOthers(tx) {
		if err != nil {
			return err
		}
		l.others[leaseOf(n)] = n.LeaseUntil
	}
	n, err := notify.Notices.First(tx, store.Range{Index: "await"})
	if err == nil {
		l.by(n.AwaitUntil, now)
	}
	return ignore(err)
}

// leasedByOthers yields the notices that are leased and not in our hands; an error
// ends it. Our own are not decoded: they are looked at in every round.
func (c *clerk) leasedByOthers(tx store.Tx) iter.Seq2[*notify.Notice, error] {
	ours := make(map[string]bool, len(c.jobs))
	for l := range c.jobs {
		ours[l.notice] = true
	}
	return notify.Notices.ScanSome(tx, store.Range{Index: "lease"}, func(id string) bool { return !ours[id] })
}

// lookAtChannels finds notices that are due on channels with workers free, and
// returns the channels that have due notices and no door.
func (c *clerk) lookAtChannels(tx store.Tx, now time.Time, l *look) (shut []string, err error) {
	list, err := dueChannels(tx)
	if err != nil {
		return nil, err
	}
	for _, channel := range list {
		g := c.gate(channel)
		if c.doors(channel) == nil {
			shut = append(shut, channel)
			continue
		}
		if now.Before(g.until) {
			l.by(g.until, now)
			continue
		}
		if c.free(channel, now, nil) <= 0 {
			continue // the result of a send wakes the clerk
		}
		n, err := notify.Notices.First(tx, store.Range{Index: "due", Prefix: store.Under(channel)})
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l.by(n.NextAt, now)
	}
	return shut, nil
}

// dueChannels lists the channels that have notices waiting, whether or not they
// are due yet. It costs one look per channel, however many wait.
func dueChannels(tx store.Tx) ([]string, error) {
	var out []string
	r := store.Range{Index: "due"}
	for {
		n, err := notify.Notices.First(tx, r)
		if isNotFound(err) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, n.Channel)
		r.From = n.Channel + " " // behind all keys of this channel: parts end with a control character
	}
}

// dueRange selects the notices of a channel whose time has come.
func dueRange(channel string, now time.Time, limit int) store.Range {
	return store.Range{
		Index: "due", From: store.Under(channel), To: store.Join(channel, store.TimeKey(now)) + "\x00", Limit: limit,
	}
}
