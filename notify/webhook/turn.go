package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"casewire/casecore"
	"casewire/casecore/outside"
	"casewire/casecore/store"
)

// page is how many deliveries of one kind a turn looks at.
const page = 256

// turn is what one transaction does. It may run more than once: it changes nothing
// but tx and itself, and reads the clerk.
type turn struct {
	*clerk
	tx      store.Tx
	now     time.Time
	hooks   []Subscription
	health  map[string]*Health
	changed map[string]bool // healths to write
	ended   map[lease]bool  // jobs that are over
	leased  []*job
	count   tally
	log     []func() // said after the commit
}

// tally counts what a turn does.
type tally struct{ sent, failed, dead, fenced, rescued uint64 }

func (t *tally) add(c *counters) {
	c.sent.Add(t.sent)
	c.failed.Add(t.failed)
	c.dead.Add(t.dead)
	c.fenced.Add(t.fenced)
	c.rescued.Add(t.rescued)
}

func newTurn(c *clerk, tx store.Tx) *turn {
	return &turn{
		clerk: c, tx: tx, now: c.o.Now(), hooks: c.subs(),
		health: map[string]*Health{}, changed: map[string]bool{}, ended: map[lease]bool{},
	}
}

// run records what has ended first, so that a lane's next delivery can go in the
// same turn.
func (t *turn) run() error {
	for i := range t.hooks {
		h, err := health(t.tx, &t.hooks[i])
		if err != nil {
			return err
		}
		t.health[t.hooks[i].ID] = h
	}
	for _, step := range []func() error{t.record, t.rescue, t.hurry, t.lease, t.putHealth} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// health reads how a receiver fares; one that was never called fares well.
func health(tx store.Tx, s *Subscription) (*Health, error) {
	h, err := healths.Get(tx, s.ID)
	if errors.Is(err, store.ErrNotFound) {
		return &Health{Meta: store.Meta{ID: s.ID}, Target: s.target()}, nil
	}
	if err != nil {
		return nil, err
	}
	if h.Target != s.target() {
		// Another receiver, which is not to suffer for this one.
		return &Health{Meta: h.Meta, Target: s.target(), Hurry: true}, nil
	}
	return h, nil
}

// say keeps something to log for after the commit: the turn may run again.
func (t *turn) say(what func()) { t.log = append(t.log, what) }

// record writes how posts ended. A result whose lease is over is dropped: its
// delivery is another worker's by now.
func (t *turn) record() error {
	for _, r := range t.Finished {
		leased := r.job.delivery
		t.ended[leaseOf(leased)] = true
		d, err := Deliveries.Get(t.tx, leased.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err != nil || d.State != Sending || d.Token != leased.Token {
			t.count.fenced++
			continue
		}
		if err := t.settle(d, r.answer); err != nil {
			return err
		}
	}
	return nil
}

// settle writes an answer to the delivery and to its receiver's health.
func (t *turn) settle(d *Delivery, a answer) error {
	d.LeaseUntil, d.Status, d.Reason = time.Time{}, a.status, a.reason
	switch a.reason {
	case "":
		t.count.sent++
		t.well(d.Hook)
		d.State, d.Done, d.NextAt = Done, t.now, time.Time{}
		return t.over(d)
	case reasonStopped:
		d.State, d.NextAt = Waiting, t.now
		d.Attempts--
		return Deliveries.Put(t.tx, d)
	}
	t.count.failed++
	t.ill(d, a)
	return t.again(d, a.after)
}

// again makes a delivery wait for its next try, or gives it up.
func (t *turn) again(d *Delivery, asked time.Duration) error {
	end := d.Since.Add(Patience)
	if !t.now.Before(end) {
		return t.bury(d)
	}
	wait := max(spread(step(Ladder(), d.Attempts-1), t.o.Rand()), asked)
	d.State, d.NextAt = Waiting, t.now.Add(wait)
	if d.NextAt.After(end) {
		d.NextAt = later(end, t.now.Add(asked))
	}
	return Deliveries.Put(t.tx, d)
}

// bury gives a delivery up.
func (t *turn) bury(d *Delivery) error {
	t.count.dead++
	d.State, d.Done, d.NextAt, d.LeaseUntil = Dead, t.now, time.Time{}, time.Time{}
	t.say(func() {
		t.o.Log.Warn("webhook given up", "webhook", d.Hook, "event", d.Event.ID, "type", d.Event.Type, "reason", d.Reason, "tries", d.Tries)
	})
	return t.over(d)
}

// over puts a delivery that is over, and calls up what waits behind it.
func (t *turn) over(d *Delivery) error {
	if err := Deliveries.Put(t.tx, d); err != nil {
		return err
	}
	return callUp(t.tx, d, t.now)
}

func callUp(tx store.Tx, d *Delivery, now time.Time) error {
	first, err := Deliveries.First(tx, store.Range{Index: "lane", Prefix: d.lane()})
	if errors.Is(err, store.ErrNotFound) || err == nil && !first.Behind {
		return nil
	}
	if err != nil {
		return err
	}
	first.Behind, first.NextAt = false, now
	return Deliveries.Put(tx, first)
}

// fresh is how precisely the last success is known: it is not written each time.
const fresh = 10 * time.Second

// well notes that a receiver took something.
func (t *turn) well(hook string) {
	h := t.health[hook]
	if h == nil || h.Fails == 0 && h.Gone.IsZero() && t.now.Sub(h.Succeeded) < fresh {
		return
	}
	if h.Fails >= out || !h.Gone.IsZero() {
		h.Hurry = true
		t.say(func() { t.o.Log.Info("webhook works again", "webhook", hook) })
	}
	h.recover(t.now)
	t.changed[hook] = true
}

// ill notes that a receiver did not take something.
func (t *turn) ill(d *Delivery, a answer) {
	h := t.health[d.Hook]
	if h == nil {
		return
	}
	t.changed[d.Hook] = true
	h.fail(t.now, a)
	if a.after > 0 {
		h.Until = later(h.Until, t.now.Add(a.after))
	}
	// One step for each pause: posts that were on their way together fail together.
	if h.Fails >= out && !t.now.Before(h.Until) {
		h.Until = t.now.Add(spread(step(pauses(), h.Pauses), t.o.Rand()))
		h.Pauses++
	}
	if h.Fails == out {
		t.say(func() {
			t.o.Log.Error("webhook does not take events; they wait", "webhook", d.Hook, "reason", a.reason)
		})
	}
	if a.status == http.StatusGone && h.Gone.IsZero() {
		h.Gone = t.now
		t.say(func() {
			t.o.Log.Error("webhook is gone for good, says its receiver; nothing more is sent until it is tried by hand or its url changes", "webhook", d.Hook)
		})
	}
}

// recover notes that the receiver takes something again.
func (h *Health) recover(now time.Time) {
	h.Fails, h.Pauses, h.Since, h.Until, h.Gone, h.Status, h.Reason, h.Succeeded = 0, 0, time.Time{}, time.Time{}, time.Time{}, 0, "", now
}

// fail counts a failed try.
func (h *Health) fail(now time.Time, a answer) {
	if h.Fails == 0 {
		h.Since = now
	}
	h.Fails++
	h.Hurry, h.Status, h.Reason = false, a.status, a.reason
}

func (t *turn) putHealth() error {
	for hook := range t.changed {
		if err := healths.Put(t.tx, t.health[hook]); err != nil {
			return err
		}
	}
	return nil
}

// rescue takes over deliveries whose worker fell silent. Whether they were taken is
// not known, so they go again, under the same id.
func (t *turn) rescue() error {
	if t.Stopping {
		return nil
	}
	var lost []*Delivery
	for d, err := range Deliveries.Scan(t.tx, store.Range{Index: "lease"}) {
		if err != nil {
			return err
		}
		if t.jobs[leaseOf(d)] == nil && t.others.Silent(leaseOf(d), time.Time{}, t.now) {
			lost = append(lost, d)
		}
	}
	for _, d := range lost {
		t.count.rescued++
		d.State, d.NextAt, d.LeaseUntil, d.Reason = Waiting, t.now, time.Time{}, reasonStopped
		if err := Deliveries.Put(t.tx, d); err != nil {
			return err
		}
	}
	return nil
}

// hurry makes due what waits for a receiver that works again.
func (t *turn) hurry() error {
	for hook, h := range t.health {
		if !h.Hurry {
			continue
		}
		var waiting []*Delivery
		r := store.Range{Index: "due", From: store.Join(hook, store.TimeKey(t.now)) + "\x00", To: hook + " ", Limit: page}
		for d, err := range Deliveries.Scan(t.tx, r) {
			if err != nil {
				return err
			}
			waiting = append(waiting, d)
		}
		for _, d := range waiting {
			d.NextAt = t.now
			if err := Deliveries.Put(t.tx, d); err != nil {
				return err
			}
		}
		h.Hurry, t.changed[hook] = len(waiting) == page, true
	}
	return nil
}

// lease takes as many due deliveries of each subscriber as it has workers free.
func (t *turn) lease() error {
	if t.Stopping {
		return nil
	}
	for i := range t.hooks {
		s := &t.hooks[i]
		h := t.health[s.ID]
		free := t.workers(h) - t.busy(s.ID, t.ended)
		if free <= 0 || !h.Gone.IsZero() || t.now.Before(h.Until) {
			continue
		}
		if err := t.leaseFor(s, free); err != nil {
			return err
		}
	}
	return nil
}

// leaseFor leases at most free of a subscriber's due deliveries, the longest waiting
// first.
func (t *turn) leaseFor(s *Subscription, free int) error {
	touched := 0
	for _, index := range []string{"due", "behind"} {
		for free > 0 && touched < page {
			r := store.Range{Index: index, From: store.Under(s.ID), To: store.Join(s.ID, store.TimeKey(t.now)) + "\x00", Limit: free}
			var due []*Delivery
			for d, err := range Deliveries.Scan(t.tx, r) {
				if err != nil {
					return err
				}
				due = append(due, d)
			}
			if len(due) == 0 {
				break
			}
			for _, d := range due {
				j, err := t.take(s, d)
				if err != nil {
					return err
				}
				touched++
				if j != nil {
					t.leased = append(t.leased, j)
					free--
				}
			}
		}
	}
	return nil
}

// take leases a due delivery, or puts it behind the first one of its lane and
// returns nil.
func (t *turn) take(s *Subscription, d *Delivery) (*job, error) {
	first, err := Deliveries.First(t.tx, store.Range{Index: "lane", Prefix: d.lane()})
	if err != nil {
		return nil, fmt.Errorf("lane of %s: %w", d.ID, err)
	}
	if first.ID != d.ID {
		// Whoever ends that one calls this one up. Another node that ends it at this
		// moment would not see this one wait: so the first is written, too, and the two
		// are in conflict. The time is for the case that nobody calls.
		d.Behind, d.NextAt = true, later(t.now, first.NextAt).Add(time.Minute)
		if err := Deliveries.Put(t.tx, first); err != nil {
			return nil, err
		}
		return nil, Deliveries.Put(t.tx, d)
	}
	d = first // as it is by now: this turn may have put others behind it
	d.State, d.Behind, d.LeaseUntil, d.NextAt = Sending, false, t.now.Add(t.o.Lease), time.Time{}
	d.Token++
	d.Attempts++
	d.Tries++
	if err := Deliveries.Put(t.tx, d); err != nil {
		return nil, err
	}
	e := d.Event
	if s.Content {
		if e.Data.Content, err = content(t.tx, d); err != nil {
			return nil, err
		}
	}
	body, err := e.Body()
	if err != nil {
		return nil, err
	}
	return &job{delivery: d, sub: *s, body: body, leased: t.now}, nil
}

// content reads what people wrote; nil when it is gone.
func content(tx store.Tx, d *Delivery) (*outside.HookContent, error) {
	c, err := casecore.Cases.Get(tx, d.Case)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m *casecore.Message
	if d.Message != "" {
		m, err = casecore.Messages.Get(tx, d.Message)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return outside.Content(c, m), nil
}
