package notify

import (
	"fmt"
	"slices"
	"time"

	"casewire/casecore/flow"
	"casewire/channels"
)

// Manner is how notices are delivered, whatever they say.
type Manner struct {
	// Hold is how long a notice of a status waits, so that a slip can be taken
	// back and nobody is told.
	Hold flow.Duration `yaml:"hold" json:"hold,omitempty"`
	// Quiet are the hours, by the customer's clock, in which notices wait.
	Quiet *Quiet `yaml:"quiet" json:"quiet,omitempty"`
	// Order is in which order a customer's other channels are tried, by kind.
	// Kinds that are left out come last.
	Order []channels.Kind `yaml:"order" json:"order,omitempty"`
	// Receipt is how long a receipt is awaited on channels that give any, before
	// the message goes to the next address as well; 0: for ever.
	Receipt flow.Duration `yaml:"receipt" json:"receipt,omitempty"`
}

// Quiet is a span of the day, "21:00" to "08:00"; it may go over midnight.
type Quiet struct {
	From string `yaml:"from" json:"from"`
	To   string `yaml:"to" json:"to"`
}

// span is a compiled Quiet, in minutes after midnight.
type span struct{ from, to int }

// wake is when a notice that is to go out at may do so, in the zone of its
// customer: at once, or at the end of the quiet hours.
func (s *span) wake(at time.Time, zone *time.Location) time.Time {
	if s == nil {
		return at
	}
	local := at.In(zone)
	minute := local.Hour()*60 + local.Minute()
	inside := s.from <= minute && minute < s.to
	if s.from > s.to {
		inside = minute >= s.from || minute < s.to
	}
	if !inside {
		return at
	}
	day := local.Day()
	if minute >= s.to {
		day++
	}
	return time.Date(local.Year(), local.Month(), day, s.to/60, s.to%60, 0, 0, zone)
}

// kinds are those that a customer can be told on.
var kinds = []channels.Kind{channels.Telegram, channels.WebChat, channels.SMS, channels.Email}

func (c *compiler) manner() {
	m := c.spec.Delivery
	if m.Hold > flow.Duration(24*time.Hour) {
		c.fault("delivery.hold", "write a few minutes, 2m", "no slip is noticed that late")
	}
	if m.Receipt > 0 && m.Receipt < flow.Duration(time.Minute) {
		c.fault("delivery.receipt", "write 15m or more, or leave it out", "a receipt takes longer than that to arrive")
	}
	for i, k := range m.Order {
		at := fmt.Sprintf("delivery.order[%d]", i)
		switch {
		case !slices.Contains(kinds, k):
			c.fault(at, "it is one of telegram, webchat, sms, email", "no kind of channel %q", k)
		case slices.Contains(m.Order[:i], k):
			c.fault(at, "leave one of them out", "%q is named twice", k)
		}
	}
	if m.Quiet != nil {
		c.policy.quiet = c.span(m.Quiet)
	}
}

func (c *compiler) span(q *Quiet) *span {
	from, ok1 := c.clock("delivery.quiet.from", q.From)
	to, ok2 := c.clock("delivery.quiet.to", q.To)
	if ok1 && ok2 && from == to {
		c.fault("delivery.quiet", "write two different times, or leave it out", "begins and ends at %s", q.From)
	}
	return &span{from, to}
}

func (c *compiler) clock(at, s string) (int, bool) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		c.fault(at, "write it as 21:00", "%q is no time of day", s)
	}
	return t.Hour()*60 + t.Minute(), err == nil
}

// Order is in which order a customer's other channels are tried.
func (p *Policy) Order() []channels.Kind { return p.delivery.Order }

// Receipt is how long a receipt is awaited where a channel gives any.
func (p *Policy) Receipt() time.Duration { return time.Duration(p.delivery.Receipt) }

// Hold is how long a notice of a status waits to be taken back.
func (p *Policy) Hold() time.Duration { return time.Duration(p.delivery.Hold) }
