package api_test

import (
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/api"
	"casewire/routing/desk"
)

func (h *house) detail(who string, c *casecore.Case) (d api.CaseDetail) {
	h.t.Helper()
	h.as(who, "GET", v1+"/cases/"+c.CaseNumber(), nil).want(200).json(&d)
	return d
}

func (h *house) timeline(who string, c *casecore.Case) []api.Event {
	h.t.Helper()
	var l api.List[api.Event]
	h.as(who, "GET", v1+"/cases/"+c.CaseNumber()+"/timeline", nil).want(200).json(&l)
	return l.Items
}

func (h *house) notices(query string) (ids []string, next string) {
	h.t.Helper()
	var l api.List[api.Notice]
	h.as("anna", "GET", v1+"/notices"+query, nil).want(200).json(&l)
	for _, n := range l.Items {
		ids = append(ids, n.ID)
	}
	return ids, l.Next
}

// What waits can be hurried or stopped once, what failed can be sent again once or
// marked as seen to, and a second try says that it comes too late.
func TestNotices(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	other := h.held("phones", "boris")
	due := time.Now().Add(2 * time.Minute)
	_, waits, err := h.work.Answer(t.Context(), h.ids["anna"], c.CaseNumber(), channels.Body{Text: "x"}, guardNone)
	h.must(err)
	for _, n := range []desk.Notice{
		{ID: "a", Case: c.CaseNumber(), State: "dead", Reason: "30005", Open: true, To: c.To, Channel: "sms:main"},
		{ID: "b", Case: other.CaseNumber(), State: "skipped", Reason: "no_address", Open: true, Template: "ready"},
		{ID: "c", Case: c.CaseNumber(), Message: waits.ID, State: "held", Held: true, Due: due, Template: "ready"},
		{ID: "d", Case: c.CaseNumber(), Message: waits.ID, State: "held", Held: true, Due: due},
		{ID: "e", Case: c.CaseNumber(), State: "dead", Reason: "unsure", Open: true},
	} {
		h.post.Add(n)
	}
	if ids, _ := h.notices(""); strings.Join(ids, "") != "abe" {
		t.Errorf("without a filter: %v", ids)
	}
	if ids, _ := h.notices("?case=" + c.CaseNumber()); strings.Join(ids, "") != "acde" {
		t.Errorf("of one case: %v", ids)
	}
	if ids, _ := h.notices("?state=held"); strings.Join(ids, "") != "cd" {
		t.Errorf("held: %v", ids)
	}
	ids, next := h.notices("?limit=2")
	rest, end := h.notices("?limit=2&cursor=" + next)
	if strings.Join(ids, "") != "ab" || strings.Join(rest, "") != "e" || end != "" {
		t.Errorf("pages %v %v %q", ids, rest, end)
	}
	h.as("anna", "GET", v1+"/notices?case=CW-000001&state=held", nil).problem(422, "invalid")
	h.as("anna", "GET", v1+"/notices?state=lost", nil).problem(422, "invalid")
	h.as("anna", "GET", v1+"/notices?state=held&cursor="+next, nil).problem(422, "invalid")
	h.as("anna", "GET", v1+"/notices?case=CW-999999", nil).problem(404, "not_found")
	h.as("anna", "GET", v1+"/notices?case="+h.arrive("phones").CaseNumber(), nil).problem(403, "forbidden")

	at := func(id, verb string) string { return v1 + "/notices/" + id + "/" + verb }
	var n api.Notice
	h.as("anna", "POST", at("c", "send"), nil).want(200).json(&n)
	if n.State != "pending" || n.Held || n.DueAt != nil {
		t.Errorf("hurried: %+v", n)
	}
	h.as("anna", "POST", at("c", "send"), nil).problem(409, "late")
	h.as("anna", "POST", at("c", "cancel"), nil).problem(409, "late")
	h.as("anna", "POST", at("d", "cancel"), nil).want(200)
	h.as("anna", "POST", at("d", "cancel"), nil).problem(409, "late")
	last := h.timeline("anna", c)
	if d := last[len(last)-1].Message.Delivery; d == nil || d.State != channels.Cancelled {
		t.Errorf("a stopped message is %+v", d)
	}
	h.as("anna", "POST", at("a", "resend"), map[string]any{"identity": "nobody"}).problem(404, "not_found")
	h.as("anna", "POST", at("a", "resend"), map[string]any{"identity": casecore.IdentityID(other.To)}).problem(404, "not_found")
	h.as("anna", "POST", at("a", "resend"), nil).want(200).json(&n)
	if n.ID != "a+" || n.To.Handle != c.To.Handle {
		t.Errorf("sent again: %+v", n)
	}
	h.as("anna", "POST", at("a", "resend"), nil).problem(409, "late")
	h.as("anna", "POST", at("b", "handled"), nil).problem(409, "taken")
	h.as("anna", "POST", at("e", "handled"), nil).want(200).json(&n)
	if n.HandledBy != "anna" || n.Open {
		t.Errorf("seen to: %+v", n)
	}
	h.as("anna", "POST", at("e", "handled"), nil).problem(409, "late")
	h.as("anna", "POST", at("nothing", "handled"), nil).problem(404, "not_found")
	if ids, _ := h.notices(""); strings.Join(ids, "") != "b" {
		t.Errorf("left: %v", ids)
	}
}

