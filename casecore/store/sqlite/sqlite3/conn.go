// Package sqlite3 is a thin hand on SQLite's C interface, which modernc.org/sqlite
// carries to Go: connections, prepared statements and result codes. Going through
// database/sql costs a store that prepares its statements once and runs them by the
// dozen more than some of the statements do. The package knows no schema, and
// deliberately neither pools, locks nor retries.
package sqlite3

import (
	"errors"
	"fmt"
	"sync"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	_ "modernc.org/sqlite" // prepares the library for the platforms that need it
	lib "modernc.org/sqlite/lib"
)

// Conn is one connection. It is for one goroutine at a time, except Interrupt.
type Conn struct {
	tls  *libc.TLS
	db   uintptr
	ends sync.Mutex // guards open: Interrupt must not reach a connection that is gone
	open bool
}

// Open opens the file that the URI names, as SQLite reads it, and makes it unless
// the URI says otherwise.
func Open(uri string) (*Conn, error) {
	const flags = lib.SQLITE_OPEN_READWRITE | lib.SQLITE_OPEN_CREATE | lib.SQLITE_OPEN_URI |
		lib.SQLITE_OPEN_NOMUTEX | lib.SQLITE_OPEN_EXRESCODE
	c := &Conn{tls: libc.NewTLS(), open: true}
	name, err := libc.CString(uri)
	if err != nil {
		c.tls.Close()
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	out, err := c.alloc(int(pointerSize))
	if err != nil {
		c.tls.Close()
		return nil, err
	}
	defer libc.Xfree(c.tls, out)
	rc := lib.Xsqlite3_open_v2(c.tls, name, out, flags, 0)
	c.db = pointer(out)
	if rc != lib.SQLITE_OK {
		return nil, errors.Join(c.failure(rc), c.Close()) // there is a handle even so
	}
	return c, nil
}

// Close gives up the connection, whose statements must be closed already.
func (c *Conn) Close() error {
	c.ends.Lock()
	defer c.ends.Unlock()
	if !c.open {
		return nil
	}
	c.open = false
	defer c.tls.Close()
	if rc := lib.Xsqlite3_close_v2(c.tls, c.db); rc != lib.SQLITE_OK {
		return &Error{Code: int(rc), text: libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))}
	}
	return nil
}

// Interrupt makes the statement that is running fail with SQLITE_INTERRUPT, or does
// nothing when none is. It may be called from any goroutine and after Close.
func (c *Conn) Interrupt() {
	c.ends.Lock()
	defer c.ends.Unlock()
	if !c.open {
		return
	}
	tls := libc.NewTLS() // the connection's own is in use
	defer tls.Close()
	lib.Xsqlite3_interrupt(tls, c.db)
}

// Prepare compiles one statement, which lives until it is closed.
func (c *Conn) Prepare(query string) (*Stmt, error) {
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	out, err := c.alloc(2 * int(pointerSize))
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, out)
	rc := lib.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, lib.SQLITE_PREPARE_PERSISTENT, out, out+pointerSize)
	if rc != lib.SQLITE_OK {
		return nil, c.failure(rc)
	}
	s := &Stmt{c: c, handle: pointer(out)}
	if rest := libc.GoString(pointer(out + pointerSize)); s.handle == 0 || rest != "" {
		return nil, errors.Join(fmt.Errorf("not one statement: %q", query), s.Close())
	}
	return s, nil
}

func (c *Conn) alloc(size int) (uintptr, error) {
	p := libc.Xmalloc(c.tls, types.Size_t(size))
	if p == 0 {
		return 0, fmt.Errorf("no memory for %d bytes", size)
	}
	return p, nil
}

// Error is a result code of SQLite with its text.
type Error struct {
	Code int // extended
	text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.Code) }

// failure is the error of a call that has just returned rc.
func (c *Conn) failure(rc int32) error {
	text := libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))
	// The connection has details of its latest error, which may be another one.
	if c.db != 0 && lib.Xsqlite3_extended_errcode(c.tls, c.db)&0xff == rc&0xff {
		if details := libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db)); details != text {
			text += ": " + details
		}
	}
	return &Error{Code: int(rc), text: text}
}
