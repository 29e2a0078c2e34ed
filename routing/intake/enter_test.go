package intake_test

import (
	"errors"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/intake"
)

var clerk = casecore.Actor{ID: "op-1", Name: "Anna", Roles: []string{casecore.RoleOperator}}

func entry(key string) intake.Entry {
	return intake.Entry{
		Key: key, Channel: "desk:walk_in", From: channels.Address{Kind: channels.Desk, Handle: "entry-" + key, Name: "Olena"},
		Body: channels.Body{Text: "Телефон не вмикається"},
	}
}

func TestWhatIsEnteredStandsAboveTheRules(t *testing.T) {
	h := open(t)
	e := entry("1")
	e.Queue, e.Priority, e.Category, e.Tags = "general", casecore.Urgent, "other", []string{"vip"}
	e.Attributes = map[string]string{"product": "tablet", "model": "S6"}
	res, err := h.intake.Enter(t.Context(), clerk, e)
	if err != nil {
		t.Fatal(err)
	}
	c := res.Case
	if c.Queue != "general" || c.Priority != casecore.Urgent || c.Category != "other" || c.Tags[0] != "vip" {
		t.Errorf("entered %+v, got queue %s, %s, %s, %v", e, c.Queue, c.Priority, c.Category, c.Tags)
	}
	if c.Attributes["product"] != "tablet" || c.Attributes["model"] != "S6" {
		t.Errorf("attributes %v", c.Attributes)
	}
	res, err = h.intake.Enter(t.Context(), clerk, entry("2"))
	if err != nil || res.Case.Queue != "phones" || res.Case.Attributes["product"] != "phone" {
		t.Errorf("what is left empty the rules decide: %+v, %v", res, err)
	}
	if res.Message.Author != clerk.ID {
		t.Errorf("the entry does not say who made it: %+v", res.Message)
	}
}

func TestAnEntryIsMadeOnce(t *testing.T) {
	h := open(t)
	first, err := h.intake.Enter(t.Context(), clerk, entry("1"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.intake.Enter(t.Context(), clerk, entry("1"))
	if err != nil || !again.Repeat || again.Case.ID != first.Case.ID || h.count(casecore.Cases.Coll()) != 1 {
		t.Errorf("the same entry again: %+v, %v, %d cases", again, err, h.count(casecore.Cases.Coll()))
	}
}

func TestAnEntryForAKnownCustomer(t *testing.T) {
	h := open(t)
	known := h.take(message(channels.SMS, "+380501112233", "SM1", "hello")).Case
	e := entry("1")
	e.Customer = known.Customer
	res, err := h.intake.Enter(t.Context(), clerk, e)
	if err != nil || res.Case.Customer != known.Customer {
		t.Fatalf("%+v, %v", res, err)
	}
	other := entry("2")
	other.Customer, other.From = "somebody else", channels.Address{Kind: channels.SMS, Handle: "+380501112233"}
	if _, err := h.intake.Enter(t.Context(), clerk, other); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an entry for nobody: %v", err)
	}
}
