package sms

import (
	"context"
	"testing"

	"casewire/channels"
	"casewire/channels/sms/sandbox"
)

// What the house answers at once goes back with the webhook, is no message, and stays
// none when the list brings it again after a restart. What the webhook did not bring is
// a message: nobody waits for an answer any more.
func TestCommandsAreAnswered(t *testing.T) {
	r := assemble(t, sandbox.Options{})
	r.answer = func(_ context.Context, m channels.Inbound) (*channels.Body, error) {
		if m.Body.Text != "status" || m.From.Handle != customer || m.Channel != channelID {
			return nil, nil
		}
		return &channels.Body{Text: "CW-000001: <in repair>", Lang: "en"}, nil
	}
	r.open(nil)
	r.text("status")
	r.text("and my charger?")
	if err := r.twilio.Received(r.ctx(), customer, "CW-000001: <in repair>", 1); err != nil {
		t.Error("no answer")
	}
	if m := r.house.Book.Messages(); len(m) != 1 || m[0].Body.Text != "and my charger?" {
		t.Errorf("taken in: %+v", m)
	}
	r.close()
	if err := r.closed().catchUp(t.Context(), r.house.Book); err != nil {
		t.Fatal(err)
	}
	if n := len(r.house.Book.Messages()); n != 1 {
		t.Errorf("%d messages after a restart, want 1", n)
	}

	r.twilio.Point(ourNumber, "")
	if _, err := r.twilio.Text(customer, ourNumber, "status"); err != nil {
		t.Fatal(err)
	}
	if err := r.closed().catchUp(t.Context(), r.house.Book); err != nil {
		t.Fatal(err)
	}
	if m := r.house.Book.Messages(); len(m) != 2 || m[1].Body.Text != "status" {
		t.Errorf("the command that no webhook brought is lost: %+v", m)
	}
}
