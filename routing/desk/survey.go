package desk

import (
	"context"
	"time"

	"casewire/casecore/store"
)

// surveyed is what a survey found.
type surveyed struct {
	ids  []string // cases that differ from the board, to be read
	took time.Duration
	err  error
}

// survey compares everything with the store, beside the follower: hints may be
// lost. It only finds what to read again, so it cannot take over an older state.
func (f *follower) survey(ctx context.Context) {
	f.surveying, f.missed = true, false
	f.nextSurvey = time.Now().Add(time.Hour) // set again when this one is done
	f.b.reading.Lock()
	f.b.mu.Lock()
	f.b.forget(time.Now())
	f.b.surveys++
	f.b.mu.Unlock()
	f.b.reading.Unlock()
	f.wg.Go(func() {
		start := time.Now()
		ids, err := f.b.differing(ctx)
		f.found <- surveyed{ids: ids, err: err, took: time.Since(start)}
	})
}

// surveyed takes over what a survey found.
func (f *follower) surveyed(s surveyed) {
	f.surveying = false
	f.nextSurvey = time.Now().Add(max(f.b.o.Survey, surveyShare*s.took))
	if s.err != nil {
		f.nextSurvey = time.Now().Add(retryAfter)
		return
	}
	f.b.stats.surveys.Add(1)
	f.b.stats.repairs.Add(uint64(len(s.ids)))
	for _, id := range s.ids {
		f.cases[id] = true
	}
}

// differing returns the ids of cases that are on the board and not in the store,
// or the other way round, or in another version.
func (b *Board) differing(ctx context.Context) ([]string, error) {
	var ids []string
	err := b.scan(ctx, store.Range{Index: "board"}, func(docs []store.Doc) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, d := range docs {
			e := b.entries[d.ID]
			if e == nil || e.version != d.Version {
				ids = append(ids, d.ID)
			}
			if e != nil {
				e.survey = b.surveys
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	for id, e := range b.entries {
		if e.survey != b.surveys {
			ids = append(ids, id)
		}
	}
	operators := make([]string, 0, len(b.operators))
	for id := range b.operators {
		operators = append(operators, id)
	}
	b.mu.Unlock()
	for _, id := range operators {
		own, err := b.differingOf(ctx, id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, own...)
	}
	return ids, nil
}

// differingOf is differing for the cases that an operator holds.
func (b *Board) differingOf(ctx context.Context, operator string) ([]string, error) {
	var ids []string
	seen := map[string]bool{}
	newestFirst := store.Range{Index: "owner", Prefix: store.Under(operator), Reverse: true}
	err := b.scan(ctx, newestFirst, func(docs []store.Doc) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		o := b.operators[operator]
		for _, d := range docs {
			seen[d.ID] = true
			if o == nil {
				continue
			}
			m, ok := o.cases[d.ID]
			if ok && m.Version != d.Version || !ok && len(seen) <= ownLimit {
				ids = append(ids, d.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.operators[operator]; o != nil {
		for id := range o.cases {
			if !seen[id] {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}
