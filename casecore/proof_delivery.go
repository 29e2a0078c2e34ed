package casecore

import (
	"slices"

	"casewire/channels"
)

// delivered checks how a message fared: the chain of its evidence, which begins at
// what it said when it was written and goes through what events have sealed of it,
// and that the delivery is what that says. old
// messages have deliveries that began before there was evidence.
func (p *proving) delivered(m *Message, event int64, began string, outside []string, old bool) {
	at := Fault{Event: event, Message: m.Seq}
	d := m.Delivery
	if d == nil {
		if m.Sent() && !old || len(p.fared[m.ID]) > 0 {
			at.What = Missing
			p.fault(at, "its delivery")
		}
		return
	}
	if !m.Sent() {
		at.What = Inserted
		p.fault(at, "a delivery of what was not sent")
		return
	}
	if !p.chained(at, d.Evidence, began) || !p.fated(at, m.ID, d.Evidence) {
		return
	}
	if len(outside) > 0 && !slices.Contains(outside, m.Proof()) {
		at.What, at.Entry = Changed, int64(len(d.Evidence))
		p.fault(at, "its notice has another seal of it")
		return
	}
	p.evident(at, m, old)
}

// chained checks numbers and seals of a delivery's evidence.
func (p *proving) chained(at Fault, list []Evidence, began string) bool {
	prev, gap := began, false
	for i := range list {
		v := &list[i]
		at.Entry = v.No
		if v.Prev != "" {
			prev = v.Prev
		}
		want := int64(i + 1)
		if i > 0 {
			want = list[i-1].No + 1
		}
		dropped := !gap && i > 0 && v.No > want && len(list) == maxEvidence && v.Prev != ""
		gap = gap || dropped
		switch {
		case v.No > want && !dropped:
			at.What, at.Entry = Missing, want
			p.fault(at, "entry %d follows entry %d", v.No, want-1)
			return false
		case v.No < want:
			at.What = Reordered
			p.fault(at, "it follows entry %d", want-1)
			return false
		case v.Prev != "" && !dropped:
			at.What = Changed
			p.fault(at, "the chain is broken before it")
			return false
		case v.Digest(prev) != v.Hash:
			at.What = Changed
			p.fault(at, "it does not say what its seal is of")
			return false
		}
		prev = v.Hash
	}
	return true
}

// fated checks that the evidence has what events have sealed of it, unless it may be
// among the entries that were left out.
func (p *proving) fated(at Fault, message string, list []Evidence) bool {
	kept := map[string]bool{}
	for i := range list {
		v := &list[i]
		if v.Prev != "" {
			return true
		}
		kept[v.Hash] = true
	}
	for _, e := range p.fared[message] {
		if !kept[e.Fared] {
			at.What, at.Event = Changed, e.Seq
			p.fault(at, "its delivery had gone another way by then")
			return false
		}
	}
	return true
}

// evident checks that the delivery is what its evidence says.
func (p *proving) evident(at Fault, m *Message, old bool) {
	d := m.Delivery
	if len(d.Evidence) == 0 {
		if !old && (d.State != channels.Queued || !d.At.Equal(m.At) || len(d.Attempts) > 0) {
			at.What, at.Entry = Missing, 1
			p.fault(at, "its delivery is %s, and nothing shows why", d.State)
		}
		return
	}
	last := &d.Evidence[len(d.Evidence)-1]
	at.Entry = last.No
	since := last.Since
	if since.IsZero() {
		since = last.At
	}
	if last.State != d.State || !since.Equal(d.At) {
		at.What = Changed
		p.fault(at, "the delivery is %s, the last entry says %s", d.State, last.State)
		return
	}
	seen := map[int]*Attempt{}
	for i := range d.Evidence {
		if a := d.Evidence[i].Attempt; a != nil {
			seen[a.No] = a
		}
	}
	for i := range d.Attempts {
		a := &d.Attempts[i]
		was := seen[a.No]
		delete(seen, a.No)
		switch {
		case i > 0 && a.No <= d.Attempts[i-1].No:
			at.What = Reordered
			p.fault(at, "attempt %d follows attempt %d", a.No, d.Attempts[i-1].No)
		case was == nil && old:
		case was == nil:
			at.What = Inserted
			p.fault(at, "nothing shows attempt %d", a.No)
		case !a.equal(was):
			at.What = Changed
			p.fault(at, "attempt %d is not what the entries say", a.No)
		}
	}
	if len(seen) > 0 && len(d.Attempts) < maxAttempts {
		at.What = Missing
		p.fault(at, "an attempt that the entries tell of")
	}
}

func (a *Attempt) equal(b *Attempt) bool {
	x, y := *a, *b
	refs := slices.Equal(x.Refs, y.Refs)
	same := x.At.Equal(y.At) && x.NextAt.Equal(y.NextAt)
	return refs && same && x.No == y.No && x.Channel == y.Channel && x.State == y.State &&
		x.ProviderID == y.ProviderID && x.Reason == y.Reason && x.Code == y.Code && x.Detail == y.Detail
}
