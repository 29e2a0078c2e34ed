package sqlite

import (
	"errors"
	"net/url"

	lib "modernc.org/sqlite/lib"

	"casewire/casecore/store/sqlite/sqlite3"
)

// What SQLite calls a file, and what its result codes mean here.

// fileURI names the file at the absolute path.
func fileURI(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// readOnlyURI names the file for a connection that cannot write.
func readOnlyURI(path string) string { return fileURI(path) + "?mode=ro" }

// resultCode is SQLite's extended result code of err, or 0.
func resultCode(err error) int {
	if e, ok := errors.AsType[*sqlite3.Error](err); ok {
		return e.Code
	}
	return 0
}

func isConstraint(err error) bool { return resultCode(err)&0xff == lib.SQLITE_CONSTRAINT }

func isTakenID(err error) bool {
	return resultCode(err) == lib.SQLITE_CONSTRAINT_PRIMARYKEY
}

func isTakenKey(err error) bool {
	return resultCode(err) == lib.SQLITE_CONSTRAINT_UNIQUE
}

func isDamage(err error) bool {
	switch resultCode(err) & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return true
	}
	return false
}

// isMisfit reports SQL that the schema does not bear. As the SQL is ours, the
// schema is not.
func isMisfit(err error) bool { return resultCode(err) == lib.SQLITE_ERROR }

func isUnwritable(err error) bool {
	switch resultCode(err) & 0xff {
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		return true
	}
	return false
}

// isNoTransaction reports, of a ROLLBACK, that there was nothing to roll back:
// SQLite has no code of its own for it.
func isNoTransaction(err error) bool { return resultCode(err) == lib.SQLITE_ERROR }

// isInterrupt reports a statement that was told to end.
func isInterrupt(err error) bool { return resultCode(err)&0xff == lib.SQLITE_INTERRUPT }

// isFull reports a full disk: nothing was written and a later attempt may work.
func isFull(err error) bool { return resultCode(err)&0xff == lib.SQLITE_FULL }

// leavesStateKnown reports whether the commit that failed with err certainly
// did not happen and the file is as it was. After any other failure, of fsync
// above all, nobody knows what the disk holds.
func leavesStateKnown(err error) bool {
	switch resultCode(err) & 0xff {
	case lib.SQLITE_FULL, lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return true
	}
	return false
}
