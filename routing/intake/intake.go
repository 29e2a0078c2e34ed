// Package intake turns an inbound message into a case, in one transaction: stored
// once, joined to its conversation or routed as a new case, with the reason kept.
// It is the Sink behind every door and knows no door.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"casewire/casecore"
	"casewire/casecore/blob"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
)

// Intake takes messages in. It is safe for concurrent use.
type Intake struct {
	store  store.Store
	ledger *casecore.Ledger
	router func() *routing.Router
	blobs  blob.Store
	o      Options

	taken, repeats atomic.Uint64
}

// Options of an Intake.
type Options struct {
	Lang  func() string // of customers whose language nothing tells; nil: lang.Fallback
	Log   *slog.Logger
	Check func(point string) // called at named points; tests kill the process there
}

// by is who opens cases and adds messages on behalf of customers.
var by = casecore.System("intake")

// New returns an Intake that writes to st.
func New(st store.Store, l *casecore.Ledger, router func() *routing.Router, blobs blob.Store, o Options) *Intake {
	if o.Lang == nil {
		o.Lang = func() string { return lang.Fallback }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Check == nil {
		o.Check = func(string) {}
	}
	return &Intake{store: st, ledger: l, router: router, blobs: blobs, o: o}
}

// Result is what became of a message.
type Result struct {
	Case    *casecore.Case
	Message *casecore.Message
	New     bool // a case was opened
	Repeat  bool // it had been taken in before
}

// Message stores m durably and exactly once (channels.Sink). An error means that
// nothing happened and the door must offer it again.
func (in *Intake) Message(ctx context.Context, m channels.Inbound) error {
	_, err := in.Take(ctx, m)
	return err
}

// Take is Message with its result.
func (in *Intake) Take(ctx context.Context, m channels.Inbound) (*Result, error) {
	p, err := in.prepare(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("take in from %s: %w", m.Channel, err)
	}
	in.o.Check("intake.before-commit")
	var res *Result
	err = in.store.Update(ctx, func(tx store.Tx) (err error) {
		res, err = in.put(tx, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take in from %s: %w", m.Channel, err)
	}
	in.o.Check("intake.after-commit")
	if res.Repeat {
		in.repeats.Add(1)
	} else {
		in.taken.Add(1)
	}
	in.o.Log.Debug("message taken in", "channel", m.Channel, "case", res.Case.CaseNumber(), "new", res.New, "repeat", res.Repeat)
	return res, nil
}

// Standing takes in a word on whether an address may be written to
// (channels.Sink).
func (in *Intake) Standing(ctx context.Context, s channels.Standing) error {
	if s.Channel == "" || s.Address.Handle == "" {
		return errors.New("a standing needs a channel and an address")
	}
	err := in.store.Update(ctx, func(tx store.Tx) error {
		if s.Cursor != nil {
			if err := casecore.SaveCursor(tx, s.Channel, s.Cursor); err != nil {
				return err
			}
		}
		return in.ledger.Stand(tx, by, s)
	})
	if err != nil {
		return fmt.Errorf("standing on %s: %w", s.Channel, err)
	}
	return nil
}

// Taken counts the messages taken in since the start.
func (in *Intake) Taken() uint64 { return in.taken.Load() }

// Repeats counts the messages that had been taken in before.
func (in *Intake) Repeats() uint64 { return in.repeats.Load() }

// put is the transaction: all or nothing.
func (in *Intake) put(tx store.Tx, p *prepared) (*Result, error) {
	tx.Expect(casecore.Messages.ByKey("external", casecore.ExternalKey(p.in.Channel, p.in.ExternalID)),
		casecore.Identities.ByID(casecore.IdentityID(p.in.From)), casecore.NextCase())
	if p.in.Cursor != nil {
		if err := casecore.SaveCursor(tx, p.in.Channel, p.in.Cursor); err != nil {
			return nil, err
		}
	}
	before, err := repeat(tx, p)
	if before != nil || err != nil {
		return before, err
	}
	if revised, err := in.edition(tx, p); revised != nil || err != nil {
		return revised, err
	}
	m := p.message
	who, err := in.identify(tx, p, &m)
	if err != nil {
		return nil, err
	}
	at, err := in.join(tx, p, who)
	if err != nil {
		return nil, err
	}
	if at.to != nil {
		m.CopyOf = at.copyOf
		c, stored, err := in.ledger.Append(tx, by, at.to.ID, m)
		if err == nil && len(at.others) > 0 {
			err = in.ledger.Ask(tx, by, c.ID, stored.ID, choices(stored.ID, append([]*casecore.Case{c}, at.others...)))
		}
		return &Result{Case: c, Message: stored}, err
	}
	d := p.draft(who.Customer, in.o.Lang())
	d.Linked = at.linked
	c, stored, err := in.ledger.Open(tx, by, d, m)
	return &Result{Case: c, Message: stored, New: true}, err
}

// repeat returns what became of the message when it was taken in before.
func repeat(tx store.Tx, p *prepared) (*Result, error) {
	m, err := casecore.Messages.Find(tx, "external", casecore.ExternalKey(p.in.Channel, p.in.ExternalID))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := casecore.Cases.Get(tx, m.Case)
	return &Result{Case: c, Message: m, Repeat: true}, err
}

// identify returns the customer of the sender's address, a new one at first sight,
// and gives m its place in a hosted thread while the identity is at hand.
func (in *Intake) identify(tx store.Tx, p *prepared, m *casecore.Message) (*sender, error) {
	c, i, err := known(tx, p.in.From)
	s := &sender{Customer: c, identity: i}
	if errors.Is(err, store.ErrNotFound) {
		s.stranger = true
		s.Customer = &casecore.Customer{Name: p.in.From.Name, Lang: p.in.Body.Lang}
		if err := casecore.Customers.Put(tx, s.Customer); err != nil {
			return nil, err
		}
		s.identity = &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(p.in.From)}, Address: p.in.From, Customer: s.ID}
	} else if err != nil {
		return nil, err
	}
	i = s.identity
	hosted := p.in.From.Kind.Hosted()
	if hosted {
		i.Lines++
		m.Line = i.Lines
	}
	heard := !p.in.Auto && !p.called() && i.Heard(in.ledger.Now())
	if hosted || heard || s.stranger {
		return s, casecore.Identities.Put(tx, i)
	}
	return s, nil
}

// sender is who wrote: the customer, and the address they wrote from.
type sender struct {
	*casecore.Customer
	identity *casecore.Identity
	stranger bool // never seen before this message
}

// known returns who has this address, or store.ErrNotFound.
func known(tx store.Tx, a channels.Address) (*casecore.Customer, *casecore.Identity, error) {
	i, err := casecore.Identities.Get(tx, casecore.IdentityID(a))
	if err != nil {
		return nil, nil, err
	}
	c, err := casecore.Customers.Get(tx, i.Customer)
	return c, i, err
}
