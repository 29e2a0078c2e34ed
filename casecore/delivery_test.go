package casecore_test

import (
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// tell writes a notice to a case's customer.
func (b *book) tell(c *casecore.Case) *casecore.Message {
	b.t.Helper()
	var m *casecore.Message
	b.do(func(tx store.Tx) (err error) {
		_, m, err = b.ledger.Tell(tx, house, c.ID, casecore.Message{Template: "ready", Body: channels.Body{Text: "It is ready."}})
		return err
	})
	return m
}

func (b *book) attempted(id string, a casecore.Attempt) *casecore.Message {
	b.t.Helper()
	var m *casecore.Message
	b.do(func(tx store.Tx) (err error) {
		m, err = b.ledger.Attempted(tx, id, a)
		return err
	})
	return m
}

func (b *book) receipted(id string, s channels.State) (news bool) {
	b.t.Helper()
	b.do(func(tx store.Tx) (err error) {
		_, news, err = b.ledger.Receipted(tx, id, channels.Receipt{State: s, ProviderID: "p1"})
		return err
	})
	return news
}

// A try is written before and completed after; what the provider reported of it
// meanwhile stays.
func TestAttemptIsCompletedNotRepeated(t *testing.T) {
	b := open(t)
	m := b.tell(b.arrive("phones", "1"))
	began := b.now
	b.attempted(m.ID, casecore.Attempt{No: 1, Channel: "c", At: began, State: channels.Sending})
	b.now = b.now.Add(time.Second)
	m = b.attempted(m.ID, casecore.Attempt{No: 1, Channel: "c", At: b.now, State: channels.Sent, ProviderID: "p1"})
	if d := m.Delivery; d.State != channels.Sent || len(d.Attempts) != 1 || d.Attempts[0].State != channels.Sent || !d.Attempts[0].At.Equal(began) {
		t.Fatalf("delivery %+v", d)
	}
	early := b.tell(b.arrive("phones", "2"))
	b.attempted(early.ID, casecore.Attempt{No: 1, State: channels.Sending})
	if !b.receipted(early.ID, channels.Delivered) || b.receipted(early.ID, channels.Sent) || b.receipted(early.ID, channels.Delivered) {
		t.Error("a receipt counts once, and only forward")
	}
	early = b.attempted(early.ID, casecore.Attempt{No: 1, State: channels.Sent, ProviderID: "p2"})
	if d := early.Delivery; d.State != channels.Delivered || d.Attempts[0].State != channels.Delivered || d.Attempts[0].ProviderID != "p2" {
		t.Fatalf("delivery %+v", d)
	}
}

// A channel that is out for days does not make its messages grow without end.
func TestAttemptsAreBounded(t *testing.T) {
	b := open(t)
	m := b.tell(b.arrive("phones", "1"))
	for no := 1; no <= 100; no++ {
		m = b.attempted(m.ID, casecore.Attempt{No: no, State: channels.Queued})
	}
	a := m.Delivery.Attempts
	if len(a) != 40 || a[0].No != 1 || a[39].No != 100 || a[1].No != 62 {
		t.Fatalf("%d attempts, from %d, %d to %d", len(a), a[0].No, a[1].No, a[len(a)-1].No)
	}
}

func TestUndeliveredIsOnTheTimeline(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	m := b.tell(c)
	b.do(func(tx store.Tx) error {
		if err := b.ledger.Undelivered(tx, house, m, "blocked"); err != nil {
			return err
		}
		return b.ledger.Untold(tx, house, c.ID, "closed", "no_address")
	})
	events := b.events(c.ID)
	one, two := events[len(events)-2], events[len(events)-1]
	if one.Kind != casecore.Undelivered || one.To != "blocked" || one.Message != m.ID || one.Template != "ready" {
		t.Errorf("event %+v", one)
	}
	if two.Kind != casecore.Undelivered || two.To != "no_address" || two.Message != "" || two.Template != "closed" {
		t.Errorf("event %+v", two)
	}
}
