package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"casewire/channels"
)

// hour is what people do in a cluster at once: customers write at every door, on
// whichever node, operators take cases, answer and set statuses.
type hour struct {
	*cluster
	mu   sync.Mutex
	said int
}

// holding is a case as its holder remembers it.
type holding struct {
	claimNo int64
	moved   bool
}

// statuses are those of which a case is given one: it stays with its holder.
var statuses = []string{"diagnosing", "ready"}

// words makes a text that is said once.
func (h *hour) words(format string, args ...any) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said++
	return fmt.Sprintf(format, args...) + fmt.Sprintf(" %d]", h.said)
}

// pass has every customer write so many messages, and every operator do so many things.
// It returns when all of it was acknowledged.
func (h *hour) pass(ctx context.Context, luck *rand.Rand, messages, deeds int) error {
	errs := make([]error, len(h.customers)+len(h.workers))
	var wg sync.WaitGroup
	for i, p := range h.customers {
		var list []*written
		for k := range messages {
			var files [][]byte
			if k == 0 && luck.IntN(3) == 0 {
				files = append(files, content(luck.Int()))
			}
			list = append(list, h.write(p, h.words("My phone screen is broken [%s", p.called()), files...))
		}
		own := rand.New(rand.NewPCG(luck.Uint64(), 0))
		wg.Go(func() {
			for _, m := range list {
				if errs[i] = h.says(ctx, own, p, m); errs[i] != nil {
					return
				}
			}
		})
	}
	for i, o := range h.workers {
		own := rand.New(rand.NewPCG(luck.Uint64(), 0))
		wg.Go(func() { errs[len(h.customers)+i] = h.works(ctx, own, o, deeds) })
	}
	wg.Wait()
	for _, p := range h.customers {
		for _, f := range p.complaints() {
			errs = append(errs, fmt.Errorf("%s", f))
		}
	}
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) > 0 {
		return fmt.Errorf("%d failed, one of them: %w", len(errs), errs[0])
	}
	return nil
}

// says has a customer write a message until it is acknowledged.
func (h *hour) says(ctx context.Context, luck *rand.Rand, p customer, m *written) error {
	err := h.persist(ctx, luck, func(ctx context.Context, n *node, _ bool) error {
		if v, ok := p.(*visitor); ok {
			if err := v.connect(ctx, n.url()); err != nil {
				return err
			}
		}
		if p.address().Kind == channels.SMS {
			h.lead(n)
		}
		return p.say(ctx, m)
	})
	if err != nil {
		return fmt.Errorf("%s says %q: %w", p.called(), m.text, err)
	}
	return nil
}

// at has an operator ask a node, and again until it is answered.
func (h *hour) at(ctx context.Context, luck *rand.Rand, o *worker, ask func(ctx context.Context, again bool) error) error {
	return h.persist(ctx, luck, func(ctx context.Context, n *node, again bool) error {
		o.mu.Lock()
		o.url = n.url()
		o.mu.Unlock()
		return ask(ctx, again)
	})
}

// works has an operator do so many things.
func (h *hour) works(ctx context.Context, luck *rand.Rand, o *worker, deeds int) error {
	mine := h.held[o]
	for range deeds {
		numbers := make([]string, 0, len(mine))
		for number := range mine {
			numbers = append(numbers, number)
		}
		slices.Sort(numbers)
		what := luck.IntN(10)
		if len(numbers) < 2 || what == 0 {
			if err := h.takes(ctx, luck, o); err != nil {
				return err
			}
			continue
		}
		number := numbers[luck.IntN(len(numbers))]
		k := mine[number]
		var err error
		switch {
		case what < 6:
			err = h.tells(ctx, luck, o, number, "messages")
		case what < 7:
			err = h.tells(ctx, luck, o, number, "notes")
		case what < 9 && !k.moved:
			to := statuses[luck.IntN(len(statuses))]
			err = h.at(ctx, luck, o, func(ctx context.Context, again bool) error {
				return o.change(ctx, number, k.claimNo, to, again)
			})
			k.moved = true
		default:
			delete(mine, number)
			err = h.releases(ctx, luck, o, number, k.claimNo)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takes has an operator take the next case, or reach for one that others reach for, too.
func (h *hour) takes(ctx context.Context, luck *rand.Rand, o *worker) error {
	key := uuid.NewString()
	path := "/queues/phones/next"
	if luck.IntN(2) == 0 {
		var cards []string
		err := h.at(ctx, luck, o, func(ctx context.Context, _ bool) (err error) {
			cards, err = o.cards(ctx, "phones")
			return err
		})
		if err != nil || len(cards) == 0 {
			return err
		}
		path, key = "/cases/"+cards[0]+"/claim", ""
	}
	return h.at(ctx, luck, o, func(ctx context.Context, _ bool) error {
		r, err := o.do(ctx, http.MethodPost, path, key, nil)
		if err != nil {
			return err
		}
		if r.status != http.StatusOK {
			if code, _ := r.problem(); slices.Contains([]string{"nothing_waiting", "taken"}, code) {
				return nil
			}
			return r.error(o.login + " takes " + path)
		}
		var c apiCase
		if err := json.Unmarshal(r.body, &c); err != nil {
			return err
		}
		if c.owner() != o.id {
			return r.error(o.login + " was given a case that is not theirs")
		}
		o.remember(deed{verb: "claim", number: c.Number, claimNo: c.ClaimNo, version: c.Version})
		h.held[o][c.Number] = &holding{claimNo: c.ClaimNo, moved: c.Status != "new"}
		return nil
	})
}

// tells has an operator write an answer or a note.
func (h *hour) tells(ctx context.Context, luck *rand.Rand, o *worker, number, what string) error {
	text, key, k := h.words(fromOperator+"%s", what), uuid.NewString(), h.held[o][number]
	return h.at(ctx, luck, o, func(ctx context.Context, _ bool) error {
		r, err := o.say(ctx, what, number, text, key, k.claimNo)
		if err != nil {
			return err
		}
		id, version, err := messageOf(r)
		if err != nil {
			return err
		}
		o.remember(deed{verb: what, number: number, message: id, text: text, key: key, claimNo: k.claimNo, version: version})
		return nil
	})
}

// releases has an operator let a case go. Whoever got no answer may be told that it is
// another's by then.
func (h *hour) releases(ctx context.Context, luck *rand.Rand, o *worker, number string, claimNo int64) error {
	return h.at(ctx, luck, o, func(ctx context.Context, again bool) error {
		r, err := o.do(ctx, http.MethodPost, "/cases/"+number+"/release", "", map[string]any{"claim_no": claimNo, "reason": "lunch"})
		if err != nil {
			return err
		}
		if r.status != http.StatusOK {
			code, _ := r.problem()
			if again && (r.status == http.StatusForbidden || strings.Contains("taken stale not_claimed not_found", code)) {
				return nil
			}
			return r.error(o.login + " releases " + number)
		}
		var c apiCase
		if err := json.Unmarshal(r.body, &c); err != nil {
			return err
		}
		o.remember(deed{verb: "release", number: number, claimNo: claimNo, version: c.Version})
		return nil
	})
}
