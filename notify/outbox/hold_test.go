package outbox_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

const hold = 2 * time.Minute

// held is a house that holds notices of a status, with a case whose receipt is
// out.
func held(t *testing.T, test func(t *testing.T, h *house, c *casecore.Case, told func() []string)) {
	room(t, func(t *testing.T, h *house) {
		h.deliver(notify.Manner{Hold: flow.Duration(hold)})
		d := h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		test(t, h, c, func() []string { synctest.Wait(); return d.texts() })
	})
}

// A mistaken status tells nobody; a right one tells after the hold.
func TestAStatusTakenBackTellsNobody(t *testing.T) {
	held(t, func(t *testing.T, h *house, c *casecore.Case, told func() []string) {
		h.move(c, "repair")
		h.move(c, "ready")
		time.Sleep(hold - time.Second)
		if got := told(); len(got) != 0 {
			t.Fatalf("told %q before the hold was over", got)
		}
		h.move(c, "repair")
		time.Sleep(time.Hour)
		if got := told(); len(got) != 0 {
			t.Fatalf("a slip that was taken back told %q", got)
		}
		n := h.only()
		if n.State != notify.Skipped || n.Reason != notify.TakenBack || h.message(n.Message).Delivery.State != channels.Cancelled {
			t.Errorf("notice is %s: %s", n.State, n.Reason)
		}
		h.move(c, "ready")
		time.Sleep(hold)
		if got := told(); len(got) != 1 {
			t.Errorf("told %q, want it once", got)
		}
		h.move(c, "repair")
		time.Sleep(time.Hour)
		if got := told(); len(got) != 1 {
			t.Errorf("what went out cannot be taken back: %q", got)
		}
	})
}

// What is not so any more is not told when the hold is over: the customer who stands
// at the counter is not asked to come and fetch it.
func TestAStatusThatWasLeftTellsNobody(t *testing.T) {
	held(t, func(t *testing.T, h *house, c *casecore.Case, told func() []string) {
		h.move(c, "ready")
		time.Sleep(hold / 2)
		h.move(c, "issued")
		time.Sleep(time.Hour)
		if got := told(); len(got) != 0 {
			t.Fatalf("told %q of what was over", got)
		}
		if n := h.only(); n.State != notify.Skipped || n.Reason != notify.Left || n.Undelivered() {
			t.Errorf("the notice is %s: %s", n.State, n.Reason)
		}
	})
}

// An operator's words do not wait for a held notice.
func TestAHeldNoticeHoldsUpNobody(t *testing.T) {
	held(t, func(t *testing.T, h *house, c *casecore.Case, told func() []string) {
		h.move(c, "ready")
		h.answer(c, "one moment")
		if got := told(); !slices.Equal(got, []string{"one moment"}) {
			t.Fatalf("told %q", got)
		}
		time.Sleep(hold)
		if got := told(); len(got) != 2 {
			t.Errorf("told %q", got)
		}
	})
}

func TestHurryAndCancel(t *testing.T) {
	held(t, func(t *testing.T, h *house, c *casecore.Case, told func() []string) {
		h.move(c, "ready")
		synctest.Wait()
		id := h.only().ID
		h.update(func(tx store.Tx) error { return notify.Hurry(tx, id, time.Now()) })
		if got := told(); len(got) != 1 {
			t.Fatalf("told %q", got)
		}
		for _, late := range []func(tx store.Tx) error{
			func(tx store.Tx) error { return notify.Hurry(tx, id, time.Now()) },
			func(tx store.Tx) error { return notify.Cancel(tx, h.ledger, id) },
		} {
			if err := h.st.Update(t.Context(), late); !errors.Is(err, notify.ErrTooLate) {
				t.Errorf("what has gone out was changed: %v", err)
			}
		}
	})
	held(t, func(t *testing.T, h *house, c *casecore.Case, told func() []string) {
		h.move(c, "ready")
		synctest.Wait()
		h.update(func(tx store.Tx) error { return notify.Cancel(tx, h.ledger, h.only().ID) })
		time.Sleep(time.Hour)
		if got := told(); len(got) != 0 {
			t.Errorf("told %q after it was stopped", got)
		}
	})
}

