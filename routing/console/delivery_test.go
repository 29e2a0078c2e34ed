package console_test

import (
	"net/http"
	"testing"

	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

// What did not go out says why, and not that somebody took it back.
func TestOvertakenMessage(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c, b, path := h.taken(ask{who: "Olena"})
	m := h.answers(anna, c, "Ready")
	h.put(func(tx store.Tx) error { _, err := h.ledger.Cancelled(tx, m.ID); return err })
	for _, at := range []string{path, path + "/dossier"} {
		b.get(at).want(t, http.StatusOK, "Not sent")
	}
	h.post.Add(desk.Notice{ID: "n", Case: c.CaseNumber(), Message: m.ID, State: "skipped", Reason: "left", Created: m.At, Done: m.At})
	for _, at := range []string{path, path + "/dossier"} {
		a := b.get(at)
		a.want(t, http.StatusOK, "Not sent: the case had gone on to another status before it was time")
		a.lacks(t, "taken back", "stopped by a person")
	}
}

// A case that was entered at the desk shows no address that nobody knows.
func TestWalkIn(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	c, b, path := h.taken(ask{who: "Olena", kind: channels.Desk, text: "My screen"})
	h.post.Add(desk.Notice{ID: "n", Case: c.CaseNumber(), To: c.To, Template: "repaired", State: "skipped", Reason: "no_address", Open: true})
	for _, at := range []string{path, path + "/dossier", "/desk/notices"} {
		a := b.get(at)
		a.want(t, http.StatusOK, "Olena")
		a.lacks(t, c.To.Handle)
	}
}
