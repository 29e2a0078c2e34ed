package app

import (
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/api"
)

// Before a status is set, its dialog says of somebody who came to the desk what they
// will be told, and where; without an address, that nobody can be.
func TestWhatTheDeskForesees(t *testing.T) {
	c := openCentre(t, "{}")
	phone := channels.Address{Kind: channels.SMS, Handle: olena}
	enter := func(key string, addresses ...channels.Address) *casecore.Case {
		t.Helper()
		who := &casecore.Customer{Meta: store.Meta{ID: "customer-" + key}, Name: "Ivan"}
		err := c.store.Update(c.ctx, func(tx store.Tx) error {
			for _, a := range addresses {
				i := &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(a)}, Address: a, Customer: who.ID}
				if err := casecore.Identities.Put(tx, i); err != nil {
					return err
				}
			}
			who := *who
			return casecore.Customers.Put(tx, &who)
		})
		if err != nil {
			t.Fatal(err)
		}
		k, err := opener{c.App}.Open(c.ctx, c.anna, api.Entry{Key: key, Customer: who.ID, Name: who.Name, Source: "walk_in", Text: "My TV stays dark"})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	told, err := c.preview(c.ctx, enter("with", phone), "ready")
	if err != nil || told == nil || told.Kind != channels.SMS || !strings.Contains(told.Text, "CW-000001") {
		t.Errorf("with an address: %+v, %v", told, err)
	}
	told, err = c.preview(c.ctx, enter("without"), "ready")
	if err != nil || told == nil || told.Reason != "no_address" || told.Text != "" {
		t.Errorf("without: %+v, %v", told, err)
	}
}
