package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/desk"
)

// house is the desk over a real store, with a clock that the test moves.
type house struct {
	t      testing.TB
	store  store.Store
	ledger *casecore.Ledger
	router *routing.Router
	work   *desk.Work
	clock  *clock
	no     int
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func text(s string) lang.Text { return lang.Text{"en": s} }

var spec = flow.Spec{
	Initial: "new", Taken: "accepted", Reopen: "accepted", ReopenWithin: flow.Duration(72 * time.Hour),
	Statuses: []flow.Status{
		{ID: "new", Name: text("New"), Category: flow.New, Next: []string{"accepted"}},
		{ID: "accepted", Name: text("Accepted"), Category: flow.Open, Next: []string{"ready", "issued"}},
		{ID: "ready", Name: text("Ready"), Category: flow.Done, Next: []string{"issued", "accepted"}},
		{ID: "issued", Name: text("Issued"), Category: flow.Closed, Next: []string{}},
	},
}

var queues = []routing.Queue{
	{ID: "phones", Name: lang.Text{"en": "Phones", "ru": "Телефоны"}},
	{ID: "tv", Name: text("TV and audio")},
	{ID: "general", Name: text("General")},
}

var (
	intake = casecore.System("intake")
	anna   = operator("anna", "phones", "tv")
	boris  = operator("boris", "phones", "tv")
	boss   = casecore.Actor{ID: "op-boss", Name: "Boss", Roles: []string{casecore.RoleSupervisor}}
)

func operator(login string, queues ...string) casecore.Actor {
	return casecore.Actor{ID: "op-" + login, Name: login, Roles: []string{casecore.RoleOperator}, Queues: queues}
}

// canary is in everything that a customer writes here.
const canary = "zq-canary-7719"

func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseAt(t, stores.Place(t))
}

// newHouseAt opens it there.
func newHouseAt(t testing.TB, at *tempstore.Place) *house {
	t.Helper()
	st := at.Open(t, casecore.Collections()...)
	f, err := flow.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := routing.Compile(routing.Spec{
		Queues: queues, Rules: []routing.Rule{{Name: "all", Then: routing.Then{Queue: "general"}}},
	}, routing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: st, router: r, clock: &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}}
	h.ledger = &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: h.clock.Now}
	h.work = desk.NewWork(st, h.ledger, func() *routing.Router { return r }, colleagues{})
	h.do(func(tx store.Tx) error {
		cu := &casecore.Customer{Meta: store.Meta{ID: "cu-1"}, Name: "Olena " + canary}
		return errors.Join(casecore.Customers.Put(tx, cu), casecore.Identities.Put(tx, &casecore.Identity{
			Meta: store.Meta{ID: casecore.IdentityID(visitor)}, Address: visitor, Customer: "cu-1",
		}))
	})
	return h
}

// colleagues finds those of this house.
type colleagues struct{}

func (colleagues) Operator(_ store.Tx, login string) (casecore.Actor, error) {
	for _, a := range []casecore.Actor{anna, boris, boss} {
		if a.ID == login || a.Name == login {
			return a, nil
		}
	}
	return casecore.Actor{}, store.ErrNotFound
}

var visitor = channels.Address{Kind: channels.WebChat, Handle: "visitor-" + canary, Name: "Olena " + canary}

func (h *house) do(fn func(tx store.Tx) error) {
	h.t.Helper()
	if err := h.store.Update(h.t.Context(), fn); err != nil {
		h.t.Fatal(err)
	}
}

