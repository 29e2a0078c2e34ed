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
	channel, err := r.open(tx, c, to)
	if err != nil {
		return nil, err
	}
	m, err := casecore.Messages.Get(tx, n.Message)
	if err != nil {
		return nil, err
	}
	if _, m, err = l.Retell(tx, by, m, channel, to); err != nil {
		return nil, err
	}
	if err := n.handle(tx, by, l.Now()); err != nil {
		return nil, err
	}
	next := &Notice{
		Meta: store.Meta{ID: NoticeID(n.Event, to.Key(), n.Template+"|"+n.ID)}, Event: n.Event, Case: n.Case, CaseNumber: n.CaseNumber,
		Message: m.ID, Seq: m.Seq, Template: n.Template, Channel: channel, To: to, State: Pending, NextAt: l.Now(), Created: l.Now(),
	}
	return next, Enlist(tx, next)
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
	if !n.HandledAt.IsZero() {
		return false
	}
	return n.State == Dead || n.State == Skipped && n.Reason != TakenBack && n.Reason != Cancelled
}
