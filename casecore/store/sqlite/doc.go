// Package sqlite is the embedded engine of the store: one SQLite file in a data
// folder that one process owns. It knows documents, keys and transactions, and
// deliberately not what a document means.
//
// # Writing
//
// All writing goes through one connection. Each Update waits for its turn; a
// turn is given by one goroutine, the writer, which forms groups of whatever is
// waiting, commits the whole group with one fsync and only then lets any of them
// return. The functions themselves run in the goroutines of their callers, so a
// panic unwinds where it belongs. A function that fails after it has written takes
// the group back with it; the group then runs again, each function in a savepoint.
//
// # Reading
//
// Views run on four connections that see the last commit and never wait for the
// writer (WAL).
//
// # The file
//
// A collection is a table of the same name with the columns id, version, sum and
// body, and a column key_x for each index x that has one key; a Multi index is a
// side table collection$index. Bodies are readable JSON. sum is a CRC-32C over
// id, version and body: a document that was damaged on disk is refused
// (ErrDamaged) and not served. Whoever mends a document by hand sets its sum to
// NULL, which means not checked. Names that contain a $ belong to this package:
// it drops those it does not know.
//
// Package sqlite3, below this one, speaks to SQLite.
package sqlite
