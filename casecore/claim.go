package casecore

import (
	"errors"
	"fmt"

	"casewire/casecore/store"
)

// Claim gives a waiting case to the operator, who must serve its queue and have
// room for it. Whoever holds it already gets it as it is (Q1); anybody else gets
// *Taken with the holder's name, or *Full.
func (l *Ledger) Claim(tx store.Tx, by Actor, id string) (*Case, error) {
	c, err := Cases.Get(tx, id)
	if err != nil {
		return nil, err
	}
	if err := Authorize(by, VerbClaim, c); err != nil {
		return nil, err
	}
	switch {
	case c.Owner == by.ID:
		return c, nil
	case c.Owner != "":
		return nil, &Taken{Case: c.CaseNumber(), Owner: c.Owner, OwnerName: c.OwnerName}
	case !c.OnBoard():
		return nil, fmt.Errorf("%s is %s and waits for nobody: %w", c.CaseNumber(), c.Stage, ErrForbidden)
	}
	if err := hasRoom(tx, by); err != nil {
		return nil, err
	}
	return c, l.hold(tx, by, by, c, Event{Kind: Claimed})
}

// Next claims the case that should be taken next from these queues: the most
// pressing, and of those the oldest. Without any it answers store.ErrNotFound.
func (l *Ledger) Next(tx store.Tx, by Actor, queues ...string) (*Case, error) {
	var best *Case
	for _, q := range queues {
		if !by.Serves(q) && !by.Wide() {
			return nil, fmt.Errorf("queue %s: %w", q, ErrForbidden)
		}
		c, err := Cases.First(tx, store.Range{Index: "board", Prefix: store.Under(q)})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if best == nil || c.before(best) {
			best = c
		}
	}
	if best == nil {
		return nil, fmt.Errorf("next of %v: %w", queues, store.ErrNotFound)
	}
	return l.Claim(tx, by, best.ID)
}

// Release puts the case back into its queue, at its old place (Q2).
func (l *Ledger) Release(tx store.Tx, by Actor, id, reason string, g Guard) (*Case, error) {
	c, err := l.load(tx, by, id, VerbWork, g)
	if err != nil {
		return nil, err
	}
	if err := checkText("reason", reason, MaxReason, false); err != nil {
		return nil, err
	}
	if c.Owner == "" {
		return c, nil
	}
	from := c.Owner
	c.setOwner(Actor{})
	if err := l.rehouse(tx, by, c); err != nil {
		return nil, err
	}
	if err := l.record(tx, by, c, Event{Kind: Released, From: from, Reason: reason, ClaimNo: c.ClaimNo}); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}

// Transfer sends the case to another queue, where it waits to be claimed.
func (l *Ledger) Transfer(tx store.Tx, by Actor, id, queue, reason string, g Guard) (*Case, error) {
	c, err := l.load(tx, by, id, VerbTransfer, g)
	if err != nil {
		return nil, err
	}
	if err := checkText("reason", reason, MaxReason, false); err != nil {
		return nil, err
	}
	from := c.Queue
	c.Queue = queue
	c.setOwner(Actor{})
	if err := l.record(tx, by, c, Event{Kind: Transferred, From: from, To: queue, Reason: reason}); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}

// Assign gives the case to an operator, whether or not somebody holds it. The new
// holder's capacity is not asked: somebody decided.
func (l *Ledger) Assign(tx store.Tx, by, to Actor, id, reason string, g Guard) (*Case, error) {
	c, err := l.load(tx, by, id, VerbAssign, g)
	if err != nil {
		return nil, err
	}
	if err := checkText("reason", reason, MaxReason, false); err != nil {
		return nil, err
	}
	if c.Owner == to.ID {
		return c, nil
	}
	return c, l.hold(tx, by, to, c, Event{Kind: Assigned, From: c.Owner, Reason: reason})
}

// hold makes an operator the holder, under a new claim number.
func (l *Ledger) hold(tx store.Tx, by, to Actor, c *Case, e Event) error {
	c.setOwner(to)
	c.ClaimNo++
	e.To, e.ToName, e.ClaimNo, e.Pending = to.ID, to.Name, c.ClaimNo, []string{PendingNotify}
	if err := l.record(tx, by, c, e); err != nil {
		return err
	}
	if spec := l.Flow().Spec(); spec.Taken != "" && c.Status == spec.Initial {
		if err := l.enter(tx, by, c, spec.Taken, Moved); err != nil {
			return err
		}
	}
	return Cases.Put(tx, c)
}

func (c *Case) setOwner(a Actor) { c.Owner, c.OwnerName = a.ID, a.Name }

// before is the order in which cases of several queues are taken.
func (c *Case) before(d *Case) bool {
	if c.Priority != d.Priority {
		return c.Priority < d.Priority
	}
	return c.Received.Before(d.Received)
}

// hasRoom refuses who has as much as they can. What it counts is a range, and a store
// that several nodes share does not see a range that two of them add to; so every
// claim that is counted writes one document of the operator, which it does see.
func hasRoom(tx store.Tx, by Actor) error {
	if by.Capacity <= 0 {
		return nil
	}
	held := 0
	mine := store.Range{Index: "load", From: by.ID, To: by.ID + "\x00", Limit: by.Capacity}
	for _, err := range Cases.Scan(tx, mine) {
		if err != nil {
			return err
		}
		held++
	}
	if held >= by.Capacity {
		return &Full{Held: held, Capacity: by.Capacity}
	}
	_, err := next(tx, "claims "+by.ID)
	return err
}
