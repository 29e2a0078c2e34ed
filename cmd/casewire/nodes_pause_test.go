package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"casewire/channels"
)

// everyDoor has a customer at each, and two in the chat.
var everyDoor = []channels.Kind{channels.WebChat, channels.WebChat, channels.SMS, channels.Telegram, channels.Email}

// TestClocksMinutesApart promises: nodes whose clocks are ten minutes apart do each
// other no harm (F12). Nobody dies, so nothing may go out twice or be in doubt.
func TestClocksMinutesApart(t *testing.T) {
	c := newCluster(t, clusterOptions{
		nodes: 2, skew: []time.Duration{5 * time.Minute, -5 * time.Minute},
		lease:   20 * time.Second, // shorter than the skew, and longer than a busy machine lets a node wait
		workers: 3, doors: everyDoor,
	})
	c.start(c.nodes...)
	luck := rand.New(rand.NewPCG(uint64(number(t, seedVariable, int(rand.Uint32()))), 2))
	h := &hour{cluster: c}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := h.pass(ctx, luck, 3, 6); err != nil {
			t.Fatal(err)
		}
		c.drain(ctx)
		cancel()
		c.judge()
	}
	for _, n := range c.nodes {
		if strings.Contains(n.log(), "channel goes on with another node") {
			t.Errorf("%s has lost a lease, and both nodes lived", n.name)
		}
	}
	c.finish()
}

// TestAStoppedNodeIsReplaced promises: when a node is stopped (SIGSTOP) for longer than
// its leases, another takes over its mailbox, its bot and what it was sending, within
// the lease; when it goes on, it writes nothing that has become another's, and nothing
// is doubled (F18).
func TestAStoppedNodeIsReplaced(t *testing.T) {
	const lease = 2 * time.Second
	c := newCluster(t, clusterOptions{nodes: 2, lease: lease, workers: 3, doors: everyDoor})
	c.start(c.nodes...)
	luck := rand.New(rand.NewPCG(uint64(number(t, seedVariable, int(rand.Uint32()))), 3))
	h := &hour{cluster: c}
	for i := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		if err := h.pass(ctx, luck, 1, 3); err != nil { // both are at work
			t.Fatal(err)
		}
		stopped, other := c.nodes[i%2], c.nodes[1-i%2]
		// It stops with its hands full, where nobody else is in the middle of asking it.
		h.crowd(ctx, luck)
		stopped.now().signal(syscall.SIGSTOP)
		c.deaths = append(c.deaths, stopped.name+" is stopped")
		c.only = other
		c.lead(other)
		began := time.Now()
		if err := h.pass(ctx, luck, 2, 4); err != nil {
			t.Fatalf("without %s: %v", stopped.name, err)
		}
		c.drain(ctx)
		took := time.Since(began)
		stopped.now().signal(syscall.SIGCONT)
		c.only = nil
		if err := h.pass(ctx, luck, 1, 3); err != nil {
			t.Fatalf("after %s went on: %v", stopped.name, err)
		}
		c.drain(ctx)
		cancel()
		c.judge()
		t.Logf("%s stopped: all doors went on and all was sent within %v, with a lease of %v", stopped.name, took.Round(time.Millisecond), lease)
	}
	c.finish()
}

// crowd has everybody who need not be waited for write at once, so that the nodes have
// something in hand.
func (h *hour) crowd(ctx context.Context, luck *rand.Rand) {
	for _, p := range h.customers {
		switch p := p.(type) {
		case *texter:
			m := h.write(p, h.words("My phone screen is broken [%s", p.called()))
			short, cancel := context.WithTimeout(ctx, time.Duration(luck.IntN(30))*time.Millisecond)
			_ = p.say(short, m) // it is brought until it is taken
			cancel()
		case *chatter:
			m := h.write(p, h.words("My phone screen is broken [%s", p.called()))
			short, cancel := context.WithTimeout(ctx, time.Duration(luck.IntN(30))*time.Millisecond)
			_ = p.say(short, m)
			cancel()
		}
	}
}
