package outbox

import (
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
)

// failure is why a notice was given up.
type failure struct {
	reason string          // shown on the case: a channels.Reason, a provider's code, or our own word
	means  channels.Reason // what follows from it; empty: nothing
	code   string
	known  bool // the address is shut already: this is no later word on it
}

// giveUp ends a notice that has not arrived and will not: the case says so, a
// customer's address that is no good is shut, and the message goes to the customer's next
// address, if they have one. Whoever calls has put the notice.
func (o *Outbox) giveUp(tx store.Tx, n *notify.Notice, f failure) error {
	if f.reason == unreadable {
		return ignore(o.ledger.Untold(tx, by(), n.Case, n.Template, f.reason)) // the message may be what cannot be read
	}
	m, err := casecore.Messages.Get(tx, n.Message) // whole: the event is a seal of what it said
	switch {
	case err == nil:
		err = o.ledger.Undelivered(tx, by(), m, f.reason)
	case isNotFound(err):
		err = o.ledger.Untold(tx, by(), n.Case, n.Template, f.reason)
	}
	if err != nil {
		return ignore(err)
	}
	if !f.known && !n.Aside && (f.means == channels.BadAddress || f.means == channels.Blocked) {
		if err := o.shut(tx, n, f); err != nil {
			return err
		}
	}
	return o.onward(tx, n, f)
}

// ignore takes a case that is gone as no fault: there is nobody to tell.
func ignore(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}

// shut marks the address. Hosted ones are ours: nobody can refuse them.
func (o *Outbox) shut(tx store.Tx, n *notify.Notice, f failure) error {
	if n.To.Kind.Hosted() {
		return nil
	}
	return o.ledger.Stand(tx, by(), channels.Standing{
		Channel: n.Channel, Address: n.To, Reason: f.means, Code: f.code, At: o.o.Now(),
	})
}

// onward sends the message to the next address of its customer. What may have
// arrived is not sent again elsewhere, and what was refused for its words would
// be refused there, too.
func (o *Outbox) onward(tx store.Tx, n *notify.Notice, f failure) error {
	switch f.means {
	case channels.BadAddress, channels.Blocked, channels.Unreachable, channels.Misset:
	default:
		return nil
	}
	if n.Onward || n.Aside {
		return nil
	}
	if gone, err := notify.Outdated(tx, n); err != nil || gone {
		return ignore(err)
	}
	m, err := casecore.Messages.Get(tx, n.Message)
	if err != nil {
		return ignore(err)
	}
	c, err := casecore.Cases.Get(tx, n.Case)
	if err != nil {
		return err
	}
	channel, to, err := o.o.Reach.Next(tx, c, n.Event, n.Name())
	if err != nil {
		return err
	}
	if to.Handle == "" {
		return o.call(tx, n, f)
	}
	_, m, err = o.ledger.Retell(tx, by(), m, channel, to)
	if err != nil {
		return err
	}
	n.Onward = true
	if err := notify.Notices.Put(tx, n); err != nil {
		return err
	}
	next := &notify.Notice{
		Meta: store.Meta{ID: notify.NoticeID(n.Event, to.Key(), n.Name())}, Event: n.Event, Case: n.Case,
		CaseNumber: n.CaseNumber, Message: m.ID, Seq: m.Seq, Template: n.Template, Reminder: n.Reminder, Late: n.Late, Channel: channel, To: to,
		State: notify.Pending, NextAt: o.o.Now(), Created: o.o.Now(), Since: n.Since, Now: n.Now,
	}
	at, err := o.o.Awake(tx, next, next.NextAt)
	if err != nil {
		return err
	}
	if at.After(next.NextAt) {
		next.State, next.NextAt = notify.Held, at
		return notify.Notices.Put(tx, next)
	}
	return notify.Enlist(tx, next)
}

// call has somebody call the customer, whom no message reaches; not for a receipt,
// and not for what may have arrived.
func (o *Outbox) call(tx store.Tx, n *notify.Notice, f failure) error {
	if f.reason == "" {
		return nil
	}
	e, err := casecore.Events.Get(tx, n.Event)
	if err != nil || !notify.Matters(e) {
		return ignore(err)
	}
	return o.ledger.WantCall(tx, by(), n.Case, f.reason, n.Message)
}

// await sends on what no receipt has said to have arrived in time. It may have
// arrived all the same, so nothing is said of a failure.
func (t *turn) await() error {
	var late []*notify.Notice
	for n, err := range notify.Notices.Scan(t.tx, store.Range{Index: "await", To: store.TimeKey(t.now) + "\x00", Limit: page}) {
		if err != nil {
			return err
		}
		late = append(late, n)
	}
	for _, n := range late {
		n.AwaitUntil = time.Time{}
		if err := notify.Notices.Put(t.tx, n); err != nil {
			return blame(n, err)
		}
		if err := t.onward(t.tx, n, failure{means: channels.Unreachable}); err != nil {
			return blame(n, err)
		}
	}
	return nil
}

// refusal returns why nothing may be sent to a notice's address by now (N3).
func refusal(tx store.Tx, n *notify.Notice) (*casecore.Shut, error) {
	i, err := casecore.Identities.Get(tx, casecore.IdentityID(n.To))
	if err != nil {
		return nil, ignore(err)
	}
	return i.Shut, nil
}

// How many messages an answer names, and how far back they are looked for.
const (
	names = 11
	far   = 100
)

// conversation lists what the messages before m are called, the customer's latest
// leading and then nearest first, and the case's subject. Only mail asks for it.
func conversation(tx store.Tx, m *casecore.Message) (answers []string, subject string, err error) {
	if m.To.Kind != channels.Email {
		return nil, "", nil
	}
	c, err := casecore.Cases.Get(tx, m.Case)
	if err != nil {
		return nil, "", ignore(err)
	}
	var lead []string
	before := store.Range{
		Index: "case", From: store.Join(m.Case, store.NumberKey(1)), To: store.Join(m.Case, store.NumberKey(m.Seq)),
		Reverse: true, Limit: far,
	}
	for old, err := range casecore.Messages.Scan(tx, before) {
		if err != nil {
			return nil, "", err
		}
		name := old.Names()
		switch {
		case old.Channel != m.Channel || len(name) == 0 || old.Direction == casecore.Note: // the customer has never seen it
		case old.Auto && old.Direction == casecore.In && old.From.Key() != c.To.Key(): // a bounce: the customer has never seen it
		case lead == nil && old.Direction == casecore.In && !old.Auto:
			lead = name[:1]
		case len(answers) < names:
			answers = append(answers, name[0])
		}
	}
	return append(lead, answers...), c.Subject, nil
}
