package live_test

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
	"casewire/routing/live"
)

// The story of the live board: a customer writes, everybody sees a card without
// content, one claims it, the others see who took it and that it has gone.
func TestACardComesIsClaimedAndGoes(t *testing.T) {
	h := newHouse(t, live.Options{}, "anna", "boris")
	anna, first := h.hello("anna")
	boris, _ := h.hello("boris")
	if len(first.Queues) != 2 || first.Queues[0].Name != "Phones" || first.Epoch == "" {
		t.Errorf("snapshot %s", first.raw)
	}
	c := h.arrive("phones")
	for _, w := range []*client{anna, boris} {
		if f := w.until("card"); f.Card.Number != c.CaseNumber() || strings.Contains(string(f.raw), canary) {
			t.Errorf("card %s", f.raw)
		}
	}
	anna.send(fmt.Sprintf(`{"t":"claim","id":"1","case":%q}`, c.CaseNumber()))
	if f := anna.until("claimed"); f.ID != "1" || f.number() != c.CaseNumber() || f.ClaimNo != 1 {
		t.Errorf("answer to the claim %s", f.raw)
	}
	if f := boris.until("gone", c.CaseNumber()); f.By != "anna" {
		t.Errorf("%s does not name who took it", f.raw)
	}
	boris.send(fmt.Sprintf(`{"t":"claim","id":"2","case":%q}`, c.CaseNumber()))
	if f := boris.until("refused"); f.ID != "2" || f.Code != live.CodeTaken || f.Holder != "anna" {
		t.Errorf("answer to the late claim %s", f.raw)
	}
	if f := anna.until("mine"); !strings.Contains(string(f.raw), canary) {
		t.Errorf("the holder's own case without its subject: %s", f.raw)
	}
	anna.send(fmt.Sprintf(`{"t":"release","id":"3","case":%q,"claim_no":9}`, c.CaseNumber()))
	if f := anna.until("refused"); f.Code != live.CodeStale {
		t.Errorf("release under another claim: %s", f.raw)
	}
	anna.send(fmt.Sprintf(`{"t":"release","id":"4","case":%q,"claim_no":1}`, c.CaseNumber()))
	anna.until("released", c.CaseNumber())
	boris.until("card", c.CaseNumber())
	boris.send(`{"t":"next","id":"5","queue":"phones"}`)
	if f := boris.until("claimed"); f.ClaimNo != 2 {
		t.Errorf("answer to next %s", f.raw)
	}
	boris.send(`{"t":"next","id":"6"}`)
	if f := boris.until("refused"); f.Code != live.CodeEmpty {
		t.Errorf("next of nothing %s", f.raw)
	}
}

// No frame that reaches a browser before the claim has anything of what the
// customer wrote, whatever the browser asks for.
func TestNoContentReachesABrowserBeforeTheClaim(t *testing.T) {
	h := newHouse(t, live.Options{}, "anna", "boris")
	h.arrive("tv")
	anna, first := h.hello("anna")
	frames := []frame{first}
	c := h.arrive("phones")
	for _, ask := range []string{
		`{"t":"watch","id":"a","case":"CW-000002"}`, `{"t":"release","id":"b","case":"CW-000002","claim_no":1}`,
		`{"t":"hello","queues":["tv","phones"]}`, `{"t":"hello","queues":["general"]}`, `{"t":"next","id":"c","queue":"general"}`,
	} {
		anna.send(ask)
	}
	for range 4 {
		boris, f := h.hello("boris")
		frames = append(frames, f)
		boris.ws.Close()
	}
	anna.send(`{"t":"last"}`)
	for {
		f, err := anna.next()
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
		if f.Code == live.CodeUnknownType {
			break
		}
	}
	for _, f := range frames {
		if strings.Contains(string(f.raw), canary) {
			t.Errorf("content of %s in %s", c.CaseNumber(), f.raw)
		}
	}
	if len(frames) < 9 {
		t.Errorf("only %d frames were looked at", len(frames))
	}
}

func TestResumeGoesOnWhereItWasCut(t *testing.T) {
	h := newHouse(t, live.Options{}, "anna")
	anna, first := h.hello("anna")
	seen := h.arrive("phones")
	last := anna.until("card", seen.CaseNumber())
	anna.ws.Close()
	missed := h.arrive("phones")
	again := h.client("anna")
	again.send(fmt.Sprintf(`{"t":"hello","resume":{"epoch":%q,"seq":%d}}`, first.Epoch, last.Seq))
	for {
		f, err := again.next()
		if err != nil {
			t.Fatal(err)
		}
		if f.T == "snapshot" || f.Seq <= last.Seq {
			t.Fatalf("%s after frame %d was seen", f.raw, last.Seq)
		}
		if f.Card.Number == missed.CaseNumber() {
			break
		}
	}
	again.send(`{"t":"hello","resume":{"epoch":"of yesterday","seq":1},"language":"ru"}`)
	if f := again.until("snapshot"); f.Queues[0].Name != "Телефоны" || len(f.Queues[0].Cards) != 2 {
		t.Errorf("a foreign epoch must be answered by a snapshot: %s", f.raw)
	}
}

func TestSignedOutIsClosedWithinASecond(t *testing.T) {
	h := newHouse(t, live.Options{Recheck: time.Hour}, "anna", "boris")
	anna, _ := h.hello("anna")
	boris, _ := h.hello("boris")
	start := time.Now()
	h.change("anna", nil)
	if code := anna.closed(); code != live.CloseSignedOut {
		t.Errorf("closed with %d, want 4401", code)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("closed after %s, want at most a second", took)
	}
	c := h.arrive("phones")
	boris.until("card", c.CaseNumber())
}