// arrive opens a case as a message of the visitor does, a second after the last.
func (h *house) arrive(queue string, change ...func(*casecore.Draft)) *casecore.Case {
	h.t.Helper()
	h.clock.Add(time.Second)
	h.no++
	d := casecore.Draft{
		Customer: "cu-1", Channel: "webchat:site", To: visitor, Lang: "en", Subject: "Screen " + canary,
		Queue: queue, Priority: casecore.Normal, Category: "phone", React: time.Hour,
		Attributes: map[string]string{"model": canary}, Tags: []string{canary},
		Trace: casecore.Trace{Rule: "all", Reasons: []casecore.Reason{{Condition: "text", Matched: []string{canary}}}},
	}
	for _, f := range change {
		f(&d)
	}
	var c *casecore.Case
	h.do(func(tx store.Tx) (err error) {
		c, _, err = h.ledger.Open(tx, intake, d, h.inbound(fmt.Sprint(h.no)))
		return err
	})
	return c
}

func (h *house) inbound(external string) casecore.Message {
	return casecore.Message{
		Direction: casecore.In, Channel: "webchat:site", ExternalID: external, From: visitor,
		Body: channels.Body{Text: "It is broken " + canary},
	}
}

func urgent(d *casecore.Draft) { d.Priority = casecore.Urgent }

func (h *house) events(id string) []*casecore.Event {
	h.t.Helper()
	var out []*casecore.Event
	err := h.store.View(h.t.Context(), func(tx store.Tx) error {
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(id)}) {
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// board runs a board over the house's store until the test ends.
func (h *house) board(o desk.BoardOptions) *desk.Board {
	h.t.Helper()
	if o.Now == nil {
		o.Now = h.clock.Now
	}
	b := desk.NewBoard(h.store, func() *routing.Router { return h.router }, o)
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("board ended with %v", err)
		}
	})
	return b
}

func (h *house) feed(b *desk.Board, a casecore.Actor, queues ...string) *desk.Feed {
	h.t.Helper()
	f, err := b.Open(h.t.Context(), a, queues...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(f.Close)
	return f
}

// frame is any frame, as a client reads it.
type frame struct {
	T       string          `json:"t"`
	Seq     uint64          `json:"seq"`
	Queue   string          `json:"queue"`
	Card    desk.Card       `json:"card"`
	Case    json.RawMessage `json:"case"`
	By      string          `json:"by"`
	Gone    bool            `json:"gone"`
	Version uint64          `json:"version"`
	desk.Counts

	raw []byte
}

// number is that of the case in a gone, changed or mine frame.
func (f frame) number() string {
	var s string
	if json.Unmarshal(f.Case, &s) == nil {
		return s
	}
	var m desk.Mine
	if json.Unmarshal(f.Case, &m) == nil {
		return m.Number
	}
	return ""
}

func (f frame) mine(t testing.TB) desk.Mine {
	t.Helper()
	var m desk.Mine
	if err := json.Unmarshal(f.Case, &m); err != nil {
		t.Fatalf("case of %s: %v", f.raw, err)
	}
	return m
}

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// until takes frames from the feed until one satisfies want, and returns all.
func until(t testing.TB, f *desk.Feed, want func(frame) bool) []frame {
	t.Helper()
	var got []frame
	over := time.After(patience)
	for {
		select {
		case <-f.Ready():
		case <-over:
			t.Fatalf("the frame did not come; got %d others: %s", len(got), shown(got))
		}
		frames, err := f.Take()
		found := false
		for _, fr := range frames {
			v := decode(t, fr.Data)
			got = append(got, v)
			found = found || want(v)
		}
		if found {
			return got
		}
		if err != nil {
			t.Fatalf("the feed ended: %v", err)
		}
	}
}

func decode(t testing.TB, data []byte) frame {
	t.Helper()
	v := frame{raw: data}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("frame %s: %v", data, err)
	}
	return v
}

func shown(frames []frame) (out []string) {
	for _, f := range frames {
		out = append(out, string(f.raw))
	}
	return out
}

func cardOf(number string) func(frame) bool {
	return func(f frame) bool { return f.T == "card" && f.Card.Number == number }
}

func goneOf(number string) func(frame) bool {
	return func(f frame) bool { return f.T == "gone" && f.number() == number }
}

func mineOf(number string) func(frame) bool {
	return func(f frame) bool { return f.T == "mine" && f.number() == number }
}
