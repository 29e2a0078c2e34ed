package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// provider is the model of the outside: it does what chance says, and knows of
// each message what it took and in which windows it may be taken again.
type provider struct {
	mu      sync.Mutex
	rand    *rand.Rand
	healthy bool
	life    *life
	fate    map[string]*fate // by Outbound.ID
}

// fate is what happened to one message outside.
type fate struct {
	taken   int     // how often the provider took it
	doubts  int     // tries that were taken but not confirmed
	told    []*life // processes that a try was confirmed to
	refused bool    // for good
}

// windows counts how often it may rightly have been taken again: after an answer
// that was lost, and after one to a process that died before it could record it.
func (f *fate) windows() int {
	n := f.doubts
	for _, l := range f.told {
		if l.dead.Load() {
			n++
		}
	}
	return n
}

func (p *provider) of(id string) *fate {
	if p.fate[id] == nil {
		p.fate[id] = &fate{}
	}
	return p.fate[id]
}

// send is one try: taken or not, told or not, after some time.
func (p *provider) send(ctx context.Context, d *door, m channels.Outbound) (channels.Receipt, error) {
	p.mu.Lock()
	dice, slow := p.rand.IntN(100), p.rand.IntN(10) == 0
	wait := time.Duration(p.rand.IntN(90)) * time.Second
	if p.healthy {
		dice, slow = 99, false
	}
	l := p.life
	p.mu.Unlock()
	if slow {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: ctx.Err()}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.dead.Load() {
		return channels.Receipt{}, errDead
	}
	f := p.of(m.ID)
	no := func(r channels.Reason, retry bool, after time.Duration) (channels.Receipt, error) {
		return channels.Receipt{}, &channels.SendError{Reason: r, Retry: retry, RetryAfter: after, Err: errors.New("scripted")}
	}
	switch {
	case dice < 12:
		return no(channels.Unreachable, true, 0)
	case dice < 18:
		return no(channels.Throttled, true, 40*time.Second)
	case dice < 22:
		return no(channels.Misset, true, 0)
	case dice < 28: // taken, and the answer was lost
		p.take(d, m, f)
		f.doubts++
		return no(channels.Unsure, true, 0)
	case dice < 33: // not taken, and nobody knows
		return no(channels.Unsure, true, 0)
	case dice < 36:
		panic("door")
	case dice < 42:
		f.refused = true
		return no(channels.BadAddress, false, 0)
	}
	p.take(d, m, f)
	f.told = append(f.told, l)
	return channels.Receipt{State: channels.Sent, ProviderID: "p-" + m.ID}, nil
}

func (p *provider) take(d *door, m channels.Outbound, f *fate) {
	f.taken++
	if f.taken == 1 {
		d.take(m)
	}
}

// history is a random course of events, faults and crashes.
type history struct {
	*house
	t        *testing.T
	rand     *rand.Rand
	provider *provider
	life     *life
	cases    []*casecore.Case
	want     int // notices that the model predicts
}

var points = []string{"outbox.leased", "outbox.sent", "planner.before-commit"}

func (x *history) start() {
	x.life = newLife(x.house)
	x.provider.mu.Lock()
	x.provider.life = x.life
	x.provider.mu.Unlock()
	if !x.provider.healthy && x.rand.IntN(2) == 0 {
		x.life.dieAt(points[x.rand.IntN(len(points))], 1+x.rand.IntN(4))
	}
	x.life.run(outbox.Options{Alone: x.rand.IntN(2) == 0, Rand: x.jitter(), Workers: 1 + x.rand.IntN(4)})
}

func (x *history) jitter() func() float64 {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(x.rand.Uint64(), 1))
	return func() float64 { mu.Lock(); defer mu.Unlock(); return r.Float64() }
}

// restart ends the process if it still lives, at times by kill, and starts the
// next one.
func (x *history) restart() {
	if x.rand.IntN(2) == 0 {
		x.life.die()
	}
	x.life.stop()
	x.start()
}

