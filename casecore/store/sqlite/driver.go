package sqlite

import (
	"errors"
	"net/url"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Everything that depends on the choice of the SQLite driver is in this file.

const driverName = "sqlite"

// dsn names the file at the absolute path to the driver.
func dsn(path string) string {
	return (&url.URL{Scheme: "file", Path: path}).String() + "?_error_rc=1"
}

// readOnlyDSN names the file to the driver for a connection that cannot write.
func readOnlyDSN(path string) string { return dsn(path) + "&mode=ro" }

// resultCode is SQLite's extended result code of err, or 0.
func resultCode(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
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
