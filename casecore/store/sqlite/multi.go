package sqlite

import (
	"errors"
	"fmt"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite/sqlite3"
)

// multiFree looks for the keys of d in the unique Multi indexes before anything
// is written, so that a refused Put has done nothing. A stale d is not refused
// here: that it is stale matters more, and the update finds out.
func (tx *tx) multiFree(t *table, d store.Doc) error {
	for _, i := range t.multi {
		ix := t.coll.Indexes[i]
		if !ix.Unique {
			continue
		}
		for key := range t.multiKeys(i, d.Keys) {
			holder, err := tx.holder(t, i, key)
			if err != nil {
				return err
			}
			if holder == "" || holder == d.ID {
				continue
			}
			if d.Version != 0 && !tx.current(t, d) {
				return store.ErrConflict
			}
			return fmt.Errorf("a key of index %s is held by another document: %w", ix.Name, store.ErrExists)
		}
	}
	return nil
}

func (tx *tx) holder(t *table, i int, key string) (id string, err error) {
	k := stmtKey{table: t, verb: verbMultiHolder, index: i}
	err = tx.c.row(k, sqlite3.Text(key), func(row *sqlite3.Stmt) { id = row.Text(0) })
	if err != nil {
		return "", tx.failed(err)
	}
	return id, nil
}

func (tx *tx) current(t *table, d store.Doc) bool {
	stored, err := tx.Get(t.coll, d.ID)
	return err == nil && stored.Version == d.Version
}

// setMulti makes the keys of d in a Multi index those that d has now.
func (tx *tx) setMulti(t *table, i int, d store.Doc) error {
	want := t.multiKeys(i, d.Keys)
	have, err := tx.storedKeys(t, i, d.ID)
	if err != nil {
		return err
	}
	for _, key := range have {
		if want[key] {
			delete(want, key)
			continue
		}
		if _, err := tx.c.exec(stmtKey{table: t, verb: verbMultiDrop, index: i}, sqlite3.Text(key), sqlite3.Text(d.ID)); err != nil {
			return tx.failed(err)
		}
	}
	for key := range want {
		if err := tx.addKey(t, i, key, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// addKey writes one key. After multiFree nothing can be in its way, so whatever
// is ends the transaction.
func (tx *tx) addKey(t *table, i int, key, id string) error {
	if _, err := tx.c.exec(stmtKey{table: t, verb: verbMultiAdd, index: i}, sqlite3.Text(key), sqlite3.Text(id)); err != nil {
		return tx.failed(err)
	}
	return nil
}

func (tx *tx) storedKeys(t *table, i int, id string) ([]string, error) {
	rows, release, err := tx.c.query(stmtKey{table: t, verb: verbMultiKeys, index: i}, sqlite3.Text(id))
	if err != nil {
		return nil, tx.failed(err)
	}
	var keys []string
	row, err := rows.Step()
	for ; row && err == nil; row, err = rows.Step() {
		keys = append(keys, rows.Text(0))
	}
	if err := errors.Join(err, release()); err != nil {
		return nil, tx.failed(err)
	}
	return keys, nil
}
