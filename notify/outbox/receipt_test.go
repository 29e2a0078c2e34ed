package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// orders returns all orders of these states.
func orders(states []channels.State) [][]channels.State {
	if len(states) < 2 {
		return [][]channels.State{states}
	}
	var out [][]channels.State
	for i, s := range states {
		rest := slices.Concat(states[:i:i], states[i+1:])
		for _, o := range orders(rest) {
			out = append(out, append([]channels.State{s}, o...))
		}
	}
	return out
}

// F11, S4: receipts come in every order, with repeats and before the send has
// returned, and the state never goes back.
func TestReceiptsOnlyGoForward(t *testing.T) {
	type course struct{ early, late []channels.State }
	var courses []course
	for _, o := range orders([]channels.State{channels.Queued, channels.Sent, channels.Delivered, channels.Sent}) {
		for split := range len(o) + 1 {
			courses = append(courses, course{o[:split], o[split:]})
		}
	}
	room(t, func(t *testing.T, h *house) {
		var box *outbox.Outbox
		h.door(text).on(func(ctx context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			i, err := strconv.Atoi(m.Body.Text)
			h.must(err)
			for _, s := range courses[i].early {
				h.must(box.Receipt(ctx, channels.Receipt{Channel: text, OutboundID: m.ID, State: s}))
			}
			return channels.Receipt{State: channels.Queued, ProviderID: "SM" + m.Body.Text}, nil
		})
		box, stop := h.start(outbox.Options{})
		defer stop()
		ids := make([]string, len(courses))
		for i := range courses {
			ids[i] = h.answer(h.openCase(text, channels.SMS, fmt.Sprint("+", i), true), strconv.Itoa(i)).ID
		}
		synctest.Wait()
		for i, c := range courses {
			for _, s := range c.late {
				h.must(box.Receipt(t.Context(), channels.Receipt{Channel: text, ProviderID: fmt.Sprint("SM", i), State: s}))
			}
		}
		for _, n := range h.notices() {
			m := h.message(n.Message)
			if n.State != notify.Delivered || m.Delivery.State != channels.Delivered ||
				m.Delivery.Attempts[0].State != channels.Delivered {
				t.Errorf("course %v: notice is %s, message %+v", courses[slices.Index(ids, m.ID)], n.State, m.Delivery)
			}
		}
	})
}

// F11: many at once for one message are one change each way.
func TestReceiptsAtOnce(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.door(text)
		box, stop := h.start(outbox.Options{})
		defer stop()
		m := h.answer(h.openCase(text, channels.SMS, "+1", true), "hello")
		synctest.Wait()
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				h.must(box.Receipt(t.Context(), channels.Receipt{Channel: text, OutboundID: m.ID, State: channels.Delivered}))
			})
		}
		wg.Wait()
		if s := box.Stats(); s.Receipts != 1 || s.Unknown != 0 {
			t.Fatalf("stats %+v", s)
		}
	})
}

// A receipt that says it did not arrive ends the notice aloud, once; one that says
// it arrived after all (read) overrides it.
func TestUndeliveredReceipt(t *testing.T) {
	for _, early := range []bool{false, true} {
		room(t, func(t *testing.T, h *house) {
			var box *outbox.Outbox
			lost := channels.Receipt{Channel: text, State: channels.Undelivered, Code: "30005"}
			h.door(text).on(func(ctx context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
				lost.OutboundID = m.ID
				if early {
					h.must(box.Receipt(ctx, lost))
				}
				return channels.Receipt{State: channels.Sent}, nil
			})
			c := h.openCase(text, channels.SMS, "+1", true)
			box, stop := h.start(outbox.Options{})
			defer stop()
			m := h.answer(c, "hello")
			synctest.Wait()
			for range 3 {
				h.must(box.Receipt(t.Context(), lost))
			}
			if got := h.events(c, casecore.Undelivered); !slices.Equal(got, []string{"undelivered:30005"}) {
				t.Fatalf("early %v: events %q", early, got)
			}
			if n := h.only(); n.State != notify.Dead || n.Reason != "30005" {
				t.Fatalf("early %v: notice is %s: %s", early, n.State, n.Reason)
			}
			h.must(box.Receipt(t.Context(), channels.Receipt{Channel: text, OutboundID: m.ID, State: channels.Read}))
			if n := h.only(); n.State != notify.Read || h.message(m.ID).Delivery.State != channels.Read {
				t.Fatalf("early %v: notice is %s after it was read", early, n.State)
			}
		})
	}
}

