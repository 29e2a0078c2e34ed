package mongo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"casewire/casecore/store"
)

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.inside.Add(1)
	defer s.inside.Add(-1)
	snap := &snapshot{s: s}
	defer snap.end()
	tx := &tx{ctx: ctx, s: s, snap: snap}
	defer func() { tx.ended = true }()
	err := fn(tx)
	if tx.broken != nil && err != nil && ctx.Err() == nil && isTransient(tx.broken) && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err) // fn may not be run again: its caller may
	}
	return err
}

type stats struct{ groups, commits, updates, reruns, retries, again, unsure, missed, renewed, waited atomic.Uint64 }

// Stats are figures for metrics, counted since Open.
type Stats struct {
	Groups  uint64 // groups of Updates that the writer served
	Commits uint64 // transactions committed with changes
	Updates uint64 // Update calls that returned nil
	Reruns  uint64 // functions run again because a neighbour overtook them
	Waited  uint64 // functions that waited for their turn at a contended document, and were not overtaken
	Retries uint64 // transactions that did not commit and were tried again
	Again   uint64 // functions begun again on a newer snapshot
	Unsure  uint64 // commits whose answer was lost and had to be found out
	Renewed uint64 // snapshots taken anew because another process changed what was read
	Missed  uint64 // times that the change stream could not tell everything
}

// Stats returns the figures as they are now.
func (s *Store) Stats() Stats {
	return Stats{
		Groups: s.stats.groups.Load(), Commits: s.stats.commits.Load(), Updates: s.stats.updates.Load(),
		Reruns: s.stats.reruns.Load(), Retries: s.stats.retries.Load(), Again: s.stats.again.Load(),
		Unsure: s.stats.unsure.Load(), Missed: s.stats.missed.Load(), Renewed: s.stats.renewed.Load(), Waited: s.stats.waited.Load(),
	}
}
