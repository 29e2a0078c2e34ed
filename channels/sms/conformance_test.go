package sms

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/sms/sandbox"
)

func TestConformance(t *testing.T) {
	channeltest.Run(t, channelID, func(t *testing.T, h *channeltest.House) channeltest.World {
		twilio, err := sandbox.Open(t.Context(), sandbox.Options{
			WebhookURL: h.URL + "/hooks/sms/shop/", Tries: 1000, Retry: 5 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { twilio.Close() })
		return &world{Server: twilio, ctx: t.Context()}
	})
}

// world is a customer's phone, Twilio in between.
type world struct {
	*sandbox.Server
	ctx  context.Context
	undo func()
}

func (w *world) Open(env channels.Env) (channels.Channel, error) {
	return configFor(w.Server).Open(env)
}

func (w *world) Say(text string) string {
	sid, err := w.Text(customer, ourNumber, text)
	if err != nil {
		return err.Error()
	}
	return sid
}

func (w *world) Again(id string) {
	if w.Taken(id) {
		_, _ = w.Server.Again(w.ctx, id)
	}
}

func (w *world) Received(ctx context.Context, text string, n int) error {
	return w.Server.Received(ctx, customer, text, n)
}

func (w *world) Secrets() []string { return []string{w.AuthToken(), customer} }

func (w *world) Refusals() []channeltest.Refusal {
	to := func(number string) func(*channels.Outbound) {
		return func(m *channels.Outbound) { m.To.Handle = number }
	}
	arm := func(f sandbox.Fault) func() {
		return func() { w.undo = w.Fail(f) }
	}
	disarm := func() { w.undo() }
	return []channeltest.Refusal{
		{Name: "not a number", Change: to("nobody"), Reason: channels.BadAddress},
		{Name: "another kind", Change: func(m *channels.Outbound) { m.To.Kind = channels.Email }, Reason: channels.BadAddress},
		{Name: "21211", Change: to("+15005550001"), Reason: channels.BadAddress},
		{Name: "21614", Change: to("+15005550009"), Reason: channels.BadAddress},
		{Name: "21610", Change: to("+15005550004"), Reason: channels.Blocked},
		{Name: "21408", Change: to("+15005550003"), Reason: channels.Misset, Retry: true},
		{Name: "20429", Change: to("+15005550429"), Reason: channels.Throttled, Retry: true},
		{Name: "500", Change: to("+15005550500"), Reason: channels.Unsure, Retry: true},
		{Name: "cut before it was taken", Change: to("+15005550499"), Reason: channels.Unsure, Retry: true},
		{Name: "login refused", Arm: arm(sandbox.Fault{Status: http.StatusUnauthorized, Code: 20003}), Disarm: disarm, Reason: channels.Misset, Retry: true},
		{Name: "answered by something else", Arm: arm(sandbox.Fault{Status: http.StatusForbidden}), Disarm: disarm, Reason: channels.Misset, Retry: true},
		{Name: "nothing to say", Change: func(m *channels.Outbound) { m.Body.Text = " \n" }, Reason: channels.BadContent},
		{Name: "too long", Change: func(m *channels.Outbound) { m.Body.Text = strings.Repeat("a", 1531) }, Reason: channels.BadContent},
		{Name: "files", Change: func(m *channels.Outbound) { m.Body.Files = []channels.File{{Name: "act.pdf"}} }, Reason: channels.BadContent},
	}
}
