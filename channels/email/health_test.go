package email

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/inbox"
	"casewire/channels/email/link"
	"casewire/channels/email/login"
	"casewire/channels/email/sandbox"
)

// Each thing that keeps mail from coming in is told in words, with what to do, on
// the health page and by the doctor, and without a secret.
func TestTroubleInWords(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := gone.Addr().String()
	gone.Close()
	for _, test := range []struct {
		name    string
		options sandbox.Options
		change  func(*Config)
		text    string
		mend    string
	}{
		{name: "wrong password", change: func(c *Config) { c.IMAP.Login.Password = channels.NewSecret("wrong-secret") },
			text: "refuses the user name or the password", mend: "check user and password"},
		{name: "no password", change: func(c *Config) { c.IMAP.Login = login.Config{} },
			text: "no password is configured", mend: "{env: NAME}"},
		{name: "expired certificate", options: sandbox.Options{Until: time.Now().Add(-24 * time.Hour)},
			text: "certificate expired on 20", mend: "renewed"},
		{name: "unknown authority", change: func(c *Config) { c.IMAP.Server.CAFile = "" },
			text: "nobody we trust", mend: "ca_file"},
		{name: "unknown folder", change: func(c *Config) { c.Folders = []string{"Repairs"} },
			text: `"Repairs" cannot be opened`, mend: "create it"},
		{name: "server away", change: func(c *Config) { c.IMAP.Server = serverAt(away, link.None, "") },
			text: "refuses connections", mend: "check host and port"},
		{name: "no TLS on this port", change: func(c *Config) { c.IMAP.Server.Port = c.SMTP.Server.Port },
			text: "does not speak TLS", mend: "starttls"},
		{name: "no such host", change: func(c *Config) { c.IMAP.Server.Host = "nowhere.invalid" },
			text: "name", mend: "check"},
		{name: "the token command fails", change: func(c *Config) {
			c.IMAP.Login = login.Config{OAuth: login.OAuth{TokenCommand: []string{"false"}}}
		}, text: "token command", mend: "by hand"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "no such host" {
				resolver := net.DefaultResolver
				net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, net.UnknownNetworkError("outside")
				}}
				t.Cleanup(func() { net.DefaultResolver = resolver })
			}
			h := channeltest.NewHouse(t)
			w := worldOf(t, h, test.options)
			c := w.config()
			if test.change != nil {
				test.change(c)
			}
			ch, err := c.Open(h.Env(channelID))
			if err != nil {
				t.Fatal(err)
			}
			d := ch.(*Door)
			stop := h.Start(t, d, h.Book)
			until(t, "bad health", func() bool { return !d.Health().OK })
			health := d.Health()
			if !strings.Contains(health.Text, test.text) || !strings.Contains(health.Text, test.mend) || health.Since.IsZero() {
				t.Errorf("health says %q since %s\nwant %q and %q", health.Text, health.Since, test.text, test.mend)
			}
			if _, err := stop(); err != nil {
				t.Error(err)
			}
			var all []channels.Finding
			d.inbox.Examine(t.Context(), func(f channels.Finding) { all = append(all, f) })
			bad := ""
			for _, f := range all {
				if !f.OK {
					bad += f.Text + "; " + f.Mend + "\n"
				}
			}
			if !strings.Contains(bad, test.text) || !strings.Contains(bad, test.mend) {
				t.Errorf("the doctor says %+v", all)
			}
			if said := health.Text + fmt.Sprint(all); strings.Contains(said, "secret") {
				t.Errorf("a secret is told: %s", said)
			}
		})
	}
}

