package outbox_test

import (
	"context"
	"fmt"
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
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

var boss = channels.Address{Kind: channels.Email, Handle: "boss@shop.example"}

// tellsBoss makes the house tell the manager of new cases and of ready ones.
func (h *house) tellsBoss(m notify.Manner) {
	h.t.Helper()
	h.spec.Templates = append(h.spec.Templates,
		notify.Template{ID: "new", Subject: lang.Text{"en": "A new case", "uk": "Нова справа"}, Text: lang.Text{"en": "{{case}} in {{queue}}.", "uk": "{{case}} у {{queue}}."}},
		notify.Template{ID: "done", Text: lang.Text{"en": "{{case}} is {{status}}."}})
	to := &notify.Recipient{Email: boss.Handle}
	h.spec.Events = append(h.spec.Events,
		notify.OnEvent{Event: "opened", Template: "new", To: to},
		notify.OnEvent{Event: "status", Status: "ready", Template: "done", To: to})
	h.deliver(m)
}

// A manager is told beside the customer: in words of their own, with nothing of the
// conversation, held and taken back as the customer's notice is.
func TestTheHouseIsToldBesideTheCustomer(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.tellsBoss(notify.Manner{Hold: flow.Duration(hold)})
		var mu sync.Mutex
		var toBoss []channels.Outbound
		h.door(mail).on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			mu.Lock()
			defer mu.Unlock()
			toBoss = append(toBoss, m)
			return channels.Receipt{State: channels.Sent, ProviderID: "p-" + m.ID}, nil
		})
		d := h.door(text)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(text, channels.SMS, "+380", false)
		h.move(c, "repair")
		h.move(c, "ready")
		h.move(c, "repair") // a slip
		h.move(c, "ready")
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		n := c.CaseNumber()
		if got, want := d.texts(), []string{"We have your message, " + n + ".", n + ": Ready for pickup."}; !slices.Equal(got, want) {
			t.Errorf("the customer was told %q", got)
		}
		if len(toBoss) != 2 || toBoss[0].Body.Text != n+" in general." || toBoss[0].Body.Subject != "A new case" || toBoss[1].Body.Text != n+" is Ready for pickup." {
			t.Fatalf("the manager was told %+v", toBoss)
		}
		for _, m := range toBoss {
			if m.To != boss || m.Subject != "" || len(m.Answers) > 0 || m.Status != "" || !m.Auto {
				t.Errorf("the manager got more than the template, or as an answer: %+v", m)
			}
		}
		h.proves(c)
		for _, x := range h.notices() {
			m := h.message(x.Message)
			if x.Aside != (x.To == boss) || x.Aside && (m.Direction != casecore.Note || m.Line != 0) {
				t.Errorf("%s to %s is a %s", x.Template, x.To.Kind, m.Direction)
			}
		}
	})
}

// proves checks the chains of a case, with all that was sent to whomever.
func (h *house) proves(c *casecore.Case) {
	h.t.Helper()
	outside := map[string][]string{}
	for _, n := range h.notices() {
		if n.Proof != "" {
			outside[n.Message] = append(outside[n.Message], n.Proof)
		}
	}
	h.view(func(tx store.Tx) (err error) {
		if c, err = casecore.Cases.Get(tx, c.ID); err != nil {
			return err
		}
		var events []*casecore.Event
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		var messages []*casecore.Message
		for m, err := range casecore.Messages.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			messages = append(messages, m)
		}
		if p := casecore.Prove(c, events, messages, outside); len(p.Faults) > 0 {
			h.t.Errorf("the chains of %s: %+v", c.CaseNumber(), p.Faults)
		}
		return nil
	})
}

