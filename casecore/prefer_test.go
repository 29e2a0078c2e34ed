package casecore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

func (b *book) also(a channels.Address, customer string) string {
	b.t.Helper()
	id := casecore.IdentityID(a)
	b.do(func(tx store.Tx) error {
		return casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: id}, Address: a, Customer: customer})
	})
	return id
}

func (b *book) customer(id string) (c *casecore.Customer) {
	b.t.Helper()
	b.do(func(tx store.Tx) (err error) {
		c, err = casecore.Customers.Get(tx, id)
		return err
	})
	return c
}

// wishes lists what a case's timeline tells of its customer's wishes.
func (b *book) wishes(id string) (out []string) {
	b.t.Helper()
	for _, e := range b.events(id) {
		switch e.Kind {
		case casecore.Preferred, casecore.LangChosen, casecore.OptedOut, casecore.OptedIn:
			out = append(out, fmt.Sprintf("%s %s>%s %s %s %s", e.Kind, e.From, e.To, e.ToName, e.ActorName, e.Reason))
		}
	}
	return out
}

func (b *book) claims(by casecore.Actor, id string) {
	b.t.Helper()
	b.do(func(tx store.Tx) error {
		_, err := b.ledger.Claim(tx, by, id)
		return err
	})
}

// A wish is kept with one event on the case, and told again it changes nothing; what
// cannot be wished changes nothing either.
func TestPrefer(t *testing.T) {
	b := open(t)
	other := b.arrive("phones", "0")
	c := b.arrive("phones", "1")
	b.claims(anna, c.ID)
	phone := b.also(channels.Address{Kind: channels.SMS, Handle: "+380501234589"}, "cu-1")
	call := b.also(channels.Address{Kind: channels.Voice, Handle: "+380501234589"}, "cu-1")
	foreign := b.also(channels.Address{Kind: channels.SMS, Handle: "+380670000000"}, "cu-2")
	dead := b.also(channels.Address{Kind: channels.Email, Handle: "a@b"}, "cu-1")
	b.do(func(tx store.Tx) error {
		return b.ledger.Stand(tx, house, channels.Standing{Channel: "email:main", Address: channels.Address{Kind: channels.Email, Handle: "a@b"}, Reason: channels.BadAddress})
	})
	prefer := func(by casecore.Actor, w casecore.Wish) error {
		return b.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := b.ledger.Prefer(tx, by, c.ID, w)
			return err
		})
	}
	sr, none, long, bad := "sr", "", strings.Repeat("x", 17), "u\x00k"
	for range 2 {
		if err := prefer(anna, casecore.Wish{Lang: &sr, Address: &phone}); err != nil {
			t.Fatal(err)
		}
	}
	version := b.get(c.ID).Version
	var invalid *casecore.Invalid
	for name, tc := range map[string]struct {
		by   casecore.Actor
		w    casecore.Wish
		want func(error) bool
	}{
		"somebody else's": {anna, casecore.Wish{Address: &foreign}, func(err error) bool { return errors.Is(err, store.ErrNotFound) }},
		"nobody's":        {anna, casecore.Wish{Address: &bad}, func(err error) bool { return errors.Is(err, store.ErrNotFound) }},
		"shut":            {anna, casecore.Wish{Address: &dead}, func(err error) bool { return errors.Is(err, casecore.ErrShut) }},
		"only to call":    {anna, casecore.Wish{Address: &call}, func(err error) bool { return errors.As(err, &invalid) }},
		"no language":     {anna, casecore.Wish{Lang: &long}, func(err error) bool { return errors.As(err, &invalid) }},
		"no text":         {anna, casecore.Wish{Lang: &bad}, func(err error) bool { return errors.As(err, &invalid) }},
		"not the holder":  {boris, casecore.Wish{Lang: &none}, func(err error) bool { var taken *casecore.Taken; return errors.As(err, &taken) }},
	} {
		if err := prefer(tc.by, tc.w); !tc.want(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := b.get(c.ID); got.Version != version {
		t.Errorf("the case has changed: %+v", got)
	}
	if who := b.customer("cu-1"); who.Reads(c) != "sr" || who.Reads(other) != "sr" {
		t.Error("they are told of a case in another language than the chosen one")
	}
	if err := prefer(boss, casecore.Wish{Lang: &none, Address: &none}); err != nil {
		t.Fatal(err)
	}
	who := b.customer("cu-1")
	if got := who.Reads(b.get(c.ID)); got != "uk" || who.Lang != "" {
		t.Errorf("they chose the language that they write in, and read %q", got)
	}
	want := []string{"language >sr  Anna ", "preferred >sms +380…89 Anna ", "language sr>  Boss ", "preferred sms>  Boss "}
	if got := b.wishes(c.ID); !slices.Equal(got, want) || who.LangSet || who.Preferred != "" {
		t.Errorf("%+v, events %q", who, got)
	}
}

// A customer's wish told without a case is noted on the newest that the actor may
// work on, and kept without any.
func TestPreferFor(t *testing.T) {
	b := open(t)
	b.do(func(tx store.Tx) error {
		return casecore.Customers.Put(tx, &casecore.Customer{Meta: store.Meta{ID: "cu-2"}})
	})
	uk := "uk"
	told := func(by casecore.Actor, id string) {
		b.do(func(tx store.Tx) error {
			who, err := casecore.Customers.Get(tx, id)
			if err != nil {
				return err
			}
			return b.ledger.PreferFor(tx, by, who, casecore.Wish{Lang: &uk})
		})
	}
	told(boss, "cu-2")
	if who := b.customer("cu-2"); !who.LangSet || who.Lang != "uk" {
		t.Errorf("customer %+v", who)
	}
	old := b.arrive("phones", "1")
	b.claims(anna, old.ID)
	b.now = b.now.Add(time.Hour)
	newest := b.arrive("tv", "2")
	told(anna, "cu-1")
	if len(b.wishes(old.ID)) != 1 || len(b.wishes(newest.ID)) != 0 {
		t.Errorf("events %q and %q", b.wishes(old.ID), b.wishes(newest.ID))
	}
}

// Not to be written to is the customer's wish: nothing but a wish takes it back,
// neither their next message nor an operator's word that the mailbox works; a word
// to the provider weighs more.
func TestOptOut(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	b.claims(anna, c.ID)
	phone := channels.Address{Kind: channels.SMS, Handle: "+380501234589"}
	id := b.also(phone, "cu-1")
	foreign := b.also(channels.Address{Kind: channels.SMS, Handle: "+380670000000"}, "cu-2")
	do := func(verb func(store.Tx, casecore.Actor, string, string, casecore.Word) (*casecore.Case, error), by casecore.Actor, identity string, w casecore.Word) error {
		b.now = b.now.Add(time.Minute)
		return b.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := verb(tx, by, c.ID, identity, w)
			return err
		})
	}
	shut := func() (s *casecore.Shut) {
		b.do(func(tx store.Tx) error {
			i, err := casecore.Identities.Get(tx, id)
			s = i.Shut
			return err
		})
		return s
	}
	stand := func(open bool, at time.Time) {
		code := casecore.StopCode
		if open {
			code = casecore.StartCode
		}
		b.do(func(tx store.Tx) error {
			return b.ledger.Stand(tx, house, channels.Standing{Channel: "sms:main", Address: phone, Open: open, Reason: channels.Blocked, Code: code, At: at})
		})
	}
	said := casecore.Word{Via: "desk", Reason: "asked on the phone"}
	var invalid *casecore.Invalid
	if err := do(b.ledger.OptOut, anna, id, casecore.Word{Via: "desk", Reason: " "}); !errors.As(err, &invalid) {
		t.Errorf("without a reason: %v", err)
	}
	if err := do(b.ledger.OptOut, anna, foreign, said); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("somebody else's address: %v", err)
	}
	for range 2 {
		if err := do(b.ledger.OptOut, anna, id, said); err != nil {
			t.Fatal(err)
		}
	}
	if s := shut(); s == nil || s.Code != casecore.StopCode || s.By != anna.ID || s.Note != said.Reason || s.Channel != "desk" {
		t.Fatalf("shut %+v", s)
	}
	b.do(func(tx store.Tx) error {
		i, err := casecore.Identities.Get(tx, id)
		if err == nil && i.Heard(b.now) {
			t.Error("a message of theirs took the wish back")
		}
		return err
	})
	if err := do(b.ledger.OptIn, anna, id, casecore.Word{Via: "desk", Reason: "writes again"}); err != nil || shut() != nil {
		t.Fatalf("opted in: %v, %+v", err, shut())
	}
	stand(false, b.now.Add(-30*time.Second)) // an older STOP that comes late
	if shut() != nil {
		t.Error("an older word won")
	}
	if err := do(b.ledger.OptOut, casecore.System("page"), id, casecore.Word{Via: "page"}); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Minute)
	stand(false, b.now)
	if s := shut(); s == nil || s.By != "" {
		t.Errorf("STOP behind a wish: %+v", s)
	}
	if err := do(b.ledger.OptIn, anna, id, said); !errors.Is(err, casecore.ErrWish) {
		t.Errorf("STOP taken back by an operator: %v", err)
	}
	b.now = b.now.Add(time.Minute)
	stand(true, b.now)
	if shut() != nil {
		t.Error("START did not open")
	}
	want := []string{"opted_out >sms +380…89 Anna asked on the phone", "opted_in >sms +380…89 Anna writes again", "opted_out >sms +380…89 page "}
	if got := b.wishes(c.ID); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// An address is known to be a customer's when they wrote from it or brought a link.
