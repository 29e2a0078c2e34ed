package console_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/access"
	"casewire/routing/console"
	"casewire/routing/desk"
	"casewire/routing/desk/desktest"
	"casewire/routing/intake"
	"casewire/routing/live"
	"casewire/routing/wording/wordingtest"
)

// house is the console over a real store, real sessions and the real board, with
// a clock that the test moves.
type house struct {
	t       testing.TB
	store   store.Store
	ledger  *casecore.Ledger
	work    *desk.Work
	board   *desk.Board
	staff   *staff.Directory
	files   *files
	flow    *flow.Flow
	router  *routing.Router
	post    *desktest.Post
	wording *wordingtest.Room
	meter   *desktest.Meter
	hooks   hooks
	url     string
	told    console.Told // what Preview says besides the text
	dialled []string
	noCall  error
	noBot   bool
	away    channels.Kind // of channels that were removed

	mu     sync.Mutex
	shift  time.Duration
	number int
	typed  []channels.Address
}

const password = "correct horse battery"

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.shift)
}

// at runs do as if it were d ago.
func (h *house) at(d time.Duration, do func()) {
	set := func(v time.Duration) { h.mu.Lock(); h.shift = v; h.mu.Unlock() }
	set(-d)
	defer set(0)
	do()
}

func text(en, ru string) lang.Text { return lang.Text{"en": en, "ru": ru, "uk": ru, "sr": ru} }

var spec = flow.Spec{
	Initial: "new", Taken: "in_work", Reopen: "in_work", ReopenWithin: flow.Duration(14 * 24 * time.Hour),
	Statuses: []flow.Status{
		{ID: "new", Name: text("New", "Новая"), Category: flow.New, Next: []string{"in_work"}},
		{ID: "in_work", Name: text("In work", "В работе"), Category: flow.Open, Next: []string{"awaiting", "agreed", "repaired", "refused"}, Limit: flow.Duration(4 * time.Hour)},
		{ID: "awaiting", Name: text("Waiting for the customer", "Ждём ответа клиента"), Category: flow.Waiting, Next: []string{"in_work", "agreed", "refused"}, Paused: true, Notice: "awaiting"},
		{ID: "agreed", Name: text("Estimate agreed", "Смета согласована"), Category: flow.Open, Next: []string{"repaired", "refused"}, Required: []string{"estimate"}, Notice: "agreed"},
		{ID: "repaired", Name: text("Repaired, ready for pickup", "Отремонтировано, можно забирать"), Category: flow.Done, Next: []string{"issued", "in_work"}, Required: []string{"model"}, Notice: "repaired"},
		{ID: "refused", Name: text("Repair declined", "Отказ от ремонта"), Category: flow.Done, Next: []string{"issued", "in_work"}, Enter: []string{"supervisor", "operator"}, Notice: "refused"},
		{ID: "issued", Name: text("Issued to the customer", "Выдано клиенту"), Category: flow.Closed, Next: []string{"in_work"}},
	},
}

