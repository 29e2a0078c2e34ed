package main

import (
	"slices"

	"casewire/casecore"
	"casewire/channels"
	"casewire/config/policy"
	"casewire/notify"
)

// excuse lists, of a dead program's book, the texts that customers need not get
// while the world goes on: what may have gone out and is held for that reason (T7),
// and what died so often that it waits for its next try, which the rest of its case
// then waits for. All of it stays visible.
func (w *world) excuse(b *book) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range b.notices {
		open := n.State == notify.Sending || n.State == notify.Uncertain
		if m := b.messages[n.Message]; m != nil && open && !n.To.Kind.Hosted() && (!n.To.Kind.Repeatable() || n.Attempts > 1) {
			w.missing[n.To.Handle] = append(w.missing[n.To.Handle], plain(m.Body.Text))
			w.late[n.To.Handle] = w.late[n.To.Handle] || n.To.Kind.Repeatable()
		}
	}
}

// isSent checks that what is recorded as sent was sent, and that nothing was sent
// twice but where a death was between sending and recording, and then under the
// same name (I3).
func (b *book) isSent(w *world) {
	b.t.Helper()
	for _, c := range w.customers {
		if c.address().Kind == channels.WebChat {
			continue
		}
		for _, n := range b.notices {
			if n.To.Key() != c.address().Key() || b.messages[n.Message] == nil {
				continue
			}
			b.isSentOnce(w, c, n)
		}
	}
}

func (b *book) isSentOnce(w *world, c customer, n *notify.Notice) {
	b.t.Helper()
	text := b.messages[n.Message].Body.Text
	copies := c.has(text)
	switch n.State {
	case notify.Sent, notify.Delivered, notify.Read:
		if len(copies) == 0 {
			b.t.Errorf("I3: %q is recorded as %s, and %s has not got it", text, n.State, c.called())
		}
	case notify.Held, notify.Pending, notify.Skipped:
		if len(copies) > 0 {
			b.t.Errorf("I3: %q is %s, and %s has it", text, n.State, c.called())
		}
	}
	if len(copies) < 2 {
		return
	}
	if n.To.Kind != channels.Email || len(copies) > 1+len(w.deaths) {
		b.t.Errorf("I3: %s got %q %d times, with %d deaths", c.called(), text, len(copies), len(w.deaths))
	}
	for _, id := range copies {
		if id != copies[0] {
			b.t.Errorf("I3: %s got %q as %s and as %s", c.called(), text, copies[0], id)
		}
	}
}

// isFinished checks that nothing waits for anything any more: all that was sent
// is acknowledged, all that should be told is told, once, and recorded (I2, I3).
func (b *book) isFinished(w *world) {
	b.t.Helper()
	for _, out := range w.messages {
		if _, ok := out.by.promised(out); !ok && out.by.address().Kind == channels.WebChat {
			b.t.Errorf("I2: %q was never acknowledged", out.text)
		}
	}
	for _, c := range w.customers {
		switch c := c.(type) {
		case *chatter:
			if err := c.answeredOnce(len(w.deaths)); err != nil {
				b.t.Error(err)
			}
		case *texter:
			b.isCalled(w, c)
		}
	}
	for _, c := range b.cases {
		for _, e := range b.events[c.ID] {
			if len(e.Pending) > 0 {
				b.t.Errorf("I3: event %d (%s) of %s still waits for %q", e.Seq, e.Kind, c.CaseNumber(), e.Pending)
			}
			if e.Kind == casecore.Undelivered {
				b.t.Errorf("I3: %s: message %s is undelivered: %s", c.CaseNumber(), e.Message, e.To)
			}
		}
	}
	b.isTold(w)
	notices := map[string]*notify.Notice{}
	for _, n := range b.notices {
		if notices[n.Message] != nil {
			b.t.Errorf("I3: message %s has two notices", n.Message)
		}
		notices[n.Message] = n
	}
	for _, m := range b.messages {
		switch n := notices[m.ID]; {
		case m.Direction != casecore.Out:
		case n == nil || n.State != notify.Pending && (n.Attempts < 1 || m.Delivery == nil || len(m.Delivery.Attempts) == 0):
			b.t.Errorf("I3: message %s has the notice %+v and %+v", m.ID, n, m.Delivery)
		case m.To.Kind == channels.WebChat:
			b.isShown(w, m, n)
		default:
			b.isSettled(w, m, n)
		}
	}
}

