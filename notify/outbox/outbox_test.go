package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

const (
	chat = "webchat:site"
	mail = "email:main"
	text = "sms:main"
)

// room runs a test in a bubble with its own clock, with the post room open.
func room(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		h := newHouseAt(t, at)
		defer h.close()
		test(t, h)
	})
}

// refuse makes a door answer every try with this.
func refuse(e channels.SendError) func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
	return func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
		e := e
		if e.Err == nil {
			e.Err = errors.New("the provider says no")
		}
		return channels.Receipt{}, &e
	}
}

func TestNoticesReachCustomerInOrder(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(chat)
		box, stop := h.start(outbox.Options{})
		c := h.openCase(chat, channels.WebChat, "visitor", false)
		synctest.Wait()
		n := h.only()
		if n.State != notify.Sent || n.Attempts != 1 || n.Template != "opened" {
			t.Fatalf("notice is %s after %d attempts of %q", n.State, n.Attempts, n.Template)
		}
		if m := h.message(n.Message); m.Delivery.State != channels.Sent || len(m.Delivery.Attempts) != 1 ||
			m.Delivery.Attempts[0].ProviderID == "" || m.AuthorName != "The Centre" || !m.Auto {
			t.Fatalf("message %+v, delivery %+v", m, m.Delivery)
		}
		h.answer(c, "Bring it in.")
		h.move(c, "ready")
		synctest.Wait()
		want := []string{"We have your message, CW-000001.", "Bring it in.", "CW-000001: Ready for pickup."}
		if got := d.texts(); !slices.Equal(got, want) {
			t.Fatalf("customer got %q, want %q", got, want)
		}
		stop()
		if s := box.Stats(); s.Sent != 3 || s.Dead+s.Retried+s.Fenced != 0 {
			t.Fatalf("stats %+v", s)
		}
	})
}

// The waits of the ladder, without jitter at its middle, and its end: the notice
// is dead, with a reason, and the case says so (promise 4).
func TestLadderIsClimbedToItsEnd(t *testing.T) {
	for _, tc := range []struct {
		channel string
		kind    channels.Kind
	}{{mail, channels.Email}, {chat, channels.WebChat}, {text, channels.SMS}} {
		t.Run(string(tc.kind), func(t *testing.T) {
			room(t, func(t *testing.T, h *house) {
				d := h.door(tc.channel)
				// A 4xx of the recipient's box: the channel itself works.
				d.on(refuse(channels.SendError{Reason: channels.BadContent, Retry: true, Code: "451"}))
				_, stop := h.start(outbox.Options{})
				defer stop()
				began := time.Now()
				c := h.openCase(tc.channel, tc.kind, "anna", false)
				time.Sleep(72 * time.Hour)
				ladder, calls, at := outbox.Ladder(tc.kind), d.called(), began
				if len(calls) != len(ladder)+1 {
					t.Fatalf("%d tries, want %d", len(calls), len(ladder)+1)
				}
				for i, wait := range ladder {
					at = at.Add(wait)
					if got := calls[i+1]; got.Sub(at).Abs() > time.Second {
						t.Errorf("try %d after %v, want %v", i+2, got.Sub(began), at.Sub(began))
					}
				}
				n := h.only()
				if n.State != notify.Dead || n.Reason != "bad_content" {
					t.Fatalf("notice is %s: %s", n.State, n.Reason)
				}
				if got := h.events(c, casecore.Undelivered); !slices.Equal(got, []string{"undelivered:bad_content"}) {
					t.Fatalf("events %q", got)
				}
				m := h.message(n.Message)
				if m.Delivery.State != channels.Failed || len(m.Delivery.Attempts) != len(calls) {
					t.Fatalf("delivery %s with %d attempts", m.Delivery.State, len(m.Delivery.Attempts))
				}
				if a := m.Delivery.Attempts[0]; a.State != channels.Queued || a.Code != "451" || a.NextAt.IsZero() {
					t.Errorf("first attempt %+v", a)
				}
			})
		})
	}
}