// A call that nobody answered is made again; one that reached the customer ends
// the task, once.
func TestCalls(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber() + "/called"
	msg := h.timeline("anna", c)[0].Message.ID
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		return h.ledger.WantCall(tx, casecore.System("notify"), c.ID, "blocked", msg)
	}))
	if call := h.detail("anna", c).Call; call == nil || call.Reason != "blocked" || call.Message != msg || call.Since.IsZero() {
		t.Errorf("call %+v", call)
	}
	h.as("anna", "POST", at, m{"outcome": "busy"}).problem(422, "invalid")
	h.as("anna", "POST", at, m{}).problem(422, "invalid")
	var k, again api.Case
	h.as("anna", "POST", at, m{"outcome": "no_answer", "note": "after six"}, "Idempotency-Key", "call-1").want(200).json(&k)
	a := h.as("anna", "POST", at, m{"outcome": "no_answer", "note": "after six"}, "Idempotency-Key", "call-1").want(200)
	a.json(&again)
	if k.Call == nil || k.Call.Tries != 1 || again.Call == nil || again.Call.Tries != 1 || a.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("tries %+v, %+v", k.Call, again.Call)
	}
	h.as("anna", "POST", at, m{"outcome": "reached"}, "Idempotency-Key", "call-1").problem(422, "key_reused")
	h.as("anna", "POST", at, m{"outcome": "reached"}).want(200)
	if d := h.detail("anna", c); d.Call != nil {
		t.Errorf("still to be called: %+v", d.Call)
	}
	var said []string
	for _, e := range h.timeline("anna", c) {
		if e.Kind == casecore.CallWanted || e.Kind == casecore.CallMade {
			said = append(said, string(e.Kind)+" "+e.To+" "+e.Reason)
		}
	}
	if got := strings.Join(said, "|"); got != "call_wanted blocked |called no_answer after six|called reached " {
		t.Errorf("timeline %q", got)
	}
}

// twin is another case of the same customer.
func (h *house) twin(c *casecore.Case, by string) *casecore.Case {
	h.t.Helper()
	other := h.held("phones", by)
	h.must(h.store.Update(h.t.Context(), func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, other.ID)
		if err != nil {
			return err
		}
		k.Customer = c.Customer
		return casecore.Cases.Put(tx, k)
	}))
	return other
}

