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

func TestNumbersGrowByOne(t *testing.T) {
	b := open(t)
	first, second := b.arrive("phones", "a"), b.arrive("phones", "b")
	if first.Number != 1 || second.Number != 2 || second.CaseNumber() != "CW-000002" {
		t.Errorf("numbers %d, %d, %s; want 1, 2, CW-000002", first.Number, second.Number, second.CaseNumber())
	}
}

func TestAnInboundMessageIsStoredOnce(t *testing.T) {
	b := open(t)
	b.arrive("phones", "same")
	err := b.store.Update(t.Context(), func(tx store.Tx) error {
		_, _, err := b.ledger.Open(tx, house, casecore.Draft{Customer: "cu-1", Channel: "webchat:site", To: visitor, Queue: "phones"}, inbound("same"))
		return err
	})
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("second copy of a message: %v, want ErrExists", err)
	}
	if n := b.arrive("phones", "other").Number; n != 2 {
		t.Errorf("the refused copy used up a number: next is %d, want 2", n)
	}
}

func TestClaimHasOneHolder(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "a")
	claim := func(by casecore.Actor) (got *casecore.Case, err error) {
		err = b.store.Update(t.Context(), func(tx store.Tx) (err error) {
			got, err = b.ledger.Claim(tx, by, c.ID)
			return err
		})
		return got, err
	}
	got, err := claim(anna)
	if err != nil || got.Owner != anna.ID || got.ClaimNo != 1 || got.Status != "accepted" {
		t.Fatalf("claim: %+v, %v", got, err)
	}
	if again, err := claim(anna); err != nil || again.ClaimNo != 1 || again.Version != got.Version {
		t.Errorf("claiming again must answer the same: %+v, %v", again, err)
	}
	_, err = claim(boris)
	if taken, ok := errors.AsType[*casecore.Taken](err); !ok || taken.OwnerName != "Anna" {
		t.Errorf("loser's answer %v, want Taken by Anna", err)
	}
	stranger := anna
	stranger.ID, stranger.Queues = "op-x", []string{"tv"}
	if _, err := claim(stranger); !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("claim from a foreign queue: %v, want ErrForbidden", err)
	}
}

func TestCapacityBoundsActiveCases(t *testing.T) {
	b := open(t)
	limited := anna
	limited.Capacity = 1
	one, two := b.arrive("phones", "1"), b.arrive("phones", "2")
	b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, limited, one.ID); return err })
	err := b.store.Update(t.Context(), func(tx store.Tx) error { _, err := b.ledger.Claim(tx, limited, two.ID); return err })
	if full, ok := errors.AsType[*casecore.Full](err); !ok || full.Held != 1 {
		t.Fatalf("second claim with capacity 1: %v, want Full", err)
	}
	b.do(func(tx store.Tx) error {
		if _, err := b.ledger.Edit(tx, limited, one.ID, casecore.Edit{Attributes: map[string]string{"model": "A52"}}, casecore.Guard{}); err != nil {
			return err
		}
		_, err := b.ledger.Move(tx, limited, one.ID, "ready", casecore.Guard{})
		return err
	})
	b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, limited, two.ID); return err })
}

func TestReleaseKeepsThePlaceInTheQueue(t *testing.T) {
	b := open(t)
	old := b.arrive("phones", "1")
	b.now = b.now.Add(time.Minute)
	b.arrive("phones", "2")
	b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, anna, old.ID); return err })
	b.now = b.now.Add(time.Hour)
	b.do(func(tx store.Tx) error {
		_, err := b.ledger.Release(tx, anna, old.ID, "lunch", casecore.Guard{ClaimNo: 1})
		return err
	})
	b.do(func(tx store.Tx) error {
		next, err := b.ledger.Next(tx, boris, "phones")
		if err == nil && next.ID != old.ID {
			t.Errorf("next is %s, want the released %s at its old place", next.CaseNumber(), old.CaseNumber())
		}
		return err
	})
	if c := b.get(old.ID); c.ClaimNo != 2 || c.Owner != boris.ID {
		t.Errorf("claim number %d by %s, want 2 by Boris", c.ClaimNo, c.OwnerName)
	}
}

func TestNextTakesTheMostPressingOfAllQueues(t *testing.T) {
	b := open(t)
	b.arrive("phones", "1")
	b.now = b.now.Add(time.Minute)
	urgent := b.arrive("tv", "2")
	b.do(func(tx store.Tx) error {
		p := casecore.Urgent
		_, err := b.ledger.Edit(tx, boss, urgent.ID, casecore.Edit{Priority: &p}, casecore.Guard{})
		return err
	})
	b.do(func(tx store.Tx) error {
		c, err := b.ledger.Next(tx, boris, boris.Queues...)
		if err == nil && c.ID != urgent.ID {
			t.Errorf("took %s, want the urgent %s", c.CaseNumber(), urgent.CaseNumber())
		}
		return err
	})
	err := b.store.Update(t.Context(), func(tx store.Tx) error { _, err := b.ledger.Next(tx, anna, "tv"); return err })
	if !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("next from a foreign queue: %v", err)
	}
}

