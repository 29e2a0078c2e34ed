package sqlite

import (
	"context"
	"errors"
	"fmt"

	"casewire/casecore/store/sqlite/sqlite3"
)

// conn is one connection with its prepared statements, which live as long as
// it does. It is for one goroutine at a time.
type conn struct {
	db    *sqlite3.Conn
	stmts map[stmtKey]*stmt
}

// stmtKey tells prepared statements apart without building their SQL.
type stmtKey struct {
	table *table
	verb  verb
	index int // position in the collection's Indexes
	set   keySet
	shape shape
}

type stmt struct {
	*sqlite3.Stmt
	busy bool // its rows are still being read
}

func newConn(uri string, pragmas ...string) (*conn, error) {
	db, err := sqlite3.Open(uri)
	if err != nil {
		return nil, err
	}
	c := &conn{db: db, stmts: make(map[stmtKey]*stmt)}
	for _, p := range pragmas {
		if err := c.script("PRAGMA " + p); err != nil {
			return nil, errors.Join(fmt.Errorf("pragma %s: %w", p, err), c.close())
		}
	}
	return c, nil
}

// close gives up the statements and the connection.
func (c *conn) close() error {
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.db.Close())...)
}

// script runs SQL that is not worth preparing.
func (c *conn) script(query string, args ...sqlite3.Arg) error {
	return c.each(func(*sqlite3.Stmt) error { return nil }, query, args...)
}

// scriptUntil is script that is interrupted when ctx is done.
func (c *conn) scriptUntil(ctx context.Context, query string, args ...sqlite3.Arg) error {
	return c.eachUntil(ctx, func(*sqlite3.Stmt) error { return nil }, query, args...)
}

// number reads the first column of the first row.
func (c *conn) number(query string) (n int, err error) {
	err = c.each(func(row *sqlite3.Stmt) error { n = int(row.Int(0)); return nil }, query)
	return n, err
}

// text reads the first column of the first row.
func (c *conn) text(query string) (s string, err error) {
	err = c.each(func(row *sqlite3.Stmt) error { s = row.Text(0); return nil }, query)
	return s, err
}

// eachUntil is each, interrupted when ctx is done; it then returns ctx's error. An
// interruption just before a statement begins has no effect on it, so it may take its
// time.
func (c *conn) eachUntil(ctx context.Context, fn func(row *sqlite3.Stmt) error, query string, args ...sqlite3.Arg) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, c.db.Interrupt)
	defer stop()
	err := c.each(func(row *sqlite3.Stmt) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(row)
	}, query, args...)
	if done := ctx.Err(); done != nil && (err == nil || isInterrupt(err)) {
		return done
	}
	return err
}

// each calls fn for every row of a query that is not worth preparing.
func (c *conn) each(fn func(row *sqlite3.Stmt) error, query string, args ...sqlite3.Arg) (err error) {
	st, err := c.db.Prepare(query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := st.Bind(args...); err != nil {
		return err
	}
	for {
		row, err := st.Step()
		if !row || err != nil {
			return err
		}
		if err := fn(st); err != nil {
			return err
		}
	}
}

func (c *conn) prepared(k stmtKey) (*stmt, error) {
	if st, ok := c.stmts[k]; ok {
		return st, nil
	}
	st, err := c.db.Prepare(k.sql())
	if err != nil {
		return nil, err
	}
	c.stmts[k] = &stmt{Stmt: st}
	return c.stmts[k], nil
}

// exec runs a statement and returns the number of rows it changed.
func (c *conn) exec(k stmtKey, args ...sqlite3.Arg) (int64, error) {
	st, err := c.prepared(k)
	if err != nil {
		return 0, err
	}
	return st.Exec(args...)
}

// query prepares to step through the rows of a statement. The caller calls
// release when it is done with them.
func (c *conn) query(k stmtKey, args ...sqlite3.Arg) (rows *sqlite3.Stmt, release func() error, err error) {
	st, err := c.prepared(k)
	if err != nil {
		return nil, nil, err
	}
	if st.busy { // a scan inside the same scan needs a statement of its own
		rows, err = c.db.Prepare(k.sql())
		if err != nil {
			return nil, nil, err
		}
		release = rows.Close
	} else {
		st.busy = true
		rows = st.Stmt
		release = func() error { st.busy = false; return rows.Reset() }
	}
	if err := rows.Bind(args...); err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return rows, release, nil
}

// row reads the first row of a statement that gives at most one: fn is called
// when there is one.
func (c *conn) row(k stmtKey, arg sqlite3.Arg, fn func(row *sqlite3.Stmt)) error {
	st, err := c.prepared(k)
	if err != nil {
		return err
	}
	err = st.Bind(arg)
	if err == nil {
		var found bool
		if found, err = st.Step(); found {
			fn(st.Stmt)
		}
	}
	if e := st.Reset(); err == nil {
		err = e
	}
	return err
}
