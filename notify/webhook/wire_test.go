package webhook_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify/webhook"
)

// real is a subscription to a receiver on a real socket of this machine.
func real(url string) webhook.Subscription {
	s := hook("shop")
	s.URL, s.AllowPrivate = url, true
	return s
}

// try posts a ping through the real wire, with the patience of a busy machine.
func try(t *testing.T, s webhook.Subscription) webhook.Trial {
	t.Helper()
	return tryFor(t, s, 20*time.Second)
}

func tryFor(t *testing.T, s webhook.Subscription, timeout time.Duration) webhook.Trial {
	t.Helper()
	h := newHouse(t, s)
	defer h.close()
	sender := webhook.New(h.st, h.subscriptions, webhook.Options{Timeout: timeout, Agent: "Casewire/test"})
	out, err := sender.Try(t.Context(), s.ID)
	h.must(err)
	return out
}

func TestARealReceiverHearsAndChecks(t *testing.T) {
	heard := make(chan got, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := new(strings.Builder)
		if _, err := copyOf(b, r); err != nil {
			t.Error(err)
		}
		heard <- got{at: time.Now(), raw: b.String(), head: r.Header}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	h := newHouse(t, real(srv.URL))
	defer h.close()
	_, stop := h.startReal()
	h.openCase("phones")
	g := <-heard
	stop()
	if err := verify(g, keyOf("shop")); err != nil {
		t.Error(err)
	}
	if g.head.Get("Content-Type") != "application/json" || !strings.Contains(g.raw, `"type":"case.opened"`) || g.head.Get("User-Agent") != "Casewire" {
		t.Errorf("%s %v", g.raw, g.head)
	}
	if d := h.deliveries(); len(d) != 1 || d[0].State != webhook.Done || d[0].Status != http.StatusAccepted {
		t.Errorf("%+v", d[0])
	}
}

func TestWhatReceiversAnswer(t *testing.T) {
	var elsewhere atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Store(true) }))
	defer other.Close()
	for _, tc := range []struct {
		name, reason string
		status       int
		answer       http.HandlerFunc
	}{
		{"taken", "", 200, func(http.ResponseWriter, *http.Request) {}},
		{"redirect", "redirect", 307, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}},
		{"error", "http_500", 500, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"slow", "timeout", 0, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"slow to end", "", 200, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}},
		{"without end", "", 200, func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}},
		{"cut", "broken", 0, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := copyOf(io.Discard, r); err != nil {
					t.Error(err)
				}
				tc.answer(w, r)
			}))
			defer srv.Close()
			timeout := 20 * time.Second
			if strings.HasPrefix(tc.name, "slow") {
				timeout = time.Second
			}
			if got := tryFor(t, real(srv.URL), timeout); got.Reason != tc.reason || got.Status != tc.status {
				t.Errorf("%+v", got)
			}
		})
	}
	if elsewhere.Load() {
		t.Error("a redirect was followed")
	}
}

func TestWhereNothingIsSent(t *testing.T) {
	var asked atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer srv.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer secure.Close()
	port := srv.URL[strings.LastIndex(srv.URL, ":"):]
	outside := func(url string) webhook.Subscription {
		s := hook("shop")
		s.URL = url
		return s
	}
	for _, tc := range []struct {
		s      webhook.Subscription
		reason string
	}{
		{outside("https://127.0.0.1" + port), "inside"},
		{outside("https://localhost" + port), "inside"}, // the name leads inside
		{outside("https://[::1]" + port), "inside"},
		{real("https://169.254.169.254/latest/meta-data"), "inside"},
		{real("http://93.184.216.34/"), "inside"}, // in clear, and not in the own network
		{real(secure.URL), "tls"},                 // a certificate that nobody vouches for
		{real("http://127.0.0.1:1"), "refused"},
	} {
		if got := try(t, tc.s); got.Reason != tc.reason || got.Status != 0 {
			t.Errorf("%s: %+v", tc.s.URL, got)
		}
	}
	if asked.Load() {
		t.Error("somebody inside was asked")
	}
}

func TestFaultsOfASubscription(t *testing.T) {
	for _, tc := range []struct {
		change func(s *webhook.Subscription)
		want   string
	}{
		{func(*webhook.Subscription) {}, ""},
		{func(s *webhook.Subscription) { s.ID = "" }, "id: required"},
		{func(s *webhook.Subscription) { s.ID = "My Shop" }, "id: \"My Shop\" is not a name"},
		{func(s *webhook.Subscription) { s.URL = "" }, "url: required"},
		{func(s *webhook.Subscription) { s.URL = "http://shop.example/x" }, "url: is not encrypted; write https://"},
		{func(s *webhook.Subscription) { s.URL, s.AllowPrivate = "http://192.168.1.5/x", true }, ""},
		{func(s *webhook.Subscription) { s.URL, s.AllowPrivate = "http://workshop.lan/x", true }, ""},
		{func(s *webhook.Subscription) { s.URL, s.AllowPrivate = "http://93.184.216.34/x", true }, "url: is not encrypted and not in a private network"},
		{func(s *webhook.Subscription) { s.URL = "https://192.168.1.5/x" }, "url: is an address inside; write allow_private: true"},
		{func(s *webhook.Subscription) { s.URL, s.AllowPrivate = "https://169.254.169.254/x", true }, "url: is an address that nothing may be sent to"},
		{func(s *webhook.Subscription) { s.URL = "https://u:hunter2@shop.example/x" }, "url: has a name or a password in it"},
		{func(s *webhook.Subscription) { s.URL = "ftp://shop.example/x" }, "url: is not an address to post to"},
		{func(s *webhook.Subscription) { s.Secret = channels.Secret{} }, "secret: required"},
		{func(s *webhook.Subscription) { s.Secret = channels.NewSecret("hunter2") }, "secret: does not begin with whsec_; write \"whsec_\""},
		{func(s *webhook.Subscription) { s.Secret = channels.NewSecret("whsec_hunter2") }, "secret: is not base64"},
		{func(s *webhook.Subscription) { s.Secret = channels.NewSecret("whsec_aHVudGVyMg==") }, "secret: has not 24 to 64 bytes"},
		{func(s *webhook.Subscription) { s.PreviousSecret = channels.NewSecret("hunter2") }, "previous_secret: does not begin"},
		{func(s *webhook.Subscription) { s.Events = nil }, "events: required"},
		{func(s *webhook.Subscription) { s.Events = []string{"case.opened", "notice.deliverd"} }, "events[1]: no such event \"notice.deliverd\"; did you mean \"notice.delivered\"?"},
		{func(s *webhook.Subscription) { s.Events = []string{"note.*"} }, "events[0]: no such event \"note.*\""},
	} {
		s := hook("shop")
		tc.change(&s)
		err := s.Validate()
		if tc.want == "" {
			if err != nil {
				t.Errorf("%v", err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("repeats a secret: %v", err)
		}
	}
}

func TestNothingOfABackupIsSentByItself(t *testing.T) {
	h := newHouse(t, one()...)
	defer h.close()
	c := h.openCase("phones")
	h.move(c, "ready")
	n, err := webhook.AfterRestore(t.Context(), h.st, time.Now())
	if err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	s := h.sender(h.st, webhook.Options{})
	dead, _, err := s.List(t.Context(), "shop", webhook.Dead, store.Mark{}, 10)
	if err != nil || len(dead) != 2 || dead[0].Reason != webhook.Restored {
		t.Errorf("%+v, %v", dead, err)
	}
}