func TestLateWritesAreRefused(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, anna, c.ID); return err })
	seen := b.get(c.ID)
	b.do(func(tx store.Tx) error { _, _, err := b.ledger.Note(tx, anna, c.ID, "x"); return err })
	guards := map[string]casecore.Guard{"version": {Version: seen.Version}, "claim": {ClaimNo: 7}}
	for name, g := range guards {
		err := b.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := b.ledger.Move(tx, anna, c.ID, "parts", g)
			return err
		})
		if stale, ok := errors.AsType[*casecore.Stale](err); !ok || stale.Now.Version <= seen.Version {
			t.Errorf("stale %s: %v, want Stale with the case as it is", name, err)
		}
	}
}

func TestMovesFollowTheFlow(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, anna, c.ID); return err })
	for _, tc := range []struct{ to, code string }{
		{"issued", "not_next"}, {"qc", "role"}, {"ready", "required"}, {"reday", "unknown_status"},
	} {
		err := b.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := b.ledger.Move(tx, anna, c.ID, tc.to, casecore.Guard{})
			return err
		})
		if r, ok := errors.AsType[*flow.Refused](err); !ok || r.Code != tc.code {
			t.Errorf("move to %s: %v, want refusal %q", tc.to, err, tc.code)
		}
	}
	if got := b.get(c.ID); got.Status != "accepted" {
		t.Errorf("a refused move changed the status to %s", got.Status)
	}
}

func TestAClosedCaseReopensAndADoneOneComesBack(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error {
		if _, err := b.ledger.Claim(tx, anna, c.ID); err != nil {
			return err
		}
		if _, err := b.ledger.Edit(tx, anna, c.ID, casecore.Edit{Attributes: map[string]string{"model": "A52"}}, casecore.Guard{}); err != nil {
			return err
		}
		_, err := b.ledger.Move(tx, anna, c.ID, "ready", casecore.Guard{})
		return err
	})
	b.do(func(tx store.Tx) error { _, _, err := b.ledger.Append(tx, house, c.ID, inbound("2")); return err })
	if got := b.get(c.ID); got.Status != "ready" || !got.Waiting || got.Owner != anna.ID {
		t.Errorf("a question about a finished repair must stay with its holder: %+v", got)
	}
	b.do(func(tx store.Tx) error {
		_, err := b.ledger.Move(tx, anna, c.ID, "issued", casecore.Guard{})
		return err
	})
	b.do(func(tx store.Tx) error { _, _, err := b.ledger.Append(tx, house, c.ID, inbound("3")); return err })
	got := b.get(c.ID)
	if got.Status != "accepted" || got.Owner != "" || !got.OnBoard() || !got.ClosedAt.IsZero() {
		t.Errorf("a closed case must reopen on its queue's board: %+v", got)
	}
	kinds := []casecore.EventKind{}
	for _, e := range b.events(c.ID) {
		kinds = append(kinds, e.Kind)
	}
	want := []casecore.EventKind{
		casecore.Opened, casecore.Claimed, casecore.Moved, casecore.Edited, casecore.Moved,
		casecore.Received, casecore.Moved, casecore.Received, casecore.Reopened,
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("timeline %v, want %v", kinds, want)
	}
}

func TestTimeInStatusComesOutOfTheEvents(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	step := func(d time.Duration, do func(tx store.Tx) error) {
		b.now = b.now.Add(d)
		b.do(do)
	}
	step(10*time.Minute, func(tx store.Tx) error { _, err := b.ledger.Claim(tx, anna, c.ID); return err })
	step(20*time.Minute, func(tx store.Tx) error {
		_, err := b.ledger.Move(tx, anna, c.ID, "parts", casecore.Guard{})
		return err
	})
	step(48*time.Hour, func(tx store.Tx) error {
		_, err := b.ledger.Move(tx, anna, c.ID, "accepted", casecore.Guard{})
		return err
	})
	spans := casecore.Spans(spec.Initial, b.events(c.ID))
	now := b.now.Add(5 * time.Minute)
	all := casecore.Spent(spans, nil, now)
	if all["new"] != 10*time.Minute || all["accepted"] != 25*time.Minute || all["parts"] != 48*time.Hour {
		t.Errorf("time in status: %v", all)
	}
	if _, counted := casecore.Spent(spans, b.ledger.Flow(), now)["parts"]; counted {
		t.Error("the clock ran while the case waited for parts")
	}
}

