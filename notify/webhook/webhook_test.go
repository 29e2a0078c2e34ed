package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify/webhook"
)

func one() []webhook.Subscription { return []webhook.Subscription{hook("shop")} }

func TestSubscribersHearInOrderAndCanCheckWhoSpeaks(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		_, stop := h.start(webhook.Options{})
		defer stop()
		c := h.openCase("phones")
		h.move(c, "repair")
		h.move(c, "ready")
		m := h.tell(c)
		for _, s := range []channels.State{channels.Sending, channels.Sent} {
			h.update(func(tx store.Tx) error {
				_, err := h.ledger.Attempted(tx, m.ID, casecore.Attempt{No: 1, Channel: m.Channel, State: s, At: time.Now()})
				return err
			})
		}
		for range 2 {
			h.update(func(tx store.Tx) error {
				_, _, err := h.ledger.Receipted(tx, m.ID, channels.Receipt{State: channels.Delivered})
				return err
			})
		}
		h.receive(c)
		synctest.Wait()
		posts := h.net.to("shop")
		want := []string{
			"case.opened", "case.status", "case.status", "notice.written", "notice.sent", "notice.delivered", "message.received",
		}
		if got := types(posts); !slices.Equal(got, want) {
			t.Fatalf("heard %q", got)
		}
		ids := map[string]bool{}
		for _, g := range posts {
			if err := verify(g, keyOf("shop")); err != nil {
				t.Errorf("%s: %v", g.event.Type, err)
			}
			if g.event.ID != g.head.Get("webhook-id") || ids[g.event.ID] {
				t.Errorf("%s: id %q, header %q", g.event.Type, g.event.ID, g.head.Get("webhook-id"))
			}
			ids[g.event.ID] = true
			if strings.Contains(g.raw, "canary") {
				t.Errorf("%s holds what people wrote: %s", g.event.Type, g.raw)
			}
			if g.event.Data.Case.Number != "CW-000001" || g.event.Data.Case.Queue != "phones" || g.event.Data.Case.Channel != "telegram:bot" {
				t.Errorf("%s: case %+v", g.event.Type, g.event.Data.Case)
			}
		}
		if d := posts[2].event.Data; d.From != "repair" || d.To != "ready" || d.Case.Status != "ready" || d.Case.Stage != "done" || d.Actor != "op1" || d.Seq != 3 {
			t.Errorf("status: %+v", d)
		}
		if d := posts[5].event.Data; d.Message == nil || d.Message.ID != m.ID || d.Message.State != "delivered" || d.Message.Template != "ready" {
			t.Errorf("delivered: %+v", d.Message)
		}
		if n := h.inState(webhook.Done); n != len(want) {
			t.Errorf("%d are done", n)
		}
	})
}

func TestOnlyWhatWasAskedFor(t *testing.T) {
	few := hook("few")
	few.Events, few.Queues = []string{"case.status", "notice.*"}, []string{"tv"}
	with := hook("with")
	with.Content = true
	room(t, []webhook.Subscription{few, with}, func(t *testing.T, h *house) {
		_, stop := h.start(webhook.Options{})
		defer stop()
		phones, tv := h.openCase("phones"), h.openCase("tv")
		h.move(phones, "repair")
		h.move(tv, "ready")
		h.tell(tv)
		h.update(func(tx store.Tx) error {
			_, _, err := h.ledger.Note(tx, master, tv.ID, secretText)
			return err
		})
		synctest.Wait()
		if got := types(h.net.to("few")); !slices.Equal(got, []string{"case.status", "notice.written"}) {
			t.Errorf("few heard %q", got)
		}
		all := h.net.to("with")
		if got := types(all); len(got) != 5 {
			t.Fatalf("with heard %q", got)
		}
		for _, g := range all {
			d := g.event.Data.Content
			if d == nil || d.Subject != secretText || d.Attributes["imei"] != secretText {
				t.Errorf("%s: content %+v", g.event.Type, d)
			}
			if about := g.event.Data.Message != nil; about != (d.Text == secretText) {
				t.Errorf("%s: text %q", g.event.Type, d.Text)
			}
		}
	})
}

