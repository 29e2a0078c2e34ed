package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/console"
	"casewire/routing/desk"
)

func (a answer) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if strings.Contains(a.body, s) {
			t.Errorf("the page has %q", s)
		}
	}
}

// taken is a case that anna holds, and its page.
func (h *house) taken(a ask) (c *casecore.Case, b *browser, path string) {
	h.t.Helper()
	c = h.open(a)
	b = h.signIn("anna")
	path = "/desk/cases/" + c.CaseNumber()
	if a := b.post(path + "/claim"); a.code != http.StatusSeeOther {
		h.t.Fatalf("claim: %d", a.code)
	}
	return c, b, path
}

// answers writes to the customer as the holder and returns the message.
func (h *house) answers(by casecore.Actor, c *casecore.Case, text string) *casecore.Message {
	h.t.Helper()
	_, m, err := h.work.Answer(h.t.Context(), by, c.CaseNumber(), channels.Body{Text: text}, casecore.Guard{})
	h.must(err)
	return m
}

func (h *house) put(do func(tx store.Tx) error) {
	h.t.Helper()
	h.must(h.store.Update(h.t.Context(), do))
}

// Before a status is confirmed its holder reads what the customer will be told,
// where and when.
func TestStatusShowsWhatIsTold(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	_, b, path := h.taken(ask{who: "Olena", kind: channels.SMS, attrs: map[string]string{"model": "13", "estimate": "100"}})
	a := b.get(path)
	a.want(t, http.StatusOK, "“Waiting for the customer”", "SMS · at once</span>", "Set this status")
	h.told.Parts = 2
	b.get(path).want(t, http.StatusOK, "SMS · at once · 2 SMS")
	h.told = console.Told{Subject: "Your phone waits for you"}
	b.get(path).want(t, http.StatusOK, "<strong>Your phone waits for you</strong>\n“Waiting for the customer”")
	h.told.At = time.Now().Add(2*time.Minute + 20*time.Second)
	b.get(path).want(t, http.StatusOK, "SMS · in 2 min, unless taken back")
	h.told.At = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1).Add(8 * time.Hour)
	b.get(path).want(t, http.StatusOK, "tomorrow 08:00, unless taken back")
	h.told = console.Told{Reason: "no_address"}
	b.get(path).want(t, http.StatusOK, "Nobody can be told: the customer has no address here", "The case will ask to call")
	h.told = console.Told{TakesBack: true}
	b.get(path).want(t, http.StatusOK, "Takes back what waits to be sent")
}

// A status set by mistake is the first to be offered back, though it does not follow,
// and says that nobody hears of it.
func TestSlipIsOfferedBackFirst(t *testing.T) {
	h := newHouse(t)
	h.ledger.Slip = func(_ store.Tx, e *casecore.Event) (bool, error) { return h.now().Before(e.At.Add(time.Hour)), nil }
	h.operator("anna", "Anna", operatorRole, "phones")
	c, b, path := h.taken(ask{who: "Olena", attrs: map[string]string{"model": "13", "estimate": "100"}})
	for _, to := range []string{"awaiting", "agreed"} { // "awaiting" does not follow "agreed"
		b.post(path+"/status", "to", to, "claim_no", "1").goes(t, path)
	}
	h.told = console.Told{TakesBack: true}
	a := b.get(path)
	a.want(t, http.StatusOK, "the customer is told nothing")
	offered := regexp.MustCompile(`name="to" value="(\w+)"`).FindStringSubmatch(a.body)
	if offered == nil || offered[1] != "awaiting" {
		t.Errorf("offered first: %v", offered)
	}
	b.post(path+"/status", "to", "awaiting", "from", "agreed", "claim_no", "1").goes(t, path)
	if v, err := h.work.Read(t.Context(), casecore.System("test"), c.CaseNumber()); err != nil || v.Case.Status != "awaiting" {
		t.Errorf("%v, %v", v, err)
	}
}

