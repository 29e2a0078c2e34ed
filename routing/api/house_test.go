package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/blob/dir"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/access"
	"casewire/routing/api"
	"casewire/routing/desk"
	"casewire/routing/desk/desktest"
	"casewire/routing/intake"
	"casewire/routing/wording/wordingtest"
)

// canary is in everything that a customer writes in these tests.
const canary = "zq-canary-4711"

// password is everybody's.
const password = "correct horse battery"

// house is the API over the real rooms, on a real server.
type house struct {
	t       testing.TB
	url     string
	store   store.Store
	staff   *staff.Directory
	ledger  *casecore.Ledger
	work    *desk.Work
	board   *desk.Board
	files   casecore.Files
	policy  *policies
	post    *desktest.Post
	wording *wordingtest.Room
	meter   *desktest.Meter
	hooks   hooks
	parts   api.Parts
	log     *syncBuffer
	tokens  map[string]string // bearer by who
	ids     map[string]casecore.Actor
	seen    *sync.Map // routes that Observe was told of
	no      int
	noBot   bool  // there is no bot whose links open a chat
	refused error // that whoever asks for a call gets; nil: it is made
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var spec = flow.Spec{
	Initial: "new", Taken: "in_repair", Reopen: "in_repair", ReopenWithin: flow.Duration(72 * time.Hour),
	Statuses: []flow.Status{
		{ID: "new", Name: lang.Text{"en": "New"}, Category: flow.New, Next: []string{"in_repair"}},
		{ID: "in_repair", Name: lang.Text{"en": "In repair"}, Category: flow.Open, Next: []string{"ready", "checked", "priced"}},
		{ID: "checked", Name: lang.Text{"en": "Checked"}, Category: flow.Open, Next: []string{"ready"}, Enter: []string{"qc"}},
		{ID: "priced", Name: lang.Text{"en": "Priced"}, Category: flow.Waiting, Next: []string{"in_repair"}, Required: []string{"serial"}},
		{ID: "ready", Name: lang.Text{"en": "Ready"}, Category: flow.Done, Next: []string{"issued", "in_repair"}},
		{ID: "issued", Name: lang.Text{"en": "Issued"}, Category: flow.Closed, Next: []string{"in_repair"}},
	},
}

var rules = routing.Spec{
	Queues: []routing.Queue{
		{ID: "phones", Name: lang.Text{"en": "Phones"}},
		{ID: "tv", Name: lang.Text{"en": "TV and audio"}},
		{ID: "general", Name: lang.Text{"en": "General"}},
	},
	Rules: []routing.Rule{{Name: "all", Then: routing.Then{Queue: "general"}}},
}

// people are who works here: login, roles, queues.
var people = []struct {
	login  string
	role   string
	queues []string
}{
	{"anna", casecore.RoleOperator, []string{"phones"}},
	{"boris", casecore.RoleOperator, []string{"phones"}},
	{"clara", casecore.RoleOperator, []string{"tv"}},
	{"quentin", casecore.RoleQC, []string{"phones"}},
	{"susan", casecore.RoleSupervisor, nil},
	{"admin", casecore.RoleAdmin, nil},
	{"program", casecore.RoleIntegrator, nil},
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, seen: &sync.Map{}, log: &syncBuffer{}, tokens: map[string]string{}, ids: map[string]casecore.Actor{}}
	colls := append(append(casecore.Collections(), staff.Collections()...), api.Collections()...)
	st := stores.Open(t, colls...)
	h.store = st
	blobs, err := dir.Open(filepath.Join(t.TempDir(), "blobs"), dir.Options{})
	h.must(err)
	h.files = casecore.Files{Blobs: blobs}
	f, err := flow.Compile(spec)
	h.must(err)
	r, err := routing.Compile(rules, routing.Options{})
	h.must(err)
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	getFlow, router := func() *flow.Flow { return f }, func() *routing.Router { return r }
	h.ledger = &casecore.Ledger{Flow: getFlow, Now: time.Now}
	h.staff = staff.New(st, staff.Options{Log: log})
	h.work = desk.NewWork(st, h.ledger, router, h.staff)
	h.board = desk.NewBoard(st, router, desk.BoardOptions{})
	h.post = &desktest.Post{Store: st}
	h.wording = &wordingtest.Room{Read: func(ctx context.Context, by casecore.Actor, number string) (string, error) {
		v, err := h.work.Read(ctx, by, number)
		if err != nil {
			return "", err
		}
		return v.Customer.Name, nil
	}}
	h.meter = &desktest.Meter{Day: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	in := intake.New(st, h.ledger, router, blobs, intake.Options{})
	h.policy = &policies{revision: 1, document: "queues: []\n"}
	h.parts = api.Parts{
		Store: st, Work: h.work, Board: h.board, Staff: h.staff, Gate: access.New(h.staff, access.Options{}),
		Flow: getFlow, Router: router, Files: h.files, Policies: h.policy, Channels: health{},
		Opener: counter{in}, Page: h.page, Post: h.post, Meter: h.meter, Wording: h.wording, Hooks: &h.hooks,
		Refile: func(ctx context.Context, by casecore.Actor, message, to string) (*casecore.Case, error) {
			c, err := in.Refile(ctx, by, message, to)
			if errors.Is(err, intake.ErrNoCase) {
				return nil, fmt.Errorf("%w: %w", casecore.ErrNotTheirs, err)
			}
			return c, err
		},
		Link: func(ctx context.Context, by casecore.Actor, number string) (string, error) {
			token, err := h.work.Tie(ctx, by, number)
			if err != nil || h.noBot {
				return "", err
			}
			return "https://t.me/orbita_bot?start=" + token, nil
		},
		Dial: h.dial,
	}
	a, err := api.New(h.parts, api.Options{Log: log, Version: "test", MaxFile: 10 << 20, Observe: func(route, method string, status int, _ time.Duration) {
		h.seen.Store(fmt.Sprint(method, " ", route, " ", status), true)
	}})
	h.must(err)
	srv := httptest.NewServer(a)
	h.url = srv.URL
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.board.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		srv.Close()
		stop()
		wg.Wait()
		h.must(blobs.Close())
	})
	h.hire()
	return h
}

