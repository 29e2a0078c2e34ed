package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/routing/api"
)

const v1 = api.Prefix

func TestCaseFromCounterToPickup(t *testing.T) {
	h := newHouse(t)
	a := h.as("anna", "POST", v1+"/cases", m{
		"source": "walk_in", "subject": "Cracked screen", "text": "Dropped this morning.\nTouch does not answer.",
		"customer": m{"name": "Іван Петренко", "kind": "sms", "handle": "+380 50 123-45-67", "lang": "uk"},
	}).want(201)
	var opened api.Case
	a.json(&opened)
	if a.Header.Get("Location") != v1+"/cases/"+opened.Number || a.Header.Get("ETag") != fmt.Sprintf(`"v%d"`, opened.Version) {
		t.Errorf("headers %v", a.Header)
	}
	if opened.Subject != "" || opened.CustomerID != "" || opened.Queue != "general" {
		t.Errorf("before the claim its opener sees %+v", opened)
	}
	at := v1 + "/cases/" + opened.Number
	h.as("susan", "POST", at+"/transfer", m{"queue": "phones"}, "If-Match", a.Header.Get("ETag")).want(200)
	var claimed api.Case
	h.as("anna", "POST", at+"/claim", nil).want(200).json(&claimed)
	if claimed.Owner == nil || claimed.Owner.Name != "anna" || claimed.ClaimNo != 1 || claimed.Status != "in_repair" {
		t.Errorf("claimed %+v", claimed)
	}
	var w api.Written
	h.as("anna", "POST", at+"/messages", m{"text": "We are on it.", "claim_no": 1}).want(201).json(&w)
	if w.Message.Direction != casecore.Out || w.Message.To.Handle != "+380501234567" || w.Message.Delivery == nil {
		t.Errorf("written %+v", w.Message)
	}
	h.as("anna", "POST", at+"/notes", m{"text": "Screen is in stock."}).want(201)
	h.as("anna", "PATCH", at, m{"attributes": m{"serial": "X-1"}, "priority": "high", "claim_no": 1}).want(200)
	h.as("anna", "POST", at+"/status", m{"to": "ready", "claim_no": 1}).want(200)
	var detail api.CaseDetail
	h.as("anna", "GET", at, nil).want(200).json(&detail)
	if detail.Customer.Name != "Іван Петренко" || detail.Attributes["serial"] != "X-1" || len(detail.Moves) != 2 || !detail.MayWork {
		t.Errorf("detail %+v", detail)
	}
	var line api.List[api.Event]
	h.as("anna", "GET", at+"/timeline", nil).want(200).json(&line)
	var kinds []string
	for _, e := range line.Items {
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); got != "opened transferred claimed status answered noted edited status" {
		t.Errorf("timeline %s", got)
	}
	if e := line.Items[0]; e.Message == nil || e.Message.Text != "Dropped this morning.\nTouch does not answer." || e.Trace == nil {
		t.Errorf("the first event is %+v", e)
	}
}

func TestChangingNeedsToSayWhichState(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber()
	for path, body := range map[string]m{
		"/release": {}, "/transfer": {"queue": "tv"}, "/assign": {"operator": "boris"}, "/status": {"to": "ready"}, "/messages": {"text": "x"},
	} {
		h.as("anna", "POST", at+path, body).problem(428, "match_required")
	}
	h.as("anna", "PATCH", at, m{"subject": "x"}).problem(428, "match_required")
	h.as("anna", "POST", at+"/release", nil).problem(428, "match_required")

	for _, bad := range []string{"v1", "*", `"1"`, `"v0"`, `"v-1"`, `"v1", "v2"`, `"v99999999999999999999"`} {
		h.as("anna", "PATCH", at, m{"subject": "x"}, "If-Match", bad).problem(422, "invalid")
	}
	a := h.as("anna", "PATCH", at, m{"subject": "x"}, "If-Match", `"v1"`)
	p := a.problem(412, "stale")
	if p.Version != c.Version || p.ClaimNo != c.ClaimNo || a.Header.Get("ETag") != tag(c) || p.Holder == nil {
		t.Errorf("412 without the state as it is now: %+v", p)
	}
	h.as("anna", "PATCH", at, m{"subject": "x", "claim_no": 9}).problem(412, "stale")
	h.as("anna", "PATCH", at, m{"subject": "x"}, "If-Match", tag(c)).want(200)
	h.as("anna", "PATCH", at, m{"subject": "y"}, "If-Match", tag(c)).problem(412, "stale")
	h.as("anna", "PATCH", at, m{"subject": "y", "claim_no": c.ClaimNo}).want(200)

	other := h.held("phones", "boris")
	p = h.as("anna", "POST", v1+"/cases/"+other.CaseNumber()+"/messages", m{"text": "x", "claim_no": 1}).problem(409, "taken")
	if p.Holder == nil || p.Holder.Name != "boris" {
		t.Errorf("409 without the holder: %+v", p)
	}
}