func (x *history) step() {
	pick := func() *casecore.Case { return x.cases[x.rand.IntN(len(x.cases))] }
	switch dice := x.rand.IntN(12); {
	case dice < 2 || len(x.cases) == 0:
		quiet := x.rand.IntN(3) == 0
		channel, kind := mail, channels.Email
		if x.rand.IntN(2) == 0 {
			channel, kind = text, channels.SMS
		}
		x.cases = append(x.cases, x.openCase(channel, kind, fmt.Sprint(kind, len(x.cases)), quiet))
		if !quiet {
			x.want++
		}
	case dice < 5:
		x.answer(pick(), "an answer")
		x.want++
	case dice < 7:
		c := pick()
		x.view(func(tx store.Tx) (err error) { c, err = casecore.Cases.Get(tx, c.ID); return err })
		if c.Status == "ready" {
			x.move(c, "repair")
		} else {
			x.move(c, "ready")
			x.want++
		}
	case dice < 10:
		time.Sleep(time.Duration(x.rand.IntN(600)) * time.Second)
	case dice < 11:
		synctest.Wait()
	default:
		x.restart()
	}
	if x.life.dead.Load() && x.rand.IntN(3) == 0 {
		x.restart()
	}
}

// Random histories of events, faults and crashes give exactly the notices that a
// simple model predicts (promise 4, I3): each is sent at least once or dead with
// a reason that the case shows; none is taken twice but where the answer was lost
// or the process died between send and record; and per case and channel they
// arrive in order.
func TestHistories(t *testing.T) {
	histories, steps := 16, 40
	if testing.Short() {
		histories = 4
	}
	for seed := range histories {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			room(t, func(t *testing.T, h *house) {
				x := &history{house: h, t: t, rand: rand.New(rand.NewPCG(uint64(seed), 7))}
				x.provider = &provider{rand: rand.New(rand.NewPCG(uint64(seed), 8)), fate: map[string]*fate{}}
				for _, channel := range []string{mail, text} {
					d := h.door(channel)
					d.send = x.provider.send
				}
				x.start()
				for range steps {
					x.step()
				}
				x.life.die()
				x.life.stop()
				x.provider.mu.Lock()
				x.provider.healthy = true
				x.provider.mu.Unlock()
				x.start()
				time.Sleep(100 * time.Hour)
				x.life.stop()
				x.check()
			})
		})
	}
}

// check compares what is in the book and outside with the model.
func (x *history) check() {
	x.t.Helper()
	all := x.notices()
	if len(all) != x.want {
		x.t.Errorf("%d notices, the model says %d", len(all), x.want)
	}
	dead, seen, shut := map[string]int{}, map[string]bool{}, map[string]bool{}
	for _, n := range all {
		if n.Message != "" && x.provider.of(n.Message).refused {
			shut[n.Case] = true
		}
	}
	for _, n := range all {
		if n.State == notify.Skipped && n.Reason == notify.AllShut && shut[n.Case] {
			dead[n.Case]++
			continue
		}
		f := x.provider.of(n.Message)
		if seen[n.Message] {
			x.t.Errorf("two notices for one message")
		}
		seen[n.Message] = true
		hold := n.Channel == text
		switch n.State {
		case notify.Sent:
			if f.taken == 0 {
				x.t.Errorf("lost: %+v says sent, the provider has nothing", n)
			}
		case notify.Dead:
			dead[n.Case]++
			switch {
			case n.Reason == "":
				x.t.Errorf("dead without a reason: %+v", n)
			case n.Reason == "bad_address" && shut[n.Case], n.Reason == "unsure" && hold:
			default:
				x.t.Errorf("dead without need: %s, %+v", n.Reason, f)
			}
		default:
			x.t.Errorf("not finished: %+v", n)
		}
		if f.taken > 1+f.windows() || hold && f.taken > 1 {
			x.t.Errorf("taken %d times with %d windows: %+v", f.taken, f.windows(), n)
		}
	}
	for _, c := range x.cases {
		if got := x.events(c, casecore.Undelivered); len(got) != dead[c.ID] {
			x.t.Errorf("%s: %d dead, events %q", c.CaseNumber(), dead[c.ID], got)
		}
	}
	x.checkOrder(all)
}

// checkOrder compares the order in which messages were first taken with that of
// the events they tell of.
func (x *history) checkOrder(all []*notify.Notice) {
	x.t.Helper()
	byMessage := map[string]*notify.Notice{}
	for _, n := range all {
		byMessage[n.Message] = n
	}
	for _, channel := range []string{mail, text} {
		last := map[string]*notify.Notice{}
		for _, id := range x.door(channel).sent() {
			n := byMessage[id]
			if before := last[n.Case]; before != nil && before.After(n) {
				x.t.Errorf("%s on %s: message %d came before %d", n.CaseNumber, channel, before.Seq, n.Seq)
			}
			last[n.Case] = n
		}
	}
}
