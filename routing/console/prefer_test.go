package console_test

import (
	"fmt"
	"net/http"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// page is the link to a customer's page, as the house makes it.
func (h *house) page(k *casecore.Case) string {
	if h.noBot {
		return ""
	}
	return fmt.Sprintf("https://help.example.com/c/%d-%d", k.Number, k.Page)
}

func (h *house) reaches(_ *casecore.Case, a channels.Address) bool { return a.Kind != h.away }

// The holder of a case takes down how its customer wants to be told, each change is
// on the timeline with who did it, and sent twice it is done once.
func TestOperatorTakesWishesDown(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	h.operator("clara", "Clara", operatorRole, "tv")
	c, b, path := h.taken(ask{who: "Olena", kind: channels.SMS, lang: "en"})
	mail := channels.Address{Kind: channels.Email, Handle: "olena.k@shop.example"}
	id := casecore.IdentityID(mail)
	h.put(func(tx store.Tx) error {
		return casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: id}, Address: mail, Customer: c.Customer})
	})
	b.get(path).want(t, http.StatusOK, `name="address"`, `<option value="" selected>Where they last wrote`, "Email olena.k@shop.example", "The language they write in", "https://help.example.com/c/1-0")
	for range 2 {
		b.post(path+"/prefer", "address", id, "was.address", "", "lang", "uk", "was.lang", "").goes(t, path)
	}
	b.get(path).want(t, http.StatusOK, `<option value="`+id+`" selected>`, `<option value="uk" selected>Ukrainian`,
		"The customer is told first at: Email o…@shop.example · Anna", "Language of the messages: Ukrainian · Anna")
	// What the operator did not touch is left, whoever has changed it meanwhile.
	b.post(path+"/prefer", "address", "", "was.address", "", "lang", "", "was.lang", "").goes(t, path)
	b.get(path).want(t, http.StatusOK, `<option value="`+id+`" selected>`, `<option value="uk" selected>`)

	b.post(path+"/opt-out", "identity", id, "reason", "").want(t, http.StatusUnprocessableEntity)
	for range 2 {
		b.post(path+"/opt-out", "identity", id, "reason", "asked on the phone").goes(t, path)
	}
	b.get(path).want(t, http.StatusOK, "the customer asked not to be written to", "<q>asked on the phone</q>", "since ", ", Anna: ", "The customer wants no messages at: Email o…@shop.example")
	b.post(path+"/reopen", "identity", id).want(t, http.StatusConflict)
	b.post(path+"/prefer", "address", "", "was.address", id).goes(t, path)
	b.post(path+"/prefer", "address", id, "was.address", "").want(t, http.StatusConflict, "Nothing may be sent to that address.")
	b.post(path+"/opt-in", "identity", id, "reason", "writes again").goes(t, path)
	b.get(path).want(t, http.StatusOK, "The customer wants messages again at: Email o…@shop.example · Anna", "The customer is told where they last wrote · Anna")

	// STOP, sent to the provider, is not the operator's to take back, and says so.
	h.put(func(tx store.Tx) error {
		return h.ledger.Stand(tx, casecore.System("intake"), channels.Standing{Channel: c.Channel, Address: c.To, Reason: channels.Blocked, Code: casecore.StopCode, At: h.now()})
	})
	a := b.get(path)
	a.want(t, http.StatusOK, "by the customer’s word, ")
	b.post(path+"/opt-in", "identity", casecore.IdentityID(c.To), "reason", "said so").want(t, http.StatusConflict)

	// A channel that was removed is said, beside the address that it served.
	h.away = channels.Email
	b.get(path).want(t, http.StatusOK, "No channel can write there now")

	b.post(path+"/page").goes(t, path)
	b.get(path).want(t, http.StatusOK, "https://help.example.com/c/1-1", "New link to the customer’s page")

	boris, clara := h.signIn("boris"), h.signIn("clara")
	seen := boris.get(path)
	seen.want(t, http.StatusOK)
	seen.lacks(t, `/prefer"`, `/opt-out"`, "help.example.com/c/")
	for _, verb := range []string{"prefer", "opt-out", "opt-in", "page"} {
		boris.post(path+"/"+verb, "identity", id, "lang", "ru", "was.lang", "", "reason", "x").want(t, http.StatusConflict, "Anna holds")
		clara.post(path+"/"+verb, "identity", id, "lang", "ru", "was.lang", "", "reason", "x").want(t, http.StatusNotFound)
	}
	stranger := h.open(ask{who: "Somebody", kind: channels.SMS})
	b.post(path+"/opt-out", "identity", casecore.IdentityID(stranger.To), "reason", "x").want(t, http.StatusNotFound)
	b.post(path+"/prefer", "address", casecore.IdentityID(stranger.To), "was.address", "").want(t, http.StatusNotFound)
}
