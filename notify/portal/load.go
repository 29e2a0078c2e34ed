package portal

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/notify"
)

// Bounds of what one page reads.
const (
	maxEvents   = 2000
	maxMessages = 500
)

// data is what the store has of a page.
type data struct {
	c         *casecore.Case
	who       *casecore.Customer
	addresses []*casecore.Identity
	proven    map[string]bool // ids of addresses that are known to be theirs
	events    []*casecore.Event
	told      []*casecore.Message // notices of statuses, the newest first
	held      map[string]bool     // events that the customer is told of later
	served    map[string]bool     // ids of addresses that a channel can write to now
}

// linger is how long after its case was closed a page can be read, and how long by a
// link that was made when it could not be read any more.
const linger = 180 * 24 * time.Hour

// ended says that the page of a closed case can be read no more.
func ended(c *casecore.Case, now time.Time) bool {
	return c.Stage == flow.Closed && !now.Before(c.StatusAt.Add(linger))
}

// errEnded is the answer to a good link of a page that has ended.
type errEnded struct{ reads string } // the customer's language

func (*errEnded) Error() string { return "the page of the case has ended" }

// find returns the case that a token opens, and its customer; errNoPage for any
// token that opens none, *errEnded for one that did.
func (p *Portal) find(tx store.Tx, token string) (*casecore.Case, *casecore.Customer, error) {
	t, ok := p.open(token)
	if !ok {
		return nil, nil, errNoPage
	}
	c, err := casecore.Cases.Find(tx, "number", store.NumberKey(t.number))
	if err == nil && (c.Page != t.generation || c.Customer == "") {
		err = errNoPage
	}
	if err != nil {
		return nil, nil, noPage(err)
	}
	who, err := casecore.Customers.Get(tx, c.Customer)
	if err != nil {
		return nil, nil, noPage(err)
	}
	if now := p.o.Now(); ended(c, now) && !now.Before(t.made().Add(linger)) {
		return nil, nil, &errEnded{who.Reads(c)}
	}
	return c, who, nil
}

// noPage makes what is not there the one answer to all wrong links.
func noPage(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errNoPage
	}
	return err
}

func (p *Portal) load(tx store.Tx, token string) (*data, error) {
	c, who, err := p.find(tx, token)
	if err != nil {
		return nil, err
	}
	d := &data{c: c, who: who, proven: map[string]bool{}, held: map[string]bool{}, served: map[string]bool{}}
	for _, part := range []func(store.Tx, *data) error{p.loadAddresses, p.loadEvents, p.loadHeld, p.loadTold} {
		if err := part(tx, d); err != nil {
			return nil, fmt.Errorf("page of %s: %w", c.CaseNumber(), err)
		}
	}
	return d, nil
}

func (p *Portal) loadAddresses(tx store.Tx, d *data) error {
	all, err := casecore.Addresses(tx, d.who.ID)
	if err != nil {
		return err
	}
	proven, err := casecore.Proven(tx, d.who.ID)
	if err != nil {
		return err
	}
	for _, i := range proven {
		d.proven[i.ID] = true
	}
	for _, i := range all {
		if casecore.Writable(i.Address.Kind) {
			d.addresses = append(d.addresses, i)
			d.served[i.ID] = p.o.Reach.Reaches(d.c, i.Address)
		}
	}
	return nil
}

// loadEvents collects what the way of the repair is made of: of a case with very many
// events the newest, and how it was opened.
func (p *Portal) loadEvents(tx store.Tx, d *data) error {
	all := store.Range{Index: "case", Prefix: store.Under(d.c.ID)}
	newest := all
	newest.Reverse, newest.Limit = true, maxEvents
	for e, err := range casecore.Events.Scan(tx, newest) {
		if err != nil {
			return err
		}
		switch e.Kind {
		case casecore.Opened, casecore.Moved, casecore.Reopened:
			d.events = append(d.events, e)
		}
	}
	if d.c.Events > maxEvents {
		first, err := casecore.Events.First(tx, all)
		if err != nil {
			return err
		}
		d.events = append(d.events, first)
	}
	slices.Reverse(d.events)
	return nil
}

// loadHeld finds which events are not told of yet, because somebody may take them
// back.
func (p *Portal) loadHeld(tx store.Tx, d *data) error {
	for n, err := range notify.Notices.Scan(tx, store.Range{Index: "held", Prefix: store.Under(d.c.ID)}) {
		if err != nil {
			return err
		}
		d.held[n.Event] = true
	}
	return nil
}

// loadTold collects what the customer was told of statuses: not the conversation,
// and not what goes to others or has not gone out.
func (p *Portal) loadTold(tx store.Tx, d *data) error {
	theirs := map[string]bool{d.c.To.Key(): true}
	for _, i := range d.addresses {
		theirs[i.Address.Key()] = true
	}
	again := map[string]bool{} // ids of those that were told once more elsewhere
	r := store.Range{Index: "case", Prefix: store.Under(d.c.ID), Reverse: true, Limit: maxMessages}
	for m, err := range casecore.Messages.Scan(tx, r) {
		if err != nil {
			return err
		}
		if m.Direction == casecore.Out && m.Auto && m.Status != "" && theirs[m.To.Key()] && gone(m) && !again[m.ID] && len(d.told) < maxTold {
			d.told = append(d.told, m)
			again[m.Instead] = true
		}
	}
	return nil
}
