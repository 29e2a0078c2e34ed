package sqlite

import (
	"context"
	"errors"
	"fmt"

	"casewire/casecore/store"
)

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) (err error) {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	var c *conn
	select {
	case c = <-s.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.readers <- c }()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := c.exec(stmtKey{verb: verbBegin}); err != nil {
		return fmt.Errorf("begin a view: %w", explain(err))
	}
	tx := newTx(ctx, s, c)
	defer func() {
		tx.ended = true
		if _, e := c.exec(stmtKey{verb: verbRollback}); e != nil && !isNoTransaction(e) {
			err = errors.Join(err, fmt.Errorf("end a view: %w", explain(e)))
		}
	}()
	return fn(tx)
}
