package inbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/channels/email/link"
	"casewire/channels/email/sandbox"
)

// A connection that breaks after any number of bytes loses nothing and doubles
// nothing (F6). The first five connections of each round break one after the other,
// the first of them after n bytes.
func TestCutAnywhere(t *testing.T) {
	srv := provider(t, sandbox.Options{})
	put(t, srv, "INBOX", "old")
	p := newProxy(t, srv.IMAP())
	s := quick(t, p.addr())
	s.Poll, s.Retry = 5*time.Millisecond, time.Millisecond

	want := texts("m", 6)
	session := func(cut func(int) int64) *house {
		p.breaks(cut)
		h := newHouse()
		// The folder is known already, so that mail is due from the first byte on.
		h.memory = started(t, srv)
		b := New(s, Options{Login: account(password), State: h.memory})
		stop := start(t, b, h)
		h.wait(t, len(want))
		stop()
		h.same(t, want)
		if pos := cursorOf(t, h, "INBOX"); pos.UID != 7 {
			t.Fatalf("position %d, want 7", pos.UID)
		}
		return h
	}
	put(t, srv, "INBOX", want...)
	p.received.Store(0)
	session(nil)
	total := p.received.Load()
	step, rounds := int64(7), 0
	seed := rand.Int64N(step)
	begun := time.Now()
	for n := 1 + seed; n < total+200; n += step {
		session(func(conn int) int64 {
			if conn <= 5 {
				return n + int64(conn-1)*13
			}
			return 0
		})
		rounds++
	}
	t.Logf("%d sessions of %d bytes, every %dth byte from %d, in %s", rounds, total, step, 1+seed, time.Since(begun).Round(time.Millisecond))
}

// A server that goes silent without closing is noticed within the silence that was
// configured, and mail comes in again (F6).
func TestHalfOpen(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	p := newProxy(t, srv.IMAP())
	s := quick(t, p.addr())
	s.Silence, s.Poll = 2*time.Second, time.Hour
	b, _ := run(t, s, h)
	looked(t, b, 1)
	p.mute.Store(true)
	put(t, srv, "INBOX", "in the dark")
	begun := time.Now()
	eventually(t, "the end of the connection", func() bool { return b.count.reconnects.Load() > 0 })
	if took := time.Since(begun); took > 2*s.Silence {
		t.Errorf("noticed after %s, want about %s", took, s.Silence)
	}
	eventually(t, "bad health", func() bool { return !b.Health().OK })
	p.mute.Store(false)
	h.wait(t, 1)
	eventually(t, "good health", func() bool { return b.Health().OK })
}

// Defaults notice a half-open connection within 60 seconds.
func TestSilenceDefault(t *testing.T) {
	if s := (Settings{}).filled(); s.Silence > time.Minute || s.Silence != link.DefaultSilence {
		t.Errorf("silence %s", s.Silence)
	}
}

// Whatever happens to the mailbox in whatever order, what arrived after the start is
// taken once, unless it was removed before it could be, and what was there before is
// not taken at all (F7).
func TestRandomSteps(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	begun := time.Now()
	for round := 0; time.Since(begun) < 6*time.Second; round++ {
		srv, h := provider(t, sandbox.Options{}), newHouse()
		for i := range rng.IntN(5) {
			put(t, srv, "INBOX", fmt.Sprintf("old%d", i))
		}
		p := newProxy(t, srv.IMAP())
		s := quick(t, p.addr())
		s.Poll = 5 * time.Millisecond
		p.breaks(func(int) int64 {
			if rand.IntN(3) == 0 {
				return 1 + rand.Int64N(3000)
			}
			return 0
		})
		b, stop := run(t, s, h)
		looked(t, b, 1)
		if rng.IntN(2) == 0 {
			stop() // the rest happens while nobody looks, up to the first restart
			stop = nil
		}
		var want []string
		var steps []string
		for i := range 20 {
			switch step := rng.IntN(10); {
			case step < 6:
				text := fmt.Sprintf("new%d-%d", round, i)
				want = append(want, text)
				steps = append(steps, "mail")
				put(t, srv, "INBOX", text)
			case step < 7:
				steps = append(steps, "renumber")
				if err := srv.Renumber(support, "INBOX"); err != nil {
					t.Fatal(err)
				}
			case step < 8:
				steps = append(steps, "kick")
				srv.Kick()
			case step == 8:
				steps = append(steps, "restart")
				if stop != nil {
					stop()
				}
				_, stop = run(t, s, h)
			case stop != nil:
				steps = append(steps, "settle")
				h.wait(t, len(want))
			}
		}
		if stop != nil {
			stop()
		}
		_, stop = run(t, s, h)
		h.wait(t, len(want))
		stop()
		if got := h.all(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Fatalf("round %d: %s\ngot  %q\nwant %q", round, strings.Join(steps, " "), got, want)
		}
	}
}
