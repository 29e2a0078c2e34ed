package notify

import (
	"fmt"

	"casewire/casecore"
	"casewire/casecore/store"
)

// manyCases bounds how many cases of one customer are looked at, the newest.
const manyCases = 50

// wishes says that by an event a customer is told otherwise from now on.
func wishes(e *casecore.Event) bool {
	switch e.Kind {
	case casecore.LangChosen, casecore.Preferred, casecore.Bound, casecore.PageRenewed:
		return true
	}
	return false
}

// renew writes anew what waits for a customer's morning, or to be taken back, so that
// it goes where, and in the language in which, they want to be told by now. Nothing
// comes earlier or later by it.
func (p *Planner) renew(tx store.Tx, policy *Policy, e *casecore.Event) error {
	c, err := casecore.Cases.Get(tx, e.Case)
	if err != nil {
		return err
	}
	who, err := customer(tx, c)
	if err != nil {
		return err
	}
	all := []*casecore.Case{c}
	if c.Customer != "" {
		theirs := store.Range{Index: "customer", Prefix: store.Under(c.Customer), Reverse: true, Limit: manyCases}
		for other, err := range casecore.Cases.Scan(tx, theirs) {
			if err != nil {
				return err
			}
			if other.ID != c.ID {
				all = append(all, other)
			}
		}
	}
	for _, c := range all {
		held, err := heldOf(tx, c.ID)
		if err != nil {
			return err
		}
		for _, n := range held {
			if n.Aside || n.Timed() || !policy.Has(n.Template) {
				continue
			}
			if err := p.rewrite(tx, policy, n, c.ID, who); err != nil {
				return fmt.Errorf("renew notice %s: %w", n.ID, err)
			}
		}
	}
	return nil
}

// rewrite gives a held notice the words and the place that it would be planned with
// now. What it was before stays beside it.
func (p *Planner) rewrite(tx store.Tx, policy *Policy, n *Notice, caseID string, who *casecore.Customer) error {
	e, err := casecore.Events.Get(tx, n.Event)
	if err != nil {
		return err
	}
	c, err := casecore.Cases.Get(tx, caseID) // as the one before it has left it
	if err != nil {
		return err
	}
	at, err := p.recipient(tx, e, c, who, Planned{Template: n.Template})
	if err != nil {
		return err
	}
	if at.to.Handle == "" {
		at = place{channel: n.Channel, to: n.To} // where it is tried already
	}
	old, err := casecore.Messages.Get(tx, n.Message)
	if err != nil {
		return unlessGone(err)
	}
	id := NoticeID(n.Event, at.to.Key(), n.Name())
	moved := at.to.Key() != n.To.Key()
	if moved {
		if known, err := exists(tx, id); err != nil || known {
			return err
		}
	}
	m := p.words(policy, e, c, who, n.Template, at)
	if !moved && at.channel == n.Channel && m.Body.Text == old.Body.Text && m.Body.Subject == old.Body.Subject {
		return nil
	}
	before := *n
	before.Meta = store.Meta{ID: NoticeID(n.Event, n.Message, n.Name())}
	if err := Drop(tx, p.ledger, &before, Renewed); err != nil {
		return err
	}
	_, written, err := p.ledger.Tell(tx, by(policy.Centre()), c.ID, m)
	if err != nil {
		return err
	}
	if moved { // the address that it leaves may be needed yet: see Reach.Next
		if err := Notices.Delete(tx, n); err != nil {
			return err
		}
		n.Meta = store.Meta{ID: id}
	}
	n.Message, n.Seq, n.Channel, n.To, n.Proof = written.ID, written.Seq, written.Channel, written.To, ""
	return Notices.Put(tx, n)
}