func TestContentIsHiddenUntilTheClaim(t *testing.T) {
	c := &casecore.Case{Queue: "phones", Stage: flow.New}
	held := &casecore.Case{Queue: "phones", Stage: flow.Open, Owner: anna.ID, OwnerName: "Anna"}
	stranger := casecore.Actor{ID: "op-x", Roles: []string{casecore.RoleOperator}, Queues: []string{"tv"}}
	for _, tc := range []struct {
		who  string
		a    casecore.Actor
		v    casecore.Verb
		c    *casecore.Case
		want bool
	}{
		{"colleague, waiting", anna, casecore.VerbCard, c, true},
		{"colleague, waiting", anna, casecore.VerbRead, c, false},
		{"colleague, waiting", anna, casecore.VerbNote, c, false},
		{"colleague, waiting", anna, casecore.VerbWork, c, false},
		{"colleague, waiting", anna, casecore.VerbClaim, c, true},
		{"holder", anna, casecore.VerbRead, held, true},
		{"holder", anna, casecore.VerbWork, held, true},
		{"colleague, held", boris, casecore.VerbRead, held, true},
		{"colleague, held", boris, casecore.VerbNote, held, true},
		{"colleague, held", boris, casecore.VerbWork, held, false},
		{"stranger", stranger, casecore.VerbCard, c, false},
		{"stranger", stranger, casecore.VerbRead, held, false},
		{"stranger", stranger, casecore.VerbClaim, c, false},
		{"supervisor", boss, casecore.VerbRead, c, true},
		{"supervisor", boss, casecore.VerbWork, held, true},
		{"nobody", casecore.Actor{}, casecore.VerbCard, c, false},
		{"nobody", casecore.Actor{}, casecore.VerbRead, &casecore.Case{}, false},
		{"unknown verb", anna, casecore.Verb("erase"), held, false},
	} {
		if got := casecore.Authorize(tc.a, tc.v, tc.c) == nil; got != tc.want {
			t.Errorf("%s, %s: allowed %v, want %v", tc.who, tc.v, got, tc.want)
		}
	}
}

func TestThreadShowsWhatTheCustomerMaySee(t *testing.T) {
	b := open(t)
	threads := &casecore.Threads{Store: b.store, Flow: b.ledger.Flow}
	c := b.arrive("phones", "v|1")
	var answer *casecore.Message
	b.do(func(tx store.Tx) error {
		if _, err := b.ledger.Claim(tx, anna, c.ID); err != nil {
			return err
		}
		if _, _, err := b.ledger.Note(tx, anna, c.ID, "difficult person"); err != nil {
			return err
		}
		var err error
		_, answer, err = b.ledger.Answer(tx, anna, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "Bring it in"}})
		return err
	})
	lines, err := threads.Lines(t.Context(), "webchat:site", visitor, 0, 10)
	if err != nil || len(lines) != 1 {
		t.Fatalf("before it is posted the answer is not in the thread: %d lines, %v", len(lines), err)
	}
	out := channels.Outbound{ID: answer.ID, Channel: "webchat:site", To: visitor}
	for range 2 {
		l, err := threads.Post(t.Context(), out)
		if err != nil || l.Seq != 2 || l.From != "Anna" || l.Case != "CW-000001" {
			t.Errorf("posting (again) gives line 2 by Anna: %+v, %v", l, err)
		}
	}
	lines, err = threads.Lines(t.Context(), "webchat:site", visitor, 0, 10)
	if err != nil || len(lines) != 2 || !lines[0].In || lines[1].Body.Text != "Bring it in" {
		t.Errorf("thread %+v, %v; the note must not be in it", lines, err)
	}
	if l, err := threads.Find(t.Context(), "webchat:site", "v|1"); err != nil || l.Seq != 1 {
		t.Errorf("find by the client's id: %+v, %v", l, err)
	}
	if _, err := threads.Find(t.Context(), "webchat:other", "v|1"); !errors.Is(err, channels.ErrNotFound) {
		t.Errorf("find on another channel: %v, want ErrNotFound", err)
	}
	th, err := threads.Thread(t.Context(), "webchat:site", visitor, "en")
	if err != nil || th.Seq != 2 || th.Case != "CW-000001" || th.Status != "Accepted" || !th.Open {
		t.Errorf("thread state %+v, %v", th, err)
	}
	stranger := channels.Address{Kind: channels.WebChat, Handle: "visitor-2"}
	if th, err := threads.Thread(t.Context(), "webchat:site", stranger, "en"); err != nil || th != (channels.Thread{}) {
		t.Errorf("an unknown visitor has an empty thread: %+v, %v", th, err)
	}
}

