package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/api"
	"casewire/routing/desk"
)

var update = flag.Bool("update", false, "write testdata/openapi.json anew")

// document is as much of the OpenAPI document as these tests ask.
type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		ID        string `json:"operationId"`
		Summary   string `json:"summary"`
		Responses map[string]struct {
			Description string         `json:"description"`
			Content     map[string]any `json:"content"`
		} `json:"responses"`
		Security   []any `json:"security"`
		Parameters []struct {
			Name string `json:"name"`
			In   string `json:"in"`
		} `json:"parameters"`
		Body *struct {
			Content map[string]struct {
				Example any `json:"example"`
			} `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
}

func (h *house) document() document {
	h.t.Helper()
	var d document
	h.as("", "GET", "/api/openapi.json", nil).want(200).json(&d)
	return d
}

// Every operation of the document, with something in each parameter.
func (h *house) everyOperation(do func(id, method, path string)) {
	for path, item := range h.document().Paths {
		for method, op := range item {
			full := strings.NewReplacer("{number}", "CW-000001", "{id}", "x", "{message}", "x", "{identity}", "x", "{n}", "1", "{delivery}", "x").Replace(api.Prefix + path)
			do(op.ID, strings.ToUpper(method), full)
		}
	}
}

func TestAnonymousGets401Everywhere(t *testing.T) {
	h := newHouse(t)
	h.arrive("phones")
	n := 0
	h.everyOperation(func(id, method, path string) {
		if id == "sign-in" {
			return
		}
		n++
		for _, body := range []any{nil, m{"x": canary}, "{broken"} {
			for _, header := range [][]string{nil, {"Authorization", "Bearer cwt_forged"}, {"Authorization", "Basic YTpi"}, {"Cookie", "casewire_session=forged"}} {
				a := h.as("", method, path, body, header...)
				if p := a.problem(401, "not_signed_in"); p.Errors != nil {
					t.Errorf("%s: a stranger learns %v", id, p.Errors)
				}
				if a.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s: no WWW-Authenticate", id)
				}
			}
		}
	})
	if n < 30 {
		t.Errorf("only %d operations were tried", n)
	}
}

func TestDocumentIsTheGoldenOne(t *testing.T) {
	h := newHouse(t)
	got := h.as("", "GET", "/api/openapi.json", nil).want(200).body
	golden := filepath.Join("testdata", "openapi.json")
	if *update {
		h.must(os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	h.must(err)
	if string(got) != string(want) {
		t.Error("the document differs from testdata/openapi.json; if that is meant, run this test with -update")
	}
}

func TestDocumentIsComplete(t *testing.T) {
	h := newHouse(t)
	d := h.document()
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("openapi %s", d.OpenAPI)
	}
	for path, item := range d.Paths {
		for method, op := range item {
			at := method + " " + path
			if op.Summary == "" || op.ID == "" {
				t.Errorf("%s has no summary or id", at)
			}
			for status, r := range op.Responses {
				if r.Description == "" {
					t.Errorf("%s %s has no description", at, status)
				}
				if status >= "400" && r.Content["application/problem+json"] == nil {
					t.Errorf("%s %s is no problem", at, status)
				}
			}
			for _, status := range []string{"500", "503"} {
				if _, ok := op.Responses[status]; !ok {
					t.Errorf("%s does not document %s", at, status)
				}
			}
			if _, ok := op.Responses["401"]; !ok || op.Security == nil && op.ID != "sign-in" {
				t.Errorf("%s does not document that one must sign in", at)
			}
			if op.Body != nil {
				if j, ok := op.Body.Content["application/json"]; ok && j.Example == nil && op.ID != "release-case" && op.ID != "put-policy" {
					t.Errorf("%s has no example of its body", at)
				}
			}
			if method == "post" && op.Responses["201"].Description != "" && op.ID != "sign-in" {
				if !slices.ContainsFunc(op.Parameters, func(p struct {
					Name string `json:"name"`
					In   string `json:"in"`
				}) bool {
					return p.Name == "Idempotency-Key"
				}) {
					t.Errorf("%s creates without an Idempotency-Key", at)
				}
			}
		}
	}
}

// Unclaimed, nothing that the customer wrote and nothing that tells who they are
// reaches an operator: not in any answer, header or log line (W5, promise 6).
func TestNoCanaryBeforeTheClaim(t *testing.T) {
	h := newHouse(t)
	waiting := h.arrive("phones")
	foreign := h.held("tv", "clara")
	view, err := h.work.Read(t.Context(), h.ids["susan"], waiting.CaseNumber())
	h.must(err)
	msg, customer := view.Messages[0].ID, waiting.Customer
	for _, c := range []*casecore.Case{waiting, foreign} {
		h.post.Add(desk.Notice{ID: "of-" + c.CaseNumber(), Case: c.CaseNumber(), State: "dead", Open: true, Reason: canary, To: channels.Address{Kind: channels.SMS, Handle: canary}})
	}
	leak := func(a *answer) {
		t.Helper()
		all := string(a.body)
		for k, v := range a.Header {
			all += k + strings.Join(v, " ")
		}
		if strings.Contains(all, canary) {
			t.Errorf("%s %s leaks: %s", a.Request.Method, a.Request.URL, a.body)
		}
	}
	for _, c := range []string{waiting.CaseNumber(), foreign.CaseNumber()} {
		for _, path := range []string{
			"/cases", "/cases?q=" + canary, "/cases?q=" + c, "/cases?queue=phones", "/cases?queue=tv", "/cases?status=new", "/cases?status=in_repair",
			"/cases?customer=" + customer, "/cases?customer=" + foreign.Customer, "/cases?assignee=" + "clara",
			"/cases/" + c, "/cases/" + c + "/timeline", "/cases/" + c + "/dossier", "/cases/" + c + "/files/" + msg + "/1", "/cases/" + c + "/messages/" + msg + "/source",
			"/customers", "/customers?name=Ivan", "/customers/" + customer, "/customers/" + foreign.Customer,
			"/queues", "/queues/phones/cards", "/queues/tv/cards", "/operators", "/me", "/notices", "/notices?state=dead", "/notices?case=" + c,
		} {
			leak(h.as("anna", "GET", api.Prefix+path, nil))
		}
		for path, body := range map[string]m{
			"/release": {"claim_no": 1}, "/transfer": {"queue": "tv", "claim_no": 1}, "/assign": {"operator": "anna", "claim_no": 1},
			"/status": {"to": "ready", "claim_no": 1}, "/messages": {"text": "x", "claim_no": 1}, "/notes": {"text": "x"},
			"/called": {"outcome": "reached"}, "/messages/" + msg + "/refile": {"to": "new"},
		} {
			leak(h.as("anna", "POST", api.Prefix+"/cases/"+c+path, body))
		}
		for _, verb := range []string{"send", "cancel", "resend", "handled"} {
			a := h.as("anna", "POST", api.Prefix+"/notices/of-"+c+"/"+verb, nil)
			leak(a)
			a.problem(404, "not_found")
		}
		leak(h.as("anna", "POST", api.Prefix+"/cases/"+c+"/link", nil))
		leak(h.as("anna", "POST", api.Prefix+"/cases/"+c+"/call", nil))
		leak(h.as("anna", "PATCH", api.Prefix+"/cases/"+c, m{"subject": "mine", "claim_no": 1}))
		leak(h.as("anna", "PATCH", api.Prefix+"/customers/"+customer, m{"name": "mine"}))
	}
	// The same words do reach who has claimed it: the test looks in the right place.
	a := h.as("anna", "POST", api.Prefix+"/cases/"+waiting.CaseNumber()+"/claim", nil).want(200)
	if !strings.Contains(string(a.body), canary) {
		t.Error("the holder does not see the case")
	}
	if log := h.log.String(); strings.Contains(log, canary) || !strings.Contains(log, `"route":"/api/v1/cases/{number}"`) {
		t.Error("the log has the customer's words, or no requests at all")
	}
	for who, secret := range h.tokens {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log has the token of %s", who)
		}
	}
}

// A page can end behind a record that is not for the actor; its cursor tells
// nothing of it, is of use to nobody else, and outlives the process.
func TestCursorsTellNothing(t *testing.T) {
	h := newHouse(t)
	var hidden []*casecore.Case
	for range 3 {
		h.held("phones", "anna")
		hidden = append(hidden, h.arrive("phones"))
	}
	h.held("phones", "anna")
	next := func(who, path string) string {
		var l struct {
			Next string `json:"next_cursor"`
		}
		h.as(who, "GET", api.Prefix+path, nil).want(200).json(&l)
		return l.Next
	}
	for _, path := range []string{"/customers?limit=1", "/customers?limit=1&name=Ivan", "/cases?limit=1", "/cases?limit=1&queue=phones", "/cases?limit=1&status=in_repair"} {
		pages := 0
		for at := next("anna", path); at != ""; at = next("anna", path+"&cursor="+at) {
			pages++
			raw, err := base64.RawURLEncoding.DecodeString(at)
			h.must(err)
			for _, c := range hidden {
				for _, told := range []string{canary, "Ivan", c.ID, c.Customer, store.NumberKey(c.Number)} {
					if strings.Contains(at, told) || bytes.Contains(raw, []byte(told)) {
						t.Errorf("%s: a cursor tells %q", path, told)
					}
				}
			}
			if again := next("anna", path); again == at {
				t.Errorf("%s: equal places have equal cursors", path)
			}
		}
		if pages != 3 {
			t.Errorf("%s: %d cursors on the way, want 3", path, pages)
		}
	}
	at := next("anna", "/customers?limit=1")
	h.as("boris", "GET", api.Prefix+"/customers?cursor="+at, nil).problem(422, "invalid")
	other, err := api.New(h.parts, api.Options{})
	h.must(err)
	srv := httptest.NewServer(other)
	defer srv.Close()
	h.url = srv.URL
	h.as("anna", "GET", api.Prefix+"/customers?cursor="+at, nil).want(200)
}

// What exists and is not for this operator answers as what does not exist.
func TestForeignIdsAreLikeUnknownOnes(t *testing.T) {
	h := newHouse(t)
	mine, foreign, waiting := h.held("phones", "anna"), h.held("tv", "clara"), h.arrive("tv")
	view, err := h.work.Read(t.Context(), h.ids["clara"], foreign.CaseNumber())
	h.must(err)
	foreignMessage := view.Messages[0].ID
	up := h.upload("clara", "theirs.txt", "clara's bytes")
	const unknown = "CW-999999"
	type try struct {
		name, method, path string // FOREIGN and UNKNOWN are put in path and body
		body               m
	}
	for _, f := range []string{foreign.CaseNumber(), waiting.CaseNumber()} {
		for _, tt := range []try{
			{"read", "GET", "/cases/ID", nil}, {"timeline", "GET", "/cases/ID/timeline", nil}, {"dossier", "GET", "/cases/ID/dossier", nil},
			{"file", "GET", "/cases/ID/files/" + foreignMessage + "/1", nil}, {"source", "GET", "/cases/ID/messages/" + foreignMessage + "/source", nil},
			{"claim", "POST", "/cases/ID/claim", nil}, {"release", "POST", "/cases/ID/release", m{"claim_no": 1}},
			{"transfer", "POST", "/cases/ID/transfer", m{"queue": "phones", "claim_no": 1}},
			{"assign", "POST", "/cases/ID/assign", m{"operator": "anna", "claim_no": 1}},
			{"move", "POST", "/cases/ID/status", m{"to": "ready", "claim_no": 1}},
			{"stale move", "POST", "/cases/ID/status", m{"to": "ready", "claim_no": 77}},
			{"answer", "POST", "/cases/ID/messages", m{"text": "x", "claim_no": 1}}, {"note", "POST", "/cases/ID/notes", m{"text": "x"}},
			{"edit", "PATCH", "/cases/ID", m{"subject": "x", "claim_no": 1}}, {"notices", "GET", "/notices?case=ID", nil},
			{"called", "POST", "/cases/ID/called", m{"outcome": "reached"}}, {"call", "POST", "/cases/ID/call", nil}, {"link", "POST", "/cases/ID/link", nil},
			{"refile", "POST", "/cases/ID/messages/" + foreignMessage + "/refile", m{"to": "new"}},
			{"reopen", "POST", "/cases/ID/addresses/" + casecore.IdentityID(foreign.To) + "/reopen", nil},
			{"opt out", "POST", "/cases/ID/addresses/" + casecore.IdentityID(foreign.To) + "/opt-out", m{"reason": "x"}},
			{"opt in", "POST", "/cases/ID/addresses/" + casecore.IdentityID(foreign.To) + "/opt-in", m{"reason": "x"}},
			{"page", "GET", "/cases/ID/page", nil}, {"new page", "POST", "/cases/ID/page", nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				h := *h
				h.t = t
				a := h.as("anna", tt.method, api.Prefix+strings.Replace(tt.path, "ID", f, 1), bodyOf(tt.body))
				b := h.as("anna", tt.method, api.Prefix+strings.Replace(tt.path, "ID", unknown, 1), bodyOf(tt.body))
				pa, pb := a.problem(404, "not_found"), b.problem(404, "not_found")
				pa.Request, pb.Request = "", ""
				if x, y := mustJSON(pa), mustJSON(pb); x != y {
					t.Errorf("they differ:\n%s\n%s", x, y)
				}
			})
		}
	}
	// A foreign id inside one's own case.
	h.as("anna", "GET", api.Prefix+"/cases/"+mine.CaseNumber()+"/files/"+foreignMessage+"/1", nil).problem(404, "not_found")
	h.as("anna", "GET", api.Prefix+"/cases/"+mine.CaseNumber()+"/messages/"+foreignMessage+"/source", nil).problem(404, "not_found")
	p := h.as("anna", "POST", api.Prefix+"/cases/"+mine.CaseNumber()+"/messages", m{"text": "x", "files": []string{up}, "claim_no": mine.ClaimNo}).problem(422, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "#/files/0" {
		t.Errorf("somebody else's upload: %+v", p.Errors)
	}
	for _, path := range []string{"/queues/tv/cards", "/queues/attic/cards", "/customers/" + foreign.Customer, "/customers/x"} {
		h.as("anna", "GET", api.Prefix+path, nil).problem(404, "not_found")
	}
	h.as("anna", "POST", api.Prefix+"/queues/tv/next", nil).problem(404, "not_found")
	h.as("anna", "POST", api.Prefix+"/queues/attic/next", nil).problem(404, "not_found")
	h.as("anna", "POST", api.Prefix+"/cases", m{"customer_id": foreign.Customer, "text": "x"}).problem(404, "not_found")
}

// Who may do what to a case of phones: every role, every verb, in each of the
// states that matter.
func TestRoleByVerb(t *testing.T) {
	type row struct{ own, other, waiting int }
	const no, ok, made, taken = 404, 200, 201, 202
	// own: held by this actor; other: held by boris; waiting: unclaimed.
	table := map[string]map[string]row{
		"read":     {"anna": {ok, ok, 403}, "quentin": {ok, ok, 403}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"claim":    {"anna": {ok, 409, ok}, "quentin": {ok, 409, ok}, "clara": {ok, no, no}, "susan": {ok, 409, ok}, "admin": {ok, 409, ok}, "program": {ok, 409, ok}},
		"note":     {"anna": {made, made, 403}, "quentin": {made, made, 403}, "clara": {made, no, no}, "susan": {made, made, made}, "admin": {made, made, made}, "program": {made, made, made}},
		"messages": {"anna": {made, 409, 409}, "quentin": {made, 409, 409}, "clara": {made, no, no}, "susan": {made, made, made}, "admin": {made, made, made}, "program": {made, made, made}},
		"status":   {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, 422}, "admin": {ok, ok, 422}, "program": {ok, ok, 422}},
		"edit":     {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"transfer": {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"assign":   {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"called":   {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"call":     {"anna": {taken, 409, 409}, "quentin": {taken, 409, 409}, "clara": {taken, no, no}, "susan": {taken, taken, taken}, "admin": {taken, taken, taken}, "program": {taken, taken, taken}},
		"link":     {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"refile":   {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"reopen":   {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"opt-out":  {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"page":     {"anna": {ok, 409, 403}, "quentin": {ok, 409, 403}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"new page": {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"send":     {"anna": {ok, 409, no}, "quentin": {ok, 409, no}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
		"release":  {"anna": {ok, 409, 409}, "quentin": {ok, 409, 409}, "clara": {ok, no, no}, "susan": {ok, ok, ok}, "admin": {ok, ok, ok}, "program": {ok, ok, ok}},
	}
	h := newHouse(t)
	do := func(who, verb string, c string) *answer {
		at := api.Prefix + "/cases/" + c
		k, err := h.work.Read(t.Context(), h.ids["susan"], c)
		h.must(err)
		match := tag(k.Case)
		switch verb {
		case "read":
			return h.as(who, "GET", at, nil)
		case "edit":
			return h.as(who, "PATCH", at, m{"subject": "new"}, "If-Match", match)
		case "claim":
			return h.as(who, "POST", at+"/claim", nil)
		case "note":
			return h.as(who, "POST", at+"/notes", m{"text": "a note"})
		case "called":
			return h.as(who, "POST", at+"/called", m{"outcome": "no_answer"})
		case "call":
			return h.as(who, "POST", at+"/call", nil)
		case "link":
			return h.as(who, "POST", at+"/link", nil)
		case "refile":
			return h.as(who, "POST", at+"/messages/"+k.Messages[0].ID+"/refile", m{"to": "new"})
		case "reopen":
			return h.as(who, "POST", at+"/addresses/"+k.Identities[0].ID+"/reopen", nil)
		case "opt-out":
			return h.as(who, "POST", at+"/addresses/"+k.Identities[0].ID+"/opt-out", m{"reason": "said so"})
		case "page":
			return h.as(who, "GET", at+"/page", nil)
		case "new page":
			return h.as(who, "POST", at+"/page", nil)
		case "send":
			h.post.Add(desk.Notice{ID: "held-" + c, Case: c, State: "held", Held: true})
			return h.as(who, "POST", api.Prefix+"/notices/held-"+c+"/send", nil)
		}
		body := map[string]m{"messages": {"text": "x"}, "status": {"to": "ready"}, "transfer": {"queue": "general"}, "assign": {"operator": "boris"}, "release": {}}[verb]
		return h.as(who, "POST", at+"/"+verb, body, "If-Match", match)
	}
	for _, verb := range sortedKeys(table) {
		for _, who := range sortedKeys(table[verb]) {
			row := table[verb][who]
			t.Run(verb+"/"+who, func(t *testing.T) {
				own := h.arrive("phones")
				_, err := h.work.Assign(t.Context(), h.ids["admin"], own.CaseNumber(), "boris", "", guardNone)
				h.must(err)
				h.holdBy(own, who)
				for name, got := range map[string][2]int{
					"own":     {do(who, verb, own.CaseNumber()).StatusCode, row.own},
					"other":   {do(who, verb, h.held("phones", "boris").CaseNumber()).StatusCode, row.other},
					"waiting": {do(who, verb, h.arrive("phones").CaseNumber()).StatusCode, row.waiting},
				} {
					if got[0] != got[1] {
						t.Errorf("%s: status %d, want %d", name, got[0], got[1])
					}
				}
			})
		}
	}
}

// What is for some roles is refused to the others.
func TestRightsByRole(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		method, path string
		body         any
		may          []string
	}{
		{"GET", "/tokens", nil, []string{"admin"}},
		{"POST", "/tokens", m{}, []string{"admin"}},
		{"DELETE", "/tokens/x", nil, []string{"admin"}},
		{"POST", "/operators", m{}, []string{"admin"}},
		{"PATCH", "/operators/anna", m{}, []string{"admin"}},
		{"POST", "/operators/anna/link", nil, []string{"admin"}},
		{"GET", "/policy", nil, []string{"admin", "susan", "program"}},
		{"PUT", "/policy", m{"document": "x"}, []string{"admin", "susan"}},
		{"GET", "/channels", nil, []string{"admin", "susan"}},
	} {
		for _, p := range people {
			a := h.as(p.login, tt.method, api.Prefix+tt.path, tt.body)
			if may := slices.Contains(tt.may, p.login); may == (a.StatusCode == 403) {
				t.Errorf("%s %s as %s: %d", tt.method, tt.path, p.login, a.StatusCode)
			}
		}
	}
	var list struct {
		Items []map[string]any `json:"items"`
	}
	h.as("anna", "GET", api.Prefix+"/operators", nil).want(200).json(&list)
	if len(list.Items) == 0 || list.Items[0]["roles"] != nil {
		t.Errorf("colleagues see accounts: %v", list.Items)
	}
}

func TestDocsLoadNothingFromElsewhere(t *testing.T) {
	h := newHouse(t)
	a := h.as("", "GET", "/api/docs", nil).want(200)
	page := string(a.body)
	for _, no := range []string{"<script", "http://", "https://", "//unpkg", "@import", "url("} {
		if strings.Contains(page, no) {
			t.Errorf("the page has %q", no)
		}
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	h.everyOperation(func(id, _, _ string) {
		if !strings.Contains(page, `id="`+id+`"`) {
			t.Errorf("%s is not on it", id)
		}
	})
}

func bodyOf(b m) any {
	if b == nil {
		return nil
	}
	return b
}

func mustJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