func TestFlowRefusalsSayWhy(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber()
	for to, code := range map[string]string{"issued": "not_next", "checked": "role", "priced": "required", "nowhere": "unknown_status"} {
		p := h.as("anna", "POST", at+"/status", m{"to": to, "claim_no": 1}).problem(422, code)
		if code == "required" && (len(p.Missing) != 1 || p.Missing[0] != "serial" || p.Errors[0].Pointer != "#/attributes/serial") {
			t.Errorf("required: %+v", p)
		}
	}
}

// A refusal says what is so, and what to do instead, in plain words.
func TestRefusalsAreMendable(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber()
	p := h.as("anna", "POST", at+"/status", m{"from": "checked", "to": "issued"}).problem(412, "stale")
	if p.In != c.Status || !strings.Contains(p.Detail, fmt.Sprintf("is in %q, not in %q", c.Status, "checked")) {
		t.Errorf("412 does not say in which status it is: %+v", p)
	}
	p = h.as("anna", "POST", at+"/status", m{"to": "issued", "claim_no": 1}).problem(422, "not_next")
	if !strings.Contains(p.Detail, "from here: ") {
		t.Errorf("not_next does not say what does: %q", p.Detail)
	}
	for path, want := range map[string]string{"/reports/notices?from=yesterday": "must be an RFC 3339 date", "/notices?state=lost": "must be one of "} {
		p = h.as("admin", "GET", v1+path, nil).problem(422, "invalid")
		if len(p.Errors) != 1 || !strings.HasPrefix(p.Errors[0].Detail, want) {
			t.Errorf("%s: %+v, want %q", path, p.Errors, want)
		}
	}
}

func TestRepeatsChangeNothing(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber()
	sender := m{"name": "Ivan", "kind": "email", "handle": "ivan@example.org"}
	for _, tt := range []struct {
		name, who, path string
		body, twin      m
		secret          string
	}{
		{"message", "anna", at + "/messages", m{"text": "once", "claim_no": 1}, m{"text": "twice", "claim_no": 1}, ""},
		{"note", "anna", at + "/notes", m{"text": "once"}, m{"text": "twice"}, ""},
		{"case", "anna", v1 + "/cases", m{"customer": sender, "text": "once"}, m{"customer": sender, "text": "twice"}, ""},
		{"customer", "anna", v1 + "/customers", m{"name": "Once"}, m{"name": "Twice"}, ""},
		{"operator", "admin", v1 + "/operators", m{"login": "once", "name": "Once", "roles": []string{"operator"}}, m{"login": "twice", "name": "T", "roles": []string{"operator"}}, "link"},
		{"token", "admin", v1 + "/tokens", m{"name": "Once", "roles": []string{"integrator"}, "expires_at": "2099-01-01T00:00:00Z"}, m{"name": "T", "roles": []string{"operator"}, "expires_at": "2027-01-01T00:00:00Z"}, "secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "token" {
				tt.body["expires_at"] = time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
			}
			key := "key-of-" + tt.name
			first := h.as(tt.who, "POST", tt.path, tt.body, "Idempotency-Key", key).want(201)
			again := h.as(tt.who, "POST", tt.path, tt.body, "Idempotency-Key", key).want(201)
			if again.Header.Get("Idempotent-Replayed") != "true" || first.Header.Get("Idempotent-Replayed") != "" {
				t.Error("the repeat is not marked")
			}
			for _, k := range []string{"ETag", "Location"} {
				if first.Header.Get(k) != again.Header.Get(k) {
					t.Errorf("%s differs", k)
				}
			}
			var a, b map[string]any
			first.json(&a)
			again.json(&b)
			if tt.secret != "" {
				if a[tt.secret] == nil || b[tt.secret] != nil {
					t.Errorf("the secret is told %v, then %v", a[tt.secret], b[tt.secret])
				}
				delete(a, tt.secret)
			}
			if x, y := mustJSON(a), mustJSON(b); x != y {
				t.Errorf("answers differ:\n%s\n%s", x, y)
			}
			h.as(tt.who, "POST", tt.path, tt.twin, "Idempotency-Key", key).problem(422, "key_reused")
			// Another actor's key is another key.
			if tt.who == "anna" && tt.name != "message" {
				if again := h.as("susan", "POST", tt.path, tt.body, "Idempotency-Key", key).want(201); again.Header.Get("Idempotent-Replayed") != "" {
					t.Error("somebody else gets anna's answer")
				}
			}
		})
	}
	var line api.List[api.Event]
	h.as("anna", "GET", at+"/timeline", nil).want(200).json(&line)
	counts := map[casecore.EventKind]int{}
	for _, e := range line.Items {
		counts[e.Kind]++
	}
	if counts[casecore.Answered] != 1 || counts[casecore.Noted] != 2 {
		t.Errorf("events %v, want one answer and two people's notes", counts)
	}
}

