package webhook_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore/store"
	"casewire/notify/webhook"
)

func TestReplay(t *testing.T) {
	room(t, []webhook.Subscription{hook("shop"), hook("other")}, func(t *testing.T, h *house) {
		s, stop := h.start(webhook.Options{})
		defer stop()
		var marks []time.Time
		c := h.openCase("phones")
		for _, to := range []string{"repair", "ready", "repair"} {
			time.Sleep(time.Hour)
			marks = append(marks, time.Now())
			h.move(c, to)
		}
		synctest.Wait()
		before := h.net.to("shop")
		all, next, err := s.List(t.Context(), "shop", "", store.Mark{}, 3)
		if err != nil || len(all) != 3 || next == (store.Mark{}) || all[0].Event.ID != before[3].event.ID {
			t.Fatalf("list: %d, %v, %v", len(all), next, err)
		}
		old, next, err := s.List(t.Context(), "shop", "", next, 3)
		if err != nil || len(old) != 1 || next != (store.Mark{}) || old[0].Event.ID != before[0].event.ID {
			t.Fatalf("second page: %d, %v, %v", len(old), next, err)
		}
		rest, next, err := s.List(t.Context(), "shop", webhook.Done, store.Mark{}, 10)
		if err != nil || len(rest) != 4 || next != (store.Mark{}) {
			t.Fatalf("list: %d, %v, %v", len(rest), next, err)
		}
		if _, err := s.Replay(t.Context(), "shop", all[0].ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		n, err := s.ReplayPeriod(t.Context(), "shop", marks[0], marks[2])
		if err != nil || n != 2 {
			t.Fatalf("%d, %v", n, err)
		}
		synctest.Wait()
		var ids, want []string
		for _, g := range h.net.to("shop")[4:] {
			ids = append(ids, g.event.ID)
		}
		for _, i := range []int{3, 1, 2} {
			want = append(want, before[i].event.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("replayed %q, want %q", ids, want)
		}
		if len(h.net.to("other")) != 4 {
			t.Error("another subscriber heard it again")
		}
		h.net.status(500)
		if _, err := s.Replay(t.Context(), "shop", all[0].ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := s.Replay(t.Context(), "shop", all[0].ID); !errors.Is(err, webhook.ErrBusy) {
			t.Errorf("%v", err)
		}
		for _, id := range []string{"x", all[0].ID} {
			if _, err := s.Replay(t.Context(), "other", id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%v", err)
			}
		}
	})
}
