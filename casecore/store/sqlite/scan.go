package sqlite

import (
	"fmt"
	"iter"
	"strings"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite/sqlite3"
)

// byID is the stmtKey.index of a scan in the order of ids.
const byID = -1

// bound is one end of a scan.
type bound int8

const (
	unbounded bound = iota
	atKey           // lower end: key included; upper end: key not included
	pastKey         // beyond a Mark: key and id
)

// shape is all of a Range that changes the SQL.
type shape struct {
	lower, upper bound
	reverse      bool
}

// plan turns a Range into a shape and its arguments. It resolves which of the
// bounds is the tighter one, so that SQL has one at each end and seeks to it.
func plan(r store.Range, ix store.Index) (shape, []sqlite3.Arg) {
	if ix.Multi {
		return planMulti(r)
	}
	lo, hi := max(r.From, r.Prefix), r.To
	if end := afterPrefix(r.Prefix); end != "" && (hi == "" || end < hi) {
		hi = end
	}
	s := shape{reverse: r.Reverse}
	var lower, upper []sqlite3.Arg
	if lo != "" {
		s.lower, lower = atKey, []sqlite3.Arg{sqlite3.Text(lo)}
	}
	if hi != "" {
		s.upper, upper = atKey, []sqlite3.Arg{sqlite3.Text(hi)}
	}
	if r.After != (store.Mark{}) {
		place, mark := r.After.Key, []sqlite3.Arg{sqlite3.Text(r.After.Key), sqlite3.Text(r.After.ID)}
		if r.Index == "" {
			place, mark = r.After.ID, mark[1:]
		}
		switch {
		case !r.Reverse && place >= lo:
			s.lower, lower = pastKey, mark
		case r.Reverse && (hi == "" || place < hi):
			s.upper, upper = pastKey, mark
		}
	}
	return s, append(lower, upper...)
}

func planMulti(r store.Range) (shape, []sqlite3.Arg) {
	s, args := shape{reverse: r.Reverse}, []sqlite3.Arg{sqlite3.Text(r.Prefix)}
	if r.After != (store.Mark{}) {
		args = append(args, sqlite3.Text(r.After.ID))
		if r.Reverse {
			s.upper = pastKey
		} else {
			s.lower = pastKey
		}
	}
	return s, args
}

// afterPrefix is the smallest string above all that begin with p, or "".
func afterPrefix(p string) string {
	p = strings.TrimRight(p, "\xff")
	if p == "" {
		return ""
	}
	return p[:len(p)-1] + string([]byte{p[len(p)-1] + 1})
}

// scanSQL names the index to use: if a change of the schema ever made it
// unusable, preparing would fail instead of reading the whole table.
func (t *table) scanSQL(index int, s shape) string {
	if index == byID {
		return fmt.Sprintf(`SELECT id, version, sum, body FROM %s INDEXED BY "sqlite_autoindex_%s_1" WHERE true`, t.name(), t.coll.Name) +
			s.bounds("id", "id", "?") + s.order("id")
	}
	ix := t.coll.Indexes[index]
	if ix.Multi {
		// LEFT JOIN: a key without its document is damage and must show.
		return fmt.Sprintf(`SELECT k.id, d.version, d.sum, d.body FROM %s AS k LEFT JOIN %s AS d ON d.id = k.id WHERE k.key = ?`, t.objectName(index), t.name()) +
			s.bounds("k.id", "k.id", "?") + s.order("k.id")
	}
	col := t.column(index)
	q := fmt.Sprintf("SELECT id, version, sum, body FROM %s INDEXED BY %s WHERE %s IS NOT NULL", t.name(), t.objectName(index), col) +
		s.bounds(col, "("+col+", id)", "(?, ?)")
	if ix.Unique { // its SQL index has no id, and needs none to be in order
		return q + s.order(col)
	}
	return q + s.order(col, "id")
}

// bounds are the conditions on the key and, beyond a Mark, on the place.
func (s shape) bounds(key, place, mark string) string {
	var q string
	switch s.lower {
	case atKey:
		q = " AND " + key + " >= ?"
	case pastKey:
		q = " AND " + place + " > " + mark
	}
	switch s.upper {
	case atKey:
		q += " AND " + key + " < ?"
	case pastKey:
		q += " AND " + place + " < " + mark
	}
	return q
}

// order has no LIMIT: the scan stops reading by itself, and SQLite would prepare
// the statement anew for every limit that is bound to it.
func (s shape) order(columns ...string) string {
	direction := ""
	if s.reverse {
		direction = " DESC"
	}
	return " ORDER BY " + strings.Join(columns, direction+", ") + direction
}

// Scan implements store.Tx.
func (tx *tx) Scan(coll *store.Coll, r store.Range) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		if err := tx.scan(coll, r, yield); err != nil {
			yield(store.Doc{}, err)
		}
	}
}

// scan returns an error only while yield still wants more.
func (tx *tx) scan(coll *store.Coll, r store.Range, yield func(store.Doc, error) bool) (err error) {
	t, err := tx.table(coll)
	if err != nil {
		return err
	}
	if err := t.coll.CheckRange(r); err != nil {
		return err
	}
	k := stmtKey{table: t, verb: verbScan, index: byID}
	var ix store.Index
	if r.Index != "" {
		k.index = t.position(r.Index)
		ix = t.coll.Indexes[k.index]
	}
	form, args := plan(r, ix)
	k.shape = form
	rows, release, err := tx.c.query(k, args...)
	if err != nil {
		return tx.failed(err)
	}
	if tx.scanning == nil {
		tx.scanning = make(map[*table]int)
	}
	tx.scanning[t]++
	wanted := true
	defer func() {
		tx.scanning[t]--
		if e := release(); e != nil && wanted && err == nil {
			err = tx.failed(e)
		}
	}()
	for n := 0; ; {
		row, err := rows.Step()
		if err != nil {
			return tx.failed(err)
		}
		if !row {
			return nil
		}
		d, err := readDoc(t, rows)
		if err != nil {
			return tx.failed(err)
		}
		if wanted = yield(d, nil); !wanted {
			return nil
		}
		if n++; n == r.Limit {
			return nil
		}
		if err := tx.usable(); err != nil {
			return err
		}
	}
}

// readDoc reads the document of a row with an id.
func readDoc(t *table, row *sqlite3.Stmt) (store.Doc, error) {
	id := row.Text(0)
	if row.IsNull(1) {
		return store.Doc{}, fmt.Errorf("%s %s has keys but no document: %w", t.coll.Name, id, ErrDamaged)
	}
	return restOfDoc(t, id, row, 1)
}

// restOfDoc reads version, sum and body, of which the first is in this column. It
// returns the document unless it is not what was stored.
func restOfDoc(t *table, id string, row *sqlite3.Stmt, first int) (store.Doc, error) {
	version, body := row.Int(first), row.Bytes(first+2)
	if !row.IsNull(first+1) && row.Int(first+1) != checksum(id, version, body) {
		return store.Doc{}, fmt.Errorf("%s %s is not what was stored: %w", t.coll.Name, id, ErrDamaged)
	}
	return store.Doc{ID: id, Version: uint64(version), Body: body}, nil
}

func (t *table) position(index string) int {
	for i, ix := range t.coll.Indexes {
		if ix.Name == index {
			return i
		}
	}
	return byID
}
