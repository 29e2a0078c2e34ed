package desk

import (
	"context"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Called records how a call to the customer went (casecore.Outcomes); note may be
// empty. With seen, the task that the caller had before them, a repeat changes
// nothing: the task is another one by then, or done.
func (w *Work) Called(ctx context.Context, by casecore.Actor, number, outcome, note string, seen *casecore.Call) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		if seen != nil {
			c, err := casecore.Cases.Get(tx, id)
			if err != nil {
				return nil, err
			}
			now := c.Call
			if now == nil || now.Tries != seen.Tries || !now.Since.Equal(seen.Since) {
				return c, casecore.Authorize(by, casecore.VerbWork, c)
			}
		}
		return w.ledger.Called(tx, by, id, outcome, note)
	})
}

// Tie makes a token by which the customer of the case adds another address of
// theirs; see casecore.Ledger.Tie.
func (w *Work) Tie(ctx context.Context, by casecore.Actor, number string) (token string, err error) {
	_, err = w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		var err error
		if token, err = w.ledger.Tie(tx, by, id); err != nil {
			return nil, err
		}
		return casecore.Cases.Get(tx, id)
	})
	return token, err
}

// maxOthers is how many other cases of a customer are listed, the newest.
const maxOthers = 20

// Others returns the other cases of a case's customer, the newest first, for whoever
// may read that one. What the actor may not read is a number and its status.
func (w *Work) Others(ctx context.Context, by casecore.Actor, number string) ([]*casecore.Case, error) {
	var out []*casecore.Case
	err := w.store.View(ctx, func(tx store.Tx) error {
		out = nil
		c, err := byNumber(tx, number)
		if err != nil {
			return err
		}
		if err := known(by, c); err != nil {
			return err
		}
		if err := casecore.Authorize(by, casecore.VerbRead, c); err != nil || c.Customer == "" {
			return err
		}
		r := store.Range{Index: "customer", Prefix: store.Under(c.Customer), Reverse: true, Limit: maxOthers + 1}
		for o, err := range casecore.Cases.Scan(tx, r) {
			switch {
			case err != nil:
				return err
			case o.ID == c.ID || len(out) == maxOthers:
			case casecore.Authorize(by, casecore.VerbRead, o) == nil:
				out = append(out, o)
			default:
				out = append(out, &casecore.Case{Meta: o.Meta, Number: o.Number, Status: o.Status, Stage: o.Stage, Owner: o.Owner, OwnerName: o.OwnerName})
			}
		}
		return nil
	})
	return out, err
}
