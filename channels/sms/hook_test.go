package sms

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/sms/sandbox"
)

func TestAMessageIsHandedOverAsItCame(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	id := r.text("Экран разбит 👍")
	got := r.house.Book.Messages()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	m := got[0]
	switch {
	case m.ExternalID != id, m.Channel != channelID:
		t.Errorf("%q on %q", m.ExternalID, m.Channel)
	case m.From != channels.Address{Kind: channels.SMS, Handle: customer}:
		t.Errorf("from %+v", m.From)
	case m.Body.Text != "Экран разбит 👍" || m.Broken != "":
		t.Errorf("%+v, broken %q", m.Body, m.Broken)
	case m.Facts["number"] != ourNumber || m.Facts["country"] != "RS":
		t.Errorf("facts %v", m.Facts)
	case len(m.Refs) != 0:
		t.Errorf("nothing will refer to it, and yet it has the names %q", m.Refs)
	}
}

// Whatever is wrong with a webhook, it is refused without effect, with a line and
// a count, and neither repeats what was sent.
func TestBadWebhooks(t *testing.T) {
	r := start(t, sandbox.Options{}, func(c *Config) { c.AuthTokenNext = channels.NewSecret(nextToken) })
	good := r.inbound(sid(1), "canary-text")
	body, sign := good.Encode(), sandbox.Sign(r.twilio.AuthToken(), r.url, good)
	with := func(change func(url.Values)) url.Values {
		f := r.inbound(sid(1), "canary-text")
		change(f)
		return f
	}
	signed := func(f url.Values) (string, string) {
		return sandbox.Sign(r.twilio.AuthToken(), r.url, f), f.Encode()
	}
	otherAccount, otherAccountBody := signed(with(func(f url.Values) { f.Set("AccountSid", "AC"+strings.Repeat("1", 32)) }))
	otherNumber, otherNumberBody := signed(with(func(f url.Values) { f.Set("To", "+15005559999") }))
	noSID, noSIDBody := signed(with(func(f url.Values) { f.Set("MessageSid", "SM1"); f.Set("SmsMessageSid", "SM1") }))
	noFrom, noFromBody := signed(with(func(f url.Values) { f.Set("From", "") }))
	twice := url.Values{"Body": {"a", "b"}, "MessageSid": {sid(1)}}
	for _, v := range []struct {
		name, address, signature, body, count string
		status                                int
	}{
		{"no signature", r.url, "", body, "unsigned", 403},
		{"signature of nothing", r.url, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", body, "forged", 403},
		{"another token", r.url, sandbox.Sign("00000000000000000000000000000000", r.url, good), body, "forged", 403},
		{"an empty token", r.url, sandbox.Sign("", r.url, good), body, "forged", 403},
		{"another URL", r.url, sandbox.Sign(r.twilio.AuthToken(), r.url+"/status", good), body, "forged", 403},
		{"another host", r.url, sandbox.Sign(r.twilio.AuthToken(), "https://evil.example/hooks/sms/shop", good), body, "forged", 403},
		{"a query that was not signed", r.url + "?x=1", sign, body, "forged", 403},
		{"replayed to the other path", r.url + "/status", sign, body, "forged", 403},
		{"a changed body", r.url, sign, strings.Replace(body, "canary", "Canary", 1), "forged", 403},
		{"a parameter twice", r.url, sandbox.Sign(r.twilio.AuthToken(), r.url, twice), twice.Encode(), "mangled", 400},
		{"an appended twin", r.url, sign, body + "&Body=other", "mangled", 400},
		{"mangled escapes", r.url, sign, body + "&x=%zz", "mangled", 400},
		{"too large", r.url, sign, body + "&x=" + strings.Repeat("a", 300<<10), "oversized", 413},
		{"another account", r.url, otherAccount, otherAccountBody, "foreign_account", 403},
		{"a number that is not ours", r.url, otherNumber, otherNumberBody, "unknown_number", 404},
		{"no message id", r.url, noSID, noSIDBody, "mangled", 400},
		{"no sender", r.url, noFrom, noFromBody, "mangled", 400},
	} {
		before := r.door.Counts()[v.count]
		if got := r.send(v.address, v.signature, v.body); got != v.status {
			t.Errorf("%s: %d, want %d", v.name, got, v.status)
		}
		if after := r.door.Counts()[v.count]; after != before+1 {
			t.Errorf("%s: %s counted %d times", v.name, v.count, after-before)
		}
	}
	if got := r.house.Book.Messages(); len(got) != 0 {
		t.Errorf("%d messages came of it", len(got))
	}
	for _, secret := range []string{"canary", customer, r.twilio.AuthToken(), nextToken} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	for _, why := range []reason{unsigned, forged, mangled, oversize, foreign, unknown} {
		if n := strings.Count(r.log.String(), `"reason":"`+string(why)+`"`); n != 1 {
			t.Errorf("%d lines of %s, want one in a while", n, why)
		}
	}
}

// Nothing of the body is read before there is a signature.
func TestUnsignedBodiesAreNotRead(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	for name, change := range map[string]func(*http.Request){
		"unsigned":      func(q *http.Request) { q.Header.Del("X-Twilio-Signature") },
		"signed twice":  func(q *http.Request) { q.Header.Add("X-Twilio-Signature", "b") },
		"not a form":    func(q *http.Request) { q.Header.Set("Content-Type", "application/json") },
		"said too long": func(q *http.Request) { q.ContentLength = 1 << 30 },
	} {
		body := &untouched{}
		q := httptest.NewRequest(http.MethodPost, "/hooks/sms/shop", body)
		q.Header.Set("X-Twilio-Signature", "a")
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		change(q)
		w := httptest.NewRecorder()
		(*r.handler.Load()).ServeHTTP(w, q)
		if w.Code/100 != 4 || body.read {
			t.Errorf("%s: status %d, read %t", name, w.Code, body.read)
		}
	}
}

type untouched struct{ read bool }

func (u *untouched) Read([]byte) (int, error) { u.read = true; return 0, io.EOF }

func TestOtherMethodsAndPaths(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	for _, v := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/hooks/sms/shop", 405},
		{http.MethodPut, "/hooks/sms/shop/status", 405},
		{http.MethodPost, "/hooks/sms/shop/other", 404},
		{http.MethodPost, "/hooks/sms/shop/status/more", 404},
	} {
		w := httptest.NewRecorder()
		(*r.handler.Load()).ServeHTTP(w, httptest.NewRequest(v.method, v.path, nil))
		if w.Code != v.want {
			t.Errorf("%s %s: %d, want %d", v.method, v.path, w.Code, v.want)
		}
	}
}

