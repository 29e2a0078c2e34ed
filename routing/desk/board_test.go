package desk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

func TestACaseAppearsAndLeavesWithTheNameOfWhoTookIt(t *testing.T) {
	h := newHouse(t)
	b := h.board(desk.BoardOptions{})
	f := h.feed(b, anna)
	c := h.arrive("phones")
	got := until(t, f, cardOf(c.CaseNumber()))
	card := got[len(got)-1].Card
	for _, fr := range got {
		if fr.T == "card" {
			card = fr.Card
		}
	}
	want := desk.Card{
		Number: c.CaseNumber(), Queue: "phones", ChannelKind: "webchat", Category: "phone", Priority: "normal",
		Status: "new", ReceivedAt: c.Received, DueAt: c.DueAt, SLA: desk.SLAOK, Position: 1,
	}
	if card != want {
		t.Errorf("card %+v, want %+v", card, want)
	}
	if _, err := h.work.Claim(t.Context(), boris, c.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	for _, fr := range until(t, f, goneOf(c.CaseNumber())) {
		if fr.T == "gone" && fr.By != "boris" {
			t.Errorf("%s does not name who took it", fr.raw)
		}
	}
}

func TestSnapshotShowsOrderCountsAndNames(t *testing.T) {
	h := newHouse(t)
	late := h.arrive("phones")
	first := h.arrive("phones", urgent)
	h.arrive("tv")
	h.arrive("general")
	b := h.board(desk.BoardOptions{})
	s, err := b.Snapshot(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, q := range s.Queues {
		ids = append(ids, q.ID)
	}
	if !slices.Equal(ids, []string{"phones", "tv"}) {
		t.Errorf("queues %v, want those that Anna serves, in the policy's order", ids)
	}
	phones := s.Queues[0]
	if len(phones.Cards) != 2 || phones.Cards[0].Number != first.CaseNumber() || phones.Cards[1].Number != late.CaseNumber() {
		t.Errorf("cards %+v, want the urgent one first", phones.Cards)
	}
	if phones.Cards[1].Position != 2 {
		t.Errorf("position %d, want 2", phones.Cards[1].Position)
	}
	if want := (desk.Counts{Waiting: 2, Oldest: late.Received}); phones.Counts != want {
		t.Errorf("counts %+v, want %+v: the oldest is not the first", phones.Counts, want)
	}
	if s := string(s.Encode("ru")); !strings.Contains(s, `"name":"Телефоны"`) || !strings.HasPrefix(s, `{"t":"snapshot","epoch":"`) {
		t.Errorf("snapshot frame %s", s)
	}
	all, err := b.Snapshot(t.Context(), boss)
	if err != nil || len(all.Queues) != 3 {
		t.Errorf("a supervisor without queues of their own sees %d, want all 3; %v", len(all.Queues), err)
	}
}

func TestQueuesOfOthersAreRefused(t *testing.T) {
	h := newHouse(t)
	b := h.board(desk.BoardOptions{})
	for _, q := range []string{"general", "nothing", ""} {
		if _, err := b.Open(t.Context(), anna, "phones", q); !errors.Is(err, casecore.ErrForbidden) {
			t.Errorf("queue %q: %v, want ErrForbidden", q, err)
		}
	}
	if _, err := b.Open(t.Context(), boss, "nothing"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a queue that the policy does not have: %v, want ErrNotFound", err)
	}
	h.feed(b, boss, "general")
}

// The card before the claim is a type of its own; this pins what it may hold.
func TestCardHasNothingButItsTenFields(t *testing.T) {
	want := []string{"category", "channel_kind", "due_at", "number", "position", "priority", "queue", "received_at", "sla", "status"}
	var got []string
	for f := range reflect.TypeFor[desk.Card]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("a card has %v, want exactly %v", got, want)
	}
	b, err := json.Marshal(desk.Card{DueAt: time.Unix(1, 0), ReceivedAt: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for key := range m {
		if !slices.Contains(want, key) {
			t.Errorf("a card's JSON has %q", key)
		}
	}
}

// W5: what the customer wrote is in no frame before the claim, for nobody.
func TestNoContentInAnyFrameBeforeTheClaim(t *testing.T) {
	h := newHouse(t)
	b := h.board(desk.BoardOptions{})
	f := h.feed(b, anna)
	bosses := h.feed(b, boss)
	var last *casecore.Case
	for range 3 {
		last = h.arrive("phones")
		h.do(func(tx store.Tx) error {
			h.no++
			_, _, err := h.ledger.Append(tx, intake, last.ID, h.inbound(fmt.Sprint(h.no)))
			return err
		})
		if _, err := h.work.Transfer(t.Context(), boss, last.CaseNumber(), "tv", canary, casecore.Guard{}); err != nil {
			t.Fatal(err)
		}
	}
	inTV := func(fr frame) bool { return cardOf(last.CaseNumber())(fr) && fr.Queue == "tv" }
	for _, fr := range slices.Concat(until(t, f, inTV), until(t, bosses, inTV)) {
		if strings.Contains(string(fr.raw), canary) {
			t.Errorf("content in %s", fr.raw)
		}
	}
	s, err := b.Snapshot(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	if raw := s.Encode("en"); strings.Contains(string(raw), canary) {
		t.Errorf("content in %s", raw)
	}
	if _, err := h.work.Claim(t.Context(), anna, last.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	for _, fr := range until(t, f, mineOf(last.CaseNumber())) {
		if got := strings.Contains(string(fr.raw), canary); got != (fr.T == "mine") {
			t.Errorf("content belongs in the holder's frame and in no other: %s", fr.raw)
		}
	}
	for _, fr := range until(t, bosses, goneOf(last.CaseNumber())) {
		if strings.Contains(string(fr.raw), canary) {
			t.Errorf("content in a frame of somebody who does not hold the case: %s", fr.raw)
		}
	}
}

func TestAMessageOnAWaitingCaseMakesNoFrame(t *testing.T) {
	h := newHouse(t)
	b := h.board(desk.BoardOptions{})
	f := h.feed(b, anna)
	c := h.arrive("phones")
	until(t, f, cardOf(c.CaseNumber()))
	h.do(func(tx store.Tx) error {
		_, _, err := h.ledger.Append(tx, intake, c.ID, h.inbound("again"))
		return err
	})
	marker := h.arrive("phones")
	for _, fr := range until(t, f, cardOf(marker.CaseNumber())) {
		if cardOf(c.CaseNumber())(fr) || goneOf(c.CaseNumber())(fr) {
			t.Errorf("%s tells of a card that has not changed", fr.raw)
		}
	}
}

func TestWindowSlides(t *testing.T) {
	h := newHouse(t)
	b := h.board(desk.BoardOptions{Window: 2})
	f := h.feed(b, anna)
	one, two, three := h.arrive("phones"), h.arrive("phones"), h.arrive("phones")
	until(t, f, func(fr frame) bool { return fr.T == "counts" && fr.Waiting == 3 })
	top := h.arrive("phones", urgent)
	got := until(t, f, cardOf(top.CaseNumber()))
	if !slices.ContainsFunc(got, func(fr frame) bool { return goneOf(two.CaseNumber())(fr) && fr.By == "" }) {
		t.Errorf("%s must leave the window when an urgent case enters it: %s", two.CaseNumber(), shown(got))
	}
	if slices.ContainsFunc(got, cardOf(three.CaseNumber())) {
		t.Errorf("%s is beyond the window: %s", three.CaseNumber(), shown(got))
	}
	if _, err := h.work.Claim(t.Context(), boris, one.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	for _, fr := range until(t, f, cardOf(two.CaseNumber())) {
		if cardOf(two.CaseNumber())(fr) && fr.Card.Position != 2 {
			t.Errorf("%s: position %d, want 2", fr.raw, fr.Card.Position)
		}
	}
}

func TestReleasedCaseReturnsToItsPlace(t *testing.T) {
	h := newHouse(t)
	old, _ := h.arrive("phones"), h.arrive("phones")
	b := h.board(desk.BoardOptions{})
	f := h.feed(b, boris)
	if _, err := h.work.Claim(t.Context(), anna, old.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	until(t, f, goneOf(old.CaseNumber()))
	h.clock.Add(time.Minute)
	if _, err := h.work.Release(t.Context(), anna, old.CaseNumber(), "", casecore.Guard{ClaimNo: 1}); err != nil {
		t.Fatal(err)
	}
	for _, fr := range until(t, f, cardOf(old.CaseNumber())) {
		if cardOf(old.CaseNumber())(fr) && fr.Card.Position != 1 {
			t.Errorf("position %d after the release, want 1 (Q2)", fr.Card.Position)
		}
	}
}

// The same cases, moved on by nothing but time, change colour on the boards.
func TestSLAMovesWithTheClock(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("phones")
	free := h.arrive("phones", func(d *casecore.Draft) { d.React = 0 })
	b := h.board(desk.BoardOptions{Survey: 50 * time.Millisecond}) // each survey looks at the clock anew
	f := h.feed(b, anna)
	if cards := f.Snapshot.Queues[0].Cards; cards[0].SLA != desk.SLAOK || cards[1].SLA != desk.SLANone {
		t.Fatalf("at first %+v", cards)
	}
	h.clock.Add(50 * time.Minute)
	until(t, f, func(fr frame) bool { return cardOf(c.CaseNumber())(fr) && fr.Card.SLA == desk.SLASoon })
	h.clock.Add(10 * time.Minute)
	got := until(t, f, func(fr frame) bool { return fr.T == "counts" && fr.Overdue == 1 })
	if !slices.ContainsFunc(got, func(fr frame) bool { return cardOf(c.CaseNumber())(fr) && fr.Card.SLA == desk.SLAOverdue }) {
		t.Errorf("overdue is counted but not on the card: %s", shown(got))
	}
	if slices.ContainsFunc(got, cardOf(free.CaseNumber())) {
		t.Errorf("a case without a time has changed: %s", shown(got))
	}
	if _, err := h.work.Claim(t.Context(), boris, c.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	until(t, f, func(fr frame) bool { return fr.T == "counts" && fr.Overdue == 0 && fr.Waiting == 1 })
}

func TestOwnCasesFollowTheirHolder(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("phones")
	if _, err := h.work.Claim(t.Context(), anna, c.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	b := h.board(desk.BoardOptions{})
	f, other := h.feed(b, anna), h.feed(b, boris)
	if m := f.Snapshot.Mine; len(m) != 1 || m[0].Number != c.CaseNumber() || m[0].Customer != "Olena "+canary || !m[0].Waiting || m[0].ClaimNo != 1 {
		t.Fatalf("own cases in the snapshot %+v", m)
	}
	if len(other.Snapshot.Mine) != 0 {
		t.Fatalf("Boris holds nothing, but sees %+v", other.Snapshot.Mine)
	}
	h.do(func(tx store.Tx) error {
		_, _, err := h.ledger.Append(tx, intake, c.ID, h.inbound("more"))
		return err
	})
	for _, fr := range until(t, f, mineOf(c.CaseNumber())) {
		if m := fr.mine(t); fr.T == "mine" && m.Messages != 2 {
			t.Errorf("%s: %d messages, want 2", fr.raw, m.Messages)
		}
	}
	if _, err := h.work.Assign(t.Context(), anna, c.CaseNumber(), "boris", "", casecore.Guard{}); err != nil {
		t.Fatal(err)
	}
	until(t, f, func(fr frame) bool { return mineOf(c.CaseNumber())(fr) && fr.Gone })
	until(t, other, func(fr frame) bool { return mineOf(c.CaseNumber())(fr) && fr.mine(t).ClaimNo == 2 })
	if _, err := h.work.Move(t.Context(), boris, c.CaseNumber(), "issued", casecore.Guard{}); err != nil {
		t.Fatal(err)
	}
	until(t, other, func(fr frame) bool { return mineOf(c.CaseNumber())(fr) && fr.Gone })
}

// A delivery is recorded on the message alone; the holder's page must show it.
func TestADeliveryStateReachesTheHolder(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("phones")
	if _, err := h.work.Claim(t.Context(), anna, c.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	b := h.board(desk.BoardOptions{})
	f := h.feed(b, anna)
	h.do(func(tx store.Tx) error {
		m, err := casecore.Messages.First(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)})
		if err != nil {
			return err
		}
		m.Delivery = &casecore.Delivery{State: "sent"}
		return casecore.Messages.Put(tx, m)
	})
	until(t, f, mineOf(c.CaseNumber()))
}

func TestWatchingACaseNeedsTheRightToReadItThroughout(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("phones")
	b := h.board(desk.BoardOptions{})
	f := h.feed(b, boris, "tv")
	if err := f.Watch(t.Context(), c.CaseNumber()); !errors.Is(err, casecore.ErrForbidden) {
		t.Fatalf("watching before the claim: %v, want ErrForbidden", err)
	}
	if _, err := h.work.Claim(t.Context(), anna, c.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	if err := f.Watch(t.Context(), c.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.work.Note(t.Context(), anna, c.CaseNumber(), canary); err != nil {
		t.Fatal(err)
	}
	changed := func(fr frame) bool { return fr.T == "changed" && fr.number() == c.CaseNumber() }
	for _, fr := range until(t, f, changed) {
		if fr.Version == 0 || strings.Contains(string(fr.raw), canary) {
			t.Errorf("%s, want a version and nothing more", fr.raw)
		}
	}
	if _, err := h.work.Transfer(t.Context(), anna, c.CaseNumber(), "general", "", casecore.Guard{}); err != nil {
		t.Fatal(err)
	}
	until(t, f, func(fr frame) bool { return changed(fr) && fr.Gone })
	for i := range 17 {
		c := h.arrive("phones")
		if _, err := h.work.Claim(t.Context(), anna, c.CaseNumber()); err != nil {
			t.Fatal(err)
		}
		if err := f.Watch(t.Context(), c.CaseNumber()); (err != nil) != (i == 16) {
			t.Errorf("watching %d cases: %v", i+1, err)
		}
	}
}

func TestASlowFeedEndsAlone(t *testing.T) {
	h := newHouse(t)
	b := h.board(desk.BoardOptions{Coalesce: time.Nanosecond})
	slow, quick := h.feed(b, anna), h.feed(b, boris)
	for i := range 150 {
		c := h.arrive("phones")
		until(t, quick, cardOf(c.CaseNumber()))
		if _, err := h.work.Claim(t.Context(), boss, c.CaseNumber()); err != nil {
			t.Fatal(i, err)
		}
		until(t, quick, goneOf(c.CaseNumber()))
	}
	<-slow.Ready()
	if frames, err := slow.Take(); !errors.Is(err, desk.ErrSlow) || len(frames) != 0 {
		t.Errorf("after 300 frames nobody took: %d frames and %v, want none and ErrSlow", len(frames), err)
	}
	if n := b.Stats().Slow; n != 1 {
		t.Errorf("%d slow feeds were counted, want 1", n)
	}
}