var routes = routing.Spec{
	Queues: []routing.Queue{
		{ID: "phones", Name: text("Phones and tablets", "Телефоны и планшеты"), React: flow.Duration(time.Hour)},
		{ID: "computers", Name: text("Computers", "Компьютеры"), React: flow.Duration(2 * time.Hour)},
		{ID: "appliances", Name: text("Household appliances", "Бытовая техника")},
		{ID: "tv", Name: text("TV and audio", "ТВ и аудио")},
		{ID: "general", Name: text("Everything else", "Остальное")},
	},
	Rules: []routing.Rule{{Name: "everything else", Then: routing.Then{Queue: "general"}}},
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, files: &files{blobs: map[string][]byte{}}}
	h.store = stores.Open(t, slices.Concat(casecore.Collections(), staff.Collections())...)
	var err error
	h.flow, err = flow.Compile(spec)
	h.must(err)
	h.router, err = routing.Compile(routes, routing.Options{})
	h.must(err)
	getFlow, getRouter := func() *flow.Flow { return h.flow }, func() *routing.Router { return h.router }
	h.ledger = &casecore.Ledger{Flow: getFlow, Now: h.now}
	h.staff = staff.New(h.store, staff.Options{})
	h.work = desk.NewWork(h.store, h.ledger, getRouter, h.staff)
	h.board = desk.NewBoard(h.store, getRouter, desk.BoardOptions{Coalesce: time.Millisecond})
	h.background("board", h.board.Run)
	gate := access.New(h.staff, access.Options{})
	h.post = &desktest.Post{Store: h.store}
	h.wording = &wordingtest.Room{Read: func(ctx context.Context, by casecore.Actor, number string) (string, error) {
		v, err := h.work.Read(ctx, by, number)
		if err != nil {
			return "", err
		}
		return v.Customer.Name, nil
	}}
	h.meter = &desktest.Meter{Day: time.Now().UTC().Truncate(24 * time.Hour)}
	in := intake.New(h.store, h.ledger, getRouter, nil, intake.Options{})
	c, err := console.New(console.Options{
		Work: h.work, Board: h.board, Gate: gate, Staff: h.staff,
		Router: getRouter, Flow: getFlow, Centre: func() string { return "Orbita Service" },
		Files: h.files, FileLimit: 1 << 16,
		Preview: func(_ context.Context, k *casecore.Case, to string) (*console.Told, error) {
			if h.flow.Status(to).Notice == "" {
				return nil, nil
			}
			told := h.told
			if told.Kind = k.To.Kind; told.Reason == "" && !told.TakesBack {
				told.Text = "“" + h.flow.Status(to).Label(k.Lang) + "”"
			}
			return &told, nil
		},
		Post: h.post, Meter: h.meter, Hooks: &h.hooks, Wording: h.wording,
		Refile: func(ctx context.Context, by casecore.Actor, message, to string) (*casecore.Case, error) {
			k, err := in.Refile(ctx, by, message, to)
			if errors.Is(err, intake.ErrNoCase) {
				return nil, fmt.Errorf("%w: %w", casecore.ErrNotTheirs, err)
			}
			return k, err
		},
		Link: func(ctx context.Context, by casecore.Actor, number string) (string, error) {
			token, err := h.work.Tie(ctx, by, number)
			if err != nil || h.noBot {
				return "", err
			}
			return "https://t.me/orbita_bot?start=" + token, nil
		},
		Links: func() bool { return !h.noBot },
		Page:  h.page, Reaches: h.reaches,
		Dial: func(_ context.Context, by casecore.Actor, number, identity string) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.dialled = append(h.dialled, by.Name+" "+number+" "+identity)
			return h.noCall
		},
		Dials: func(context.Context, string) bool { return true },
		Measure: func(channel, text, _ string) (channels.Measure, bool) {
			n := len([]rune(text))
			return channels.Measure{Parts: (n + 69) / 70, Left: 70 - n%70, Wide: true, Long: n > 700}, strings.HasPrefix(channel, "sms:")
		},
		Typing: func(_ context.Context, _ string, to channels.Address) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.typed = append(h.typed, to)
		},
	})
	h.must(err)
	mux := http.NewServeMux()
	mux.Handle(console.Prefix, http.NewCrossOriginProtection().Handler(c))
	srv := httptest.NewServer(mux)
	h.url = srv.URL
	mux.Handle("/api/v1/live", h.live(gate))
	t.Cleanup(srv.Close)
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) operator(login, name string, roles []string, queues ...string) casecore.Actor {
	h.t.Helper()
	o, err := h.staff.Create(h.t.Context(), staff.Operator{Login: login, Name: name, Roles: roles, Queues: queues, Capacity: 8}, password)
	h.must(err)
	return o.Actor()
}

// live serves the feed as the house does.
func (h *house) live(gate *access.Gate) *live.Server {
	enter := func(r *http.Request) (live.Pass, error) {
		by, s, err := gate.Actor(r)
		if err != nil {
			return live.Pass{}, fmt.Errorf("%w: %w", live.ErrNotSignedIn, err)
		}
		return live.Pass{Actor: by, Again: func(ctx context.Context) (casecore.Actor, error) {
			if !gate.Valid(ctx, s) {
				return casecore.Actor{}, live.ErrNotSignedIn
			}
			return by, nil
		}}, nil
	}
	s := live.New(h.board, h.work, live.Options{Enter: enter, Origins: func() []string { return []string{h.url} }})
	h.background("live feed", s.Run)
	return s
}

// background runs something until the test ends.
func (h *house) background(what string, run func(context.Context) error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	h.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			h.t.Errorf("%s: %v", what, err)
		}
	})
}

// ask is what a customer writes, and where the rules put it.
type ask struct {
	who, lang, queue, category, subject, text string

	kind     channels.Kind
	priority casecore.Priority
	react    time.Duration
	tags     []string
	attrs    map[string]string
	files    []channels.File
}