// N4: automatic notices wait for the customer's morning, urgent ones and an
// operator's words do not. The bubble's clock starts at midnight UTC.
func TestQuietHours(t *testing.T) {
	for _, tc := range []struct {
		zone string
		wait time.Duration
	}{
		{"Europe/Kyiv", 6 * time.Hour}, // two in the morning
		{"Asia/Tokyo", 0},              // nine
		{"America/Lima", 13 * time.Hour},
		{"Nowhere/At_All", 8 * time.Hour}, // then the centre's, which is UTC here
	} {
		room(t, func(t *testing.T, h *house) {
			h.deliver(notify.Manner{Quiet: &notify.Quiet{From: "19:00", To: "08:00"}})
			d := h.door(mail)
			_, stop := h.start(outbox.Options{})
			defer stop()
			c := h.openCase(mail, channels.Email, "a@b", true)
			h.update(func(tx store.Tx) error {
				who, err := casecore.Customers.Get(tx, c.Customer)
				if err != nil {
					return err
				}
				who.Zone = tc.zone
				return casecore.Customers.Put(tx, who)
			})
			began := time.Now()
			h.move(c, "ready")
			h.answer(c, "by hand")
			time.Sleep(24 * time.Hour)
			calls := d.called()
			if len(calls) != 2 {
				t.Fatalf("%s: %d sends", tc.zone, len(calls))
			}
			slices.SortFunc(calls, time.Time.Compare)
			if first, last := calls[0].Sub(began), calls[1].Sub(began); first != 0 || last != tc.wait {
				t.Errorf("%s: sent after %v and %v, want at once and after %v", tc.zone, first, last, tc.wait)
			}
		})
	}
}

// Where a channel gives receipts and none comes, the next address is told as
// well, in the order of the policy; a late receipt does no harm.
func TestNoReceiptTellsTheNextAddress(t *testing.T) {
	for _, receipt := range []bool{true, false} {
		room(t, func(t *testing.T, h *house) {
			wait := 15 * time.Minute
			h.door(mail)
			var ids []string
			h.door(text).on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
				ids = append(ids, m.ID)
				return channels.Receipt{State: channels.Sent}, nil
			})
			box, stop := h.start(outbox.Options{Reach: reach, Receipt: func() time.Duration { return wait }})
			defer stop()
			c := h.openCase(text, channels.SMS, "+380", true)
			h.also(c, channels.Address{Kind: channels.Email, Handle: "a@b"})
			h.move(c, "ready")
			synctest.Wait()
			arrived := func() {
				h.must(box.Receipt(t.Context(), channels.Receipt{Channel: text, OutboundID: ids[0], State: channels.Delivered}))
			}
			if receipt {
				arrived()
			}
			time.Sleep(wait + time.Minute)
			if got := len(h.door(mail).texts()); got == 1 == receipt {
				t.Errorf("receipt %v: the mailbox got %d messages", receipt, got)
			}
			arrived()
			time.Sleep(time.Hour)
			if n := len(h.door(mail).texts()) + len(h.door(text).texts()); n > 2 {
				t.Errorf("receipt %v: %d messages in all", receipt, n)
			}
		})
	}
}

// A message that went on to the next address for want of a receipt does not go
// further when the failure is reported at last, and nobody is asked to call.
func TestALateFailureAfterTheNextAddress(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.door(mail)
		var id string
		h.door(text).on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			id = m.ID
			return channels.Receipt{State: channels.Sent}, nil
		})
		box, stop := h.start(outbox.Options{Reach: reach, Receipt: func() time.Duration { return 15 * time.Minute }})
		defer stop()
		c := h.openCase(text, channels.SMS, "+380", true)
		h.also(c, channels.Address{Kind: channels.Email, Handle: "a@b"})
		h.move(c, "ready")
		time.Sleep(20 * time.Minute)
		h.must(box.Receipt(t.Context(), channels.Receipt{Channel: text, OutboundID: id, State: channels.Undelivered, Reason: channels.Unreachable, Code: "30003"}))
		time.Sleep(time.Hour)
		if got := len(h.door(mail).texts()); got != 1 {
			t.Errorf("the mailbox got %d messages, want 1", got)
		}
		if got := h.events(c, casecore.Undelivered, casecore.CallWanted); !slices.Equal(got, []string{"undelivered:30003"}) {
			t.Errorf("the case shows %q", got)
		}
	})
}

func TestOrderOfTheNextAddress(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		r := notify.Reach{Order: func() []channels.Kind { return []channels.Kind{channels.SMS, channels.Email} }, Channel: func(k channels.Kind) (string, bool) {
			return string(k) + ":x", true
		}}
		c := h.openCase("telegram:x", channels.Telegram, "1", true)
		for _, a := range []channels.Address{{Kind: channels.Email, Handle: "a@b"}, {Kind: channels.SMS, Handle: "+1"}} {
			h.also(c, a)
		}
		h.view(func(tx store.Tx) error {
			if _, to, err := r.Next(tx, c, "event", "t"); err != nil || to.Kind != channels.SMS {
				t.Errorf("next is %s, %v", to.Kind, err)
			}
			return nil
		})
	})
}
