package api_test

import (
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/api"
	"casewire/routing/dossier"
	"casewire/routing/dossier/dossiertest"
)

// The dossier has the whole conversation and what became of each message, and what
// comes over the wire verifies with nothing of ours.
func TestDossier(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	path := api.Prefix + "/cases/" + c.CaseNumber()
	h.as("anna", "POST", path+"/messages", m{"text": "It is ready <now> \u2028 &c.", "claim_no": c.ClaimNo}).want(201)
	h.as("anna", "POST", path+"/notes", m{"text": "was angry"}).want(201)
	view, err := h.work.Read(t.Context(), h.ids["anna"], c.CaseNumber())
	h.must(err)
	sent := view.Messages[1].ID
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		_, err := h.ledger.Attempted(tx, sent, casecore.Attempt{No: 1, Channel: "sms:main", At: view.Case.Updated, State: channels.Sent, ProviderID: "SM1"})
		return err
	}))
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		_, _, err := h.ledger.Receipted(tx, sent, channels.Receipt{State: channels.Undelivered, ProviderID: "SM1", Code: "30005"})
		return err
	}))
	a := h.as("anna", "GET", path+"/dossier", nil).want(200)
	if faults := dossiertest.Check(a.body); len(faults) > 0 {
		t.Errorf("by hand it does not verify:\n%s\n%s", strings.Join(faults, "\n"), a.body)
	}
	var d dossier.Dossier
	a.json(&d)
	if d.Format != dossier.Format || !d.Proof.Verified || d.Proof.Head == "" || d.Proof.Events != int64(len(d.Events)) || d.Proof.From != 1 {
		t.Errorf("proof %+v of %d events", d.Proof, len(d.Events))
	}
	if d.MadeBy.Name != "anna" || d.MadeAt.IsZero() || d.Case.Number != c.CaseNumber() || d.Customer.Addresses[0].Handle.Handle != c.To.Handle {
		t.Errorf("%+v, %+v, %+v", d.MadeBy, d.Case, d.Customer)
	}
	if len(d.Messages) != 3 {
		t.Fatalf("%d messages", len(d.Messages))
	}
	f := d.Messages[1].Delivery
	if f.State != channels.Undelivered || len(f.Steps) != 2 || len(f.Tries) != 1 || f.Tries[0].ProviderID != "SM1" || f.Tries[0].Meaning != "there is no such number" {
		t.Errorf("%+v", f)
	}
	again := h.as("anna", "GET", path+"/dossier", nil).want(200)
	var e dossier.Dossier
	again.json(&e)
	if e.Proof.Head != d.Proof.Head {
		t.Error("reading a dossier changed the case")
	}
}

// The right to a dossier is that of reading the case.
func TestDossierRights(t *testing.T) {
	h := newHouse(t)
	waiting, held, foreign := h.arrive("phones"), h.held("phones", "anna"), h.held("tv", "clara")
	for _, tt := range []struct {
		who    string
		c      *casecore.Case
		status int
	}{
		{"", held, 401}, {"anna", held, 200}, {"boris", held, 200}, {"clara", held, 404},
		{"anna", foreign, 404}, {"clara", foreign, 200}, {"susan", foreign, 200}, {"program", foreign, 200},
		{"anna", waiting, 403}, {"clara", waiting, 404}, {"susan", waiting, 200},
	} {
		a := h.as(tt.who, "GET", api.Prefix+"/cases/"+tt.c.CaseNumber()+"/dossier", nil)
		if a.StatusCode != tt.status || tt.status != 200 && strings.Contains(string(a.body), canary) {
			t.Errorf("%q reads the dossier of %s: %d, want %d: %s", tt.who, tt.c.CaseNumber(), a.StatusCode, tt.status, a.body)
		}
	}
	h.as("susan", "GET", api.Prefix+"/cases/CW-999999/dossier", nil).problem(404, "not_found")
	h.as("susan", "GET", api.Prefix+"/cases/nonsense/dossier", nil).want(404)
}
