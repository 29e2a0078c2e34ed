package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
)

// ownLimit is how many of an operator's cases a feed begins with: those that
// changed last.
const ownLimit = 200

// ownKept is how long an operator's cases are followed after their last feed, so
// that it can resume.
const ownKept = 5 * time.Minute

// operator is somebody who watches, and the cases they hold. The map is guarded
// by board.mu, and by board.reading to change it.
type operator struct {
	id    string
	cases map[string]Mine // by case id
	feeds map[*Feed]struct{}
	since uint64    // followed from this Seq on
	left  time.Time // when the last feed went
}

// list returns the cases, newest change first.
func (o *operator) list() []Mine {
	out := slices.AppendSeq(make([]Mine, 0, len(o.cases)), maps.Values(o.cases))
	slices.SortFunc(out, func(a, b Mine) int {
		if c := b.UpdatedAt.Compare(a.UpdatedAt); c != 0 {
			return c
		}
		return compareNumbers(b.Number, a.Number)
	})
	return out
}

// compareNumbers orders "CW-999999" before "CW-1000000".
func compareNumbers(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// track returns the operator with that id and follows their cases from now on.
// The caller holds reading.
func (b *Board) track(ctx context.Context, id string) (*operator, error) {
	o, err := b.ownOf(ctx, id)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.operators[id] == nil {
		b.operators[id] = o
		o.since, o.left = b.seq, time.Now()
		for c := range o.cases {
			b.held[c] = o
		}
	}
	return o, nil
}

// ownOf returns the operator as tracked, or as the store has them. The caller
// holds reading.
func (b *Board) ownOf(ctx context.Context, id string) (*operator, error) {
	if o := b.operators[id]; o != nil {
		return o, nil
	}
	o := &operator{id: id, feeds: map[*Feed]struct{}{}}
	err := b.store.View(ctx, func(tx store.Tx) error {
		o.cases = map[string]Mine{}
		r := store.Range{Index: "owner", Prefix: store.Under(id), Reverse: true, Limit: ownLimit}
		for c, err := range casecore.Cases.Scan(tx, r) {
			if err != nil {
				return err
			}
			if o.cases[c.ID], err = readMine(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read cases of %s: %w", id, err)
	}
	return o, nil
}

func readMine(tx store.Tx, c *casecore.Case) (Mine, error) {
	who, err := casecore.Customers.Get(tx, c.Customer)
	if err != nil {
		return Mine{}, err
	}
	return mineOf(c, who.Name), nil
}

// own takes over who holds the case that was read.
func (b *Board) own(r reading) {
	was, now := b.held[r.id], (*operator)(nil)
	if r.mine != nil {
		now = b.operators[r.head.Owner]
	}
	if was != nil && was != now {
		number := was.cases[r.id].Number
		delete(was.cases, r.id)
		delete(b.held, r.id)
		b.emit(was.feeds, func(seq uint64) *Frame {
			return &Frame{operator: was.id, Data: encode(notMineFrame{T: "mine", Seq: seq, Case: numberOnly{number}, Gone: true})}
		})
	}
	if now == nil {
		return
	}
	if old, ok := now.cases[r.id]; ok && old.Version >= r.mine.Version && !r.forced {
		return
	}
	now.cases[r.id] = *r.mine
	b.held[r.id] = now
	b.emit(now.feeds, func(seq uint64) *Frame {
		return &Frame{operator: now.id, Data: encode(mineFrame{T: "mine", Seq: seq, Case: *r.mine})}
	})
}

// notify tells those who watch the case itself. Their frames are not part of the
// history: whoever comes back asks to watch again, and reads the case then.
func (b *Board) notify(r reading) {
	for f := range b.watchers[r.id] {
		frame := changedFrame{T: "changed", Seq: b.seq, Case: f.watch[r.id]}
		if r.head == nil || casecore.Authorize(f.actor, casecore.VerbRead, r.head.asCase()) != nil {
			frame.Gone = true // W5
			b.unwatch(f, r.id)
		} else {
			frame.Version = r.head.Version
		}
		f.push(&Frame{Seq: b.seq, Data: encode(frame)})
		b.stats.deliveries.Add(1)
	}
}

// forget stops following operators who have been away for long. The caller holds
// reading and mu.
func (b *Board) forget(now time.Time) {
	for id, o := range b.operators {
		if len(o.feeds) > 0 || now.Sub(o.left) < ownKept {
			continue
		}
		delete(b.operators, id)
		for c := range o.cases {
			delete(b.held, c)
		}
	}
}

// holds says whether the head belongs on its owner's list.
func (h *head) holds() bool { return h.Owner != "" && h.Stage != flow.Closed }

// caseOf reads which case a message belongs to, and nothing else of it.
func caseOf(d store.Doc) (string, error) {
	var m struct {
		Case string `json:"case"`
	}
	if err := json.Unmarshal(d.Body, &m); err != nil {
		return "", fmt.Errorf("decode message %s: %w", d.ID, err)
	}
	return m.Case, nil
}
