package submit

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/link"
	"casewire/channels/email/login"
	"casewire/channels/email/sandbox"
)

const (
	customer = "customer@mail.test"
	password = "support-secret"
	token    = "support-token"
)

func openSandbox(t testing.TB, o sandbox.Options) *sandbox.Server {
	t.Helper()
	o.Accounts = []sandbox.Account{
		{Address: shop, Password: password, Token: token}, {Address: customer, Password: "customer-secret"},
		{Address: "олена@mail.test", Password: "x"}, {Address: "olena@xn--80a1acny.test", Password: "x"},
	}
	s, err := sandbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// to returns a configuration for one of the sandbox's ports.
func to(t testing.TB, s *sandbox.Server, how string) Config {
	t.Helper()
	addr := s.Submission()
	if how == link.Implicit {
		addr = s.Submissions()
	}
	c := configAt(addr)
	c.NoLogin = false
	c.Server.TLS = how
	c.Server.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.Server.CAFile, s.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func loginOf(secret string) *login.Login {
	return login.New(login.Config{Password: channels.NewSecret(secret)}, shop, nil)
}

func senderWith(t testing.TB, c Config, l *login.Login) *Sender {
	t.Helper()
	s := New(c, l, Options{Address: shop})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if left := channeltest.Goroutines("casewire/channels/email/submit"); left != "" {
			t.Errorf("goroutines are left:\n%s", left)
		}
	})
	return s
}

func arrived(t *testing.T, s *sandbox.Server, user string, n int) []sandbox.Stored {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []sandbox.Stored
	if err := s.Wait(ctx, user, func(list []sandbox.Stored) bool { got = list; return len(list) >= n }); err != nil {
		t.Fatalf("%d of %d mails: %v", len(got), n, err)
	}
	return got
}

// Every way to encrypt, from our words to the customer's mailbox.
func TestArrives(t *testing.T) {
	s := openSandbox(t, sandbox.Options{})
	src := samples()["reply"]
	src.To.Addr, src.ReturnPath = customer, "support+b-1@shop.test"
	for n, how := range []string{link.StartTLS, link.Implicit, link.None} {
		sender := senderWith(t, to(t, s, how), loginOf(password))
		taken, err := sender.Send(t.Context(), src)
		if err != nil || taken.Text == "" {
			t.Fatalf("%s: %+v, %v", how, taken, err)
		}
		if h := sender.Health(); !h.OK {
			t.Errorf("%s: %+v", how, h)
		}
		got := arrived(t, s, customer, n+1)[n]
		if !bytes.HasSuffix(got.Raw, written(t, src)) || got.From != src.ReturnPath {
			t.Errorf("%s: from %s\n%s", how, got.From, got.Raw)
		}
		if got.Text() != src.Text {
			t.Errorf("%s: %q, want %q", how, got.Text(), src.Text)
		}
	}
}

// Letters of all the world: a domain has a spelling that every server takes, a local
// part needs one that says SMTPUTF8.
func TestInternationalAddresses(t *testing.T) {
	for _, c := range []struct {
		to, mailbox string
		noUTF8      bool
		reason      channels.Reason
	}{
		{"olena@почта.test", "olena@xn--80a1acny.test", false, ""},
		{"olena@ПОЧТА.test", "olena@xn--80a1acny.test", true, ""},
		{"олена@mail.test", "олена@mail.test", false, ""},
		{"олена@mail.test", "олена@mail.test", true, channels.BadAddress},
	} {
		s := openSandbox(t, sandbox.Options{NoUTF8: c.noUTF8})
		m := simple()
		m.To.Addr = c.to
		_, err := senderWith(t, to(t, s, link.StartTLS), loginOf(password)).Send(t.Context(), m)
		if c.reason != "" {
			if se := reasonOf(t, err); se.Reason != c.reason || se.Retry {
				t.Errorf("%s: %v", c.to, se)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.to, err)
			continue
		}
		arrived(t, s, c.mailbox, 1)
	}
}

