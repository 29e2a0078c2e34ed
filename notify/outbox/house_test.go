package outbox_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// house is a post room on a real store, with scripted doors. It can be closed and
// opened again on the same data.
type house struct {
	t      testing.TB
	at     *tempstore.Place
	st     store.Store
	ledger *casecore.Ledger
	spec   notify.Spec
	flow   *flow.Flow
	policy *notify.Policy
	mu     sync.Mutex
	doors  map[string]*door
	log    *slog.Logger
	checks map[string]func()
}

// seldom is a poll that comes too late to help: tests then see that the post room
// wakes by hints and by what is due.
const seldom = 100 * time.Hour

// master may do everything.
var master = casecore.Actor{ID: "op1", Name: "Olena", Roles: []string{casecore.RoleAdmin}}

func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseAt(t, stores.Place(t))
}

// newHouseAt opens it there.
func newHouseAt(t testing.TB, at *tempstore.Place) *house {
	t.Helper()
	f, err := flow.Compile(flow.Spec{
		Initial: "new", Reopen: "repair",
		Statuses: []flow.Status{
			{ID: "new", Name: lang.Text{"en": "New"}, Category: flow.New, Next: []string{"repair", "ready"}},
			{ID: "repair", Name: lang.Text{"en": "In repair"}, Category: flow.Open, Next: []string{"ready"}},
			{ID: "ready", Name: lang.Text{"en": "Ready"}, Customer: lang.Text{"en": "Ready for pickup", "uk": "Готово до видачі"},
				Category: flow.Done, Next: []string{"repair", "issued"}, Notice: "ready"},
			{ID: "issued", Name: lang.Text{"en": "Issued"}, Category: flow.Closed, Next: []string{"repair"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	spec := notify.Spec{
		Templates: []notify.Template{
			{ID: "opened", Text: lang.Text{"en": "We have your message, {{case}}."}},
			{ID: "ready", Text: lang.Text{"en": "{{case}}: {{status}}.", "uk": "{{case}}: {{status}}."}},
		},
		Events: []notify.OnEvent{{Event: "opened", Template: "opened"}},
	}
	h := &house{
		t: t, at: at, spec: spec, flow: f, doors: map[string]*door{},
		ledger: &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: time.Now},
		log:    slog.New(slog.DiscardHandler), checks: map[string]func(){},
	}
	h.deliver(notify.Manner{})
	h.open()
	return h
}

// deliver changes how notices are delivered, from the next batch on.
func (h *house) deliver(m notify.Manner) {
	h.t.Helper()
	h.spec.Delivery = m
	p, err := notify.Compile(h.spec, notify.CompileOptions{Flow: h.flow, Lang: "en", Centre: "The Centre"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.policy = p
}

// inForce is the policy of now.
func (h *house) inForce() *notify.Policy {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.policy
}

func (h *house) awake(tx store.Tx, n *notify.Notice, at time.Time) (time.Time, error) {
	return h.inForce().Awake(tx, n, at)
}

func (h *house) open() {
	h.t.Helper()
	h.st = h.at.Open(h.t, slices.Concat(casecore.Collections(), notify.Collections())...)
}

func (h *house) close() {
	h.t.Helper()
	if err := h.st.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// door returns the scripted door of a channel, made at first sight.
func (h *house) door(channel string) *door {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.doors[channel] == nil {
		h.doors[channel] = &door{}
	}
	return h.doors[channel]
}

func (h *house) doorOf(channel string) channels.Channel {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.doors[channel]; d != nil {
		return d
	}
	return nil
}

func (h *house) check(point string) {
	h.mu.Lock()
	f := h.checks[point]
	h.mu.Unlock()
	if f != nil {
		f()
	}
}

// doubt is the policy of these tests: the text channel cannot look whether it sent.
func doubt(channel string, _ channels.Kind) outbox.Doubt {
	if channel == text {
		return outbox.Hold
	}
	return outbox.Resend
}

// start runs a planner and an outbox until the returned stop has returned.
func (h *house) start(o outbox.Options) (box *outbox.Outbox, stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	if o.Check == nil {
		o.Check = h.check
	}
	if o.Log == nil {
		o.Log = h.log
	}
	if o.Poll == 0 {
		o.Poll = seldom
	}
	if o.Rand == nil {
		o.Rand = func() float64 { return 0.5 }
	}
	if o.Doubt == nil {
		o.Doubt = doubt
	}
	if o.Awake == nil {
		o.Awake = h.awake
	}
	box = outbox.New(h.st, h.ledger, h.doorOf, o)
	planner := notify.NewPlanner(h.st, h.ledger, h.inForce,
		notify.Options{Poll: seldom, Check: h.check, Log: h.log, Reach: o.Reach})
	var wg sync.WaitGroup
	wg.Go(func() { h.must(planner.Run(ctx)) })
	wg.Go(func() { h.must(box.Run(ctx)) })
	return box, func() { cancel(); wg.Wait() }
}

func (h *house) must(err error) {
	if err != nil {
		h.t.Error(err)
	}
}

func (h *house) update(fn func(tx store.Tx) error) {
	h.t.Helper()
	if err := h.st.Update(h.t.Context(), fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) view(fn func(tx store.Tx) error) {
	h.t.Helper()
	if err := h.st.View(h.t.Context(), fn); err != nil {
		h.t.Fatal(err)
	}
}

// openCase opens a case of a visitor; quiet ones are opened by a machine, so that
// no receipt is sent.
func (h *house) openCase(channel string, kind channels.Kind, handle string, quiet bool) *casecore.Case {
	h.t.Helper()
	var c *casecore.Case
	h.update(func(tx store.Tx) error {
		to := channels.Address{Kind: kind, Handle: handle}
		who := &casecore.Customer{Name: "Anna", Lang: "en"}
		if err := casecore.Customers.Put(tx, who); err != nil {
			return err
		}
		err := casecore.Identities.Put(tx, &casecore.Identity{
			Meta: store.Meta{ID: casecore.IdentityID(to)}, Address: to, Customer: who.ID,
		})
		if err != nil && !errors.Is(err, store.ErrExists) {
			return err
		}
		c, _, err = h.ledger.Open(tx, casecore.System("test"), casecore.Draft{
			Customer: who.ID, Channel: channel, To: to, Lang: "en", Subject: "broken", Queue: "general",
			Priority: casecore.Normal,
		}, casecore.Message{Direction: casecore.In, Channel: channel, ExternalID: store.NewID(), From: to, Auto: quiet,
			Body: channels.Body{Text: "it is broken"}})
		return err
	})
	return c
}

func (h *house) move(c *casecore.Case, to string) {
	h.t.Helper()
	h.update(func(tx store.Tx) error {
		_, err := h.ledger.Move(tx, master, c.ID, to, casecore.Guard{})
		return err
	})
}

func (h *house) answer(c *casecore.Case, text string) *casecore.Message {
	h.t.Helper()
	var m *casecore.Message
	h.update(func(tx store.Tx) (err error) {
		_, m, err = h.ledger.Answer(tx, master, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: text}})
		return err
	})
	return m
}

// inBatches calls fn for each of n in transactions of 50.
func (h *house) inBatches(n int, fn func(tx store.Tx, i int) error) {
	h.t.Helper()
	for from := 0; from < n; from += 50 {
		h.update(func(tx store.Tx) error {
			for i := from; i < min(from+50, n); i++ {
				if err := fn(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// letters writes to so many customers by mail, each in a case of their own.
func (h *house) letters(many int) {
	h.t.Helper()
	h.inBatches(many, func(tx store.Tx, i int) error {
		to := channels.Address{Kind: channels.Email, Handle: fmt.Sprint("a", i, "@b")}
		c, _, err := h.ledger.Open(tx, master, casecore.Draft{Channel: mail, To: to, Queue: "general"},
			casecore.Message{Direction: casecore.Note, Auto: true})
		if err != nil {
			return err
		}
		_, _, err = h.ledger.Answer(tx, master, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "hello"}})
		return err
	})
}

// notices returns all notices by case and sequence.
func (h *house) notices() []*notify.Notice {
	h.t.Helper()
	var out []*notify.Notice
	h.view(func(tx store.Tx) error {
		out = nil
		for n, err := range notify.Notices.Scan(tx, store.Range{}) {
			if err != nil {
				return err
			}
			out = append(out, n)
		}
		return nil
	})
	slices.SortFunc(out, func(a, b *notify.Notice) int {
		return cmp.Or(cmp.Compare(a.CaseNumber, b.CaseNumber), cmp.Compare(a.Seq, b.Seq))
	})
	return out
}

// only returns the one notice there is.
func (h *house) only() *notify.Notice {
	h.t.Helper()
	all := h.notices()
	if len(all) != 1 {
		h.t.Fatalf("%d notices, want 1", len(all))
	}
	return all[0]
}

func (h *house) message(id string) *casecore.Message {
	h.t.Helper()
	var m *casecore.Message
	h.view(func(tx store.Tx) (err error) {
		m, err = casecore.Messages.Get(tx, id)
		return err
	})
	return m
}

// events returns the events of a case of these kinds, as "kind:to".
func (h *house) events(c *casecore.Case, kinds ...casecore.EventKind) []string {
	h.t.Helper()
	var out []string
	h.view(func(tx store.Tx) error {
		out = nil
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			if slices.Contains(kinds, e.Kind) {
				out = append(out, fmt.Sprintf("%s:%s", e.Kind, e.To))
			}
		}
		return nil
	})
	return out
}

// door is a channel that does what its script says, and remembers what it was
// given. Without a script it takes everything.
type door struct {
	mu     sync.Mutex
	script func(ctx context.Context, m channels.Outbound, try int) (channels.Receipt, error)
	send   func(ctx context.Context, d *door, m channels.Outbound) (channels.Receipt, error) // instead of all else
	tries  map[string]int                                                                    // by Outbound.ID
	taken  []string                                                                          // texts, in the order in which the provider took them
	ids    []string                                                                          // their Outbound.IDs
	calls  []time.Time
	active int
	most   int // calls at once
}

var _ channels.Channel = (*door)(nil)

func (d *door) Run(ctx context.Context, _ channels.Sink) error { <-ctx.Done(); return nil }

func (d *door) Send(ctx context.Context, m channels.Outbound) (channels.Receipt, error) {
	if d.send != nil {
		return d.send(ctx, d, m)
	}
	d.mu.Lock()
	if d.tries == nil {
		d.tries = map[string]int{}
	}
	d.tries[m.ID]++
	try, script := d.tries[m.ID], d.script
	d.calls = append(d.calls, time.Now())
	d.active++
	d.most = max(d.most, d.active)
	d.mu.Unlock()
	defer func() { d.mu.Lock(); d.active--; d.mu.Unlock() }()
	if script != nil {
		r, err := script(ctx, m, try)
		if err != nil {
			return r, err
		}
		d.take(m)
		return r, nil
	}
	d.take(m)
	return channels.Receipt{State: channels.Sent, ProviderID: "p-" + m.ID}, nil
}

// take is what the provider does when it accepts a message.
func (d *door) take(m channels.Outbound) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = append(d.taken, m.Body.Text)
	d.ids = append(d.ids, m.ID)
}

func (d *door) on(script func(ctx context.Context, m channels.Outbound, try int) (channels.Receipt, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.script = script
}

func (d *door) texts() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.taken)
}

// sent returns the ids of what was taken.
func (d *door) sent() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ids)
}

func (d *door) atOnce() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.most
}

func (d *door) called() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}
