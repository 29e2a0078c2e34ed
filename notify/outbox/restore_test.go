package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// restored is what the start of a restored house does first.
func (h *house) restored() notify.Settled {
	h.t.Helper()
	s, err := notify.AfterRestore(h.t.Context(), h.st, h.ledger)
	h.must(err)
	return s
}

func (h *house) sendAgain(id string) *notify.Notice {
	h.t.Helper()
	var n *notify.Notice
	h.update(func(tx store.Tx) (err error) {
		n, err = reach.Again(tx, h.ledger, master, id, channels.Address{})
		return err
	})
	return n
}

// Whatever state a notice was in when the backup was made, a restored house does
// not send it by itself, shows it, and sends it once when told to (F22).
func TestRestoredSendsNothingWithoutConsent(t *testing.T) {
	for i, state := range append([]notify.State{notify.Held}, notify.Unfinished...) {
		t.Run(string(state), func(t *testing.T) {
			room(t, func(t *testing.T, h *house) {
				h.door(mail).on(func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
					return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: errors.New("away")}
				})
				c := h.openCase(mail, channels.Email, "a@b", true)
				m := h.answer(c, "ready on Friday")
				_, stop := h.start(outbox.Options{Reach: reach})
				synctest.Wait()
				stop()
				h.update(func(tx store.Tx) error {
					n, err := notify.Notices.Find(tx, "message", m.ID)
					if err != nil {
						return err
					}
					n.State, n.LeaseUntil = state, time.Now().Add(time.Minute)
					n.Stuck, n.Behind = i%2 == 0, i%2 == 1
					return notify.Notices.Put(tx, n)
				})
				h.door(mail).on(nil)
				if s := h.restored(); s.Notices != 1 {
					t.Errorf("%+v", s)
				}
				_, stop = h.start(outbox.Options{Reach: reach})
				defer stop()
				time.Sleep(60 * 24 * time.Hour)
				synctest.Wait()
				if got := h.door(mail).texts(); len(got) != 0 {
					t.Fatalf("sent without consent: %q", got)
				}
				n := h.only()
				if n.State != notify.Dead || n.Reason != notify.Restored || !n.Undelivered() {
					t.Errorf("%+v", n)
				}
				if d := h.message(m.ID).Delivery; d.State != channels.Failed || d.Attempts[len(d.Attempts)-1].Reason != notify.Restored {
					t.Errorf("the message says %+v", d)
				}
				if got := h.events(c, casecore.Undelivered); !slices.Equal(got, []string{"undelivered:restored"}) {
					t.Errorf("the case says %q", got)
				}
				h.sendAgain(n.ID)
				synctest.Wait()
				if got := h.door(mail).texts(); !slices.Equal(got, []string{"ready on Friday"}) {
					t.Errorf("told to, it sent %q", got)
				}
			})
		})
	}
}

// What the post room had not read is not told of; an operator's words among it
// wait for consent like the rest. What happens after the restore is told as ever.
func TestRestoredTellsOnlyOfWhatIsNew(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		c := h.openCase(mail, channels.Email, "a@b", false) // asks for a receipt
		old := h.answer(c, "old words")
		h.move(c, "ready")
		if s := h.restored(); s != (notify.Settled{Notices: 1, Events: 3}) {
			t.Errorf("%+v", s)
		}
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := h.door(mail).texts(); len(got) != 0 {
			t.Errorf("sent without consent: %q", got)
		}
		n := h.only()
		if n.Message != old.ID || !n.Undelivered() {
			t.Errorf("%+v", n)
		}
		h.answer(c, "new words")
		synctest.Wait()
		h.sendAgain(n.ID)
		synctest.Wait()
		if got := h.door(mail).texts(); !slices.Equal(got, []string{"new words", "old words"}) {
			t.Errorf("sent %q", got)
		}
		if s := h.restored(); s != (notify.Settled{}) {
			t.Errorf("a second time: %+v", s)
		}
	})
}

// What was sent before the backup is not sent on to another address after it,
// neither because no receipt came nor because a bounce comes now.
func TestRestoredSendsNothingOn(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		const many = 450 // more than two transactions
		phone := channels.Address{Kind: channels.SMS, Handle: "+380"}
		h.inBatches(many, func(tx store.Tx, i int) error {
			return notify.Notices.Put(tx, &notify.Notice{
				Meta: store.Meta{ID: fmt.Sprintf("n%04d", i)}, Event: "e", Case: "c", Channel: mail, State: notify.Sent,
				To: channels.Address{Kind: channels.Email, Handle: "x@y"}, Created: time.Now(), AwaitUntil: time.Now().Add(time.Hour),
			})
		})
		c := h.openCase(mail, channels.Email, "a@b", true)
		h.also(c, phone)
		m := h.answer(c, "ready on Friday")
		h.door(text)
		h.door(mail)
		_, stop := h.start(outbox.Options{Reach: reach})
		synctest.Wait()
		stop()
		if s := h.restored(); s != (notify.Settled{}) {
			t.Errorf("%+v", s)
		}
		for _, n := range h.notices() {
			if n.State != notify.Sent || !n.Onward || !n.AwaitUntil.IsZero() {
				t.Fatalf("%+v", n)
			}
		}
		box, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		h.must(box.Receipt(t.Context(), channels.Receipt{
			Channel: mail, OutboundID: m.ID, State: channels.Undelivered, Reason: channels.BadAddress, Code: "5.1.1",
		}))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := h.door(text).texts(); len(got) != 0 {
			t.Errorf("sent on without consent: %q", got)
		}
		h.view(func(tx store.Tx) error {
			n, err := notify.Notices.Find(tx, "message", m.ID)
			if err == nil && !n.Undelivered() {
				t.Errorf("nobody sees that it bounced: %+v", n)
			}
			return err
		})
	})
}
