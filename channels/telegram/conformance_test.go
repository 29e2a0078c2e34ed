package telegram

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/telegram/sandbox"
)

func TestConformance(t *testing.T) {
	channeltest.Run(t, channelID, func(t *testing.T, _ *channeltest.House) channeltest.World {
		return &world{t: t, api: provider(t, sandbox.Options{})}
	})
}

func TestConformanceByWebhook(t *testing.T) {
	channeltest.Run(t, channelID, func(t *testing.T, _ *channeltest.House) channeltest.World {
		return &world{t: t, api: provider(t, sandbox.Options{}), mode: modeWebhook}
	})
}

// world is a customer with a phone.
type world struct {
	t    *testing.T
	api  *sandbox.Server
	mode string
}

func (w *world) Open(env channels.Env) (channels.Channel, error) {
	c := quick(w.api)
	if w.mode != "" {
		c.Mode = w.mode
	}
	ch, err := c.Open(env)
	if err == nil {
		hurry(ch.(*Door))
	}
	return ch, err
}

func (w *world) Say(text string) string { return strconv.Itoa(w.api.Say(customer, text)) }

func number(id string) int {
	n, _ := strconv.Atoi(id)
	return n
}

func (w *world) Taken(id string) bool { return w.api.Taken(customer, number(id)) }

func (w *world) Await(ctx context.Context, id string) error {
	return w.wait(ctx, 0, func() bool { return w.Taken(id) })
}

func (w *world) Again(id string) { w.api.Repeat(customer, number(id)) }

func (w *world) Received(ctx context.Context, text string, n int) error {
	return w.wait(ctx, customer, func() bool {
		got := 0
		for _, b := range w.api.Chat(customer) {
			if !b.Mine && b.Text == text {
				got++
			}
		}
		return got >= n
	})
}

func (w *world) wait(ctx context.Context, chat int64, ok func() bool) error {
	hints := w.api.Watch(ctx, chat)
	for !ok() {
		select {
		case <-hints:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (w *world) fail(f sandbox.Fault) func() {
	return func() {
		f.Method = "sendMessage"
		w.api.Fail(f)
	}
}

func (w *world) Refusals() []channeltest.Refusal {
	return []channeltest.Refusal{
		{Name: "too fast", Arm: w.fail(sandbox.Fault{Code: http.StatusTooManyRequests, RetryAfter: 1}), Reason: channels.Throttled, Retry: true},
		{Name: "out of order", Arm: w.fail(sandbox.Fault{Code: http.StatusBadGateway}), Reason: channels.Unsure, Retry: true},
		{Name: "answer lost", Arm: w.fail(sandbox.Fault{After: true, Drop: true}), Reason: channels.Unsure, Retry: true},
		{Name: "token revoked", Arm: w.fail(sandbox.Fault{Code: http.StatusUnauthorized}), Reason: channels.Misset, Retry: true},
		{Name: "another server", Arm: w.fail(sandbox.Fault{Code: http.StatusOK, Raw: "<html>hello</html>"}), Reason: channels.Misset, Retry: true},
		{Name: "blocked", Arm: func() { w.api.Block(customer) }, Disarm: func() { w.api.Unblock(customer) }, Reason: channels.Blocked},
		{Name: "no such chat", Change: func(m *channels.Outbound) { m.To.Handle = "99999" }, Reason: channels.BadAddress},
		{Name: "no chat at all", Change: func(m *channels.Outbound) { m.To.Handle = "somebody" }, Reason: channels.BadAddress},
		{Name: "another kind", Change: func(m *channels.Outbound) { m.To.Kind = channels.SMS }, Reason: channels.BadAddress},
		{Name: "nothing to say", Change: func(m *channels.Outbound) { m.Body = channels.Body{Text: " \n"} }, Reason: channels.BadContent},
		{Name: "a file that is gone", Change: func(m *channels.Outbound) { m.Body.Files = []channels.File{{Name: "a", Blob: "b"}} }, Reason: channels.BadContent},
		{
			Name: "refused", Reason: channels.BadContent,
			Arm: w.fail(sandbox.Fault{Code: http.StatusBadRequest, Description: "Bad Request: MESSAGE_TOO_SILLY"}),
		},
	}
}

func (w *world) Secrets() []string { return []string{w.api.Token()} }
