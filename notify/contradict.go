package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/search"
)

// mostReminders is how often somebody may be reminded of one status.
const mostReminders = 50

// reminders checks the reminders and files them under their status.
func (c *compiler) reminders() {
	for i, r := range c.spec.Reminders {
		at := fmt.Sprintf("reminders[%d]", i)
		c.remindable(at+".status", r.Status)
		c.known(at+".template", r.Template)
		c.schedule(at, r)
		list := c.policy.reminders[r.Status]
		if slices.ContainsFunc(list, func(o Remind) bool { return o.Template == r.Template }) {
			c.fault(at, "leave one of them out, or give it another template", "%q reminds of %q twice", r.Template, r.Status)
		}
		c.policy.reminders[r.Status] = append(list, r)
	}
}

// remindable checks that a case can stay in the status and wait for its customer.
func (c *compiler) remindable(path, id string) {
	if !c.status(path, id) {
		return
	}
	if s := c.o.Flow.Status(id); s.Category == flow.Closed {
		c.fault(path, "remind of a status in which something is still to be done", "%q is closed: there is nothing to wait for", id)
	}
}

// status checks a reference to a status.
func (c *compiler) status(path, id string) bool {
	if c.o.Flow == nil || c.o.Flow.Known(id) {
		return c.o.Flow != nil
	}
	var ids []string
	for _, s := range c.o.Flow.Spec().Statuses {
		ids = append(ids, s.ID)
	}
	switch near := search.Nearest(id, ids); {
	case id == "":
		c.fault(path, "name the status to remind of", "required")
	case near != "":
		c.fault(path, fmt.Sprintf("did you mean %q?", near), "no status %q", id)
	default:
		c.fault(path, "it is one of "+strings.Join(ids, ", "), "no status %q", id)
	}
	return false
}

// schedule checks when a reminder comes.
func (c *compiler) schedule(at string, r Remind) {
	switch {
	case r.After == 0:
		c.fault(at+".after", "write how long after the status was entered, 72h", "required")
	case r.After < flow.Duration(time.Minute):
		c.fault(at+".after", "write a time that somebody could have needed, 72h", "%s is no time to have forgotten anything in", r.After)
	case r.After <= c.spec.Delivery.Hold:
		c.fault(at+".after", "write more than delivery.hold", "the notice of the status itself waits %s", c.spec.Delivery.Hold)
	}
	switch {
	case r.Times < 0 || r.Times > mostReminders:
		c.fault(at+".times", fmt.Sprintf("write 1 to %d", mostReminders), "%d times", r.Times)
	case r.Times > 1 && r.Every == 0:
		c.fault(at+".every", "write how long after the one before, 168h", "required for %d times", r.Times)
	case r.Times <= 1 && r.Every > 0:
		c.fault(at+".times", "write how often in all, 3, or leave every out", "it comes once, and every says when again")
	case r.Every > 0 && r.Every < flow.Duration(time.Minute):
		c.fault(at+".every", "write days, 168h", "%s is no time to have forgotten anything in", r.Every)
	}
	q := c.policy.quiet
	if urgent := c.policy.templates[r.Template]; r.Every > 0 && q != nil && (urgent == nil || !urgent.urgent) && time.Duration(r.Every) < q.length() {
		c.fault(at+".every", "write more than the quiet hours last, or mark the template urgent",
			"the quiet hours last %s: several would be due when they end", flow.Duration(q.length()))
	}
}

// length is how long the quiet hours last.
func (s *span) length() time.Duration {
	return time.Duration((s.to-s.from+24*60)%(24*60)) * time.Minute
}

// contradictions finds parts that are right by themselves and cannot all be meant.
func (c *compiler) contradictions() {
	m := c.spec.Delivery
	if m.Receipt > 0 && m.Hold > m.Receipt {
		c.fault("delivery.hold", "write a shorter hold, or a longer receipt",
			"a notice waits %s to be taken back, and one that does not arrive only %s to be sent elsewhere", m.Hold, m.Receipt)
	}
	if c.o.Flow != nil {
		c.neverTold()
	}
}

// neverTold finds the notice of a status that no case gets by anything that is told
// of: new cases get the receipt, and nothing leads back there.
func (c *compiler) neverTold() {
	spec := c.o.Flow.Spec()
	receipt := slices.IndexFunc(c.spec.Events, func(on OnEvent) bool {
		return on.Event == string(casecore.Opened) && on.To == nil && on.Status == ""
	})
	for i, s := range spec.Statuses {
		led := s.ID == spec.Reopen || s.ID == spec.Taken || slices.ContainsFunc(spec.Statuses, func(o flow.Status) bool {
			return slices.Contains(o.Next, s.ID)
		})
		if s.Notice != "" && s.ID == spec.Initial && !led && receipt >= 0 {
			c.fault(fmt.Sprintf("statuses[%d].notice", i), "leave it out, or the event",
				"nobody is told: new cases get %q, by events[%d], and no case returns here", c.spec.Events[receipt].Template, receipt)
		}
	}
}
