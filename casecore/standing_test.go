package casecore_test

import (
	"errors"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// An operator may believe that a mailbox works again; a customer's STOP is not
// theirs to take back.
func TestWhoMayOpenAnAddressAgain(t *testing.T) {
	for _, tc := range []struct {
		code  string
		by    casecore.Actor
		other bool
		want  error
	}{
		{code: "5.1.1", by: anna},
		{code: casecore.StopCode, by: anna, want: casecore.ErrWish},
		{code: "5.1.1", by: anna, other: true, want: store.ErrNotFound},
	} {
		b := open(t)
		c := b.arrive("phones", "1")
		b.do(func(tx store.Tx) error {
			_, err := b.ledger.Claim(tx, tc.by, c.ID)
			return err
		})
		a := c.To
		if tc.other {
			a = channels.Address{Kind: channels.Email, Handle: "someone@else.test"}
		}
		b.do(func(tx store.Tx) error {
			return b.ledger.Stand(tx, casecore.System("test"), channels.Standing{
				Channel: c.Channel, Address: a, Reason: channels.BadAddress, Code: tc.code,
			})
		})
		err := b.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := b.ledger.Unshut(tx, tc.by, c.ID, casecore.IdentityID(a))
			return err
		})
		if !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}