// A healthy account is found healthy step by step, and what should be seen to is
// said.
func TestExamine(t *testing.T) {
	h := channeltest.NewHouse(t)
	w := worldOf(t, h, sandbox.Options{Until: time.Now().Add(5 * 24 * time.Hour)})
	if err := w.srv.Put(shop, "Archive", []byte("x")); err != nil {
		t.Fatal(err)
	}
	c := w.config()
	c.MoveTo = "Archive"
	ch, err := c.Open(h.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	warned := false
	steps := map[string]bool{}
	ch.(*Door).Examine(t.Context(), func(f channels.Finding) {
		steps[f.Step] = true
		if !f.OK {
			t.Errorf("%+v", f)
		}
		if f.Warn && strings.Contains(f.Text, "certificate ends on") {
			warned = true
		}
		if f.Step == "" || f.Text == "" || (f.Warn || !f.OK) && f.Mend == "" {
			t.Errorf("says too little: %+v", f)
		}
	})
	if !warned {
		t.Error("the certificate ends in five days, and nobody says so")
	}
	for _, step := range []string{"imap dns", "imap connection", "imap login", "imap folder INBOX", "imap idle", "imap move"} {
		if !steps[step] {
			t.Errorf("%s was not tried: %v", step, steps)
		}
	}
	if len(w.srv.Messages(shop)) != 1 || h.Memory.Dump() != "" {
		t.Error("the examination left something behind")
	}
}

// With round_trip the doctor sends a mail to our own address, sees it arrive and
// removes it, and a door that runs meanwhile makes no case of it.
func TestRoundTrip(t *testing.T) {
	s := opened(t, func(c *Config, _ *Door) { c.RoundTrip = true })
	var last channels.Finding
	s.door.Examine(t.Context(), func(f channels.Finding) {
		if f.Step == "round trip" {
			last = f
		}
	})
	if !last.OK || last.Warn {
		t.Fatalf("%+v", last)
	}
	if left := s.srv.Messages(shop); len(left) != 0 {
		t.Errorf("%d mails are left", len(left))
	}
	s.posts(t, shop, letter("a real one"))
	if list := s.messages(t, 1); len(list) != 1 || !strings.Contains(list[0].Body.Text, "a real one") {
		t.Errorf("%+v", list)
	}
}

// A mailbox that nobody has looked into for long is ill, whatever the reason.
func TestLateIsIll(t *testing.T) {
	h := channeltest.NewHouse(t)
	env := h.Env(channelID)
	now := time.Now()
	env.Now = func() time.Time { return now }
	c := NewConfig()
	ch, err := c.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	d := ch.(*Door)
	if !d.Health().OK {
		t.Errorf("ill before its time: %s", d.Health().Text)
	}
	now = now.Add(10 * time.Minute)
	if got := d.Health(); got.OK || !strings.Contains(got.Text, "last looked into") {
		t.Errorf("%+v", got)
	}
}

func worldOf(t testing.TB, h *channeltest.House, o sandbox.Options) *world {
	t.Helper()
	o.Accounts = []sandbox.Account{{Address: shop, Password: shopSecret, Token: "shop-token"}, {Address: customer, Password: customerSecret}}
	srv, err := sandbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, srv.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, srv: srv, house: h, ca: ca, uid: map[string]uint32{}, raw: map[string][]byte{}}
}

// until asks again and again, for what has no event to wait for.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s never came", what)
		}
	}
}

// An account that logs in by token is served like any other, a token that the
// server no longer takes is asked for anew, and neither is told to anybody (E18).
func TestTokenLogin(t *testing.T) {
	h := channeltest.NewHouse(t)
	w := newWorld(t, h)
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("an-old-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := w.config()
	c.IMAP.Login = login.Config{User: shop, OAuth: login.OAuth{TokenCommand: []string{"cat", token}}}
	ch, err := c.Open(h.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	d := ch.(*Door)
	d.inbox = quickInbox(d, c)
	h.Start(t, d, h.Book)
	until(t, "bad health", func() bool { return !d.Health().OK })
	if text := d.Health().Text; !strings.Contains(text, "refuses the token") || strings.Contains(text, "an-old-token") {
		t.Errorf("health says %q", text)
	}
	if err := os.WriteFile(token, []byte("shop-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Say("by token")
	if err := h.Book.Wait(t.Context(), func() bool { return len(h.Book.Messages()) == 1 }); err != nil {
		t.Fatal(err)
	}
	until(t, "good health", func() bool { return d.Health().OK })
}

// quickInbox is a door's inbox that tries again soon.
func quickInbox(d *Door, c *Config) *inbox.Inbox {
	return inbox.New(inbox.Settings{
		Server: c.IMAP.Server, Folders: c.Folders, Start: inbox.Start{All: true}, Poll: c.Poll, Retry: time.Millisecond,
	}, inbox.Options{Login: login.New(c.IMAP.Login, c.Address, nil), State: d.env.State})
}
