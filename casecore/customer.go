package casecore

import (
	"time"

	"casewire/casecore/store"
	"casewire/channels"
)

// Customer is a person or firm that writes to the centre.
type Customer struct {
	store.Meta
	Name       string            `json:"name"`
	Lang       string            `json:"lang,omitempty"`
	LangSet    bool              `json:"lang_set,omitempty"`  // Lang was chosen: it wins over the language that a message is written in
	Zone       string            `json:"zone,omitempty"`      // IANA time zone
	Preferred  string            `json:"preferred,omitempty"` // key of the identity to write to; empty: where they last wrote
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Keys of a customer: name.
func (c *Customer) Keys() store.Keys {
	k := store.Keys{}
	k.Set("name", clip(c.Name))
	return k
}

// Reads is the language that a customer is written to in about a case: the one that
// was chosen, else the one they wrote in.
func (c *Customer) Reads(k *Case) string {
	if c.LangSet && c.Lang != "" || k.Lang == "" {
		return c.Lang
	}
	return k.Lang
}

// Customers is the table of customers.
var Customers = store.NewTable[Customer]("customer", store.Index{Name: "name"})

// Identity is one address of a customer.
type Identity struct {
	store.Meta
	Address  channels.Address `json:"address"`
	Customer string           `json:"customer"`
	Verified bool             `json:"verified"`
	Shut     *Shut            `json:"shut,omitempty"`    // why nothing may be sent there
	HeardAt  time.Time        `json:"heard_at,omitzero"` // of the latest word on Shut
	Fresh    bool             `json:"fresh,omitempty"`   // its next message opens a new case, by its owner's wish
	Lines    int64            `json:"lines,omitempty"`   // messages in its thread, for hosted kinds
}

// IdentityID is the id of the identity with this address: there is only one.
func IdentityID(a channels.Address) string { return store.HashID("identity", a.Key()) }

// Keys of an identity: customer.
func (i *Identity) Keys() store.Keys {
	k := store.Keys{}
	k.Set("customer", i.Customer)
	return k
}

// Identities is the table of identities.
var Identities = store.NewTable[Identity]("identity", store.Index{Name: "customer"})

// ThreadKey names the conversation of one address on one channel. Both parts may
// come from outside and be long, so they are hashed.
func ThreadKey(channel string, a channels.Address) string {
	return store.HashID("thread", channel, a.Key())
}

// clip shortens a text from outside to what an index key may hold.
func clip(s string) string {
	const most = 200
	for i := range s {
		if i > most {
			return s[:i]
		}
	}
	return s
}
