package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/notify/webhook"
)

// A process that dies between the post and its record: the receiver hears the event
// again, under the same id, from the next process, on a store opened anew: at once
// when that is alone, else when the lease is over.
func TestACrashBetweenPostAndRecordRepeatsTheSameID(t *testing.T) {
	for _, alone := range []bool{false, true} {
		room(t, one(), func(t *testing.T, h *house) {
			life := &mortal{Store: h.st}
			_, stop := h.startOn(life, webhook.Options{Check: func(point string) {
				if point == "webhook.posted" {
					life.dead.Store(true)
				}
			}})
			c := h.openCase("phones")
			synctest.Wait()
			if n := len(h.net.to("shop")); n != 1 || h.inState(webhook.Sending) != 1 {
				t.Fatalf("%d posts, %d sending", n, h.inState(webhook.Sending))
			}
			stop()
			h.close()
			h.open()
			began := time.Now()
			s, stop := h.start(webhook.Options{Alone: alone})
			defer stop()
			h.move(c, "ready")
			time.Sleep(2 * time.Minute)
			posts := h.net.to("shop")
			if len(posts) != 3 || posts[0].event.ID != posts[1].event.ID || posts[0].raw != posts[1].raw || posts[2].event.Type != "case.status" {
				t.Fatalf("heard %q", types(posts))
			}
			if s.Stats().Rescued != 1 || h.inState(webhook.Done) != 2 {
				t.Errorf("stats %+v", s.Stats())
			}
			after := posts[1].at.Sub(began)
			if alone && after > time.Second || !alone && (after < time.Minute || after > time.Minute+time.Second) {
				t.Errorf("alone %v: taken over after %v", alone, after)
			}
		})
	}
}

// A clock that is an hour ahead makes nobody take over what another node is posting.
func TestClocksOfNodesAreNotCompared(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		h.net.on(func(context.Context, got, int) (int, http.Header, error) {
			time.Sleep(8 * time.Second)
			return 200, nil, nil
		})
		_, stop := h.start(webhook.Options{})
		defer stop()
		fast, stopFast := h.start(webhook.Options{Poll: time.Second, Now: func() time.Time { return time.Now().Add(time.Hour) }})
		defer stopFast()
		for range 20 {
			h.openCase("phones")
		}
		time.Sleep(5 * time.Minute)
		if n := len(h.net.to("shop")); n != 20 || fast.Stats().Rescued != 0 || h.inState(webhook.Done) != 20 {
			t.Errorf("20 events were posted %d times, %d were rescued", n, fast.Stats().Rescued)
		}
	})
}

// A process that was stopped between the lease and the post does not post what
// another has gone on with: the receiver would hear it out of order.
func TestAPostThatComesTooLateIsNotBegun(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		asleep := make(chan struct{})
		first, stop := h.start(webhook.Options{Check: func(point string) {
			if point == "webhook.leased" {
				<-asleep
			}
		}})
		c := h.openCase("phones")
		synctest.Wait()
		_, stopSecond := h.start(webhook.Options{Poll: time.Second})
		h.move(c, "ready")
		time.Sleep(2 * time.Minute)
		close(asleep)
		synctest.Wait()
		if got := types(h.net.to("shop")); !slices.Equal(got, []string{"case.opened", "case.status"}) || first.Stats().Fenced != 1 {
			t.Errorf("heard %q; %+v", got, first.Stats())
		}
		stop()
		stopSecond()
	})
}

func TestAStopWaitsForPostsAndCostsNoTry(t *testing.T) {
	room(t, []webhook.Subscription{hook("quick"), hook("slow")}, func(t *testing.T, h *house) {
		h.net.on(func(ctx context.Context, g got, try int) (int, http.Header, error) {
			wait := 3 * time.Second
			if g.host == "slow" && try == 1 {
				wait = 9 * time.Second
			}
			select {
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			case <-time.After(wait):
				return 200, nil, nil
			}
		})
		_, stop := h.start(webhook.Options{})
		h.openCase("phones")
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the stop took %v", took)
		}
		for _, d := range h.deliveries() {
			want := map[string]webhook.State{"quick": webhook.Done, "slow": webhook.Waiting}[d.Hook]
			if d.State != want || d.Hook == "slow" && d.Attempts != 0 {
				t.Errorf("%s is %s after %d attempts", d.Hook, d.State, d.Attempts)
			}
		}
		_, stop = h.start(webhook.Options{})
		defer stop()
		time.Sleep(4 * time.Second)
		if h.inState(webhook.Done) != 2 {
			t.Error("the next process does not go on at once")
		}
	})
}

func TestALateAnswerIsFenced(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		free := make(chan struct{})
		h.net.on(func(_ context.Context, _ got, try int) (int, http.Header, error) {
			if try == 1 {
				<-free // paused for longer than its lease
			}
			return 200, nil, nil
		})
		first, stop := h.start(webhook.Options{})
		h.openCase("phones")
		synctest.Wait()
		second, stopSecond := h.start(webhook.Options{})
		time.Sleep(2 * time.Minute)
		if second.Stats().Sent != 1 {
			t.Errorf("second: %+v", second.Stats())
		}
		close(free)
		synctest.Wait()
		if first.Stats().Fenced != 1 || first.Stats().Sent != 0 {
			t.Errorf("first: %+v", first.Stats())
		}
		stop()
		stopSecond()
	})
}

