package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// hang makes a door take so long, or until it is told to stop.
func hang(d *door, how time.Duration) func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
	return func(ctx context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
		select {
		case <-time.After(how):
			return channels.Receipt{State: channels.Sent}, nil
		case <-ctx.Done():
			return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: ctx.Err()}
		}
	}
}

// A send without a timeout is not rescued while it runs: its lease is renewed.
func TestLongSendKeepsItsLease(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(hang(d, 20*time.Minute))
		box, stop := h.start(outbox.Options{Lease: 30 * time.Second})
		defer stop()
		_, stopRival := h.start(outbox.Options{Lease: 30 * time.Second, Poll: time.Second})
		defer stopRival()
		h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
		time.Sleep(30 * time.Minute)
		if n, s := h.only(), box.Stats(); len(d.texts()) != 1 || n.State != notify.Sent || n.Tries != 1 || s.Rescued+s.Fenced != 0 {
			t.Fatalf("taken %d times, notice is %s after %d tries, %+v", len(d.texts()), n.State, n.Tries, s)
		}
	})
}

// A page full of long sends hides nothing: other channels go on at once, and the
// same channel as far as it has workers.
func TestLongSendsHideNothing(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		slow := h.door(mail)
		slow.on(hang(slow, time.Minute))
		quick := h.door(chat)
		_, stop := h.start(outbox.Options{Workers: 8})
		defer stop()
		const many = 300
		h.letters(many)
		synctest.Wait()
		h.answer(h.openCase(chat, channels.WebChat, "visitor", true), "quick")
		synctest.Wait()
		if len(quick.texts()) != 1 {
			t.Error("the other channel waits")
		}
		if n := len(slow.called()); n != 8 {
			t.Errorf("%d sends at once, want 8", n)
		}
		time.Sleep(many / 8 * time.Minute * 2)
		if n := len(slow.texts()); n != many || slow.atOnce() > 8 {
			t.Errorf("%d of %d sent, at most %d at once", n, many, slow.atOnce())
		}
	})
}

// A page full of notices that wait behind a failing one hides nothing either.
func TestWaitingNoticesHideNothing(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			if m.To.Handle == "bad@b" {
				return channels.Receipt{}, &channels.SendError{Reason: channels.BadContent, Retry: true, Err: errors.New("busy")}
			}
			return channels.Receipt{State: channels.Sent}, nil
		})
		_, stop := h.start(outbox.Options{Workers: 4})
		defer stop()
		bad := h.openCase(mail, channels.Email, "bad@b", true)
		const many = 300
		h.inBatches(many, func(tx store.Tx, _ int) error {
			_, _, err := h.ledger.Answer(tx, master, bad.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "behind"}})
			return err
		})
		time.Sleep(2 * time.Minute)
		h.answer(h.openCase(mail, channels.Email, "good@b", true), "fine")
		synctest.Wait()
		if got := d.texts(); !slices.Equal(got, []string{"fine"}) {
			t.Fatalf("sent %q", got)
		}
	})
}

// F18: a process that dies with a notice in hand is taken over within the lease,
// or at once by one that is alone; the message keeps its id.
func TestSilentWorkerIsTakenOver(t *testing.T) {
	for _, alone := range []bool{false, true} {
		room(t, func(t *testing.T, h *house) {
			d := h.door(mail)
			h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
			l := newLife(h)
			l.dieAt("outbox.sent", 1)
			l.run(outbox.Options{Alone: alone})
			l.wait()
			if n := h.only(); n.State != notify.Sending || len(d.texts()) != 1 {
				t.Fatalf("notice is %s, taken %d times", n.State, len(d.texts()))
			}
			began := time.Now()
			box, stop := h.start(outbox.Options{Alone: alone})
			defer stop()
			time.Sleep(2 * time.Minute)
			n := h.only()
			if n.State != notify.Sent || n.Tries != 2 || len(d.sent()) != 2 || d.sent()[0] != d.sent()[1] || box.Stats().Rescued != 1 {
				t.Fatalf("alone %v: notice is %s after %d tries, taken %d times, %+v", alone, n.State, n.Tries, len(d.sent()), box.Stats())
			}
			after := d.called()[1].Sub(began)
			if alone && after > time.Second || !alone && (after < 30*time.Second || after > 31*time.Second) {
				t.Errorf("alone %v: taken over after %v", alone, after)
			}
		})
	}
}

