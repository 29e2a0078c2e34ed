package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// conn is one connection with its prepared statements, which live as long as
// it does. It is for one goroutine at a time.
type conn struct {
	ctx   context.Context // never done: a statement is not cut in the middle
	sql   *sql.Conn
	stmts map[stmtKey]*stmt
}

// stmtKey tells prepared statements apart without building their SQL.
type stmtKey struct {
	table *table
	verb  verb
	index int // position in the collection's Indexes
	shape shape
}

type stmt struct {
	*sql.Stmt
	busy bool // its rows are still being read
}

func newConn(ctx context.Context, db *sql.DB, pragmas ...string) (*conn, error) {
	sc, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{ctx: ctx, sql: sc, stmts: make(map[stmtKey]*stmt)}
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
	return errors.Join(append(errs, c.sql.Close())...)
}

// script runs SQL that is not worth preparing.
func (c *conn) script(query string, args ...any) error {
	_, err := c.sql.ExecContext(c.ctx, query, args...)
	return err
}

// value reads the first column of the first row.
func (c *conn) value(dest any, query string, args ...any) error {
	return c.sql.QueryRowContext(c.ctx, query, args...).Scan(dest)
}

// each calls fn for every row of a query that is not worth preparing.
func (c *conn) each(fn func(*sql.Rows) error, query string, args ...any) error {
	return c.eachUntil(c.ctx, fn, query, args...)
}

// eachUntil is each, interrupted when ctx is done.
func (c *conn) eachUntil(ctx context.Context, fn func(*sql.Rows) error, query string, args ...any) error {
	rows, err := c.sql.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := fn(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

func (c *conn) prepared(k stmtKey) (*stmt, error) {
	if st, ok := c.stmts[k]; ok {
		return st, nil
	}
	st, err := c.sql.PrepareContext(c.ctx, k.sql())
	if err != nil {
		return nil, err
	}
	c.stmts[k] = &stmt{Stmt: st}
	return c.stmts[k], nil
}

// exec runs a statement and returns the number of rows it changed.
func (c *conn) exec(k stmtKey, args ...any) (int64, error) {
	st, err := c.prepared(k)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(c.ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query starts a statement. The caller calls release when it is done with the
// rows.
func (c *conn) query(k stmtKey, args ...any) (rows *sql.Rows, release func() error, err error) {
	st, err := c.prepared(k)
	if err != nil {
		return nil, nil, err
	}
	if st.busy { // a scan inside the same scan needs a statement of its own
		rows, err = c.sql.QueryContext(c.ctx, k.sql(), args...)
		if err != nil {
			return nil, nil, err
		}
		return rows, rows.Close, nil
	}
	rows, err = st.QueryContext(c.ctx, args...)
	if err != nil {
		return nil, nil, err
	}
	st.busy = true
	return rows, func() error { st.busy = false; return rows.Close() }, nil
}

// scriptUntil is script that is interrupted when ctx is done.
func (c *conn) scriptUntil(ctx context.Context, query string, args ...any) error {
	_, err := c.sql.ExecContext(ctx, query, args...)
	return err
}