// Two nodes on one store share the work: each event goes once, in order.
func TestTwoNodesSendOnce(t *testing.T) {
	room(t, []webhook.Subscription{hook("a"), hook("b")}, func(t *testing.T, h *house) {
		h.net.on(func(context.Context, got, int) (int, http.Header, error) {
			time.Sleep(50 * time.Millisecond)
			return 200, nil, nil
		})
		one, stop := h.start(webhook.Options{})
		two, stopTwo := h.start(webhook.Options{})
		var cases []*casecore.Case
		for range 30 {
			cases = append(cases, h.openCase("phones"))
		}
		for _, c := range cases {
			h.move(c, "repair")
			h.move(c, "ready")
		}
		time.Sleep(time.Minute)
		stop()
		stopTwo()
		if n := h.inState(webhook.Done); n != 180 {
			t.Errorf("%d done of 180", n)
		}
		for _, host := range []string{"a", "b"} {
			heard := map[string]int64{}
			for _, g := range h.net.to(host) {
				n := g.event.Data.Case.Number
				if g.event.Data.Seq != heard[n]+1 {
					t.Errorf("%s: %s: %d after %d", host, n, g.event.Data.Seq, heard[n])
				}
				heard[n] = g.event.Data.Seq
			}
		}
		if one.Stats().Sent == 0 || two.Stats().Sent == 0 || one.Stats().Sent+two.Stats().Sent != 180 {
			t.Errorf("%+v and %+v", one.Stats(), two.Stats())
		}
	})
}

// world is the model: receivers that do what chance says, processes that die, and
// what each receiver took.
type world struct {
	mu    sync.Mutex
	rand  *rand.Rand
	life  *mortal
	out   map[string]bool // receivers that take nothing now
	calm  bool
	taken map[string][]got // by receiver: in the order of being taken
}

func (w *world) post(ctx context.Context, g got, _ int) (int, http.Header, error) {
	w.mu.Lock()
	dice, wait, out, calm := w.rand.IntN(100), time.Duration(w.rand.IntN(15000))*time.Millisecond, w.out[g.host], w.calm
	w.mu.Unlock()
	if calm {
		dice, wait, out = 99, 0, false
	}
	if dice < 10 {
		select { // slow, perhaps too slow
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-time.After(wait):
		}
	}
	switch {
	case out || dice < 20:
		return 500, nil, nil
	case dice < 23:
		return 429, http.Header{"Retry-After": {"30"}}, nil
	case dice < 26:
		return 0, nil, errors.New("connection reset")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken[g.host] = append(w.taken[g.host], g)
	switch {
	case dice < 32:
		return 0, nil, errors.New("the answer was lost")
	case dice < 34 && w.life != nil:
		w.life.dead.Store(true) // before it can record it
	}
	return 200, nil, nil
}

// TestHistories: whatever fails, each event reaches each subscriber at least once,
// or is dead and listed, and never before an earlier one of its case was heard or
// given up.
func TestHistories(t *testing.T) {
	seeds := 8
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			room(t, []webhook.Subscription{hook("a"), hook("b")}, func(t *testing.T, h *house) {
				history(t, h, uint64(seed))
			})
		})
	}
}

func history(t *testing.T, h *house, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	w := &world{rand: rand.New(rand.NewPCG(seed, 8)), out: map[string]bool{}, taken: map[string][]got{}}
	h.net.on(w.post)
	var stops []func()
	birth := func() {
		life := &mortal{Store: h.st}
		w.mu.Lock()
		w.life = life
		w.mu.Unlock()
		_, stop := h.startOn(life, webhook.Options{})
		stops = append(stops, stop)
	}
	birth()
	var cases []*casecore.Case
	for range 150 {
		switch dice := rnd.IntN(100); {
		case dice < 30 || len(cases) == 0:
			cases = append(cases, h.openCase("phones"))
		case dice < 60:
			h.receive(cases[rnd.IntN(len(cases))])
		case dice < 75:
			h.tell(cases[rnd.IntN(len(cases))])
		case dice < 80:
			w.mu.Lock()
			w.out["a"] = !w.out["a"]
			w.mu.Unlock()
		case dice < 90:
			time.Sleep(time.Duration(rnd.IntN(600)) * time.Second)
		default:
			w.mu.Lock()
			dead := w.life.dead.Load()
			w.mu.Unlock()
			if dead || dice > 97 {
				birth() // while the one before may still be at work
			}
		}
	}
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	birth()
	for _, stop := range stops[:len(stops)-1] {
		stop()
	}
	time.Sleep(webhook.Patience + 24*time.Hour)
	stops[len(stops)-1]()
	judge(t, h, w)
}

func judge(t *testing.T, h *house, w *world) {
	type place struct{ hook, id string }
	took := map[place]int{}
	for host, all := range w.taken {
		heard := map[string]int64{}
		for _, g := range all {
			at := place{host, g.event.ID}
			n, seq := g.event.Data.Case.Number, g.event.Data.Seq
			switch {
			case took[at] == 0 && seq != heard[n]+1:
				t.Errorf("%s: %s: %d was heard first after %d", host, n, seq, heard[n])
			case took[at] > 0 && seq != heard[n]:
				t.Errorf("%s: %s: %d was repeated after %d", host, n, seq, heard[n])
			}
			took[at]++
			heard[n] = seq
			if err := verify(g, keyOf(host)); err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
	}
	all := h.deliveries()
	if len(all) == 0 {
		t.Fatal("nothing happened")
	}
	for _, d := range all {
		if d.State != webhook.Done || took[place{d.Hook, d.Event.ID}] == 0 {
			t.Errorf("%s: %s of %s is %s (%s), taken %d times", d.Hook, d.Event.Type, d.Event.Data.Case.Number, d.State, d.Reason, took[place{d.Hook, d.Event.ID}])
		}
	}
}
