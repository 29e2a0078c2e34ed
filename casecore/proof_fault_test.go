package casecore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// spoilt is a fresh case of three events and two messages, of which the second was
// sent, with one thing changed.
func spoilt(t *testing.T, fn func(h *history)) []casecore.Fault {
	t.Helper()
	b := open(t)
	c := b.arrive("phones", "1")
	m := b.tell(c)
	b.attempted(m.ID, casecore.Attempt{No: 1, Channel: "c", At: b.now, State: channels.Sending})
	b.attempted(m.ID, casecore.Attempt{No: 1, Channel: "c", At: b.now, State: channels.Sent, ProviderID: "p1"})
	b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, anna, c.ID); return err })
	h := b.history(c.ID)
	if f := h.faults(); len(f) > 0 {
		t.Fatal(f)
	}
	fn(h)
	return h.faults()
}

// Each fault says what is wrong and where: of the chain of events by number, of a
// message with the event that sealed it, of a delivery with its entry.
func TestFaultsNameTheirPlace(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(h *history)
		want  []string
	}{
		"changed": {func(h *history) { h.events[1].To = "x" }, []string{"event 2 is changed: it does not say what its seal is of"}},
		"missing": {func(h *history) { h.events = slices.Delete(h.events, 2, 3) }, []string{"event 3 is missing: event 4 follows event 2"}},
		"missing at the end": {
			func(h *history) { h.events = h.events[:3] }, []string{"event 4 is missing: the case counts 4 events and has 3"},
		},
		"inserted": {
			func(h *history) { e := *h.events[3]; e.Seq = 5; e.Hash = ""; h.events = append(h.events, &e) },
			[]string{"event 5 is inserted: it has no seal, and events before it have one", "event 5 is inserted: the case counts 4 events"},
		},
		"reordered": {
			func(h *history) {
				h.events[2], h.events[3] = h.events[3], h.events[2]
				h.events[2].Seq, h.events[3].Seq = 3, 4
			},
			[]string{"event 3 is reordered: it was event 4", "event 4 is reordered: it was event 3"},
		},
		"sealed anew": {
			func(h *history) {
				h.events[3].ActorName = "x"
				h.events[3].Hash = h.events[3].Digest()
			},
			[]string{"event 4 is changed: it was sealed anew: the case has another head"},
		},
		"sealed anew in the middle": {
			func(h *history) { h.events[1].ActorName = "x"; h.events[1].Hash = h.events[1].Digest() },
			[]string{"event 2 is missing: what event 3 was sealed behind is not there"},
		},
		"words": {
			func(h *history) { h.messages[0].Body.Text = "x" }, []string{"message 1 (event 1) is changed: it does not say what the event's seal is of"},
		},
		"a message that is gone": {
			func(h *history) { h.messages = h.messages[:1] }, []string{"message 2 (event 2) is missing: the event tells of it"},
		},
		"a message of another case": {
			func(h *history) { m := *h.messages[0]; m.ID, m.Seq = "other", 3; h.messages = append(h.messages, &m) },
			[]string{"message 3 (event 0) is inserted: no event tells of it"},
		},
		"an attempt": {
			func(h *history) { h.messages[1].Delivery.Attempts[0].ProviderID = "p2" },
			[]string{"entry 2 of the delivery of message 2 (event 2) is changed: attempt 1 is not what the entries say"},
		},
		"an entry": {
			func(h *history) { h.messages[1].Delivery.Evidence[0].At = h.c.Received.Add(-time.Hour) },
			[]string{"entry 1 of the delivery of message 2 (event 2) is changed: it does not say what its seal is of"},
		},
		"an entry that is gone": {
			func(h *history) { d := h.messages[1].Delivery; d.Evidence = d.Evidence[1:] },
			[]string{"entry 1 of the delivery of message 2 (event 2) is missing: entry 2 follows entry 0"},
		},
		"the last entry with its state": {
			func(h *history) {
				d := h.messages[1].Delivery
				d.Evidence, d.State, d.At = d.Evidence[:1], channels.Sending, d.Evidence[0].At
				d.Attempts[0] = *d.Evidence[0].Attempt
			},
			[]string{"entry 1 of the delivery of message 2 (event 2) is changed: its notice has another seal of it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range spoilt(t, tt.spoil) {
				got = append(got, f.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// What was written before there were seals opens and verifies as not chained; what
// is added to it is chained from there on.
func TestOlderCasesGoOn(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	m := b.tell(c)
	b.attempted(m.ID, casecore.Attempt{No: 1, Channel: "c", At: b.now, State: channels.Sending})
	b.do(func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		k.Head = ""
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			defer func() {
				e.Hash, e.Prev, e.Words, e.Place = "", "", "", 0
				if err := casecore.Events.Put(tx, e); err != nil {
					t.Error(err)
				}
			}()
		}
		old, err := casecore.Messages.Get(tx, m.ID)
		if err != nil {
			return err
		}
		old.Delivery.Evidence = nil
		if err := casecore.Messages.Put(tx, old); err != nil {
			return err
		}
		return casecore.Cases.Put(tx, k)
	})
	prove := func(from, events int64) {
		t.Helper()
		h := b.history(c.ID)
		p := casecore.Prove(h.c, h.events, h.messages, h.outside)
		if p.From != from || p.Events != events || len(p.Faults) > 0 {
			t.Errorf("%+v", p)
		}
	}
	prove(0, 0)
	b.attempted(m.ID, casecore.Attempt{No: 1, Channel: "c", At: b.now, State: channels.Failed})
	prove(0, 0)
	b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, anna, c.ID); return err })
	prove(3, 2)
	b.do(func(tx store.Tx) error {
		old, err := casecore.Messages.Get(tx, m.ID)
		if err != nil {
			return err
		}
		return b.ledger.Undelivered(tx, house, old, "failed")
	})
	prove(3, 3)
	h := b.history(c.ID)
	h.events[3].Reason = "x"
	if f := h.faults(); len(f) != 1 || f[0].Event != 4 {
		t.Errorf("%v", f)
	}
	h = b.history(c.ID)
	h.messages[1].Body.Text = "x"
	if f := h.faults(); len(f) != 1 || f[0].Message != 2 || f[0].Event != 5 {
		t.Errorf("%v", f)
	}
}

