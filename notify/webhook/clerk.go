package webhook

import (
	"context"
	"time"

	"casewire/casecore/store"
	"casewire/notify/shift"
)

// clerk is one Run. Its goroutine alone reads and writes the store and what is
// below; the goroutines of the posts only call a receiver and hand back its answer.
// So each round is one transaction for all that has happened since the last.
type clerk struct {
	*Sender
	*shift.Shift[*result]
	jobs   map[lease]*job
	others shift.Others[lease]
}

// lease names one lease of a delivery.
type lease struct {
	delivery string
	token    int64
}

func leaseOf(d *Delivery) lease { return lease{d.ID, d.Token} }

// job is one post.
type job struct {
	delivery *Delivery // as leased
	sub      Subscription
	body     []byte
	leased   time.Time
}

// result is how a post ended.
type result struct {
	job    *job
	answer answer
}

func newClerk(s *Sender) *clerk {
	return &clerk{
		Sender: s, Shift: shift.New[*result](), jobs: map[lease]*job{},
		others: shift.Others[lease]{TTL: s.o.Lease, Alone: s.o.Alone},
	}
}

// run works until ctx is done and then ends as Sender.Run says.
func (c *clerk) run(ctx context.Context, hints <-chan store.Hint) {
	c.Shift.Run(ctx, hints, shift.Room[*result]{Grace: c.o.Grace, Round: c.round, Open: func() int { return len(c.jobs) }})
}

// round brings the store up to date and starts the posts that it leased. It returns
// how long nothing will be due.
func (c *clerk) round(work, posts context.Context) time.Duration {
	const afterError = time.Second
	look, err := c.look(work)
	if err == nil && (look.now || len(c.Finished) > 0) {
		var t *turn
		err = c.store.Update(work, func(tx store.Tx) error {
			t = newTurn(c, tx)
			return t.run()
		})
		if err == nil {
			c.apply(posts, t)
			look, err = c.look(work)
		}
	}
	switch {
	case err != nil:
		c.o.Log.Error("webhooks cannot work with the store", "err", err)
		return afterError
	case look.now:
		return 0
	}
	return max(0, min(look.at.Sub(c.o.Now()), c.o.Poll))
}

// apply takes over what a turn has committed, and starts its posts.
func (c *clerk) apply(posts context.Context, t *turn) {
	c.Finished = nil
	c.others.TookOver()
	for l := range t.ended {
		delete(c.jobs, l)
	}
	for _, say := range t.log {
		say()
	}
	t.count.add(&c.stats)
	if len(t.leased) > 0 {
		c.o.Check("webhook.leased")
	}
	for _, j := range t.leased {
		c.jobs[leaseOf(j.delivery)] = j
		c.Begin(func() *result { return &result{job: j, answer: c.post(posts, j)} })
	}
}

// post calls the receiver, unless the process was stopped on the way here for so long
// that another may be at it by now.
func (c *clerk) post(ctx context.Context, j *job) answer {
	if c.o.Now().Sub(j.leased) >= c.o.Lease/2 {
		return answer{reason: reasonStopped}
	}
	a := c.wire.post(ctx, &j.sub, j.delivery.Event.ID, j.body)
	c.o.Check("webhook.posted")
	return a
}

// busy says how many posts to a subscriber are on their way, those that have ended
// in this turn left out.
func (c *clerk) busy(hook string, ended map[lease]bool) int {
	n := 0
	for l, j := range c.jobs {
		if j.delivery.Hook == hook && !ended[l] {
			n++
		}
	}
	return n
}

// workers is how many posts to a receiver may be on their way.
func (c *clerk) workers(h *Health) int {
	if h.Fails >= out {
		return 1
	}
	return c.o.Workers
}
