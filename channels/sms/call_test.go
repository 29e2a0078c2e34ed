package sms

import (
	"strings"
	"testing"

	"casewire/channels"
	"casewire/channels/sms/sandbox"
)

// One click rings the operator, then the customer, and the house learns how it went.
func TestCalls(t *testing.T) {
	const operator = "+381111111111"
	for name, v := range map[string]struct {
		operator, customer string
		state              channels.State
		code               string
	}{
		"both speak":          {operator, customer, channels.Delivered, ""},
		"customer busy":       {operator, "+15005554486", channels.Undelivered, "customer_busy"},
		"customer absent":     {operator, "+15005554480", channels.Undelivered, "customer_no_answer"},
		"operator absent":     {"+15005554480", customer, channels.Undelivered, "operator_no_answer"},
		"as people write one": {"011 111 1111", "060 123 4567", channels.Delivered, ""},
	} {
		r := start(t, sandbox.Options{}, nil)
		got, err := r.door.Call(t.Context(), channels.CallRequest{ID: "call 1", Operator: v.operator, Customer: v.customer})
		if err != nil || got.State != channels.Sent || got.OutboundID != "call 1" {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		r.reached("call 1", v.state)
		for _, x := range r.house.Book.Receipts() {
			if x.State == v.state && (x.Code != v.code || x.ProviderID != got.ProviderID) {
				t.Errorf("%s: %+v", name, x)
			}
		}
		if c := r.twilio.Calls()[0]; c.From != ourNumber || !strings.HasPrefix(c.Dials, "+") {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestCallsThatCannotBeMade(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	for name, v := range map[string]struct {
		c      channels.CallRequest
		reason channels.Reason
	}{
		"operator": {channels.CallRequest{Operator: "x", Customer: customer}, channels.Misset},
		"customer": {channels.CallRequest{Operator: customer, Customer: "x"}, channels.BadAddress},
	} {
		if _, err := r.door.Call(t.Context(), v.c); channels.AsSendError(err).Reason != v.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	// It is the operator's number that Twilio refuses: nothing is known of the customer's.
	undo := r.twilio.Fail(sandbox.Fault{Op: "call", Status: 400, Code: 21211})
	if _, err := r.door.Call(t.Context(), channels.CallRequest{ID: "x", Operator: shopPhone, Customer: customer}); channels.AsSendError(err).Reason != channels.Misset {
		t.Errorf("the operator's number is refused: %v", err)
	}
	undo()
	undo = r.twilio.Fail(sandbox.Fault{Op: "call", Status: 500})
	if _, err := r.door.Call(t.Context(), channels.CallRequest{ID: "x", Operator: customer, Customer: customer}); err == nil || channels.AsSendError(err).Retry {
		t.Errorf("a call of unknown fate is to be tried again: %v", err)
	}
	undo()
	named := start(t, sandbox.Options{}, func(c *Config) { c.From = "MillStreet" })
	if _, err := named.door.Call(t.Context(), channels.CallRequest{Operator: customer, Customer: customer}); channels.AsSendError(err).Reason != channels.Misset {
		t.Errorf("without a number: %v", err)
	}
}

func TestBridgeEscapesWhatItIsGiven(t *testing.T) {
	got := bridge("+1", `+2"><Play/>`, "https://a.example/x?id=a&b")
	if strings.Contains(got, "<Play") || !strings.Contains(got, "id=a&amp;b") {
		t.Error(got)
	}
}
