package casecore_test

import (
	"errors"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Whoever moved a message takes it back from a case that is not theirs, to where it
// was and nowhere else, until somebody else has touched that case.
func TestRefileIsUndoneByWhoDidIt(t *testing.T) {
	b := open(t)
	from, other, third := b.arrive("phones", "1"), b.arrive("tv", "2"), b.arrive("phones", "3")
	var msg string
	claim := func(by casecore.Actor, c *casecore.Case) {
		b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, by, c.ID); return err })
	}
	claim(anna, from)
	b.do(func(tx store.Tx) error {
		m, err := casecore.Messages.First(tx, store.Range{Index: "case", Prefix: store.Under(from.ID)})
		if err == nil {
			msg = m.ID
		}
		return err
	})
	move := func(by casecore.Actor, to *casecore.Case) error {
		return b.store.Update(t.Context(), func(tx store.Tx) error {
			_, _, err := b.ledger.Refile(tx, by, msg, to.ID)
			return err
		})
	}
	if err := move(boris, other); err == nil {
		t.Error("who does not hold the case moves its message")
	}
	if err := errors.Join(move(anna, other), move(anna, from), move(anna, other)); err != nil {
		t.Fatalf("there and back: %v", err)
	}
	if err := move(anna, third); !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("from a case that is not hers to a third one: %v", err)
	}
	if err := move(boris, from); err == nil {
		t.Error("somebody else undoes it")
	}
	claim(boris, other)
	if err := move(anna, from); !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("after it was taken: %v", err)
	}
	if err := move(boris, from); err != nil {
		t.Errorf("its holder moves it back: %v", err)
	}
	if c := b.get(from.ID); !c.Waiting {
		t.Error("the customer's word is the last again, and nobody sees it")
	}
}
