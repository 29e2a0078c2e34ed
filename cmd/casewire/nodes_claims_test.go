package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/cmd/casewire/app"
)

// How much TestClaimsAreLinearizable does: "64x1000" is 64 rivals and 1,000 cases.
const claimsVariable = "CASEWIRE_CLAIMS"

// ask is what an operator asks of a case.
type ask struct {
	number  string
	by      string // the operator
	release bool   // else it is a claim
	claimNo int64  // under which it is released
}

// told is what the API answers.
type told struct {
	ok      bool
	claimNo int64
	holder  string // when another has it
	code    string
}

// caseState is whom a case belongs to.
type caseState struct {
	holder  string // "" for nobody
	claimNo int64
}

// caseModel says which answers about a case can follow one another: it is free or
// held by one operator, and the claim number grows by one with each claim. Whoever
// claims what is theirs is told so again.
func caseModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byCase := map[string][]porcupine.Operation{}
			for _, op := range history {
				number := op.Input.(ask).number
				byCase[number] = append(byCase[number], op)
			}
			var out [][]porcupine.Operation
			for _, ops := range byCase {
				out = append(out, ops)
			}
			return out
		},
		Init: func() any { return caseState{} },
		Step: func(state, in, out any) (bool, any) {
			s, a, t := state.(caseState), in.(ask), out.(told)
			mine := s.holder == a.by
			switch {
			case a.release && t.ok:
				return mine && s.claimNo == a.claimNo, caseState{claimNo: s.claimNo}
			case a.release:
				return !mine || s.claimNo != a.claimNo, s
			case t.ok && mine:
				return t.claimNo == s.claimNo, s
			case t.ok:
				return s.holder == "" && t.claimNo == s.claimNo+1, caseState{a.by, t.claimNo}
			}
			return s.holder != "" && !mine && t.holder == s.holder, s
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v: %+v", in, out) },
	}
}

// TestClaimsAreLinearizable promises: whatever operators claim and release at the same
// time, on whichever node, the answers are those of a case that one after the other
// reaches for (F14). The histories are judged by porcupine.
func TestClaimsAreLinearizable(t *testing.T) {
	for name, o := range map[string]clusterOptions{
		"one node, embedded":                  {embedded: true, nodes: 1},
		"two nodes, one clock":                {nodes: 2},
		"two nodes, clocks ten minutes apart": {nodes: 2, skew: []time.Duration{5 * time.Minute, -5 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) { claimAll(t, o) })
	}
}

func claimAll(t *testing.T, o clusterOptions) {
	rivals, cases := claimSize(t, o.embedded)
	var numbers []string
	o.workers = 8
	o.before = func(ctx context.Context, a *app.App) (err error) {
		numbers, err = openCases(ctx, a, cases)
		return err
	}
	c := newCluster(t, o)
	c.start(c.nodes...)
	seed := uint64(number(t, seedVariable, int(rand.Uint32())))
	t.Logf("%d rivals, %d cases, %s=%d", rivals, cases, seedVariable, seed)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: rivals}}
	defer client.CloseIdleConnections()
	histories := make([][]porcupine.Operation, rivals)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range rivals {
		wg.Go(func() {
			r := rival{client: client, o: c.workers[i%len(c.workers)], id: i, luck: rand.New(rand.NewPCG(seed, uint64(i))), began: began, held: map[string]int64{}}
			// Rivals reach for the same few cases at the same time, then for the next few.
			for few := range slices.Chunk(numbers, 10) {
				for range 2 * len(few) {
					if err := r.act(t.Context(), c.nodes[r.luck.IntN(len(c.nodes))], few[r.luck.IntN(len(few))]); err != nil {
						t.Error(err)
						return
					}
				}
			}
			histories[i] = r.history
		})
	}
	wg.Wait()
	took := time.Since(began)
	history := slices.Concat(histories...)
	won := 0
	for _, op := range history {
		if !op.Input.(ask).release && op.Output.(told).ok {
			won++
		}
	}
	if won < len(numbers) || t.Failed() {
		t.Fatalf("%d claims succeeded, of %d cases", won, len(numbers))
	}
	if result := porcupine.CheckOperationsTimeout(caseModel(), history, 2*time.Minute); result != porcupine.Ok {
		t.Errorf("F14: a history of %d answers cannot have come from one case after the other: %s", len(history), result)
	}
	t.Logf("%d answers in %v, %d claims succeeded", len(history), took.Round(time.Millisecond), won)
	c.stop()
	c.read().isInOrder()
}

