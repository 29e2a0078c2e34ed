package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"casewire/casecore/store/sqlite/sqlite3"
)

// An index is complete exactly when its last SQL object exists: for an index
// with one key the SQL index on its column, for a Multi index the SQL index on
// the ids of its side table. That object is made after the index is filled, so
// a fill that was cut off is started again at the next open.

// prepare brings the file up to what the collection declares: the table, its
// indexes, filled, and none that are not declared any more.
func (t *table) prepare(ctx context.Context, s *Store, c *conn) error {
	have, err := t.stored(c)
	if err != nil {
		return err
	}
	if _, ok := have[t.coll.Name]; !ok {
		return t.create(c)
	}
	columns, err := t.columns(c)
	if err != nil {
		return err
	}
	if err := t.dropStale(c, have, columns); err != nil {
		return err
	}
	if have, err = t.stored(c); err != nil {
		return err
	}
	var missing []int
	for i := range t.coll.Indexes {
		if have[t.lastObject(i)] != t.lastSQL(i) {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	s.log.Info("filling new indexes", "collection", t.coll.Name, "indexes", len(missing))
	return t.fill(ctx, c, missing, columns)
}

// stored returns the SQL objects of the collection with their SQL.
func (t *table) stored(c *conn) (map[string]string, error) {
	const q = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND (name = ?1 OR substr(name, 1, length(?1) + 1) = ?1 || '$')"
	have := make(map[string]string)
	err := c.each(func(row *sqlite3.Stmt) error {
		have[row.Text(0)] = row.Text(1)
		return nil
	}, q, sqlite3.Text(t.coll.Name))
	return have, err
}

func (t *table) columns(c *conn) (map[string]bool, error) {
	columns := make(map[string]bool)
	err := c.each(func(row *sqlite3.Stmt) error {
		columns[row.Text(0)] = true
		return nil
	}, "SELECT name FROM pragma_table_info(?)", sqlite3.Text(t.coll.Name))
	return columns, err
}

func (t *table) create(c *conn) error {
	var ddl []string
	var keys strings.Builder
	for _, i := range t.single {
		keys.WriteString(t.column(i) + " TEXT, ")
	}
	ddl = append(ddl, fmt.Sprintf(
		"CREATE TABLE %s (id TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, sum INTEGER, %sbody TEXT NOT NULL) STRICT", t.name(), keys.String()))
	for i := range t.coll.Indexes {
		if t.coll.Indexes[i].Multi {
			ddl = append(ddl, t.sideSQL(i))
		}
		ddl = append(ddl, t.lastSQL(i))
	}
	return atomically(c, ddl...)
}

// sideSQL makes the side table of a Multi index.
func (t *table) sideSQL(i int) string {
	primary := "key, id"
	if t.coll.Indexes[i].Unique {
		primary = "key"
	}
	return fmt.Sprintf("CREATE TABLE %s (key TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (%s)) STRICT, WITHOUT ROWID", t.objectName(i), primary)
}

// lastObject names what marks index i as complete.
func (t *table) lastObject(i int) string {
	if t.coll.Indexes[i].Multi {
		return t.object(i) + "$id"
	}
	return t.object(i)
}

func (t *table) lastSQL(i int) string {
	ix := t.coll.Indexes[i]
	name := quote(t.lastObject(i))
	if ix.Multi {
		return fmt.Sprintf("CREATE INDEX %s ON %s (id)", name, t.objectName(i))
	}
	if ix.Unique {
		return fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (%s) WHERE %s IS NOT NULL", name, t.name(), t.column(i), t.column(i))
	}
	return fmt.Sprintf("CREATE INDEX %s ON %s (%s, id) WHERE %s IS NOT NULL", name, t.name(), t.column(i), t.column(i))
}

// dropStale removes the SQL objects and the columns of indexes that are not
// declared, or not declared so.
func (t *table) dropStale(c *conn, have map[string]string, columns map[string]bool) error {
	want := map[string]string{t.coll.Name: have[t.coll.Name]}
	wantColumn := make(map[string]bool)
	for i, ix := range t.coll.Indexes {
		want[t.lastObject(i)] = t.lastSQL(i)
		if ix.Multi {
			want[t.object(i)] = t.sideSQL(i)
		} else {
			wantColumn[t.column(i)] = true
		}
	}
	var ddl []string
	for name, text := range have {
		if want[name] == text {
			continue
		}
		if strings.HasPrefix(text, "CREATE TABLE") {
			ddl = append(ddl, "DROP TABLE "+quote(name))
		} else {
			ddl = append(ddl, "DROP INDEX "+quote(name))
		}
	}
	// Indexes first: a table takes its own with it, and a column must have none.
	slices.Sort(ddl)
	for name := range columns {
		if strings.HasPrefix(name, "key_") && !wantColumn[name] {
			ddl = append(ddl, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", t.name(), name))
		}
	}
	return atomically(c, ddl...)
}

// atomically runs statements that change the schema in one transaction.
func atomically(c *conn, ddl ...string) error {
	if len(ddl) == 0 {
		return nil
	}
	if err := c.script("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, q := range append(ddl, "COMMIT") {
		if err := c.script(q); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", q, err), c.script("ROLLBACK"))
		}
	}
	return nil
}