// F12: a node whose clock is minutes off takes over nothing from one that is at work.
func TestClocksApartTakeNothingOver(t *testing.T) {
	for _, skew := range []time.Duration{5 * time.Minute, -5 * time.Minute} {
		room(t, func(t *testing.T, h *house) {
			d := h.door(mail)
			d.on(func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
				time.Sleep(2 * time.Minute)
				return channels.Receipt{State: channels.Sent}, nil
			})
			box, stop := h.start(outbox.Options{Poll: time.Second})
			defer stop()
			h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			wrong := outbox.New(h.st, h.ledger, h.doorOf, outbox.Options{Poll: time.Second, Now: func() time.Time { return time.Now().Add(skew) }})
			wg.Go(func() { h.must(wrong.Run(ctx)) })
			time.Sleep(3 * time.Minute)
			if n := h.only(); n.State != notify.Sent || len(d.called()) != 1 || wrong.Stats().Rescued != 0 || box.Stats().Fenced != 0 {
				t.Errorf("%v: notice is %s after %d sends, %d rescued", skew, n.State, len(d.called()), wrong.Stats().Rescued)
			}
		})
	}
}

// F18: a worker that comes back after its lease was given away writes nothing.
func TestLateWorkerIsFenced(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		release := make(chan struct{})
		d.on(func(_ context.Context, m channels.Outbound, try int) (channels.Receipt, error) {
			if try == 1 {
				<-release
				return channels.Receipt{}, &channels.SendError{Reason: channels.BadAddress, Err: errors.New("late")}
			}
			return channels.Receipt{State: channels.Sent}, nil
		})
		frozen := &frozenStore{Store: h.st}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		late := outbox.New(frozen, h.ledger, h.doorOf, outbox.Options{Poll: time.Second, Doubt: doubt})
		wg.Go(func() { h.must(late.Run(ctx)) })
		planner := notify.NewPlanner(h.st, h.ledger, func() *notify.Policy { return h.policy }, notify.Options{Poll: seldom})
		wg.Go(func() { h.must(planner.Run(ctx)) })
		defer wg.Wait()
		defer cancel()
		c := h.openCase(mail, channels.Email, "a@b", true)
		h.answer(c, "hello")
		synctest.Wait()
		frozen.stop() // like SIGSTOP: nothing of it reaches the store
		box, stop := h.start(outbox.Options{Poll: time.Second, Doubt: doubt})
		defer stop()
		time.Sleep(2 * time.Minute)
		if n := h.only(); n.State != notify.Sent || n.Token != 2 {
			t.Fatalf("notice is %s, token %d", n.State, n.Token)
		}
		close(release)
		frozen.resume()
		time.Sleep(time.Minute)
		n := h.only()
		if n.State != notify.Sent || late.Stats().Fenced != 1 || box.Stats().Fenced != 0 {
			t.Fatalf("notice is %s, fenced %d", n.State, late.Stats().Fenced)
		}
		if got := h.events(c, casecore.Undelivered); len(got) != 0 {
			t.Fatalf("events %q", got)
		}
	})
}

// frozenStore holds up every call while it is stopped.
type frozenStore struct {
	store.Store
	mu   sync.Mutex
	gate chan struct{}
}

func (f *frozenStore) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate = make(chan struct{})
}

func (f *frozenStore) resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.gate)
	f.gate = nil
}

func (f *frozenStore) pass() {
	f.mu.Lock()
	g := f.gate
	f.mu.Unlock()
	if g != nil {
		<-g
	}
}

func (f *frozenStore) View(ctx context.Context, fn func(store.Tx) error) error {
	f.pass()
	return f.Store.View(ctx, fn)
}

func (f *frozenStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	f.pass()
	return f.Store.Update(ctx, fn)
}

// Soft stop: nothing new is leased, what is in flight may end and is recorded.
func TestSoftStopLetsSendsEnd(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(hang(d, 7*time.Second))
		_, stop := h.start(outbox.Options{Workers: 1})
		for i := range 3 {
			h.answer(h.openCase(mail, channels.Email, fmt.Sprint("a", i, "@b"), true), "hello")
		}
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("stop took %v", took)
		}
		states := map[notify.State]int{} // which case comes first is not promised
		for _, n := range h.notices() {
			states[n.State]++
		}
		if want := map[notify.State]int{notify.Sent: 1, notify.Pending: 2}; !maps.Equal(states, want) {
			t.Errorf("notices are %v, want %v", states, want)
		}
	})
}