func TestRepeatOfALinkKeepsTheFirst(t *testing.T) {
	h := newHouse(t)
	var first, again, other api.SignInLink
	at := v1 + "/operators/anna/link"
	h.as("admin", "POST", at, nil, "Idempotency-Key", "link-1").want(201).json(&first)
	a := h.as("admin", "POST", at, nil, "Idempotency-Key", "link-1").want(201)
	a.json(&again)
	if a.Header.Get("Idempotent-Replayed") != "true" || again.Secret != "" || !again.ExpiresAt.Equal(first.ExpiresAt) {
		t.Errorf("the repeat is %+v, %v", again, a.Header)
	}
	if o, err := h.staff.LinkOwner(t.Context(), first.Secret); err != nil || o.Login != "anna" {
		t.Errorf("the repeat ended the link that was told: %v", err)
	}
	h.as("admin", "POST", v1+"/operators/boris/link", nil, "Idempotency-Key", "link-1").problem(422, "key_reused")
	h.as("admin", "POST", at, nil).want(201).json(&other)
	if other.Secret == "" || other.Secret == first.Secret {
		t.Error("without a key there is no new link")
	}
}

func TestOpenedInTheQueueThatWasAskedFor(t *testing.T) {
	h := newHouse(t)
	for queue, want := range map[string]string{"tv": "tv", "": "general"} {
		var k api.Case
		h.as("program", "POST", v1+"/cases", m{"customer": m{"name": "Ivan"}, "text": "No picture.", "queue": queue}).want(201).json(&k)
		if k.Queue != want {
			t.Errorf("asked for %q: opened in %q, want %q", queue, k.Queue, want)
		}
	}
	h.as("program", "POST", v1+"/cases", m{"customer": m{"name": "Ivan"}, "text": "x", "queue": "attic"}).problem(422, "invalid")
}

// Sixteen requests with one key at once make one message and get one answer.
func TestRepeatsAtOnce(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber()
	// together sends n requests at once and counts the different answers.
	together := func(n, status int, who, path string, body any, header ...string) int {
		t.Helper()
		all := make([]*answer, n)
		var wg sync.WaitGroup
		for i := range all {
			wg.Go(func() { all[i] = h.as(who, "POST", path, body, header...) })
		}
		wg.Wait()
		different := map[string]bool{}
		for _, a := range all {
			different[string(a.want(status).body)] = true
		}
		return len(different)
	}
	if n := together(16, 201, "anna", at+"/messages", m{"text": "once", "claim_no": 1}, "Idempotency-Key", "one"); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	// If-Match is stale for all but the first.
	match := h.as("anna", "GET", at, nil).want(200).Header.Get("ETag")
	if n := together(8, 201, "anna", at+"/messages", m{"text": "twice"}, "Idempotency-Key", "two", "If-Match", match); n != 1 {
		t.Errorf("%d messages under If-Match, want 1", n)
	}
	h.arrive("phones") // one only: whoever comes late finds the queue empty
	if n := together(8, 200, "boris", v1+"/queues/phones/next", nil, "Idempotency-Key", "next-1"); n != 1 {
		t.Errorf("%d cases taken under one key, want 1", n)
	}
}

func TestSweepForgetsOldAnswersAndUploads(t *testing.T) {
	h := newHouse(t)
	h.as("anna", "POST", v1+"/customers", m{"name": "Once"}, "Idempotency-Key", "k").want(201)
	h.upload("anna", "a.txt", "bytes")
	if n, err := api.Sweep(t.Context(), h.store, time.Now(), 100); n != 0 || err != nil {
		t.Fatalf("swept %d, %v at once", n, err)
	}
	if n, err := api.Sweep(t.Context(), h.store, time.Now().Add(24*time.Hour+time.Minute), 100); n != 2 || err != nil {
		t.Errorf("swept %d, %v; want the answer and the upload", n, err)
	}
	again := h.as("anna", "POST", v1+"/customers", m{"name": "Once"}, "Idempotency-Key", "k").want(201)
	if again.Header.Get("Idempotent-Replayed") != "" {
		t.Error("an answer that was swept is repeated")
	}
}

