package sqlite3

import (
	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Arg is an argument of a statement.
type Arg struct {
	text string
	n    int64
	kind argKind
}

type argKind uint8

const (
	isNull argKind = iota
	isText
	isInt
)

// Text is a text argument; it may have any bytes.
func Text(s string) Arg { return Arg{text: s, kind: isText} }

// TextBytes is Text of bytes that must not change before they are bound.
func TextBytes(b []byte) Arg { return Arg{text: same(b), kind: isText} }

// Int is an integer argument.
func Int(n int64) Arg { return Arg{n: n, kind: isInt} }

// Null is the argument that is no value.
func Null() Arg { return Arg{} }

// Stmt is a prepared statement. Bind gives it its arguments, Step runs it to its
// next row, Reset makes it ready for the next time.
type Stmt struct {
	c      *Conn
	handle uintptr
	texts  uintptr // memory that holds the texts of the arguments
	room   int     // its size
	failed bool    // Step has reported an error, which Reset would repeat
}

// keptRoom is how much memory a statement keeps for the texts of its next
// arguments; most documents fit.
const keptRoom = 16 << 10

// Close gives up the statement.
func (s *Stmt) Close() error {
	rc := lib.Xsqlite3_finalize(s.c.tls, s.handle) //nolint:misspell // so it is called
	s.drop()
	if rc != lib.SQLITE_OK && !s.failed {
		return s.c.failure(rc)
	}
	return nil
}

func (s *Stmt) drop() {
	if s.texts != 0 {
		libc.Xfree(s.c.tls, s.texts)
	}
	s.texts, s.room = 0, 0
}

// Bind sets the arguments from the first on; the rest are null. The statement must
// be new or reset.
func (s *Stmt) Bind(args ...Arg) error {
	size := 1 // so that an empty text has an address, too
	for i := range args {
		size += len(args[i].text)
	}
	if size > s.room {
		s.drop()
		size = max(size, 256)
		p, err := s.c.alloc(size)
		if err != nil {
			return err
		}
		s.texts, s.room = p, size
	}
	at := s.texts
	for i := range args {
		rc, place := int32(lib.SQLITE_OK), int32(i+1)
		switch a := &args[i]; a.kind {
		case isText:
			n := copy(view(at, len(a.text)), a.text)
			rc = lib.Xsqlite3_bind_text(s.c.tls, s.handle, place, at, int32(n), lib.SQLITE_STATIC)
			at += uintptr(n)
		case isInt:
			rc = lib.Xsqlite3_bind_int64(s.c.tls, s.handle, place, a.n)
		case isNull:
			rc = lib.Xsqlite3_bind_null(s.c.tls, s.handle, place)
		}
		if rc != lib.SQLITE_OK {
			return s.c.failure(rc)
		}
	}
	return nil
}

// Step runs the statement to its next row, or to its end, and says which.
func (s *Stmt) Step() (row bool, err error) {
	switch rc := lib.Xsqlite3_step(s.c.tls, s.handle); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		return false, nil
	default:
		s.failed = true
		return false, s.c.failure(rc)
	}
}

// Reset ends the run and forgets the arguments. An error is one that no Step has
// reported.
func (s *Stmt) Reset() error {
	rc := lib.Xsqlite3_reset(s.c.tls, s.handle)
	reported := s.failed
	s.failed = false
	var err error
	if rc != lib.SQLITE_OK && !reported {
		err = s.c.failure(rc)
	}
	lib.Xsqlite3_clear_bindings(s.c.tls, s.handle)
	if s.room > keptRoom {
		s.drop()
	}
	return err
}

// Exec runs the statement to its end, resets it and returns how many rows it has
// written, which means something for INSERT, UPDATE and DELETE only.
func (s *Stmt) Exec(args ...Arg) (changes int64, err error) {
	err = s.Bind(args...)
	for row := true; row && err == nil; {
		row, err = s.Step()
	}
	if err == nil {
		changes = lib.Xsqlite3_changes64(s.c.tls, s.c.db)
	}
	if e := s.Reset(); err == nil {
		err = e
	}
	return changes, err
}

// IsNull says whether column i of the row has no value.
func (s *Stmt) IsNull(i int) bool {
	return lib.Xsqlite3_column_type(s.c.tls, s.handle, int32(i)) == lib.SQLITE_NULL
}

// Int is column i of the row, 0 for what is no number.
func (s *Stmt) Int(i int) int64 { return lib.Xsqlite3_column_int64(s.c.tls, s.handle, int32(i)) }

// Text is column i of the row.
func (s *Stmt) Text(i int) string { return string(s.column(i)) }

// Has says whether column i of the row is what a text or no value would set it to.
func (s *Stmt) Has(i int, a Arg) bool {
	if a.kind == isNull {
		return s.IsNull(i)
	}
	return string(s.column(i)) == a.text && !s.IsNull(i)
}

// Bytes is Text as bytes, which are the caller's.
func (s *Stmt) Bytes(i int) []byte { return append([]byte(nil), s.column(i)...) }

// column is what the library holds of column i, valid until the next call.
func (s *Stmt) column(i int) []byte {
	p := lib.Xsqlite3_column_text(s.c.tls, s.handle, int32(i))
	if p == 0 {
		return nil
	}
	return view(p, int(lib.Xsqlite3_column_bytes(s.c.tls, s.handle, int32(i))))
}
