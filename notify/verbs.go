package notify

import (
	"errors"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// ErrArrived is the refusal to send again what is on its way or has arrived.
var ErrArrived = errors.New("it is on its way, or has arrived")

// ErrNoWay is the refusal to send where there is no channel, or the address is
// shut.
var ErrNoWay = errors.New("nothing can be sent to that address")

// Again sends a notice that was given up once more, to the same or to another
// address of its customer, and marks it as handled.
func (r Reach) Again(tx store.Tx, l *casecore.Ledger, by casecore.Actor, id string, to channels.Address) (*Notice, error) {
	n, err := Notices.Get(tx, id)
	if err != nil {
		return nil, err
	}
	if n.State != Dead || n.Message == "" {
		return nil, ErrArrived
	}
	c, err := casecore.Cases.Get(tx, n.Case)
	if err != nil {
		return nil, err
	}
	if to.Handle == "" {
		to = n.To
	}
	channel, err := r.wayTo(tx, c, n, to)
	if err != nil {
		return nil, err
	}
	m, err := casecore.Messages.Get(tx, n.Message)
	if err != nil {
		return nil, err
	}
	if m, err = retell(tx, l, by, n, m, channel, to); err != nil {
		return nil, err
	}
	if err := n.handle(tx, by, l.Now()); err != nil {
		return nil, err
	}
	next := &Notice{ // a reminder that somebody sends is none: it goes out whatever the status
		Meta: store.Meta{ID: NoticeID(n.Event, to.Key(), n.Name()+"|"+n.ID)}, Event: n.Event, Case: n.Case, CaseNumber: n.CaseNumber,
		Aside: n.Aside, Message: m.ID, Seq: m.Seq, Template: n.Template, Channel: channel, To: to, State: Pending, NextAt: l.Now(), Created: l.Now(), Now: true,
	}
	return next, Enlist(tx, next)
}

// retell writes a message that did not arrive once more.
func retell(tx store.Tx, l *casecore.Ledger, by casecore.Actor, n *Notice, m *casecore.Message, channel string, to channels.Address) (*casecore.Message, error) {
	if !n.Aside {
		_, again, err := l.Retell(tx, by, m, channel, to)
		return again, err
	}
	_, again, err := l.Inform(tx, by, m.Case, casecore.Message{Channel: channel, To: to, Template: m.Template, Body: m.Body, Instead: m.ID})
	return again, err
}

// wayTo returns the channel to send a notice again on. What is for somebody of the
// house goes to nobody else.
func (r Reach) wayTo(tx store.Tx, c *casecore.Case, n *Notice, to channels.Address) (string, error) {
	if !n.Aside {
		return r.open(tx, c, to)
	}
	channel, ok := r.On(to.Kind)
	if !ok || to.Key() != n.To.Key() {
		return "", ErrNoWay
	}
	return channel, nil
}

// open returns the channel to an address that is the customer's and not shut.
func (r Reach) open(tx store.Tx, c *casecore.Case, to channels.Address) (string, error) {
	i, err := casecore.Identities.Get(tx, casecore.IdentityID(to))
	if errors.Is(err, store.ErrNotFound) || err == nil && i.Customer != c.Customer {
		return "", fmt.Errorf("address: %w", store.ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	channel, ok := r.channel(c, to)
	if !ok || i.Shut != nil {
		return "", ErrNoWay
	}
	return channel, nil
}

// Handled marks a notice that did not arrive as seen to by somebody.
func Handled(tx store.Tx, by casecore.Actor, id string, now time.Time) error {
	n, err := Notices.Get(tx, id)
	if err != nil {
		return err
	}
	if !n.Undelivered() {
		return ErrArrived
	}
	return n.handle(tx, by, now)
}

func (n *Notice) handle(tx store.Tx, by casecore.Actor, now time.Time) error {
	n.HandledBy, n.HandledAt = by.Name, now
	return Notices.Put(tx, n)
}

// Undelivered says that the notice did not arrive, will not, and nobody has seen
// to it yet. What was taken back by intent is no such thing.
func (n *Notice) Undelivered() bool {
	return n.HandledAt.IsZero() && n.Missed()
}

// Missed says that somebody was to be told and was not, whoever has seen to it since.
func (n *Notice) Missed() bool {
	return n.State == Dead || n.State == Skipped && !n.withdrawn()
}