// hire creates everybody and a bearer token that acts like them: same roles and
// queues. Cases are held by the token's actor.
func (h *house) hire() {
	for _, p := range people {
		tok, secret, err := h.staff.IssueToken(h.t.Context(), &staff.Token{Name: p.login, Roles: []string{p.role}, Queues: p.queues}, time.Hour)
		h.must(err)
		h.tokens[p.login] = secret
		h.ids[p.login] = casecore.Actor{ID: "token:" + tok.ID, Name: p.login, Roles: []string{p.role}, Queues: p.queues}
		if p.role != casecore.RoleIntegrator {
			_, err := h.staff.Create(h.t.Context(), staff.Operator{Login: p.login, Name: p.login, Roles: []string{p.role}, Queues: p.queues}, "")
			h.must(err)
		}
	}
}

// counter opens cases through the real intake, as the house does.
type counter struct{ in *intake.Intake }

func (o counter) Open(ctx context.Context, by casecore.Actor, e api.Entry) (*casecore.Case, error) {
	if e.Address.Handle == "" {
		e.Address.Handle = e.Key
	}
	res, err := o.in.Enter(ctx, by, intake.Entry{
		Key: e.Key, Channel: "desk", Customer: e.Customer, From: e.Address, Attributes: e.Attributes,
		Body:  channels.Body{Subject: e.Subject, Text: e.Text, Lang: e.Lang, Files: e.Files},
		Queue: e.Queue, Priority: e.Priority, Category: e.Category, Tags: e.Tags,
	})
	if err != nil {
		return nil, err
	}
	return res.Case, nil
}

// policies is a policy that takes any document but those that say "fault".
type policies struct {
	mu       sync.Mutex
	revision int64
	document string
}

func (p *policies) Current(context.Context) (api.PolicyRevision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return api.PolicyRevision{Revision: p.revision, Document: []byte(p.document), Author: "susan"}, nil
}

func (p *policies) Apply(_ context.Context, by casecore.Actor, doc []byte, note string, revision int64) (api.PolicyRevision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if revision != p.revision {
		return api.PolicyRevision{}, &api.PolicyMoved{Revision: p.revision}
	}
	if strings.Contains(string(doc), "fault") {
		return api.PolicyRevision{}, api.PolicyFaults{{Line: 3, Column: 7, Path: "rules[0]", Detail: "no queue \"x\"; did you mean \"phones\"?"}, {Line: 9, Column: 1, Detail: "unknown key"}}
	}
	p.revision++
	p.document = string(doc)
	return api.PolicyRevision{Revision: p.revision, Document: doc, Author: by.Name, Note: note}, nil
}

type health struct{}

func (health) Examine(_ context.Context, id string) ([]channels.Finding, bool) {
	return []channels.Finding{{Step: "login", Text: "refused", Mend: "ask for a new password"}}, id == "webchat:site"
}

