// Package store is the narrow waist of the book: documents with declared index
// keys, read and written in transactions. Two engines keep the same promises and
// one suite (storetest) judges them. The package knows nothing of cases: what a
// document means, and which keys it is found by, is its room's business.
package store

import (
	"context"
	"errors"
	"iter"
)

// Limits that every engine refuses to exceed, chosen as those of the weakest.
const (
	MaxBody  = 1 << 20 // bytes of an encoded document
	MaxKey   = 512     // bytes of one index key
	MaxID    = 128     // bytes of a document id
	MaxMulti = 256     // keys of one document in one Multi index
)

// What a transaction may answer. Engines wrap these; compare with errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed by somebody else since it was read")
	ErrExists   = errors.New("exists already")
	ErrLimit    = errors.New("over the store's limit")
	ErrReadOnly = errors.New("write in a read-only transaction")
	ErrClosed   = errors.New("store is closed")
	// ErrUnavailable means that the store cannot be reached at the moment: the same
	// may succeed a little later.
	ErrUnavailable = errors.New("not available")
)

// Store is one engine with its data open. It is safe for concurrent use.
type Store interface {
	// View runs fn on one consistent snapshot. Writing in it is ErrReadOnly.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn in a transaction: all of it is durable before Update
	// returns nil, and nothing of it happened when Update returns an error.
	// fn may run more than once, so it must change nothing but tx and the
	// variables it sets anew on each run; it must not call Update itself, nor wait
	// for anybody who does.
	// A panic in fn rolls back and goes on to the caller.
	Update(ctx context.Context, fn func(Tx) error) error

	// Watch sends a Hint after each commit that changed coll, until ctx is
	// done; then the channel is closed. Hints wake, they do not inform: they
	// merge while nobody receives, and the store is the truth.
	Watch(ctx context.Context, coll *Coll) (<-chan Hint, error)

	// Close waits for running transactions and releases the data.
	Close() error
}

// Tx is a transaction's hand on the documents. It ends with the function it was
// given to and is for that function's goroutine only.
type Tx interface {
	// Get returns the document or ErrNotFound.
	Get(coll *Coll, id string) (Doc, error)
	// Put writes d and returns its new version. Version 0 inserts and answers
	// ErrExists when the id is taken; any other version must be the stored one,
	// else ErrConflict. A Unique key held by another document is ErrExists.
	Put(coll *Coll, d Doc) (version uint64, err error)
	// Delete removes the document, which must have this version, else
	// ErrConflict; that holds too for one that is gone already.
	Delete(coll *Coll, id string, version uint64) error
	// Scan yields documents in the order of Range. It yields at most one error,
	// as its last pair. Writing to coll while scanning it is allowed only after
	// the loop has ended.
	Scan(coll *Coll, r Range) iter.Seq2[Doc, error]
	// Expect says what the function is about to read, so that an engine that has to
	// ask a server asks for all of it at once. It has no other effect: what cannot
	// be read is told to whoever reads it.
	Expect(reads ...Read)
}

// Read names a document by its id, or with an Index by a Unique key.
type Read struct {
	Coll  *Coll
	Index string // empty: Key is the id
	Key   string
}

// Doc is a document as the engine sees it.
type Doc struct {
	ID      string
	Version uint64 // 1 after the first Put
	Body    []byte // a JSON object, readable in the engine's own tools
	Keys    Keys   // for Put; a document that is read comes without them
}

// Keys are a document's index keys by index name. A document without a key for
// an index does not appear in it. Only Multi indexes take more than one key.
type Keys map[string][]string

// Set gives the document one key in an index; an empty key means none.
func (k Keys) Set(index, key string) {
	if key != "" {
		k[index] = []string{key}
	}
}

// Add gives the document one more key in a Multi index.
func (k Keys) Add(index, key string) {
	if key != "" {
		k[index] = append(k[index], key)
	}
}

// Index declares how documents of a collection can be found.
type Index struct {
	Name   string // lower-case letters, digits and _
	Unique bool   // no two documents share a key
	Multi  bool   // many keys a document; exact matches only
}

// Coll is a collection: its name, its indexes and how keys are made again from a
// stored body, for back-filling an index that is newer than the data.
type Coll struct {
	Name    string // lower-case letters, digits and _
	Indexes []Index
	Rekey   func(id string, body []byte) (Keys, error)
}

// Index returns the declared index of that name.
func (c *Coll) Index(name string) (Index, bool) {
	for _, ix := range c.Indexes {
		if ix.Name == name {
			return ix, true
		}
	}
	return Index{}, false
}

// Range selects and orders documents. The order is by key, then by id; with an
// empty Index it is by id, and Prefix, From and To speak of ids.
type Range struct {
	Index   string
	Prefix  string // keys that begin so; for a Multi index the exact key
	From    string // first key, included
	To      string // end, not included
	Reverse bool
	After   Mark // goes on behind this place; the zero Mark starts at the beginning
	Limit   int  // 0: no limit
}

// Mark is a place in a Range: the key and the id of the last document seen.
type Mark struct{ Key, ID string }

// Hint tells which documents a commit changed. Missed means that some hints were
// dropped or merged away: whoever holds a copy must read it anew.
type Hint struct {
	IDs    []string
	Missed bool
}