func claimSize(t *testing.T, embedded bool) (rivals, cases int) {
	t.Helper()
	rivals, cases = 16, 30
	if embedded {
		cases = 100
	}
	if text := os.Getenv(claimsVariable); text != "" {
		if n, err := fmt.Sscanf(text, "%dx%d", &rivals, &cases); n != 2 || err != nil {
			t.Fatalf("%s=%q is not like 64x1000", claimsVariable, text)
		}
	}
	return rivals, cases
}

// openCases makes waiting cases of so many customers, through the book.
func openCases(ctx context.Context, a *app.App, n int) ([]string, error) {
	h := a.House()
	ledger := &casecore.Ledger{Flow: h.Flow, Now: time.Now, Queue: func(id string) string { return id }}
	var numbers []string
	for len(numbers) < n {
		var batch []string
		err := h.Store.Update(ctx, func(tx store.Tx) error {
			batch = nil
			for i := len(numbers); i < min(n, len(numbers)+50); i++ {
				from := channels.Address{Kind: channels.WebChat, Handle: "visitor-" + strconv.Itoa(i)}
				c, _, err := ledger.Open(tx, casecore.System("intake"), casecore.Draft{
					Customer: "cu-" + strconv.Itoa(i), Channel: "webchat:site", To: from, Subject: "Screen", Queue: "phones",
					Priority: casecore.Priority(2), Category: "phone", React: time.Hour,
				}, casecore.Message{
					Channel: "webchat:site", ExternalID: "claims|" + strconv.Itoa(i), From: from,
					Body: channels.Body{Text: "My screen is broken"},
				})
				if err != nil {
					return err
				}
				batch = append(batch, c.CaseNumber())
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("open cases: %w", err)
		}
		numbers = append(numbers, batch...)
	}
	return numbers, nil
}

// rival is one of an operator's hands.
type rival struct {
	client  *http.Client
	o       *worker
	id      int
	luck    *rand.Rand
	began   time.Time
	held    map[string]int64 // what it believes to hold
	history []porcupine.Operation
}

// act claims a case, or releases it when it is held.
func (r *rival) act(ctx context.Context, n *node, number string) error {
	a := ask{number: number, by: r.o.id}
	if no, held := r.held[number]; held && r.luck.IntN(3) > 0 {
		a.release, a.claimNo = true, no
	}
	op := porcupine.Operation{ClientId: r.id, Input: a, Call: int64(time.Since(r.began))}
	t, err := r.asks(ctx, n, a)
	if err != nil {
		return err
	}
	op.Output, op.Return = t, int64(time.Since(r.began))
	r.history = append(r.history, op)
	delete(r.held, number)
	if t.ok && !a.release {
		r.held[number] = t.claimNo
	}
	return nil
}

func (r *rival) asks(ctx context.Context, n *node, a ask) (told, error) {
	verb, in := "claim", any(nil)
	if a.release {
		verb, in = "release", map[string]any{"claim_no": a.claimNo, "reason": "lunch"}
	}
	w := &worker{login: r.o.login, id: r.o.id, cookie: r.o.cookie, tick: func() {}, url: n.url(), client: r.client}
	re, err := w.do(ctx, http.MethodPost, "/cases/"+a.number+"/"+verb, "", in)
	if err != nil {
		return told{}, err
	}
	if re.status == http.StatusOK {
		var c apiCase
		if err := json.Unmarshal(re.body, &c); err != nil {
			return told{}, err
		}
		return told{ok: true, claimNo: c.ClaimNo}, nil
	}
	code, holder := re.problem()
	refusals := []string{"taken"}
	if a.release {
		refusals = []string{"taken", "not_claimed", "stale"}
	}
	if re.status != http.StatusConflict && re.status != http.StatusPreconditionFailed || !slices.Contains(refusals, code) {
		return told{}, re.error(fmt.Sprintf("%s %s %s", r.o.login, verb, a.number))
	}
	return told{code: code, holder: holder}, nil
}
