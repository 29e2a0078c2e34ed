// Package mongo is the store's engine on a MongoDB replica set: several nodes
// work on one database. It knows documents, keys and transactions, and
// deliberately not what a document means.
//
// # Writing
//
// An Update runs its function at once, beside all others, on a snapshot of its
// own; what it writes stays in memory. The writer, one goroutine, then takes
// everything that waits and makes one transaction of it: the versions that each
// write was based on are its conditions. A function that a neighbour of the same
// process overtook runs again on top of that neighbour's changes, out of what it
// read before, so that a document which everybody changes costs no round trip.
// One commit with majority and journal answers them all. A function that another
// process overtook gets a new snapshot first.
//
// While one commit is on its way the next one is made ready on top of it, and sent off
// before the callers of the first have their answers; should it fail, what stands on it
// runs anew. A round that few have come to waits a moment for those on their way. At a document that has made functions run again, such
// as a counter, the next ones wait for their turn, and run once.
//
// # Reading
//
// Functions that begin at about the same time share a snapshot, which is never older
// than they are, and what they look up at the same time by id or by key is one command.
// What a function says it expects to read is asked for at once. Whoever reads one after
// the other what a commit has changed gets the next ones with the one it asks for.
//
// # Isolation
//
// Functions of one process are serialisable. Between processes they have snapshot
// isolation: what a function writes is never based on a stale version, what it
// only reads may be as old as its beginning. Who must exclude a range that others add to
// writes one document besides that the others write too.
//
// # The database
//
// A collection keeps documents {_id, v, k, b, x}: version, index keys, the body
// as readable BSON, and the exact text of those values that BSON cannot hold
// (a time finer than a millisecond, a number beyond 64 bits) with the path of
// each. Collections whose name has a dot belong to this package: casewire.meta
// tells the format and which indexes are complete, casewire.nodes has one
// document per process with its last committed round, by which an unknown outcome
// of a commit is settled, with what that round changed, which is what the change streams
// of the others follow, and with the indexes that the process declares: what an older
// process writes without the keys of newer indexes gets them from a newer one.
//
// The code is written for mongod 7.0 and 8.0, as replica set.
package mongo