// A provider that reports a failure before its own answer gets lost has said all
// there is to know: the message goes on at once and is not held as uncertain.
func TestAFailureIsKnownAlthoughTheAnswerGotLost(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		var box *outbox.Outbox
		h.door(mail)
		h.door(text).on(func(ctx context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			h.must(box.Receipt(ctx, channels.Receipt{Channel: text, OutboundID: m.ID, State: channels.Undelivered, Reason: channels.Unreachable, Code: "30003"}))
			return channels.Receipt{}, &channels.SendError{Reason: channels.Unsure, Err: errors.New("timeout")}
		})
		box, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(text, channels.SMS, "+1", true)
		h.also(c, channels.Address{Kind: channels.Email, Handle: "a@b"})
		h.answer(c, "hello")
		synctest.Wait()
		if got := h.door(mail).texts(); !slices.Equal(got, []string{"hello"}) {
			t.Errorf("the next address got %q", got)
		}
		if got := h.events(c, casecore.Undelivered); !slices.Equal(got, []string{"undelivered:30003"}) {
			t.Errorf("the case shows %q", got)
		}
	})
}

// What was reported of one try says nothing of the next.
func TestARefusalOfAnEarlierTryIsForgotten(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		var box *outbox.Outbox
		to := channels.Address{Kind: channels.SMS, Handle: "+1"}
		h.door(text).on(func(ctx context.Context, m channels.Outbound, try int) (channels.Receipt, error) {
			if try == 1 {
				h.must(box.Receipt(ctx, channels.Receipt{Channel: text, OutboundID: m.ID, State: channels.Undelivered, Reason: channels.BadAddress}))
				return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: errors.New("later")}
			}
			return channels.Receipt{}, &channels.SendError{Reason: channels.BadContent, Err: errors.New("no")}
		})
		box, stop := h.start(outbox.Options{})
		defer stop()
		h.answer(h.openCase(text, to.Kind, to.Handle, true), "hello")
		time.Sleep(time.Hour)
		if n := h.only(); n.State != notify.Dead || n.Reason != string(channels.BadContent) || h.shut(to) != nil {
			t.Errorf("notice is %s: %s, the address is shut: %v", n.State, n.Reason, h.shut(to) != nil)
		}
	})
}

// A receipt that proves arrival ends the retries.
func TestReceiptEndsRetries(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(refuse(channels.SendError{Reason: channels.Unsure}))
		box, stop := h.start(outbox.Options{})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		m := h.answer(c, "first")
		synctest.Wait()
		h.answer(c, "second")
		synctest.Wait()
		d.on(nil)
		h.must(box.Receipt(t.Context(), channels.Receipt{Channel: mail, OutboundID: m.ID, State: channels.Delivered}))
		synctest.Wait()
		if got := d.texts(); !slices.Equal(got, []string{"second"}) {
			t.Fatalf("behind it: %q", got)
		}
		time.Sleep(24 * time.Hour)
		if len(d.called()) != 2 || h.notices()[0].State != notify.Delivered {
			t.Fatalf("%d sends, first is %s", len(d.called()), h.notices()[0].State)
		}
	})
}

// What is not ours is counted and dropped, and so is a receipt of another channel.
func TestUnknownReceipt(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.door(text)
		box, stop := h.start(outbox.Options{})
		defer stop()
		m := h.answer(h.openCase(text, channels.SMS, "+1", true), "hello")
		synctest.Wait()
		for _, r := range []channels.Receipt{
			{Channel: text, OutboundID: "nobody", State: channels.Read},
			{Channel: text, ProviderID: "nobody", State: channels.Read},
			{Channel: text, State: channels.Read},
			{Channel: chat, OutboundID: m.ID, State: channels.Read},
		} {
			h.must(box.Receipt(t.Context(), r))
		}
		if s := box.Stats(); s.Unknown != 4 || h.only().State != notify.Sent {
			t.Fatalf("stats %+v, notice is %s", s, h.only().State)
		}
	})
}
