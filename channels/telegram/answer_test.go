package telegram

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/telegram/sandbox"
)

// What the house answers at once is answered in the chat and not taken in;
// everything else is taken in as usual.
func TestAnswersAtOnce(t *testing.T) {
	o := prepare(t)
	var away atomic.Int32
	away.Store(2)
	o.env = func(e *channels.Env) {
		e.Answer = func(_ context.Context, m channels.Inbound) (*channels.Body, error) {
			switch {
			case m.Facts["start"] == "token-1":
				return &channels.Body{Text: "Welcome back."}, nil
			case m.Body.Text == "/start":
				if away.Add(-1) >= 0 {
					return nil, channeltest.ErrStore
				}
				return &channels.Body{Text: "Hello.", Buttons: []channels.Button{{Label: "My repairs", Data: "my"}}}, nil
			case m.Facts["button"] == "my":
				return &channels.Body{Text: "None."}, nil
			}
			return nil, nil
		}
	}
	o.start()
	o.api.Start(customer, "")
	o.phone(customer, func() bool { return len(o.api.Chat(customer)) == 2 })
	hello := o.api.Chat(customer)[1]
	if err := o.api.Press(customer, hello.ID, hello.Buttons[0][0].Data); err != nil {
		t.Fatal(err)
	}
	o.api.Fail(sandbox.Fault{Method: "sendMessage", Code: http.StatusBadGateway, After: true}) // it may have gone out: not twice
	o.api.Start(customer, "token-1")
	o.api.Say(customer, "the screen is broken")
	if m := o.message(1); m.Body.Text != "the screen is broken" {
		t.Errorf("taken in: %q", m.Body.Text)
	}
	o.confirmed()
	if got := strings.Join(o.texts(customer), " "); got != "Hello. None. Welcome back." && got != "Hello. Welcome back. None." {
		t.Errorf("answered %q", got)
	}
	if n := len(o.house.Book.Messages()); n != 1 {
		t.Errorf("%d messages taken in", n)
	}
}

// A deep link brings its token back, and is not there before the bot's name is
// known (T4).
func TestLink(t *testing.T) {
	d, _ := alone(t)
	if got := d.Link("abc"); got != "" {
		t.Errorf("before the name is known: %q", got)
	}
	o := open(t)
	o.healthy("takes messages")
	o.api.Start(customer, "abc_DEF-9")
	if m := o.message(1); m.Facts["start"] != "abc_DEF-9" || m.Body.Text != "/start" {
		t.Errorf("%+v", m)
	}
	if got, want := o.door.Link("abc_DEF-9"), "https://t.me/"+o.api.BotName()+"?start=abc_DEF-9"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, bad := range []string{"", "a b", "ключ", strings.Repeat("x", 65)} {
		if got := o.door.Link(bad); got != "" {
			t.Errorf("%q became %q", bad, got)
		}
	}
}
