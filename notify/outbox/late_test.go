package outbox_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// holdsOn makes the house tell customers after half an hour that they are not
// forgotten, and not in answer to a new case.
func (h *house) holdsOn() {
	h.t.Helper()
	h.spec.Templates = append(h.spec.Templates, notify.Template{ID: "still", Text: lang.Text{"en": "Still on it."}})
	h.spec.Events = []notify.OnEvent{{Event: "waiting", Template: "still", After: flow.Duration(30 * time.Minute)}}
	h.deliver(h.spec.Delivery)
}

// What could not be sent until somebody had answered is not sent behind the answer.
func TestWaitingThatComesTooLate(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.holdsOn()
		d := h.door(mail)
		d.on(refuse(channels.SendError{Reason: channels.Unreachable, Retry: true}))
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", false)
		time.Sleep(31 * time.Minute)
		if n := h.only(); n.State != notify.Retry || n.Late != "waiting" {
			t.Fatalf("%s, late with %q", n.State, n.Late)
		}
		h.answer(c, "it is the battery")
		d.on(nil)
		time.Sleep(24 * time.Hour)
		if got := d.texts(); !slices.Equal(got, []string{"it is the battery"}) {
			t.Errorf("told %q", got)
		}
		for _, n := range h.notices() {
			if n.Late != "" && (n.State != notify.Skipped || n.Reason != notify.Left || n.Undelivered()) {
				t.Errorf("%s: %s", n.State, n.Reason)
			}
		}
	})
}

// What does not arrive goes to the customer's next address, and to each once.
func TestWaitingGoesToTheNextAddress(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.holdsOn()
		h.door(mail).on(refuse(channels.SendError{Reason: channels.BadAddress}))
		h.door(text).on(refuse(channels.SendError{Reason: channels.BadAddress}))
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", false)
		h.also(c, channels.Address{Kind: channels.SMS, Handle: "+380441234567"})
		time.Sleep(24 * time.Hour)
		var to []string
		for _, n := range h.notices() {
			to = append(to, n.To.Key()+" "+string(n.State)+" "+string(n.Late))
		}
		slices.Sort(to)
		if want := []string{"email:a@b dead waiting", "sms:+380441234567 dead waiting"}; !slices.Equal(to, want) {
			t.Errorf("%q, want %q", to, want)
		}
	})
}

// A restored house tells nobody what came due before: that may have gone out. Who has
// not waited for so long yet is told in time.
func TestRestoredHouseAndWaiting(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.holdsOn()
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		h.openCase(mail, channels.Email, "early@b", false)
		synctest.Wait()
		stop()
		time.Sleep(20 * time.Minute)
		_, stop = h.start(outbox.Options{Reach: reach})
		h.openCase(mail, channels.Email, "late@b", false)
		synctest.Wait()
		stop()
		time.Sleep(15 * time.Minute)
		h.restored()
		_, stop = h.start(outbox.Options{Reach: reach})
		defer stop()
		time.Sleep(24 * time.Hour)
		var to []string
		for _, n := range h.notices() {
			to = append(to, n.To.Handle)
		}
		if got := d.texts(); !slices.Equal(got, []string{"Still on it."}) || !slices.Equal(to, []string{"late@b"}) {
			t.Errorf("told %q, of %q", got, to)
		}
	})
}

// Whoever is told of a new case in the same words is told of waiting nonetheless.
func TestWaitingInTheWordsOfTheReceipt(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.spec.Events = append(h.spec.Events, notify.OnEvent{Event: "waiting", Template: "opened", After: flow.Duration(time.Hour)})
		h.deliver(h.spec.Delivery)
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		h.openCase(mail, channels.Email, "a@b", false)
		time.Sleep(24 * time.Hour)
		if got := d.texts(); len(got) != 2 {
			t.Errorf("told %q", got)
		}
	})
}
