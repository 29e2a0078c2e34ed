package webchat

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
)

// clocked starts a door whose time the test sets.
func clocked(t *testing.T, change ...func(*Config)) (*site, *atomic.Int64) {
	t.Helper()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c := NewConfig()
	c.Limits.Messages, c.Limits.Hellos = 6000, 60000
	for _, f := range change {
		f(c)
	}
	h := channeltest.NewHouse(t)
	h.Memory.Now = now
	env := h.Env(channelID)
	env.Now = now
	ch, err := c.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, house: h, cfg: c, door: ch.(*Door)}
	s.stop = h.Start(t, ch, h.Book)
	return s, &ahead
}

// W1: the token has 256 bits, is nowhere at rest, and says nothing of the visitor.
func TestTokensAreNotAtRest(t *testing.T) {
	s := open(t)
	seen := map[string]bool{}
	for range 20 {
		c := s.visitor()
		c.say("from " + c.token)
		if raw, err := base64.RawURLEncoding.DecodeString(c.token); err != nil || len(raw) != 32 || seen[c.token] {
			t.Fatalf("token of %d bytes: %v", len(raw), err)
		}
		seen[c.token] = true
		if strings.Contains(s.house.Memory.Dump(), c.token) {
			t.Fatal("a token is stored")
		}
	}
	for _, m := range s.house.Book.Messages() {
		if !handleShape.MatchString(m.From.Handle) || m.From.Kind != channels.WebChat || seen[m.From.Handle] {
			t.Errorf("visitor %q", m.From.Handle)
		}
		seen[m.From.Handle] = true
	}
}

// W1: whatever is no valid token makes a new visitor, who sees nothing, and the
// error comes before the welcome.
func TestForeignTokensOpenNothing(t *testing.T) {
	s, ahead := clocked(t)
	a := s.visitor()
	a.say("private")
	flipped := []byte(a.token)
	flipped[10] ^= 1
	for _, token := range []string{
		"x", strings.Repeat("A", 43), a.token[:42], a.token + "A", string(flipped), strings.ToLower(a.token),
		"../" + a.token, tokenKey(a.token), strings.Repeat("a", 60000),
	} {
		if token == a.token {
			continue
		}
		_, w, before := s.hello(token, 0)
		if len(before) != 1 || before[0].Code != codeExpired {
			t.Errorf("token %.60q: %+v before the welcome", token, before)
		}
		if w.Token == "" || w.Token == token || w.Token == a.token || len(w.Messages) != 0 || w.Case != "" || w.Seq != 0 {
			t.Errorf("token %.60q opened %+v", token, w)
		}
	}
	ahead.Store(int64(181 * 24 * time.Hour))
	if _, w, before := s.hello(a.token, 0); len(before) != 1 || before[0].Code != codeExpired || len(w.Messages) != 0 {
		t.Errorf("an expired token: %+v, %+v", before, w)
	}
}

// Who never wrote is remembered for two days, who wrote for the token's lifetime,
// and each half of it brings a new token.
func TestLifetimeAndRenewal(t *testing.T) {
	s, ahead := clocked(t)
	silent, writer := s.visitor(), s.visitor()
	writer.say("hello")
	days := func(n int) { ahead.Store(int64(time.Duration(n) * 24 * time.Hour)) }

	days(1)
	if _, w, before := s.hello(silent.token, 0); len(before) != 0 || w.Token != silent.token {
		t.Errorf("after a day: %+v", before)
	}
	days(3)
	if _, _, before := s.hello(silent.token, 0); len(before) != 1 {
		t.Error("a visitor who never wrote is remembered after three days")
	}
	days(80)
	if _, w, _ := s.hello(writer.token, 0); w.Token != writer.token || len(w.Messages) != 1 {
		t.Errorf("after 80 days: %+v", w)
	}
	days(100)
	_, w, _ := s.hello(writer.token, 0)
	if w.Token == writer.token || len(w.Messages) != 1 {
		t.Errorf("after 100 days: the same token, or no thread: %+v", w)
	}
	// Another tab still has the old one, for a while.
	if _, w, before := s.hello(writer.token, 0); len(before) != 0 || len(w.Messages) != 1 {
		t.Errorf("the old token at once: %+v", before)
	}
	ahead.Add(int64(grace + time.Second))
	if _, w, before := s.hello(writer.token, 0); len(before) != 1 || len(w.Messages) != 0 {
		t.Errorf("the old token later: %+v", before)
	}
	days(250)
	if _, w, before := s.hello(w.Token, 0); len(before) != 0 || len(w.Messages) != 1 {
		t.Errorf("the new token after 150 days: %+v", before)
	}
}