func TestProven(t *testing.T) {
	b := open(t)
	b.arrive("phones", "1")
	phone, mail := channels.Address{Kind: channels.SMS, Handle: "+380501234589"}, channels.Address{Kind: channels.Email, Handle: "a@b"}
	b.also(phone, "cu-1")
	b.also(mail, "cu-1")
	b.do(func(tx store.Tx) error {
		_, _, err := b.ledger.Open(tx, anna, casecore.Draft{Customer: "cu-1", Channel: "sms:main", To: phone, Queue: "phones", Priority: casecore.Normal},
			casecore.Message{Direction: casecore.In, Channel: "sms:main", ExternalID: "e", From: phone, Author: anna.ID, AuthorName: anna.Name})
		return err
	})
	proven := func() (out []string) {
		b.do(func(tx store.Tx) error {
			list, err := casecore.Proven(tx, "cu-1")
			for _, i := range list {
				out = append(out, i.Address.Key())
			}
			return err
		})
		slices.Sort(out)
		return out
	}
	if got := proven(); !slices.Equal(got, []string{visitor.Key()}) {
		t.Errorf("proven %q: what an operator entered is not", got)
	}
	b.do(func(tx store.Tx) error {
		_, _, err := b.ledger.Open(tx, house, casecore.Draft{Customer: "cu-1", Channel: "email:main", To: mail, Queue: "phones", Priority: casecore.Normal},
			casecore.Message{Direction: casecore.In, Channel: "email:main", ExternalID: "f", From: mail})
		return err
	})
	if got := proven(); !slices.Equal(got, []string{mail.Key(), visitor.Key()}) {
		t.Errorf("proven %q", got)
	}
}

func TestMask(t *testing.T) {
	for _, tc := range []struct {
		kind         channels.Kind
		handle, want string
	}{
		{channels.SMS, "+380501234589", "+380…89"}, {channels.SMS, "+4712345678", "+471…78"}, {channels.SMS, "12345", "…45"}, {channels.SMS, "7", "…7"}, {channels.SMS, "", "…"},
		{channels.SMS, "MYBANK", "…NK"}, {channels.Voice, "+380501234589", "+380…89"},
		{channels.Email, "olena@shop.example", "o…@shop.example"}, {channels.Email, "o@shop.example", "…@shop.example"}, {channels.Email, "ґанна@приклад.укр", "ґ…@приклад.укр"},
		{channels.Email, "\xff\xfe@x", "…@x"}, {channels.Email, "nobody", "…"}, {channels.Telegram, "7700112233", ""}, {channels.WebChat, "visitor", ""}, {channels.Desk, "entry", ""},
	} {
		if got := casecore.Mask(channels.Address{Kind: tc.kind, Handle: tc.handle}); got != tc.want {
			t.Errorf("%s %q: %q, want %q", tc.kind, tc.handle, got, tc.want)
		}
	}
}
