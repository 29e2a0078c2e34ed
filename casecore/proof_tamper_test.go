package casecore_test

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

type finding func(what string, args ...any)

// flip changes each value of each event and message.
func (h *history) flip(found finding) {
	each := func(what string, v reflect.Value) {
		leaves(v, "", func(path string, v reflect.Value) {
			switch {
			case strings.HasSuffix(path, ".Version"), path == ".Line", strings.HasPrefix(path, ".Pending"):
				return
			case what == "message" && path == ".Case":
				return // it is gone: see remove
			}
			was := reflect.New(v.Type()).Elem()
			was.Set(v)
			spoil(v)
			found("%s%s", what, path)
			v.Set(was)
		})
	}
	for _, v := range []*string{&h.c.Status, &h.c.Queue} {
		was := *v
		*v += "!"
		if v == &h.c.Queue || slices.ContainsFunc(h.events, func(e *casecore.Event) bool { return e.Kind == casecore.Moved }) {
			found("status or queue of the case")
		}
		*v = was
	}
	for _, e := range h.events {
		each("event", reflect.ValueOf(e).Elem())
	}
	for _, m := range h.messages {
		each("message", reflect.ValueOf(m).Elem())
		if m.Delivery == nil {
			m.Delivery = &casecore.Delivery{State: channels.Delivered}
			found("an invented delivery")
			m.Delivery = nil
			continue
		}
		was := m.Delivery
		m.Delivery = nil
		found("a delivery that is gone")
		m.Delivery = was
	}
}

// without tries a list without each of its elements.
func without[T any](list *[]T, fn func(i int)) {
	was := *list
	for i := range was {
		*list = slices.Delete(slices.Clone(was), i, i+1)
		fn(i)
	}
	*list = was
}

func (h *history) remove(found finding) {
	without(&h.events, func(i int) { found("event %d that is gone", i+1) })
	without(&h.messages, func(i int) { found("message %d that is gone", i+1) })
	for _, m := range h.messages {
		if d := m.Delivery; d != nil {
			without(&d.Attempts, func(i int) { found("attempt %d that is gone", i) })
			without(&d.Evidence, func(i int) { found("evidence %d that is gone", i) })
		}
	}
}

func (h *history) swap(found finding) {
	for i := range len(h.events) - 1 {
		a, b := h.events[i], h.events[i+1]
		a.Seq, b.Seq = b.Seq, a.Seq
		h.events[i], h.events[i+1] = b, a
		found("events %d and %d exchanged", i+1, i+2)
		a.Seq, b.Seq = b.Seq, a.Seq
		h.events[i], h.events[i+1] = a, b
	}
	for i := range len(h.messages) - 1 {
		a, b := h.messages[i], h.messages[i+1]
		a.Seq, b.Seq = b.Seq, a.Seq
		found("messages %d and %d exchanged", i+1, i+2)
		a.Body, b.Body = b.Body, a.Body
		found("messages and words of %d and %d exchanged", i+1, i+2)
		a.Body, b.Body = b.Body, a.Body
		a.Seq, b.Seq = b.Seq, a.Seq
	}
	for _, m := range h.messages {
		if m.Delivery == nil {
			continue
		}
		for i := range len(m.Delivery.Evidence) - 1 {
			s := m.Delivery.Evidence
			s[i], s[i+1] = s[i+1], s[i]
			found("evidence %d and %d exchanged", i, i+1)
			s[i].No, s[i+1].No = s[i+1].No, s[i].No
			found("evidence %d and %d exchanged and renumbered", i, i+1)
			s[i].No, s[i+1].No = s[i+1].No, s[i].No
			s[i], s[i+1] = s[i+1], s[i]
		}
		for i := range len(m.Delivery.Attempts) - 1 {
			s := m.Delivery.Attempts
			s[i], s[i+1] = s[i+1], s[i]
			found("attempts %d and %d exchanged", i, i+1)
			s[i], s[i+1] = s[i+1], s[i]
		}
	}
}

func (h *history) insert(found finding) {
	was := h.events
	for i := range was {
		e := *was[i]
		e.ID, e.Seq = store.NewID(), int64(len(was)+1)
		h.events = append(slices.Clone(was), &e)
		found("a copy of event %d at the end", i+1)
		e.Prev = was[len(was)-1].Hash
		e.Hash = e.Digest()
		found("a sealed copy of event %d at the end", i+1)
		h.c.Events++
		found("a sealed and counted copy of event %d at the end", i+1)
		h.c.Events--
	}
	h.events = was
	messages := h.messages
	for i := range messages {
		m := *messages[i]
		m.ID = store.NewID()
		h.messages = append(slices.Clone(messages), &m)
		found("a copy of message %d", i+1)
	}
	h.messages = messages
	for _, m := range h.messages {
		if m.Delivery == nil {
			continue
		}
		d := *m.Delivery
		m.Delivery.Attempts = append(slices.Clone(d.Attempts), casecore.Attempt{No: 1000, State: d.State})
		found("an invented attempt")
		m.Delivery.Attempts = d.Attempts
		e := casecore.Evidence{No: int64(len(d.Evidence) + 1), State: d.State, At: d.At}
		e.Hash = e.Digest(m.Proof())
		m.Delivery.Evidence = append(slices.Clone(d.Evidence), e)
		if h.outside[m.ID] != nil {
			found("sealed evidence that was invented")
		}
		m.Delivery.Evidence = d.Evidence
	}
}

// rechain changes one thing and seals everything behind it anew, but for what is
// kept elsewhere: the case's head, the notice's proof.
func (h *history) rechain(found finding) {
	was := h.events
	again := func(from int) {
		prev := ""
		h.events = slices.Clone(h.events)
		for i, e := range h.events {
			if i < from {
				prev = e.Hash
				continue
			}
			x := *e
			x.Seq, x.Prev = int64(i+1), prev
			x.Hash = x.Digest()
			prev, h.events[i] = x.Hash, &x
		}
	}
	for i := range was {
		e := *was[i]
		e.Reason += " or not"
		h.events = slices.Clone(was)
		h.events[i] = &e
		again(i)
		found("event %d changed and all behind it sealed anew", i+1)
		h.events = slices.Delete(slices.Clone(was), i, i+1)
		again(i)
		found("event %d removed and all behind it sealed anew", i+1)
		h.c.Events--
		found("event %d removed, uncounted and all behind it sealed anew", i+1)
		h.c.Events++
		h.events = was
	}
	for _, m := range h.messages {
		if m.Delivery == nil || len(m.Delivery.Evidence) == 0 {
			continue
		}
		d := m.Delivery
		evidence := d.Evidence
		d.Evidence = slices.Clone(evidence)
		prev := m.Digest()
		for i := range d.Evidence {
			d.Evidence[i].At = d.Evidence[i].At.Add(-time.Hour)
			if d.Evidence[i].Since.IsZero() {
				d.Evidence[i].Since = evidence[i].At
			}
			d.Evidence[i].Hash = d.Evidence[i].Digest(prev)
			prev = d.Evidence[i].Hash
		}
		found("evidence sealed anew")
		d.Evidence = evidence
	}
}