// A channel that is out for weeks does not make a message grow for ever; the first
// entry and the latest stay, and stay a chain.
func TestEvidenceIsBounded(t *testing.T) {
	b := open(t)
	m := b.tell(b.arrive("phones", "1"))
	for no := range 150 {
		b.now = b.now.Add(time.Minute)
		b.attempted(m.ID, casecore.Attempt{No: no + 1, Channel: "c", At: b.now, State: channels.Sending})
		b.attempted(m.ID, casecore.Attempt{No: no + 1, Channel: "c", At: b.now, State: channels.Queued, Reason: "unreachable", NextAt: b.now})
		if no%10 == 9 {
			if f := b.history(m.Case).faults(); len(f) > 0 {
				t.Fatalf("after %d tries: %v", no+1, f)
			}
		}
	}
	h := b.history(m.Case)
	d := h.messages[1].Delivery
	if n := len(d.Evidence); n != 160 || d.Evidence[0].No != 1 || d.Evidence[n-1].No != 300 || len(d.Attempts) != 40 {
		t.Errorf("%d entries, of %d to %d, %d attempts", n, d.Evidence[0].No, d.Evidence[n-1].No, len(d.Attempts))
	}
	found := func(what string, args ...any) {
		t.Helper()
		if len(h.faults()) == 0 {
			t.Errorf("%s is not found", fmt.Sprintf(what, args...))
		}
	}
	h.flip(found)
	h.remove(found)
	h.swap(found)
}

