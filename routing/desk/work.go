// Package desk is where operators meet cases: the live boards of queues, and what
// operators do with a case, each in one transaction with its right checked inside.
// It speaks no HTTP; the API, the console and the live socket are its faces.
package desk

import (
	"context"
	"errors"
	"fmt"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
)

// Work is what operators do. It is safe for concurrent use.
type Work struct {
	store     store.Store
	ledger    *casecore.Ledger
	router    func() *routing.Router
	operators Operators
	also      Also
}

// Also is something to be written in the same commit as a verb, after it: c is
// the case as the verb left it, m the message it wrote, if any.
type Also func(tx store.Tx, c *casecore.Case, m *casecore.Message) error

// Operators finds the operator that a case is to be assigned to, by login or id.
type Operators interface {
	Operator(tx store.Tx, loginOrID string) (casecore.Actor, error)
}

// NewWork returns the operators' verbs over st.
func NewWork(st store.Store, l *casecore.Ledger, router func() *routing.Router, ops Operators) *Work {
	return &Work{store: st, ledger: l, router: router, operators: ops}
}

// Also returns a Work whose verbs do this in their own commit as well. An error of
// it undoes the verb.
func (w *Work) Also(do Also) *Work {
	with := *w
	with.also = do
	return &with
}

func (w *Work) finish(tx store.Tx, c *casecore.Case, m *casecore.Message) error {
	if w.also == nil {
		return nil
	}
	return w.also(tx, c, m)
}

// ErrBadNumber is the answer to what is not a case's number.
var ErrBadNumber = errors.New("not a case number; it looks like CW-000123")

// ParseNumber reads "CW-000123".
func ParseNumber(s string) (int64, error) {
	n, ok := lang.ParseCaseNumber(s)
	if !ok {
		return 0, fmt.Errorf("%q: %w", clip(s), ErrBadNumber)
	}
	return n, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

func byNumber(tx store.Tx, number string) (*casecore.Case, error) {
	n, err := ParseNumber(number)
	if err != nil {
		return nil, err
	}
	return casecore.Cases.Find(tx, "number", store.NumberKey(n))
}

// known hides a case from whoever may not even know that it waits: to them it is
// not there.
func known(by casecore.Actor, c *casecore.Case) error {
	if casecore.Authorize(by, casecore.VerbCard, c) != nil {
		return fmt.Errorf("%s: %w", c.CaseNumber(), store.ErrNotFound)
	}
	return nil
}

// View is all that the holder of a case sees.
type View struct {
	Case       *casecore.Case
	Customer   *casecore.Customer
	Identities []*casecore.Identity
	Messages   []*casecore.Message // by Seq
	Events     []*casecore.Event   // by Seq
	Moves      []flow.Move         // that the actor may make now
	MayWork    bool                // answer, move, edit
	MayClaim   bool
}

// Read returns a case with its conversation. Who may not read it gets
// casecore.ErrForbidden; who may not know of it either gets store.ErrNotFound, as
// everybody does when there is none. So do all verbs below.
func (w *Work) Read(ctx context.Context, by casecore.Actor, number string) (*View, error) {
	return w.read(ctx, by, number, func(tx store.Tx, v *View) error {
		if err := v.load(tx); err != nil {
			return err
		}
		return v.talk(tx)
	})
}

// Glance is Read without messages and events.
func (w *Work) Glance(ctx context.Context, by casecore.Actor, number string) (*View, error) {
	return w.read(ctx, by, number, func(tx store.Tx, v *View) error { return v.load(tx) })
}

func (w *Work) read(ctx context.Context, by casecore.Actor, number string, load func(store.Tx, *View) error) (*View, error) {
	var v View
	err := w.store.View(ctx, func(tx store.Tx) error {
		v = View{}
		c, err := byNumber(tx, number)
		if err != nil {
			return err
		}
		if err := known(by, c); err != nil {
			return err
		}
		if err := casecore.Authorize(by, casecore.VerbRead, c); err != nil {
			return err
		}
		v.Case = c
		v.MayWork = casecore.Authorize(by, casecore.VerbWork, c) == nil
		v.MayClaim = c.OnBoard() && casecore.Authorize(by, casecore.VerbClaim, c) == nil
		if v.MayWork {
			if v.Moves, err = w.ledger.Moves(tx, by, c); err != nil {
				return err
			}
		}
		return load(tx, &v)
	})
	if err != nil {
		return nil, err
	}
	return &v, nil
}

func (v *View) load(tx store.Tx) (err error) {
	if v.Customer, err = casecore.Customers.Get(tx, v.Case.Customer); err != nil {
		return err
	}
	v.Identities, err = casecore.Addresses(tx, v.Case.Customer)
	return err
}

// talk loads what was said and what happened.
func (v *View) talk(tx store.Tx) error {
	under := store.Under(v.Case.ID)
	for m, err := range casecore.Messages.Scan(tx, store.Range{Index: "case", Prefix: under}) {
		if err != nil {
			return err
		}
		v.Messages = append(v.Messages, m)
	}
	for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: under}) {
		if err != nil {
			return err
		}
		v.Events = append(v.Events, e)
	}
	return nil
}

