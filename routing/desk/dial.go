package desk

import (
	"context"
	"errors"

	"casewire/casecore"
	"casewire/casecore/store"
)

// ErrNoPhone is the refusal of a call to an operator whose own phone is not known.
var ErrNoPhone = errors.New("your account has no phone number; an administrator can enter it")

// NoCall says that a call to the customer could not be made, or that it is not
// known whether it is being made.
type NoCall struct {
	Words string // for the operator, in their language
	Code  string // the provider's, if any
}

func (n *NoCall) Error() string { return n.Words }

// Dial opens a call to the case's customer; see casecore.Ledger.Dial. Whoever asks
// for it makes the call on the channel.
func (w *Work) Dial(ctx context.Context, by casecore.Actor, number, identity, channel string) (*casecore.Dialled, error) {
	var out *casecore.Dialled
	_, err := w.update(ctx, by, number, func(tx store.Tx, id string) (*casecore.Case, error) {
		c, d, err := w.ledger.Dial(tx, by, id, identity, channel)
		out = d
		return c, err
	})
	return out, err
}