// F8: what the provider refuses for good ends at once and holds up nobody.
func TestPermanentRefusalEndsAtOnce(t *testing.T) {
	for _, reason := range []channels.Reason{channels.BadAddress, channels.Blocked, channels.BadContent} {
		room(t, func(t *testing.T, h *house) {
			d := h.door(text)
			d.on(func(_ context.Context, _ channels.Outbound, _ int) (channels.Receipt, error) {
				if len(d.called()) == 1 {
					return channels.Receipt{}, &channels.SendError{Reason: reason, Err: errors.New("no")}
				}
				return channels.Receipt{State: channels.Sent}, nil
			})
			_, stop := h.start(outbox.Options{})
			defer stop()
			h.openCase(text, channels.SMS, "+380", false)
			synctest.Wait()
			h.answer(h.openCase(text, channels.SMS, "+381", true), "second")
			synctest.Wait()
			if n := h.notices()[0]; n.State != notify.Dead || n.Reason != string(reason) {
				t.Errorf("%s: notice is %s: %s", reason, n.State, n.Reason)
			}
			if got := d.texts(); !slices.Equal(got, []string{"second"}) {
				t.Errorf("%s: customer got %q", reason, got)
			}
		})
	}
}

// A later message of the same case and channel does not overtake one that is
// tried again; other cases and other channels do not wait.
func TestNothingOvertakesWhatIsRetried(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(chat)
		h.door(mail)
		d.on(func(_ context.Context, m channels.Outbound, try int) (channels.Receipt, error) {
			if m.Body.Text == "first" && try <= 4 {
				return channels.Receipt{}, &channels.SendError{Reason: channels.BadContent, Retry: true, Err: errors.New("busy")}
			}
			return channels.Receipt{State: channels.Sent}, nil
		})
		_, stop := h.start(outbox.Options{})
		defer stop()
		c := h.openCase(chat, channels.WebChat, "visitor", true)
		h.answer(c, "first")
		synctest.Wait()
		h.answer(c, "second")
		h.answer(c, "third")
		other := h.openCase(chat, channels.WebChat, "somebody else", true)
		h.answer(other, "other case")
		letter := h.openCase(mail, channels.Email, "a@b", true)
		h.answer(letter, "other channel")
		synctest.Wait()
		if got := d.texts(); !slices.Equal(got, []string{"other case"}) {
			t.Fatalf("at once: %q", got)
		}
		if got := h.door(mail).texts(); !slices.Equal(got, []string{"other channel"}) {
			t.Fatalf("by mail: %q", got)
		}
		time.Sleep(90 * time.Second)
		if got := d.texts(); !slices.Equal(got, []string{"other case", "first", "second", "third"}) {
			t.Fatalf("in the end: %q", got)
		}
	})
}

// F10: patience asked for is kept, by everything on that channel, and is no try.
func TestRetryAfterIsHonoured(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(text)
		d.on(func(_ context.Context, _ channels.Outbound, try int) (channels.Receipt, error) {
			if try == 1 && len(d.called()) == 1 {
				return channels.Receipt{}, &channels.SendError{Reason: channels.Throttled, Retry: true,
					RetryAfter: 97 * time.Second, Code: "429", Err: errors.New("slow down")}
			}
			return channels.Receipt{State: channels.Sent}, nil
		})
		box, stop := h.start(outbox.Options{})
		defer stop()
		began := time.Now()
		h.answer(h.openCase(text, channels.SMS, "+1", true), "one")
		synctest.Wait()
		if p := box.Stats().Paused; len(p) != 1 || p[0].Reason != channels.Throttled {
			t.Fatalf("paused %+v", p)
		}
		h.answer(h.openCase(text, channels.SMS, "+2", true), "two")
		time.Sleep(5 * time.Minute)
		calls := d.called()
		if len(calls) != 3 || calls[1].Sub(began) < 97*time.Second || calls[1].Sub(began) > 100*time.Second {
			t.Fatalf("%d calls, second after %v", len(calls), calls[1].Sub(began))
		}
		for _, n := range h.notices() {
			if n.State != notify.Sent || n.Attempts != 1 {
				t.Errorf("notice is %s after %d counted tries", n.State, n.Attempts)
			}
		}
	})
}