func TestListsPage(t *testing.T) {
	h := newHouse(t)
	var all []string
	for i := range 7 {
		c := h.held("phones", []string{"anna", "boris"}[i%2])
		all = append([]string{c.CaseNumber()}, all...)
	}
	h.arrive("phones")
	h.held("tv", "clara")
	read := func(query string) (got []string) {
		at := ""
		for {
			var l api.List[api.Case]
			h.as("anna", "GET", v1+"/cases?limit=3"+query+at, nil).want(200).json(&l)
			if len(l.Items) > 3 {
				t.Fatalf("%d items", len(l.Items))
			}
			for _, c := range l.Items {
				got = append(got, c.Number)
			}
			if l.Next == "" {
				return got
			}
			at = "&cursor=" + l.Next
		}
	}
	mine := []string{all[0], all[2], all[4], all[6]}
	for query, want := range map[string][]string{
		"": all, "&queue=phones": all, "&queue=tv": nil, "&status=in_repair": all, "&status=new": nil,
		"&assignee=me": mine, "&assignee=boris&queue=tv": nil, "&q=" + all[3]: {all[3]}, "&q=BROKEN": all, "&q=nothing": nil,
		"&q=CW-000008": nil, "&customer=x": nil,
	} {
		if got := read(query); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	var l api.List[api.Case]
	h.as("anna", "GET", v1+"/cases?limit=1", nil).want(200).json(&l)
	for _, bad := range []string{"x", "!!", l.Next + "x", "eyJpIjoiIn0"} {
		h.as("anna", "GET", v1+"/cases?cursor="+bad, nil).problem(422, "invalid")
	}
	p := h.as("anna", "GET", v1+"/cases?queue=phones&cursor="+l.Next, nil).problem(422, "invalid")
	if p.Errors[0].Parameter != "cursor" || !strings.Contains(p.Errors[0].Detail, "other filters") {
		t.Errorf("a cursor of another list: %+v", p.Errors)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "queue=attic", "status=x", "assignee=nobody", "unknown=1"} {
		if p := h.as("anna", "GET", v1+"/cases?"+query, nil).problem(422, "invalid"); len(p.Errors) != 1 || p.Errors[0].Parameter == "" {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	at := v1 + "/cases/" + all[0] + "/timeline"
	var first, second api.List[api.Event]
	h.as("anna", "GET", at+"?limit=2", nil).want(200).json(&first)
	h.as("anna", "GET", at+"?limit=2&cursor="+first.Next, nil).want(200).json(&second)
	if len(first.Items) != 2 || len(second.Items) != 1 || second.Items[0].Seq != 3 || second.Next != "" {
		t.Errorf("timeline pages: %+v, %+v", first, second)
	}
}

func TestQueues(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("phones")
	var l api.List[api.Queue]
	eventually(t, func() bool {
		h.as("anna", "GET", v1+"/queues", nil).want(200).json(&l)
		return len(l.Items) == 1 && l.Items[0].ID == "phones" && l.Items[0].Waiting == 1
	})
	h.as("susan", "GET", v1+"/queues", nil).want(200).json(&l)
	if len(l.Items) != 3 {
		t.Errorf("the supervisor sees %d queues", len(l.Items))
	}
	var cards struct {
		Items []map[string]any `json:"items"`
	}
	h.as("anna", "GET", v1+"/queues/phones/cards", nil).want(200).json(&cards)
	if len(cards.Items) != 1 || cards.Items[0]["number"] != c.CaseNumber() {
		t.Fatalf("cards %v", cards.Items)
	}
	for k := range cards.Items[0] {
		if !strings.Contains(" number queue channel_kind category priority status received_at due_at sla position ", " "+k+" ") {
			t.Errorf("a card has %s", k)
		}
	}
	h.as("anna", "POST", v1+"/queues/phones/next", nil).want(200)
	h.as("anna", "POST", v1+"/queues/phones/next", nil).problem(404, "nothing_waiting")
}

func TestRoutesAreObserved(t *testing.T) {
	h := newHouse(t)
	h.as("anna", "GET", v1+"/cases/CW-000404", nil, "X-Request-Id", "their-id-0001").problem(404, "not_found")
	a := h.as("anna", "GET", v1+"/nothing/"+canary, nil)
	a.problem(404, "not_found")
	a = h.as("anna", "DELETE", v1+"/cases", nil)
	a.problem(405, "method_not_allowed")
	if got := a.Header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow: %s", got)
	}
	h.as("anna", "BREW", v1+"/cases", nil).problem(405, "method_not_allowed")
	for _, want := range []string{"GET /api/v1/cases/{number} 404", "GET other 404", "DELETE other 405", "other other 405"} {
		eventually(t, func() bool { _, ok := h.seen.Load(want); return ok })
	}
	log := h.log.String()
	if !strings.Contains(log, `"request":"their-id-0001"`) || strings.Contains(log, canary) || strings.Contains(log, "CW-000404") {
		t.Errorf("log:\n%s", log)
	}
}

// eventually waits for something that happens by itself, without sleeping.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(5 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it did not happen within five seconds")
		}
	}
}
