package webchat

import (
	"bytes"
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
)

// behindProxy opens a door that believes what requests say of their addresses.
func behindProxy(t *testing.T, change func(*Config)) *site {
	t.Helper()
	c := NewConfig()
	c.Limits.Messages, c.Limits.Hellos, c.Limits.Uploads = 6000, 60000, 6000
	change(c)
	s := &site{t: t, house: channeltest.NewHouse(t), cfg: c, env: func(e *channels.Env) {
		e.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}}
	s.start()
	return s
}

// visitorAt connects somebody new from an address.
func (s *site) visitorAt(address string) *client {
	s.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{Subprotocol}}
	ws, _, err := d.DialContext(s.t.Context(), s.address(), http.Header{"Origin": {s.house.URL}, "X-Forwarded-For": {address}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ws.Close() })
	c := &client{t: s.t, ws: ws}
	c.send(map[string]any{"t": "hello"})
	c.token = c.of("welcome").Token
	return c
}

// W6: whoever comes as ever new visitors writes no more than an address may, and
// nobody else is held up.
func TestMessagesAreLimitedPerAddress(t *testing.T) {
	s := behindProxy(t, func(c *Config) { c.Limits.Messages = 3 })
	for range addressShare {
		s.visitorAt("192.0.2.1").say("x")
	}
	c, id := s.visitorAt("192.0.2.1"), uuid.NewString()
	c.send(map[string]any{"t": "send", "id": id, "text": "one too many"})
	f := c.of("error")
	if f.Code != codeRateLimited || f.ID != id || f.After <= 0 || f.After > 4 {
		t.Errorf("got %+v", f)
	}
	if want := "messages of this address: at most 15 a minute; again in 4 s"; f.Detail != want {
		t.Errorf("detail %q, want %q", f.Detail, want)
	}
	s.visitorAt("192.0.2.2").say("from elsewhere")
	if n := len(s.house.Book.Messages()); n != addressShare+1 {
		t.Errorf("%d messages were stored", n)
	}
}

// What one visitor has too much takes nothing from the others at its address.
func TestEagerVisitorLeavesRoom(t *testing.T) {
	s := behindProxy(t, func(c *Config) { c.Limits.Messages = 3 })
	eager := s.visitorAt("192.0.2.1")
	eager.say("x")
	for range 2 * addressShare {
		eager.send(map[string]any{"t": "send", "id": uuid.NewString(), "text": "x"})
		if f := eager.of("error"); f.Code != codeRateLimited || !strings.HasPrefix(f.Detail, "messages of this visitor: at most 3 a minute; ") {
			t.Fatalf("got %+v", f)
		}
	}
	s.visitorAt("192.0.2.1").say("a neighbour")
}

func (s *site) uploadFrom(address, token string, n int) *http.Response {
	s.t.Helper()
	return s.do("POST", "files", token, bytes.Repeat([]byte("a"), n), "X-Forwarded-For", address)
}

func TestUploadsAreLimitedPerAddress(t *testing.T) {
	s := behindProxy(t, func(c *Config) { c.Limits.Uploads, c.Limits.Files = 2, 1 })
	for range addressShare {
		if r := s.uploadFrom("192.0.2.1", s.visitorAt("192.0.2.1").token, 1); r.StatusCode != http.StatusCreated {
			t.Fatalf("status %d", r.StatusCode)
		}
	}
	r := s.uploadFrom("192.0.2.1", s.visitorAt("192.0.2.1").token, 1)
	wantLimited(t, r, "files of this address: at most 10 a minute; again in ")
	if r := s.uploadFrom("192.0.2.2", s.visitorAt("192.0.2.2").token, 1); r.StatusCode != http.StatusCreated {
		t.Errorf("from elsewhere: %d", r.StatusCode)
	}
}

// The disk is nobody's to fill: an address has a budget of bytes.
func TestUploadBytesAreLimitedPerAddress(t *testing.T) {
	s := behindProxy(t, func(c *Config) { c.Limits.FileBytes, c.Limits.UploadBytes = 1000, 2000 })
	for range 2 {
		if r := s.uploadFrom("192.0.2.1", s.visitorAt("192.0.2.1").token, 900); r.StatusCode != http.StatusCreated {
			t.Fatalf("status %d", r.StatusCode)
		}
	}
	token := s.visitorAt("192.0.2.1").token
	r := s.uploadFrom("192.0.2.1", token, 900)
	if wait := wantLimited(t, r, "bytes of this address: at most 2000 an hour; again in "); wait < 1200 || wait > 1260 {
		t.Errorf("again in %d s, want about 21 min", wait)
	}
	if r := s.uploadFrom("192.0.2.1", token, 100); r.StatusCode != http.StatusCreated {
		t.Errorf("what is left of the budget: %d", r.StatusCode)
	}
	// A body of unknown length counts as the largest file there may be.
	for _, want := range []int{http.StatusCreated, http.StatusCreated, http.StatusTooManyRequests} {
		body := struct{ *strings.Reader }{strings.NewReader("x")}
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.house.URL+"/chat/files", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("X-Forwarded-For", "192.0.2.3")
		got, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("of unknown length: %d, want %d", got.StatusCode, want)
		}
	}
}

// wantLimited checks a refusal and returns after how many seconds to come again.
func wantLimited(t *testing.T, r *http.Response, detail string) int {
	t.Helper()
	wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
	p := problemIn(t, r)
	if r.StatusCode != http.StatusTooManyRequests || p.Code != codeRateLimited || err != nil || wait < 1 {
		t.Fatalf("status %d, %+v, retry after %q", r.StatusCode, p, r.Header.Get("Retry-After"))
	}
	if want := detail + strconv.Itoa(wait) + " s"; p.Detail != want {
		t.Errorf("detail %q, want %q", p.Detail, want)
	}
	return wait
}

// Bytes are pending for as long as an upload of them can still become a message.
func TestUploadsArePending(t *testing.T) {
	s := open(t)
	c := s.visitor()
	up := s.upload(c.token, "a.txt", []byte("x"))
	const blob = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // SHA-256 of "x"
	pending := func(want bool, when string) {
		t.Helper()
		got, err := s.door.Pending(t.Context(), blob)
		if err != nil || got != want {
			t.Errorf("%s: %t, %v", when, got, err)
		}
	}
	pending(true, "after the upload")
	who, err := s.door.gate.know(t.Context(), c.token)
	if err != nil {
		t.Fatal(err)
	}
	key := uploadKey(who.Visitor, up)
	if _, err := s.house.Memory.Load(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if got, err := s.door.Pending(t.Context(), strings.Repeat("0", 64)); got || err != nil {
		t.Errorf("what nobody sent: %t, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.door.Pending(ctx, blob); err == nil {
		t.Error("a store that does not answer must not look like nothing pending")
	}

	s.close()
	at := time.Now().Add(uploadKeep)
	s.house.Memory.Now = func() time.Time { return at }
	pending(true, "as the upload ends")
	if _, err := s.house.Memory.Load(t.Context(), key); err == nil {
		t.Error("the upload is there still")
	}
	at = at.Add(2 * time.Hour)
	pending(false, "after that")
}
