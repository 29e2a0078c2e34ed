package sqlite3

import (
	"errors"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// SQLite writes every page of a commit to its write-ahead log with two calls of the
// system, one for 24 bytes that say which page it is. A commit of many transactions
// has hundreds of pages, one behind the other.

// BufferLog makes the connection gather what it writes to its write-ahead log and
// hand it on in large pieces: before a sync of the log above all, and before it is
// read, measured, cut or closed. That is only right for a connection that syncs every
// commit (synchronous = FULL), because SQLite lets others read a commit after that. An
// error of the system comes from the sync then and not from the write, which is all
// the same to SQLite. It is an error when no log is open yet, and nothing when the log
// is buffered already.
func (c *Conn) BufferLog() error {
	out, err := c.alloc(int(pointerSize))
	if err != nil {
		return err
	}
	defer libc.Xfree(c.tls, out)
	if rc := lib.Xsqlite3_file_control(c.tls, c.db, 0, lib.SQLITE_FCNTL_JOURNAL_POINTER, out); rc != lib.SQLITE_OK {
		return c.failure(rc)
	}
	file := pointer(out)
	if file == 0 || pointer(file) == 0 {
		return errors.New("no log is open")
	}
	if methodsAt(pointer(file)).FxWrite == address(writeLog) {
		return nil
	}
	p, err := c.alloc(int(unsafe.Sizeof(bufferedLog{})))
	if err != nil {
		return err
	}
	l := logAt(p)
	l.original = pointer(file)
	l.methods = *methodsAt(l.original)
	l.methods.FxWrite = address(writeLog)
	l.methods.FxSync = address(syncLog)
	l.methods.FxRead = address(readLog)
	l.methods.FxTruncate = address(truncateLog)
	l.methods.FxFileSize = address(measureLog)
	l.methods.FxClose = address(closeLog)
	l.held = 0
	setPointer(file, p)
	return nil
}

// logRoom is how much is gathered: some thirty pages. SQLite's own writing takes no
// more than 17 bits of a length.
const logRoom = 127 << 10

// bufferedLog stands in the place of a file's methods, in memory of the library. The
// file belongs to one connection and has no other memory.
type bufferedLog struct {
	methods  lib.Tsqlite3_io_methods // first: SQLite looks for it here
	original uintptr                 // the methods that do the work
	at       int64                   // where in the file the buffer belongs
	held     int                     // bytes in the buffer
	buffer   [logRoom]byte
}

// logOf returns the log that stands behind a file, and its methods.
func logOf(file uintptr) (*bufferedLog, *lib.Tsqlite3_io_methods) {
	l := logAt(pointer(file))
	return l, methodsAt(l.original)
}

// flush writes what is held. What could not be written is forgotten: SQLite takes
// back the transaction that it was part of.
func (l *bufferedLog) flush(tls *libc.TLS, file uintptr) int32 {
	if l.held == 0 {
		return lib.SQLITE_OK
	}
	n := int32(l.held)
	l.held = 0
	return write(methodsAt(l.original).FxWrite)(tls, file, uintptr(unsafe.Pointer(&l.buffer)), n, l.at)
}

func writeLog(tls *libc.TLS, file, data uintptr, n int32, at int64) int32 {
	l, original := logOf(file)
	if l.held > 0 && (at != l.at+int64(l.held) || l.held+int(n) > logRoom) {
		if rc := l.flush(tls, file); rc != lib.SQLITE_OK {
			return rc
		}
	}
	if int(n) > logRoom {
		return write(original.FxWrite)(tls, file, data, n, at)
	}
	if l.held == 0 {
		l.at = at
	}
	l.held += copy(l.buffer[l.held:], view(data, int(n)))
	return lib.SQLITE_OK
}

func syncLog(tls *libc.TLS, file uintptr, flags int32) int32 {
	l, original := logOf(file)
	if rc := l.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return function[func(*libc.TLS, uintptr, int32) int32](original.FxSync)(tls, file, flags)
}

func readLog(tls *libc.TLS, file, data uintptr, n int32, at int64) int32 {
	l, original := logOf(file)
	if rc := l.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return write(original.FxRead)(tls, file, data, n, at)
}

func truncateLog(tls *libc.TLS, file uintptr, size int64) int32 {
	l, original := logOf(file)
	if rc := l.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return function[func(*libc.TLS, uintptr, int64) int32](original.FxTruncate)(tls, file, size)
}

func measureLog(tls *libc.TLS, file, size uintptr) int32 {
	l, original := logOf(file)
	if rc := l.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return function[func(*libc.TLS, uintptr, uintptr) int32](original.FxFileSize)(tls, file, size)
}

func closeLog(tls *libc.TLS, file uintptr) int32 {
	l, original := logOf(file)
	rc := l.flush(tls, file)
	setPointer(file, l.original)
	if e := function[func(*libc.TLS, uintptr) int32](original.FxClose)(tls, file); rc == lib.SQLITE_OK {
		rc = e
	}
	libc.Xfree(tls, uintptr(unsafe.Pointer(l)))
	return rc
}

// write is a function of the library that writes or reads a piece of a file.
func write(p uintptr) func(tls *libc.TLS, file, data uintptr, n int32, at int64) int32 {
	return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](p)
}
