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

// reach is a house with a mailbox and a number.
var reach = notify.Reach{Channel: served}

func served(kind channels.Kind) (string, bool) {
	id, ok := map[channels.Kind]string{channels.Email: mail, channels.SMS: text}[kind]
	return id, ok
}

// also gives a case's customer one more address.
func (h *house) also(c *casecore.Case, a channels.Address) {
	h.t.Helper()
	h.update(func(tx store.Tx) error {
		return casecore.Identities.Put(tx, &casecore.Identity{
			Meta: store.Meta{ID: casecore.IdentityID(a)}, Address: a, Customer: c.Customer,
		})
	})
}

func (h *house) shut(a channels.Address) *casecore.Shut {
	h.t.Helper()
	var i *casecore.Identity
	h.view(func(tx store.Tx) (err error) {
		i, err = casecore.Identities.Get(tx, casecore.IdentityID(a))
		return err
	})
	return i.Shut
}

// What cannot be delivered goes to the customer's next address, and the first one
// is not tried again; what was refused for its words does not.
func TestUndeliverableGoesToTheNextAddress(t *testing.T) {
	home, phone := channels.Address{Kind: channels.Email, Handle: "a@b"}, channels.Address{Kind: channels.SMS, Handle: "+380"}
	for _, tc := range []struct {
		reason       channels.Reason
		byReceipt    bool
		onward, shut bool
	}{
		{channels.BadAddress, false, true, true},
		{channels.Blocked, false, true, true},
		{channels.BadAddress, true, true, true},
		{channels.BadContent, false, false, false},
		{channels.BadContent, true, false, false},
		{channels.Unreachable, false, true, false},
	} {
		t.Run(fmt.Sprint(tc.reason, " by receipt ", tc.byReceipt), func(t *testing.T) {
			room(t, func(t *testing.T, h *house) {
				h.door(text)
				h.door(mail).on(func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
					if tc.byReceipt {
						return channels.Receipt{State: channels.Sent}, nil
					}
					return channels.Receipt{}, &channels.SendError{Reason: tc.reason, Code: "5.1.1", Err: errors.New("no")}
				})
				box, stop := h.start(outbox.Options{Reach: reach})
				defer stop()
				c := h.openCase(mail, channels.Email, home.Handle, true)
				h.also(c, phone)
				m := h.answer(c, "ready on Friday")
				synctest.Wait()
				if tc.byReceipt {
					h.must(box.Receipt(t.Context(), channels.Receipt{
						Channel: mail, OutboundID: m.ID, State: channels.Undelivered, Reason: tc.reason, Code: "5.1.1",
					}))
					synctest.Wait()
				}
				var want []string
				if tc.onward {
					want = []string{"ready on Friday"}
				}
				if got := h.door(text).texts(); !slices.Equal(got, want) {
					t.Fatalf("the phone got %q, want %q", got, want)
				}
				if got := h.shut(home) != nil; got != tc.shut {
					t.Errorf("address shut: %v, want %v", got, tc.shut)
				}
				if !tc.shut {
					return
				}
				calls := len(h.door(mail).called())
				h.answer(c, "and your cover")
				synctest.Wait()
				if got := h.door(text).texts(); !slices.Equal(got, []string{"ready on Friday", "and your cover"}) {
					t.Errorf("the phone got %q", got)
				}
				if len(h.door(mail).called()) != calls {
					t.Error("the shut address was written to")
				}
			})
		})
	}
}

// With every address refused there is an end, and it is seen.
func TestNoAddressLeft(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		no := func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
			return channels.Receipt{}, &channels.SendError{Reason: channels.BadAddress, Err: errors.New("no")}
		}
		h.door(text).on(no)
		h.door(mail).on(no)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		h.also(c, channels.Address{Kind: channels.SMS, Handle: "+380"})
		h.answer(c, "hello")
		synctest.Wait()
		if got := h.events(c, casecore.Undelivered); !slices.Equal(got, []string{"undelivered:bad_address", "undelivered:bad_address"}) {
			t.Errorf("the case shows %q", got)
		}
		h.move(c, "ready")
		synctest.Wait()
		all := h.notices()
		if last := all[0]; !slices.ContainsFunc(all, func(n *notify.Notice) bool { return n.State == notify.Skipped && n.Reason == notify.AllShut }) {
			t.Errorf("no notice says that nothing is left: %+v", last)
		}
		h.view(func(tx store.Tx) error {
			now, err := casecore.Cases.Get(tx, c.ID)
			if err == nil && (now.Call == nil || now.Call.Reason != "bad_address" || !now.OnBoard()) {
				t.Errorf("nobody is asked to call: %+v, on the board: %v", now.Call, now.OnBoard())
			}
			return err
		})
	})
}