// Both tokens sign while they are exchanged (S1).
func TestBothTokensHoldDuringRotation(t *testing.T) {
	r := start(t, sandbox.Options{}, func(c *Config) { c.AuthTokenNext = channels.NewSecret(nextToken) })
	for i, token := range []string{r.twilio.AuthToken(), nextToken} {
		f := r.inbound(sid(i+1), "hello")
		if got := r.send(r.url, sandbox.Sign(token, r.url, f), f.Encode()); got != 200 {
			t.Errorf("token %d: %d", i, got)
		}
	}
	// The first is void now: the second is the password, too.
	r.close()
	r.open(func(c *Config) {
		c.AuthToken, c.AuthTokenNext = channels.NewSecret(nextToken), channels.NewSecret(r.twilio.AuthToken())
	})
	if _, err := r.door.Send(t.Context(), r.outbound("o1", customer, "hi")); err != nil {
		t.Errorf("send with the second token: %v", err)
	}
}

// F11: sixteen copies of one message at once are one event.
func TestSixteenCopiesAtOnce(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	f := r.inbound(sid(7), "once")
	var wg sync.WaitGroup
	var ok atomic.Int64
	for range 16 {
		wg.Go(func() {
			if r.post(r.url, f) == 200 {
				ok.Add(1)
			}
		})
	}
	wg.Wait()
	if n := len(r.house.Book.Messages()); n != 1 || ok.Load() != 16 {
		t.Errorf("%d messages, %d of 16 acknowledged", n, ok.Load())
	}
}

// A store that is away is answered with 503; as Twilio may not come again, the
// list is going to be searched.
func TestStoreAway(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	r.house.Book.Before = func(context.Context, channels.Inbound) error { return channeltest.ErrStore }
	if got := r.post(r.url, r.inbound(sid(3), "x")); got != 503 {
		t.Errorf("status %d, want 503", got)
	}
	if r.door.Counts()["store_errors"] != 1 {
		t.Error("not counted")
	}
	r.close()
	for len(r.door.nudge) > 0 {
		<-r.door.nudge
	}
	w := httptest.NewRecorder()
	r.door.failed(t.Context(), w, channeltest.ErrStore)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || len(r.door.nudge) != 1 {
		t.Errorf("status %d, %d hints", w.Code, len(r.door.nudge))
	}
}

func TestClosedDoorAnswers503(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	h := *r.handler.Load()
	r.close()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/hooks/sms/shop", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", w.Code)
	}
}

