package desk_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/routing/desk"
)

// watcher is a client: it applies frames to what it was shown at first.
type watcher struct {
	t      *testing.T
	b      *desk.Board
	by     casecore.Actor
	feed   *desk.Feed
	seq    uint64
	cards  map[string]map[string]desk.Card // queue, number
	mine   map[string]desk.Mine
	frames [][]byte // applied since the last snapshot
	fresh  int      // snapshots
}

func (w *watcher) begin(f *desk.Feed, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.feed = f
	if f.Snapshot == nil {
		return
	}
	w.fresh++
	w.seq, w.frames = f.Snapshot.Seq, nil
	w.cards, w.mine = map[string]map[string]desk.Card{}, map[string]desk.Mine{}
	for _, q := range f.Snapshot.Queues {
		w.cards[q.ID] = map[string]desk.Card{}
		for _, c := range q.Cards {
			w.cards[q.ID][c.Number] = c
		}
	}
	for _, m := range f.Snapshot.Mine {
		w.mine[m.Number] = m
	}
}

// pull applies what has arrived.
func (w *watcher) pull() error {
	frames, err := w.feed.Take()
	for _, fr := range frames {
		v := decode(w.t, fr.Data)
		if v.Seq <= w.seq {
			w.t.Fatalf("frame %s again or out of order: already at %d", fr.Data, w.seq)
		}
		w.seq = v.Seq
		w.frames = append(w.frames, fr.Data)
		switch v.T {
		case "card":
			w.cards[v.Queue][v.Card.Number] = v.Card
		case "gone":
			if _, ok := w.cards[v.Queue][v.number()]; !ok {
				w.t.Fatalf("%s: no such card was shown", fr.Data)
			}
			delete(w.cards[v.Queue], v.number())
		case "mine":
			if v.Gone {
				delete(w.mine, v.number())
			} else {
				w.mine[v.number()] = v.mine(w.t)
			}
		}
	}
	return err
}

// cut loses the connection, with whatever is under way, and comes back.
func (w *watcher) cut(epoch string) {
	w.feed.Close()
	w.begin(w.b.Resume(w.t.Context(), w.by, cmp.Or(epoch, w.feed.Epoch), w.seq))
}

// same says how the watcher's view differs from the board's own.
func (w *watcher) same() error {
	s, err := w.b.Snapshot(w.t.Context(), w.by)
	if err != nil {
		return err
	}
	for _, q := range s.Queues {
		var want []string
		for _, c := range q.Cards {
			want = append(want, fmt.Sprint(c.Number, c.Priority, c.Status, c.SLA))
		}
		cards := slices.SortedFunc(maps.Values(w.cards[q.ID]), byPlace)
		var got []string
		for _, c := range cards {
			got = append(got, fmt.Sprint(c.Number, c.Priority, c.Status, c.SLA))
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("queue %s: %v, want %v", q.ID, got, want)
		}
	}
	own := map[string]desk.Mine{}
	for _, m := range s.Mine {
		own[m.Number] = m
	}
	if !maps.Equal(own, w.mine) {
		return fmt.Errorf("own cases %v, want %v", w.mine, own)
	}
	return nil
}

func byPlace(a, b desk.Card) int {
	rank := func(c desk.Card) int {
		p, err := casecore.ParsePriority(c.Priority)
		if err != nil {
			panic(err)
		}
		return int(p)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.ReceivedAt.Compare(b.ReceivedAt), cmp.Compare(a.Number, b.Number))
}

// W3: however often the connection is cut, and wherever, the watcher misses
// nothing and sees nothing twice.
func TestResumeLosesAndDoublesNothing(t *testing.T) {
	for seed := range uint64(6) {
		history := []int{4096, 40}[seed%2]
		t.Run(fmt.Sprintf("seed %d, history %d", seed, history), func(t *testing.T) {
			h := newHouse(t)
			b := h.board(desk.BoardOptions{Window: 5, History: history, Coalesce: time.Millisecond, Survey: 10 * time.Millisecond})
			rnd := rand.New(rand.NewPCG(seed, 3))
			steady := &watcher{t: t, b: b, by: anna}
			cutting := &watcher{t: t, b: b, by: anna}
			steady.begin(b.Open(t.Context(), anna))
			cutting.begin(b.Open(t.Context(), anna))
			for range 250 {
				h.anything(rnd)
				if rnd.IntN(3) == 0 {
					if err := cutting.pull(); err != nil {
						t.Fatal(err)
					}
				}
				if rnd.IntN(4) == 0 {
					cutting.cut("")
				}
				if err := steady.pull(); err != nil {
					t.Fatal(err)
				}
			}
			// A late count may still come between two looks; what is lost or
			// doubled stays so.
			var differ error
			defer func() {
				if differ != nil {
					t.Error(differ)
				}
			}()
			eventually(t, func() bool {
				if err := errors.Join(steady.pull(), cutting.pull()); err != nil {
					t.Fatal(err)
				}
				if steady.seq != cutting.seq || len(steady.frames) == 0 || !h.caughtUp(b) {
					return false
				}
				differ = errors.Join(steady.same(), cutting.same())
				tail := steady.frames[len(steady.frames)-len(cutting.frames):]
				if !slices.EqualFunc(tail, cutting.frames, bytes.Equal) {
					differ = errors.Join(differ, errors.New("the watcher that was cut off got other frames than the one that was not"))
				}
				return differ == nil
			})
			if history > 1000 && cutting.fresh > 1 {
				t.Errorf("%d snapshots, although all frames were known", cutting.fresh)
			}
			if steady.fresh != 1 {
				t.Errorf("the steady watcher got %d snapshots", steady.fresh)
			}
		})
	}
}

