package app

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/outside"
	"casewire/casecore/staff"
	"casewire/channels"
	"casewire/channels/sms"
	"casewire/channels/sms/sandbox"
	"casewire/config"
)

// workshop is a repair shop's own program: it is told what happens, and moves cases.
type workshop struct {
	*centre
	srv   *httptest.Server
	key   []byte
	token string
	heard chan outside.HookEvent
	down  atomic.Bool
	file  string
}

const hookYAML = `listen: 127.0.0.1:0
data: DATA
channels:
  - kind: sms
    id: shop
    account_sid: SID
    auth_token: {env: TWILIO_AUTH_TOKEN}
    from: "+15005550006"
    server: SERVER
webhooks:
  - id: workshop
    url: HOOK
    secret: {env: CASEWIRE_WORKSHOP_SECRET}
    events: [case.opened, case.status, message.received, notice.*]
    allow_private: true
`

func openWorkshop(t *testing.T) *workshop {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	w := &workshop{centre: &centre{T: t, ctx: ctx}, key: bytes.Repeat([]byte{7}, 32), heard: make(chan outside.HookEvent, 100)}
	w.srv = httptest.NewServer(http.HandlerFunc(w.hear))
	t.Cleanup(w.srv.Close)
	var err error
	if w.twilio, err = sandbox.Open(t.Context(), sandbox.Options{Retry: time.Millisecond, Tries: 100}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TWILIO_AUTH_TOKEN", w.twilio.AuthToken())
	t.Setenv("CASEWIRE_WORKSHOP_SECRET", "whsec_"+base64.StdEncoding.EncodeToString(w.key))
	dir := t.TempDir()
	w.file = filepath.Join(dir, "casewire.yaml")
	text := strings.NewReplacer("DATA", filepath.Join(dir, "data"), "SID", w.twilio.AccountSID(), "SERVER", w.twilio.URL(), "HOOK", w.srv.URL+"/a").Replace(hookYAML)
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kinds := channels.Kinds{channels.SMS: func() channels.Config { return sms.NewConfig() }}
	snap, err := config.Load(w.file, kinds)
	if err != nil {
		t.Fatal(err)
	}
	w.App, err = Start(t.Context(), Options{Config: config.NewLive(snap, kinds, time.Now), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.twilio.Close(); err != nil {
			t.Error(err)
		}
		if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	w.twilio.Point(ourNumber, w.URL()+"/hooks/sms/shop")
	if _, w.token, err = w.staff.IssueToken(ctx, &staff.Token{Name: "workshop", Roles: []string{casecore.RoleIntegrator}}, time.Hour); err != nil {
		t.Fatal(err)
	}
	return w
}

// hear takes a webhook as the specification tells a receiver to.
func (w *workshop) hear(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || w.down.Load() {
		out.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	mac := hmac.New(sha256.New, w.key)
	mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "."))
	mac.Write(body)
	if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		w.Errorf("a forged webhook: %v", r.Header)
	}
	var e outside.HookEvent
	if err := json.Unmarshal(body, &e); err != nil {
		w.Error(err)
	}
	if strings.HasSuffix(r.URL.Path, "/b") {
		e.Type += " at b"
	}
	w.heard <- e
}

// hears waits for the next webhook of these types, leaving others out.
func (w *workshop) hears(types ...string) outside.HookEvent {
	w.Helper()
	for {
		select {
		case e := <-w.heard:
			if slices.Contains(types, e.Type) {
				return e
			}
		case <-w.ctx.Done():
			w.Fatalf("never heard of %q", types)
		}
	}
}

func (w *workshop) asks(method, path string, body any, header ...string) (int, map[string]any) {
	w.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.ctx, method, w.URL()+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	} else {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := w.srv.Client().Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, out
}

// A workshop's own program says that a repair is ready, twice; the customer is told
// once, and the program hears that they were, and what they did then.
func TestAWorkshopMovesACaseAndHearsOfTheAnswer(t *testing.T) {
	w := openWorkshop(t)
	c := w.texted(annaPhone)
	opened := w.hears("case.opened")
	if opened.Data.Case.Number != c.CaseNumber() || opened.Data.Case.Channel != "sms:shop" || opened.Data.Content != nil {
		t.Errorf("opened: %+v", opened)
	}
	if _, err := w.work.Claim(w.ctx, w.hire("anna", "en", "", casecore.RoleSupervisor), c.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	taken := w.hears("case.status")
	path := "/cases/" + c.CaseNumber()
	for i := range 2 {
		code, got := w.asks("POST", path+"/status", map[string]any{"from": taken.Data.To, "to": "ready"}, "Idempotency-Key", "repair-4711")
		if code != 200 || got["status"] != "ready" {
			t.Fatalf("request %d: %d %v", i, code, got)
		}
	}
	if code, got := w.asks("POST", path+"/status", map[string]any{"from": taken.Data.To, "to": "ready"}, "Idempotency-Key", "another"); code != 412 || got["code"] != "stale" {
		t.Errorf("%d %v", code, got)
	}
	moved := w.hears("case.status")
	if moved.Data.To != "ready" || !strings.HasPrefix(moved.Data.Actor, "token:") {
		t.Errorf("moved: %+v", moved.Data)
	}
	w.told(c)
	if _, err := w.twilio.Text(annaPhone, ourNumber, "I come at five"); err != nil {
		t.Fatal(err)
	}
	answer := w.hears("message.received", "case.status")
	if answer.Type != "message.received" || answer.Data.Case.Number != c.CaseNumber() || answer.Data.Case.Status != "ready" {
		t.Errorf("heard %+v", answer)
	}
}

// told waits until the customer was told once that it is ready.
func (w *workshop) told(c *casecore.Case) {
	w.Helper()
	written := w.hears("notice.written")
	for written.Data.To != "ready" {
		written = w.hears("notice.written")
	}
	code, list := w.asks("GET", "/notices?case="+c.CaseNumber(), nil)
	items, _ := list["items"].([]any)
	var ready []map[string]any
	for _, i := range items {
		if n, _ := i.(map[string]any); n["template"] == "ready" {
			ready = append(ready, n)
		}
	}
	if code != 200 || len(ready) != 1 {
		w.Fatalf("%d notices that it is ready: %v", len(ready), list)
	}
	if ready[0]["held"] == true {
		if code, got := w.asks("POST", "/notices/"+ready[0]["id"].(string)+"/send", nil); code != 200 {
			w.Fatalf("send now: %d %v", code, got)
		}
	}
	for {
		if e := w.hears("notice.sent", "notice.undelivered"); e.Data.Message != nil && e.Data.Message.ID == written.Data.Message.ID {
			if e.Type != "notice.sent" {
				w.Errorf("heard %+v", e)
			}
			return
		}
	}
}

// What a receiver missed is there when it is back, and the house says meanwhile that
// something is wrong; a reload of the configuration adds another one.
func TestAWorkshopThatWasAwayMissesNothing(t *testing.T) {
	w := openWorkshop(t)
	w.down.Store(true)
	c := w.texted(annaPhone)
	for {
		code, got := w.asks("POST", "/webhooks/workshop/test", nil)
		if code != 200 || got["ok"] != false || got["reason"] != "http_503" {
			t.Fatalf("%d %v", code, got)
		}
		_, list := w.asks("GET", "/webhooks", nil)
		if one := list["items"].([]any)[0].(map[string]any); one["state"] == "failing" && one["waiting"].(float64) > 0 && one["last_reason"] == "http_503" {
			break
		}
	}
	w.down.Store(false)
	if code, got := w.asks("POST", "/webhooks/workshop/test", nil); code != 200 || got["ok"] != true {
		t.Fatalf("%d %v", code, got)
	}
	first := w.hears("case.opened")
	if reason := webhooksPart(w.App).check(w.ctx); reason != "" {
		t.Errorf("not well: %s", reason)
	}
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	more := string(text) + strings.NewReplacer("workshop", "second", "/a\n", "/b\n", "    allow_private", "    queues: [phones, fones, general]\n    allow_private").Replace(string(text[bytes.Index(text, []byte("  - id: workshop")):]))
	if err := os.WriteFile(w.file, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(w.ctx); err != nil {
		t.Fatal(err)
	}
	if code, got := w.asks("POST", "/cases/"+c.CaseNumber()+"/status", map[string]any{"from": first.Data.Case.Status, "to": "accepted"}); code != 200 {
		t.Fatalf("%d %v", code, got)
	}
	// The first one hears of it when what went before is recorded as taken: only then
	// is there something to replay.
	for heard := map[string]bool{}; len(heard) < 2; {
		heard[w.hears("case.status", "case.status at b").Type] = true
	}
	if reason := webhooksPart(w.App).check(w.ctx); !strings.Contains(reason, `second asks for the queue "fones"`) {
		t.Errorf("well: %s", reason)
	}
	if code, got := w.asks("POST", "/webhooks/workshop/replay", map[string]any{"from": first.Timestamp, "to": first.Timestamp.Add(time.Millisecond)}); code != 200 || got["count"].(float64) < 1 {
		t.Fatalf("%d %v", code, got)
	}
	if again := w.hears("case.opened"); again.ID != first.ID {
		t.Errorf("replayed %s as %s", first.ID, again.ID)
	}
}