// S4, F11: in whatever order and however often Twilio tells of a message, every
// word is passed on, and by the house's lattice the state ends where it should.
func TestCallbacksInAnyOrder(t *testing.T) {
	r := start(t, sandbox.Options{Manual: true}, nil)
	words := []string{"queued", "sent", "delivered"}
	n := 0
	for _, order := range sequences(words, 4) {
		n++
		id := "o" + sid(n)
		if _, err := r.door.Send(t.Context(), r.outbound(id, customer, id)); err != nil {
			t.Fatal(err)
		}
		sent := r.twilio.Sent()
		state := channels.Sent
		for _, word := range order {
			if status, err := r.twilio.Callback(t.Context(), sent[len(sent)-1].SID, word, 0); err != nil || status != 204 {
				t.Fatalf("%v: %d, %v", order, status, err)
			}
		}
		for _, got := range r.house.Book.Receipts() {
			if got.OutboundID == id && channels.Later(state, got.State) {
				state = got.State
			}
		}
		want := channels.Sent
		if slices.Contains(order, "delivered") {
			want = channels.Delivered
		}
		if state != want {
			t.Errorf("%v ends as %s", order, state)
		}
	}
	if n != 3+9+27+81 {
		t.Errorf("%d orders tried", n)
	}
}

// sequences returns all sequences of words up to a length.
func sequences(words []string, length int) (out [][]string) {
	last := [][]string{nil}
	for range length {
		var next [][]string
		for _, s := range last {
			for _, w := range words {
				next = append(next, append(slices.Clone(s), w))
			}
		}
		out, last = append(out, next...), next
	}
	return out
}

func TestCallbacksThatSayMore(t *testing.T) {
	r := start(t, sandbox.Options{Manual: true}, nil)
	if _, err := r.door.Send(t.Context(), r.outbound("o1", customer, "x")); err != nil {
		t.Fatal(err)
	}
	at := r.twilio.Sent()[0].SID
	for _, v := range []struct {
		word   string
		code   int
		state  channels.State
		reason channels.Reason
	}{
		{"accepted", 0, channels.Sent, ""},
		{"sending", 0, channels.Sent, ""},
		{"undelivered", 30003, channels.Undelivered, channels.Unreachable},
		{"undelivered", 30005, channels.Undelivered, channels.BadAddress},
		{"failed", 30034, channels.Failed, channels.Misset},
		{"failed", 12345, channels.Failed, ""},
		{"failed", 0, channels.Failed, ""},
		{"canceled", 0, channels.Failed, ""},
		{"read", 0, channels.Read, ""},
	} {
		if status, err := r.twilio.Callback(t.Context(), at, v.word, v.code); err != nil || status != 204 {
			t.Fatalf("%s: %d, %v", v.word, status, err)
		}
		all := r.house.Book.Receipts()
		got := all[len(all)-1]
		if got.State != v.state || got.Reason != v.reason || got.OutboundID != "o1" || got.ProviderID != at {
			t.Errorf("%s %d: %+v", v.word, v.code, got)
		}
	}
	before := len(r.house.Book.Receipts())
	if status, err := r.twilio.Callback(t.Context(), at, "teleported", 0); err != nil || status != 204 {
		t.Errorf("a new word: %d, %v", status, err)
	}
	if len(r.house.Book.Receipts()) != before {
		t.Error("a word that nobody knows became a receipt")
	}
	r.house.Book.Fail = func(string) error { return errors.New("away") }
	if status, err := r.twilio.Callback(t.Context(), at, "delivered", 0); err != nil || status != 503 {
		t.Errorf("with the store away: %d, %v", status, err)
	}
}

// The id of the message that a callback tells of is under the signature.
func TestCallbackForAnotherMessageIsRefused(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	f := url.Values{"MessageSid": {sid(1)}, "MessageStatus": {"delivered"}, "AccountSid": {r.twilio.AccountSID()}}
	mine, other := r.url+"/status?id=o1", r.url+"/status?id=o2"
	if got := r.send(other, sandbox.Sign(r.twilio.AuthToken(), mine, f), f.Encode()); got != 403 {
		t.Errorf("status %d, want 403", got)
	}
	if len(r.house.Book.Receipts()) != 0 {
		t.Error("it became a receipt")
	}
}

// BenchmarkWebhook is the door's own part of a webhook: all but the store.
func BenchmarkWebhook(b *testing.B) {
	twilio, err := sandbox.Open(b.Context(), sandbox.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer twilio.Close()
	env := channeltest.NewHouse(b).Env(channelID)
	ch, err := configFor(twilio).Open(env)
	if err != nil {
		b.Fatal(err)
	}
	d := ch.(*Door)
	d.life.start(b.Context())
	h := d.Handler(nowhere{})
	form := sample()
	body, sign := form.Encode(), sandbox.Sign(twilio.AuthToken(), d.WebhookURL(), form)
	b.ReportAllocs()
	for b.Loop() {
		q := httptest.NewRequest(http.MethodPost, "/hooks/sms/shop", strings.NewReader(body))
		q.Header.Set("X-Twilio-Signature", sign)
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, q); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

type nowhere struct{}

func (nowhere) Message(context.Context, channels.Inbound) error   { return nil }
func (nowhere) Receipt(context.Context, channels.Receipt) error   { return nil }
func (nowhere) Standing(context.Context, channels.Standing) error { return nil }