// F8: a wrong password pauses the channel, not the row: one probe per pause, no
// try counted, and all goes out when it is mended.
func TestMissetPausesTheChannel(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(refuse(channels.SendError{Reason: channels.Misset, Code: "535"}))
		_, stop := h.start(outbox.Options{Workers: 1})
		defer stop()
		const many = 20
		h.letters(many)
		time.Sleep(3 * time.Hour)
		if n := len(d.called()); n < 5 || n > 20 {
			t.Errorf("%d probes in three hours", n)
		}
		d.on(nil)
		time.Sleep(20 * time.Minute)
		if n := len(d.texts()); n != many {
			t.Fatalf("%d of %d sent after it was mended", n, many)
		}
		for _, n := range h.notices() {
			if n.Attempts != 1 {
				t.Errorf("%d tries counted", n.Attempts)
			}
		}
	})
}

// F20: a provider that is away costs few tries and no other channel notices.
func TestOutageCostsFewTries(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(refuse(channels.SendError{Reason: channels.Unreachable, Retry: true}))
		box, stop := h.start(outbox.Options{Workers: 4})
		defer stop()
		const many = 100
		h.letters(many)
		h.door(chat)
		time.Sleep(6 * time.Hour)
		h.answer(h.openCase(chat, channels.WebChat, "visitor", true), "hello")
		synctest.Wait()
		if got := h.door(chat).texts(); len(got) != 1 {
			t.Errorf("the other channel waits")
		}
		if p := box.Stats().Paused; len(p) != 1 || p[0].Channel != mail || p[0].Reason != channels.Unreachable || p[0].Until.IsZero() {
			t.Errorf("health is told of %+v", p)
		}
		if n := len(d.called()); n > 250 {
			t.Errorf("%d tries in six hours", n)
		}
		d.on(nil)
		time.Sleep(24 * time.Hour)
		if n, s := len(d.texts()), box.Stats(); n != many || s.Dead != 0 {
			t.Fatalf("%d of %d sent, %d dead", n, many, s.Dead)
		}
	})
}

// A channel that is not configured now is an alarm; its notices wait and go out
// when it is back.
func TestNoticesWaitForTheirDoor(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		box, stop := h.start(outbox.Options{Poll: 3 * time.Second})
		defer stop()
		h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
		time.Sleep(10 * time.Minute)
		if p := box.Stats().Paused; len(p) != 1 || p[0].Channel != mail {
			t.Fatalf("paused %+v", p)
		}
		if b, err := box.Backlog(t.Context()); err != nil || b.Count != 1 || time.Since(b.Oldest) < 10*time.Minute {
			t.Fatalf("backlog %+v, %v", b, err)
		}
		d := h.door(mail)
		time.Sleep(4 * time.Second)
		if len(d.texts()) != 1 || len(box.Stats().Paused) != 0 {
			t.Fatalf("sent %q, paused %+v", d.texts(), box.Stats().Paused)
		}
	})
}

// F9: what may have been taken is sent again where the receiver can tell, with
// the same id.
func TestUnsureIsSentAgainWithTheSameID(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(func(_ context.Context, m channels.Outbound, try int) (channels.Receipt, error) {
			if try == 1 {
				d.take(m) // it was taken, but the connection died before the answer
				return channels.Receipt{}, &channels.SendError{Reason: channels.Unsure, Err: errors.New("cut")}
			}
			return channels.Receipt{State: channels.Sent}, nil
		})
		box, stop := h.start(outbox.Options{})
		defer stop()
		h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
		synctest.Wait()
		if n := h.only(); n.State != notify.Uncertain || n.Stuck || h.message(n.Message).Delivery.State != channels.Uncertain {
			t.Fatalf("notice is %s, held %v", n.State, n.Stuck)
		}
		time.Sleep(10 * time.Minute)
		if len(d.sent()) != 2 || d.sent()[0] != d.sent()[1] || h.only().State != notify.Sent || box.Stats().Uncertain != 1 {
			t.Fatalf("taken %d times, notice is %s", len(d.sent()), h.only().State)
		}
	})
}