// The customer's own mails do not name what the manager was sent, wait for it, or go
// where it went.
func TestWhatTheHouseIsToldHoldsUpNobody(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.tellsBoss(notify.Manner{})
		var mu sync.Mutex
		var toCustomer []channels.Outbound
		var bossIsOut atomic.Bool
		bossIsOut.Store(true)
		h.door(mail).on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			if m.To == boss && bossIsOut.Load() {
				return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Recipient: true, Err: errDead}
			}
			mu.Lock()
			defer mu.Unlock()
			if m.To != boss {
				toCustomer = append(toCustomer, m)
			}
			return channels.Receipt{State: channels.Sent, ProviderID: "<" + m.ID + ">"}, nil
		})
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", false)
		h.also(c, channels.Address{Kind: channels.SMS, Handle: "+380"})
		h.door(text)
		h.move(c, "ready")
		h.answer(c, "by hand")
		synctest.Wait()
		if len(toCustomer) != 3 {
			t.Fatalf("the customer got %d mails while the manager's mailbox is out", len(toCustomer))
		}
		bossIsOut.Store(false)
		time.Sleep(time.Hour)
		h.answer(c, "again")
		synctest.Wait()
		for _, x := range h.notices() {
			if x.Aside && slices.Contains(toCustomer[3].Answers, "<"+x.Message+">") {
				t.Error("the customer's mail names one to the manager")
			}
		}
		bossIsOut.Store(true)
		h.move(c, "repair")
		h.move(c, "ready")
		time.Sleep(100 * time.Hour)
		if got := h.door(text).texts(); len(got) != 0 {
			t.Errorf("what the manager did not get went to the customer: %q", got)
		}
		if got := h.events(c, casecore.CallWanted); len(got) != 0 {
			t.Errorf("the customer is to be called for the manager's mailbox: %q", got)
		}
		i := slices.IndexFunc(h.notices(), func(x *notify.Notice) bool { return x.Aside && x.State == notify.Dead })
		if i < 0 {
			t.Fatal("the manager's notice was not given up")
		}
		id := h.notices()[i].ID
		again := func(to channels.Address) error {
			return h.st.Update(t.Context(), func(tx store.Tx) error {
				n, err := reach.Again(tx, h.ledger, master, id, to)
				if err == nil && (!n.Aside || n.To != boss) {
					return fmt.Errorf("sent again as %+v", n)
				}
				return err
			})
		}
		if err := again(channels.Address{Kind: channels.Email, Handle: "a@b"}); err == nil {
			t.Error("the manager's notice was sent to the customer")
		}
		h.must(again(channels.Address{}))
	})
}

// Two machines that answer each other end here, too: what the house is told of new
// cases is counted, and who opens one is not told of it.
func TestTheHouseIsNoLoop(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.tellsBoss(notify.Manner{})
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		h.openCase(mail, channels.Email, boss.Handle, false)
		synctest.Wait()
		if got := d.texts(); len(got) != 1 || strings.Contains(got[0], "general") {
			t.Errorf("who opened the case was told %q", got)
		}
		for i := range 40 {
			h.openCase(mail, channels.Email, fmt.Sprint("a", i, "@b"), false)
		}
		synctest.Wait()
		told := 0
		for _, n := range h.notices() {
			if n.Aside && n.State == notify.Sent {
				told++
			}
		}
		if told == 0 || told > 10 {
			t.Errorf("the manager was told of %d cases within a minute", told)
		}
	})
}

// A busy morning is no loop: the manager hears of every new case.
func TestTheHouseHearsOfEveryCase(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.tellsBoss(notify.Manner{})
		d := h.door(mail)
		h.door(text)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		for i := range 12 {
			h.openCase(text, channels.SMS, fmt.Sprint("+38044", i), false)
			time.Sleep(30 * time.Second)
		}
		synctest.Wait()
		if got := d.texts(); len(got) != 12 {
			t.Errorf("the manager was told of %d new cases, want 12", len(got))
		}
	})
}

// What was taken back before it went out is not what somebody had lately.
func TestEverySoOftenCountsWhatWasSent(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.spec.Events = append(h.spec.Events, notify.OnEvent{
			Event: "status", Status: "ready", Template: "opened", Every: flow.Duration(24 * time.Hour), To: &notify.Recipient{Email: boss.Handle},
		})
		h.deliver(notify.Manner{Hold: flow.Duration(hold)})
		d := h.door(mail)
		h.door(text)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(text, channels.SMS, "+380", true)
		h.move(c, "ready")
		time.Sleep(10 * time.Second)
		h.move(c, "repair") // a slip
		for range 2 {
			time.Sleep(10 * time.Minute)
			h.move(c, "ready")
			time.Sleep(10 * time.Minute)
			h.move(c, "repair")
		}
		synctest.Wait()
		if got := d.texts(); len(got) != 1 {
			t.Errorf("the manager was told %q, want it once", got)
		}
	})
}
