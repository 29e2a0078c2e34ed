package intake_test

import (
	"testing"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/intake"
)

// TestRulesSeeTheCustomer has rules that look at the customer's attributes, which are
// read for such rules only.
func TestRulesSeeTheCustomer(t *testing.T) {
	h := open(t)
	n := lang.Text{"en": "x"}
	r, err := routing.Compile(routing.Spec{
		Queues: []routing.Queue{{ID: "regulars", Name: n}, {ID: "general", Name: n}},
		Rules: []routing.Rule{
			{Name: "regulars", When: routing.When{Customer: map[string][]string{"regular": {"yes"}}}, Then: routing.Then{Queue: "regulars"}},
			{Name: "rest", Then: routing.Then{Queue: "general"}},
		},
	}, routing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.intake = intake.New(h.store, h.ledger, func() *routing.Router { return r }, h.blobs, intake.Options{})
	first := h.take(message(channels.Email, "a@mail.test", "1", "hello"))
	if first.Case.Queue != "general" {
		t.Errorf("a stranger's case is in %s", first.Case.Queue)
	}
	err = h.store.Update(t.Context(), func(tx store.Tx) error {
		c, err := casecore.Customers.Get(tx, first.Case.Customer)
		if err != nil {
			return err
		}
		c.Attributes = map[string]string{"regular": "yes"}
		return casecore.Customers.Put(tx, c)
	})
	if err != nil {
		t.Fatal(err)
	}
	if second := h.take(message(channels.Email, "a@mail.test", "2", "hello again")); !second.New || second.Case.Queue != "regulars" {
		t.Errorf("new %v, in %s", second.New, second.Case.Queue)
	}
}
