package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// story is the scenario: a morning of three customers and two operators, in
// which everything happens that a crash could spoil.
type story struct {
	*world
	ada, boris, cleo *visitor

	mu      sync.Mutex
	claimNo map[string]int64   // by case
	holder  map[string]*worker // by case
	taken   map[*worker]string // the case that each took last
	said    int
}

func newStory(w *world) *story {
	return &story{
		world: w, ada: w.visitors[0], boris: w.visitors[1], cleo: w.visitors[2],
		claimNo: map[string]int64{}, holder: map[string]*worker{}, taken: map[*worker]string{},
	}
}

type deedFunc = func(ctx context.Context, again bool) error

// tell plays the whole scenario.
func (s *story) tell() {
	s.t.Helper()
	olena, marko := s.workers[0], s.workers[1]
	s.play(together("three customers write and get a receipt",
		s.writes(s.ada, false, 1), s.writes(s.boris, false, 1), s.writes(s.cleo, false, 1)))
	s.play(together("two send a file", s.writes(s.ada, true, 1), s.writes(s.boris, true, 1), s.writes(s.cleo, false, 1)))

	first := s.caseOf(s.ada)
	s.play(together("both operators claim one case", s.claims(olena, first), s.claims(marko, first)))
	winner, loser := olena, marko
	if s.taken[marko] == first {
		winner, loser = marko, olena
	}
	if s.taken[winner] != first || s.taken[loser] == first {
		s.t.Fatalf("%s was given to %v (I4)", first, s.taken)
	}
	s.play(together("answer and message cross", s.answers(s.ada), s.writes(s.ada, false, 1)))
	s.play(together("the other takes the next, and a note is left", s.next(loser, "phones"), s.notes(s.ada)))
	second := s.taken[loser]
	s.play(together("ready for pickup", s.moves(s.ada, "ready", 2), s.writes(s.boris, true, 1)))
	s.play(together("the customer comes back", s.writes(s.ada, true, 2), s.answers(s.ada)))

	s.play(together("release", s.releases(second)))
	s.play(together("the other takes it from its old place (Q2)", s.next(winner, "phones")))
	if s.taken[winner] != second {
		s.t.Fatalf("%s comes before %s, which was there first (Q2)", s.taken[winner], second)
	}
	s.play(together("the last one is taken", s.next(loser, "phones")))
	third := s.taken[loser]
	x, y := s.customerOf(second), s.customerOf(third)
	s.play(together("answers, with files coming in", s.answers(x), s.answers(y), s.writes(x, true, 1), s.writes(y, true, 1)))
	s.play(together("one is diagnosed, one is closed", s.moves(x, "diagnosing", 2), s.moves(y, "cancelled", 2)))
	s.play(together("the closed one comes back to the queue", s.writes(y, false, 3)))
	s.play(together("and is taken again", s.next(winner, "phones")))
	if s.taken[winner] != third {
		s.t.Fatalf("took %s, want %s that was reopened", s.taken[winner], third)
	}
	for range 40 { // until everything has happened that was ordered
		if len(s.orders) == 0 {
			break
		}
		s.play(together("a file more, and an answer", s.writes(x, true, 2), s.answers(x)))
	}
	s.play(together("last words", s.answers(s.ada), s.answers(x), s.answers(y)))
	if len(s.orders) > 0 {
		s.t.Fatalf("the scenario does not pass %v", s.orders)
	}
}

// writes has a customer write, and wait until the automatic answers are there
// that there should be by then.
func (s *story) writes(v *visitor, file bool, auto int) deedFunc {
	s.said++
	text := fmt.Sprintf("My phone screen is broken [%s %d]", v.name, s.said)
	var content []byte
	if file {
		content = []byte(strings.Repeat(text+"\n", 200))
	}
	m := s.write(v, text, content)
	return func(ctx context.Context, _ bool) error {
		if _, acked := v.acked(m.id); !acked {
			if err := v.send(ctx, m); err != nil {
				return err
			}
		}
		return v.sees(ctx, auto, "auto")
	}
}

// caseOf is the number of a customer's case.
func (s *story) caseOf(v *visitor) string {
	s.t.Helper()
	for _, m := range s.messages {
		if a, ok := v.acked(m.id); ok && m.by == v {
			return a.Case
		}
	}
	s.t.Fatalf("%s has no case", v.name)
	return ""
}

func (s *story) customerOf(number string) *visitor {
	s.t.Helper()
	for _, v := range s.visitors {
		if s.caseOf(v) == number {
			return v
		}
	}
	s.t.Fatalf("%s is nobody's case", number)
	return nil
}

func (s *story) got(o *worker, c *apiCase) {
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[o], s.holder[c.Number], s.claimNo[c.Number] = c.Number, o, c.ClaimNo
}

func (s *story) held(number string) (*worker, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder[number], s.claimNo[number]
}

func (s *story) claims(o *worker, number string) deedFunc {
	return func(ctx context.Context, _ bool) error {
		c, err := o.take(ctx, "/cases/"+number+"/claim", "")
		s.got(o, c)
		return err
	}
}

func (s *story) next(o *worker, queue string) deedFunc {
	key := uuid.NewString()
	return func(ctx context.Context, _ bool) error {
		c, err := o.take(ctx, "/queues/"+queue+"/next", key)
		s.got(o, c)
		return err
	}
}

// answers has the holder of a customer's case answer, and the customer read it.
func (s *story) answers(v *visitor) deedFunc {
	return s.says(v, "messages", func(ctx context.Context, text string) error {
		return v.sees(ctx, 1, "operator", text)
	})
}

// notes has the holder leave a note, which the customer is never shown.
func (s *story) notes(v *visitor) deedFunc {
	return s.says(v, "notes", func(context.Context, string) error { return nil })
}

func (s *story) says(v *visitor, what string, then func(ctx context.Context, text string) error) deedFunc {
	s.said++
	number, text, key := s.caseOf(v), fmt.Sprintf("We look at it [%s %d]", what, s.said), uuid.NewString()
	said := false
	return func(ctx context.Context, _ bool) error {
		o, claimNo := s.held(number)
		if !said {
			r, err := o.say(ctx, what, number, text, key, claimNo)
			if err != nil {
				return err
			}
			id, version, err := messageOf(r)
			if err != nil {
				return err
			}
			o.remember(deed{verb: what, number: number, message: id, text: text, key: key, claimNo: claimNo, version: version})
			said = true
		}
		return then(ctx, text)
	}
}

// moves gives a customer's case a status of which the customer is told.
func (s *story) moves(v *visitor, status string, auto int) deedFunc {
	number, moved := s.caseOf(v), false
	return func(ctx context.Context, again bool) error {
		o, claimNo := s.held(number)
		if !moved {
			if err := o.change(ctx, number, claimNo, status, again); err != nil {
				return err
			}
			moved = true
		}
		return v.sees(ctx, auto, "auto")
	}
}

func (s *story) releases(number string) deedFunc {
	return func(ctx context.Context, again bool) error {
		o, claimNo := s.held(number)
		return o.change(ctx, number, claimNo, "", again)
	}
}