// What waits says until when, and can be sent at once or taken back by its holder
// alone; what has gone out cannot.
func TestHeldMessage(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	h.operator("clara", "Clara", operatorRole, "tv")
	c, b, path := h.taken(ask{who: "Olena"})
	boris, clara := h.signIn("boris"), h.signIn("clara")
	for i, verb := range []string{"send", "cancel"} {
		m := h.answers(anna, c, "Ready "+verb)
		id := fmt.Sprint("n", i)
		h.post.Add(desk.Notice{ID: id, Case: c.CaseNumber(), Message: m.ID, State: "held", Held: true, Due: time.Now().Add(90 * time.Second)})
		at := path + "/notices/" + id + "/" + verb
		b.get(path).want(t, http.StatusOK, "goes out", "in 1 min", at, "data-sends-at")
		a := boris.get(path)
		a.want(t, http.StatusOK, "goes out")
		a.lacks(t, at)
		boris.post(at).want(t, http.StatusConflict, "Anna holds")
		clara.post(at).want(t, http.StatusNotFound)
		if !h.post.Get(id).Held {
			t.Fatal("somebody else changed it")
		}
		b.post(at).goes(t, path)
		if h.post.Get(id).Held {
			t.Errorf("%s changed nothing", verb)
		}
		b.get(path).lacks(t, at)
		b.post(at).want(t, http.StatusConflict, "Too late for that")
	}
	b.get(path).want(t, http.StatusOK, "Not sent: stopped by a person", "is-cancelled")
	b.post(path+"/notices/n0/explode").want(t, http.StatusNotFound)
	b.post(path+"/notices/none/send").want(t, http.StatusNotFound)
}

// What did not arrive is listed oldest first, for whoever may read its case, with
// the reason in words; who holds the case sees to it.
func TestNotDelivered(t *testing.T) {
	const canary = "KANARIENVOGEL"
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	h.operator("clara", "Clara", operatorRole, "tv")
	c, b, path := h.taken(ask{who: "Olena", kind: channels.Email})
	waits := h.open(ask{who: canary, subject: canary, text: canary, kind: channels.SMS})
	m := h.answers(anna, c, "Hello")
	second := channels.Address{Kind: channels.SMS, Handle: "+380671112233"}
	h.put(func(tx store.Tx) error {
		return casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(second)}, Address: second, Customer: c.Customer})
	})
	b.get("/desk/notices").want(t, http.StatusOK, "Everything arrived")
	add := func(id, reason, template string, k *casecore.Case, ago time.Duration) {
		h.post.Add(desk.Notice{ID: id, Case: k.CaseNumber(), Message: m.ID, Template: template, State: "dead", Reason: reason, Open: true, To: k.To, Channel: k.Channel, Created: time.Now().Add(-ago)})
	}
	reasons := [][2]string{
		{"5.1.1", "nobody at this address <code>5.1.1</code>"}, {"stop", "asked not to be written to"}, {"loop", "too many automatic answers"},
		{"unsure", "did not confirm"}, {"30003", "off or out of reach <code>30003</code>"}, {"no_address", "no address here"}, {"shut", "none of the customer"}, {"99-x<b>", "99-x&lt;b&gt;"},
	}
	for i, r := range reasons {
		add(fmt.Sprint("r", i), r[0], []string{"", "repaired"}[i%2], c, time.Duration(60-i)*time.Minute)
	}
	add("w", "blocked", "", waits, time.Minute)

	a := b.get("/desk/notices")
	a.want(t, http.StatusOK, path, "Olena", "Status: Repaired, ready for pickup", "customer1@example.org", "&#43;380671112233", `<span class="count is-red">8</span>`)
	last := 0
	for _, r := range reasons {
		i := strings.Index(a.body, r[1])
		if i < last {
			t.Errorf("%s: %q is at %d, after %d", r[0], r[1], i, last)
		}
		last = i
	}
	if all := a.body; strings.Contains(all, canary) || strings.Contains(all, waits.CaseNumber()) {
		t.Error("what waits to be claimed is listed")
	}
	h.signIn("clara").get("/desk/notices").want(t, http.StatusOK, "Everything arrived", `<span class="count">0</span>`)
	boris := h.signIn("boris")
	a = boris.get("/desk/notices")
	a.want(t, http.StatusOK, "Anna holds this case")
	a.lacks(t, "/resend", "/handled")
	boris.post("/desk/notices/r0/handled").want(t, http.StatusConflict, "Anna holds", "Olena")
	h.signIn("clara").post("/desk/notices/r0/handled").want(t, http.StatusNotFound)
	b.post("/desk/notices/w/resend").want(t, http.StatusNotFound)

	done := func(verb string) string { return "/desk/notices?done=" + verb + "&case=" + c.CaseNumber() }
	b.post("/desk/notices/r0/resend", "identity", casecore.IdentityID(second)).goes(t, done("resend"))
	if n := h.post.Get("r0+"); n.To.Handle != second.Handle {
		t.Errorf("sent again to %+v", n.To)
	}
	b.post("/desk/notices/r0/resend", "identity", casecore.IdentityID(second)).want(t, http.StatusConflict, "Too late")
	b.post("/desk/notices/r1/resend", "identity", casecore.IdentityID(waits.To)).want(t, http.StatusNotFound)
	b.post("/desk/notices/r2/handled").goes(t, done("handled"))
	b.post("/desk/notices/r2/handled").want(t, http.StatusConflict, "Too late")
	a = b.get(done("handled"))
	a.want(t, http.StatusOK, c.CaseNumber()+": marked as seen to", `<span class="count is-red">6</span>`)
	a.lacks(t, "too many automatic answers", "nobody at this address")
	h.browser().get("/desk/notices").goes(t, "/desk/sign-in?back=%2Fdesk%2Fnotices")
}