func TestWithoutSubscribersNothingIsOwed(t *testing.T) {
	h := newHouse(t)
	defer h.close()
	h.openCase("phones")
	if n := len(h.deliveries()); n != 0 {
		t.Errorf("%d deliveries", n)
	}
	// What is undone owes nothing, either.
	h.subscribe(one()...)
	undone := errors.New("undone")
	err := h.st.Update(t.Context(), func(tx store.Tx) error {
		if _, _, err := h.ledger.Open(tx, master, casecore.Draft{Queue: "phones"}, casecore.Message{Direction: casecore.Note}); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) || len(h.deliveries()) != 0 {
		t.Errorf("%v, %d deliveries", err, len(h.deliveries()))
	}
}

// The waits at a receiver that refuses one event, and their end: it is dead and
// listed, and what waited behind it goes.
func TestLadderIsClimbedForThreeDays(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		s, stop := h.start(webhook.Options{})
		defer stop()
		h.net.on(func(_ context.Context, g got, _ int) (int, http.Header, error) {
			if g.event.Type == "case.opened" {
				return 422, nil, nil
			}
			return 200, nil, nil
		})
		began := time.Now()
		c := h.openCase("phones")
		h.move(c, "ready")
		time.Sleep(71 * time.Hour)
		var at []time.Duration
		for _, g := range h.net.to("shop") {
			at = append(at, g.at.Sub(began).Round(time.Second))
		}
		if len(at) < 9 || at[0] != 0 || at[1] != 10*time.Second || at[2] != 70*time.Second || at[3] < 6*time.Minute {
			t.Fatalf("tries after %v", at)
		}
		if h.inState(webhook.Waiting) != 2 {
			t.Fatalf("%d wait, want the event and the one behind it", h.inState(webhook.Waiting))
		}
		time.Sleep(2 * time.Hour)
		posts := h.net.to("shop")
		last := posts[len(posts)-1]
		if posts[len(posts)-2].at.Sub(began) != webhook.Patience || last.event.Type != "case.status" || last.at.Sub(began) > webhook.Patience+6*time.Minute {
			t.Errorf("last tries after %v: %s and %v: %s", posts[len(posts)-2].at.Sub(began), posts[len(posts)-2].event.Type, last.at.Sub(began), last.event.Type)
		}
		dead, _, err := s.List(t.Context(), "shop", webhook.Dead, store.Mark{}, 10)
		if err != nil || len(dead) != 1 || dead[0].Reason != "http_422" || dead[0].Event.Type != "case.opened" || dead[0].Tries != len(posts)-1 {
			t.Errorf("dead: %+v, %v", dead, err)
		}
		for _, g := range posts[:len(posts)-1] {
			if g.event.ID != posts[0].event.ID || g.head.Get("webhook-id") != posts[0].event.ID {
				t.Error("a repeat has another id")
			}
		}
		if s.Stats().Dead != 1 || s.Stats().Sent != 1 {
			t.Errorf("stats %+v", s.Stats())
		}
	})
}

func TestAReceiverThatComesBackGetsAllAtOnce(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		_, stop := h.start(webhook.Options{})
		defer stop()
		h.net.status(500)
		for range 50 {
			c := h.openCase("phones")
			h.move(c, "ready")
		}
		time.Sleep(20 * time.Hour)
		tries := len(h.net.to("shop"))
		if most := 20*12 + 50; tries > most {
			t.Errorf("%d tries in 20 hours at a receiver that is out", tries)
		}
		h.net.status(200)
		back := time.Now()
		h.openCase("phones") // the next event finds out
		time.Sleep(6 * time.Minute)
		if n := h.inState(webhook.Done); n != 101 {
			t.Fatalf("%d done of 101", n)
		}
		seen := map[string]int64{}
		for _, g := range h.net.to("shop")[tries:] {
			if g.at.Sub(back) > 6*time.Minute {
				t.Errorf("%s came after %v", g.event.Type, g.at.Sub(back))
			}
			if n := g.event.Data.Case.Number; g.event.Data.Seq < seen[n] {
				t.Errorf("%s: %d after %d", n, g.event.Data.Seq, seen[n])
			} else {
				seen[n] = g.event.Data.Seq
			}
		}
	})
}

func TestADeadReceiverDoesNotSlowOthers(t *testing.T) {
	room(t, []webhook.Subscription{hook("slow"), hook("dead"), hook("good")}, func(t *testing.T, h *house) {
		h.net.on(func(ctx context.Context, g got, _ int) (int, http.Header, error) {
			switch g.host {
			case "slow":
				<-ctx.Done() // answers never
				return 0, nil, ctx.Err()
			case "dead":
				return 0, nil, errors.New("connection refused")
			}
			return 200, nil, nil
		})
		_, stop := h.start(webhook.Options{})
		defer stop()
		began := time.Now()
		for range 100 {
			h.openCase("phones")
		}
		synctest.Wait()
		if good := h.net.to("good"); len(good) != 100 || time.Since(began) > 0 {
			t.Fatalf("%d of 100 after %v", len(good), time.Since(began))
		}
		if n := len(h.net.to("slow")); n != 16 {
			t.Errorf("%d posts at once to the slow one", n)
		}
		time.Sleep(time.Minute)
		for _, d := range h.deliveries() {
			if d.Hook == "slow" && d.Tries > 0 && d.State == webhook.Waiting && d.Reason != "timeout" {
				t.Errorf("slow: %s", d.Reason)
			}
		}
	})
}

