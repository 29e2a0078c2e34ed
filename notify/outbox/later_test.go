package outbox_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// A provider that asks to wait is not asked sooner about that message, whatever else
// it takes meanwhile, and whichever node has it.
func TestThrottledNoticeWaitsAsLongAsAsked(t *testing.T) {
	for _, nodes := range []int{1, 2} {
		room(t, func(t *testing.T, h *house) {
			began := time.Now()
			var at []time.Duration
			h.door(text).on(func(_ context.Context, m channels.Outbound, try int) (channels.Receipt, error) {
				if m.To.Handle == "+1" {
					at = append(at, time.Since(began))
					if try < 8 {
						return channels.Receipt{}, &channels.SendError{Reason: channels.Throttled, Retry: true, RetryAfter: time.Minute}
					}
				}
				time.Sleep(500 * time.Millisecond)
				return channels.Receipt{State: channels.Sent}, nil
			})
			for i := range 9 {
				h.move(h.openCase(text, channels.SMS, "+"+string(rune('1'+i)), true), "ready")
			}
			for range nodes {
				_, stop := h.start(outbox.Options{Reach: reach, Workers: 2})
				defer stop()
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if len(at) != 8 || len(h.door(text).texts()) != 9 {
				t.Fatalf("%d nodes: tried at %v, %d sent", nodes, at, len(h.door(text).texts()))
			}
			for i := 1; i < len(at); i++ {
				if at[i]-at[i-1] < time.Minute {
					t.Errorf("%d nodes: try %d came %s after the one before", nodes, i+1, at[i]-at[i-1])
				}
			}
		})
	}
}

// night lets the house be quiet from nine to eight, and returns ten to nine.
func night(h *house) time.Time {
	h.deliver(notify.Manner{Quiet: &notify.Quiet{From: "21:00", To: "08:00"}})
	now := time.Now().UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), 20, 50, 0, 0, time.UTC)
	if at.Before(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}

func quiet(at time.Time) bool { return at.UTC().Hour() >= 21 || at.UTC().Hour() < 8 }

// Quiet hours hold what was planned before them and could not be sent, and what goes
// on to another address in them; not an operator's own words.
func TestQuietHoursHoldWhatComesLate(t *testing.T) {
	t.Run("tried again", func(t *testing.T) {
		room(t, func(t *testing.T, h *house) {
			evening := night(h)
			d := h.door(text)
			d.on(func(_ context.Context, _ channels.Outbound, _ int) (channels.Receipt, error) {
				if time.Now().Before(evening.Add(20 * time.Minute)) {
					return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true}
				}
				return channels.Receipt{State: channels.Sent}, nil
			})
			_, stop := h.start(outbox.Options{Reach: reach})
			defer stop()
			c := h.openCase(text, channels.SMS, "+38044", true)
			time.Sleep(time.Until(evening))
			h.move(c, "ready")
			time.Sleep(time.Hour)
			if n := h.only(); n.State != notify.Held || n.NextAt.UTC().Hour() != 8 {
				t.Errorf("at night: %s until %s", n.State, n.NextAt)
			}
			h.answer(c, "my own words")
			synctest.Wait()
			if got := d.texts(); !slices.Equal(got, []string{"my own words"}) {
				t.Errorf("at night: sent %q", got)
			}
			time.Sleep(24 * time.Hour)
			if n := h.notices()[0]; n.State != notify.Sent || quiet(n.SentAt) {
				t.Errorf("%s at %s", n.State, n.SentAt)
			}
		})
	})
	t.Run("by another channel", func(t *testing.T) {
		room(t, func(t *testing.T, h *house) {
			evening := night(h)
			h.door(text)
			d := h.door(mail)
			_, stop := h.start(outbox.Options{Reach: reach, Receipt: func() time.Duration { return time.Hour }})
			defer stop()
			c := h.openCase(text, channels.SMS, "+38044", true)
			h.also(c, channels.Address{Kind: channels.Email, Handle: "a@b"})
			time.Sleep(time.Until(evening))
			h.move(c, "ready")
			time.Sleep(24 * time.Hour)
			if called := d.called(); len(called) != 1 || quiet(called[0]) {
				t.Errorf("mailed at %v", called)
			}
		})
	})
	t.Run("sent by hand", func(t *testing.T) {
		room(t, func(t *testing.T, h *house) {
			evening := night(h)
			d := h.door(text)
			_, stop := h.start(outbox.Options{Reach: reach})
			defer stop()
			c := h.openCase(text, channels.SMS, "+38044", true)
			time.Sleep(time.Until(evening) + time.Hour)
			h.move(c, "ready")
			synctest.Wait()
			h.update(func(tx store.Tx) error { return notify.Hurry(tx, h.only().ID, time.Now()) })
			synctest.Wait()
			if len(d.texts()) != 1 {
				t.Errorf("sent %q", d.texts())
			}
		})
	})
}

// What a case has left behind is not told by another channel, should it turn out late
// that it did not arrive.
func TestWhatIsOverGoesToNoOtherAddress(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		h.door(text)
		box, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(text, channels.SMS, "+38044", true)
		h.also(c, channels.Address{Kind: channels.Email, Handle: "a@b"})
		h.move(c, "ready")
		time.Sleep(2 * time.Hour)
		h.move(c, "issued")
		time.Sleep(20 * time.Hour)
		n := h.only()
		h.must(box.Receipt(t.Context(), channels.Receipt{
			Channel: text, OutboundID: n.Message, State: channels.Undelivered, Reason: channels.Unreachable, Code: "30003",
		}))
		time.Sleep(48 * time.Hour)
		if len(d.texts()) != 0 || len(h.events(c, casecore.CallWanted)) != 0 {
			t.Errorf("mailed %q, calls wanted %v", d.texts(), h.events(c, casecore.CallWanted))
		}
		if n := h.only(); n.State != notify.Dead || !n.Undelivered() {
			t.Errorf("%s, shown as undelivered: %v", n.State, n.Undelivered())
		}
	})
}

// A mailbox of the house that is full once is written to the next time, too.
func TestBounceShutsNobodyOfTheHouse(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.spec.Events = append(h.spec.Events, notify.OnEvent{
			Event: "status", Status: "ready", Template: "opened", To: &notify.Recipient{Email: "boss@shop.example"},
		})
		h.deliver(notify.Manner{})
		bounced := false
		d := h.door(mail)
		d.on(func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
			if !bounced {
				bounced = true
				return channels.Receipt{}, &channels.SendError{Reason: channels.BadAddress, Code: "550"}
			}
			return channels.Receipt{State: channels.Sent}, nil
		})
		h.door(text)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		for _, to := range []string{"+380441", "+380442"} {
			h.move(h.openCase(text, channels.SMS, to, true), "ready")
			time.Sleep(48 * time.Hour)
		}
		if got := d.texts(); len(got) != 1 || !strings.Contains(got[0], "-") {
			t.Errorf("the boss reads %q", got)
		}
	})
}
