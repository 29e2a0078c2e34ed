package api_test

import (
	"context"
	"fmt"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/api"
	"casewire/routing/desk"
)

// dial makes calls as the house does, but for the phones.
func (h *house) dial(ctx context.Context, by casecore.Actor, number, identity string, also desk.Also) error {
	if h.refused != nil {
		return h.refused
	}
	call, err := h.work.Dial(ctx, by, number, identity, "sms:main")
	if err != nil {
		return err
	}
	return h.store.Update(ctx, func(tx store.Tx) error {
		c, err := h.ledger.CallPlaced(tx, call.ID)
		if err != nil {
			return err
		}
		return also(tx, c, nil)
	})
}

func (h *house) calls(who string, c *casecore.Case) (kinds string) {
	for _, e := range h.timeline(who, c) {
		if e.Call != "" {
			kinds += fmt.Sprintf("%s %s %d;", e.Kind, e.To, e.Seconds)
		}
	}
	return kinds
}

// A call is on the timeline at once and made once for each key; what became of it
// follows.
func TestCallingACustomer(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	path := v1 + "/cases/" + c.CaseNumber() + "/call"
	var out api.Case
	first := h.as("anna", "POST", path, nil, "Idempotency-Key", "k1").want(202)
	if first.json(&out); out.Number != c.CaseNumber() || first.Header.Get("ETag") == "" {
		t.Errorf("the answer is %+v, ETag %q", out, first.Header.Get("ETag"))
	}
	again := h.as("anna", "POST", path, nil, "Idempotency-Key", "k1").want(202)
	if again.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("a repeat with the same key is no replay")
	}
	if p := h.as("anna", "POST", path, nil).problem(409, "calling"); p.Detail == "" {
		t.Error("a second call at the same time")
	}
	events := h.timeline("anna", c)
	id := events[len(events)-1].Call
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		_, err := h.ledger.CallEnded(tx, id, "sms:main", casecore.CallEnd{Outcome: casecore.CallReached, Length: 42e9})
		return err
	}))
	if got, want := h.calls("anna", c), fmt.Sprintf("calling %s 0;called reached 42;", c.To.Handle); got != want {
		t.Errorf("timeline %q, want %q", got, want)
	}
}

func TestCallsThatAreRefused(t *testing.T) {
	for code, v := range map[string]struct {
		status int
		err    error
	}{
		"no_phone":  {422, desk.ErrNoPhone},
		"no_number": {422, fmt.Errorf("call: %w", casecore.ErrNoNumber)},
		"no_call":   {409, &desk.NoCall{Words: "the provider cannot be reached", Code: "20003"}},
		"calling":   {409, &casecore.OnCall{ByName: "Boris"}},
		"not_found": {404, store.ErrNotFound},
		"invalid":   {422, &casecore.Invalid{Field: "identity", Code: casecore.BadName, Msg: "is no phone number", Mend: "choose another"}},
	} {
		h := newHouse(t)
		h.refused = v.err
		c := h.held("phones", "anna")
		h.as("anna", "POST", v1+"/cases/"+c.CaseNumber()+"/call", m{"identity": "x"}, "Idempotency-Key", "k").problem(v.status, code)
		// A refusal is not kept: the same key may succeed.
		h.refused = nil
		h.as("anna", "POST", v1+"/cases/"+c.CaseNumber()+"/call", m{"identity": casecore.IdentityID(c.To)}, "Idempotency-Key", "k").want(202)
	}
}

// Where the notices for an operator's role go is said by whoever keeps the accounts.
func TestMailOfOperators(t *testing.T) {
	h := newHouse(t)
	var o api.Operator
	h.as("admin", "POST", v1+"/operators", m{"login": "vera", "name": "Vera", "roles": []string{"supervisor"}, "email": " Vera@Shop.example "}).want(201).json(&o)
	if o.Account == nil || o.Email != "vera@shop.example" {
		t.Errorf("made %+v", o.Account)
	}
	p := h.as("admin", "PATCH", v1+"/operators/vera", m{"email": "vera"}).problem(422, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "#/email" {
		t.Errorf("no address: %+v", p.Errors)
	}
	h.as("admin", "PATCH", v1+"/operators/vera", m{"name": "Vera V."}).want(200).json(&o)
	if o.Email != "vera@shop.example" {
		t.Errorf("a change of the name changed the address to %q", o.Email)
	}
	o = api.Operator{}
	h.as("admin", "PATCH", v1+"/operators/vera", m{"email": ""}).want(200).json(&o)
	if o.Account == nil || o.Email != "" {
		t.Errorf("taken away: %+v", o.Account)
	}
}

// A program cannot be called back, but it may give an operator a phone.
func TestPhonesOfOperators(t *testing.T) {
	h := newHouse(t)
	var o api.Operator
	h.as("admin", "POST", v1+"/operators", m{"login": "vera", "name": "Vera", "roles": []string{"operator"}, "phone": "+381 (60) 123-45-67"}).want(201).json(&o)
	if o.Account == nil || o.Phone != "+381601234567" {
		t.Errorf("made %+v", o.Account)
	}
	p := h.as("admin", "PATCH", v1+"/operators/vera", m{"phone": "0601234567"}).problem(422, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "#/phone" {
		t.Errorf("a number without its country: %+v", p.Errors)
	}
	h.as("admin", "PATCH", v1+"/operators/vera", m{"name": "Vera V."}).want(200).json(&o)
	if o.Phone != "+381601234567" {
		t.Errorf("a change of the name changed the phone to %q", o.Phone)
	}
	o = api.Operator{}
	h.as("admin", "PATCH", v1+"/operators/vera", m{"phone": ""}).want(200).json(&o)
	if o.Account == nil || o.Phone != "" {
		t.Errorf("taken away: %+v", o.Account)
	}
	var l api.List[map[string]any]
	h.as("anna", "GET", v1+"/operators", nil).want(200).json(&l)
	for _, o := range l.Items {
		if _, ok := o["phone"]; ok {
			t.Errorf("a colleague sees the phone: %v", o)
		}
	}
}
