package desk

import (
	"context"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Prefer has a case's customer told things as they wish; see casecore.Ledger.Prefer.
func (w *Work) Prefer(ctx context.Context, by casecore.Actor, number string, wish casecore.Wish) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.Prefer(tx, by, id, wish)
	})
}

// PreferFor is Prefer for a customer, in the caller's transaction; see
// casecore.Ledger.PreferFor.
func (w *Work) PreferFor(tx store.Tx, by casecore.Actor, who *casecore.Customer, wish casecore.Wish) error {
	return w.ledger.PreferFor(tx, by, who, wish)
}

// OptOut has an address of the case's customer not written to any more, on their
// wish, for the reason that the operator gives.
func (w *Work) OptOut(ctx context.Context, by casecore.Actor, number, identity, reason string) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.OptOut(tx, by, id, identity, casecore.Word{Via: string(channels.Desk), Reason: reason})
	})
}

// OptIn takes that back, on the customer's wish. casecore.ErrWish for what they
// told their provider.
func (w *Work) OptIn(ctx context.Context, by casecore.Actor, number, identity, reason string) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.OptIn(tx, by, id, identity, casecore.Word{Via: string(channels.Desk), Reason: reason})
	})
}

// RenewPage ends the links to the page of the case's customer that there are.
func (w *Work) RenewPage(ctx context.Context, by casecore.Actor, number string) (*casecore.Case, error) {
	return w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		return w.ledger.RenewPage(tx, by, id)
	})
}
