package sqlite

import (
	"context"
	"errors"
	"fmt"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite/sqlite3"
)

// tx is one run of one function on one connection.
type tx struct {
	ctx      context.Context // the caller's: when it is done, the run goes no further
	s        *Store
	c        *conn
	write    bool
	guarded  bool // neighbours' work must survive this run: savepoint before the first write
	saved    bool // the savepoint is set
	ended    bool
	broken   error // a statement failed so that the transaction may be gone
	changed  []change
	scanning map[*table]int // scans in progress; nil before the first
}

// change is a document that a transaction wrote or deleted.
type change struct {
	table *table
	id    string
}

var errEnded = errors.New("transaction used after its function returned")

func newTx(ctx context.Context, s *Store, c *conn) *tx {
	return &tx{ctx: ctx, s: s, c: c}
}

func (tx *tx) usable() error {
	switch {
	case tx.ended:
		return errEnded
	case tx.broken != nil:
		return tx.broken
	}
	return tx.ctx.Err()
}

func (tx *tx) table(coll *store.Coll) (*table, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	t, ok := tx.s.tables[coll.Name]
	if !ok {
		return nil, fmt.Errorf("collection %s was not opened", coll.Name)
	}
	return t, nil
}

func (tx *tx) writable(coll *store.Coll) (*table, error) {
	t, err := tx.table(coll)
	if err != nil {
		return nil, err
	}
	if !tx.write {
		return nil, store.ErrReadOnly
	}
	if tx.scanning[t] > 0 {
		return nil, fmt.Errorf("write to %s inside a scan of it", coll.Name)
	}
	if tx.guarded && !tx.saved {
		if _, err := tx.c.exec(stmtKey{verb: verbSavepoint}); err != nil {
			return nil, tx.failed(err)
		}
		tx.saved = true
	}
	return t, nil
}

// failed names an error of SQLite and notes it: after any but a constraint the
// transaction may have been rolled back, so it must not be committed.
func (tx *tx) failed(err error) error {
	err = explain(err)
	tx.broken = err
	return err
}

// explain gives the errors that callers can act on their names.
func explain(err error) error {
	switch {
	case isDamage(err):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case isFull(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// Expect implements store.Tx: to read ahead here costs as much as to read.
func (tx *tx) Expect(...store.Read) {}

// Get implements store.Tx.
func (tx *tx) Get(coll *store.Coll, id string) (store.Doc, error) {
	t, err := tx.table(coll)
	if err != nil {
		return store.Doc{}, err
	}
	var (
		d       store.Doc
		damaged error
		found   bool
	)
	err = tx.c.row(stmtKey{table: t, verb: verbGet}, sqlite3.Text(id), func(row *sqlite3.Stmt) {
		d, damaged = restOfDoc(t, id, row, 0)
		found = true
	})
	if err == nil {
		err = damaged
	}
	if err != nil {
		return store.Doc{}, tx.failed(err)
	}
	if !found {
		return store.Doc{}, store.ErrNotFound
	}
	return d, nil
}

// Put implements store.Tx.
func (tx *tx) Put(coll *store.Coll, d store.Doc) (uint64, error) {
	t, err := tx.writable(coll)
	if err != nil {
		return 0, err
	}
	if err := t.coll.CheckDoc(d); err != nil {
		return 0, err
	}
	if d.Version == 0 {
		err = tx.insert(t, d)
	} else {
		err = tx.update(t, d)
	}
	if err != nil {
		return 0, err
	}
	tx.changed = append(tx.changed, change{t, d.ID})
	return d.Version + 1, nil
}

func (tx *tx) insert(t *table, d store.Doc) error {
	if err := tx.multiFree(t, d); err != nil {
		return err
	}
	args := append(make([]sqlite3.Arg, 0, 3+len(t.single)), sqlite3.Text(d.ID), sqlite3.Int(checksum(d.ID, 1, d.Body)))
	args = append(t.keyArgs(args, d.Keys), sqlite3.TextBytes(d.Body))
	if _, err := tx.c.exec(stmtKey{table: t, verb: verbInsert}, args...); err != nil {
		return tx.refused(err)
	}
	for _, i := range t.multi {
		for key := range t.multiKeys(i, d.Keys) {
			if err := tx.addKey(t, i, key, d.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (tx *tx) update(t *table, d store.Doc) error {
	if err := tx.multiFree(t, d); err != nil {
		return err
	}
	n, err := tx.overwrite(t, d)
	if err != nil {
		return tx.refused(err)
	}
	if n == 0 {
		return store.ErrConflict
	}
	for _, i := range t.multi {
		if err := tx.setMulti(t, i, d); err != nil {
			return err
		}
	}
	return nil
}

// overwrite writes d over its former version and returns how many documents that
// were: 0 when it is not the stored one. SQLite writes every index anew whose column is
// set, so only those are set that change.
func (tx *tx) overwrite(t *table, d store.Doc) (int64, error) {
	keys := t.keyArgs(make([]sqlite3.Arg, 0, len(t.single)), d.Keys)
	var (
		version int64
		row     sqlite3.Arg
		moved   keySet
	)
	err := tx.c.row(stmtKey{table: t, verb: verbKeys}, sqlite3.Text(d.ID), func(r *sqlite3.Stmt) {
		version, row = r.Int(0), sqlite3.Int(r.Int(1))
		for i, key := range keys {
			if !r.Has(2+i, key) {
				moved |= 1 << i
			}
		}
	})
	if err != nil || version == 0 || version != int64(d.Version) {
		return 0, err
	}
	args := append(make([]sqlite3.Arg, 0, 4+len(keys)), sqlite3.Int(version+1), sqlite3.Int(checksum(d.ID, version+1, d.Body)))
	for i, key := range keys {
		if moved.has(i) {
			args = append(args, key)
		}
	}
	return tx.c.exec(stmtKey{table: t, verb: verbUpdate, set: moved}, append(args, sqlite3.TextBytes(d.Body), row)...)
}

// Delete implements store.Tx.
func (tx *tx) Delete(coll *store.Coll, id string, version uint64) error {
	t, err := tx.writable(coll)
	if err != nil {
		return err
	}
	n, err := tx.c.exec(stmtKey{table: t, verb: verbDelete}, sqlite3.Text(id), sqlite3.Int(int64(version)))
	if err != nil {
		return tx.failed(err)
	}
	if n == 0 {
		return store.ErrConflict
	}
	for _, i := range t.multi {
		if _, err := tx.c.exec(stmtKey{table: t, verb: verbMultiClear, index: i}, sqlite3.Text(id)); err != nil {
			return tx.failed(err)
		}
	}
	tx.changed = append(tx.changed, change{t, id})
	return nil
}

// refused translates the failure of a writing statement. A constraint undoes
// that one statement and leaves the transaction whole.
func (tx *tx) refused(err error) error {
	switch {
	case isTakenID(err):
		return store.ErrExists
	case isTakenKey(err):
		return fmt.Errorf("a unique key is held by another document: %w", store.ErrExists)
	}
	return tx.failed(err)
}
