package desk_test

import (
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/store/tempstore"
	"casewire/routing/desk"
)

// bubble runs a test in which time passes only when everybody waits.
func bubble(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		h := newHouseAt(t, at)
		h.clock.now = time.Now()
		test(t, h)
	})
}

// A card turns amber and red at its minute, with nothing else happening.
func TestSLATurnsOnTime(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		h.clock.now = time.Now().Add(-time.Second) // arrive moves it on
		c := h.arrive("phones")
		b := h.board(desk.BoardOptions{Now: time.Now, Survey: 24 * time.Hour})
		f := h.feed(b, anna)
		for _, want := range []struct {
			sla   desk.SLA
			after time.Duration
		}{{desk.SLASoon, 45 * time.Minute}, {desk.SLAOverdue, time.Hour}} {
			time.Sleep(time.Until(c.Received.Add(want.after - time.Millisecond)))
			synctest.Wait()
			if frames, _ := f.Take(); len(frames) != 0 {
				t.Fatalf("a frame before its time: %s", frames[0].Data)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			frames, err := f.Take()
			if err != nil || len(frames) == 0 {
				t.Fatalf("%s: no frame, %v", want.sla, err)
			}
			if v := decode(t, frames[0].Data); v.Card.SLA != want.sla {
				t.Errorf("%s, want %s", v.raw, want.sla)
			}
		}
	})
}

// What comes within one stretch of time goes out as one state.
func TestChangesAreCoalesced(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		b := h.board(desk.BoardOptions{Coalesce: time.Second})
		f := h.feed(b, anna)
		time.Sleep(2 * time.Second)
		h.arrive("phones") // after a quiet time: at once
		synctest.Wait()
		if frames, err := f.Take(); err != nil || len(frames) != 2 {
			t.Fatalf("%d frames, %v; want card and counts at once", len(frames), err)
		}
		passing := h.arrive("phones")
		if _, err := h.work.Claim(t.Context(), boris, passing.CaseNumber()); err != nil {
			t.Fatal(err)
		}
		staying := h.arrive("phones")
		synctest.Wait()
		if frames, _ := f.Take(); len(frames) != 0 {
			t.Fatalf("a frame within the stretch: %s", frames[0].Data)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		frames, err := f.Take()
		if err != nil || len(frames) != 2 {
			t.Fatalf("%d frames, %v; want the staying card and counts", len(frames), err)
		}
		if v := decode(t, frames[0].Data); v.Card.Number != staying.CaseNumber() || v.Card.Position != 2 {
			t.Errorf("%s, want %s at 2", v.raw, staying.CaseNumber())
		}
	})
}

// 1,000 cases a second are at most 20 frames a second for who watches: beyond
// the window there are only counts, and those are told four times a second.
func TestAFloodIsFewFrames(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		b := h.board(desk.BoardOptions{Window: 10})
		h.fill(20, phones)
		f := h.feed(b, anna)
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := f.Take(); err != nil {
			t.Fatal(err)
		}
		start, frames, last := time.Now(), 0, 0
		for range 2000 {
			h.arrive("phones", func(d *casecore.Draft) { d.Priority = casecore.Low })
			time.Sleep(time.Millisecond)
			got, err := f.Take()
			if err != nil {
				t.Fatal(err)
			}
			frames += len(got)
			for _, fr := range got {
				last = decode(t, fr.Data).Waiting
			}
		}
		if perSecond := float64(frames) / time.Since(start).Seconds(); perSecond > 20 {
			t.Errorf("%.1f frames a second, want at most 20", perSecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got, err := f.Take()
		for _, fr := range got {
			last = decode(t, fr.Data).Waiting
		}
		if err != nil || last != 2020 {
			t.Errorf("the last counts say %d waiting, want 2020; %v", last, err)
		}
	})
}

// The operator's own cases are followed for a while after the last tab closed,
// so that a lunch break ends in a snapshot and a tunnel does not.
func TestOwnCasesAreForgottenAfterAWhile(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		b := h.board(desk.BoardOptions{})
		f := h.feed(b, anna)
		seq := f.Snapshot.Seq
		c := h.arrive("phones")
		resume := func(away time.Duration) *desk.Feed {
			f.Close()
			time.Sleep(away)
			synctest.Wait()
			again, err := b.Resume(t.Context(), anna, f.Epoch, seq)
			if err != nil {
				t.Fatal(err)
			}
			f = again
			return again
		}
		f.Close()
		if _, err := h.work.Claim(t.Context(), anna, c.CaseNumber()); err != nil {
			t.Fatal(err)
		}
		short := resume(time.Minute)
		if short.Snapshot != nil {
			t.Fatal("a minute away was a snapshot")
		}
		until(t, short, mineOf(c.CaseNumber()))
		if long := resume(10 * time.Minute); long.Snapshot == nil || len(long.Snapshot.Mine) != 1 {
			t.Errorf("ten minutes away: %+v, want a snapshot with the case", long.Snapshot)
		}
	})
}