// The page stays short and cheap however much did not arrive.
func TestNotDeliveredIsBounded(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	c, b, _ := h.taken(ask{who: "Olena"})
	for i := range 130 {
		h.post.Add(desk.Notice{ID: fmt.Sprint(i), Case: c.CaseNumber(), State: "skipped", Reason: "no_address", Open: true})
	}
	a := b.get("/desk/notices")
	a.want(t, http.StatusOK, ">50+<", "There is more")
	if n := strings.Count(a.body, `class="lost-row"`); n != 50 {
		t.Errorf("%d rows", n)
	}
	b.get("/desk/").want(t, http.StatusOK, ">50+<")
}

// A customer whom nothing reaches is to be called: by a number when one is known,
// and the answer counts once.
func TestCallTheCustomer(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	h.operator("clara", "Clara", operatorRole, "tv")
	c, b, path := h.taken(ask{who: "Olena", kind: channels.SMS, attrs: map[string]string{"phone": `+38 (067) 120-34-01"><b>`}})
	want := func(reason string) {
		h.put(func(tx store.Tx) error {
			return h.ledger.WantCall(tx, casecore.System("notify"), c.ID, reason, "")
		})
	}
	b.get(path).lacks(t, "Call the customer")
	want("30003")
	a := b.get(path)
	a.want(t, http.StatusOK, "Call the customer: the phone is off or out of reach", `href="tel:&#43;380671203401"`, "Reached", "No answer", "Wrong number", "The customer must be called")
	if n := strings.Count(a.body, `href="tel:`); n != 1 {
		t.Errorf("%d numbers; the same one is shown twice", n)
	}
	form := func(outcome string) []string {
		page := b.get(path).body
		since := regexp.MustCompile(`name="since" value="([^"]+)"`).FindStringSubmatch(page)
		tries := regexp.MustCompile(`name="tries" value="([^"]+)"`).FindStringSubmatch(page)
		if since == nil || tries == nil {
			t.Fatal("the page has no task")
		}
		return []string{"since", strings.ReplaceAll(since[1], "&#43;", "+"), "tries", tries[1], "outcome", outcome, "note", "after six"}
	}
	first := form("no_answer")
	boris := h.signIn("boris")
	boris.get(path).want(t, http.StatusOK, "Call the customer")
	boris.get(path).lacks(t, `name="outcome"`)
	boris.post(path+"/called", first...).want(t, http.StatusConflict, "Anna holds")
	h.signIn("clara").post(path+"/called", first...).want(t, http.StatusNotFound)
	b.post(path+"/called", "outcome", "reached").want(t, http.StatusBadRequest)
	b.post(path+"/called", first...).goes(t, path)
	b.post(path+"/called", first...).goes(t, path) // sent twice
	b.get(path).want(t, http.StatusOK, "1 call unanswered", "Call: no answer", "after six")
	if k := h.read(anna, c.CaseNumber()); k.Call == nil || k.Call.Tries != 1 {
		t.Errorf("call %+v", k.Call)
	}
	last := form("reached")
	b.post(path+"/called", append(last[:6:6], "note", strings.Repeat("x", 5000))...).want(t, http.StatusUnprocessableEntity, "Note on the call")
	b.post(path+"/called", last...).goes(t, path)
	b.post(path+"/called", last...).goes(t, path)
	a = b.get(path)
	a.want(t, http.StatusOK, "Call: the customer was reached")
	a.lacks(t, "Call the customer:")
	view, err := h.work.Read(t.Context(), anna, c.CaseNumber())
	h.must(err)
	calls := 0
	for _, e := range view.Events {
		if e.Kind == casecore.CallMade {
			calls++
		}
	}
	if calls != 2 {
		t.Errorf("%d calls on the timeline, want 2", calls)
	}

	// Before the claim there is nothing of it.
	waits := h.open(ask{who: "Ivan", kind: channels.SMS})
	b.post("/desk/cases/"+waits.CaseNumber()+"/called", last...).want(t, http.StatusConflict, "Take it first")
}