// A message goes to the case it is about, and back; whoever reads the old case
// does not read on in the new one.
func TestRefile(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	other, stranger := h.twin(c, "boris"), h.held("phones", "anna")
	msg := h.timeline("anna", c)[0].Message.ID
	at := v1 + "/cases/" + c.CaseNumber() + "/messages/" + msg + "/refile"
	h.as("anna", "POST", at, m{"to": "somewhere"}).problem(422, "invalid")
	h.as("anna", "POST", at, m{"to": "CW-999999"}).problem(422, "invalid")
	h.as("anna", "POST", at, m{"to": stranger.CaseNumber()}).problem(422, "invalid")
	h.as("anna", "POST", v1+"/cases/"+stranger.CaseNumber()+"/messages/"+msg+"/refile", m{"to": "new"}).problem(404, "not_found")

	var k api.Case
	h.as("anna", "POST", at, m{"to": other.CaseNumber()}).want(200).json(&k)
	if k.Number != other.CaseNumber() {
		t.Errorf("it went to %s", k.Number)
	}
	h.as("anna", "POST", at, m{"to": other.CaseNumber()}).problem(404, "not_found") // it has left
	line := h.timeline("anna", c)
	if e := line[len(line)-1]; e.Kind != casecore.Refiled || e.To != other.CaseNumber() || e.Message != nil || line[0].Message != nil {
		t.Errorf("the old case shows %+v", e)
	}
	line = h.timeline("boris", other)
	if e := line[len(line)-1]; e.Kind != casecore.Refiled || e.From != c.CaseNumber() || e.Message == nil {
		t.Errorf("the new case shows %+v", e)
	}
	// The undo is for who moved it, until its holder has done something.
	back := v1 + "/cases/" + other.CaseNumber() + "/messages/" + msg + "/refile"
	h.as("anna", "POST", back, m{"to": "new"}).problem(409, "taken")
	h.as("anna", "POST", back, m{"to": c.CaseNumber()}).want(200)
	h.as("anna", "POST", at, m{"to": other.CaseNumber()}).want(200)
	h.as("boris", "POST", v1+"/cases/"+other.CaseNumber()+"/notes", m{"text": "mine now"}).want(201)
	h.as("anna", "POST", back, m{"to": c.CaseNumber()}).problem(409, "taken")
	h.as("boris", "POST", back, m{"to": c.CaseNumber()}).want(200)

	// A new case waits where the rules put it, and shows no more than a card.
	h.as("anna", "POST", at, m{"to": "new"}).want(200).json(&k)
	if k.Number == c.CaseNumber() || k.Queue != "general" || k.Subject != "" || k.CustomerID != "" {
		t.Errorf("a new case is %+v", k)
	}
	_, answer, err := h.work.Answer(t.Context(), h.ids["anna"], c.CaseNumber(), channels.Body{Text: "ours"}, guardNone)
	h.must(err)
	h.as("anna", "POST", v1+"/cases/"+c.CaseNumber()+"/messages/"+answer.ID+"/refile", m{"to": "new"}).problem(422, "invalid")
}

func TestLinkForTheCustomersChat(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber() + "/link"
	var l, other api.Link
	h.as("anna", "POST", at, nil).want(200).json(&l)
	h.as("anna", "POST", at, nil).want(200).json(&other)
	if !strings.HasPrefix(l.URL, "https://t.me/orbita_bot?start=") || l.URL == other.URL {
		t.Errorf("links %q, %q", l.URL, other.URL)
	}
	if _, token, _ := strings.Cut(l.URL, "="); strings.Contains(h.log.String(), token) {
		t.Error("the log has the token")
	}
	h.noBot = true
	h.as("anna", "POST", at, nil).problem(409, "no_link")
}

// An address that was given up is opened by an operator's word, one that its owner
// closed is not.
func TestReopenAddress(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	shut := func(code string) {
		h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
			i, err := casecore.Identities.Get(tx, casecore.IdentityID(c.To))
			if err != nil {
				return err
			}
			i.Shut = &casecore.Shut{Reason: channels.BadAddress, Code: code, Channel: "sms:main", At: time.Now()}
			return casecore.Identities.Put(tx, i)
		}))
	}
	shut("30005")
	known := h.detail("anna", c).Customer.Addresses[0]
	if known.Shut == nil || known.Shut.Code != "30005" {
		t.Fatalf("address %+v", known)
	}
	at := v1 + "/cases/" + c.CaseNumber() + "/addresses/"
	h.as("anna", "POST", at+known.ID+"/reopen", nil).want(200)
	h.as("anna", "POST", at+known.ID+"/reopen", nil).want(200) // twice changes nothing
	if known := h.detail("anna", c).Customer.Addresses[0]; known.Shut != nil {
		t.Errorf("still shut: %+v", known.Shut)
	}
	shut(casecore.StopCode)
	h.as("anna", "POST", at+known.ID+"/reopen", nil).problem(409, "wish")
	h.as("anna", "POST", at+casecore.IdentityID(h.arrive("phones").To)+"/reopen", nil).problem(404, "not_found")
	h.as("anna", "POST", at+"nothing/reopen", nil).problem(404, "not_found")
}

func TestMessagesTellOfTheirTwins(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		m, err := casecore.Messages.First(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)})
		if err != nil {
			return err
		}
		m.CopyOf, m.Instead = "first", "failed"
		return casecore.Messages.Put(tx, m)
	}))
	if m := h.timeline("anna", c)[0].Message; m.CopyOf != "first" || m.Instead != "failed" {
		t.Errorf("message %+v", m)
	}
}
