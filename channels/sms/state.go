package sms

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"casewire/channels"
)

// counters are what Counts returns.
type counters struct {
	messages, receipts, stops, starts, storeErrors                       atomic.Int64
	unsigned, forged, oversized, mangled, foreign, unknown               atomic.Int64
	sent, unsure, resolved, media, mediaFailed, missed, reconcile, calls atomic.Int64
	callsIn, answers                                                     atomic.Int64
}

// refused returns the counter of a reason to refuse webhooks.
func (c *counters) refused(why reason) *atomic.Int64 {
	switch why {
	case unsigned:
		return &c.unsigned
	case forged:
		return &c.forged
	case oversize:
		return &c.oversized
	case foreign:
		return &c.foreign
	case unknown:
		return &c.unknown
	}
	return &c.mangled
}

// Counts returns figures since the door was opened (channels.Counter).
func (d *Door) Counts() map[string]int64 {
	c := &d.count
	return map[string]int64{
		"messages": c.messages.Load(), "answers": c.answers.Load(), "receipts": c.receipts.Load(), "stops": c.stops.Load(), "starts": c.starts.Load(),
		"store_errors": c.storeErrors.Load(), "unsigned": c.unsigned.Load(), "forged": c.forged.Load(),
		"oversized": c.oversized.Load(), "mangled": c.mangled.Load(), "foreign_account": c.foreign.Load(),
		"unknown_number": c.unknown.Load(), "sent": c.sent.Load(), "unsure": c.unsure.Load(), "resolved": c.resolved.Load(),
		"media": c.media.Load(), "media_failed": c.mediaFailed.Load(), "missed": c.missed.Load(), "reconciled": c.reconcile.Load(),
		"calls": c.calls.Load(), "calls_in": c.callsIn.Load(),
	}
}

// area is a part of the work with the provider that can fail by itself.
type area string

const (
	sending area = "send"
	listing area = "list"
	asking  area = "account"
	calling area = "call"
)

// away is the fault of an area in which the provider did not answer.
const away = "Twilio cannot be reached."

// condition is how the door fares with its provider.
type condition struct {
	now func() time.Time

	mu     sync.Mutex
	faults map[area]string
	since  time.Time
	bad    time.Time // when a webhook last had a wrong signature
}

// heard notes how a request to the provider went. An answer of any kind shows that
// the provider can be reached; what is wrong with the account stays until a
// request of the same kind succeeds.
func (c *condition) heard(a area, err error) {
	text := ""
	if r, ok := errors.AsType[*refusal](err); ok {
		switch e := verdict(r); e.Reason {
		case channels.Misset:
			text = Meaning(e.Code, "en")
			if _, known := rulings[e.Code]; !known {
				text = r.Error()
			}
		case channels.Unreachable, channels.Unsure:
			text = away
		}
	} else if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.fault()
	if c.faults == nil {
		c.faults = make(map[area]string)
	}
	c.faults[a] = text
	for other, f := range c.faults {
		if text != away && f == away {
			delete(c.faults, other)
		}
	}
	if c.fault() != before {
		c.since = c.now()
	}
}

// fault is what is wrong, "" when nothing is. The caller holds mu.
func (c *condition) fault() string {
	for _, a := range []area{asking, sending, listing, calling} {
		if f := c.faults[a]; f != "" {
			return f
		}
	}
	return ""
}

func (c *condition) forged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad = c.now()
}

// Health says how the door fares.
func (d *Door) Health() channels.Health {
	c := &d.state
	c.mu.Lock()
	defer c.mu.Unlock()
	h := channels.Health{OK: c.fault() == "", Text: c.fault(), Since: c.since}
	if !h.OK {
		return h
	}
	h.Text = "working"
	if d.cfg.named() {
		h.Text = "working; messages go out under a name, which nobody can answer"
	}
	if !c.bad.IsZero() && c.now().Sub(c.bad) < time.Hour {
		h.Text += "; webhooks with a wrong signature came within the hour: forged, or the public URL or the token is not Twilio's"
	}
	return h
}

// quietly is how often the same line is logged at most.
const quietly = 10 * time.Second

// quiet holds back lines that outsiders can cause, each to one in a while.
type quiet struct {
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time
	held map[string]int
}

// may says whether a line may be logged now, and how often it was held back.
func (q *quiet) may(line string) (held int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last == nil {
		q.last, q.held = make(map[string]time.Time), make(map[string]int)
	}
	now := q.now()
	if last, logged := q.last[line]; logged && now.Sub(last) < quietly {
		q.held[line]++
		return 0, false
	}
	held = q.held[line]
	q.last[line], q.held[line] = now, 0
	return held, true
}
