package sqlite

import (
	"context"
	"errors"
	"fmt"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite/sqlite3"
)

// fillBatch is how many documents get their new keys in one transaction.
const fillBatch = 500

// fill makes the keys of the missing indexes from the stored bodies. It may be
// cut off at any point and starts again at the next open.
func (t *table) fill(ctx context.Context, c *conn, missing []int, columns map[string]bool) error {
	var ddl []string
	for _, i := range missing {
		switch {
		case t.coll.Indexes[i].Multi:
			ddl = append(ddl, "DROP TABLE IF EXISTS "+t.objectName(i), t.sideSQL(i))
		case !columns[t.column(i)]:
			ddl = append(ddl, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s TEXT", t.name(), t.column(i)))
		}
	}
	if err := atomically(c, ddl...); err != nil {
		return err
	}
	for after, more := "", true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if after, more, err = t.fillSome(c, missing, after); err != nil {
			return fmt.Errorf("fill indexes of %s: %w", t.coll.Name, err)
		}
	}
	for _, i := range missing {
		err := c.script(t.lastSQL(i))
		if isTakenKey(err) {
			return fmt.Errorf("index %s of %s cannot be unique, two documents have the same key: %w",
				t.coll.Indexes[i].Name, t.coll.Name, store.ErrExists)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fillSome does one batch and returns the id that it ended with.
func (t *table) fillSome(c *conn, missing []int, after string) (last string, more bool, err error) {
	if err := c.script("BEGIN IMMEDIATE"); err != nil {
		return "", false, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.script("ROLLBACK"))
			return
		}
		err = c.script("COMMIT")
	}()
	docs, err := t.batch(c, after)
	if err != nil {
		return "", false, err
	}
	for _, d := range docs {
		last = d.ID
		if d.Keys, err = t.coll.Rekey(d.ID, d.Body); err != nil {
			return "", false, err
		}
		if err := t.coll.CheckKeys(d.Keys); err != nil {
			return "", false, fmt.Errorf("%s: %w", d.ID, err)
		}
		if err := t.rekey(c, missing, d); err != nil {
			return "", false, fmt.Errorf("%s: %w", d.ID, err)
		}
	}
	return last, len(docs) == fillBatch, nil
}

func (t *table) batch(c *conn, after string) ([]store.Doc, error) {
	docs := make([]store.Doc, 0, fillBatch)
	err := c.each(func(row *sqlite3.Stmt) error {
		d, err := readDoc(t, row)
		docs = append(docs, d)
		return err
	}, t.scanSQL(byID, shape{lower: pastKey})+" LIMIT ?", sqlite3.Text(after), sqlite3.Int(fillBatch))
	return docs, err
}

// rekey writes the keys of one document: all columns, which costs no more than
// some, and the side tables that are new.
func (t *table) rekey(c *conn, missing []int, d store.Doc) error {
	if len(t.single) > 0 {
		if _, err := c.exec(stmtKey{table: t, verb: verbRekey}, append(t.keyArgs(nil, d.Keys), sqlite3.Text(d.ID))...); err != nil {
			return err
		}
	}
	for _, i := range missing {
		if !t.coll.Indexes[i].Multi {
			continue
		}
		for key := range t.multiKeys(i, d.Keys) {
			_, err := c.exec(stmtKey{table: t, verb: verbMultiAdd, index: i}, sqlite3.Text(key), sqlite3.Text(d.ID))
			if isConstraint(err) {
				return fmt.Errorf("index %s cannot be unique, another document has the same key: %w", t.coll.Indexes[i].Name, store.ErrExists)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
