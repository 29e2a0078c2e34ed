package casecore

import (
	"errors"
	"fmt"
	"strings"

	"casewire/casecore/store"
	"casewire/channels"
)

// ErrNotTheirs is the refusal to put a message into another customer's case.
var ErrNotTheirs = errors.New("that case is another customer's")

// ErrNotMovable is the refusal to move what the customer did not write.
var ErrNotMovable = errors.New("only what the customer wrote can be moved to another case")

// Refile moves one message of the customer to another of their cases, for when it
// was filed under the wrong one. Whoever works on the case that has it may; moving
// it back is the undo, which whoever moved it may as long as nobody else has
// touched that case. A closed case is reopened by it.
func (l *Ledger) Refile(tx store.Tx, by Actor, message, to string) (*Case, *Message, error) {
	m, from, err := l.movable(tx, by, message, to)
	if err != nil {
		return nil, nil, err
	}
	if from.ID == to {
		return from, m, nil
	}
	c, err := Cases.Get(tx, to)
	if err != nil {
		return nil, nil, err
	}
	if c.Customer != from.Customer {
		return nil, nil, fmt.Errorf("%s: %w", c.CaseNumber(), ErrNotTheirs)
	}
	c.Messages++
	m.Case, m.Seq = c.ID, c.Messages
	c.InboundAt, c.Waiting = l.Now(), true
	if err := Messages.Put(tx, m); err != nil {
		return nil, nil, err
	}
	if err := l.record(tx, by, c, about(m, Event{Kind: Refiled, From: from.CaseNumber(), Pending: l.word()})); err != nil {
		return nil, nil, err
	}
	if err := l.revive(tx, by, c); err != nil {
		return nil, nil, err
	}
	if err := l.rehouse(tx, by, c); err != nil {
		return nil, nil, err
	}
	return c, m, errors.Join(Cases.Put(tx, c), l.leave(tx, by, from, c, m))
}

// RefileNew is Refile to a new case made of a draft.
func (l *Ledger) RefileNew(tx store.Tx, by Actor, message string, d Draft) (*Case, *Message, error) {
	m, from, err := l.movable(tx, by, message, "")
	if err != nil {
		return nil, nil, err
	}
	d.Customer, d.Channel, d.To, d.Lang = from.Customer, m.Channel, m.From, from.Lang
	c, err := l.begin(tx, d)
	if err != nil {
		return nil, nil, err
	}
	c.Messages++
	m.Case, m.Seq = c.ID, c.Messages
	c.InboundAt, c.Waiting = l.Now(), true
	if err := Messages.Put(tx, m); err != nil {
		return nil, nil, err
	}
	trace := d.Trace
	err = l.record(tx, by, c, about(m, Event{
		Kind: Opened, From: from.CaseNumber(), To: c.Queue, Template: d.Reply, Trace: &trace, Pending: []string{PendingNotify},
	}))
	if err != nil {
		return nil, nil, err
	}
	return c, m, errors.Join(Cases.Put(tx, c), l.leave(tx, by, from, c, m))
}

// movable returns the message and the case that has it, when it may go to another
// one; to is its id, or empty for a new one.
func (l *Ledger) movable(tx store.Tx, by Actor, message, to string) (*Message, *Case, error) {
	m, err := Messages.Get(tx, message)
	if err != nil {
		return nil, nil, err
	}
	c, err := Cases.Get(tx, m.Case)
	if err != nil {
		return nil, nil, err
	}
	if refused := Authorize(by, VerbWork, c); refused != nil {
		undo, err := undoes(tx, by, c, m, to)
		if err != nil {
			return nil, nil, err
		}
		if !undo {
			return nil, nil, refused
		}
	}
	if m.Direction != In {
		return nil, nil, ErrNotMovable
	}
	return m, c, nil
}

// undoes says that to take m out of c again is to undo what the same actor did,
// and that no other person has done anything in c since.
func undoes(tx store.Tx, by Actor, c *Case, m *Message, to string) (bool, error) {
	if to == "" || by.ID == "" {
		return false, nil
	}
	back, err := Cases.Get(tx, to)
	if err != nil {
		return false, err
	}
	for e, err := range Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID), Reverse: true, Limit: 50}) {
		if err != nil {
			return false, err
		}
		if e.Message == m.ID && e.From == back.CaseNumber() && (e.Kind == Refiled || e.Kind == Opened) {
			return e.Actor == by.ID, nil
		}
		if e.Actor != by.ID && !strings.HasPrefix(e.Actor, System("").ID) {
			return false, nil
		}
	}
	return false, nil
}

// leave records on the case that had the message where it went.
func (l *Ledger) leave(tx store.Tx, by Actor, from, to *Case, m *Message) error {
	waiting, err := waits(tx, from.ID)
	if err != nil {
		return err
	}
	from.Waiting = waiting
	if err := l.record(tx, by, from, about(m, Event{Kind: Refiled, To: to.CaseNumber()})); err != nil {
		return err
	}
	return Cases.Put(tx, from)
}

// waits says whether the last word in a case is its customer's.
func waits(tx store.Tx, id string) (bool, error) {
	for m, err := range Messages.Scan(tx, store.Range{Index: "case", Prefix: store.Under(id), Reverse: true, Limit: 50}) {
		if err != nil {
			return false, err
		}
		if m.Direction != Note && !m.Auto {
			return m.Direction == In, nil
		}
	}
	return false, nil
}

// Ask has the customer asked which of their cases a message is about.
func (l *Ledger) Ask(tx store.Tx, by Actor, id, message string, choices []Choice) error {
	c, err := Cases.Get(tx, id)
	if err != nil {
		return err
	}
	err = l.record(tx, by, c, Event{Kind: Asked, Message: message, Choices: choices, Pending: []string{PendingNotify}})
	if err != nil {
		return err
	}
	return Cases.Put(tx, c)
}

// Buttons are the choices as a message offers them.
func Buttons(choices []Choice) []channels.Button {
	var out []channels.Button
	for _, c := range choices {
		out = append(out, channels.Button{Label: c.Label, Data: c.Data})
	}
	return out
}