// W5: what one may see is decided when the socket opens; when that changes, the
// socket ends and the browser comes back with what it may see now.
func TestChangedRightsCloseTheSocket(t *testing.T) {
	for name, change := range map[string]func(*account){
		"queues": func(a *account) { a.Queues = []string{"tv"} },
		"roles":  func(a *account) { a.Roles = []string{casecore.RoleMaster} },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, live.Options{Recheck: time.Hour}, "anna")
			anna, _ := h.hello("anna")
			h.change("anna", change)
			if code := anna.closed(); code != live.CloseRights {
				t.Errorf("closed with %d, want 4403", code)
			}
			if _, again := h.hello("anna"); name == "queues" && (len(again.Queues) != 1 || again.Queues[0].ID != "tv") {
				t.Errorf("back again: %s", again.raw)
			}
		})
	}
}

// A claim in the moment between sign-out and close is refused all the same.
func TestAClaimIsMadeWithTheRightsOfTheMoment(t *testing.T) {
	h := newHouse(t, live.Options{Recheck: time.Hour}, "anna")
	c := h.arrive("phones")
	anna, _ := h.hello("anna")
	h.change("anna", nil)
	_ = anna.ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"t":"claim","id":"1","case":%q}`, c.CaseNumber()))
	anna.closed()
	err := h.store.View(t.Context(), func(tx store.Tx) error {
		got, err := casecore.Cases.Get(tx, c.ID)
		if err == nil && got.Owner != "" {
			t.Errorf("%s was claimed by %s, who is signed out", got.CaseNumber(), got.OwnerName)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A half-open socket is found by silence: a client that never answers a ping.
func TestASilentSocketIsGivenUp(t *testing.T) {
	h := newHouse(t, live.Options{Ping: 50 * time.Millisecond, Pong: 2 * time.Second}, "anna", "boris")
	h.hello("anna") // does not read, and so never answers a ping
	alive, _ := h.hello("boris")
	cards := make(chan string, 8)
	go func() {
		defer close(cards)
		for {
			f, err := alive.next()
			if err != nil {
				return
			}
			if f.T == "card" {
				cards <- f.Card.Number
			}
		}
	}()
	eventually(t, func() bool { return h.server.Stats().Open == 1 })
	c := h.arrive("phones")
	if got := <-cards; got != c.CaseNumber() {
		t.Errorf("the socket that answers pings got %q, want the card of %s", got, c.CaseNumber())
	}
	alive.ws.Close()
	for range cards {
		t.Error("a card after the end")
	}
}

func TestStopClosesAllWith1012AndLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newHouse(t, live.Options{}, "anna", "boris")
	var clients []*client
	for i := range 20 {
		c, _ := h.hello([]string{"anna", "boris"}[i%2])
		clients = append(clients, c)
	}
	deaf, _ := h.hello("anna") // never answers the close frame
	stopped := make(chan struct{})
	go func() { h.stop(); close(stopped) }()
	for _, c := range clients {
		if code := c.closed(); code != websocket.CloseServiceRestart {
			t.Errorf("closed with %d, want 1012", code)
		}
	}
	<-stopped
	if n := h.server.Stats().Open; n != 0 {
		t.Errorf("%d sockets are left", n)
	}
	_, resp, err := h.dial(browser("anna"))
	if err == nil {
		t.Fatal("connected to a stopped server")
	}
	checkProblem(t, resp, http.StatusServiceUnavailable, "stopping")
	deaf.ws.Close()
	h.http.Close()
	http.DefaultClient.CloseIdleConnections()
	if n := h.board.Stats().Feeds; n != 0 {
		t.Errorf("%d feeds are left", n)
	}
	// Left are the board and the store, which have their own owners.
	eventually(t, func() bool { return runtime.NumGoroutine() < before+20 })
}

// F13: a browser that does not read is closed alone, with 4408, and meanwhile
// nobody else waits for it.
func TestASlowSocketIsClosedAlone(t *testing.T) {
	h := newHouseWith(t, live.Options{}, desk.BoardOptions{Coalesce: time.Millisecond}, "anna", "boris")
	d := websocket.Dialer{NetDialContext: (&net.Dialer{Control: smallBuffer}).DialContext}
	ws, resp, err := d.DialContext(t.Context(), "ws"+strings.TrimPrefix(h.http.URL, "http"), browser("anna"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	slow := &client{t: t, ws: ws}
	defer ws.Close()
	slow.send(`{"t":"hello"}`)
	slow.until("snapshot")
	quick, _ := h.hello("boris")
	var worst time.Duration
	for h.board.Stats().Slow == 0 {
		start := time.Now()
		c := h.arrive("phones")
		quick.until("card", c.CaseNumber())
		if _, err := h.work.Claim(t.Context(), casecore.Actor{ID: "op-boss", Name: "boss", Roles: []string{casecore.RoleSupervisor}}, c.CaseNumber()); err != nil {
			t.Fatal(err)
		}
		quick.until("gone", c.CaseNumber())
		worst = max(worst, time.Since(start))
		if h.no > 20000 {
			t.Fatal("the slow socket is still open")
		}
	}
	if code := slow.closed(); code != live.CloseSlow {
		t.Errorf("closed with %d, want 4408", code)
	}
	if worst > 2*time.Second {
		t.Errorf("beside a slow socket a frame took %s", worst)
	}
	c := h.arrive("phones")
	quick.until("card", c.CaseNumber())
}
