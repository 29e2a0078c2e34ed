package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/shift"
)

// clerk is one Run. Its goroutine alone reads and writes the store and what is
// below; the goroutines of the sends only call a door and hand back the result.
// So each round is one transaction for all that has happened since the last.
type clerk struct {
	*Outbox
	*shift.Shift[*result]

	jobs   map[lease]*job   // in flight or not recorded yet
	gates  map[string]*gate // by channel
	shut   map[string]bool  // channels that have notices and no door
	others shift.Others[lease]
	faults map[string]*fault // notices that spoil the round, by id
}

// lease names one lease of a notice.
type lease struct {
	notice string
	token  int64
}

func leaseOf(n *notify.Notice) lease { return lease{n.ID, n.Token} }

// job is one send.
type job struct {
	notice  *notify.Notice // as leased
	out     channels.Outbound
	door    channels.Channel
	cancel  context.CancelFunc
	leased  time.Time // when the lease was taken; never changed
	renewed time.Time // when the lease was last extended
}

// result is how a send ended.
type result struct {
	job     *job
	receipt channels.Receipt
	err     *channels.SendError
	cut     bool // by the stop
}

// resolve takes back the doubt that came with the lease, as far as the end of the try
// is known: then the provider has the message, or this try left it as it was before.
func (r *result) resolve(n *notify.Notice) {
	switch {
	case r.err == nil:
		n.Doubt = time.Time{}
	case r.err.Reason != channels.Unsure:
		n.Doubt = r.job.out.Doubt
	}
}

// errLate is why a send was not begun.
var errLate = errors.New("its lease was over before it began")

func newClerk(o *Outbox) *clerk {
	return &clerk{
		Outbox: o, Shift: shift.New[*result](), others: shift.Others[lease]{TTL: o.o.Lease, Alone: o.o.Alone},
		jobs: map[lease]*job{}, gates: map[string]*gate{}, shut: map[string]bool{}, faults: map[string]*fault{},
	}
}

// run works until ctx is done and then ends as Outbox.Run says.
func (c *clerk) run(ctx context.Context, hints <-chan store.Hint) {
	c.Shift.Run(ctx, hints, shift.Room[*result]{
		Grace: c.o.Grace, Round: c.round, Ended: c.heed, Open: func() int { return len(c.jobs) },
	})
}

func (c *clerk) heed(r *result) {
	if !r.cut {
		c.gate(r.job.notice.Channel).note(c.o.Now(), r.err)
	}
}

func (c *clerk) gate(channel string) *gate {
	g := c.gates[channel]
	if g == nil {
		g = &gate{}
		c.gates[channel] = g
	}
	return g
}

// round brings the store up to date and starts the sends that it leased. It
// returns how long nothing will be due.
func (c *clerk) round(work, sends context.Context) time.Duration {
	const afterError = time.Second
	var look look
	var err error
	busy := len(c.Finished) > 0
	if !busy {
		look, err = c.look(work)
	}
	if err == nil && (busy || look.now) {
		var t *turn
		if t, err = c.update(work); err == nil {
			c.apply(sends, t)
			look, err = c.look(work)
		}
	}
	c.showPauses()
	if err != nil {
		c.o.Log.Error("outbox cannot work with the store", "err", err)
		return afterError
	}
	if look.now {
		return 0
	}
	return max(0, min(look.at.Sub(c.o.Now()), c.o.Poll))
}

// update runs a turn in a transaction. A notice that spoils it is given up after
// a few times, so that it does not stop the others.
func (c *clerk) update(ctx context.Context) (*turn, error) {
	var t *turn
	err := c.store.Update(ctx, func(tx store.Tx) error {
		t = &turn{clerk: c, tx: tx, now: c.o.Now(), ended: map[lease]bool{}, called: map[string]bool{}}
		return t.run()
	})
	if f, ok := errors.AsType[*fault](err); ok {
		known := c.faults[f.notice]
		if known == nil {
			c.faults[f.notice] = f
			known = f
		}
		known.times++
	}
	return t, err
}

// fault is an error that one notice causes.
type fault struct {
	notice string
	times  int
	err    error
}

func (f *fault) Error() string { return fmt.Sprintf("notice %s: %v", f.notice, f.err) }
func (f *fault) Unwrap() error { return f.err }

// apply takes over what a turn has committed, and starts its sends.
func (c *clerk) apply(sends context.Context, t *turn) {
	c.Finished = c.Finished[:0]
	c.others.TookOver()
	for l := range t.ended {
		if j := c.jobs[l]; j != nil {
			j.cancel()
			delete(c.jobs, l)
		}
	}
	for _, j := range t.renewed {
		j.renewed = t.now
	}
	for _, j := range t.lost {
		j.renewed = t.now
		j.cancel()
	}
	for _, say := range t.log {
		say()
	}
	for _, id := range t.quarantined {
		delete(c.faults, id)
	}
	t.count.add(&c.stats)
	if len(t.leased) > 0 {
		c.o.Check("outbox.leased")
	}
	for _, j := range t.leased {
		c.jobs[leaseOf(j.notice)] = j
		var ctx context.Context
		if c.o.Timeout > 0 {
			ctx, j.cancel = context.WithTimeout(sends, c.o.Timeout)
		} else {
			ctx, j.cancel = context.WithCancel(sends)
		}
		c.Begin(func() *result { return c.send(ctx, j) })
	}
}

// send calls the door. A panic of the door is a failed try.
func (c *clerk) send(ctx context.Context, j *job) (r *result) {
	r = &result{job: j}
	defer func() {
		if p := recover(); p != nil {
			c.o.Log.Error("door panicked", "channel", j.notice.Channel, "notice", j.notice.ID, "stack", string(debug.Stack()))
			r.err = &channels.SendError{Reason: channels.Unsure, Retry: true, Err: fmt.Errorf("panic (%T)", p)}
		}
	}()
	if c.o.Now().Sub(j.leased) >= c.o.Lease { // stopped on the way here: another may be at it by now
		r.cut, r.err = true, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: errLate}
		return r
	}
	receipt, err := j.door.Send(ctx, j.out)
	if err != nil {
		r.err = channels.AsSendError(err)
		r.cut = errors.Is(context.Cause(ctx), shift.ErrCut)
		return r
	}
	r.receipt = receipt
	c.o.Check("outbox.sent")
	return r
}

// showPauses publishes which channels are paused.
func (c *clerk) showPauses() {
	now, out := c.o.Now(), []Pause(nil)
	for id, g := range c.gates {
		if now.Before(g.until) {
			out = append(out, Pause{Channel: id, Reason: g.reason, Until: g.until})
		}
	}
	for id := range c.shut {
		out = append(out, Pause{Channel: id, Reason: channels.Misset})
	}
	slices.SortFunc(out, func(a, b Pause) int { return cmp.Compare(a.Channel, b.Channel) })
	c.paused.Store(&out)
}

// free says how many more sends may start on a channel.
func (c *clerk) free(channel string, now time.Time, ended map[lease]bool) int {
	busy := 0
	for l, j := range c.jobs {
		if j.notice.Channel == channel && !ended[l] {
			busy++
		}
	}
	return c.gate(channel).open(now, c.o.Workers) - busy
}

// running returns the jobs whose result is not there yet.
func (c *clerk) running() []*job {
	done := make(map[*job]bool, len(c.Finished))
	for _, r := range c.Finished {
		done[r.job] = true
	}
	var out []*job
	for _, j := range c.jobs {
		if !done[j] {
			out = append(out, j)
		}
	}
	return out
}
