package desk_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

func TestClaimingAgainAnswersTheSame(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("phones")
	first, err := h.work.Claim(t.Context(), anna, c.CaseNumber())
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.work.Claim(t.Context(), anna, strings.ToLower(c.CaseNumber()))
	if err != nil || again.Version != first.Version || again.ClaimNo != 1 {
		t.Errorf("second claim by the holder: %+v, %v; want the case as it was (Q1)", again, err)
	}
	if n := len(h.events(c.ID)); n != 3 { // opened, claimed, accepted
		t.Errorf("%d events, want 3: the second claim is none", n)
	}
}

func TestRefusedClaims(t *testing.T) {
	h := newHouse(t)
	held, waiting := h.arrive("phones"), h.arrive("phones")
	if _, err := h.work.Claim(t.Context(), anna, held.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	full, stranger := anna, operator("igor", "general")
	full.Capacity = 1
	reader := casecore.Actor{ID: "op-reader", Queues: []string{"phones"}} // serves the queue, but may not answer
	for name, try := range map[string]struct {
		by     casecore.Actor
		number string
		want   func(error) bool
	}{
		"held by somebody else": {boris, held.CaseNumber(), func(err error) bool {
			taken, ok := errors.AsType[*casecore.Taken](err)
			return ok && taken.OwnerName == "anna"
		}},
		"held, and of a queue that one does not serve": {stranger, held.CaseNumber(), is(store.ErrNotFound)},
		"of a queue that one does not serve":           {stranger, waiting.CaseNumber(), is(store.ErrNotFound)},
		"without the right to answer":                  {reader, waiting.CaseNumber(), is(casecore.ErrForbidden)},
		"over capacity": {full, waiting.CaseNumber(), func(err error) bool {
			full, ok := errors.AsType[*casecore.Full](err)
			return ok && full.Held == 1 && full.Capacity == 1
		}},
		"no such case": {anna, "CW-009999", is(store.ErrNotFound)},
		"not a number": {anna, "x' OR 1=1", is(desk.ErrBadNumber)},
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := h.work.Claim(t.Context(), try.by, try.number); !try.want(err) || c != nil {
				t.Errorf("answer %+v, %v", c, err)
			}
		})
	}
	if _, err := h.work.Claim(t.Context(), boris, waiting.CaseNumber()); err != nil {
		t.Errorf("after all refusals the case must still be free: %v", err)
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

// Next under 16 operators at once: every case goes out once, and what each
// operator gets is in the order of priority, then of age.
func TestNextGivesEachCaseOnceInOrder(t *testing.T) {
	h := newHouse(t)
	cases := h.fill(200, func(i int) string { return []string{"phones", "tv"}[i%2] })
	var (
		mu   sync.Mutex
		seen = map[string]string{}
		wg   sync.WaitGroup
	)
	for _, a := range rivals(16) {
		a.Queues = []string{"phones", "tv"}
		wg.Go(func() {
			var last *casecore.Case
			for {
				c, err := h.work.Next(t.Context(), a, "")
				if errors.Is(err, store.ErrNotFound) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if last != nil && (c.Priority < last.Priority || c.Priority == last.Priority && c.Received.Before(last.Received)) {
					t.Errorf("%s got %s (%s) after %s (%s)", a.Name, c.CaseNumber(), c.Priority, last.CaseNumber(), last.Priority)
				}
				last = c
				mu.Lock()
				if other, twice := seen[c.ID]; twice {
					t.Errorf("%s was given to %s and to %s", c.CaseNumber(), other, a.Name)
				}
				seen[c.ID] = a.Name
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != len(cases) {
		t.Errorf("%d of %d cases were given out", len(seen), len(cases))
	}
}

func TestNextOfAllQueuesForWhoIsBoundToNone(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("general")
	if got, err := h.work.Next(t.Context(), boss, ""); err != nil || got.ID != c.ID {
		t.Errorf("next for a supervisor: %+v, %v", got, err)
	}
	if _, err := h.work.Next(t.Context(), anna, "general"); !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("next of a foreign queue: %v", err)
	}
	if _, err := h.work.Next(t.Context(), anna, "nothing"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("next of a queue that does not exist: %v", err)
	}
}

// I4: whatever many operators do to few cases, each case's history is one chain:
// claim numbers grow by one, nobody takes what is held, and only the holder
// releases. A write under an old claim number never lands.
func TestClaimHistoriesAreChains(t *testing.T) {
	h := newHouse(t)
	cases := h.fill(8, phones)
	var wg sync.WaitGroup
	for i, a := range rivals(16) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(11, uint64(i)))
			for range 60 {
				number := cases[rnd.IntN(len(cases))].CaseNumber()
				c, err := h.work.Claim(t.Context(), a, number)
				if _, lost := errors.AsType[*casecore.Taken](err); lost {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				g := casecore.Guard{ClaimNo: c.ClaimNo}
				if rnd.IntN(2) == 0 {
					if _, _, err := h.work.Answer(t.Context(), a, number, channels.Body{Text: a.Name}, g); err != nil {
						t.Errorf("answer of the holder: %v", err)
					}
				}
				if _, err := h.work.Release(t.Context(), a, number, "", g); err != nil {
					t.Errorf("release by the holder: %v", err)
				}
				if _, _, err := h.work.Answer(t.Context(), a, number, channels.Body{Text: "late"}, g); err == nil {
					t.Errorf("%s answered under claim %d, which was over", a.Name, g.ClaimNo)
				}
			}
		})
	}
	wg.Wait()
	for _, c := range cases {
		checkChain(t, c.CaseNumber(), h.events(c.ID))
	}
}

func checkChain(t *testing.T, number string, events []*casecore.Event) {
	t.Helper()
	holder, claimNo := "", int64(0)
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("%s: event %d has sequence %d", number, i+1, e.Seq)
		}
		switch e.Kind {
		case casecore.Claimed:
			if holder != "" || e.ClaimNo != claimNo+1 || e.Actor != e.To {
				t.Fatalf("%s: claim %d by %s while %q holds claim %d", number, e.ClaimNo, e.Actor, holder, claimNo)
			}
			holder, claimNo = e.To, e.ClaimNo
		case casecore.Answered:
			if e.Actor != holder {
				t.Fatalf("%s: %s answered while %q holds it", number, e.Actor, holder)
			}
		case casecore.Released:
			if e.Actor != holder || e.From != holder || e.ClaimNo != claimNo {
				t.Fatalf("%s: %s released claim %d while %q holds claim %d", number, e.Actor, e.ClaimNo, holder, claimNo)
			}
			holder = ""
		}
	}
	if claimNo == 0 {
		t.Errorf("%s was never claimed", number)
	}
}

// Numbers are counted up, so an answer must not tell which of them are cases of
// queues that one does not serve.
func TestCasesOfOtherQueuesAreNotThere(t *testing.T) {
	h := newHouse(t)
	waiting, held := h.arrive("phones"), h.arrive("phones")
	if _, err := h.work.Claim(t.Context(), anna, held.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	igor := operator("igor", "general")
	for _, number := range []string{waiting.CaseNumber(), held.CaseNumber(), "CW-009999"} {
		_, readErr := h.work.Read(t.Context(), igor, number)
		_, claimErr := h.work.Claim(t.Context(), igor, number)
		_, moveErr := h.work.Move(t.Context(), igor, number, "accepted", casecore.Guard{})
		_, _, noteErr := h.work.Note(t.Context(), igor, number, "hello")
		for what, err := range map[string]error{"read": readErr, "claim": claimErr, "move": moveErr, "note": noteErr} {
			if !errors.Is(err, store.ErrNotFound) || errors.Is(err, casecore.ErrForbidden) {
				t.Errorf("%s %s: %v, want ErrNotFound", what, number, err)
			}
		}
	}
	if _, err := h.work.Read(t.Context(), boris, waiting.CaseNumber()); !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("a colleague of the queue, before the claim: %v, want ErrForbidden", err)
	}
}

// A customer whose id begins like another's does not lend them its addresses.
func TestAddressesAreTheCustomersOwn(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("phones")
	h.do(func(tx store.Tx) error {
		other := channels.Address{Kind: channels.Email, Handle: "other@example.org"}
		return casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(other)}, Address: other, Customer: "cu-12"})
	})
	v, err := h.work.Read(t.Context(), boss, c.CaseNumber())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Identities) != 1 || v.Identities[0].Customer != "cu-1" {
		t.Errorf("%d addresses, want the customer's one", len(v.Identities))
	}
}
