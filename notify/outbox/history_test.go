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
	"casewire/casecore/flow"
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
	want     int           // notices that the model predicts
	hold     time.Duration // of a status
	stays    map[string]*stay
}

// stay is the time that a case spends in a status of which its customer is told, by
// the event that began it.
type stay struct {
	c          *casecore.Case
	status     string
	before     string // the told status that the case was in before; empty: none
	again      bool   // it was in this one earlier
	began, end time.Time
}

// When the model's customers are reminded: never while the history goes on, which
// takes an hour or two.
const (
	firstReminder = 12 * time.Hour
	nextReminder  = 8 * time.Hour
	mostReminders = 3
)

// enters moves a case and notes the stay that this begins or ends.
func (x *history) enters(c *casecore.Case, to string) {
	time.Sleep(time.Microsecond) // outside of this bubble nothing happens at the same time
	x.move(c, to)
	var last *casecore.Event
	x.view(func(tx store.Tx) error {
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			if e.Kind == casecore.Moved {
				last = e
			}
		}
		return nil
	})
	now := &stay{c: c, status: to, began: last.At}
	for _, s := range x.stays {
		if s.c.ID != c.ID {
			continue
		}
		now.again = now.again || s.status == to
		if s.end.IsZero() {
			s.end, now.before = last.At, s.status
		}
	}
	if to != "repair" {
		x.stays[last.ID] = now
	}
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
		next := x.flow.Status(c.Status).Next
		to := next[x.rand.IntN(min(len(next), 2))] // repair, ready, parts: each but where it is
		x.enters(c, to)
		if other := map[string]string{"ready": "parts", "parts": "ready"}[to]; other != "" && x.rand.IntN(2) == 0 {
			if x.rand.IntN(2) == 0 {
				synctest.Wait()
			}
			x.enters(c, other) // a slip
			x.enters(c, to)
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

// Random histories of events, reverts, faults and crashes give exactly the notices
// that a simple model predicts (promise 4, I3, N1): each is sent at least once or
// dead with a reason that the case shows; none is taken twice but where the answer
// was lost or the process died between send and record; per case and channel they
// arrive in order. A status that was left before its hold was over is told to
// nobody, one that stayed is told, unless that is no news behind a slip, and then
// reminded of by the schedule.
func TestHistories(t *testing.T) {
	histories, steps := 16, 40
	if testing.Short() {
		histories = 4
	}
	for seed := range histories {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			room(t, func(t *testing.T, h *house) {
				x := &history{house: h, t: t, rand: rand.New(rand.NewPCG(uint64(seed), 7)), stays: map[string]*stay{}}
				if seed%2 == 1 {
					x.hold = 2 * time.Minute
				}
				h.reminds()
				h.spec.Reminders[0].After, h.spec.Reminders[0].Every = flow.Duration(firstReminder), flow.Duration(nextReminder)
				h.tellsOfParts(notify.Manner{Hold: flow.Duration(x.hold)})
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
				for range 12 {
					time.Sleep(time.Duration(x.rand.IntN(8)) * time.Hour)
					if x.rand.IntN(2) == 0 {
						x.life.dieAt("planner.before-commit", 1) // at the next reminder
					}
					time.Sleep(time.Minute)
					if x.life.dead.Load() || x.rand.IntN(3) == 0 {
						x.restart()
					}
				}
				x.restart()
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
	x.checkStays(all)
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
		if n.State == notify.Skipped && (n.Reason == notify.TakenBack || n.Reason == notify.Left) {
			continue // see checkStays
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
	for _, c := range x.cases {
		x.proves(c)
	}
	x.checkOrder(all)
}

// checkStays compares what customers were told of their status with how long it was
// theirs, and adds the reminders to what the model predicts.
func (x *history) checkStays(all []*notify.Notice) {
	x.t.Helper()
	of := map[string][]*notify.Notice{}
	for _, n := range all {
		if s := x.stays[n.Event]; s != nil {
			of[n.Event] = append(of[n.Event], n)
		}
	}
	for id, s := range x.stays {
		reminders := 0
		if s.end.IsZero() && s.status == "ready" {
			reminders = mostReminders
			if x.shut(s.c.To) != nil {
				reminders = 1 // which nobody got
			}
		}
		told, want := of[id], 1+reminders
		if x.hold > 0 && s.again && s.before != "" && len(told) == reminders {
			want-- // no news, if the customer has heard of it: see checkHeard
		}
		x.want += want
		if len(told) != want {
			x.t.Errorf("%s: %d notices of one stay of %v, the model says %d", s.c.CaseNumber(), len(told), s.end.Sub(s.began), want)
		}
		if s.end.IsZero() {
			x.checkHeard(s, all)
		}
		for _, n := range told {
			back := n.State == notify.Skipped && (n.Reason == notify.TakenBack || n.Reason == notify.Left)
			slip := !s.end.IsZero() && s.end.Sub(s.began) < x.hold
			switch {
			case slip && (n.State != notify.Skipped || n.Message != "" && x.provider.of(n.Message).taken > 0):
				x.t.Errorf("%s: a slip of %v was told: %s", s.c.CaseNumber(), s.end.Sub(s.began), n.State)
			case back && (s.end.IsZero() || x.hold == 0):
				x.t.Errorf("%s: not told, and nothing was taken back: %s", s.c.CaseNumber(), n.Reason)
			}
		}
	}
}

// checkHeard says that the last thing which the customer was told of their case, as far
// as that can be, is the status that it stays in.
func (x *history) checkHeard(s *stay, all []*notify.Notice) {
	x.t.Helper()
	last := &stay{}
	for _, n := range all {
		back := n.State == notify.Skipped && (n.Reason == notify.TakenBack || n.Reason == notify.Left)
		if of := x.stays[n.Event]; of != nil && of.c.ID == s.c.ID && !back && n.Reminder == 0 && of.began.After(last.began) {
			last = of
		}
	}
	if last.status != s.status {
		x.t.Errorf("%s stays %q, its customer has last heard %q", s.c.CaseNumber(), s.status, last.status)
	}
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
			if x.hold > 0 && x.stays[n.Event] != nil {
				continue // what is held holds up nobody
			}
			if before := last[n.Case]; before != nil && before.After(n) {
				x.t.Errorf("%s on %s: message %d came before %d", n.CaseNumber, channel, before.Seq, n.Seq)
			}
			last[n.Case] = n
		}
	}
}
