package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"casewire/casecore"
	"casewire/channels"
	"casewire/notify"
)

// TestTwoNodesEqualOne promises: the same day gives the same cases, claims and notices
// on one node with the embedded store, on one with MongoDB, and on two of which people
// use now the one and now the other.
func TestTwoNodesEqualOne(t *testing.T) {
	database(t) // or say that there is none
	seed := uint64(number(t, seedVariable, int(rand.Uint32())))
	t.Logf("%s=%d", seedVariable, seed)
	doors := []channels.Kind{channels.WebChat, channels.WebChat, channels.SMS, channels.SMS}
	var want string
	for _, o := range []clusterOptions{{embedded: true, nodes: 1}, {nodes: 1}, {nodes: 2}} {
		o.workers, o.doors = 2, doors
		name := fmt.Sprintf("%d on MongoDB", o.nodes)
		if o.embedded {
			name = "embedded"
		}
		t.Run(name, func(t *testing.T) {
			got := aDay(t, o, seed)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("another day than on the embedded store:\n%s", differences(want, got))
			}
		})
	}
}

// differences lists the lines that only one of two texts has, with their places.
func differences(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for i := range max(len(a), len(b)) {
		x, y := "", ""
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y && len(out) < 10 {
			out = append(out, fmt.Sprintf("line %d: %q, want %q", i+1, y, x))
		}
	}
	return strings.Join(out, "\n")
}

// aDay plays the seed's day, one thing after the other, and returns what it left.
func aDay(t *testing.T, o clusterOptions, seed uint64) string {
	c := newCluster(t, o)
	c.start(c.nodes...)
	h := &hour{cluster: c}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	luck, where := rand.New(rand.NewPCG(seed, 4)), rand.New(rand.NewPCG(seed, 5))
	for range 150 {
		o := c.workers[luck.IntN(len(c.workers))]
		var err error
		switch what := luck.IntN(10); {
		case what < 6:
			p := c.customers[luck.IntN(len(c.customers))]
			err = h.says(ctx, where, p, h.write(p, h.words("My phone screen is broken [%s", p.called())))
		case what < 7:
			err = h.takesNext(ctx, where, o)
		default:
			err = h.does(ctx, luck, where, o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return c.settled(ctx).told(c)
}

// takesNext has an operator take what waits longest, if anything does.
func (h *hour) takesNext(ctx context.Context, where *rand.Rand, o *worker) error {
	key := uuid.NewString()
	return h.at(ctx, where, o, func(ctx context.Context, _ bool) error {
		r, err := o.do(ctx, http.MethodPost, "/queues/phones/next", key, nil)
		if err != nil {
			return err
		}
		if code, _ := r.problem(); code == "nothing_waiting" {
			return nil
		}
		var k apiCase
		if err := json.Unmarshal(r.body, &k); err != nil || r.status != http.StatusOK {
			return r.error(o.login + " takes the next")
		}
		o.remember(deed{verb: "claim", number: k.Number, claimNo: k.ClaimNo, version: k.Version})
		h.held[o][k.Number] = &holding{claimNo: k.ClaimNo, moved: k.Status != "new"}
		return nil
	})
}

// does has an operator do something with a case, if there is one in their hands.
func (h *hour) does(ctx context.Context, luck, where *rand.Rand, o *worker) error {
	var numbers []string
	for n := range h.held[o] {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	what := luck.IntN(4)
	if len(numbers) == 0 {
		return nil
	}
	number := numbers[luck.IntN(len(numbers))]
	k := h.held[o][number]
	switch {
	case what == 0 && !k.moved:
		k.moved = true
		return h.at(ctx, where, o, func(ctx context.Context, again bool) error {
			return o.change(ctx, number, k.claimNo, statuses[0], again)
		})
	case what == 1:
		delete(h.held[o], number)
		return h.releases(ctx, where, o, number, k.claimNo)
	case what == 2:
		return h.tells(ctx, where, o, number, "notes")
	}
	return h.tells(ctx, where, o, number, "messages")
}

// settled waits until all is sent, stops the nodes and reads what is there.
func (c *cluster) settled(ctx context.Context) *book {
	c.t.Helper()
	if !c.o.embedded {
		c.drain(ctx)
		c.stop()
		return c.read()
	}
	for range 20 { // nobody can look into it while it runs
		c.stop()
		b := c.read()
		if !b.owes() {
			return b
		}
		c.start(c.nodes...)
		<-time.After(300 * time.Millisecond)
	}
	c.t.Fatal("I3: not everything is sent")
	return nil
}

func (b *book) owes() bool {
	for _, list := range b.events {
		if slices.ContainsFunc(list, func(e *casecore.Event) bool { return len(e.Pending) > 0 }) {
			return true
		}
	}
	for _, n := range b.notices {
		if slices.Contains(notify.Unfinished, n.State) {
			return true
		}
	}
	return false
}

// told is a book without what differs from day to day: ids and times. What people did
// is in its order; what machines did of it, which may come a moment sooner or later, is
// sorted.
func (b *book) told(c *cluster) string {
	names := map[string]string{"": "-"}
	for _, o := range c.workers {
		names[o.id] = o.login
	}
	var out strings.Builder
	var numbers []string
	for n := range b.cases {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		k := b.cases[n]
		fmt.Fprintf(&out, "%s in %s: %s, held by %s under %d, %d messages\n", n, k.Queue, k.Status, names[k.Owner], k.ClaimNo, k.Messages)
		var machines []string
		for _, e := range b.events[k.ID] {
			line := string(e.Kind)
			if m := b.messages[e.Message]; m != nil {
				line += " " + plain(m.Body.Text)
			}
			if e.ClaimNo > 0 {
				line += fmt.Sprintf(" under %d", e.ClaimNo)
			}
			if name := names[e.Actor]; name != "" || e.Kind == casecore.Received || e.Kind == casecore.Opened {
				fmt.Fprintf(&out, "  %s %s\n", line, name)
			} else {
				machines = append(machines, line)
			}
		}
		for _, x := range b.notices {
			if x.Case != k.ID {
				continue
			}
			if x.State == notify.Delivered { // the provider's receipt may still be on its way
				x.State = notify.Sent
			}
			machines = append(machines, fmt.Sprintf("notice %q by %s: %s after %d attempts", x.Template, x.To.Kind, x.State, x.Attempts))
		}
		sort.Strings(machines)
		fmt.Fprintf(&out, "  and: %s\n", strings.Join(machines, "\n       "))
	}
	return out.String()
}
