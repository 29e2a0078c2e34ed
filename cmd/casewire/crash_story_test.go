package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// story is the scenario: a morning of three customers and two operators, in
// which everything happens that a crash could spoil.
type story struct {
	*world
	ada, boris, cleo customer

	mu      sync.Mutex
	claimNo map[string]int64   // by case
	holder  map[string]*worker // by case
	taken   map[*worker]string // the case that each took last
	said    int
}

func newStory(w *world) *story {
	return &story{
		world: w, ada: w.customers[0], boris: w.customers[1], cleo: w.customers[2],
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
	for _, c := range s.customers {
		s.playHabits(c)
	}

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
	s.play(together("the closed one comes back to the queue", s.comesBack(y, winner, "phones")))
	s.play(together("and is taken again", s.next(winner, "phones")))
	if s.taken[winner] != third {
		s.t.Fatalf("took %s, want %s that was reopened", s.taken[winner], third)
	}
	for range 40 { // until everything has happened that was ordered
		if len(s.orders) == 0 && (s.luck == nil || len(s.deaths) > 0) {
			break
		}
		s.play(together("a file more, and an answer", s.writes(s.ada, true, 1), s.answers(s.ada), s.writes(x, true, 2), s.answers(x), s.answers(y)))
		s.playHabits(s.ada)
		s.playHabits(s.boris)
	}
	var through []deedFunc
	for _, c := range s.customers {
		through = append(through, s.fence(c))
	}
	s.play(together("all that was written has been taken", through...))
	s.play(together("last words", s.answers(s.ada), s.answers(x), s.answers(y)))
	if len(s.orders) > 0 {
		s.t.Fatalf("the scenario does not pass %v", s.orders)
	}
}

// writes has a customer write, and wait until the automatic answers are there
// that there should be by then.
func (s *story) writes(v customer, file bool, auto int) deedFunc {
	var files [][]byte
	if file {
		files = append(files, content(s.said+1))
	}
	return s.tells(v, s.write(v, s.words(v), files...), auto)
}

// tells has a customer send a message and wait for that many automatic answers.
func (s *story) tells(v customer, m *written, auto int) deedFunc {
	return func(ctx context.Context, _ bool) error {
		if err := v.say(ctx, m); err != nil {
			return err
		}
		return v.sees(ctx, auto, "auto")
	}
}

// comesBack has the customer of a closed case write, and waits until it is in its queue
// again: a repeated receipt, of earlier, says nothing of that.
func (s *story) comesBack(v customer, o *worker, queue string) deedFunc {
	number, writes := s.caseOf(v), s.writes(v, false, 3)
	return func(ctx context.Context, again bool) error {
		if err := writes(ctx, again); err != nil {
			return err
		}
		return s.until(ctx, number+" waits again", func() (bool, error) {
			waiting, err := o.cards(ctx, queue)
			return slices.Contains(waiting, number), err
		})
	}
}

// receipt is in what the customer is told when a case was opened.
const receipt = "Your case number is"

// words are what a customer says next, once in the whole story.
func (s *story) words(v customer) string {
	s.said++
	return fmt.Sprintf("My phone screen is broken [%s %d]", v.called(), s.said)
}

// content is a file that there is once.
func content(n int) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("This is the file %d.\n", n), 200))
}

// playHabits has a customer do what people do at their door and nowhere else.
func (s *story) playHabits(v customer) {
	s.t.Helper()
	switch c := v.(type) {
	case *chatter:
		// By itself, so that nothing hurries it: what comes after an album ends it.
		album := s.write(v, s.words(v), content(s.said), content(-s.said))
		album.album = true
		s.play(together("an album", s.tells(v, album, 1)))
		edited := s.write(v, s.words(v))
		edited.edit = edited.text + ", no, only scratched"
		s.play(together("an edited message, a command and a button", s.tells(v, edited, 1), c.asks()))
	case *texter:
		call := s.write(v, rings)
		call.call = true
		s.play(together("a call", s.tells(v, call, 1)))
		s.play(together("a call back", s.dials(c)))
	}
}

