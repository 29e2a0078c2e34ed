package casecore_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/channels"
)

const hold = 2 * time.Minute

// slips makes what was set within the hold a slip.
func (b *book) slips() {
	b.ledger.Slip = func(_ store.Tx, e *casecore.Event) (bool, error) { return b.now.Before(e.At.Add(hold)), nil }
}

func (b *book) move(by casecore.Actor, c *casecore.Case, to string) error {
	return b.store.Update(b.t.Context(), func(tx store.Tx) error {
		_, err := b.ledger.Move(tx, by, c.ID, to, casecore.Guard{})
		return err
	})
}

// offered are the statuses that the actor may give the case, those that take the last
// one back with a star.
func (b *book) offered(by casecore.Actor, c *casecore.Case) (out []string) {
	b.t.Helper()
	err := b.store.View(b.t.Context(), func(tx store.Tx) error {
		now, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		moves, err := b.ledger.Moves(tx, by, now)
		out = nil
		for _, m := range moves {
			id := m.Status.ID
			if m.Back {
				id += "*"
			}
			out = append(out, id)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// Whoever set a status by mistake takes it back while nobody has heard of it, whatever
// may follow it, and that is the first they are offered; then it is what it is.
func TestASlipIsTakenBack(t *testing.T) {
	b := open(t)
	b.slips()
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error {
		if _, err := b.ledger.Claim(tx, anna, c.ID); err != nil {
			return err
		}
		_, err := b.ledger.Edit(tx, anna, c.ID, casecore.Edit{Attributes: map[string]string{"model": "A52"}}, casecore.Guard{})
		return err
	})
	want := func(want ...string) {
		t.Helper()
		if got := b.offered(anna, c); !slices.Equal(got, want) {
			t.Errorf("offered %q, want %q", got, want)
		}
	}
	refused := func(to, code string) {
		t.Helper()
		if r, ok := errors.AsType[*flow.Refused](b.move(anna, c, to)); !ok || r.Code != code {
			t.Errorf("%s is not refused as %s", to, code)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want("parts", "ready") // not "new": what claiming set is undone by releasing
	must(b.move(anna, c, "ready"))
	must(b.move(anna, c, "issued"))
	b.do(func(tx store.Tx) error { _, _, err := b.ledger.Note(tx, anna, c.ID, "wrong one"); return err })
	want("ready*")
	refused("parts", "not_next")
	if err := b.move(boris, c, "ready"); err == nil {
		t.Error("somebody else took it back")
	}
	b.now = b.now.Add(hold - time.Second)
	must(b.move(anna, c, "ready"))
	if got := b.get(c.ID); got.Status != "ready" || got.Stage != flow.Done {
		t.Errorf("the case is %s, %s", got.Status, got.Stage)
	}
	want("issued*", "accepted")
	b.now = b.now.Add(time.Hour)
	want("issued", "accepted")
	must(b.move(anna, c, "issued"))
	b.now = b.now.Add(hold)
	want()
	refused("ready", "not_next")
}

// A slip is taken back by whom the policy lets give the status that it was, and when
// what that one needs is there.
func TestASlipIsTakenBackByWhoMay(t *testing.T) {
	b := open(t)
	b.slips()
	c := b.arrive("phones", "1")
	checker := boris
	checker.Roles = []string{casecore.RoleOperator, "qc"}
	b.do(func(tx store.Tx) error {
		_, err := b.ledger.Claim(tx, boris, c.ID)
		return err
	})
	if err := b.move(checker, c, "qc"); err != nil {
		t.Fatal(err)
	}
	b.do(func(tx store.Tx) error {
		_, err := b.ledger.Edit(tx, boris, c.ID, casecore.Edit{Attributes: map[string]string{"model": "A52"}}, casecore.Guard{})
		return err
	})
	if err := b.move(checker, c, "ready"); err != nil {
		t.Fatal(err)
	}
	if got, want := b.offered(boris, c), []string{"issued", "accepted"}; !slices.Equal(got, want) {
		t.Errorf("offered %q, want %q", got, want)
	}
	if r, ok := errors.AsType[*flow.Refused](b.move(boris, c, "qc")); !ok || r.Code != "role" {
		t.Error("taken back to a status that only qc may set")
	}
	if got, want := b.offered(checker, c), []string{"qc*", "issued", "accepted"}; !slices.Equal(got, want) {
		t.Errorf("offered %q, want %q", got, want)
	}
	if err := b.move(checker, c, "qc"); err != nil {
		t.Error(err)
	}
}

// What the customer's word did is no slip of anybody.
func TestAReopenedCaseIsNoSlip(t *testing.T) {
	b := open(t)
	b.slips()
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error {
		if _, err := b.ledger.Claim(tx, anna, c.ID); err != nil {
			return err
		}
		if _, err := b.ledger.Edit(tx, anna, c.ID, casecore.Edit{Attributes: map[string]string{"model": "A52"}}, casecore.Guard{}); err != nil {
			return err
		}
		for _, to := range []string{"ready", "issued"} {
			if _, err := b.ledger.Move(tx, anna, c.ID, to, casecore.Guard{}); err != nil {
				return err
			}
		}
		_, _, err := b.ledger.Append(tx, house, c.ID, inbound("2"))
		return err
	})
	if got, want := b.offered(boss, c), []string{"parts", "qc", "ready"}; slices.Contains(got, "issued*") {
		t.Errorf("offered %q, want %q", got, want)
	}
	if err := b.move(boss, c, "issued"); err == nil {
		t.Error("the reopened case went back to what the customer's word ended")
	}
}

// A customer who stood at the desk is answered where else they can be written to, and
// nowhere is said so.
func TestAnAnswerToTheDeskGoesElsewhere(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error {
		now, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		now.Channel, now.To = "desk:walk_in", channels.Address{Kind: channels.Desk, Handle: "entry-1"}
		return casecore.Cases.Put(tx, now)
	})
	answer := func() (m *casecore.Message, err error) {
		err = b.store.Update(t.Context(), func(tx store.Tx) (err error) {
			_, m, err = b.ledger.Answer(tx, boss, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "Come by"}})
			return err
		})
		return m, err
	}
	if _, err := answer(); !errors.Is(err, casecore.ErrNoAddress) {
		t.Errorf("no way to anybody: %v", err)
	}
	phone := channels.Address{Kind: channels.SMS, Handle: "+447700900300"}
	at := channels.Address{}
	b.ledger.Elsewhere = func(_ store.Tx, k *casecore.Case) (string, channels.Address, error) {
		if k.ID != c.ID {
			t.Errorf("asked of %s", k.CaseNumber())
		}
		return "sms:main", at, nil
	}
	if _, err := answer(); !errors.Is(err, casecore.ErrNoAddress) {
		t.Errorf("no address anywhere: %v", err)
	}
	at = phone
	m, err := answer()
	if err != nil || m.Channel != "sms:main" || m.To != phone {
		t.Errorf("answered %+v, %v", m, err)
	}
}
