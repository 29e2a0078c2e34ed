package notify_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/notify"
)

// desk is a planner on a real store.
type desk struct {
	t      *testing.T
	st     store.Store
	ledger *casecore.Ledger
	policy *notify.Policy
	o      notify.Options
	box    *notify.Planner
	stop   func()
}

var olena = casecore.Actor{ID: "op1", Name: "Olena", Roles: []string{casecore.RoleAdmin}}

// with runs a test in a bubble with its own clock, with a planner running.
func with(t *testing.T, o notify.Options, test func(t *testing.T, d *desk)) {
	t.Helper()
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		d := newDesk(t, at, o)
		d.start()
		test(t, d)
		d.stop()
		if err := d.st.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func newDesk(t *testing.T, at *tempstore.Place, o notify.Options) *desk {
	t.Helper()
	f, err := flow.Compile(flow.Spec{
		Initial: "new", Taken: "repair", Reopen: "again",
		Statuses: []flow.Status{
			{ID: "new", Name: lang.Text{"en": "New"}, Category: flow.New, Next: []string{"repair", "ready"}},
			{ID: "repair", Name: lang.Text{"en": "In repair"}, Category: flow.Open, Next: []string{"ready", "odd"}},
			{ID: "again", Name: lang.Text{"en": "Back with us"}, Category: flow.Open, Next: []string{"ready"}, Notice: "back"},
			{ID: "odd", Name: lang.Text{"en": "Odd"}, Category: flow.Open, Next: []string{"ready"}},
			{ID: "ready", Name: lang.Text{"en": "Ready"}, Customer: lang.Text{"en": "Ready for pickup", "uk": "Готово до видачі"},
				Category: flow.Done, Next: []string{"repair", "issued"}, Notice: "ready"},
			{ID: "issued", Name: lang.Text{"en": "Issued"}, Category: flow.Closed, Next: []string{"repair"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := notify.Compile(notify.Spec{
		Templates: []notify.Template{
			{ID: "opened", Text: lang.Text{"en": "We have it: {{case}}."}},
			{ID: "phones", Text: lang.Text{"en": "Switch it off, please. {{case}}"}},
			{ID: "taken", Text: lang.Text{"en": "{{operator|Somebody}} looks at it."}},
			{ID: "back", Text: lang.Text{"en": "{{case}}: {{status}}."}},
			{ID: "ready", Subject: lang.Text{"en": "{{case}}", "uk": "{{case}}"},
				Text: lang.Text{"en": "{{device|It}}: {{status}}. {{#link}}{{link}}{{/link}}", "uk": "{{device|Пристрій}}: {{status}}, {{queue}}."}},
		},
		Events: []notify.OnEvent{
			{Event: "opened", Template: "opened"},
			{Event: "claimed", Template: "taken", Every: flow.Duration(time.Hour)},
		},
	}, notify.CompileOptions{Flow: f, Lang: "en", Centre: "The Centre", Queue: func(id, tag string) string { return id + "/" + tag }})
	if err != nil {
		t.Fatal(err)
	}
	st := at.Open(t, slices.Concat(casecore.Collections(), staff.Collections(), notify.Collections())...)
	o.Poll = 10 * time.Second
	return &desk{t: t, st: st, policy: policy, o: o, ledger: &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: time.Now}}
}

func (d *desk) start() {
	ctx, cancel := context.WithCancel(d.t.Context())
	d.box = notify.NewPlanner(d.st, d.ledger, func() *notify.Policy { return d.policy }, d.o)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.box.Run(ctx); err != nil {
			d.t.Error(err)
		}
	})
	d.stop = func() { cancel(); wg.Wait() }
}

func (d *desk) update(fn func(tx store.Tx) error) {
	d.t.Helper()
	if err := d.st.Update(d.t.Context(), fn); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) view(fn func(tx store.Tx) error) {
	d.t.Helper()
	if err := d.st.View(d.t.Context(), fn); err != nil {
		d.t.Fatal(err)
	}
}

// collect returns all of a scan.
func collect[T any](scan iter.Seq2[T, error]) (all []T, err error) {
	for x, err := range scan {
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// draft changes what a case is opened with.
type draft func(*casecore.Draft, *casecore.Message, *casecore.Customer)

func (d *desk) openCase(change ...draft) *casecore.Case {
	d.t.Helper()
	to := channels.Address{Kind: channels.WebChat, Handle: store.NewID()}
	dr := casecore.Draft{Channel: "webchat:site", To: to, Lang: "en", Queue: "phones", Priority: casecore.Normal}
	m := casecore.Message{Direction: casecore.In, Channel: "webchat:site", ExternalID: store.NewID(), From: to}
	who := &casecore.Customer{Name: "Anna", Lang: "uk"}
	for _, f := range change {
		f(&dr, &m, who)
	}
	var c *casecore.Case
	d.update(func(tx store.Tx) (err error) {
		who.Meta = store.Meta{}
		if err := casecore.Customers.Put(tx, who); err != nil {
			return err
		}
		i := &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(m.From)}, Address: m.From, Customer: who.ID}
		if err := casecore.Identities.Put(tx, i); err != nil {
			return err
		}
		dr.Customer = who.ID
		c, _, err = d.ledger.Open(tx, olena, dr, m)
		return err
	})
	return c
}

func (d *desk) move(c *casecore.Case, to string) {
	d.t.Helper()
	d.update(func(tx store.Tx) error {
		_, err := d.ledger.Move(tx, olena, c.ID, to, casecore.Guard{})
		return err
	})
}

// said returns what a case's customer was told, as "channel: text".
func (d *desk) said(c *casecore.Case) []string {
	d.t.Helper()
	var out []string
	for _, m := range d.messages(c) {
		if m.Direction != casecore.Out {
			continue
		}
		var n *notify.Notice
		d.view(func(tx store.Tx) (err error) {
			n, err = notify.Notices.Find(tx, "message", m.ID)
			return err
		})
		if n.State != notify.Pending || n.Channel != m.Channel || n.To != m.To || n.CaseNumber != c.CaseNumber() {
			d.t.Errorf("notice %+v of message %+v", n, m)
		}
		out = append(out, m.Channel+": "+m.Body.Text)
	}
	return out
}

// messages waits until nothing moves, and returns a case's messages in order.
func (d *desk) messages(c *casecore.Case) (list []*casecore.Message) {
	d.t.Helper()
	synctest.Wait()
	d.view(func(tx store.Tx) (err error) {
		list, err = collect(casecore.Messages.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}))
		return err
	})
	return list
}

// pending counts the events on a list.
func (d *desk) pending(list string) int {
	d.t.Helper()
	n := 0
	err := d.st.View(d.t.Context(), func(tx store.Tx) error {
		n = 0
		for _, err := range casecore.Events.Scan(tx, store.Range{Index: "pending", Prefix: list}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *desk) want(c *casecore.Case, want ...string) {
	d.t.Helper()
	if got := d.said(c); !slices.Equal(got, want) {
		d.t.Errorf("told %q\nwant %q", got, want)
	}
}

func TestPlan(t *testing.T) {
	link := func(c *casecore.Case) string { return "https://x/" + c.CaseNumber() }
	with(t, notify.Options{Link: link}, func(t *testing.T, d *desk) {
		c := d.openCase()
		d.want(c, "webchat:site: We have it: CW-000001.")
		d.move(c, "ready")
		d.want(c, "webchat:site: We have it: CW-000001.", "webchat:site: It: Ready for pickup. https://x/CW-000001")
		if n := d.pending(casecore.PendingNotify); n != 0 {
			t.Errorf("%d events are still pending", n)
		}
		if s := d.box.Stats(); s.Events != 2 || s.Planned != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

// E9: a machine's message gets no receipt, but its case's status is told.
func TestMachinesGetNoReceipt(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		c := d.openCase(func(_ *casecore.Draft, m *casecore.Message, _ *casecore.Customer) { m.Auto = true })
		d.want(c)
		if n := d.pending(casecore.PendingNotify); n != 0 {
			t.Errorf("%d events are still pending", n)
		}
	})
}

func TestRuleAnswersInPlaceOfTheReceipt(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		reply := func(id string) draft {
			return func(dr *casecore.Draft, _ *casecore.Message, _ *casecore.Customer) { dr.Reply = id }
		}
		d.want(d.openCase(reply("phones")), "webchat:site: Switch it off, please. CW-000001")
		d.want(d.openCase(reply("gone from the policy")), "webchat:site: We have it: CW-000002.")
	})
}

// The words are in the customer's language, with the status as it was entered,
// though the case has moved on.
func TestWordsAreTheCustomers(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		c := d.openCase(func(dr *casecore.Draft, m *casecore.Message, _ *casecore.Customer) {
			dr.Lang, m.Auto = "", true // then it is the customer's own
			dr.Attributes = map[string]string{"brand": "Samsung", "model": "S24"}
		})
		d.update(func(tx store.Tx) error {
			for _, to := range []string{"ready", "issued"} {
				if _, err := d.ledger.Move(tx, olena, c.ID, to, casecore.Guard{}); err != nil {
					return err
				}
			}
			return nil
		})
		d.want(c, "webchat:site: Samsung S24: Готово до видачі, phones/uk.")
		err := d.st.View(t.Context(), func(tx store.Tx) error {
			m, err := casecore.Messages.Find(tx, "case", store.Join(c.ID, store.NumberKey(2)))
			if err == nil && (m.Status != "Готово до видачі" || m.Body.Subject != c.CaseNumber() || m.Body.Lang != "uk" ||
				m.AuthorName != "The Centre" || m.Template != "ready" || !m.Auto) {
				t.Errorf("message %+v", m)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestClaimedIsToldAtMostEverySoOften(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		c := d.openCase(func(_ *casecore.Draft, m *casecore.Message, _ *casecore.Customer) { m.Auto = true })
		take := func() {
			d.update(func(tx store.Tx) error {
				_, err := d.ledger.Claim(tx, olena, c.ID)
				return err
			})
			d.update(func(tx store.Tx) error {
				_, err := d.ledger.Release(tx, olena, c.ID, "", casecore.Guard{})
				return err
			})
			synctest.Wait()
		}
		for range 3 {
			take()
			time.Sleep(25 * time.Minute)
		}
		time.Sleep(25 * time.Minute)
		take()
		d.want(c, "webchat:site: Olena looks at it.", "webchat:site: Olena looks at it.")
	})
}

func TestReopenedTellsItsStatus(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		quiet := func(_ *casecore.Draft, m *casecore.Message, _ *casecore.Customer) { m.Auto = true }
		c := d.openCase(quiet)
		d.update(func(tx store.Tx) error {
			if _, err := d.ledger.Move(tx, olena, c.ID, "ready", casecore.Guard{}); err != nil {
				return err
			}
			if _, err := d.ledger.Move(tx, olena, c.ID, "issued", casecore.Guard{}); err != nil {
				return err
			}
			_, _, err := d.ledger.Append(tx, olena, c.ID, casecore.Message{Direction: casecore.In, Channel: c.Channel, ExternalID: "2", From: c.To})
			return err
		})
		d.want(c, "webchat:site: It: Ready for pickup.", "webchat:site: CW-000001: Back with us.")
	})
}

// A notice goes to the identity that the customer prefers, if it is theirs and
// there is a channel for it.
func TestPreferredIdentity(t *testing.T) {
	mail := channels.Address{Kind: channels.Email, Handle: "anna@example.com"}
	byMail := func(k channels.Kind) (string, bool) { return "email:main", k == channels.Email }
	prefer := func(key string) draft {
		return func(_ *casecore.Draft, _ *casecore.Message, who *casecore.Customer) { who.Preferred = key }
	}
	for _, tc := range []struct {
		name      string
		preferred string
		theirs    bool
		channels  func(channels.Kind) (string, bool)
		want      string
	}{
		{"by mail", mail.Key(), true, byMail, "email:main: We have it: CW-000001."},
		{"no such channel", mail.Key(), true, nil, "webchat:site: We have it: CW-000001."},
		{"somebody else's", mail.Key(), false, byMail, "webchat:site: We have it: CW-000001."},
		{"nobody's", "email:nobody@example.com", true, byMail, "webchat:site: We have it: CW-000001."},
		{"nonsense", "nonsense", true, byMail, "webchat:site: We have it: CW-000001."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			with(t, notify.Options{Reach: notify.Reach{Channel: tc.channels}}, func(t *testing.T, d *desk) {
				d.stop()
				c := d.openCase(prefer(tc.preferred))
				owner := c.Customer
				if !tc.theirs {
					owner = "somebody else"
				}
				d.update(func(tx store.Tx) error {
					return casecore.Identities.Put(tx, &casecore.Identity{
						Meta: store.Meta{ID: casecore.IdentityID(mail)}, Address: mail, Customer: owner,
					})
				})
				d.start()
				d.want(c, tc.want)
			})
		})
	}
}

// N5: a customer who cannot be written to is skipped, not failed, and the case says so.
// That they stood at the desk when it was entered they know without a receipt.
func TestNobodyToWriteTo(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		c := d.openCase(func(dr *casecore.Draft, _ *casecore.Message, _ *casecore.Customer) {
			dr.Channel, dr.To = "desk:walk_in", channels.Address{Kind: channels.Desk, Handle: "entry-1"}
		})
		d.want(c)
		if s := d.box.Stats(); s.Events != 1 || s.Skipped != 0 {
			t.Errorf("a receipt is missed: %+v", s)
		}
		d.move(c, "ready")
		d.want(c)
		err := d.st.View(t.Context(), func(tx store.Tx) error {
			n, err := notify.Notices.Find(tx, "case", store.Join(c.ID, "ready", store.TimeKey(time.Now())))
			if err != nil {
				return err
			}
			if n.State != notify.Skipped || n.Reason != notify.NoAddress {
				t.Errorf("notice %+v", n)
			}
			e, err := casecore.Events.Find(tx, "case", store.Join(c.ID, store.NumberKey(3)))
			if err == nil && (e.Kind != casecore.Undelivered || e.To != notify.NoAddress || e.Template != "ready") {
				t.Errorf("event %+v", e)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if s := d.box.Stats(); s.Skipped != 1 || s.Planned != 0 || s.Failed != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// N1: an event that comes onto the list again is told once.
func TestPlannedTwiceIsToldOnce(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		c := d.openCase()
		d.want(c, "webchat:site: We have it: CW-000001.")
		d.update(func(tx store.Tx) error {
			e, err := casecore.Events.Find(tx, "case", store.Join(c.ID, store.NumberKey(1)))
			if err != nil {
				return err
			}
			e.Pending = append(e.Pending, casecore.PendingNotify)
			return casecore.Events.Put(tx, e)
		})
		d.want(c, "webchat:site: We have it: CW-000001.")
		if n := d.pending(casecore.PendingNotify); n != 0 {
			t.Errorf("%d events are still pending", n)
		}
	})
}

// An event that cannot be planned is put aside after a few tries; nothing else
// waits for it, in however large a batch, and other readers' marks stay.
func TestBadEventIsPutAside(t *testing.T) {
	log := &lines{}
	with(t, notify.Options{Batch: 8, Log: slog.New(slog.NewTextHandler(log, nil))}, func(t *testing.T, d *desk) {
		d.stop()
		var good []*casecore.Case
		for i := range 40 {
			if i%4 == 0 {
				d.update(func(tx store.Tx) error {
					return casecore.Events.Put(tx, &casecore.Event{Case: fmt.Sprint("nowhere", i), Kind: casecore.Moved, To: "ready",
						Pending: []string{casecore.PendingNotify, "rules"}})
				})
			}
			good = append(good, d.openCase())
		}
		d.start()
		synctest.Wait()
		for _, c := range good {
			d.want(c, "webchat:site: We have it: "+c.CaseNumber()+".")
		}
		time.Sleep(time.Minute)
		if a, b, c := d.pending(casecore.PendingNotify), d.pending(notify.PendingFailed), d.pending("rules"); a != 0 || b != 10 || c != 10 {
			t.Errorf("%d events pending, %d put aside, %d for others", a, b, c)
		}
		if s := d.box.Stats(); s.Failed != 10 || s.Planned != 40 || !strings.Contains(log.String(), "event put aside") {
			t.Errorf("stats %+v, log:\n%s", s, log)
		}
	})
}

// What happens while no planner runs is planned by the next one; one that dies
// before its commit has told nothing.
func TestPlannerStartsWhereTheLastOneDied(t *testing.T) {
	var dying atomic.Bool
	check := func(point string) {
		if point == "planner.before-commit" && dying.Load() {
			panic("killed")
		}
	}
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		d := newDesk(t, at, notify.Options{Check: check})
		dying.Store(true)
		c := d.openCase()
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it did not die")
				}
			}()
			d.box = notify.NewPlanner(d.st, d.ledger, func() *notify.Policy { return d.policy }, d.o)
			_ = d.box.Run(t.Context())
		}()
		d.want(c)
		if n := d.pending(casecore.PendingNotify); n != 1 {
			t.Errorf("%d events pending, want 1", n)
		}
		dying.Store(false)
		d.start()
		d.want(c, "webchat:site: We have it: CW-000001.")
		d.stop()
		if err := d.st.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// lines is a log for one reader.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