func (h *house) sameCustomer(c, as *casecore.Case) {
	h.t.Helper()
	h.put(func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		k.Customer = as.Customer
		return casecore.Cases.Put(tx, k)
	})
}

// A message that was filed wrongly goes to another of the customer's cases, once,
// and back; what others hold back stays hidden.
func TestMoveMessage(t *testing.T) {
	const canary = "KANARIENVOGEL"
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	h.operator("clara", "Clara", operatorRole, "tv")
	c, b, path := h.taken(ask{who: "Olena", subject: "Screen", text: "My screen"})
	waits := h.open(ask{who: "Olena", subject: canary, queue: "tv"})
	stranger := h.open(ask{who: "Ivan"})
	h.sameCustomer(waits, c)
	h.says(c, "And my television")
	view, err := h.work.Read(t.Context(), casecore.System("test"), c.CaseNumber())
	h.must(err)
	at := path + "/messages/" + view.Messages[1].ID + "/refile"
	a := b.get(path)
	a.want(t, http.StatusOK, "Move to another case", at, `<option value="`+waits.CaseNumber()+`">`, "a new case")
	a.lacks(t, canary, `value="`+stranger.CaseNumber()+`"`)
	h.signIn("boris").get(path).lacks(t, at)
	h.signIn("boris").post(at, "to", "new").want(t, http.StatusConflict, "Anna holds")
	h.signIn("clara").post(at, "to", "new").want(t, http.StatusNotFound)
	b.post(at, "to", stranger.CaseNumber()).want(t, http.StatusUnprocessableEntity, "no such case")
	b.post(at, "to", "").want(t, http.StatusUnprocessableEntity, "no such case")
	b.post(path+"/messages/nothing/refile", "to", "new").want(t, http.StatusNotFound)

	b.post(at, "to", waits.CaseNumber()).goes(t, path)
	b.post(at, "to", waits.CaseNumber()).goes(t, path) // sent twice
	a = b.get(path)
	a.want(t, http.StatusOK, "A message was moved to "+waits.CaseNumber(), `name="to" value="`+c.CaseNumber()+`"`, "Undo")
	a.lacks(t, "And my television")
	b.get("/desk/cases/"+waits.CaseNumber()).want(t, http.StatusNotFound)

	b.post(at, "to", c.CaseNumber()).goes(t, path)
	b.post(at, "to", c.CaseNumber()).goes(t, path)
	a = b.get(path)
	a.want(t, http.StatusOK, "And my television", "A message was moved here from "+waits.CaseNumber())
	a.lacks(t, ">Undo<")

	// To a new one and back; who clicks twice makes one.
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { b.post(at, "to", "new") })
	}
	wg.Wait()
	b.get(path).want(t, http.StatusOK, "A message was moved to CW-000004", "Undo")
	if _, err := h.work.Read(t.Context(), casecore.System("test"), "CW-000005"); err == nil {
		t.Error("clicking twice made two cases")
	}
	b.post(at, "to", c.CaseNumber()).goes(t, path)
	b.get(path).want(t, http.StatusOK, "And my television")
}

