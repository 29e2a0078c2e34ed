package mongo

import (
	"context"
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
	snap := &snapshot{s: s}
	defer snap.end() //nolint:contextcheck // the server is told when ctx is done too
	tx := &tx{ctx: ctx, s: s, snap: snap}
	defer func() { tx.ended = true }()
	return fn(tx)
}

type stats struct{ groups, commits, updates, reruns, retries, again, unsure, missed atomic.Uint64 }

// Stats are figures for metrics, counted since Open.
type Stats struct {
	Groups  uint64 // groups of Updates that the writer served
	Commits uint64 // transactions committed with changes
	Updates uint64 // Update calls that returned nil
	Reruns  uint64 // functions run again because a neighbour overtook them
	Retries uint64 // transactions that did not commit and were tried again
	Again   uint64 // functions begun again on a newer snapshot
	Unsure  uint64 // commits whose answer was lost and had to be found out
	Missed  uint64 // times that the change stream could not tell everything
}

// Stats returns the figures as they are now.
func (s *Store) Stats() Stats {
	return Stats{
		Groups: s.stats.groups.Load(), Commits: s.stats.commits.Load(), Updates: s.stats.updates.Load(),
		Reruns: s.stats.reruns.Load(), Retries: s.stats.retries.Load(), Again: s.stats.again.Load(),
		Unsure: s.stats.unsure.Load(), Missed: s.stats.missed.Load(),
	}
}
