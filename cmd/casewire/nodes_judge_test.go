package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
)

// read reads everything that is stored, as it is at one moment.
func (c *cluster) read() *book {
	c.t.Helper()
	if c.o.embedded {
		return openBook(c.t, c.data)
	}
	return readBook(c.t, c.store, c.blobs)
}

// drain waits until nothing waits to be planned or sent any more, but for what is
// tried again much later. That takes a moment, or a lease's time when somebody died:
// the minute is for a machine that has much else to do.
func (c *cluster) drain(ctx context.Context) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	began, last, looks := time.Now(), "", 0
	for {
		owed := ""
		err := c.store.View(ctx, func(tx store.Tx) (err error) {
			owed, err = owes(tx)
			return err
		})
		if err == nil && owed == "" {
			return
		}
		if owed != "" {
			last, looks = owed, looks+1
		}
		if ctx.Err() != nil {
			c.stalled("I3: nothing moves any more for %v; something was owed at %d looks, in the end: %s, %v",
				time.Since(began).Round(time.Millisecond), looks, last, err)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

// pictures waits until the files of texts are there, which are fetched afterwards.
func (c *cluster) pictures(ctx context.Context) {
	c.t.Helper()
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for {
		b, missing := c.read(), 0
		for _, m := range c.messages {
			if m.by.address().Kind == channels.SMS {
				missing += len(m.files)
			}
		}
		for _, m := range b.messages {
			if m.From.Kind == channels.SMS {
				missing -= len(m.Body.Files)
			}
		}
		if missing <= 0 {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			c.t.Errorf("I5: %d files were never fetched", missing)
			return
		}
	}
}

// owes names something that is still to be planned or sent soon.
func owes(tx store.Tx) (string, error) {
	for e, err := range casecore.Events.Scan(tx, store.Range{Index: "pending", Prefix: casecore.PendingNotify, Limit: 1}) {
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("event %s %s %q", e.ID, e.Kind, e.Pending), nil
	}
	lanes := map[string]bool{} // in which something is tried again much later
	var open []*notify.Notice
	for _, s := range notify.Unfinished {
		for n, err := range notify.Notices.Scan(tx, store.Range{Index: "state", Prefix: store.Under(string(s))}) {
			if err != nil {
				return "", err
			}
			open = append(open, n)
		}
	}
	waits := func(n *notify.Notice) bool {
		return n.Stuck || (n.State == notify.Uncertain || n.State == notify.Retry) && time.Until(n.NextAt) > 20*time.Second
	}
	for _, n := range open {
		lanes[n.Lane()] = lanes[n.Lane()] || waits(n)
	}
	for _, n := range open {
		if !waits(n) && (!lanes[n.Lane()] || !n.Behind) {
			return fmt.Sprintf("notice %s to %s: %s after %d attempts, next at %s", n.Template, n.To.Kind, n.State, n.Attempts, n.NextAt), nil
		}
	}
	return "", nil
}

// judge checks what is stored and what was sent against what was acknowledged (I1 to
// I5), while nothing is under way.
func (c *cluster) judge() *book {
	c.t.Helper()
	b := c.read()
	b.isKept(c.world, false)
	b.isInOrder()
	b.isSent(c.world)
	if len(c.deaths) > 0 {
		c.excuse(b)
	}
	for _, n := range c.nodes {
		for _, word := range []string{"DATA RACE", "panic", "goroutine "} {
			if strings.Contains(n.log(), word) {
				c.t.Errorf("%s says %q", n.name, word)
			}
		}
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
	return b
}

// stop stops all nodes in order.
func (c *cluster) stop() {
	c.t.Helper()
	for _, n := range c.nodes {
		n.now().signal(syscall.SIGTERM)
	}
	for _, n := range c.nodes {
		if code := n.now().wait(); code != 0 {
			c.t.Errorf("%s stopped with %d", n.name, code)
		}
	}
}

// finish has everything read, asks "verify", stops the nodes in order and checks that
// nothing is left to be done.
func (c *cluster) finish() *book {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	began, took := time.Now(), []string{}
	lap := func(what string) {
		took = append(took, fmt.Sprintf("%s after %v", what, time.Since(began).Round(time.Millisecond)))
	}
	for _, p := range c.customers {
		v, ok := p.(*visitor)
		if !ok {
			continue
		}
		if err := c.readsAll(ctx, v); err != nil {
			c.t.Error(err)
		}
	}
	lap("all read")
	if !c.o.embedded {
		c.drain(ctx)
		lap("sent")
		c.pictures(ctx)
		lap("files there")
	}
	if got := command(c.t, "", "verify", "--config", c.out.config, "--data", c.nodes[0].data); got.code != 0 {
		c.t.Errorf("I5: verify: %+v", got)
	}
	lap("verified")
	c.stop()
	lap("stopped")
	c.t.Logf("the end: %s", strings.Join(took, ", "))
	b := c.judge()
	b.isKept(c.world, true)
	b.isFinished(c.world)
	return b
}

// readsAll has a visitor see everything that there is for them.
func (c *cluster) readsAll(ctx context.Context, v *visitor) error {
	lines := int64(0)
	if c.store != nil {
		lines = c.read().top(v)
	}
	return c.persist(ctx, rand.New(rand.NewPCG(1, 1)), func(ctx context.Context, n *node, _ bool) error {
		if err := v.connect(ctx, n.url()); err != nil {
			return err
		}
		if err := v.await(ctx, "all lines", func() bool { return v.top >= lines }); err != nil {
			return err
		}
		return v.readAll(ctx)
	})
}

// top is the last line of a visitor's thread.
func (b *book) top(v *visitor) int64 {
	thread, last := "", map[string]int64{}
	for _, m := range b.messages {
		key := casecore.ThreadKey(m.Channel, m.Customer())
		last[key] = max(last[key], m.Line)
		if c := b.cases[v.caseNumber()]; c != nil && m.Case == c.ID {
			thread = key
		}
	}
	return last[thread]
}
