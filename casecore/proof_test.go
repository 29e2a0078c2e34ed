package casecore_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// history is all that is chained of one case.
type history struct {
	c        *casecore.Case
	events   []*casecore.Event
	messages []*casecore.Message
	outside  map[string][]string
}

func (h *history) faults() []casecore.Fault {
	return casecore.Prove(h.c, h.events, h.messages, h.outside).Faults
}

func (b *book) history(id string) *history {
	b.t.Helper()
	h := &history{c: b.get(id), events: b.events(id), outside: map[string][]string{}}
	err := b.store.View(b.t.Context(), func(tx store.Tx) error {
		for m, err := range casecore.Messages.Scan(tx, store.Range{Index: "case", Prefix: store.Under(id)}) {
			if err != nil {
				return err
			}
			h.messages = append(h.messages, m)
			if m.Proof() != "" {
				h.outside[m.ID] = []string{m.Proof()}
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return h
}

// live does n random things to the cases of one customer and returns the cases.
// Verbs that are refused change nothing.
func (b *book) live(r *rand.Rand, n int) []string {
	b.t.Helper()
	cases := []string{b.arrive("phones", "first").ID}
	text := func() string { return fmt.Sprintf("text %d", r.Int()) }
	for i := range n {
		b.now = b.now.Add(time.Duration(r.IntN(100)) * time.Second)
		if r.IntN(12) == 0 {
			cases = append(cases, b.arrive("phones", fmt.Sprint("case", i)).ID)
		}
		id := cases[r.IntN(len(cases))]
		h := b.history(id)
		if len(h.messages) == 0 { // all went to other cases
			continue
		}
		m := h.messages[r.IntN(len(h.messages))]
		to := cases[r.IntN(len(cases))]
		states := []channels.State{channels.Sending, channels.Sent, channels.Failed, channels.Uncertain, channels.Queued}
		words := []channels.State{channels.Sent, channels.Delivered, channels.Read, channels.Undelivered}
		verbs := []func(tx store.Tx) error{
			func(tx store.Tx) error {
				_, _, err := b.ledger.Append(tx, house, id, inbound(fmt.Sprint("in", i)))
				return err
			},
			func(tx store.Tx) error { _, err := b.ledger.Claim(tx, anna, id); return err },
			func(tx store.Tx) error { _, err := b.ledger.Release(tx, anna, id, "", casecore.Guard{}); return err },
			func(tx store.Tx) error {
				_, err := b.ledger.Transfer(tx, boss, id, "tv", text(), casecore.Guard{})
				return err
			},
			func(tx store.Tx) error {
				_, _, err := b.ledger.Answer(tx, boss, id, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: text()}})
				return err
			},
			func(tx store.Tx) error { _, _, err := b.ledger.Note(tx, boss, id, text()); return err },
			func(tx store.Tx) error {
				_, err := b.ledger.Move(tx, boss, id, []string{"accepted", "parts", "ready", "issued"}[r.IntN(4)], casecore.Guard{})
				return err
			},
			func(tx store.Tx) error {
				_, err := b.ledger.Edit(tx, boss, id, casecore.Edit{Attributes: map[string]string{"model": text()}}, casecore.Guard{})
				return err
			},
			func(tx store.Tx) error {
				_, _, err := b.ledger.Tell(tx, house, id, casecore.Message{Template: "ready", Body: channels.Body{Text: text()}})
				return err
			},
			func(tx store.Tx) error {
				if m.Direction != casecore.Out {
					return nil
				}
				a := casecore.Attempt{No: 1 + len(m.Delivery.Attempts), Channel: "c", At: b.now, State: states[r.IntN(5)], Code: text(), ProviderID: text()}
				if r.IntN(2) == 0 {
					a.No = max(1, a.No-1)
					a.Refs, a.NextAt = []string{text()}, b.now
				}
				_, err := b.ledger.Attempted(tx, m.ID, a)
				return err
			},
			func(tx store.Tx) error {
				_, _, err := b.ledger.Receipted(tx, m.ID, channels.Receipt{State: words[r.IntN(4)], ProviderID: text(), Code: text()})
				return err
			},
			func(tx store.Tx) error {
				if m.Direction != casecore.Out || r.IntN(3) > 0 {
					return nil
				}
				_, err := b.ledger.Cancelled(tx, m.ID)
				return err
			},
			func(tx store.Tx) error { return b.ledger.Undelivered(tx, house, m, "bad_address") },
			func(tx store.Tx) error {
				_, _, err := b.ledger.Retell(tx, house, m, "sms:main", channels.Address{Kind: channels.SMS, Handle: "+380501234567"})
				return err
			},
			func(tx store.Tx) error {
				if m.Direction != casecore.In {
					return nil
				}
				_, err := b.ledger.Revise(tx, house, m, fmt.Sprint("edit", i), channels.Body{Text: text()}, b.now)
				return err
			},
			func(tx store.Tx) error {
				if m.Direction != casecore.In {
					return nil
				}
				_, err := b.ledger.Precede(tx, house, m, inbound(fmt.Sprint("orig", i)))
				return err
			},
			func(tx store.Tx) error { _, _, err := b.ledger.Refile(tx, boss, m.ID, to); return err },
			func(tx store.Tx) error {
				if r.IntN(3) > 0 {
					return nil
				}
				_, _, err := b.ledger.RefileNew(tx, boss, m.ID, casecore.Draft{Queue: "tv", Priority: casecore.Normal})
				return err
			},
			func(tx store.Tx) error { return b.ledger.WantCall(tx, house, id, "bad_address", m.ID) },
			func(tx store.Tx) error {
				_, err := b.ledger.Called(tx, boss, id, casecore.CallNoAnswer, text())
				return err
			},
			func(tx store.Tx) error {
				return b.ledger.Ask(tx, house, id, m.ID, []casecore.Choice{{Label: "A", Data: "a"}})
			},
		}
		_ = b.store.Update(b.t.Context(), verbs[r.IntN(len(verbs))])
	}
	var all []string
	err := b.store.View(b.t.Context(), func(tx store.Tx) error {
		for c, err := range casecore.Cases.Scan(tx, store.Range{}) {
			if err != nil {
				return err
			}
			all = append(all, c.ID)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// Whatever happens to a case, its chains are whole; and whatever single thing is
// changed behind their back is found.
func TestAnyChangeIsFound(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 9))
		b := open(t)
		for _, id := range b.live(r, 60) {
			h := b.history(id)
			if f := h.faults(); len(f) > 0 {
				t.Fatalf("seed %d: nothing was touched, and %v", seed, f)
			}
			found := func(what string, args ...any) {
				t.Helper()
				if len(h.faults()) == 0 {
					t.Errorf("seed %d: %s is not found", seed, fmt.Sprintf(what, args...))
				}
			}
			h.flip(found)
			h.remove(found)
			h.swap(found)
			h.insert(found)
			h.rechain(found)
			if f := h.faults(); len(f) > 0 {
				t.Fatalf("seed %d: the test itself left %v", seed, f)
			}
		}
	}
}