// isCalled checks that each call to a phone was on the timeline before it was made,
// and that it is told once how it went.
func (b *book) isCalled(w *world, c *texter) {
	b.t.Helper()
	opened, ended := 0, 0
	for _, e := range b.events[b.cases[c.caseNumber()].ID] {
		switch e.Kind {
		case casecore.Calling:
			opened++
		case casecore.CallMade:
			ended++
		}
	}
	if made := c.dialled(); ended != made || opened < made || opened > made+len(w.deaths) {
		b.t.Errorf("I3: %s was called %d times: %d calls were noted, %d ended, with %d deaths", c.name, made, opened, ended, len(w.deaths))
	}
}

// isShown checks a message that was read in the web chat.
func (b *book) isShown(w *world, m *casecore.Message, n *notify.Notice) {
	b.t.Helper()
	if n.State != notify.Read || m.Delivery == nil || m.Delivery.State != channels.Read {
		b.t.Errorf("I3: notice of %q to %s is %s after %d attempts, want read", n.Template, n.CaseNumber, n.State, n.Attempts)
	}
	shown := 0
	for _, v := range w.visitors {
		v.mu.Lock()
		if l, ok := v.thread[m.Line]; ok && l.Text == m.Body.Text && b.cases[l.Case].ID == m.Case {
			shown++
		}
		v.mu.Unlock()
	}
	if shown != 1 {
		b.t.Errorf("I3: message %s at line %d was shown to %d visitors, want 1", m.ID, m.Line, shown)
	}
}

// isSettled checks a message that went out through a provider: it is sent, and the
// customer has it, or it is visibly in doubt because of a death.
func (b *book) isSettled(w *world, m *casecore.Message, n *notify.Notice) {
	b.t.Helper()
	missing, late := w.excuses(n.To.Handle)
	switch n.State {
	case notify.Sent, notify.Delivered: // isSent has compared it
		if n.ProviderID == "" {
			b.t.Errorf("I3: message %s is %s without the provider's name for it", m.ID, n.State)
		}
	case notify.Uncertain:
		if m.Delivery.State != channels.Uncertain || n.To.Kind.Repeatable() == n.Stuck {
			b.t.Errorf("I3: message %s is in doubt (stuck: %v), and shown as %s", m.ID, n.Stuck, m.Delivery.State)
		}
		if !slices.Contains(missing, plain(m.Body.Text)) {
			b.t.Errorf("I3: message %s is in doubt, and nobody died over it", m.ID)
		}
	case notify.Pending:
		if !late {
			b.t.Errorf("I3: message %s is not sent, and waits for nothing", m.ID)
		}
	default:
		b.t.Errorf("I3: notice of %q to %s is %s after %d attempts", n.Template, n.CaseNumber, n.State, n.Attempts)
	}
}

// isTold checks that each event has the notices that the policy asks for (N1).
func (b *book) isTold(w *world) {
	b.t.Helper()
	pol, err := policy.Load("default.yaml", policy.Default(), 1)
	if err != nil {
		b.t.Fatal(err)
	}
	due := 0
	for _, c := range b.cases {
		for _, e := range b.events[c.ID] {
			templates := []string{}
			if e.Kind == casecore.Answered {
				templates = append(templates, "")
			}
			for _, p := range pol.Notify.Plan(e) {
				templates = append(templates, p.Template)
			}
			for _, template := range templates {
				due++
				if b.notices[notify.NoticeID(e.ID, c.To.Key(), template)] == nil {
					b.t.Errorf("I3: event %d (%s %s) of %s has no notice %q", e.Seq, e.Kind, e.To, c.CaseNumber(), template)
				}
			}
		}
	}
	if due != len(b.notices) || due == 0 {
		b.t.Errorf("I3: %d notices for %d that are due", len(b.notices), due)
	}
}
