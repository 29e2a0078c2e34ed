package casecore

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
)

// Shut says why an address may not be written to.
type Shut struct {
	Reason  channels.Reason `json:"reason"` // Blocked or BadAddress
	Code    string          `json:"code,omitempty"`
	Channel string          `json:"channel"`
	At      time.Time       `json:"at"`

	// Of a wish that was told to us rather than to the provider:
	By     string `json:"by,omitempty"` // id of who took it down
	ByName string `json:"by_name,omitempty"`
	Note   string `json:"note,omitempty"` // the reason that an operator gave
}

// Stand takes in a word on whether an address may be written to. A word that is
// older than the latest one, or says the same again, changes nothing. The newest
// case of the conversation shows it.
func (l *Ledger) Stand(tx store.Tx, by Actor, s channels.Standing) error {
	if s.At.IsZero() {
		s.At = l.Now()
	}
	i, err := Identities.Get(tx, IdentityID(s.Address))
	if errors.Is(err, store.ErrNotFound) {
		if i, err = l.stranger(tx, s.Address); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if s.At.Before(i.HeardAt) {
		return nil
	}
	if s.Open && i.Shut != nil && i.Shut.By != "" && s.Code != StartCode {
		i.HeardAt = s.At // the provider has us again: that is not the wish taken back which we were told
		return Identities.Put(tx, i)
	}
	if s.Open == (i.Shut == nil) {
		i.HeardAt = s.At // an older word that comes later must not win
		if i.Shut != nil && i.Shut.By != "" && s.Code == StopCode {
			i.Shut = &Shut{Reason: s.Reason, Code: s.Code, Channel: s.Channel, At: s.At} // the provider refuses, too
		}
		return Identities.Put(tx, i)
	}
	i.HeardAt, i.Shut = s.At, nil
	e := Event{Kind: ShutOver, To: s.Code}
	if !s.Open {
		i.Shut = &Shut{Reason: s.Reason, Code: s.Code, Channel: s.Channel, At: s.At}
		e.Kind, e.To, e.Reason = ShutOff, string(s.Reason), s.Code
	}
	if err := Identities.Put(tx, i); err != nil {
		return err
	}
	c, err := LatestCase(tx, s.Channel, s.Address)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := l.record(tx, by, c, e); err != nil {
		return err
	}
	return Cases.Put(tx, c)
}

// Codes of a customer's own wish. Nothing but their word takes back that they do not
// want to be written to, and unblocking a bot is not such a word.
const (
	StopCode  = "stop"
	StartCode = "start"
)

// ErrWish is the refusal to open an address whose owner does not want to be
// written to.
var ErrWish = errors.New("the customer asked not to be written to there; only their own word takes that back")

// Unshut opens an address of the case's customer again, on an operator's word:
// the mailbox works again. A customer's own wish stays.
func (l *Ledger) Unshut(tx store.Tx, by Actor, id, identity string) (*Case, error) {
	c, err := l.load(tx, by, id, VerbWork, Guard{})
	if err != nil {
		return nil, err
	}
	i, err := Identities.Get(tx, identity)
	if err == nil && i.Customer != c.Customer {
		err = fmt.Errorf("address: %w", store.ErrNotFound)
	}
	switch {
	case err != nil:
		return nil, err
	case i.Shut == nil:
		return c, nil
	case i.Shut.Code == StopCode:
		return nil, ErrWish
	}
	code := i.Shut.Code
	i.Shut, i.HeardAt = nil, l.Now()
	if err := Identities.Put(tx, i); err != nil {
		return nil, err
	}
	if err := l.record(tx, by, c, Event{Kind: ShutOver, To: code}); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}

// Heard takes back what was believed of an address that writes to us: whoever
// blocked or lost it uses it again. A wish (StopCode) stays.
func (i *Identity) Heard(at time.Time) bool {
	if i.Shut == nil || i.Shut.Code == StopCode {
		return false
	}
	i.Shut, i.HeardAt = nil, at
	return true
}

// stranger makes a customer of an address that has said nothing yet but whether
// it may be written to: that must not be forgotten.
func (l *Ledger) stranger(tx store.Tx, a channels.Address) (*Identity, error) {
	c := &Customer{Name: a.Name}
	if err := Customers.Put(tx, c); err != nil {
		return nil, err
	}
	return &Identity{Meta: store.Meta{ID: IdentityID(a)}, Address: a, Customer: c.ID}, nil
}

// Addresses returns a customer's identities, in a fixed order, those that may be
// written to first.
func Addresses(tx store.Tx, customer string) ([]*Identity, error) {
	var out []*Identity
	for i, err := range Identities.Scan(tx, store.Range{Index: "customer", From: customer, To: customer + "\x00"}) {
		if err != nil {
			return nil, fmt.Errorf("addresses of a customer: %w", err)
		}
		out = append(out, i)
	}
	slices.SortStableFunc(out, func(a, b *Identity) int {
		switch {
		case a.Shut == nil && b.Shut != nil:
			return -1
		case a.Shut != nil && b.Shut == nil:
			return 1
		}
		return 0
	})
	return out, nil
}