func TestRevoke(t *testing.T) {
	s := open(t)
	a, b := s.visitor(), s.visitor()
	a.say("a")
	b.say("b")
	if err := s.door.Revoke(t.Context(), s.visitorOf("a").Handle); err != nil {
		t.Fatal(err)
	}
	if code := a.closing(); code != closeRevoked {
		t.Errorf("closed with %d, want %d", code, closeRevoked)
	}
	if _, w, before := s.hello(a.token, 0); len(before) != 1 || len(w.Messages) != 0 {
		t.Errorf("a revoked token: %+v, %+v", before, w)
	}
	b.say("b is not touched")
	if r := s.get("files/1/0", a.token); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a revoked token at the files: %d", r.StatusCode)
	}
}

// A token revoked on another node is noticed at the next ping.
func TestRevokedElsewhere(t *testing.T) {
	s := open(t, func(c *Config) { c.Times.Ping = 20 * time.Millisecond })
	c := s.visitor()
	c.say("x")
	other, err := s.cfg.Open(s.house.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.(*Door).Revoke(t.Context(), s.visitorOf("x").Handle); err != nil {
		t.Fatal(err)
	}
	if code := c.closing(); code != closeRevoked {
		t.Errorf("closed with %d, want %d", code, closeRevoked)
	}
}

func TestRotate(t *testing.T) {
	s, ahead := clocked(t)
	c := s.visitor()
	c.say("x")
	if err := s.door.Rotate(t.Context(), s.visitorOf("x").Handle); err != nil {
		t.Fatal(err)
	}
	if code := c.closing(); code != closeRestart {
		t.Errorf("closed with %d, want %d", code, closeRestart)
	}
	_, w, before := s.hello(c.token, 0)
	if len(before) != 0 || w.Token == c.token || len(w.Messages) != 1 {
		t.Errorf("%+v, %+v", before, w)
	}
	if _, again, _ := s.hello(w.Token, 0); again.Token != w.Token {
		t.Error("the new token was replaced again")
	}
	ahead.Store(int64(grace + time.Second))
	if _, _, before := s.hello(c.token, 0); len(before) != 1 {
		t.Error("the old token is still good")
	}
}

// W1: a signed identity is the same visitor on every device, a forged one is
// nobody, and its token opens nothing without the signature.
func TestSignedIdentity(t *testing.T) {
	const secret = "0123456789abcdef"
	s, ahead := clocked(t, func(c *Config) { c.IdentitySecret = channels.NewSecret(secret) })
	sign := func(secret, sub string, in time.Duration) string {
		id, err := SignIdentity(secret, sub, "Ann <b>", time.Now().Add(in))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	hello := func(token, identity string) (*client, frame, []frame) {
		c := s.dial()
		c.send(map[string]any{"t": "hello", "token": token, "identity": identity})
		var before []frame
		for {
			f := c.next()
			if f.T == "welcome" {
				c.token = f.Token
				return c, f, before
			}
			before = append(before, f)
		}
	}
	phone, _, _ := hello("", sign(secret, "user-1", time.Hour))
	phone.say("from the phone")
	if m := s.house.Book.Messages()[0]; m.From.Name != "Ann <b>" || strings.Contains(m.From.Handle, "user") {
		t.Errorf("from %+v", m.From)
	}
	laptop, w, _ := hello("", sign(secret, "user-1", time.Hour))
	if len(w.Messages) != 1 {
		t.Errorf("on another device: %+v", w.Messages)
	}
	if _, w, _ := hello(laptop.token, sign(secret, "user-1", time.Hour)); w.Token != laptop.token {
		t.Error("a good token was replaced")
	}
	if _, w, before := hello(laptop.token, ""); len(w.Messages) != 0 || len(before) != 1 || before[0].Code != codeExpired {
		t.Errorf("without the signature: %+v, %+v", before, w)
	}
	if _, w, _ := hello(laptop.token, sign(secret, "user-2", time.Hour)); len(w.Messages) != 0 {
		t.Error("another user sees the thread")
	}
	good := sign(secret, "user-1", time.Hour)
	for name, identity := range map[string]string{
		"another secret": sign("another secret!!", "user-1", time.Hour), "expired": sign(secret, "user-1", -time.Hour),
		"no signature": strings.Split(good, ".")[0], "changed": "x" + good, "empty parts": ".", "long": strings.Repeat("a", 5000) + ".b",
	} {
		if _, w, before := hello("", identity); len(w.Messages) != 0 || len(before) != 1 || before[0].Code != codeBadIdentity {
			t.Errorf("%s: %+v, %+v", name, before, w)
		}
	}
	ahead.Store(int64(2 * time.Hour))
	if _, w, before := hello("", good); len(w.Messages) != 0 || len(before) != 1 {
		t.Errorf("later: %+v, %+v", before, w)
	}
	off := open(t)
	c := off.dial()
	c.send(map[string]any{"t": "hello", "identity": good})
	if f := c.next(); f.Code != codeBadIdentity {
		t.Errorf("without a secret: %+v", f)
	}
}

func TestClientAddress(t *testing.T) {
	var p proxies
	for _, n := range []string{"10.0.0.0/8", "192.0.2.1/32"} {
		p = append(p, netip.MustParsePrefix(n))
	}
	for _, test := range []struct{ remote, forwarded, want string }{
		{"203.0.113.5:1", "", "203.0.113.5"},
		{"203.0.113.5:1", "198.51.100.1", "203.0.113.5"},
		{"10.1.2.3:1", "198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:1", "1.1.1.1, 198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:1", "1.1.1.1, 198.51.100.1, 192.0.2.1", "198.51.100.1"},
		{"10.1.2.3:1", "spoof", "10.1.2.3"},
		{"10.1.2.3:1", "", "10.1.2.3"},
		{"[2001:db8:1:2:3:4:5:6]:1", "", "2001:db8:1:2::/64"},
		{"[::ffff:203.0.113.5]:1", "", "203.0.113.5"},
		{"nonsense", "", "unknown"},
	} {
		r := &http.Request{RemoteAddr: test.remote, Header: http.Header{}}
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if got := p.client(r); got != test.want {
			t.Errorf("%s for %q counted as %q, want %q", test.remote, test.forwarded, got, test.want)
		}
	}
}

func TestLimiterForgetsTheLongestUnused(t *testing.T) {
	l, now := newLimiter(60, 1, 2), time.Now()
	for _, key := range []string{"a", "b"} {
		if _, ok := l.take(key, now); !ok {
			t.Errorf("%s was refused at first", key)
		}
	}
	if wait, ok := l.take("a", now); ok || wait != time.Second {
		t.Errorf("a second time at once: %t, wait %s", ok, wait)
	}
	l.take("c", now) // pushes b out
	if _, ok := l.take("a", now); ok {
		t.Error("the newest was forgotten")
	}
	if len(l.keys) != 2 || l.used.Len() != 2 {
		t.Errorf("%d keys remembered, want 2", len(l.keys))
	}
	if _, ok := l.take("a", now.Add(time.Second)); !ok {
		t.Error("refused after the wait")
	}
}