// caughtUp says whether the board has seen all that was committed: then it is
// what a new board would load.
func (h *house) caughtUp(b *desk.Board) bool {
	waiting := 0
	for _, q := range queues {
		s, err := b.Snapshot(h.t.Context(), boss, q.ID)
		if err != nil {
			h.t.Fatal(err)
		}
		waiting += s.Queues[0].Counts.Waiting
	}
	fresh := h.board(desk.BoardOptions{Window: 5})
	for _, q := range queues {
		one, err := b.Snapshot(h.t.Context(), boss, q.ID)
		other, err2 := fresh.Snapshot(h.t.Context(), boss, q.ID)
		if err := errors.Join(err, err2); err != nil {
			h.t.Fatal(err)
		}
		if fmt.Sprint(one.Queues[0]) != fmt.Sprint(other.Queues[0]) {
			return false
		}
	}
	return waiting == fresh.Stats().Waiting
}

// anything does something that a day at a desk may bring.
func (h *house) anything(rnd *rand.Rand) {
	h.t.Helper()
	by := []casecore.Actor{anna, boris, boss}[rnd.IntN(3)]
	number := (&casecore.Case{Number: int64(rnd.IntN(h.no+1) + 1)}).CaseNumber()
	ctx := h.t.Context()
	var err error
	switch rnd.IntN(10) {
	case 0, 1, 2:
		h.arrive(queues[rnd.IntN(len(queues))].ID, func(d *casecore.Draft) { d.Priority = casecore.Priority(rnd.IntN(4) + 1) })
	case 3:
		_, err = h.work.Claim(ctx, by, number)
	case 4, 5:
		_, err = h.work.Next(ctx, by, "")
	case 6:
		_, err = h.work.Release(ctx, by, number, "", casecore.Guard{})
	case 7:
		_, err = h.work.Transfer(ctx, by, number, queues[rnd.IntN(len(queues))].ID, "", casecore.Guard{})
	case 8:
		p := casecore.Priority(rnd.IntN(4) + 1)
		_, err = h.work.Edit(ctx, boss, number, casecore.Edit{Priority: &p}, casecore.Guard{})
	case 9:
		_, err = h.work.Move(ctx, by, number, []string{"ready", "issued", "accepted"}[rnd.IntN(3)], casecore.Guard{})
	}
	if errors.Is(err, ctx.Err()) && err != nil {
		h.t.Fatal(err)
	}
}

// Nobody goes on with a sequence that is not theirs: other queues, another
// operator, another start of the process, a place in the future.
func TestResumeOfAnotherSequenceIsASnapshot(t *testing.T) {
	h := newHouse(t)
	h.arrive("phones")
	b := h.board(desk.BoardOptions{})
	f := h.feed(b, anna, "phones", "tv")
	seq := f.Snapshot.Seq
	for name, try := range map[string]struct {
		by     casecore.Actor
		epoch  string
		seq    uint64
		queues []string
		fresh  bool
	}{
		"the same":             {anna, f.Epoch, seq, []string{"tv", "phones"}, false},
		"more queues":          {anna, f.Epoch, seq, []string{"phones"}, true},
		"another operator":     {boris, f.Epoch, seq, []string{"phones", "tv"}, true},
		"another process":      {anna, "ABC." + f.Epoch, seq, []string{"phones", "tv"}, true},
		"ahead of the board":   {anna, f.Epoch, seq + 1000, []string{"phones", "tv"}, true},
		"before the beginning": {anna, f.Epoch, 0, []string{"phones", "tv"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := b.Resume(t.Context(), try.by, try.epoch, try.seq, try.queues...)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close()
			if (got.Snapshot != nil) != try.fresh {
				t.Errorf("snapshot given: %v, want %v", got.Snapshot != nil, try.fresh)
			}
		})
	}
}