// Hard stop: a send that does not end is cut, does not count as a try and is due
// at once for the next process.
func TestHardStopCutsWithoutCharge(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		d.on(hang(d, time.Hour))
		box, stop := h.start(outbox.Options{})
		h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != 10*time.Second || box.Stats().Cut != 1 {
			t.Errorf("stop took %v, cut %d", took, box.Stats().Cut)
		}
		if n := h.only(); n.State != notify.Retry || n.Attempts != 0 || n.Tries != 1 || n.NextAt.After(time.Now()) {
			t.Fatalf("notice is %s after %d counted tries, next %v", n.State, n.Attempts, n.NextAt)
		}
		d.on(nil)
		_, stop = h.start(outbox.Options{})
		synctest.Wait()
		stop()
		if n := h.only(); n.State != notify.Sent || n.Attempts != 1 || n.Tries != 2 {
			t.Fatalf("notice is %s after %d counted tries", n.State, n.Attempts)
		}
	})
}

// A store that fails for a while costs nothing but time.
func TestStoreFailureLosesNothing(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		l := newLife(h)
		l.poll = 5 * time.Second
		l.run(outbox.Options{})
		d.on(func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
			l.sick.Store(true) // from now on no commit, so the result cannot be recorded
			return channels.Receipt{State: channels.Sent}, nil
		})
		for i := range 5 {
			h.answer(h.openCase(mail, channels.Email, fmt.Sprint("a", i, "@b"), true), "hello")
		}
		time.Sleep(20 * time.Second)
		d.on(nil)
		l.sick.Store(false)
		time.Sleep(2 * time.Minute)
		l.stop()
		for _, n := range h.notices() {
			if n.State != notify.Sent || n.Tries != 1 {
				t.Errorf("notice is %s after %d tries", n.State, n.Tries)
			}
		}
		if len(d.sent()) != 5 {
			t.Errorf("taken %d times, want 5", len(d.sent()))
		}
	})
}

// A notice that spoils every transaction is given up; the others go out.
func TestSpoiledNoticeIsGivenUp(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		bad := h.openCase(mail, channels.Email, "bad@b", true)
		m := h.answer(bad, "bad")
		d.on(func(context.Context, channels.Outbound, int) (channels.Receipt, error) {
			return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Recipient: true}
		})
		_, stop := h.start(outbox.Options{})
		time.Sleep(10 * time.Second)
		h.update(func(tx store.Tx) error { // before it is tried again
			now, err := casecore.Messages.Get(tx, m.ID)
			if err != nil {
				return err
			}
			_, err = tx.Put(casecore.Messages.Coll(), store.Doc{ID: m.ID, Version: now.Version, Keys: now.Keys(), Body: []byte(`{"seq":"no number"}`)})
			return err
		})
		d.on(nil)
		good := h.openCase(mail, channels.Email, "good@b", true)
		h.answer(good, "good")
		time.Sleep(time.Hour)
		stop()
		if got := d.texts(); !slices.Equal(got, []string{"good"}) {
			t.Fatalf("sent %q", got)
		}
		list := h.notices()
		if len(list) != 2 {
			t.Fatalf("%d notices", len(list))
		}
		for _, n := range list {
			if spoils := n.Message == m.ID; spoils != (n.State == notify.Dead) || spoils && n.Reason != "unreadable" {
				t.Errorf("notice is %s: %s", n.State, n.Reason)
			}
		}
		if got := h.events(bad, casecore.Undelivered); !slices.Equal(got, []string{"undelivered:unreadable"}) {
			t.Fatalf("events %q", got)
		}
	})
}

// A message that cannot be told that it went has gone all the same: once, and without
// stopping the others.
func TestSentThoughItsMessageCannotBeWritten(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(mail)
		big := h.openCase(mail, channels.Email, "big@b", true)
		m := h.answer(big, "big")
		good := h.openCase(mail, channels.Email, "good@b", true)
		h.answer(good, "good")
		// It grows over the store's limit as soon as an attempt is added.
		h.update(func(tx store.Tx) error {
			m, err := casecore.Messages.Get(tx, m.ID)
			if err != nil {
				return err
			}
			m.Body.Text = ""
			body, err := json.Marshal(m)
			if err != nil {
				return err
			}
			m.Body.Text = strings.Repeat("x", store.MaxBody-len(body)-20)
			return casecore.Messages.Put(tx, m)
		})
		_, stop := h.start(outbox.Options{})
		time.Sleep(10 * time.Second)
		stop()
		if len(d.sent()) != 2 {
			t.Fatalf("%d sent", len(d.sent()))
		}
		for _, n := range h.notices() {
			if n.State != notify.Sent || n.Tries != 1 || n.SentAt.IsZero() {
				t.Errorf("notice is %s: %s", n.State, n.Reason)
			}
		}
		if got := h.events(big, casecore.Undelivered); len(got) != 0 {
			t.Errorf("events %q", got)
		}
	})
}
