package sms

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/sms/sandbox"
)

const (
	channelID = "sms:shop"
	ourNumber = "+15005550006"
	customer  = "+381601234567"
	shopPhone = "+381111111111"
	service   = "MG0000000000000000000000000000aaaa"
	nextToken = "ffffffffffffffffffffffffffffffff"
	patience  = 10 * time.Second
)

// rig is a door between a house and a stand-in for Twilio, on a server that finds
// doors as the application does: by their prefix without its last slash, too.
type rig struct {
	testing.TB
	house   *channeltest.House
	twilio  *sandbox.Server
	door    *Door
	url     string // of our webhook
	log     *transcript
	handler atomic.Pointer[http.Handler]
	check   func(point string)
	now     func() time.Time
	answer  func(context.Context, channels.Inbound) (*channels.Body, error)
	cancel  context.CancelFunc
	done    chan error
}

// start opens a rig; change may be nil.
func start(t testing.TB, o sandbox.Options, change func(*Config)) *rig {
	t.Helper()
	r := assemble(t, o)
	r.open(change)
	return r
}

// assemble makes a rig whose door is still closed.
func assemble(t testing.TB, o sandbox.Options) *rig {
	t.Helper()
	r := &rig{TB: t, house: channeltest.NewHouse(t), log: &transcript{}}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		path := req.URL.Path + "/"
		if h := r.handler.Load(); h != nil && (strings.HasPrefix(path, "/hooks/sms/shop/") || strings.HasPrefix(path, "/hooks/voice/shop/")) {
			(*h).ServeHTTP(w, req)
			return
		}
		http.Error(w, "closed", http.StatusServiceUnavailable)
	}))
	t.Cleanup(web.Close)
	r.house.URL, r.url = web.URL, web.URL+"/hooks/sms/shop"
	o.WebhookURL = r.url
	twilio, err := sandbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := twilio.Close(); err != nil {
			t.Errorf("sandbox: %v", err)
		}
	})
	r.twilio = twilio
	return r
}

func (r *rig) config(change func(*Config)) *Config {
	c := configFor(r.twilio)
	if change != nil {
		change(c)
	}
	return c
}

func configFor(s *sandbox.Server) *Config {
	c := NewConfig()
	c.AccountSID, c.AuthToken, c.From, c.Server = s.AccountSID(), channels.NewSecret(s.AuthToken()), ourNumber, s.URL()
	c.DefaultRegion = "RS"
	c.Limits.Call = 2 * time.Second
	return c
}

func (r *rig) open(change func(*Config)) {
	r.Helper()
	env := r.house.Env(channelID)
	env.Log = slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ready := make(chan struct{})
	env.Check = func(point string) {
		if point == "sms.running" {
			close(ready)
		}
		if r.check != nil {
			r.check(point)
		}
	}
	if r.now != nil {
		env.Now = r.now
	}
	env.Answer = r.answer
	ch, err := r.config(change).Open(env)
	if err != nil {
		r.Fatal(err)
	}
	r.door = ch.(*Door)
	h := r.door.Handler(r.house.Book)
	r.handler.Store(&h)
	ctx, cancel := context.WithCancel(r.Context())
	r.cancel, r.done = cancel, make(chan error, 1)
	door, done := r.door, r.done
	go func() { done <- door.Run(ctx, r.house.Book) }()
	<-ready
	r.Cleanup(r.close)
}

func (r *rig) close() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	if err := <-r.done; err != nil {
		r.Errorf("Run: %v", err)
	}
	r.handler.Store(nil)
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	r.Cleanup(cancel)
	return ctx
}

// text has the customer write and returns when the door has taken it.
func (r *rig) text(body string, media ...sandbox.Media) (sid string) {
	r.Helper()
	sid, err := r.twilio.Text(customer, ourNumber, body, media...)
	if err == nil {
		err = r.twilio.Await(r.ctx(), sid)
	}
	if err != nil {
		r.Fatalf("text: %v", err)
	}
	return sid
}

func (r *rig) wait(what string, ok func() bool) {
	r.Helper()
	if err := r.house.Book.Wait(r.ctx(), ok); err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

func (r *rig) outbound(id, to, text string) channels.Outbound {
	return channels.Outbound{ID: id, Channel: channelID, To: channels.Address{Kind: channels.SMS, Handle: to}, Body: channels.Body{Text: text}}
}

// doubted is a message that may have been sent before.
func (r *rig) doubted(id, to, text string) channels.Outbound {
	m := r.outbound(id, to, text)
	m.Doubt = time.Now()
	return m
}

// inbound is the form of a message as Twilio posts it.
func (r *rig) inbound(sid, body string) url.Values {
	f := sample()
	f.Set("MessageSid", sid)
	f.Set("SmsSid", sid)
	f.Set("SmsMessageSid", sid)
	f.Set("Body", body)
	return f
}

// post sends a signed form and returns the status of the answer.
func (r *rig) post(address string, form url.Values) int {
	r.Helper()
	return r.send(address, sandbox.Sign(r.twilio.AuthToken(), address, form), form.Encode())
}

func (r *rig) send(address, signature, body string) int {
	r.Helper()
	req, err := http.NewRequestWithContext(r.ctx(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if signature != "" {
		req.Header.Set("X-Twilio-Signature", signature)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// sid makes an id of a message from a number.
func sid(n int) string {
	const hex = "0123456789abcdef"
	b := []byte("SM00000000000000000000000000000000")
	for i := len(b) - 1; n > 0; i-- {
		b[i] = hex[n%16]
		n /= 16
	}
	return string(b)
}

type transcript struct {
	mu sync.Mutex
	b  strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
