package outbox_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// tellsOfParts gives the house a second status of which the customer is told; a case
// goes from each of both to the other and back.
func (h *house) tellsOfParts(m notify.Manner) {
	h.t.Helper()
	f, err := flow.Compile(flow.Spec{
		Initial: "new", Reopen: "repair",
		Statuses: []flow.Status{
			{ID: "new", Name: lang.Text{"en": "New"}, Category: flow.New, Next: []string{"repair", "ready", "parts"}},
			{ID: "repair", Name: lang.Text{"en": "In repair"}, Category: flow.Open, Next: []string{"ready", "parts"}},
			{ID: "parts", Name: lang.Text{"en": "Waiting for parts"}, Category: flow.Open, Next: []string{"repair", "ready"}, Notice: "parts"},
			{ID: "ready", Name: lang.Text{"en": "Ready"}, Category: flow.Done, Next: []string{"repair", "parts", "issued"}, Notice: "ready"},
			{ID: "issued", Name: lang.Text{"en": "Issued"}, Category: flow.Closed, Next: []string{"repair"}},
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.flow, h.ledger.Flow = f, func() *flow.Flow { return f }
	h.spec.Templates = append(h.spec.Templates, notify.Template{ID: "parts", Text: lang.Text{"en": "{{case}}: {{status}}."}})
	h.deliver(m)
}

// A slip from one told status to another, taken back within the hold, tells of the
// one that the case is back in, unless the customer has heard of that.
func TestASlipBetweenToldStatuses(t *testing.T) {
	const short, long = 10 * time.Second, time.Hour
	type step struct {
		to   string
		stay time.Duration
	}
	for _, tc := range []struct {
		name  string
		steps []step
		want  string // what is told, in order
	}{
		{"the one before was waiting", []step{{"parts", short}, {"ready", short}, {"parts", long}}, "parts"},
		{"the one before was told", []step{{"parts", long}, {"ready", short}, {"parts", long}}, "parts"},
		{"to and fro", []step{{"parts", short}, {"ready", short}, {"parts", short}, {"ready", long}}, "ready"},
		{"the hold of the one before has ended", []step{{"parts", hold - short}, {"ready", 2 * short}, {"parts", long}}, "parts"},
		{"behind both", []step{{"parts", short}, {"ready", short}, {"repair", long}}, ""},
		{"told long ago, and then another", []step{{"parts", long}, {"ready", long}, {"parts", short}, {"ready", short}, {"parts", long}}, "parts ready parts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			room(t, func(t *testing.T, h *house) {
				h.tellsOfParts(notify.Manner{Hold: flow.Duration(hold)})
				d := h.door(mail)
				_, stop := h.start(outbox.Options{Reach: reach})
				defer stop()
				c := h.openCase(mail, channels.Email, "a@b", true)
				h.move(c, "repair")
				time.Sleep(long)
				for _, s := range tc.steps {
					h.move(c, s.to)
					time.Sleep(s.stay)
				}
				synctest.Wait()
				words := map[string]string{"parts": ": Waiting for parts.", "ready": ": Ready."}
				var want []string
				for _, s := range strings.Fields(tc.want) {
					want = append(want, c.CaseNumber()+words[s])
				}
				if got := d.texts(); !slices.Equal(got, want) {
					t.Errorf("told %q, want %q", got, want)
				}
			})
		})
	}
}

// What waits for the morning outlives a slip of the evening.
func TestASlipAtNight(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.tellsOfParts(notify.Manner{Hold: flow.Duration(hold), Quiet: &notify.Quiet{From: "21:00", To: "08:00"}})
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		time.Sleep(21*time.Hour + 30*time.Minute)
		for _, to := range []string{"ready", "parts", "ready"} {
			h.move(c, to)
			time.Sleep(time.Hour)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := d.texts(); !slices.Equal(got, []string{c.CaseNumber() + ": Ready."}) {
			t.Errorf("told %q", got)
		}
	})
}

// Of a status that a case is back in, only those hear who have not: the customer, who
// was told at once, is not told again with the manager.
func TestASlipTellsNobodyTwice(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.spec.Events = append(h.spec.Events, notify.OnEvent{Event: "status", Status: "parts", Template: "opened", To: &notify.Recipient{Email: boss.Handle}})
		h.tellsOfParts(notify.Manner{Hold: flow.Duration(hold)})
		d, b := h.door(text), h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(text, channels.SMS, "+380", true)
		h.move(c, "parts")
		synctest.Wait()
		for _, n := range h.notices() {
			if !n.Aside {
				h.update(func(tx store.Tx) error { return notify.Hurry(tx, n.ID, time.Now()) })
			}
		}
		time.Sleep(time.Second)
		h.move(c, "ready")
		time.Sleep(time.Second)
		h.move(c, "parts")
		time.Sleep(time.Hour)
		synctest.Wait()
		if toCustomer, toBoss := d.texts(), b.texts(); len(toCustomer) != 1 || len(toBoss) != 1 {
			t.Errorf("the customer was told %q, the manager %q", toCustomer, toBoss)
		}
	})
}

// The return that tells the customer after all is foreseen as that.
func TestASlipIsForeseen(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.tellsOfParts(notify.Manner{Hold: flow.Duration(hold)})
		h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		planner := notify.NewPlanner(h.st, h.ledger, h.inForce, notify.Options{Reach: reach})
		c := h.openCase(mail, channels.Email, "a@b", true)
		back := func() (f *notify.Foreseen) {
			synctest.Wait()
			h.view(func(tx store.Tx) error {
				now, err := casecore.Cases.Get(tx, c.ID)
				if err != nil {
					return err
				}
				f, err = planner.Foresee(tx, &casecore.Event{Kind: casecore.Moved, Case: c.ID, From: now.Status, To: "parts"}, now)
				return err
			})
			return f
		}
		h.move(c, "parts")
		h.move(c, "ready")
		if f := back(); f == nil || f.TakesBack || !strings.Contains(f.Message.Body.Text, "Waiting for parts") || !f.Due.Equal(time.Now().Add(hold)) {
			t.Errorf("foreseen %+v", f)
		}
		h.move(c, "parts")
		time.Sleep(time.Hour)
		h.move(c, "ready")
		if f := back(); f == nil || !f.TakesBack {
			t.Errorf("what the customer has heard is foreseen as %+v", f)
		}
	})
}
