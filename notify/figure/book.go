package figure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"casewire/casecore/store"
)

// settled is how long after its end a day's notices are taken to change no more:
// then its figures are kept, and a word of a provider that comes later is not
// counted.
const settled = 72 * time.Hour

// fresh is how long figures that may still change are shown again.
const fresh = 10 * time.Second

// MostDays is how many days one question may be about.
const MostDays = 366

// Day is the figures of one day in the centre's time zone, kept once it is over if
// there were any. Its id is the date. In another zone it is another day: then it is
// counted anew and kept instead.
type Day struct {
	store.Meta
	Zone  string `json:"zone"`
	Lines Lines  `json:"lines"`
}

// Keys of a day: none; its id is its date.
func (*Day) Keys() store.Keys { return store.Keys{} }

var days = store.NewTable[Day]("notice_day")

// Collections lists what this room keeps, for opening a store.
func Collections() []*store.Coll { return []*store.Coll{days.Coll()} }

// Book answers questions about days, past ones from what was kept of them. It is
// safe for concurrent use.
type Book struct {
	store store.Store
	zone  func() *time.Location
	now   func() time.Time

	mu   sync.Mutex
	seen map[string]glance // of days that may still change, by date and zone
}

type glance struct {
	lines Lines
	at    time.Time
}

// NewBook returns the book over a store; zone is the centre's.
func NewBook(s store.Store, zone func() *time.Location, now func() time.Time) *Book {
	return &Book{store: s, zone: zone, now: now, seen: map[string]glance{}}
}

// Figures is what became of the notices of several days.
type Figures struct {
	Lines Lines
	Days  []Lines // each day, from the first on
}

// Today is the midnight that the present day began with, in the centre's zone.
func (b *Book) Today() time.Time { return midnight(b.now().In(b.zone()), 0) }

// Of counts the notices that were written from one day to another, both counted
// and at most MostDays; of a time only its date matters. Days that are over are kept
// by one write for all, the first time that somebody asks.
func (b *Book) Of(ctx context.Context, from, to time.Time) (*Figures, error) {
	now, zone := b.now(), b.zone()
	first := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, zone)
	out := &Figures{}
	var over []*Day
	for i := 0; !midnight(first, i).After(to); i++ {
		if i == MostDays {
			return nil, fmt.Errorf("more than %d days", MostDays)
		}
		lines, keep, err := b.day(ctx, midnight(first, i), midnight(first, i+1), now)
		if err != nil {
			return nil, fmt.Errorf("figures of %s: %w", midnight(first, i).Format(time.DateOnly), err)
		}
		if keep != nil {
			over = append(over, keep)
		}
		out.Days = append(out.Days, lines)
		out.Lines.Join(lines)
	}
	if len(over) == 0 {
		return out, nil
	}
	return out, b.keep(ctx, over)
}

// midnight is the beginning of the day that is so many after that of t.
func midnight(t time.Time, days int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location())
}

// day returns the figures of one day: kept ones, those seen a moment ago, or
// counted now; keep is what is to be kept of them.
func (b *Book) day(ctx context.Context, from, to, now time.Time) (lines Lines, keep *Day, err error) {
	date, zone := from.Format(time.DateOnly), from.Location().String()
	if now.Before(to.Add(settled)) {
		lines, err = b.late(ctx, date+" "+zone, from, to, now)
		return lines, nil, err
	}
	err = b.store.View(ctx, func(tx store.Tx) error {
		lines, keep = nil, nil
		kept, err := days.Get(tx, date)
		switch {
		case errors.Is(err, store.ErrNotFound):
			kept = &Day{Meta: store.Meta{ID: date}}
		case err != nil:
			return err
		case kept.Zone == zone:
			lines = kept.Lines
			return nil
		}
		if lines, err = Fold(tx, from, to); len(lines) > 0 || kept.Version > 0 {
			keep = &Day{Meta: kept.Meta, Zone: zone, Lines: lines}
		}
		return err
	})
	return lines, keep, err
}

// late returns the figures of a day that may still change, known as key.
func (b *Book) late(ctx context.Context, key string, from, to, now time.Time) (lines Lines, err error) {
	if g := b.glance(key); now.Sub(g.at) < fresh {
		return g.lines, nil
	}
	err = b.store.View(ctx, func(tx store.Tx) (err error) {
		lines, err = Fold(tx, from, to)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[key] = glance{lines, now}
	for k := range b.seen {
		if k < from.Add(-settled-48*time.Hour).Format(time.DateOnly) {
			delete(b.seen, k)
		}
	}
	return lines, nil
}

func (b *Book) glance(key string) glance {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[key]
}

// keep writes the figures of days that are over. Who asked at the same time has
// written the same.
func (b *Book) keep(ctx context.Context, over []*Day) error {
	err := b.store.Update(ctx, func(tx store.Tx) error {
		for _, d := range over {
			day := *d // it may run again
			if err := days.Put(tx, &day); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep figures: %w", err)
	}
	return nil
}
