package telegram

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/telegram/sandbox"
)

// Ten thousand notices never exceed what Telegram documents, and use at least 95 %
// of it (T7, F10). The sandbox refuses what is too fast; the clock is virtual.
func TestTenThousandNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const notices, chats, workers = 10000, 1000, 64
		api, err := sandbox.New(t.Context(), sandbox.Options{Limits: true})
		if err != nil {
			t.Fatal(err)
		}
		defer api.Close()
		d, _ := within(t, api)
		for c := range int64(chats) {
			api.Join(sandbox.Person{ID: customer + c, First: "Customer"})
		}
		next := make(chan int)
		var wg sync.WaitGroup
		begun := time.Now()
		for range workers {
			wg.Go(func() {
				for i := range next {
					m := channels.Outbound{ID: fmt.Sprint("out", i), Channel: channelID, To: to(customer + int64(i%chats)), Auto: true, Body: channels.Body{Text: "Ready."}}
					if _, err := d.Send(t.Context(), m); err != nil {
						t.Errorf("notice %d: %v", i, err)
					}
				}
			})
		}
		for i := range notices {
			next <- i
		}
		close(next)
		wg.Wait()
		took := time.Since(begun)
		if least := time.Duration(notices) * time.Second / 30; took > least*100/95 {
			t.Errorf("took %s, and the limits allow %s", took, least)
		}
		paceHolds(t, sentTimes(api), 30)
		t.Logf("%d notices in %s, %.1f %% of what is allowed", notices, took, 100*float64(notices)/30/took.Seconds())
	})
}

// within opens a door that reaches the sandbox without sockets, with the usual
// limits.
func within(t *testing.T, api *sandbox.Server) (*Door, *channeltest.House) {
	t.Helper()
	house := &channeltest.House{Memory: &channeltest.Memory{}, Files: &channeltest.Files{}}
	house.Book = &channeltest.Book{Memory: house.Memory}
	c := NewConfig()
	c.Token = channels.NewSecret(api.Token())
	d, err := c.open(channels.Env{ID: channelID, State: house.Memory, Files: house.Files}, inside{api})
	if err != nil {
		t.Fatal(err)
	}
	return d, house
}

func sentTimes(api *sandbox.Server) []time.Time {
	var out []time.Time
	for _, c := range api.Calls() {
		if c.Method == "sendMessage" {
			out = append(out, c.At)
		}
	}
	return out
}

// paceHolds looks at every window of a second.
func paceHolds(t *testing.T, times []time.Time, most int) {
	t.Helper()
	for i := most; i < len(times); i++ {
		if gap := times[i].Sub(times[i-most]); gap < time.Second {
			t.Fatalf("%d messages within %s", most+1, gap)
		}
	}
}

// A group gets at most twenty messages a minute, a chat one a second, whatever
// else there is to send.
func TestPaceOfChats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(NewConfig().Limits)
		times := map[int64][]time.Time{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, chat := range []int64{1, 2, -3} {
			for range 50 {
				wg.Go(func() {
					if err := l.wait(t.Context(), chat, false); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					times[chat] = append(times[chat], time.Now())
				})
			}
		}
		wg.Wait()
		for chat, at := range times {
			slices.SortFunc(at, time.Time.Compare)
			for i := 1; i < len(at); i++ {
				if at[i].Sub(at[i-1]) < time.Second {
					t.Errorf("chat %d: two messages within %s", chat, at[i].Sub(at[i-1]))
				}
				if chat < 0 && i >= 20 && at[i].Sub(at[i-20]) < time.Minute {
					t.Errorf("group: 21 messages within %s", at[i].Sub(at[i-20]))
				}
			}
			if took := at[len(at)-1].Sub(at[0]); chat > 0 && took > 53*time.Second {
				t.Errorf("chat %d: 50 messages took %s", chat, took)
			}
		}
	})
}

// A person's answer does not wait behind a bulk of notices.
func TestUrgentBeforeBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(NewConfig().Limits)
		var wg sync.WaitGroup
		for i := range int64(3000) {
			wg.Go(func() { _ = l.wait(t.Context(), 1000+i, true) })
		}
		time.Sleep(time.Second)
		begun := time.Now()
		if err := l.wait(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begun); waited > 50*time.Millisecond {
			t.Errorf("waited %s behind notices", waited)
		}
		wg.Wait()
	})
}

// What Telegram asks for is granted to the second, by everybody.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(NewConfig().Limits)
		l.pause(7 * time.Second)
		begun := time.Now()
		if err := l.wait(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begun); waited != 7*time.Second {
			t.Errorf("waited %s, want 7s", waited)
		}
	})
}

// Whoever gives up leaves no gap and holds up nobody.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(NewConfig().Limits)
		if err := l.wait(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- l.wait(ctx, 1, false) }()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want canceled", err)
		}
		begun := time.Now()
		if err := l.wait(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begun); waited > time.Second {
			t.Errorf("waited %s for somebody who had left", waited)
		}
	})
}

// Chats that are long done with are forgotten.
func TestLimiterForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Limits{PerSecond: 1000, PerChat: time.Second, PerGroup: 20})
		for i := range int64(5000) {
			if err := l.wait(t.Context(), i+1, false); err != nil {
				t.Fatal(err)
			}
			if i%1000 == 999 {
				time.Sleep(2 * time.Minute)
			}
		}
		if len(l.chats) > 2500 {
			t.Errorf("remembers %d chats", len(l.chats))
		}
	})
}
