package outbox_test

import (
	"fmt"
	"slices"
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

const day = 24 * time.Hour

// reminds makes the house remind of devices that are not fetched: after three days
// and then weekly, three times in all.
func (h *house) reminds() {
	h.t.Helper()
	h.spec.Templates = append(h.spec.Templates, notify.Template{ID: "waits", Text: lang.Text{"en": "{{case}} waits, {{days|long}} now. {{status}}."}})
	h.spec.Reminders = []notify.Remind{{Status: "ready", Template: "waits", After: flow.Duration(3 * day), Every: flow.Duration(7 * day), Times: 3}}
	h.deliver(h.spec.Delivery)
}

// reminded is a house that reminds, with a case that is ready.
func reminded(t *testing.T, test func(t *testing.T, h *house, c *casecore.Case, told func() []string)) {
	room(t, func(t *testing.T, h *house) {
		h.reminds()
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		h.move(c, "ready")
		test(t, h, c, func() []string { synctest.Wait(); return d.texts() })
	})
}

// A device that is not fetched is reminded of by the schedule, with the days it has
// waited, and not once more than that.
func TestReminders(t *testing.T) {
	reminded(t, func(t *testing.T, _ *house, c *casecore.Case, told func() []string) {
		n := c.CaseNumber()
		want := []string{n + ": Ready for pickup."}
		for _, wait := range []struct {
			until time.Duration
			says  string
		}{{3*day - time.Minute, ""}, {2 * time.Minute, "3 days"}, {7*day - 3*time.Minute, ""}, {2 * time.Minute, "10 days"}, {7 * day, "17 days"}, {60 * day, ""}} {
			time.Sleep(wait.until)
			if wait.says != "" {
				want = append(want, fmt.Sprintf("%s waits, %s now. Ready for pickup.", n, wait.says))
			}
			if got := told(); !slices.Equal(got, want) {
				t.Fatalf("told %q, want %q", got, want)
			}
		}
	})
}

// Whoever has fetched their device is not reminded of it, and a second time in the
// same status begins anew.
func TestRemindersEndWithTheStatus(t *testing.T) {
	reminded(t, func(t *testing.T, h *house, c *casecore.Case, told func() []string) {
		time.Sleep(2 * day)
		h.move(c, "repair")
		time.Sleep(time.Hour)
		h.move(c, "ready")
		time.Sleep(3*day - time.Minute)
		if got := told(); len(got) != 2 {
			t.Fatalf("told %q before three days were over", got)
		}
		time.Sleep(2 * time.Minute)
		if got := told(); len(got) != 3 {
			t.Fatalf("told %q after three days", got)
		}
		h.move(c, "issued")
		time.Sleep(60 * day)
		if got := told(); len(got) != 3 {
			t.Errorf("told %q although it has been fetched", got)
		}
	})
}

// A reminder that could not be sent yet does not go out when the status is over.
func TestReminderThatComesTooLate(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.reminds()
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		h.move(c, "ready")
		synctest.Wait()
		d.on(refuse(channels.SendError{Reason: channels.Unreachable, Retry: true}))
		time.Sleep(3*day + time.Minute)
		h.move(c, "issued")
		time.Sleep(time.Minute)
		d.on(nil)
		time.Sleep(60 * day)
		if got := d.texts(); len(got) != 1 {
			t.Errorf("told %q", got)
		}
		for _, n := range h.notices() {
			if n.Reminder == 1 && (n.State != notify.Skipped || n.Reason != notify.Left || n.Undelivered() || h.message(n.Message).Delivery.State != channels.Cancelled) {
				t.Errorf("the reminder is %s: %s", n.State, n.Reason)
			}
		}
	})
}

// Nobody is reminded at night, and the days between reminders stay.
func TestRemindersWaitForTheMorning(t *testing.T) {
	room(t, func(t *testing.T, h *house) { // the bubble's clock starts at midnight UTC
		h.reminds()
		h.deliver(notify.Manner{Quiet: &notify.Quiet{From: "21:00", To: "08:00"}})
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		time.Sleep(22 * time.Hour)
		began := time.Now()
		h.move(h.openCase(mail, channels.Email, "a@b", true), "ready")
		time.Sleep(60 * day)
		var got []time.Duration
		for _, at := range d.called() {
			got = append(got, at.Sub(began))
		}
		if want := []time.Duration{10 * time.Hour, 3*day + 10*time.Hour, 10*day + 10*time.Hour, 17*day + 10*time.Hour}; !slices.Equal(got, want) {
			t.Errorf("told after %v, want %v", got, want)
		}
	})
}