func (health) Channels(context.Context) ([]api.Channel, error) {
	return []api.Channel{{ID: "webchat:site", Kind: "webchat", State: "ok", Words: "last message 2 min ago"}}, nil
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// arrive puts a customer's message into a queue, as a new case.
func (h *house) arrive(queue string) *casecore.Case {
	h.t.Helper()
	h.no++
	who := channels.Address{Kind: channels.SMS, Handle: fmt.Sprintf("+38050%07d", h.no), Name: "Ivan " + canary}
	file, err := h.files.Put(h.t.Context(), "photo-"+canary+".txt", strings.NewReader("bytes "+canary), 1<<20)
	h.must(err)
	raw, err := h.files.Put(h.t.Context(), "", strings.NewReader("raw "+canary), 1<<20)
	h.must(err)
	var c *casecore.Case
	h.must(h.store.Update(h.t.Context(), func(tx store.Tx) error {
		cu := &casecore.Customer{Name: who.Name}
		if err := casecore.Customers.Put(tx, cu); err != nil {
			return err
		}
		err := casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(who)}, Address: who, Customer: cu.ID})
		if err != nil {
			return err
		}
		c, _, err = h.ledger.Open(tx, casecore.System("intake"), casecore.Draft{
			Customer: cu.ID, Channel: "sms:main", To: who, Subject: "Broken " + canary, Queue: queue, Priority: casecore.Normal,
			Attributes: map[string]string{"note": canary}, Trace: casecore.Trace{Rule: "all", Reasons: []casecore.Reason{{Condition: "text", Matched: []string{canary}}}},
		}, casecore.Message{Direction: casecore.In, Channel: "sms:main", From: who, Source: raw.Blob, Broken: canary,
			Body: channels.Body{Text: "Help, " + canary, Quoted: canary, HTML: "<b>" + canary + "</b>", Files: []channels.File{file}}})
		return err
	}))
	return c
}

// held is arrive, claimed by somebody.
func (h *house) held(queue, by string) *casecore.Case {
	h.t.Helper()
	c, err := h.work.Claim(h.t.Context(), h.ids[by], h.arrive(queue).CaseNumber())
	h.must(err)
	return c
}

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
	t    testing.TB
}

// json decodes the body into v.
func (a *answer) json(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.Request.URL.Path, err, a.body)
	}
}

// want fails unless the status is this one.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("%s %s: status %d, want %d: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	return a
}

// problem fails unless the answer is a refusal with this status and code.
func (a *answer) problem(status int, code string) api.Problem {
	a.t.Helper()
	a.want(status)
	var p api.Problem
	a.json(&p)
	if ct := a.Header.Get("Content-Type"); p.Code != code || p.Status != status || ct != "application/problem+json" {
		a.t.Fatalf("%s %s: %s problem %q (%d), want %q: %s", a.Request.Method, a.Request.URL.Path, ct, p.Code, p.Status, code, a.body)
	}
	if p.Title == "" || p.Detail == "" || p.Type != "/api/docs#"+code || p.Request == "" {
		a.t.Errorf("a problem without title, detail, type or request: %s", a.body)
	}
	return p
}

// as sends a request as somebody; body is sent as JSON unless it is nil or a
// string. More headers come in pairs.
func (h *house) as(who, method, path string, body any, header ...string) *answer {
	h.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case io.Reader:
		r = b
	default:
		raw, err := json.Marshal(b)
		h.must(err)
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, r)
	h.must(err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if tok := h.tokens[who]; tok != "" {
		req.Header.Set("Authorization", "Bearer "+tok)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	h.must(err)
	raw, err := io.ReadAll(res.Body)
	h.must(err)
	h.must(res.Body.Close())
	return &answer{res, raw, h.t}
}

func tag(c *casecore.Case) string { return fmt.Sprintf(`"v%d"`, c.Version) }

type m map[string]any

// guardNone believes nothing of the case.
var guardNone casecore.Guard

// holdBy makes somebody the holder, whatever their rights.
func (h *house) holdBy(c *casecore.Case, who string) {
	h.t.Helper()
	h.must(h.store.Update(h.t.Context(), func(tx store.Tx) error {
		_, err := h.ledger.Assign(tx, casecore.System("test"), h.ids[who], c.ID, "", casecore.Guard{})
		return err
	}))
}

// upload sends a file and returns its id.
func (h *house) upload(who, name, content string) string {
	h.t.Helper()
	body, kind := form("file", name, content)
	var up api.Upload
	h.as(who, "POST", api.Prefix+"/files", body, "Content-Type", kind).want(201).json(&up)
	return up.ID
}

func form(field, name, content string) (string, string) {
	var b strings.Builder
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(field, name)
	if err == nil {
		_, err = part.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return err.Error(), ""
	}
	return b.String(), w.FormDataContentType()
}

// bookCollections are those of cases and customers.
func bookCollections() []*store.Coll { return casecore.Collections() }
