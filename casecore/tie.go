package casecore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
)

// tie is the promise to a customer that whoever brings its token is them. The
// token itself is kept nowhere.
type tie struct {
	store.Meta
	Customer string    `json:"customer"`
	Case     string    `json:"case"`
	Until    time.Time `json:"until"`
	Used     bool      `json:"used"`
}

// Keys of a tie: until, for sweeping.
func (t *tie) Keys() store.Keys {
	k := store.Keys{}
	k.Set("until", store.TimeKey(t.Until))
	return k
}

var ties = store.NewTable[tie]("tie", store.Index{Name: "until"})

// tieFor is how long a token that nobody brought is good for.
const tieFor = 30 * 24 * time.Hour

// ErrNotTied is the answer to a token that is unknown, used or too old.
var ErrNotTied = errors.New("the link is not valid any more; ask for a new one")

func tieID(token string) string { return store.HashID("tie", token) }

// Tie makes a token with which another address of the case's customer can be
// added, once: the payload of a bot's link (T4). It has 26 letters and digits.
func (l *Ledger) Tie(tx store.Tx, by Actor, id string) (token string, err error) {
	c, err := l.load(tx, by, id, VerbWork, Guard{})
	if err != nil {
		return "", err
	}
	token = rand.Text()
	return token, ties.Put(tx, &tie{
		Meta: store.Meta{ID: tieID(token)}, Customer: c.Customer, Case: c.ID, Until: l.Now().Add(tieFor),
	})
}

// Bind gives the customer who was promised the token this address, verified, and
// writes to them there from now on. Cases that began at the address go with it.
// ErrNotTied when the token is not good; bound once already to the same address,
// it is answered as the first time.
func (l *Ledger) Bind(tx store.Tx, by Actor, token string, a channels.Address) (*Case, error) {
	t, err := ties.Get(tx, tieID(token))
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotTied
	}
	if err != nil {
		return nil, err
	}
	c, err := Cases.Get(tx, t.Case)
	if err != nil {
		return nil, err
	}
	i, err := Identities.Get(tx, IdentityID(a))
	switch {
	case errors.Is(err, store.ErrNotFound):
		i = &Identity{Meta: store.Meta{ID: IdentityID(a)}, Address: a}
	case err != nil:
		return nil, err
	case i.Customer == t.Customer && i.Verified && t.Used:
		return c, nil
	}
	if t.Used || !l.Now().Before(t.Until) {
		return nil, ErrNotTied
	}
	if err := l.adopt(tx, i, t.Customer); err != nil {
		return nil, err
	}
	t.Used = true
	if err := ties.Put(tx, t); err != nil {
		return nil, err
	}
	return c, l.prefer(tx, by, c, a)
}

// adopt moves an address, and the cases that began at it, to a customer.
func (l *Ledger) adopt(tx store.Tx, i *Identity, customer string) error {
	before := i.Customer
	i.Customer, i.Verified, i.Shut = customer, true, nil
	if err := Identities.Put(tx, i); err != nil || before == "" || before == customer {
		return err
	}
	var theirs []*Case
	for c, err := range Cases.Scan(tx, store.Range{Index: "customer", Prefix: store.Under(before)}) {
		if err != nil {
			return err
		}
		if c.To.Key() == i.Address.Key() {
			theirs = append(theirs, c)
		}
	}
	for _, c := range theirs {
		c.Customer = customer
		if err := Cases.Put(tx, c); err != nil {
			return err
		}
	}
	return nil
}

// prefer has the customer told at this address from now on, and says so on the
// case.
func (l *Ledger) prefer(tx store.Tx, by Actor, c *Case, a channels.Address) error {
	who, err := Customers.Get(tx, c.Customer)
	if err != nil {
		return err
	}
	who.Preferred = a.Key()
	if err := Customers.Put(tx, who); err != nil {
		return err
	}
	if err := l.record(tx, by, c, Event{Kind: Bound, To: string(a.Kind), Pending: []string{PendingNotify}}); err != nil {
		return err
	}
	return Cases.Put(tx, c)
}

// SweepTies removes at most limit tokens whose time is over and says how many.
func SweepTies(tx store.Tx, now time.Time, limit int) (int, error) {
	var old []*tie
	for t, err := range ties.Scan(tx, store.Range{Index: "until", To: store.TimeKey(now) + "\x00", Limit: limit}) {
		if err != nil {
			return 0, fmt.Errorf("old links: %w", err)
		}
		old = append(old, t)
	}
	for _, t := range old {
		if err := ties.Delete(tx, t); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
