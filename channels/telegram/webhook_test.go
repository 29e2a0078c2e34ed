package telegram

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/telegram/sandbox"
)

func byHook(c *Config) { c.Mode = modeWebhook }

// post brings an update as Telegram would, with a secret.
func (o *office) post(method, secret, body string) int {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.ctx(), method, o.house.URL+o.door.Prefix(), strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if secret != "" {
		r.Header.Set(secretField, secret)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

const hooked = `{"update_id":5,"message":{"message_id":3,"date":1,"chat":{"id":70001,"type":"private","first_name":"A"},"from":{"id":70001,"is_bot":false,"first_name":"A"},"text":"hooked"}}`

// Nothing of a request is used before its secret, nothing is acknowledged before
// it is stored, and what cannot be an update is refused (T3).
func TestHook(t *testing.T) {
	o := open(t, byHook)
	o.healthy("by webhook")
	for _, test := range []struct {
		name, method, secret, body string
		want                       int
	}{
		{"no secret", "POST", "", hooked, 403},
		{"wrong secret", "POST", strings.Repeat("0", 64), hooked, 403},
		{"the bot's token is no secret", "POST", o.api.Token(), hooked, 403},
		{"not a POST", "GET", o.door.secret, "", 405},
		{"not JSON", "POST", o.door.secret, "{", 400},
		{"no number", "POST", o.door.secret, "{}", 400},
		{"too large", "POST", o.door.secret, `{"update_id":5,"x":"` + strings.Repeat("x", maxHook) + `"}`, 413},
		{"of a kind that nobody asked for", "POST", o.door.secret, `{"update_id":6,"poll":{}}`, 200},
		{"right", "POST", o.door.secret, hooked, 200},
		{"right again", "POST", o.door.secret, hooked, 200},
	} {
		if got := o.post(test.method, test.secret, test.body); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	if got := o.house.Book.Messages(); len(got) != 1 || got[0].Body.Text != "hooked" {
		t.Errorf("%d messages", len(got))
	}
	o.troubled(func(string, string) error { return channeltest.ErrStore })
	const member = `{"update_id":7,"my_chat_member":{"chat":{"id":70001,"type":"private"},"date":1,"new_chat_member":{"status":"kicked"}}}`
	if got := o.post("POST", o.door.secret, member); got != http.StatusServiceUnavailable {
		t.Errorf("a store that is away: %d, want 503", got)
	}
	if h := o.door.Health(); h.OK || !strings.Contains(h.Text, "store does not take") {
		t.Errorf("health %+v", h)
	}
}

// While the channel polls there is no webhook to find.
func TestNoHookWhilePolling(t *testing.T) {
	o := open(t)
	if got := o.post("POST", o.door.secret, hooked); got != http.StatusNotFound {
		t.Errorf("%d, want 404", got)
	}
}

// Messages come over the webhook, in order, and an album as one.
func TestByWebhook(t *testing.T) {
	o := open(t, byHook)
	o.api.Say(customer, "one")
	o.api.Album(customer, "two", picture(t, 1, 1), picture(t, 2, 2))
	o.api.Say(customer, "three")
	o.message(3)
	for i, want := range []string{"one", "two", "three"} {
		if got := o.house.Book.Messages()[i].Body.Text; got != want {
			t.Errorf("message %d is %q, want %q", i, got, want)
		}
	}
	o.confirmed()
}

// A webhook of another program is said, and removed only when the configuration
// says so; one of our own is removed when the channel polls again (T1).
func TestForeignWebhook(t *testing.T) {
	for _, mode := range []string{modePolling, modeWebhook} {
		t.Run(mode, func(t *testing.T) {
			o := prepare(t)
			o.cfg.Mode = mode
			other := "http://127.0.0.1:1/other-program/secret-path"
			o.set(other)
			o.start()
			if h := o.healthy("a webhook is set at the bot"); h.OK {
				t.Errorf("health %+v", h)
			}
			if o.api.Webhook() != other {
				t.Error("the webhook of another program was removed")
			}
			o.close()
			o.cfg.Takeover = true
			o.start()
			o.healthy("takes messages by " + mode)
			o.api.Say(customer, "hello")
			o.message(1)
		})
	}
}

// set sets a webhook at the bot.
func (o *office) set(to string) {
	o.t.Helper()
	resp, err := http.PostForm(o.api.URL()+"/bot"+o.api.Token()+"/setWebhook", map[string][]string{"url": {to}})
	if err != nil || resp.StatusCode != http.StatusOK {
		o.t.Fatalf("set a webhook: %v %v", resp, err)
	}
	resp.Body.Close()
}

func TestFromWebhookToPolling(t *testing.T) {
	o := open(t, byHook)
	o.api.Say(customer, "one")
	o.message(1)
	o.close()
	o.cfg.Mode = modePolling
	o.start()
	o.api.Say(customer, "two")
	o.message(2)
	if got := o.api.Webhook(); got != "" {
		t.Errorf("the webhook is still set, at %s", got)
	}
}

// What the doctor is told.
func TestExamine(t *testing.T) {
	examine := func(o *office) map[string]channels.Finding {
		got := map[string]channels.Finding{}
		o.door.Examine(o.ctx(), func(f channels.Finding) { got[f.Step] = f })
		return got
	}
	o := open(t)
	if got := examine(o); len(got) != 4 || !got["token"].OK || !strings.Contains(got["token"].Text, o.api.BotName()) || !got["waiting"].OK {
		t.Errorf("all well: %+v", got)
	}
	o.close()
	o.api.Say(customer, "waiting")
	if got := examine(o)["waiting"]; !strings.Contains(got.Text, "1 updates wait at Telegram, the oldest for") {
		t.Errorf("waiting: %+v", got)
	}
	if o.api.Waiting() != 1 {
		t.Error("looking confirmed what waits")
	}
	o.set("http://127.0.0.1:1/very-secret-path")
	if got := examine(o)["webhook"]; got.OK || got.Mend == "" || !strings.Contains(got.Text, "127.0.0.1") || strings.Contains(got.Text, "very-secret") {
		t.Errorf("foreign webhook: %+v", got)
	}
	o.door.cfg.Groups = groupsTopics
	if got := examine(o)["privacy mode"]; !got.Warn {
		t.Errorf("privacy mode: %+v", got)
	}
	o.api.Fail(sandbox.Fault{Method: "getMe", Code: http.StatusUnauthorized, Times: 2})
	if got := examine(o); len(got) != 1 || got["token"].OK || !strings.Contains(got["token"].Mend, "BotFather") {
		t.Errorf("wrong token: %+v", got)
	}
	if err := o.door.Probe(o.ctx()); err == nil {
		t.Error("a probe with a wrong token went well")
	}
	if err := o.door.Probe(o.ctx()); err != nil {
		t.Errorf("probe: %v", err)
	}
}

// Every fault of a configuration is told at once, each with what to write instead.
func TestValidate(t *testing.T) {
	good := NewConfig()
	good.Token = channels.NewSecret("4242:a-token-of-a-test")
	if err := good.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	bad := &Config{
		Token: channels.NewSecret("no token"), Server: "ftp://x", Mode: "push", Groups: "all",
		Limits: Limits{PerSecond: 0, PerChat: time.Hour, PerGroup: -1, FileBytes: 1 << 40},
		Times:  Times{Poll: time.Hour},
	}
	err := bad.Validate()
	for _, path := range []string{
		"token", "server", "mode", "groups", "limits.per_second", "limits.per_chat", "limits.per_group", "limits.file_bytes",
		"times.poll", "times.call", "times.album",
	} {
		if err == nil || !strings.Contains(err.Error(), path+": ") {
			t.Errorf("nothing is said of %s", path)
		}
	}
	if strings.Contains(err.Error(), "no token\"") {
		t.Error("the error shows the token")
	}
	if err := NewConfig().Validate(); err == nil || !strings.Contains(err.Error(), "token: is missing") {
		t.Errorf("without a token: %v", err)
	}
	over := NewConfig()
	over.Token, over.Limits.FileBytes = channels.NewSecret("4242:a-token-of-a-test"), 21<<20
	if over.Validate() == nil {
		t.Error("Telegram's own server hands out no more than 20 MB")
	}
}
