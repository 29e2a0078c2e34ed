package live_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"casewire/routing/live"
)

func TestWhoMayConnect(t *testing.T) {
	h := newHouse(t, live.Options{Each: 1}, "anna", "boris")
	with := func(change func(http.Header)) http.Header {
		header := browser("anna")
		change(header)
		return header
	}
	for name, try := range map[string]struct {
		header http.Header
		status int
		code   string
	}{
		"nobody":         {with(func(h http.Header) { h.Del("Cookie") }), 401, "not_signed_in"},
		"somebody else":  {with(func(h http.Header) { h.Set("Cookie", "session=mallory") }), 401, "not_signed_in"},
		"no subprotocol": {with(func(h http.Header) { h.Del("Sec-Websocket-Protocol") }), 400, "subprotocol"},
		"another one":    {with(func(h http.Header) { h.Set("Sec-Websocket-Protocol", "casewire.live.v2") }), 400, "subprotocol"},
	} {
		t.Run(name, func(t *testing.T) {
			_, resp, err := h.dial(try.header)
			if err == nil || resp == nil {
				t.Fatalf("connected; %v", err)
			}
			checkProblem(t, resp, try.status, try.code)
		})
	}
	t.Run("no websocket", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.http.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = browser("anna")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		checkProblem(t, resp, http.StatusUpgradeRequired, "upgrade_required")
	})
	t.Run("too many of one", func(t *testing.T) {
		h.hello("boris")
		_, resp, err := h.dial(browser("boris"))
		if err == nil {
			t.Fatal("connected")
		}
		checkProblem(t, resp, http.StatusTooManyRequests, "too_many_sockets")
	})
}

func checkProblem(t *testing.T, resp *http.Response, status int, code string) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Code, Detail string
		Status       int
	}
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if resp.StatusCode != status || p.Status != status || p.Code != code || p.Detail == "" {
		t.Errorf("answer %d %s, want %d %s", resp.StatusCode, body, status, code)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
}

func TestOrigins(t *testing.T) {
	h := newHouse(t, live.Options{Origins: func() []string { return []string{origin, "http://127.0.0.1:8080"} }}, "anna")
	for _, try := range []struct {
		origins []string
		bearer  bool
		ok      bool
	}{
		{[]string{"https://desk.example"}, false, true},
		{[]string{"https://DESK.example:443"}, false, true},
		{[]string{"http://127.0.0.1:8080"}, false, true},
		{nil, false, false}, // only browsers send cookies, and browsers name their origin
		{nil, true, true},
		{[]string{"https://evil.example"}, true, false},
		{[]string{"https://evil.example"}, false, false},
		{[]string{"http://desk.example"}, false, false},
		{[]string{"https://desk.example:8443"}, false, false},
		{[]string{"https://desk.example.evil.example"}, false, false},
		{[]string{"https://evil.example/https://desk.example"}, false, false},
		{[]string{"https://desk.example@evil.example"}, false, false},
		{[]string{"https://u@desk.example"}, false, false},
		{[]string{"null"}, false, false},
		{[]string{""}, false, false},
		{[]string{"file://"}, false, false},
		{[]string{"https://desk.example", "https://evil.example"}, false, false},
		{[]string{"http://127.0.0.1"}, false, false},
	} {
		t.Run(fmt.Sprintf("%q bearer %v", try.origins, try.bearer), func(t *testing.T) {
			header := browser("anna")
			header["Origin"] = try.origins
			if try.origins == nil {
				header.Del("Origin")
			}
			if try.bearer {
				header.Del("Cookie")
				header.Set("Authorization", "Bearer anna")
			}
			c, resp, err := h.dial(header)
			if (err == nil) != try.ok {
				t.Fatalf("connected: %v, want %v (%v)", err == nil, try.ok, err)
			}
			if err != nil {
				checkProblem(t, resp, http.StatusForbidden, "origin")
				return
			}
			c.send(`{"t":"hello"}`)
			c.until("snapshot")
		})
	}
}
