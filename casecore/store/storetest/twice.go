package storetest

import (
	"context"
	"errors"

	"casewire/casecore/store"
)

// Twice returns a store that runs every Update function twice: first in a
// transaction that is rolled back, then in earnest. Engines may do that too,
// but rarely; with this a test finds the functions that cannot bear it.
func Twice(s store.Store) store.Store { return &twice{s} }

type twice struct{ store.Store }

var errAgain = errors.New("run again")

func (s *twice) Update(ctx context.Context, fn func(store.Tx) error) error {
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errAgain
	})
	if !errors.Is(err, errAgain) {
		return err
	}
	return s.Store.Update(ctx, fn)
}