// update runs do on the case with this number and returns what it returned.
func (w *Work) update(ctx context.Context, by casecore.Actor, number string, do func(tx store.Tx, id string) (*casecore.Case, error)) (*casecore.Case, error) {
	c, _, err := w.write(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, *casecore.Message, error) {
		c, err := do(tx, id)
		return c, nil, err
	})
	return c, err
}

// write is update for verbs that write a message.
func (w *Work) write(ctx context.Context, by casecore.Actor, number string, do func(tx store.Tx, id string) (*casecore.Case, *casecore.Message, error)) (*casecore.Case, *casecore.Message, error) {
	var (
		out *casecore.Case
		msg *casecore.Message
	)
	err := w.store.Update(ctx, func(tx store.Tx) error {
		c, err := byNumber(tx, number)
		if err != nil {
			return err
		}
		if err := known(by, c); err != nil {
			return err
		}
		if out, msg, err = do(tx, c.ID); err != nil {
			return err
		}
		return w.finish(tx, out, msg)
	})
	if err != nil {
		return nil, nil, err
	}
	return out, msg, nil
}

// Claim takes the case; see casecore.Ledger.Claim. Who comes too late is told so
// from a snapshot, without waiting for a turn to write.
func (w *Work) Claim(ctx context.Context, by casecore.Actor, number string) (*casecore.Case, error) {
	err := w.store.View(ctx, func(tx store.Tx) error {
		c, err := byNumber(tx, number)
		if err != nil {
			return err
		}
		if err := known(by, c); err != nil {
			return err
		}
		if err := casecore.Authorize(by, casecore.VerbClaim, c); err != nil {
			return err
		}
		if c.Owner != "" && c.Owner != by.ID {
			return &casecore.Taken{Case: c.CaseNumber(), Owner: c.Owner, OwnerName: c.OwnerName}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.Claim(tx, by, id)
	})
}

// Next takes the most pressing case of a queue, or when queue is empty of all the
// actor serves; who is bound to none serves all. Nothing waiting is store.ErrNotFound.
func (w *Work) Next(ctx context.Context, by casecore.Actor, queue string) (*casecore.Case, error) {
	queues := by.Queues
	if len(queues) == 0 && by.Wide() {
		for _, q := range w.router().Queues() {
			queues = append(queues, q.ID)
		}
	}
	if queue != "" {
		if _, ok := w.router().Queue(queue); !ok {
			return nil, fmt.Errorf("queue %q: %w", clip(queue), store.ErrNotFound)
		}
		queues = []string{queue}
	}
	var out *casecore.Case
	err := w.store.Update(ctx, func(tx store.Tx) (err error) {
		if out, err = w.ledger.Next(tx, by, queues...); err != nil {
			return err
		}
		return w.finish(tx, out, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Release puts the case back into its queue.
func (w *Work) Release(ctx context.Context, by casecore.Actor, number, reason string, g casecore.Guard) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.Release(tx, by, id, reason, g)
	})
}

// Transfer sends the case to another queue of the policy.
func (w *Work) Transfer(ctx context.Context, by casecore.Actor, number, queue, reason string, g casecore.Guard) (*casecore.Case, error) {
	if _, ok := w.router().Queue(queue); !ok {
		return nil, fmt.Errorf("queue %q: %w", clip(queue), store.ErrNotFound)
	}
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.Transfer(tx, by, id, queue, reason, g)
	})
}

// Assign gives the case to an operator, named by login or id.
func (w *Work) Assign(ctx context.Context, by casecore.Actor, number, operator, reason string, g casecore.Guard) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		to, err := w.operators.Operator(tx, operator)
		if err != nil {
			return nil, err
		}
		return w.ledger.Assign(tx, by, to, id, reason, g)
	})
}

// Move gives the case another status.
func (w *Work) Move(ctx context.Context, by casecore.Actor, number, to string, g casecore.Guard) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.Move(tx, by, id, to, g)
	})
}

// Edit changes what is known about the case.
func (w *Work) Edit(ctx context.Context, by casecore.Actor, number string, e casecore.Edit, g casecore.Guard) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.Edit(tx, by, id, e, g)
	})
}

// Answer writes to the customer.
func (w *Work) Answer(ctx context.Context, by casecore.Actor, number string, body channels.Body, g casecore.Guard) (*casecore.Case, *casecore.Message, error) {
	return w.write(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, *casecore.Message, error) {
		return w.ledger.Answer(tx, by, id, g, casecore.Message{Body: body})
	})
}

// Note leaves a text for colleagues.
func (w *Work) Note(ctx context.Context, by casecore.Actor, number, text string) (*casecore.Case, *casecore.Message, error) {
	return w.write(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, *casecore.Message, error) {
		return w.ledger.Note(tx, by, id, text)
	})
}

// Reopen lets an address of the case's customer be written to again;
// casecore.ErrWish when they do not want it.
func (w *Work) Reopen(ctx context.Context, by casecore.Actor, number, identity string) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.Unshut(tx, by, id, identity)
	})
}
