package casecore

import (
	"slices"

	"casewire/casecore/store"
	"casewire/channels"
)

// maxAttempts is how many tries a message remembers. A channel that is out for
// days makes more; then the oldest but the first go.
const maxAttempts = 40

// Attempted records a try at delivering a message: a new one, or what became of
// the one with this number. A receipt that came before it is not set back. It
// returns the message as written.
func (l *Ledger) Attempted(tx store.Tx, messageID string, a Attempt) (*Message, error) {
	m, err := Messages.Get(tx, messageID)
	if err != nil {
		return nil, err
	}
	if m.Delivery == nil {
		m.Delivery = &Delivery{State: channels.Queued, At: m.At}
	}
	d, was, now := m.Delivery, m.Delivery.State, l.Now()
	i := slices.IndexFunc(d.Attempts, func(b Attempt) bool { return b.No == a.No })
	switch {
	case i < 0:
		d.Attempts = append(d.Attempts, a)
		if len(d.Attempts) > maxAttempts {
			d.Attempts = slices.Delete(d.Attempts, 1, 2)
		}
		i = len(d.Attempts) - 1
	case !reported(d.Attempts[i].State):
		a.At = d.Attempts[i].At
		d.Attempts[i] = a
	case a.ProviderID != "":
		d.Attempts[i].ProviderID = a.ProviderID
		d.Attempts[i].Refs = append(d.Attempts[i].Refs, a.Refs...)
	case reported(d.State):
		return m, nil // it is known better
	}
	if !reported(d.State) {
		d.State, d.At = a.State, now
	}
	m.testify(Sender, &d.Attempts[i], now)
	return m, l.putDelivery(tx, m, was)
}

// Receipted records a provider's word on a message. Words come late, twice and in
// any order: what is no news (channels.Later) changes nothing, and the answer is
// false. It returns the message as it is then.
func (l *Ledger) Receipted(tx store.Tx, messageID string, r channels.Receipt) (*Message, bool, error) {
	m, err := Messages.Get(tx, messageID)
	if err != nil {
		return nil, false, err
	}
	d := m.Delivery
	if d == nil || !channels.Later(d.State, r.State) {
		return m, false, nil
	}
	var told *Attempt
	if i := len(d.Attempts) - 1; i >= 0 {
		told = &d.Attempts[i]
		told.State, told.Code, told.Detail = r.State, r.Code, r.Detail
		if r.ProviderID != "" {
			told.ProviderID = r.ProviderID
		}
		told.Refs = append(told.Refs, r.Refs...)
	}
	was := d.State
	d.State, d.At = r.State, l.Now()
	m.testify(Provider, told, d.At)
	return m, true, l.putDelivery(tx, m, was)
}

// Cancelled marks a message that does not go out after all, and returns it.
func (l *Ledger) Cancelled(tx store.Tx, messageID string) (*Message, error) {
	m, err := Messages.Get(tx, messageID)
	if err != nil {
		return nil, err
	}
	if m.Delivery == nil {
		m.Delivery = &Delivery{}
	}
	d, was := m.Delivery, m.Delivery.State
	d.State, d.At = channels.Cancelled, l.Now()
	m.testify(House, nil, d.At)
	return m, l.putDelivery(tx, m, was)
}

// Undelivered adds to the timeline that a message did not arrive and is not tried
// any more.
func (l *Ledger) Undelivered(tx store.Tx, by Actor, m *Message, reason string) error {
	return l.undelivered(tx, by, m.Case, about(m, Event{To: reason, Template: m.Template}))
}

// Untold adds to the timeline that the customer could not be told something at
// all: there is no message that failed.
func (l *Ledger) Untold(tx store.Tx, by Actor, caseID, template, reason string) error {
	return l.undelivered(tx, by, caseID, Event{To: reason, Template: template})
}

func (l *Ledger) undelivered(tx store.Tx, by Actor, caseID string, e Event) error {
	c, err := Cases.Get(tx, caseID)
	if err != nil {
		return err
	}
	e.Kind = Undelivered
	if err := l.record(tx, by, c, e); err != nil {
		return err
	}
	return Cases.Put(tx, c)
}

// Retell writes a message that did not arrive once more, to another address of
// the same customer. It is the post room's verb and needs no holder.
func (l *Ledger) Retell(tx store.Tx, by Actor, failed *Message, channel string, to channels.Address) (*Case, *Message, error) {
	c, err := Cases.Get(tx, failed.Case)
	if err != nil {
		return nil, nil, err
	}
	m := &Message{
		Direction: Out, Channel: channel, To: to, Author: failed.Author, AuthorName: failed.AuthorName, Auto: failed.Auto,
		Status: failed.Status, Template: failed.Template, Body: failed.Body, Instead: failed.ID,
	}
	if err := l.write(tx, c, m); err != nil {
		return nil, nil, err
	}
	if err := l.record(tx, by, c, about(m, Event{Kind: Told, To: m.Template, Reason: "instead"})); err != nil {
		return nil, nil, err
	}
	return c, m, Cases.Put(tx, c)
}

// Inform writes a notice of the house to somebody who is not the case's customer. It
// stands in the case as a note: neither the customer nor their thread has it. It is
// the post room's verb and needs no holder.
func (l *Ledger) Inform(tx store.Tx, by Actor, id string, m Message) (*Case, *Message, error) {
	c, err := Cases.Get(tx, id)
	if err != nil {
		return nil, nil, err
	}
	m.Direction, m.Auto, m.AuthorName = Note, true, by.Name
	m.Delivery = &Delivery{State: channels.Queued, At: l.Now()}
	if err := l.write(tx, c, &m); err != nil {
		return nil, nil, err
	}
	if err := l.record(tx, by, c, about(&m, Event{Kind: Noted, To: m.Template})); err != nil {
		return nil, nil, err
	}
	return c, &m, Cases.Put(tx, c)
}

// reported says that a state came from the provider's own report, or is the end:
// what the sender learns later does not change it.
func reported(s channels.State) bool {
	switch s {
	case channels.Delivered, channels.Read, channels.Undelivered, channels.Failed:
		return true
	}
	return false
}
