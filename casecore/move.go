package casecore

import (
	"errors"

	"casewire/casecore/flow"
	"casewire/casecore/store"
)

// Move gives the case another status. Who holds it may, as far as the flow lets
// them; the customer is told what the status's template says. Back to where the case
// came from they may go while the status is a slip (see Ledger.Slip), whatever the
// flow has follow it.
func (l *Ledger) Move(tx store.Tx, by Actor, id, to string, g Guard) (*Case, error) {
	c, err := l.load(tx, by, id, VerbWork, g)
	if err != nil {
		return nil, err
	}
	if err := l.checkMove(tx, by, c, to); err != nil {
		return nil, err
	}
	if err := l.enter(tx, by, c, to, Moved); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}

func (l *Ledger) checkMove(tx store.Tx, by Actor, c *Case, to string) error {
	refusal := l.Flow().Check(c.Status, to, by.Roles, c.Attributes)
	if r, ok := errors.AsType[*flow.Refused](refusal); !ok || r.Code != flow.NotNext {
		return refusal
	}
	before, err := l.before(tx, c)
	if err != nil {
		return err
	}
	if before != to {
		return refusal
	}
	return l.Flow().CheckEnter(to, by.Roles, c.Attributes)
}

// Moves returns the statuses that the actor may give the case now, the way back out
// of a slip first. It writes nothing and does not ask who holds the case.
func (l *Ledger) Moves(tx store.Tx, by Actor, c *Case) ([]flow.Move, error) {
	before, err := l.before(tx, c)
	if err != nil {
		return nil, err
	}
	return l.Flow().MovesBack(c.Status, before, by.Roles, c.Attributes), nil
}

// soonBefore is how many entries of the timeline behind its last status a case may
// have for that to be a slip still.
const soonBefore = 100

// before returns the status that the case can be taken back to, and nothing when it
// is in its own by intent. What claiming set is undone by releasing.
func (l *Ledger) before(tx store.Tx, c *Case) (string, error) {
	if l.Slip == nil {
		return "", nil
	}
	e, err := lastMove(tx, c)
	if err != nil || e == nil {
		return "", err
	}
	if spec := l.Flow().Spec(); e.From == spec.Initial && e.To == spec.Taken {
		return "", nil
	}
	slip, err := l.Slip(tx, e)
	if err != nil || !slip {
		return "", err
	}
	return e.From, nil
}

// lastMove returns the event by which somebody gave the case the status that it is
// in, or nil.
func lastMove(tx store.Tx, c *Case) (*Event, error) {
	for e, err := range Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID), Reverse: true, Limit: soonBefore}) {
		switch {
		case err != nil:
			return nil, err
		case e.Kind == Moved && e.To == c.Status:
			return e, nil
		case e.Kind == Moved || e.Kind == Reopened || e.Kind == Opened:
			return nil, nil
		}
	}
	return nil, nil
}
