package notify_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// reached is a house that can write mail and SMS.
func reached(k channels.Kind) (string, bool) {
	return string(k) + ":main", k == channels.Email || k == channels.SMS
}

// lately runs a test with a policy of these events, quiet hours being optional.
func lately(t *testing.T, quiet *notify.Quiet, events []notify.OnEvent, test func(t *testing.T, d *desk)) {
	t.Helper()
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		d := newDesk(t, at, notify.Options{Reach: notify.Reach{Channel: reached}})
		d.observe(quiet, events)
		d.start()
		test(t, d)
		d.stop()
		if err := d.st.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// observe puts a policy of these events in force.
func (d *desk) observe(quiet *notify.Quiet, events []notify.OnEvent) {
	d.t.Helper()
	policy, err := notify.Compile(notify.Spec{
		Templates: []notify.Template{
			{ID: "still", Text: lang.Text{"en": "Still on it."}},
			{ID: "late", Text: lang.Text{"en": "{{case}} is late: {{status}}.", "uk": "{{case}} чекає: {{status}}."}},
			{ID: "ready", Text: lang.Text{"en": "Ready."}}, {ID: "back", Text: lang.Text{"en": "Back."}},
		},
		Reminders: []notify.Remind{{Status: "odd", Template: "late", After: flow.Duration(72 * time.Hour)}},
		Events:    events, Delivery: notify.Manner{Quiet: quiet},
	}, notify.CompileOptions{Flow: d.ledger.Flow(), Lang: "en", Centre: "The Centre"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.policy = policy
	d.ledger.Awaited = policy.Awaits
}

var (
	waits = notify.OnEvent{Event: "waiting", After: flow.Duration(30 * time.Minute), Template: "still"}
	due   = notify.OnEvent{Event: "overdue", Template: "late", To: &notify.Recipient{Email: "boss@shop.example"}}
)

const still = "webchat:site: Still on it."

func react(d time.Duration) draft {
	return func(dr *casecore.Draft, _ *casecore.Message, _ *casecore.Customer) { dr.React = d }
}

// hears lets the case's customer, or a machine of theirs, write again.
func (d *desk) hears(c *casecore.Case, auto bool) {
	d.t.Helper()
	d.update(func(tx store.Tx) error {
		_, _, err := d.ledger.Append(tx, casecore.System("intake"), c.ID, casecore.Message{
			Direction: casecore.In, Channel: c.Channel, ExternalID: store.NewID(), From: c.To, Auto: auto,
		})
		return err
	})
}

// answer lets Olena write to the customer, and strikes that from what was said.
func (d *desk) answer(c *casecore.Case) {
	d.t.Helper()
	d.update(func(tx store.Tx) error {
		_, _, err := d.ledger.Answer(tx, olena, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "Hello."}})
		return err
	})
}

// asides returns what others than the customer were told of a case, as "to: text".
func (d *desk) asides(c *casecore.Case) []string {
	d.t.Helper()
	var out []string
	for _, m := range d.messages(c) {
		if m.Direction == casecore.Note {
			out = append(out, m.To.Key()+": "+m.Body.Text)
		}
	}
	return out
}

func (d *desk) wantAsides(c *casecore.Case, want ...string) {
	d.t.Helper()
	if got := d.asides(c); !slices.Equal(got, want) {
		d.t.Errorf("others were told %q\nwant %q", got, want)
	}
}

// notices returns the notices of a state.
func (d *desk) notices(s notify.State) []*notify.Notice {
	d.t.Helper()
	synctest.Wait()
	var out []*notify.Notice
	d.view(func(tx store.Tx) (err error) {
		out, err = collect(notify.Notices.Scan(tx, store.Range{Index: "state", Prefix: store.Under(string(s))}))
		return err
	})
	return out
}

// watched counts what the planner has set itself to look at later.
func (d *desk) watched() int {
	d.t.Helper()
	synctest.Wait()
	for _, c := range notify.Collections() {
		if c.Name != "reminder" {
			continue
		}
		n := 0
		err := d.st.View(d.t.Context(), func(tx store.Tx) error {
			n = 0
			for _, err := range tx.Scan(c, store.Range{}) {
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
	d.t.Fatal("no such collection")
	return 0
}

// A customer who waits is told once, however often they write meanwhile, and again
// when they wait again after an answer.
func TestWaitingIsToldOncePerWait(t *testing.T) {
	lately(t, nil, []notify.OnEvent{waits}, func(t *testing.T, d *desk) {
		c := d.openCase()
		time.Sleep(20 * time.Minute)
		d.hears(c, false)
		time.Sleep(10*time.Minute - time.Second)
		d.want(c)
		time.Sleep(2 * time.Second)
		d.want(c, still)
		d.hears(c, false)
		time.Sleep(5 * time.Hour)
		d.want(c, still)

		d.answer(c)
		d.hears(c, true) // a machine's letter begins no wait
		time.Sleep(5 * time.Hour)
		d.want(c, still, "webchat:site: Hello.")
		d.hears(c, false)
		time.Sleep(31 * time.Minute)
		d.want(c, still, "webchat:site: Hello.", still)
		if n := d.watched(); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

// Whatever a person tells the customer ends the wait, and the next word begins one.
func TestWhatEndsAWait(t *testing.T) {
	call := func(outcome string) func(*desk, *casecore.Case) {
		return func(d *desk, c *casecore.Case) {
			d.update(func(tx store.Tx) error {
				_, err := d.ledger.Called(tx, olena, c.ID, outcome, "")
				return err
			})
		}
	}
	for _, tc := range []struct {
		name string
		do   func(*desk, *casecore.Case)
		ends bool
	}{
		{"an answer", (*desk).answer, true},
		{"an answer and another word", func(d *desk, c *casecore.Case) { d.answer(c); d.hears(c, false) }, true},
		{"a status in which nothing is left to say", func(d *desk, c *casecore.Case) { d.move(c, "ready") }, true},
		{"a status of which the customer is told", func(d *desk, c *casecore.Case) { d.move(c, "repair"); d.move(c, "odd") }, true},
		{"a status of which nobody is told", func(d *desk, c *casecore.Case) { d.move(c, "repair") }, false},
		{"a call", call(casecore.CallReached), true},
		{"a call that nobody took", call(casecore.CallNoAnswer), false},
		{"a claim", func(d *desk, c *casecore.Case) {
			d.update(func(tx store.Tx) error {
				_, err := d.ledger.Claim(tx, olena, c.ID)
				return err
			})
		}, false},
		{"another word", func(d *desk, c *casecore.Case) { d.hears(c, false) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			told := notify.OnEvent{Event: "status", Status: "odd", Template: "back", To: &notify.Recipient{Email: "nobody@shop.example"}}
			lately(t, nil, []notify.OnEvent{waits, told}, func(t *testing.T, d *desk) {
				c := d.openCase()
				time.Sleep(20 * time.Minute)
				if tc.name == "a status of which the customer is told" {
					d.statusTells("odd", "back")
				}
				tc.do(d, c)
				time.Sleep(11 * time.Minute)
				if got := slices.Contains(d.said(c), still); got == tc.ends {
					t.Errorf("told: %v", got)
				}
				d.hears(c, false)
				time.Sleep(31 * time.Minute)
				if !slices.Contains(d.said(c), still) {
					t.Error("the word behind it is not watched")
				}
			})
		})
	}
}

// statusTells gives a status a notice of its own.
func (d *desk) statusTells(id, template string) {
	d.t.Helper()
	spec := d.ledger.Flow().Spec()
	spec.Statuses = slices.Clone(spec.Statuses)
	for i := range spec.Statuses {
		if spec.Statuses[i].ID == id {
			spec.Statuses[i].Notice = template
		}
	}
	f, err := flow.Compile(spec)
	if err != nil {
		d.t.Fatal(err)
	}
	d.ledger.Flow = func() *flow.Flow { return f }
	d.observe(nil, []notify.OnEvent{waits})
}

// What was waited for while no planner ran is told by the next one, once, though two
// of them work on one store.
func TestWaitingOutlivesThePlanner(t *testing.T) {
	lately(t, nil, []notify.OnEvent{waits}, func(t *testing.T, d *desk) {
		c, answered := d.openCase(), d.openCase()
		synctest.Wait()
		d.stop()
		d.answer(answered)
		time.Sleep(5 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		second := notify.NewPlanner(d.st, d.ledger, func() *notify.Policy { return d.policy }, d.o)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := second.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		d.start()
		time.Sleep(time.Minute)
		cancel()
		wg.Wait()
		d.want(c, still)
		d.want(answered, "webchat:site: Hello.")
	})
}

// Nobody is told at night, and in the morning only who waits still.
func TestWaitingIsToldInTheMorning(t *testing.T) {
	lately(t, &notify.Quiet{From: "21:00", To: "08:00"}, []notify.OnEvent{waits, due}, func(t *testing.T, d *desk) {
		c, answered := d.openCase(react(time.Hour)), d.openCase() // it is midnight
		time.Sleep(7 * time.Hour)
		d.answer(answered)
		time.Sleep(time.Hour - time.Second)
		d.want(c)
		d.wantAsides(c)
		time.Sleep(2 * time.Second)
		d.want(c, still)
		d.want(answered, "webchat:site: Hello.")
		d.wantAsides(c, "email:boss@shop.example: CW-000001 is late: New.") // the house has its quiet hours, too
	})
}

// The house is told once when nobody has answered by the due time.
func TestOverdue(t *testing.T) {
	lately(t, nil, []notify.OnEvent{due}, func(t *testing.T, d *desk) {
		late, answered, machine, never := d.openCase(react(time.Hour)), d.openCase(react(time.Hour)),
			d.openCase(react(time.Hour), func(_ *casecore.Draft, m *casecore.Message, _ *casecore.Customer) { m.Auto = true }), d.openCase()
		time.Sleep(59 * time.Minute)
		d.hears(late, false)
		d.answer(answered)
		d.wantAsides(late)
		time.Sleep(48 * time.Hour)
		d.wantAsides(late, "email:boss@shop.example: CW-000001 is late: New.")
		for _, c := range []*casecore.Case{answered, machine, never} {
			d.wantAsides(c)
		}
		d.want(late) // the customer is told nothing of it
		if n := d.watched(); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

// The house is told of every late case, however many there are, but not without end
// of letters that its own machines may have written (E11).
func TestManyOverdue(t *testing.T) {
	const many = 15
	for kind, most := range map[channels.Kind]int{channels.WebChat: many, channels.Email: 10} {
		t.Run(string(kind), func(t *testing.T) {
			lately(t, nil, []notify.OnEvent{due}, func(t *testing.T, d *desk) {
				for i := range many {
					d.openCase(react(time.Hour), func(dr *casecore.Draft, m *casecore.Message, _ *casecore.Customer) {
						dr.To = channels.Address{Kind: kind, Handle: fmt.Sprintf("%d@b", i)}
						m.From = dr.To
					})
				}
				time.Sleep(2 * time.Hour)
				if told, skipped := len(d.notices(notify.Pending)), len(d.notices(notify.Skipped)); told != most || skipped != many-most {
					t.Errorf("%d told, %d skipped", told, skipped)
				}
			})
		})
	}
}

// An event that comes onto the planner's list again is watched once.
func TestWaitingPlannedTwice(t *testing.T) {
	lately(t, nil, []notify.OnEvent{waits}, func(t *testing.T, d *desk) {
		c := d.openCase()
		synctest.Wait()
		d.update(func(tx store.Tx) error {
			e, err := casecore.Events.Find(tx, "case", store.Join(c.ID, store.NumberKey(1)))
			if err != nil {
				return err
			}
			e.Pending = append(e.Pending, casecore.PendingNotify)
			return casecore.Events.Put(tx, e)
		})
		if n := d.watched(); n != 1 {
			t.Errorf("%d records", n)
		}
		time.Sleep(time.Hour)
		d.want(c, still)
		if n := d.box.Stats().Failed; n != 0 {
			t.Errorf("%d events were put aside", n)
		}
	})
}

// Without such an event nothing is written down, and no word of a customer is read.
func TestNothingIsWatchedUnasked(t *testing.T) {
	lately(t, nil, nil, func(t *testing.T, d *desk) {
		c := d.openCase(react(time.Hour))
		synctest.Wait()
		read := d.box.Stats().Events
		d.hears(c, false)
		if n, more := d.watched(), d.box.Stats().Events-read; n != 0 || more != 0 {
			t.Errorf("%d records, %d events read", n, more)
		}
	})
}

// A role is everybody who has it, can sign in, may know of the case and has an
// address; without anybody that is on record.
func TestToARole(t *testing.T) {
	role := func(r string) []notify.OnEvent {
		return []notify.OnEvent{{Event: "overdue", Template: "late", To: &notify.Recipient{Role: r}}}
	}
	hire := func(d *desk) {
		dir := staff.New(d.st, staff.Options{})
		for _, o := range []staff.Operator{
			{Login: "ada", Roles: []string{casecore.RoleSupervisor}, Email: " Ada@Shop.example "},
			{Login: "ben", Roles: []string{casecore.RoleSupervisor, casecore.RoleAdmin}, Email: "ben@shop.example"},
			{Login: "cid", Roles: []string{casecore.RoleSupervisor}},
			{Login: "dan", Roles: []string{casecore.RoleSupervisor}, Email: "dan@shop.example"},
			{Login: "eve", Roles: []string{casecore.RoleMaster}, Queues: []string{"phones"}, Email: "eve@shop.example"},
			{Login: "fay", Roles: []string{casecore.RoleMaster}, Queues: []string{"tv"}, Email: "fay@shop.example"},
			{Login: "gus", Roles: []string{casecore.RoleQC}, Queues: []string{"phones"}},
		} {
			o.Name = o.Login
			if _, err := dir.Create(d.t.Context(), o, ""); err != nil {
				d.t.Fatal(err)
			}
		}
		off := true
		if _, err := dir.Update(d.t.Context(), "dan", staff.Change{Disabled: &off}, 0); err != nil {
			d.t.Fatal(err)
		}
	}
	for r, want := range map[string][]string{
		casecore.RoleSupervisor: {"ada", "ben"}, casecore.RoleMaster: {"eve"}, casecore.RoleQC: nil,
	} {
		t.Run(r, func(t *testing.T) {
			lately(t, nil, role(r), func(t *testing.T, d *desk) {
				hire(d)
				c := d.openCase(react(time.Hour), func(dr *casecore.Draft, _ *casecore.Message, who *casecore.Customer) {
					dr.Lang, who.Lang, who.LangSet = "uk", "uk", true // the house reads its own language
				})
				time.Sleep(2 * time.Hour)
				var says []string
				for _, who := range want {
					says = append(says, fmt.Sprintf("email:%s@shop.example: CW-000001 is late: New.", who))
				}
				d.wantAsides(c, says...)
				skipped := d.notices(notify.Skipped)
				if want == nil != (len(skipped) == 1 && skipped[0].Reason == notify.NoAddress && skipped[0].Aside && skipped[0].Undelivered()) {
					t.Errorf("skipped: %+v", skipped)
				}
			})
		})
	}
}

// One person with two of the roles is told once.
func TestTwoRolesOneNotice(t *testing.T) {
	events := []notify.OnEvent{
		{Event: "overdue", Template: "late", To: &notify.Recipient{Role: casecore.RoleSupervisor}},
		{Event: "overdue", Template: "late", To: &notify.Recipient{Role: casecore.RoleAdmin}},
	}
	lately(t, nil, events, func(t *testing.T, d *desk) {
		o := staff.Operator{Login: "ada", Name: "Ada", Roles: []string{casecore.RoleSupervisor, casecore.RoleAdmin}, Email: "ada@shop.example"}
		if _, err := staff.New(d.st, staff.Options{}).Create(t.Context(), o, ""); err != nil {
			t.Fatal(err)
		}
		c := d.openCase(react(time.Hour))
		time.Sleep(2 * time.Hour)
		d.wantAsides(c, "email:ada@shop.example: CW-000001 is late: New.")
	})
}

// A contact person's address is read by its shape, and they read the customer's
// language. A case without one tells nobody; one with what is no address says so.
func TestToAContactPerson(t *testing.T) {
	events := []notify.OnEvent{{Event: "status", Status: "ready", Template: "late", To: &notify.Recipient{Attribute: "contact"}}}
	for _, tc := range []struct{ value, want string }{
		{"Petro@Firm.example", "email:petro@firm.example"},
		{"+380 (44) 123-45-67", "sms:+380441234567"},
		{"", ""}, // there is none
		{"Petro", ""},
		{"044 123 45 67", ""},
		{"Petro <petro@firm.example>", ""},
		{strings.Repeat("a", 480) + "@b.example", ""}, // no mailbox has such an address
	} {
		t.Run(tc.value, func(t *testing.T) {
			lately(t, nil, events, func(t *testing.T, d *desk) {
				c := d.openCase(func(dr *casecore.Draft, _ *casecore.Message, _ *casecore.Customer) {
					dr.Lang, dr.Attributes = "uk", map[string]string{"contact": tc.value}
				})
				d.move(c, "ready")
				var want []string
				if tc.want != "" {
					want = []string{tc.want + ": CW-000001 чекає: Готово до видачі."}
				}
				d.wantAsides(c, want...)
				d.want(c, "webchat:site: Ready.")
				skipped, stats := d.notices(notify.Skipped), d.box.Stats()
				if unread := tc.want == "" && tc.value != ""; unread != (len(skipped) == 1 && skipped[0].Reason == notify.NoAddress) || stats.Failed != 0 {
					t.Errorf("skipped %+v, stats %+v", skipped, stats)
				}
			})
		})
	}
}
