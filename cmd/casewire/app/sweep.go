package app

import (
	"context"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/api"
)

const (
	sweepEvery = time.Minute
	sweepBatch = 500 // things of one kind in one transaction
	blobsEvery = 6 * time.Hour
	// unreferenced is how long attachments are kept that nothing refers to: longer
	// than any upload may wait to be sent.
	unreferenced = 72 * time.Hour
)

// sweep removes what is over, a little at a time, until ctx is done.
func (a *App) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	blobs := a.o.Now()
	for {
		err := a.sweepStore(ctx)
		if err == nil && a.o.Now().Sub(blobs) >= blobsEvery {
			blobs = a.o.Now()
			err = a.sweepBlobs(ctx)
		}
		if err != nil && ctx.Err() == nil {
			a.o.Log.Warn("sweeping goes on later", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweepStore removes memories, sessions, links and kept answers whose time is over,
// and ends calls that nobody told of.
func (a *App) sweepStore(ctx context.Context) error {
	for _, part := range []func() (int, error){
		func() (int, error) { return a.sweepWith(ctx, casecore.SweepMemory) },
		func() (int, error) { return a.sweepWith(ctx, casecore.SweepTies) },
		func() (int, error) { return a.sweepCalls(ctx) },
		func() (int, error) { return a.staff.Sweep(ctx, sweepBatch) },
		func() (int, error) { return a.webhooks.Sweep(ctx, sweepBatch) },
		func() (int, error) { return api.Sweep(ctx, a.store, a.o.Now(), sweepBatch) },
	} {
		for n := sweepBatch; n >= sweepBatch; {
			var err error
			if n, err = part(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweepBlobs removes attachments that were put long ago and that no message and no
// upload refers to.
func (a *App) sweepBlobs(ctx context.Context) error {
	n, err := a.blobs.Sweep(ctx, a.o.Now().Add(-unreferenced), func(hash string) (used bool, err error) {
		err = a.store.View(ctx, func(tx store.Tx) error {
			if used, err = casecore.Referenced(tx, hash); used || err != nil {
				return err
			}
			used, err = api.Uploaded(tx, hash)
			return err
		})
		if used || err != nil {
			return used, err
		}
		return a.doors.pending(ctx, hash)
	})
	if n > 0 {
		a.o.Log.Info("attachments that nothing refers to removed", "count", n)
	}
	return err
}

// sweepWith runs one of the book's own sweeps in a transaction.
func (a *App) sweepWith(ctx context.Context, sweep func(store.Tx, time.Time, int) (int, error)) (n int, err error) {
	err = a.store.Update(ctx, func(tx store.Tx) error {
		n, err = sweep(tx, a.o.Now(), sweepBatch)
		return err
	})
	return n, err
}