// What only a change of configuration mends is an alarm, and is not charged to the
// mail (E18).
func TestMisset(t *testing.T) {
	good := openSandbox(t, sandbox.Options{})
	expired := openSandbox(t, sandbox.Options{Until: time.Now().Add(-time.Hour)})
	plain := newScript(t, nil)
	renamed := openSandbox(t, sandbox.Options{Listen: sandbox.Listen{Submission: "127.0.0.2:0"}})
	for name, c := range map[string]struct {
		config func() Config
		secret string
		from   string
		words  string
	}{
		"wrong password":    {func() Config { return to(t, good, link.StartTLS) }, "wrong", shop, "refuses the user name or the password"},
		"no password":       {func() Config { return to(t, good, link.StartTLS) }, "", shop, "no password is configured"},
		"foreign sender":    {func() Config { return to(t, good, link.StartTLS) }, password, "boss@mail.test", "may send from"},
		"own address wrong": {func() Config { return to(t, good, link.StartTLS) }, password, "no address", ""},
		"expired":           {func() Config { return to(t, expired, link.StartTLS) }, password, shop, "expired on"},
		"expired, implicit": {func() Config { return to(t, expired, link.Implicit) }, password, shop, "expired on"},
		"unknown authority": {func() Config { c := to(t, good, link.StartTLS); c.Server.CAFile = ""; return c }, password, shop, "ca_file"},
		"another name":      {func() Config { return to(t, renamed, link.StartTLS) }, password, shop, "another name"},
		"no STARTTLS":       {func() Config { c := configAt(plain.ln.Addr().String()); c.Server.TLS = link.StartTLS; return c }, password, shop, "no STARTTLS"},
		"no TLS there":      {func() Config { c := configAt(plain.ln.Addr().String()); c.Server.TLS = link.Implicit; return c }, password, shop, "does not speak TLS"},
		"no login there":    {func() Config { c := configAt(plain.ln.Addr().String()); c.NoLogin = false; return c }, password, shop, "offers no login"},
	} {
		sender := senderWith(t, c.config(), loginOf(c.secret))
		m := simple()
		m.From.Addr, m.To.Addr = c.from, customer
		_, err := sender.Send(t.Context(), m)
		se := reasonOf(t, err)
		if se.Reason != channels.Misset || !se.Retry {
			t.Errorf("%s: %v", name, se)
		}
		if h := sender.Health(); h.OK || !strings.Contains(h.Text, c.words) {
			t.Errorf("%s: health %+v, want %q", name, h, c.words)
		}
		if strings.Contains(se.Error(), password) || strings.Contains(se.Error(), "@") {
			t.Errorf("%s: %v tells too much", name, se)
		}
	}
	if n := len(plain.mails()); n != 0 {
		t.Errorf("%d mails went out in the clear", n)
	}
}

// Health goes bad and comes back, and does not mind what only one recipient minds.
func TestHealthComesBack(t *testing.T) {
	s := newScript(t, nil)
	sender := newSender(t, configAt(s.ln.Addr().String()))
	for _, c := range []struct {
		command, reply string
		ok             bool
	}{
		{"RCPT", "550 5.1.1 No such user", true},
		{"RCPT", "450 4.2.0 Greylisted", true},
		{"MAIL", "451 4.3.0 Broken", false},
		{"MAIL", "454 4.7.0 Sending rate exceeded", false},
		{"DOT", "554 5.6.0 Virus", false},
		{"DOT", "250 Ok", true},
	} {
		s.mu.Lock()
		s.replies = map[string]string{c.command: c.reply}
		s.mu.Unlock()
		_, _ = sender.Send(t.Context(), simple())
		if h := sender.Health(); h.OK != c.ok {
			t.Errorf("after %s %q: %+v", c.command, c.reply, h)
		}
	}
}

