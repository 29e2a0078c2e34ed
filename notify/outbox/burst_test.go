package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// burst puts so many due notices on the text channel, as a campaign or a long outage
// leaves them. The first written of them have words and can be sent.
func (h *house) burst(many, written int) {
	h.t.Helper()
	const batch = 500
	for from := 0; from < many; from += batch {
		h.update(func(tx store.Tx) error {
			for i := from; i < min(from+batch, many); i++ {
				to := channels.Address{Kind: channels.SMS, Handle: fmt.Sprintf("+1%09d", i)}
				n := &notify.Notice{
					Meta: store.Meta{ID: store.NewID()}, Event: fmt.Sprintf("%08d", i), Case: fmt.Sprintf("case %08d", i), Message: fmt.Sprintf("none %d", i),
					Channel: text, To: to, State: notify.Pending, NextAt: time.Now().Add(time.Duration(i) * time.Nanosecond), Created: time.Now(),
				}
				if i < written {
					m := &casecore.Message{Case: n.Case, Seq: 1, Direction: casecore.Out, Channel: text, To: to, Body: channels.Body{Text: "hello"}}
					if err := casecore.Messages.Put(tx, m); err != nil {
						return err
					}
					n.Message = m.ID
				}
				if err := notify.Notices.Put(tx, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// bucket lets so many through in a second and tells the rest when to come back, as
// providers do.
type bucket struct {
	mu     sync.Mutex
	rate   int
	from   time.Time
	passed int
}

func (b *bucket) send(context.Context, channels.Outbound, int) (channels.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.Sub(b.from) >= time.Second {
		b.from, b.passed = now, 0
	}
	if b.passed == b.rate {
		return channels.Receipt{}, &channels.SendError{Reason: channels.Throttled, Retry: true, RetryAfter: time.Until(b.from.Add(time.Second)), Err: errDead}
	}
	b.passed++
	return channels.Receipt{State: channels.Sent}, nil
}

// Fifty thousand notices on a channel whose provider takes twenty a second go out at
// that rate, and another channel's message goes out at once as ever.
func TestABurstSlowsNobodyElse(t *testing.T) {
	many := 50_000
	if testing.Short() {
		many = 5_000
	}
	room(t, func(t *testing.T, h *house) {
		const rate, seconds = 20, 40
		h.burst(many, rate*(seconds+5))
		b := &bucket{rate: rate}
		h.door(text).on(b.send)
		d := h.door(chat)
		c := h.openCase(chat, channels.WebChat, "visitor", true)
		box, stop := h.start(outbox.Options{})
		defer stop()
		for i := range seconds {
			time.Sleep(730 * time.Millisecond)
			h.answer(c, "hello")
			synctest.Wait()
			if got := len(d.texts()); got != i+1 {
				t.Fatalf("after %d answers, %d have gone out", i+1, got)
			}
			time.Sleep(270 * time.Millisecond)
		}
		for i, id := range h.door(text).sent() {
			if n := h.message(id); n.Case > fmt.Sprintf("case %08d", i+2*32) { // the workers' two rounds
				t.Fatalf("%s went out as number %d", n.Case, i)
			}
		}
		got := len(h.door(text).texts())
		if s := box.Stats(); got < rate*seconds*9/10 || got > rate*(seconds+1) || s.Dead != 0 {
			t.Errorf("%d went out in %d seconds at %d a second, %d given up", got, seconds, rate, s.Dead)
		}
		if tries := len(h.door(text).called()); tries > got*3 {
			t.Errorf("%d tries for %d that the provider took", tries, got)
		}
	})
}
