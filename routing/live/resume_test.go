package live_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"casewire/casecore"
	"casewire/routing/live"
)

// W3, with real sockets: a browser that loses its connection at any moment and
// resumes has in the end got the very frames of one that never lost it.
func TestCutsLoseAndDoubleNothing(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			h := newHouse(t, live.Options{}, "anna")
			rnd := rand.New(rand.NewPCG(seed, 5))
			boss := casecore.Actor{ID: "op-boss", Name: "boss", Roles: []string{casecore.RoleSupervisor}}
			steady, _ := h.hello("anna")
			cut, first := h.hello("anna")
			seq := first.Seq
			var got [][]byte
			// read takes frames until the case's card has come, or only some.
			read := func(until string, some int) {
				for until != "" || some > 0 {
					f, err := cut.next()
					if err != nil {
						t.Fatal(err)
					}
					if f.Seq <= seq || f.T == "snapshot" {
						t.Fatalf("%s after frame %d", f.raw, seq)
					}
					seq, some = f.Seq, some-1
					got = append(got, f.raw)
					if f.T == "card" && f.Card.Number == until {
						return
					}
				}
			}
			for range 15 {
				for range rnd.IntN(4) + 1 {
					h.arrive([]string{"phones", "tv"}[rnd.IntN(2)])
					if rnd.IntN(3) == 0 {
						if _, err := h.work.Next(t.Context(), boss, ""); err != nil {
							t.Fatal(err)
						}
					}
				}
				last := h.arrive("tv") // certain to be shown: the oldest are taken first
				if rnd.IntN(2) == 0 {
					read("", 1)
				} else {
					read(last.CaseNumber(), 0)
				}
				cut.ws.Close()
				cut = h.client("anna")
				cut.send(fmt.Sprintf(`{"t":"hello","resume":{"epoch":%q,"seq":%d}}`, first.Epoch, seq))
			}
			end := h.arrive("phones")
			read(end.CaseNumber(), 0)
			var want [][]byte
			for {
				f, err := steady.next()
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, f.raw)
				if f.T == "card" && f.Card.Number == end.CaseNumber() {
					break
				}
			}
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("the cut browser got %d frames, the other %d", len(got), len(want))
			}
		})
	}
}