func TestTokenLogins(t *testing.T) {
	s := openSandbox(t, sandbox.Options{})
	for _, secret := range []string{token, "stale"} {
		l := login.New(login.Config{OAuth: login.OAuth{TokenCommand: []string{"echo", secret}}}, shop, nil)
		m := simple()
		m.To.Addr = customer
		_, err := senderWith(t, to(t, s, link.StartTLS), l).Send(t.Context(), m)
		if secret == token {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if se := reasonOf(t, err); se.Reason != channels.Misset {
			t.Errorf("stale token: %v", se)
		}
	}
}

// A server that greylists takes the mail the second time; a dropped answer leaves it
// unsure, with the same Message-ID on the repeat (O1, O3, F9).
func TestRepeats(t *testing.T) {
	s := openSandbox(t, sandbox.Options{Greylist: true})
	sender := senderWith(t, to(t, s, link.StartTLS), loginOf(password))
	m := simple()
	m.To.Addr = customer
	_, err := sender.Send(t.Context(), m)
	if se := reasonOf(t, err); se.Reason != channels.Unreachable || !se.Retry || se.Code != "451 4.7.1" {
		t.Errorf("greylisted: %v", se)
	}
	s.Fail(sandbox.Fault{Command: "DATA", Drop: true, Taken: true, Times: 1})
	_, err = sender.Send(t.Context(), m)
	if se := reasonOf(t, err); se.Reason != channels.Unsure {
		t.Errorf("dropped after the dot: %v", se)
	}
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := arrived(t, s, customer, 2)
	if a, b := got[0].Header("Message-ID"), got[1].Header("Message-ID"); a != b || a != "<"+m.ID+">" {
		t.Errorf("%s and %s", a, b)
	}
}

// examined runs an examination and returns its findings by step.
func examined(t *testing.T, s *Sender) map[string]channels.Finding {
	t.Helper()
	out := map[string]channels.Finding{}
	s.Examine(t.Context(), func(f channels.Finding) {
		if f.Step == "" || f.Text == "" || (!f.OK || f.Warn) && f.Mend == "" {
			t.Errorf("a finding must say what, where and what to do: %+v", f)
		}
		if old, ok := out[f.Step]; ok && !old.OK {
			return
		}
		out[f.Step] = f
	})
	return out
}

func TestExamine(t *testing.T) {
	s := openSandbox(t, sandbox.Options{Until: time.Now().Add(48 * time.Hour), MaxBytes: 1 << 20})
	expired := openSandbox(t, sandbox.Options{Until: time.Now().Add(-time.Hour)})
	txt := func(_ context.Context, name string) ([]string, error) {
		return map[string][]string{"shop.org": {"x", "v=spf1 include:_spf.shop.org ~all"}}[name], nil
	}
	full := to(t, s, link.StartTLS)
	full.PlusAddress, full.ReturnToken = true, true
	for name, c := range map[string]struct {
		config Config
		secret string
		o      Options
		bad    []string
		warn   []string
		steps  int
	}{
		"all well": {full, password, Options{Address: shop, Largest: 1 << 10, TXT: txt}, nil, []string{stepTLS}, 5},
		"limits":   {to(t, s, link.Implicit), password, Options{Address: shop, Largest: 30 << 20}, nil, []string{stepServer, stepTLS}, 5},
		"clear":    {to(t, s, link.None), password, Options{Address: shop}, nil, []string{stepTLS}, 5},
		"password": {full, "wrong", Options{Address: shop}, []string{stepLogin}, []string{stepTLS}, 4},
		"from":     {full, password, Options{Address: "boss@shop.org", TXT: txt}, []string{stepSender}, []string{stepTLS, "dmarc"}, 7},
		"expired":  {to(t, expired, link.StartTLS), password, Options{Address: shop}, []string{stepTLS}, nil, 1},
		"nobody":   {configAt("127.0.0.1:1"), password, Options{Address: shop}, []string{stepConnect}, nil, 1},
	} {
		got := examined(t, New(c.config, loginOf(c.secret), c.o))
		if len(got) != c.steps {
			t.Errorf("%s: %d steps, want %d: %+v", name, len(got), c.steps, got)
		}
		for step, f := range got {
			if f.OK == slices.Contains(c.bad, step) || f.Warn != slices.Contains(c.warn, step) {
				t.Errorf("%s: %+v", name, f)
			}
			if strings.Contains(f.Text+f.Mend, password) {
				t.Errorf("%s: a secret in %+v", name, f)
			}
		}
	}
	if n := len(s.Messages(shop)) + len(s.Messages(customer)); n != 0 {
		t.Errorf("the examination sent %d mails", n)
	}
}

// BenchmarkSend hands over mails of 20 KB on a kept, encrypted connection.
func BenchmarkSend(b *testing.B) {
	s := openSandbox(b, sandbox.Options{})
	sender := senderWith(b, to(b, s, link.StartTLS), loginOf(password))
	m := simple()
	m.To.Addr, m.Text = customer, strings.Repeat("A line of what operators write to their customers.\n", 130)
	b.SetBytes(int64(len(written(b, m))))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sender.Send(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