// The link is made on demand, shown once with its code, and not without a bot.
func TestInvite(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	_, b, path := h.taken(ask{who: "Olena", kind: channels.SMS})
	a := b.get(path)
	a.want(t, http.StatusOK, "Invite to Telegram", path+"/link")
	a.lacks(t, "t.me")
	a = b.post(path + "/link")
	a.want(t, http.StatusOK, "https://t.me/orbita_bot?start=", `class="invite-code"`, "Copy", "Make another link")
	if csp := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'self';") || strings.Contains(a.body, "style=") {
		t.Errorf("policy %q", csp)
	}
	link := regexp.MustCompile(`value="(https://t\.me/[^"]+)"`).FindStringSubmatch(a.body)
	u, err := url.Parse(strings.ReplaceAll(link[1], "&amp;", "&"))
	h.must(err)
	chat := channels.Address{Kind: channels.Telegram, Handle: "4711"}
	h.put(func(tx store.Tx) error {
		_, err := h.ledger.Bind(tx, casecore.System("bot"), u.Query().Get("start"), chat)
		return err
	})
	a = b.get(path)
	a.want(t, http.StatusOK, "The customer added an address by the link: Telegram", "4711")
	a.lacks(t, "t.me")
	part := b.get(path, "X-Part", "1")
	part.lacks(t, `data-region="invite"`) // a refresh does not take the link away
	b.do(http.MethodPost, path+"/link", nil, "X-Part", "1", "Content-Type", "application/x-www-form-urlencoded").want(t, http.StatusOK, `data-region="invite"`, "t.me")

	h.signIn("boris").get(path).lacks(t, path+"/link")
	h.signIn("boris").post(path+"/link").want(t, http.StatusConflict, "Anna holds")
	waits := h.open(ask{who: "Ivan"})
	h.signIn("boris").post("/desk/cases/"+waits.CaseNumber()+"/link").want(t, http.StatusConflict, "Take it first")
	h.noBot = true
	b.get(path).lacks(t, path+"/link")
	b.post(path+"/link").want(t, http.StatusConflict, "No bot is running")
}

// Only who holds the case may have the customer called, and hears why not.
func TestDial(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	c, b, path := h.taken(ask{who: "Olena", kind: channels.SMS})
	b.get(path).want(t, http.StatusOK, path+"/dial", "Call")
	id := casecore.IdentityID(c.To)
	if a := b.post(path+"/dial", "identity", id); a.code != http.StatusSeeOther || len(h.dialled) != 1 || h.dialled[0] != "Anna "+c.CaseNumber()+" "+id {
		t.Errorf("answered %d, dialled %q", a.code, h.dialled)
	}
	for err, say := range map[error]string{
		desk.ErrNoPhone: "no phone number", casecore.ErrNoNumber: "The customer has no phone number",
		&desk.NoCall{Words: "The provider is away."}: "The provider is away.", &casecore.OnCall{ByName: "Vera"}: "by Vera",
	} {
		h.noCall = err
		b.post(path+"/dial", "identity", id).want(t, http.StatusConflict, say)
	}
	h.signIn("boris").get(path).lacks(t, path+"/dial")
	_, mailed, other := h.taken(ask{who: "Ivan", kind: channels.Email})
	mailed.get(other).lacks(t, other+"/dial")
}

// What an answer takes is said while it is written, where it is paid by length.
func TestMeasure(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	_, b, path := h.taken(ask{who: "Olena", kind: channels.SMS})
	b.get(path).want(t, http.StatusOK, `data-measured="1"`)
	b.post(path+"/measure", "text", "Готово").want(t, http.StatusOK, "1 SMS · 64 left")
	b.post(path+"/measure", "text", strings.Repeat("ж", 100)).want(t, http.StatusOK, "2 SMS · 40 left", "halves what fits")
	b.post(path+"/measure", "text", strings.Repeat("ж", 701)).want(t, http.StatusOK, "too long")
	if a := b.post(path+"/measure", "text", ""); a.code != http.StatusNoContent {
		t.Errorf("nothing takes %d %q", a.code, a.body)
	}
	if a := h.signIn("boris").post(path+"/measure", "text", "x"); a.code != http.StatusNoContent {
		t.Errorf("who may not answer is told %d %q", a.code, a.body)
	}
	_, mailed, other := h.taken(ask{who: "Ivan", kind: channels.Email})
	mailed.get(other).lacks(t, "data-measured")
	if a := mailed.post(other+"/measure", "text", "x"); a.code != http.StatusNoContent {
		t.Errorf("a mail takes %d %q", a.code, a.body)
	}
}