// Sent again by hand, to another address or the same, once for each wish.
func TestAgain(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		fail := true
		h.door(mail).on(func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
			if fail {
				return channels.Receipt{}, &channels.SendError{Reason: channels.BadContent, Err: errors.New("no")}
			}
			return channels.Receipt{State: channels.Sent}, nil
		})
		h.door(text)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		phone := channels.Address{Kind: channels.SMS, Handle: "+380"}
		h.also(c, phone)
		h.answer(c, "hello")
		synctest.Wait()
		id := h.only().ID
		again := func(to channels.Address) error {
			return h.st.Update(t.Context(), func(tx store.Tx) error {
				_, err := reach.Again(tx, h.ledger, master, id, to)
				return err
			})
		}
		if err := again(channels.Address{Kind: channels.SMS, Handle: "+999"}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("sent to an address that is not the customer's: %v", err)
		}
		h.must(again(phone))
		fail = false
		h.must(again(channels.Address{}))
		synctest.Wait()
		if a, b := h.door(text).texts(), h.door(mail).texts(); len(a) != 1 || len(b) != 1 {
			t.Errorf("the phone got %q, the mailbox %q", a, b)
		}
		for _, n := range h.notices() {
			if n.Undelivered() {
				t.Errorf("still in the list of what did not arrive: %+v", n)
			}
			if n.ID != id {
				err := h.st.Update(t.Context(), func(tx store.Tx) error {
					_, err := reach.Again(tx, h.ledger, master, n.ID, channels.Address{})
					return err
				})
				if !errors.Is(err, notify.ErrArrived) {
					t.Errorf("what arrived was sent again: %v", err)
				}
			}
		}
	})
}

// A mail answers the customer's latest and names those before it (O1).
func TestMailNamesTheConversation(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		var sent []channels.Outbound
		h.door(mail).on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			sent = append(sent, m)
			return channels.Receipt{State: channels.Sent, ProviderID: fmt.Sprintf("out%d@shop", len(sent)), Refs: []string{"relay@x"}}, nil
		})
		_, stop := h.start(outbox.Options{})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		say := func(name string) {
			h.update(func(tx store.Tx) error {
				_, _, err := h.ledger.Append(tx, master, c.ID, casecore.Message{
					Direction: casecore.In, Channel: mail, ExternalID: name, From: c.To, Refs: []string{name},
				})
				return err
			})
		}
		say("in1@b")
		h.answer(c, "one")
		synctest.Wait()
		say("in2@b")
		h.update(func(tx store.Tx) error { // which the customer has never seen
			_, _, err := h.ledger.Append(tx, master, c.ID, casecore.Message{
				Direction: casecore.In, Channel: mail, ExternalID: "dsn", Auto: true, Refs: []string{"dsn@mx"},
				From: channels.Address{Kind: channels.Email, Handle: "mailer-daemon@mx"},
			})
			return err
		})
		for i := range 20 {
			h.answer(c, fmt.Sprint("two ", i))
			synctest.Wait()
		}
		if m := sent[0]; !slices.Equal(m.Answers, []string{"in1@b"}) || m.Subject != "broken" {
			t.Errorf("the first answer: %+v", m)
		}
		if m := sent[1]; !slices.Equal(m.Answers, []string{"in2@b", "out1@shop", "in1@b"}) {
			t.Errorf("the second answer names %q", m.Answers)
		}
		if m := sent[20]; m.Answers[0] != "in2@b" || m.Answers[1] != "out20@shop" || len(m.Answers) > 13 {
			t.Errorf("the last answer names %q", m.Answers)
		}
		h.view(func(tx store.Tx) error {
			for _, name := range []string{"out1@shop", "relay@x", "in2@b"} {
				if _, err := casecore.Messages.First(tx, store.Range{Index: "ref", Prefix: casecore.RefKey(channels.Email, name)}); err != nil {
					t.Errorf("no message is found by %s: %v", name, err)
				}
			}
			return nil
		})
	})
}

// E11: a machine that answers every receipt with a new mail gets no more of them,
// and a customer with many devices gets every notice.
func TestLoopsEnd(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.door(mail)
		_, stop := h.start(outbox.Options{})
		defer stop()
		for range 500 {
			h.openCase(mail, channels.Email, "robot@b", false)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		if n := len(h.door(mail).texts()); n != 10 {
			t.Errorf("the robot got %d receipts in eight minutes, want 10", n)
		}
		time.Sleep(24 * time.Hour)
		before := len(h.door(mail).texts())
		var cases []*casecore.Case
		for range 40 {
			cases = append(cases, h.openCase(mail, channels.Email, "fleet@b", true))
		}
		for _, c := range cases {
			h.move(c, "ready")
		}
		synctest.Wait()
		if n := len(h.door(mail).texts()) - before; n != 40 {
			t.Errorf("the customer with 40 devices heard of %d", n)
		}
	})
}

// A message that is not even tried, because its address is shut, shows that it did
// not go out, and is no later word on the address: the customer who was back before
// it is reached again.
func TestARefusalIsNoLaterWord(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		_, stop := h.start(outbox.Options{})
		defer stop()
		c := h.openCase(mail, channels.Email, "a@b", true)
		stand := func(open bool, at time.Time) {
			h.update(func(tx store.Tx) error {
				return h.ledger.Stand(tx, master, channels.Standing{Channel: mail, Address: c.To, Open: open, Reason: channels.Blocked, At: at})
			})
		}
		blocked := time.Now()
		stand(false, blocked)
		time.Sleep(10 * time.Second)
		m := h.answer(c, "hello")
		synctest.Wait()
		if got := h.message(m.ID).Delivery; got.State != channels.Failed || len(d.called()) != 0 {
			t.Errorf("after %d tries the message is shown as %s", len(d.called()), got.State)
		}
		stand(true, blocked.Add(5*time.Second))
		if s := h.shut(c.To); s != nil {
			t.Errorf("the address stays shut: %+v", s)
		}
	})
}
