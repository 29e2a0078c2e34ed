package intake

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Entry is a case as an operator or a program enters it: at the counter, on the
// phone, over the API. What is left empty the rules decide.
type Entry struct {
	Key        string // unique to this entry, whoever repeats it
	Channel    string // where the customer is answered; a desk channel when there is no address
	Customer   string // id of a known customer; else the address tells who
	From       channels.Address
	Body       channels.Body
	Queue      string
	Priority   casecore.Priority
	Category   string
	Attributes map[string]string
	Tags       []string
}

// Enter opens a case of an entry, always a new one. An entry whose key was used
// before is not stored again; its case is returned as it is now.
func (in *Intake) Enter(ctx context.Context, who casecore.Actor, e Entry) (*Result, error) {
	p, err := in.prepare(ctx, channels.Inbound{
		Channel: e.Channel, ExternalID: e.Key, From: e.From, Body: e.Body, Facts: e.Attributes,
	})
	if err != nil {
		return nil, fmt.Errorf("enter case: %w", err)
	}
	p.override(e)
	p.message.Author, p.message.AuthorName = who.ID, who.Name
	var res *Result
	err = in.store.Update(ctx, func(tx store.Tx) error {
		before, err := repeat(tx, p)
		if before != nil || err != nil {
			res = before
			return err
		}
		m := p.message
		customer, err := in.customer(tx, p, e.Customer, &m)
		if err != nil {
			return err
		}
		c, stored, err := in.ledger.Open(tx, who, p.draft(customer, in.o.Lang()), m)
		res = &Result{Case: c, Message: stored, New: true}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("enter case: %w", err)
	}
	return res, nil
}

// override puts what was entered above what the rules say.
func (p *prepared) override(e Entry) {
	d := &p.decision
	if e.Queue != "" && e.Queue != d.Queue {
		d.Queue = e.Queue
		d.Trace = casecore.Trace{Rule: "(entered)", Revision: d.Trace.Revision}
	}
	if e.Priority != 0 {
		d.Priority = e.Priority
	}
	if e.Category != "" {
		d.Category = e.Category
	}
	d.Attributes = maps.Clone(d.Attributes)
	for k := range attributes(e.Attributes) {
		delete(d.Attributes, k)
	}
	if len(e.Tags) > 0 {
		d.Tags = e.Tags
	}
}

// customer returns the named customer, who may thereby get a new address, or the
// one behind the address.
func (in *Intake) customer(tx store.Tx, p *prepared, id string, m *casecore.Message) (*casecore.Customer, error) {
	if id == "" {
		who, err := in.identify(tx, p, m)
		if err != nil {
			return nil, err
		}
		return who.Customer, nil
	}
	c, err := casecore.Customers.Get(tx, id)
	if err != nil {
		return nil, err
	}
	i, err := casecore.Identities.Get(tx, casecore.IdentityID(p.in.From))
	switch {
	case err == nil && i.Customer != id:
		return nil, fmt.Errorf("that address belongs to another customer: %w", store.ErrExists)
	case err == nil:
		return c, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	return c, casecore.Identities.Put(tx, &casecore.Identity{
		Meta: store.Meta{ID: casecore.IdentityID(p.in.From)}, Address: p.in.From, Customer: id,
	})
}