// Who wrote a mail whose answers go to somebody else is said.
func TestWriterIsNamed(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	c, b, path := h.taken(ask{who: "Olena", kind: channels.Email})
	h.put(func(tx store.Tx) error {
		_, _, err := h.ledger.Append(tx, casecore.System("test"), c.ID, casecore.Message{
			Direction: casecore.In, Channel: c.Channel, ExternalID: "2", From: c.To,
			Writer: channels.Address{Kind: channels.Email, Handle: "niece@mail.test"}, Body: channels.Body{Text: "on her behalf"},
		})
		return err
	})
	b.get(path).want(t, http.StatusOK, "Written by niece@mail.test; answers go to the customer")
}

// Copies are one line, repeats say of what, and every event speaks.
func TestTwinsAndEvents(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c, b, path := h.taken(ask{who: "Olena", kind: channels.Email, text: "First"})
	h.says(c, "The copy")
	failed := h.answers(anna, c, "Ready")
	h.deliver(failed, channels.Failed)
	h.answers(anna, c, "Ready")
	first := h.rewrite(c, 1, func(*casecore.Message) {})
	h.rewrite(c, 2, func(m *casecore.Message) { m.CopyOf, m.Channel = first, "email:sales" })
	h.rewrite(c, 4, func(m *casecore.Message) { m.Instead, m.To.Kind = failed.ID, channels.SMS })
	h.put(func(tx store.Tx) error {
		return h.ledger.Ask(tx, casecore.System("intake"), c.ID, first, nil)
	})
	h.put(func(tx store.Tx) error {
		return h.ledger.Stand(tx, casecore.System("notify"), channels.Standing{Channel: c.Channel, Address: c.To, Reason: channels.Blocked, Code: "stop", At: h.now()})
	})
	want := map[string][]string{
		"en":      {"The same also came to Email · sales", "in place of what did not arrive: Email", "The customer is asked which case", "No more messages to this address: the customer asked not to be written to"},
		"ru":      {"То же пришло и сюда: ", "вместо недошедшего", "Клиента спросили", "клиент просил ему не писать"},
		"uk":      {"Те саме надійшло й сюди", "замість недоставленого", "Клієнта запитали", "клієнт просив йому не писати"},
		"sr":      {"Исто је стигло и овде", "уместо недостављеног", "Клијент је упитан", "клијент је тражио"},
		"sr-Latn": {"Isto je stiglo i ovde", "umesto nedostavljenog", "Klijent je upitan", "klijent je tražio"},
	}
	called := h.open(ask{who: "Ivan", kind: channels.SMS})
	b.post("/desk/cases/" + called.CaseNumber() + "/claim")
	for _, end := range []casecore.CallEnd{{Outcome: "busy"}, {Outcome: "operator_no_answer"}, {Outcome: casecore.CallReached, Length: 42 * time.Second}} {
		h.put(func(tx store.Tx) error {
			_, d, err := h.ledger.Dial(tx, anna, called.ID, "", "sms:main")
			if err != nil {
				return err
			}
			_, err = h.ledger.CallEnded(tx, d.ID, "", end)
			return err
		})
	}
	b.get("/desk/cases/"+called.CaseNumber()).want(t, http.StatusOK, "Calling &#43;380", "Call: the line was busy", "Call: on the colleague’s own phone: no answer", "Call: the customer was reached · 42 s")
	for lang, texts := range want {
		b.post("/desk/settings", "lang", lang, "back", "/desk/")
		a := b.get(path)
		a.want(t, http.StatusOK, texts...)
		if m := regexp.MustCompile(`event\.[a-z_]+`).FindString(a.body); m != "" {
			t.Errorf("%s: the page speaks %q", lang, m)
		}
	}
	if b.get(path); strings.Count(b.get(path).body, `<details class="copy">`) != 1 {
		t.Error("a copy is not one line")
	}
}