func TestMemoryOfDoors(t *testing.T) {
	b := open(t)
	m := &casecore.Memory{Store: b.store, Channel: "webchat:site", Now: func() time.Time { return b.now }}
	other := &casecore.Memory{Store: b.store, Channel: "webchat:other", Now: m.Now}
	ctx := t.Context()
	if err := m.Save(ctx, "k", []byte("v"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Load(ctx, "k"); !errors.Is(err, channels.ErrNotFound) {
		t.Errorf("another channel reads the key: %v", err)
	}
	for _, tc := range []struct {
		old, value string
		want       bool
	}{{"x", "y", false}, {"", "y", false}, {"v", "w", true}} {
		var old []byte
		if tc.old != "" {
			old = []byte(tc.old)
		}
		if done, err := m.Swap(ctx, "k", old, []byte(tc.value)); err != nil || done != tc.want {
			t.Errorf("swap %q for %q: %v, %v", tc.old, tc.value, done, err)
		}
	}
	if err := m.Save(ctx, "short", []byte("v"), time.Minute); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Minute)
	if _, err := m.Load(ctx, "short"); !errors.Is(err, channels.ErrNotFound) {
		t.Errorf("a memory whose time is over: %v", err)
	}
	b.do(func(tx store.Tx) error {
		n, err := casecore.SweepMemory(tx, b.now, 10)
		if n != 1 {
			t.Errorf("swept %d, want 1", n)
		}
		return err
	})
	if v, err := m.Load(ctx, "k"); err != nil || string(v) != "w" {
		t.Errorf("what is kept for ever was swept: %q, %v", v, err)
	}
}

func TestACaseComesBackWhereSomebodySeesIt(t *testing.T) {
	b := open(t)
	c := b.arrive("tv", "1")
	b.do(func(tx store.Tx) error {
		for _, to := range []string{"accepted", "ready", "issued"} {
			if _, err := b.ledger.Edit(tx, boss, c.ID, casecore.Edit{Attributes: map[string]string{"model": "X"}}, casecore.Guard{}); err != nil {
				return err
			}
			if _, err := b.ledger.Move(tx, boss, c.ID, to, casecore.Guard{}); err != nil {
				return err
			}
		}
		return nil
	})
	b.ledger.Queue = func(id string) string {
		if id == "tv" {
			return "general"
		}
		return id
	}
	b.do(func(tx store.Tx) error { _, _, err := b.ledger.Append(tx, house, c.ID, inbound("2")); return err })
	if got := b.get(c.ID); got.Queue != "general" || !got.OnBoard() {
		t.Errorf("reopened in %q, which the policy has lost; want general", got.Queue)
	}
	events := b.events(c.ID)
	if e := events[len(events)-1]; e.Kind != casecore.Transferred || e.From != "tv" || e.To != "general" {
		t.Errorf("the timeline does not say so: %+v", e)
	}
	if got := b.arrive("tv", "3"); got.Queue != "general" {
		t.Errorf("opened in %q", got.Queue)
	}
}

func TestAClaimNumberIsOverWithTheClaim(t *testing.T) {
	b := open(t)
	program := casecore.Actor{ID: "token:1", Name: "1C", Roles: []string{casecore.RoleIntegrator}}
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error {
		_, err := b.ledger.Assign(tx, boss, program, c.ID, "", casecore.Guard{})
		return err
	})
	b.do(func(tx store.Tx) error { _, err := b.ledger.Release(tx, boss, c.ID, "", casecore.Guard{}); return err })
	err := b.store.Update(t.Context(), func(tx store.Tx) error {
		_, _, err := b.ledger.Answer(tx, program, c.ID, casecore.Guard{ClaimNo: 1}, casecore.Message{Body: channels.Body{Text: "late"}})
		return err
	})
	if _, ok := errors.AsType[*casecore.Stale](err); !ok {
		t.Errorf("an answer under a claim that is over: %v, want Stale", err)
	}
}

func TestNobodyCanBeWrittenToAtTheDesk(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error {
		c, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		c.Channel, c.To = "desk:walk_in", channels.Address{Kind: channels.Desk, Handle: "entry-1"}
		return casecore.Cases.Put(tx, c)
	})
	err := b.store.Update(t.Context(), func(tx store.Tx) error {
		_, _, err := b.ledger.Answer(tx, boss, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "x"}})
		return err
	})
	if !errors.Is(err, casecore.ErrNoAddress) {
		t.Errorf("answer to a case of the desk: %v, want ErrNoAddress", err)
	}
}
