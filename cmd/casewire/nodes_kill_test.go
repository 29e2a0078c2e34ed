package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"casewire/channels"
)

// nodeKillsVariable says how many kills a run of several nodes has.
const nodeKillsVariable = "CASEWIRE_NODE_KILLS"

// killsOfACluster is how often somebody dies in one database.
const killsOfACluster = 10

// TestNothingIsLostWhenNodesDie promises: with two nodes on one database, whichever
// of them is killed, at any instant, or the database's server itself, what was
// acknowledged through either is there, nothing is doubled, and what is owed is told
// (F1, F5: I1 to I5). Everything is checked after each death.
func TestNothingIsLostWhenNodesDie(t *testing.T) {
	database(t) // or say that there is none
	kills, seed := number(t, nodeKillsVariable, 6), uint64(number(t, seedVariable, int(rand.Uint32())))
	for i := range (kills + killsOfACluster - 1) / killsOfACluster {
		seed := seed + uint64(i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("repeat with %s=%d %s=%d", seedVariable, seed, nodeKillsVariable, killsOfACluster)
				}
			})
			diesOften(t, min(killsOfACluster, kills-i*killsOfACluster), rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func diesOften(t *testing.T, kills int, luck *rand.Rand) {
	c := newCluster(t, clusterOptions{
		nodes: 2, workers: 3,
		doors: []channels.Kind{channels.WebChat, channels.WebChat, channels.SMS, channels.Telegram, channels.Email},
	})
	c.start(c.nodes...)
	h := &hour{cluster: c}
	for range kills {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		k := h.plan(luck)
		began := time.Now()
		fell := make(chan error, 1)
		go func() {
			defer close(fell) // also when the test is ended there
			fell <- k.carryOut()
		}()
		err := h.pass(ctx, luck, 2, 4)
		close(k.over)
		cancel()
		if err := errors.Join(err, <-fell); err != nil {
			c.stalled("%s: %v", k, err)
		}
		if t.Failed() {
			t.FailNow()
		}
		passed := time.Since(began)
		c.revive()
		c.drain(t.Context())
		drained := time.Since(began)
		c.judge()
		t.Logf("%s: an hour of %v, all sent after %v, judged after %v", c.deaths[len(c.deaths)-1], passed.Round(time.Millisecond), drained.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
	c.finish()
}

// kill is a death that is to be.
type kill struct {
	c      *cluster
	victim *node // nil: the database's server
	at     order // a point of the program, or none
	after  time.Duration
	soon   bool          // it is started again while the others go on
	over   chan struct{} // closed when nobody does anything any more
}

func (k *kill) String() string {
	who := "the database"
	if k.victim != nil {
		who = k.victim.name
	}
	if k.at.point != "" {
		return fmt.Sprintf("%s dies at %s", who, k.at)
	}
	return fmt.Sprintf("%s dies after %v", who, k.after)
}

func (c *cluster) plan(luck *rand.Rand) *kill {
	k := &kill{c: c, after: time.Duration(luck.IntN(900)) * time.Millisecond, soon: luck.IntN(2) == 0, over: make(chan struct{})}
	if os.Getenv(restartVariable) != "" && luck.IntN(4) == 0 {
		return k
	}
	k.victim = c.nodes[luck.IntN(len(c.nodes))]
	if luck.IntN(2) == 0 {
		points := slices.DeleteFunc(slices.Clone(crashPoints), func(p string) bool {
			return p == runningOnce || slices.Contains([]string{"blob.before-rename", "blob.after-rename", "sms.call_taken", "call.opened", "call.asked"}, p)
		})
		k.at = order{point: points[luck.IntN(len(points))], n: 1 + luck.IntN(3)}
	}
	return k
}

// carryOut kills. A point that is not passed while anybody does anything is given up.
func (k *kill) carryOut() error {
	c := k.c
	if k.victim == nil {
		<-time.After(k.after)
		c.deaths = append(c.deaths, k.String())
		return c.restartDatabase()
	}
	p := k.victim.now()
	if k.at.point == "" {
		<-time.After(k.after)
	} else {
		if _, err := fmt.Fprintln(p.leash, k.at); err != nil {
			return err
		}
		select {
		case <-p.over:
		case <-k.over:
		}
	}
	p.kill()
	death := k.String()
	if k.at.point != "" && p.crash() == "" {
		death = k.victim.name + " dies when all is said" // it does not pass that point
	}
	c.deaths = append(c.deaths, death)
	if k.soon {
		c.start(k.victim)
		return nil
	}
	for _, n := range c.nodes {
		if n != k.victim {
			c.lead(n)
		}
	}
	return nil
}

// revive starts whoever is dead.
func (c *cluster) revive() {
	for _, n := range c.nodes {
		if !n.lives() {
			c.start(n)
		}
	}
}
