package api_test

import (
	"fmt"
	"slices"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/api"
)

// page is the link to a customer's page, as the house makes it.
func (h *house) page(k *casecore.Case) string {
	if h.noBot {
		return ""
	}
	return fmt.Sprintf("https://help.example.com/c/%d-%d", k.Number, k.Page)
}

// happened lists the events of a case that tell of its customer's wishes.
func (h *house) happened(who string, c *casecore.Case) (out []string) {
	h.t.Helper()
	for _, e := range h.timeline(who, c) {
		switch e.Kind {
		case casecore.Preferred, casecore.LangChosen, casecore.OptedOut, casecore.OptedIn, casecore.PageRenewed:
			out = append(out, fmt.Sprintf("%s %s>%s %s %s", e.Kind, e.From, e.To, e.Actor.Name, e.Reason))
		}
	}
	return out
}

// A customer's wishes are changed with an event on the case in hand, and once.
func TestWishes(t *testing.T) {
	h := newHouse(t)
	older := h.arrive("phones")
	c := h.held("phones", "anna")
	mail := channels.Address{Kind: channels.Email, Handle: "olga@shop.example"}
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		old, err := casecore.Cases.Get(tx, older.ID)
		if err != nil {
			return err
		}
		old.Customer = c.Customer
		if err := casecore.Cases.Put(tx, old); err != nil {
			return err
		}
		return casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(mail)}, Address: mail, Customer: c.Customer})
	}))
	at := v1 + "/customers/" + c.Customer
	var k api.Customer
	for range 2 {
		h.as("anna", "PATCH", at, m{"lang": "uk", "preferred": m{"kind": "email", "handle": "Olga@Shop.example"}}).want(200).json(&k)
		if k.Lang != "uk" || !k.LangSet || k.Preferred == nil || k.Preferred.Handle != mail.Handle {
			t.Errorf("customer %+v", k)
		}
	}
	h.as("anna", "PATCH", at, m{"preferred": m{"kind": "email", "handle": "else@shop.example"}}).problem(422, "invalid")
	h.as("anna", "PATCH", at, m{"anywhere": true, "preferred": m{"kind": "email", "handle": mail.Handle}}).problem(422, "invalid")
	address := v1 + "/cases/" + c.CaseNumber() + "/addresses/" + casecore.IdentityID(mail)
	h.as("anna", "POST", address+"/opt-out", m{"reason": ""}).problem(422, "invalid")
	h.as("anna", "POST", address+"/opt-out", m{"reason": " "}).problem(422, "invalid")
	for range 2 {
		h.as("anna", "POST", address+"/opt-out", m{"reason": "asked on the phone"}).want(200)
	}
	i := slices.IndexFunc(h.detail("anna", c).Customer.Addresses, func(a api.KnownAddress) bool { return a.Kind == channels.Email })
	shut := h.detail("anna", c).Customer.Addresses[i].Shut
	if shut == nil || shut.Code != casecore.StopCode || shut.Channel != "desk" || shut.By == nil || shut.By.Name != h.ids["anna"].Name || shut.Note != "asked on the phone" {
		t.Errorf("opted out %+v", shut)
	}
	h.as("anna", "POST", address+"/reopen", nil).problem(409, "wish")
	h.as("anna", "PATCH", at, m{"anywhere": true}).want(200)
	h.as("anna", "PATCH", at, m{"preferred": m{"kind": "email", "handle": mail.Handle}}).problem(409, "shut")
	for range 2 {
		h.as("anna", "POST", address+"/opt-in", m{"reason": "writes again"}).want(200)
	}
	k = api.Customer{}
	h.as("anna", "PATCH", at, m{"lang": ""}).want(200).json(&k)
	if k.LangSet || k.Preferred != nil {
		t.Errorf("customer %+v", k)
	}
	name := h.ids["anna"].Name
	want := []string{
		"language >uk " + name + " ", "preferred >email " + name + " ", "opted_out >email " + name + " asked on the phone",
		"preferred email> " + name + " ", "opted_in >email " + name + " writes again", "language uk> " + name + " ",
	}
	if got := h.happened("anna", c); !slices.Equal(got, want) {
		t.Errorf("events\n%q, want\n%q", got, want)
	}
	foreign := h.held("phones", "boris")
	h.as("anna", "POST", v1+"/cases/"+c.CaseNumber()+"/addresses/"+casecore.IdentityID(foreign.To)+"/opt-out", m{"reason": "x"}).problem(404, "not_found")
}

// The link to a customer's page is made anew, and the old one is known to be over.
func TestPageLink(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber() + "/page"
	var first, again, fresh api.Page
	h.as("anna", "GET", at, nil).want(200).json(&first)
	h.as("anna", "GET", at, nil).want(200).json(&again)
	h.as("anna", "POST", at, nil).want(200).json(&fresh)
	if first.URL == "" || first != again || fresh == first {
		t.Errorf("links %q %q %q", first.URL, again.URL, fresh.URL)
	}
	if got := h.happened("anna", c); len(got) != 1 {
		t.Errorf("events %q", got)
	}
	h.noBot = true
	h.as("anna", "GET", at, nil).problem(409, "no_page")
}
