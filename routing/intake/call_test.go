package intake_test

import (
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// ringing is a call as the SMS door hands it over.
func ringing(from, id string) channels.Inbound {
	m := message(channels.SMS, from, id, "Incoming call")
	m.Facts = map[string]string{"call": "inbound"}
	return m
}

// A call joins the case of whoever texts from that number, and a customer with
// several open cases is not asked by text which one they called about.
func TestACallJoinsTheCallersCase(t *testing.T) {
	const olena = "+381601234567"
	h := open(t)
	first := h.take(message(channels.SMS, olena, "t1", "the screen is broken"))
	if res := h.take(ringing(olena, "c1")); res.New || res.Case.ID != first.Case.ID || res.Case.Attributes["call"] != "" {
		t.Errorf("joined %s, new %t, %v", res.Case.CaseNumber(), res.New, res.Case.Attributes)
	}
	h.update(func(tx store.Tx) error {
		_, _, err := h.ledger.Open(tx, casecore.System("desk"), casecore.Draft{
			Customer: first.Case.Customer, Channel: first.Case.Channel, To: first.Case.To, Queue: first.Case.Queue, Priority: casecore.Normal,
		}, casecore.Message{Direction: casecore.In, Channel: first.Case.Channel, ExternalID: "d1", From: first.Case.To, Body: channels.Body{Text: "another"}})
		return err
	})
	h.now = h.now.Add(2 * time.Hour)
	res := h.take(ringing(olena, "c2"))
	if res.New {
		t.Error("a call of a known customer opened a case")
	}
	h.view(func(tx store.Tx) error {
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(res.Case.ID)}) {
			if err != nil {
				return err
			}
			if e.Kind == casecore.Asked {
				t.Error("the caller is asked by text what they called about")
			}
		}
		return nil
	})
}

// Somebody calls from a number that takes no texts: that it is used says nothing of
// texts, so the mark stays. A text takes it away.
func TestACallDoesNotOpenAnAddress(t *testing.T) {
	const landline = "+381111111111"
	h := open(t)
	a := channels.Address{Kind: channels.SMS, Handle: landline}
	if err := h.intake.Standing(h.Context(), channels.Standing{Channel: "sms:shop", Address: a, Reason: channels.BadAddress, Code: "21614"}); err != nil {
		t.Fatal(err)
	}
	shut := func() (yes bool) {
		h.view(func(tx store.Tx) error {
			i, err := casecore.Identities.Get(tx, casecore.IdentityID(a))
			yes = err == nil && i.Shut != nil
			return err
		})
		return yes
	}
	h.take(ringing(landline, "c1"))
	if !shut() {
		t.Error("a call opened the address")
	}
	h.take(message(channels.SMS, landline, "t1", "hello"))
	if shut() {
		t.Error("a text did not")
	}
}