// dials has the holder of a phone's case, if it has one, call that phone. After a
// death the call of before may still be open, and then there is no other.
func (s *story) dials(c *texter) deedFunc {
	number, key := s.caseOf(c), uuid.NewString()
	return func(ctx context.Context, _ bool) error {
		o, _ := s.held(number)
		if o == nil {
			return nil
		}
		r, err := o.do(ctx, http.MethodPost, "/cases/"+number+"/call", key, map[string]any{})
		if err != nil {
			return err
		}
		code, _ := r.problem()
		if open := r.status == http.StatusConflict && code == "calling" && len(s.deaths) > 0; !open && r.status != http.StatusAccepted {
			return r.error(o.login + " calls " + c.name)
		}
		return s.until(ctx, "every call is told of", func() (bool, error) {
			seen, err := o.timeline(ctx, number)
			return seen.calls >= c.dialled(), err
		})
	}
}

// fence returns when everything that a customer wrote before it must have been
// taken, as far as the door's own order tells.
func (s *story) fence(v customer) deedFunc {
	switch c := v.(type) {
	case *writer: // letters of one sender are taken in order, and a new one gets a receipt
		m := s.write(v, s.words(v))
		m.fresh = true
		before := -1
		return func(ctx context.Context, _ bool) error {
			if before < 0 {
				before = len(c.texts("auto", receipt))
			}
			if err := v.say(ctx, m); err != nil {
				return err
			}
			return c.gets(ctx, before+1, "auto", receipt)
		}
	case *chatter: // what comes after an album ends it
		return s.tells(v, s.write(v, s.words(v)), 1)
	case *texter:
		return s.pictures(c)
	}
	return func(context.Context, bool) error { return nil }
}

// pictures waits until the holder is shown every file of a phone's texts.
func (s *story) pictures(c *texter) deedFunc {
	number, want := s.caseOf(c), 0
	for _, m := range s.messages {
		if m.by == customer(c) {
			want += len(m.files)
		}
	}
	return func(ctx context.Context, _ bool) error {
		o, _, err := s.keeper(number)
		if err != nil {
			return err
		}
		return s.until(ctx, fmt.Sprintf("%s holds %d files", number, want), func() (bool, error) {
			seen, err := o.timeline(ctx, number)
			return seen.files >= want, err
		})
	}
}

// until looks again and again until ok, for what nobody is told of.
func (s *story) until(ctx context.Context, what string, ok func() (bool, error)) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		done, err := ok()
		if err != nil || done {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		}
	}
}

// caseOf is the number of a customer's case.
func (s *story) caseOf(v customer) string {
	s.t.Helper()
	number := v.caseNumber()
	if number == "" {
		s.t.Fatalf("%s has no case", v.called())
	}
	return number
}

func (s *story) customerOf(number string) customer {
	s.t.Helper()
	for _, v := range s.customers {
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

// keeper is held for a case that somebody must have.
func (s *story) keeper(number string) (*worker, int64, error) {
	o, claimNo := s.held(number)
	if o == nil {
		return nil, 0, fmt.Errorf("nobody in the story has taken %s", number)
	}
	return o, claimNo, nil
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
func (s *story) answers(v customer) deedFunc {
	return s.says(v, "messages", func(ctx context.Context, text string) error {
		return v.sees(ctx, 1, "operator", text)
	})
}

// notes has the holder leave a note, which the customer is never shown.
func (s *story) notes(v customer) deedFunc {
	return s.says(v, "notes", func(context.Context, string) error { return nil })
}

func (s *story) says(v customer, what string, then func(ctx context.Context, text string) error) deedFunc {
	s.said++
	number, text, key := s.caseOf(v), fmt.Sprintf(fromOperator+"%s %d]", what, s.said), uuid.NewString()
	said := false
	return func(ctx context.Context, _ bool) error {
		o, claimNo, err := s.keeper(number)
		if err != nil {
			return err
		}
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
func (s *story) moves(v customer, status string, auto int) deedFunc {
	number, moved := s.caseOf(v), false
	return func(ctx context.Context, again bool) error {
		o, claimNo, err := s.keeper(number)
		if err != nil {
			return err
		}
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
		o, claimNo, err := s.keeper(number)
		if err != nil {
			return err
		}
		return o.change(ctx, number, claimNo, "", again)
	}
}
