package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"casewire/casecore/store"
)

// clerk is one Run. Its goroutine alone reads and writes the store and what is
// below; the goroutines of the posts only call a receiver and hand back its answer.
// So each round is one transaction for all that has happened since the last.
type clerk struct {
	*Sender
	results  chan *result
	wg       sync.WaitGroup
	stopping bool // nothing new is leased
	cut      bool // the posts were cancelled
	jobs     map[lease]*job
	finished []*result           // not recorded yet
	others   map[lease]time.Time // leases of other workers, and since when they are known by our own clock
	tookOver bool                // the leases of an earlier process
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

// errCut is why posts are cancelled.
var errCut = errors.New("cut short by the stop")

func newClerk(s *Sender) *clerk {
	return &clerk{Sender: s, results: make(chan *result, 64), jobs: map[lease]*job{}}
}

// run works until ctx is done and then ends as Sender.Run says. Neither the store
// nor the posts work under ctx, which only says when to stop.
func (c *clerk) run(ctx context.Context, hints <-chan store.Hint) error {
	work := context.WithoutCancel(ctx)
	posts, cut := context.WithCancelCause(work)
	defer cut(nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var grace <-chan time.Time
	stop := ctx.Done()
	for {
		select {
		case <-stop:
			c.stopping, stop = true, nil
			t := time.NewTimer(c.o.Grace)
			defer t.Stop()
			grace = t.C
		case <-grace:
			c.cut = true
			cut(errCut)
		case r := <-c.results:
			c.finished = append(c.finished, r)
		case _, ok := <-hints:
			if !ok {
				hints = nil // ctx is done, or the store is closed: the poll tells
			}
		case <-timer.C:
		}
		c.takeAll()
		wait := c.round(work, posts)
		if c.stopping && c.idle() {
			c.wg.Wait()
			return nil
		}
		timer.Reset(wait)
	}
}

// idle says that a stop has nothing left to wait for. Results that the store does
// not take after the posts were cut are left to the leases.
func (c *clerk) idle() bool {
	return len(c.jobs) == 0 || c.cut && len(c.finished) == len(c.jobs)
}

// takeAll takes the results that are there already.
func (c *clerk) takeAll() {
	for {
		select {
		case r := <-c.results:
			c.finished = append(c.finished, r)
		default:
			return
		}
	}
}

// round brings the store up to date and starts the posts that it leased. It returns
// how long nothing will be due.
func (c *clerk) round(work, posts context.Context) time.Duration {
	const afterError = time.Second
	look, err := c.look(work)
	if err == nil && (look.now || len(c.finished) > 0) {
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
	c.finished, c.tookOver = nil, true
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
		c.wg.Go(func() { c.results <- &result{job: j, answer: c.post(posts, j)} })
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