func (h *house) open(a ask) *casecore.Case {
	h.t.Helper()
	h.number++
	if a.kind == "" {
		a.kind = channels.WebChat
	}
	if a.priority == 0 {
		a.priority = casecore.Normal
	}
	if a.queue == "" {
		a.queue = "phones"
	}
	from := channels.Address{Kind: a.kind, Handle: handle(a.kind, h.number), Name: a.who}
	var c *casecore.Case
	h.must(h.store.Update(h.t.Context(), func(tx store.Tx) error {
		who := &casecore.Customer{Meta: store.Meta{ID: store.HashID("test", from.Key())}, Name: a.who, Lang: a.lang}
		if err := casecore.Customers.Put(tx, who); err != nil {
			return err
		}
		id := &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(from)}, Address: from, Customer: who.ID, Verified: a.kind != channels.Email}
		if err := casecore.Identities.Put(tx, id); err != nil {
			return err
		}
		var err error
		c, _, err = h.ledger.Open(tx, casecore.System("intake"), casecore.Draft{
			Customer: who.ID, Channel: string(a.kind) + ":main", To: from, Lang: a.lang, Subject: a.subject,
			Queue: a.queue, Priority: a.priority, Category: a.category, Attributes: a.attrs, Tags: a.tags, React: a.react,
			Trace: casecore.Trace{Rule: a.queue, Revision: 3, Skipped: 2, Reasons: []casecore.Reason{{Condition: "text", Matched: []string{"экран", "iphone"}}, {Condition: "channel", Matched: []string{string(a.kind)}}}},
		}, casecore.Message{Direction: casecore.In, Channel: string(a.kind) + ":main", ExternalID: fmt.Sprint("x", h.number), From: from, Body: channels.Body{Text: a.text, Files: a.files}})
		return err
	}))
	return c
}

// says adds a message of the customer.
func (h *house) says(c *casecore.Case, text string) *casecore.Case {
	h.t.Helper()
	h.number++
	var out *casecore.Case
	h.must(h.store.Update(h.t.Context(), func(tx store.Tx) error {
		var err error
		out, _, err = h.ledger.Append(tx, casecore.System("intake"), c.ID, casecore.Message{
			Direction: casecore.In, Channel: c.Channel, ExternalID: fmt.Sprint("x", h.number), From: c.To, Body: channels.Body{Text: text},
		})
		return err
	}))
	return out
}

// deliver sets how an answer fares.
func (h *house) deliver(m *casecore.Message, state channels.State, attempts ...casecore.Attempt) {
	h.t.Helper()
	h.must(h.store.Update(h.t.Context(), func(tx store.Tx) error {
		got, err := casecore.Messages.Get(tx, m.ID)
		if err != nil {
			return err
		}
		got.Delivery = &casecore.Delivery{State: state, At: got.At, Attempts: attempts}
		return casecore.Messages.Put(tx, got)
	}))
}

// settled waits until the board shows so many waiting cases to the actor.
func (h *house) settled(by casecore.Actor, waiting int) {
	h.t.Helper()
	f, err := h.board.Open(h.t.Context(), by)
	h.must(err)
	defer f.Close()
	for {
		snap, err := h.board.Snapshot(h.t.Context(), by)
		h.must(err)
		n := 0
		for _, q := range snap.Queues {
			n += q.Counts.Waiting
		}
		if n == waiting {
			return
		}
		select {
		case <-f.Ready():
			_, err := f.Take()
			h.must(err)
		case <-time.After(10 * time.Second):
			h.t.Fatalf("board shows %d waiting cases; want %d", n, waiting)
		}
	}
}

func handle(k channels.Kind, n int) string {
	switch k {
	case channels.Email:
		return fmt.Sprintf("customer%d@example.org", n)
	case channels.SMS, channels.Voice:
		return fmt.Sprintf("+38067%07d", 1203400+n)
	}
	return fmt.Sprintf("visitor-%06d", n)
}

// browser is one signed-in person.
type browser struct {
	h *house
	c *http.Client
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	h.must(err)
	return &browser{h, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (h *house) signIn(login string) *browser {
	h.t.Helper()
	b := h.browser()
	r := b.post("/desk/sign-in", "login", login, "password", password)
	if r.code != http.StatusSeeOther {
		h.t.Fatalf("sign in %s: %d", login, r.code)
	}
	return b
}

type answer struct {
	code   int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, body io.Reader, header ...string) answer {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(b.h.t.Context(), method, b.h.url+path, body)
	b.h.must(err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.c.Do(r)
	b.h.must(err)
	defer resp.Body.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(resp.Body)
	b.h.must(err)
	return answer{resp.StatusCode, resp.Header, string(data)}
}

func (b *browser) get(path string, header ...string) answer {
	b.h.t.Helper()
	return b.do(http.MethodGet, path, nil, header...)
}

func (b *browser) post(path string, fields ...string) answer {
	b.h.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, strings.NewReader(v.Encode()), "Content-Type", "application/x-www-form-urlencoded")
}

// files keeps attachments in memory.
type files struct {
	mu    sync.Mutex
	blobs map[string][]byte
}

func (f *files) Put(_ context.Context, name string, r io.Reader, limit int64) (channels.File, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return channels.File{}, err
	}
	if int64(len(data)) > limit {
		return channels.File{}, channels.ErrTooLarge
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blobs[hash] = data
	return channels.File{Name: name, Type: http.DetectContentType(data), Size: int64(len(data)), Blob: hash}, nil
}

func (f *files) Open(_ context.Context, blob string) (io.ReadSeekCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, ok := f.blobs[blob]
	if !ok {
		return nil, channels.ErrNotFound
	}
	return nopCloser{bytes.NewReader(data)}, nil
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }
