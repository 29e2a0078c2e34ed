package desk_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// rivals are n operators of the phones queue.
func rivals(n int) []casecore.Actor {
	out := make([]casecore.Actor, n)
	for i := range out {
		out[i] = operator(fmt.Sprintf("op%02d", i), "phones")
	}
	return out
}

// fill opens n waiting cases, many to a commit.
func (h *house) fill(n int, queue func(i int) string) []*casecore.Case {
	h.t.Helper()
	out := make([]*casecore.Case, 0, n)
	for len(out) < n {
		var batch []*casecore.Case
		h.do(func(tx store.Tx) error {
			batch = nil
			for i := len(out); i < min(n, len(out)+500); i++ {
				c, _, err := h.ledger.Open(tx, intake, casecore.Draft{
					Customer: "cu-1", Channel: "webchat:site", To: visitor, Subject: "Screen " + canary,
					Queue: queue(i), Priority: casecore.Priority(i%4 + 1), Category: "phone", React: 72 * time.Hour,
				}, h.inbound(fmt.Sprintf("fill-%d", i)))
				if err != nil {
					return err
				}
				batch = append(batch, c)
			}
			return nil
		})
		out = append(out, batch...)
	}
	return out
}

func phones(int) string { return "phones" }

// F14: 64 operators reach for each of 1,000 cases. Each case gets exactly one
// holder, and everybody else is told who that is.
func TestEachCaseHasOneWinner(t *testing.T) {
	h := newHouse(t)
	cases := h.fill(1000, phones)
	winners := make([]atomic.Pointer[casecore.Actor], len(cases))
	var refused atomic.Int64
	type refusal struct {
		i          int
		to, holder string
	}
	refusals := make(chan refusal, 1024)
	var wg sync.WaitGroup
	for i, a := range rivals(64) {
		wg.Go(func() {
			order := rand.New(rand.NewPCG(7, uint64(i))).Perm(len(cases))
			for _, n := range order {
				c, err := h.work.Claim(t.Context(), a, cases[n].CaseNumber())
				taken, lost := errors.AsType[*casecore.Taken](err)
				switch {
				case err == nil:
					if c.Owner != a.ID || !winners[n].CompareAndSwap(nil, &a) {
						t.Errorf("%s was won by %s and by %s", c.CaseNumber(), a.Name, c.OwnerName)
					}
				case lost && taken.Owner != a.ID:
					refused.Add(1)
					refusals <- refusal{n, a.ID, taken.Owner}
				default:
					t.Errorf("%s claims %s: %v", a.Name, cases[n].CaseNumber(), err)
				}
			}
		})
	}
	holders := make([]map[string]int, len(cases))
	var reading sync.WaitGroup
	reading.Go(func() {
		for r := range refusals {
			if holders[r.i] == nil {
				holders[r.i] = map[string]int{}
			}
			holders[r.i][r.holder]++
		}
	})
	wg.Wait()
	close(refusals)
	reading.Wait()
	if want := int64(63 * len(cases)); refused.Load() != want {
		t.Errorf("%d refusals, want %d", refused.Load(), want)
	}
	for i, c := range cases {
		w := winners[i].Load()
		if w == nil {
			t.Fatalf("%s has no winner", c.CaseNumber())
		}
		if len(holders[i]) != 1 || holders[i][w.ID] != 63 {
			t.Errorf("%s is held by %s, but the losers were told %v", c.CaseNumber(), w.ID, holders[i])
		}
		claims := slices.DeleteFunc(h.events(c.ID), func(e *casecore.Event) bool { return e.Kind != casecore.Claimed })
		if len(claims) != 1 || claims[0].To != w.ID || claims[0].ClaimNo != 1 {
			t.Errorf("%s has %d claims in its history", c.CaseNumber(), len(claims))
		}
	}
}