// F9: where people would read it twice it is held; a receipt settles it, and
// without one it is given up aloud. It holds up nothing behind it.
func TestUnsureIsHeld(t *testing.T) {
	unsure := channels.SendError{Reason: channels.Unsure, Err: errors.New("timeout")}
	for _, receipt := range []bool{true, false} {
		room(t, func(t *testing.T, h *house) {
			d := h.door(text)
			d.on(refuse(unsure))
			box, stop := h.start(outbox.Options{})
			defer stop()
			c := h.openCase(text, channels.SMS, "+380", true)
			m := h.answer(c, "first")
			synctest.Wait()
			d.on(nil)
			h.answer(c, "second")
			synctest.Wait()
			if got := d.texts(); !slices.Equal(got, []string{"second"}) {
				t.Fatalf("behind it: %q", got)
			}
			want := []string(nil)
			if receipt {
				h.must(box.Receipt(t.Context(), channels.Receipt{Channel: text, OutboundID: m.ID, State: channels.Delivered}))
			} else {
				want = []string{"undelivered:unsure"}
			}
			time.Sleep(25 * time.Hour)
			if got := h.events(c, casecore.Undelivered); !slices.Equal(got, want) {
				t.Fatalf("with receipt %v: events %q", receipt, got)
			}
			state := map[bool]notify.State{true: notify.Delivered, false: notify.Dead}[receipt]
			if n := h.notices()[0]; n.State != state || n.Tries != 1 {
				t.Fatalf("notice is %s after %d tries, want %s after one", n.State, n.Tries, state)
			}
		})
	}
}

// A payload that makes the door panic backs off and ends; its neighbours go out.
func TestPoisonBacksOffAndEnds(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			if m.Body.Text == "poison" {
				panic(m.Body.Text)
			}
			return channels.Receipt{State: channels.Sent}, nil
		})
		_, stop := h.start(outbox.Options{})
		defer stop()
		bad := h.openCase(mail, channels.Email, "bad@b", true)
		h.answer(bad, "poison")
		time.Sleep(time.Hour)
		h.answer(h.openCase(mail, channels.Email, "good@b", true), "fine")
		time.Sleep(72 * time.Hour)
		if got := d.texts(); !slices.Equal(got, []string{"fine"}) {
			t.Fatalf("sent %q", got)
		}
		if n := h.notices()[0]; n.State != notify.Dead || n.Attempts != len(outbox.Ladder(channels.Email))+1 {
			t.Fatalf("poison is %s after %d tries", n.State, n.Attempts)
		}
		if got := h.events(bad, casecore.Undelivered); len(got) != 1 {
			t.Fatalf("events %q", got)
		}
	})
}

// No text, address or token of a provider's URL is logged or kept.
func TestNothingSecretIsLoggedOrKept(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		d := h.door(text)
		d.on(func(_ context.Context, m channels.Outbound, try int) (channels.Receipt, error) {
			if try == 2 {
				panic(m.Body.Text)
			}
			return channels.Receipt{}, &channels.SendError{Reason: channels.BadContent, Retry: true,
				Err: &url.Error{Op: "Post", URL: "https://api.example/botTOKEN/send", Err: errors.New("connection refused")}}
		})
		_, stop := h.start(outbox.Options{Log: log, Doubt: func(string, channels.Kind) outbox.Doubt { return outbox.Resend }})
		c := h.openCase(text, channels.SMS, "+380501234567", true)
		m := h.answer(c, "secret words")
		time.Sleep(100 * time.Hour)
		stop()
		kept := fmt.Sprintf("%+v", h.message(m.ID).Delivery)
		if !strings.Contains(kept, "connection refused") || !strings.Contains(out.String(), "bad_content") {
			t.Fatalf("the cause is missing: %s\n%s", kept, out.String())
		}
		for _, secret := range []string{"secret words", "TOKEN", "501234567"} {
			if strings.Contains(out.String(), secret) || strings.Contains(kept, secret) {
				t.Errorf("%q was logged or kept", secret)
			}
		}
	})
}