// failed is a fresh case whose one notice could not be delivered; say puts that on its
// timeline.
func failed(t *testing.T, say func(b *book, tx store.Tx, m *casecore.Message) error) *history {
	t.Helper()
	b := open(t)
	m := b.tell(b.arrive("phones", "1"))
	b.attempted(m.ID, casecore.Attempt{No: 1, Channel: "sms:main", At: b.now, State: channels.Sending})
	b.attempted(m.ID, casecore.Attempt{No: 1, Channel: "sms:main", At: b.now, State: channels.Failed, Reason: "bad_address"})
	b.do(func(tx store.Tx) error {
		m, err := casecore.Messages.Get(tx, m.ID)
		if err != nil {
			return err
		}
		return say(b, tx, m)
	})
	h := b.history(m.Case)
	if f := h.faults(); len(f) > 0 {
		t.Fatal(f)
	}
	return h
}

// forge makes of a notice that failed one that was delivered, seals its evidence anew
// and gives its notice the new seal.
func (h *history) forge() {
	for _, m := range h.messages {
		if m.Direction != casecore.Out {
			continue
		}
		d := m.Delivery
		e := &d.Evidence[1]
		e.State, e.By, e.Attempt.State, e.Attempt.Reason, e.Attempt.ProviderID = channels.Delivered, casecore.Provider, channels.Delivered, "", "SM123"
		e.Hash = e.Digest(d.Evidence[0].Hash)
		d.State, d.Attempts[0] = channels.Delivered, *e.Attempt
		h.outside[m.ID] = []string{m.Proof()}
	}
}

// That a notice did not arrive is under the head: nobody makes a delivered one of it
// and keeps the head that was noted down, whichever event told of it.
func TestAForgedDeliveryIsNotUnderTheHead(t *testing.T) {
	for name, say := range map[string]func(b *book, tx store.Tx, m *casecore.Message) error{
		"undelivered": func(b *book, tx store.Tx, m *casecore.Message) error {
			return b.ledger.Undelivered(tx, house, m, "bad_address")
		},
		"call wanted": func(b *book, tx store.Tx, m *casecore.Message) error {
			return b.ledger.WantCall(tx, house, m.Case, "bad_address", m.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := failed(t, say)
			h.forge()
			want := "message 2 (event 3) is changed: its delivery had gone another way by then"
			if f := h.faults(); len(f) != 1 || f[0].String() != want {
				t.Errorf("%v, want %s", f, want)
			}
		})
	}
}

// Events from before they named how a message had fared verify as they did.
func TestEventsWithoutTheFateStillVerify(t *testing.T) {
	h := failed(t, func(b *book, tx store.Tx, m *casecore.Message) error {
		return b.ledger.Undelivered(tx, house, m, "bad_address")
	})
	last := h.events[len(h.events)-1]
	last.Fared = ""
	last.Hash = last.Digest()
	h.c.Head = last.Hash
	if f := h.faults(); len(f) > 0 {
		t.Errorf("%v", f)
	}
}

// A delivery goes on after an event has named it: a late receipt, or another try.
func TestADeliveryGoesOnBehindItsFate(t *testing.T) {
	b := open(t)
	m := b.tell(b.arrive("phones", "1"))
	try := func(no int) {
		b.now = b.now.Add(time.Minute)
		b.attempted(m.ID, casecore.Attempt{No: no, Channel: "c", At: b.now, State: channels.Sending})
		b.attempted(m.ID, casecore.Attempt{No: no, Channel: "c", At: b.now, State: channels.Queued, Reason: "unreachable", NextAt: b.now})
	}
	try(1)
	try(2)
	b.do(func(tx store.Tx) error { return b.ledger.WantCall(tx, house, m.Case, "unreachable", m.ID) })
	for no := range 90 { // the entry that the event has named is left out at last
		try(3 + no)
		if f := b.history(m.Case).faults(); len(f) > 0 {
			t.Fatalf("after %d more tries: %v", no+1, f)
		}
	}
}