// A receiver that is away for a moment while posts are on their way is tried again
// soon, however many they were.
func TestPostsThatFailTogetherCountOnce(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		h.net.on(func(context.Context, got, int) (int, http.Header, error) {
			time.Sleep(100 * time.Millisecond)
			return 0, nil, errors.New("connection reset")
		})
		_, stop := h.start(webhook.Options{})
		defer stop()
		for range 20 {
			h.openCase("phones")
		}
		time.Sleep(time.Second)
		h.net.status(200)
		time.Sleep(10 * time.Second)
		if n := h.inState(webhook.Done); n != 20 {
			t.Errorf("%d of 20 done after 11 s", n)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, status := range []int{429, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			room(t, one(), func(t *testing.T, h *house) {
				_, stop := h.start(webhook.Options{})
				defer stop()
				h.net.on(func(context.Context, got, int) (int, http.Header, error) {
					return status, http.Header{"Retry-After": {"600"}}, nil
				})
				h.openCase("phones")
				synctest.Wait()
				h.openCase("phones")
				time.Sleep(10*time.Minute - time.Second)
				if n := len(h.net.to("shop")); n != 1 {
					t.Fatalf("%d posts before the time", n)
				}
				h.net.status(200)
				time.Sleep(2 * time.Second)
				if h.inState(webhook.Done) != 2 {
					t.Errorf("%d done", h.inState(webhook.Done))
				}
			})
		})
	}
}

func TestGoneStopsUntilATrialSucceeds(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		s, stop := h.start(webhook.Options{})
		defer stop()
		h.net.status(http.StatusGone)
		h.openCase("phones")
		synctest.Wait()
		h.openCase("phones")
		time.Sleep(24 * time.Hour)
		if n := len(h.net.to("shop")); n != 1 {
			t.Fatalf("%d posts to a receiver that is gone", n)
		}
		st, err := s.Statuses(t.Context())
		if err != nil || len(st) != 1 || st[0].Health.Gone.IsZero() || st[0].Waiting != 2 || st[0].Health.Status != 410 {
			t.Fatalf("%+v, %v", st, err)
		}
		if try, err := s.Try(t.Context(), "shop"); err != nil || try.Status != 410 || try.Reason != "http_410" {
			t.Errorf("trial: %+v, %v", try, err)
		}
		h.net.status(200)
		try, err := s.Try(t.Context(), "shop")
		if err != nil || try.Status != 200 || try.Reason != "" {
			t.Fatalf("trial: %+v, %v", try, err)
		}
		synctest.Wait()
		if n := h.inState(webhook.Done); n != 2 {
			t.Errorf("%d done after the trial", n)
		}
		if _, err := s.Try(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestGoneOrRemovedEndsInThePatience(t *testing.T) {
	room(t, []webhook.Subscription{hook("shop"), hook("old")}, func(t *testing.T, h *house) {
		s, stop := h.start(webhook.Options{})
		defer stop()
		h.net.status(http.StatusGone)
		c := h.openCase("phones")
		h.move(c, "ready")
		synctest.Wait()
		h.subscribe(hook("shop"))
		time.Sleep(webhook.Patience + time.Hour)
		if n, err := s.Sweep(t.Context(), 100); err != nil || n != 4 {
			t.Fatalf("swept %d, %v", n, err)
		}
		for _, d := range h.deliveries() {
			if want := map[string]string{"shop": "gone", "old": "removed"}[d.Hook]; d.State != webhook.Dead || d.Reason != want {
				t.Errorf("%s %s: %s, %s", d.Hook, d.Event.Type, d.State, d.Reason)
			}
		}
		time.Sleep(31 * 24 * time.Hour)
		if n, err := s.Sweep(t.Context(), 3); err != nil || n != 3 {
			t.Errorf("swept %d, %v", n, err)
		}
		if n, err := s.Sweep(t.Context(), 3); err != nil || n != 1 || len(h.deliveries()) != 0 {
			t.Errorf("swept %d, %v", n, err)
		}
	})
}

func TestAnotherAddressBeginsAnew(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		_, stop := h.start(webhook.Options{Poll: time.Second})
		defer stop()
		h.net.on(func(_ context.Context, g got, _ int) (int, http.Header, error) {
			if g.host == "shop" {
				return http.StatusGone, nil, nil
			}
			return 200, nil, nil
		})
		h.openCase("phones")
		time.Sleep(time.Hour)
		moved := hook("shop")
		moved.URL = "https://new.test/in"
		h.subscribe(moved)
		time.Sleep(2 * time.Second)
		if n := len(h.net.to("new")); n != 1 || h.inState(webhook.Done) != 1 {
			t.Errorf("%d posts to the new address, %d done", n, h.inState(webhook.Done))
		}
	})
}

func TestBothSecretsSignWhileTheyChange(t *testing.T) {
	s := hook("shop")
	s.PreviousSecret = secretOf("before")
	room(t, []webhook.Subscription{s}, func(t *testing.T, h *house) {
		_, stop := h.start(webhook.Options{})
		defer stop()
		h.openCase("phones")
		synctest.Wait()
		g := h.net.to("shop")[0]
		for _, key := range []string{"shop", "before"} {
			if err := verify(g, keyOf(key)); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		if verify(g, keyOf("stranger")) == nil {
			t.Error("a stranger's key fits")
		}
		g.raw += " "
		if verify(g, keyOf("shop")) == nil {
			t.Error("another body fits")
		}
	})
}
