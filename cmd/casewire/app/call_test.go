package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/channels/sms"
	"casewire/channels/sms/sandbox"
	"casewire/config"
	"casewire/routing/desk"
)

const (
	ourNumber = "+15005550006"
	olena     = "+381601234567"
	annaPhone = "+381111111111"
	absent    = "+15005554480"
	busy      = "+15005554486"
)

// centre is a running process with an SMS channel at a stand-in for Twilio.
type centre struct {
	*testing.T
	*App
	twilio *sandbox.Server
	ctx    context.Context
	later  atomic.Int64 // how far its clock is ahead
	check  atomic.Pointer[func(point string)]
	anna   casecore.Actor // a supervisor, with a phone
}

func openCentre(t *testing.T, voice string) *centre {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	c := &centre{T: t, ctx: ctx}
	var err error
	if c.twilio, err = sandbox.Open(t.Context(), sandbox.Options{Retry: time.Millisecond, Tries: 100}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TWILIO_AUTH_TOKEN", c.twilio.AuthToken())
	file := fmt.Sprintf(`listen: 127.0.0.1:0
data: %q
channels:
  - kind: sms
    id: shop
    account_sid: %s
    auth_token: {env: TWILIO_AUTH_TOKEN}
    from: %q
    server: %s
    voice: %s
  - kind: sms
    id: another # earlier in the list than the one that the customers know
    account_sid: %[2]s
    auth_token: {env: TWILIO_AUTH_TOKEN}
    from: %[6]q
    server: %[4]s
`, t.TempDir(), c.twilio.AccountSID(), ourNumber, c.twilio.URL(), voice, "+15005550008")
	kinds := channels.Kinds{channels.SMS: func() channels.Config { return sms.NewConfig() }}
	snap, err := config.Parse("casewire.yaml", []byte(file), kinds)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Now().Add(time.Duration(c.later.Load())) }
	c.App, err = Start(t.Context(), Options{
		Config: config.NewLive(snap, kinds, time.Now), Log: slog.New(slog.DiscardHandler), Now: now,
		Check: func(point string) {
			if f := c.check.Load(); f != nil {
				(*f)(point)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// First the stand-in: a connection that it has opened and not used would be
		// waited for.
		if err := c.twilio.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	c.twilio.Point(ourNumber, c.URL()+"/hooks/sms/shop")
	c.twilio.PointVoice(ourNumber, c.URL()+"/hooks/voice/shop", c.URL()+"/hooks/voice/shop/status")
	c.anna = c.hire("anna", "en", annaPhone, casecore.RoleSupervisor)
	return c
}

func (c *centre) hire(login, lang, phone, role string) casecore.Actor {
	c.Helper()
	o, err := c.staff.Create(c.ctx, staff.Operator{Login: login, Name: strings.ToUpper(login[:1]) + login[1:], Roles: []string{role}, Lang: lang, Phone: phone}, "")
	if err != nil {
		c.Fatal(err)
	}
	return o.Actor()
}

// texted is the case of a customer who has written from a number.
func (c *centre) texted(from string) *casecore.Case {
	c.Helper()
	id, err := c.twilio.Text(from, ourNumber, "The screen is broken")
	if err == nil {
		err = c.twilio.Await(c.ctx, id)
	}
	if err != nil {
		c.Fatal(err)
	}
	return c.caseOf(id)
}

func (c *centre) caseOf(externalID string) (out *casecore.Case) {
	c.Helper()
	err := c.store.View(c.ctx, func(tx store.Tx) error {
		m, err := casecore.Messages.Find(tx, "external", casecore.ExternalKey("sms:shop", externalID))
		if err != nil {
			return err
		}
		out, err = casecore.Cases.Get(tx, m.Case)
		return err
	})
	if err != nil {
		c.Fatal(err)
	}
	return out
}

// calls is what a case's timeline says of calls, without words.
func (c *centre) calls(k *casecore.Case) (story string, last *casecore.Event) {
	c.Helper()
	err := c.store.View(c.ctx, func(tx store.Tx) error {
		story, last = "", nil
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(k.ID)}) {
			if err != nil {
				return err
			}
			switch e.Kind {
			case casecore.Calling, casecore.CallMade, casecore.CallTaken:
				story += string(e.Kind) + " " + e.To + "; "
				last = e
			}
		}
		return nil
	})
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSuffix(story, "; "), last
}

// awaits returns when the timeline says so of calls.
func (c *centre) awaits(k *casecore.Case, want string) *casecore.Event {
	c.Helper()
	hints, err := c.store.Watch(c.ctx, casecore.Events.Coll())
	if err != nil {
		c.Fatal(err)
	}
	for {
		story, last := c.calls(k)
		if story == want {
			return last
		}
		if _, ok := <-hints; !ok {
			c.Fatalf("the timeline says %q, not %q", story, want)
		}
	}
}

// dies makes the process end at a point, as far as the caller of do can tell.
func (c *centre) dies(point string, do func()) {
	c.Helper()
	died := errors.New("died")
	kill := func(p string) {
		if p == point {
			panic(died)
		}
	}
	c.check.Store(&kill)
	defer c.check.Store(nil)
	defer func() {
		if recover() != died { //nolint:errorlint // this very value
			c.Fatalf("%s was not reached", point)
		}
	}()
	do()
}

// One click rings the operator and then the customer, and the timeline tells how it
// went.
func TestAnOperatorCallsACustomer(t *testing.T) {
	c := openCentre(t, "{}")
	for from, outcome := range map[string]string{olena: casecore.CallReached, busy: casecore.CallBusy, absent: casecore.CallNoAnswer} {
		k := c.texted(from)
		err := c.store.Update(c.ctx, func(tx store.Tx) error {
			return c.ledger.WantCall(tx, casecore.System("test"), k.ID, "30005", "")
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.dial(c.ctx, c.anna, k.CaseNumber(), "", nil); err != nil {
			t.Fatal(err)
		}
		e := c.awaits(k, "calling "+from+"; called "+outcome)
		if e.Actor != c.anna.ID || (e.Seconds > 0) != (outcome == casecore.CallReached) {
			t.Errorf("%s: %+v", outcome, e)
		}
		err = c.store.View(c.ctx, func(tx store.Tx) (err error) { k, err = casecore.Cases.Get(tx, k.ID); return err })
		if err != nil {
			t.Fatal(err)
		}
		if done := k.Call == nil; done != (outcome == casecore.CallReached) || !done && k.Call.Tries != 1 {
			t.Errorf("%s: the task is %+v", outcome, k.Call)
		}
	}
	for _, x := range c.twilio.Calls() {
		if x.From != ourNumber || x.To != annaPhone {
			t.Errorf("the call was %+v", x)
		}
	}
}

// Who may not work on the case, or has no phone, rings nobody and leaves no trace.
func TestCallsThatMayNotBe(t *testing.T) {
	c := openCentre(t, "{}")
	k := c.texted(olena)
	deaf := c.hire("deaf", "en", "", casecore.RoleSupervisor)
	clerk := c.hire("clerk", "en", "+381113333333", casecore.RoleOperator)
	clerk.Queues = []string{k.Queue}
	stranger := c.hire("stranger", "en", "", casecore.RoleOperator)
	for name, v := range map[string]struct {
		by casecore.Actor
		ok func(error) bool
	}{
		"without a phone": {deaf, func(err error) bool { return errors.Is(err, desk.ErrNoPhone) }},
		"a program":       {casecore.Actor{ID: "token:1", Roles: []string{casecore.RoleIntegrator}}, func(err error) bool { return errors.Is(err, desk.ErrNoPhone) }},
		"not claimed":     {clerk, func(err error) bool { _, ok := errors.AsType[*casecore.Taken](err); return ok }},
		"another queue":   {stranger, func(err error) bool { return errors.Is(err, store.ErrNotFound) }},
	} {
		if err := c.dial(c.ctx, v.by, k.CaseNumber(), "", nil); !v.ok(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.dial(c.ctx, c.anna, k.CaseNumber(), "somebody else's", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a foreign address: %v", err)
	}
	if story, _ := c.calls(k); story != "" || len(c.twilio.Calls()) != 0 {
		t.Errorf("timeline %q, %d calls", story, len(c.twilio.Calls()))
	}
}

// What the provider refuses is on the timeline as failed, in the operator's words,
// and no task is done by it.
func TestACallThatCannotBeMade(t *testing.T) {
	c := openCentre(t, "{}")
	k := c.texted(olena)
	rus := c.hire("rus", "ru", annaPhone, casecore.RoleSupervisor)
	undo := c.twilio.Fail(sandbox.Fault{Op: "call", Status: 401, Code: 20003})
	err := c.dial(c.ctx, rus, k.CaseNumber(), "", nil)
	undo()
	no, ok := errors.AsType[*desk.NoCall](err)
	if !ok || !strings.Contains(no.Words, "администратору") || no.Code != "20003" {
		t.Fatalf("told %v", err)
	}
	if e := c.awaits(k, "calling "+olena+"; called failed"); e.Reason != no.Words || e.Code != "20003" {
		t.Errorf("%+v", e)
	}
	// It may be tried again at once.
	if err := c.dial(c.ctx, rus, k.CaseNumber(), "", nil); err != nil {
		t.Error(err)
	}
	c.awaits(k, "calling "+olena+"; called failed; calling "+olena+"; called reached")
}

// Whoever asks may go away: the call is made, and what became of it is told.
func TestACallOutlivesTheRequest(t *testing.T) {
	c := openCentre(t, "{}")
	k := c.texted(olena)
	ctx, cancel := context.WithCancel(c.ctx)
	leave := func(point string) {
		if point == "call.opened" {
			cancel()
		}
	}
	c.check.Store(&leave)
	if err := c.dial(ctx, c.anna, k.CaseNumber(), "", nil); err != nil {
		t.Error(err)
	}
	c.awaits(k, "calling "+olena+"; called reached")
}

// The process ends between the event and the call, or before it has heard the
// provider's answer: the event stays. Of a call that was never made it is said, in
// time, that nobody knows; one that was made is told of all the same.
func TestACrashAroundACall(t *testing.T) {
	c := openCentre(t, "{}")
	k := c.texted(olena)
	c.dies("call.opened", func() { _ = c.dial(c.ctx, c.anna, k.CaseNumber(), "", nil) })
	if story, _ := c.calls(k); story != "calling "+olena || len(c.twilio.Calls()) != 0 {
		t.Fatalf("timeline %q, %d calls", story, len(c.twilio.Calls()))
	}
	if n, err := c.sweepCalls(c.ctx); n != 0 || err != nil {
		t.Errorf("given up at once: %d, %v", n, err)
	}
	c.later.Store(int64(11 * time.Minute))
	for want := range 2 {
		if n, err := c.sweepCalls(c.ctx); n != 1-want || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
	}
	e := c.awaits(k, "calling "+olena+"; called unknown")
	if e.Reason != neverAsked["en"] || e.ActorName != "Anna" {
		t.Errorf("%+v", e)
	}

	c.dies("call.asked", func() { _ = c.dial(c.ctx, c.anna, k.CaseNumber(), "", nil) })
	c.awaits(k, "calling "+olena+"; called unknown; calling "+olena+"; called reached")
	if n := len(c.twilio.Calls()); n != 1 {
		t.Errorf("%d calls were made", n)
	}
}

// A call whose request got no answer may be under way: it is not said to have
// failed, and not made again.
func TestACallOfUnknownFate(t *testing.T) {
	c := openCentre(t, "{}")
	k := c.texted(olena)
	undo := c.twilio.Fail(sandbox.Fault{Op: "call", Status: http.StatusInternalServerError})
	err := c.dial(c.ctx, c.anna, k.CaseNumber(), "", nil)
	undo()
	if no, ok := errors.AsType[*desk.NoCall](err); !ok || no.Words != callFaults[channels.Unsure]["en"] {
		t.Errorf("told %v", err)
	}
	if story, _ := c.calls(k); story != "calling "+olena {
		t.Errorf("timeline %q", story)
	}
	if _, ok := errors.AsType[*casecore.OnCall](c.dial(c.ctx, c.anna, k.CaseNumber(), "", nil)); !ok {
		t.Error("a second call while the first may be ringing")
	}
}

// A customer calls: the case they texted about has it, our phones ring, and the
// timeline says who answered, or that nobody did.
func TestACustomerCalls(t *testing.T) {
	c := openCentre(t, fmt.Sprintf("{dial: [%q, %q], say: {sr: Dobar dan}}", absent, annaPhone))
	k := c.texted(olena)
	ring := func(from string) sandbox.Rung {
		sid, err := c.twilio.Call(from, ourNumber)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.twilio.AwaitCall(c.ctx, sid)
		if err != nil || !got.Taken {
			t.Fatalf("%+v, %v", got, err)
		}
		return got
	}
	got := ring(olena)
	if got.By != annaPhone || len(got.Heard) != 1 {
		t.Errorf("%+v", got)
	}
	if c.caseOf(got.SID).ID != k.ID {
		t.Error("the call is in another case than the text")
	}
	e := c.awaits(k, "call_in answered")
	if e.ToName != "Anna" || e.Actor != c.anna.ID || e.Seconds == 0 {
		t.Errorf("%+v", e)
	}
	// Told again, it is no news.
	if status, err := c.twilio.CallAgain(c.ctx, got.SID); err != nil || status != http.StatusOK {
		t.Errorf("%d, %v", status, err)
	}
	if story, _ := c.calls(k); story != "call_in answered" {
		t.Errorf("timeline %q", story)
	}

	missed := c.caseOf(ring("+15005554481").SID)
	c.awaits(missed, "call_in canceled")

	hidden := c.caseOf(ring("+266696687").SID)
	if hidden.To.Kind != channels.Voice || hidden.ID == c.caseOf(ring("+266696687").SID).ID {
		t.Errorf("withheld: %+v", hidden.To)
	}
	if _, _, err := c.work.Answer(c.ctx, c.anna, hidden.CaseNumber(), channels.Body{Text: "x"}, casecore.Guard{}); !errors.Is(err, casecore.ErrNoAddress) {
		t.Errorf("an answer to nobody: %v", err)
	}
	if err := c.dial(c.ctx, c.anna, hidden.CaseNumber(), "", nil); !errors.Is(err, casecore.ErrNoNumber) {
		t.Errorf("a call to nobody: %v", err)
	}
}

// Both of a door's paths lead to it, and to nobody else.
func TestPathsOfADoor(t *testing.T) {
	c := openCentre(t, "{}")
	for path, want := range map[string]int{
		"/hooks/sms/shop": 403, "/hooks/voice/shop": 403, "/hooks/voice/shop/status": 403, "/hooks/voice/shop/": 403,
		"/hooks/voice/shopping": 404, "/hooks/voice/": 404, "/hooks/voice/shop/x": 404,
	} {
		req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// Every reason not to call is said in every language.
func TestCallWords(t *testing.T) {
	texts := map[string]map[string]string{"no caller": noCaller, "never asked": neverAsked, "never told": neverTold}
	for _, r := range []channels.Reason{
		channels.Unreachable, channels.Throttled, channels.Unsure, channels.Misset, channels.BadAddress, channels.Blocked, channels.BadContent,
	} {
		texts[string(r)] = callFaults[r]
	}
	for name, text := range texts {
		for _, l := range []string{"en", "ru", "uk", "sr"} {
			if text[l] == "" {
				t.Errorf("%s in %s is missing", name, l)
			}
		}
	}
}