// A house that was closed for weeks reminds once when it opens, and goes on from
// there: what it missed does not come all together.
func TestRemindersAfterALongSleep(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.reminds()
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		began := time.Now()
		h.move(h.openCase(mail, channels.Email, "a@b", true), "ready")
		synctest.Wait()
		stop()
		h.close()
		time.Sleep(30 * day)
		h.open()
		_, stop = h.start(outbox.Options{Reach: reach})
		defer stop()
		time.Sleep(60 * day)
		var got []time.Duration
		for _, at := range d.called()[1:] {
			got = append(got, at.Sub(began))
		}
		if want := []time.Duration{30 * day, 37 * day, 44 * day}; !slices.Equal(got, want) {
			t.Errorf("reminded after %v, want %v", got, want)
		}
	})
}

// Two nodes remind once.
func TestRemindersOfTwoNodes(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.reminds()
		d := h.door(mail)
		for range 2 {
			_, stop := h.start(outbox.Options{Reach: reach})
			defer stop()
		}
		h.inBatches(40, func(tx store.Tx, i int) error {
			to := channels.Address{Kind: channels.Email, Handle: fmt.Sprint("a", i, "@b")}
			c, _, err := h.ledger.Open(tx, master, casecore.Draft{Channel: mail, To: to, Queue: "general"}, casecore.Message{Direction: casecore.Note, Auto: true})
			if err == nil {
				_, err = h.ledger.Move(tx, master, c.ID, "ready", casecore.Guard{})
			}
			return err
		})
		time.Sleep(60 * day)
		if got := d.sent(); len(got) != 40*4 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 40*4 {
			t.Errorf("%d messages, want %d, each once", len(got), 40*4)
		}
	})
}

// Whom nothing reaches is reminded of once, to be called, and not every week.
func TestRemindersOfNobody(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.reminds()
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase("desk:x", channels.Desk, "", true)
		h.move(c, "ready")
		time.Sleep(60 * day)
		if got := h.events(c, casecore.Undelivered, casecore.CallWanted); len(got) != 3 {
			t.Errorf("the case shows %q, want the status and one reminder untold, and a call", got)
		}
	})
}

// A policy that says something else in the meantime is followed from the next
// reminder on; one that says nothing ends them.
func TestRemindersFollowThePolicy(t *testing.T) {
	reminded(t, func(t *testing.T, h *house, _ *casecore.Case, told func() []string) {
		time.Sleep(4 * day)
		h.spec.Reminders[0].Every = flow.Duration(day)
		h.spec.Reminders[0].Times = 5
		h.deliver(notify.Manner{})
		time.Sleep(6*day + time.Hour) // the second was set before
		if got := told(); len(got) != 3 {
			t.Fatalf("told %q", got)
		}
		time.Sleep(day)
		if got := told(); len(got) != 4 {
			t.Fatalf("told %q", got)
		}
		h.spec.Reminders = nil
		h.deliver(notify.Manner{})
		time.Sleep(60 * day)
		if got := told(); len(got) != 4 {
			t.Errorf("told %q", got)
		}
	})
}

// What came due between the backup and the restore may have gone out: nobody is
// reminded of it again, and the schedule goes on.
func TestRestoredRemindsOfWhatComes(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.reminds()
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		h.move(h.openCase(mail, channels.Email, "a@b", true), "ready")
		synctest.Wait()
		stop()
		time.Sleep(11 * day)
		h.restored()
		_, stop = h.start(outbox.Options{Reach: reach})
		defer stop()
		time.Sleep(5 * day)
		if got := d.texts(); len(got) != 1 {
			t.Errorf("told %q", got)
		}
		time.Sleep(60 * day)
		if got := d.texts(); len(got) != 2 {
			t.Errorf("told %q, want the status and the last reminder", got)
		}
	})
}
