package casecore_test

import (
	"errors"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// A wish that was told to us outlasts a block that comes and goes at the provider;
// only a word of the customer takes it back.
func TestUnblockingTakesNoWishBack(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	a := channels.Address{Kind: channels.Telegram, Handle: "77"}
	id := b.also(a, c.Customer)
	b.do(func(tx store.Tx) error {
		_, err := b.ledger.OptOut(tx, casecore.System("page"), c.ID, id, casecore.Word{Via: "page"})
		return err
	})
	for _, s := range []channels.Standing{
		{Reason: channels.Blocked, Code: "bot_blocked"},
		{Open: true, Code: "bot_unblocked"},
		{Open: true, Code: casecore.StartCode},
	} {
		b.now = b.now.Add(time.Hour)
		s.Channel, s.Address, s.At = "telegram:bot", a, b.now
		b.do(func(tx store.Tx) error {
			if err := b.ledger.Stand(tx, house, s); err != nil {
				return err
			}
			i, err := casecore.Identities.Get(tx, id)
			if wished := s.Code != casecore.StartCode; err == nil && (i.Shut != nil) != wished {
				t.Errorf("after %s: %+v", s.Code, i.Shut)
			}
			return err
		})
	}
}

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
