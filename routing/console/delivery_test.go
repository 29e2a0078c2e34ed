package console_test

import (
	"net/http"
	"testing"

	"casewire/casecore"
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

// The page shows what the customer reads: a subject in a mail, none in an SMS.
func TestSubjectOfWhatIsTold(t *testing.T) {
	for kind, shown := range map[channels.Kind]bool{channels.Email: true, channels.SMS: false} {
		h := newHouse(t)
		h.operator("anna", "Anna", operatorRole, "phones")
		c, b, path := h.taken(ask{who: "Olena", kind: kind})
		h.put(func(tx store.Tx) error {
			_, _, err := h.ledger.Tell(tx, casecore.System("test"), c.ID, casecore.Message{Body: channels.Body{Subject: "It is repaired", Text: "Come in"}})
			return err
		})
		a := b.get(path)
		a.want(t, http.StatusOK, "Come in")
		if shown {
			a.want(t, http.StatusOK, "It is repaired")
		} else {
			a.lacks(t, "It is repaired")
		}
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
