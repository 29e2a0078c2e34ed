// Package archive writes everything that a store and its attachments hold into one
// stream, and reads such a stream into an empty store, of the same engine or of
// another. It knows documents, keys and contents, and deliberately not what any of
// them mean: what a restored centre may do is its caller's business.
//
// # The stream
//
// A gzipped tar whose entries come in this order:
//
//	manifest.json                    format, program, time, names of the collections
//	documents/<collection>/000001.jsonl …  one document a line: {"id":…,"body":{…}}
//	blobs/<hash>                     contents under their SHA-256
//	end.json                         counts, and a SHA-256 over all that is above
//
// The documents are those of one snapshot. The contents are read after it, so that
// each one that a document refers to is there. A stream without its end, or one
// that does not fit its end, is refused whole (ErrDamaged).
package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"casewire/casecore/blob"
	"casewire/casecore/store"
)

// format is the version of the stream's layout.
const format = 1

// Bounds of the stream.
const (
	chunkBytes    = 2 << 20                      // a chunk of documents is closed when it has so many
	maxChunk      = chunkBytes + store.MaxBody*2 // and never has more: a line may hold a whole document
	maxJSON       = 1 << 20                      // of the manifest and the end
	maxUnreadable = 1000                         // contents that the end names
)

// Names of entries.
const (
	manifestName = "manifest.json"
	endName      = "end.json"
	documentsDir = "documents/"
	blobsDir     = "blobs/"
)

// Why a stream cannot be read; compare with errors.Is.
var (
	ErrForeign  = errors.New("not a backup made by casewire, or damaged at its beginning")
	ErrDamaged  = errors.New("the backup is damaged or cut off")
	ErrNewer    = errors.New("the backup was made by a newer version")
	ErrUnknown  = errors.New("the backup holds what this version does not know")
	ErrNotEmpty = errors.New("the store has documents already")
)

// Book is what an archive is made of, or made into.
type Book struct {
	Store store.Store
	Blobs blob.Store
	Colls []*store.Coll // as the store was opened with
}

// Manifest is how an archive begins.
type Manifest struct {
	Format      int       `json:"format"`  // set by Write
	Program     string    `json:"program"` // version that wrote it
	At          time.Time `json:"at"`
	Collections []string  `json:"collections"` // set by Write
}

// Contents counts what an archive holds.
type Contents struct {
	Documents  map[string]int64 `json:"documents"` // by collection
	Blobs      int64            `json:"blobs"`
	BlobBytes  int64            `json:"blob_bytes"`
	Unreadable []string         `json:"unreadable,omitempty"` // hashes of contents that were damaged already, and left out
}

// Total is the number of documents of all collections.
func (c Contents) Total() int64 {
	var n int64
	for _, k := range slices.Sorted(maps.Keys(c.Documents)) {
		n += c.Documents[k]
	}
	return n
}

// Report says what was written or read.
type Report struct {
	Manifest
	Contents
	Lacking []string // collections of this version that the archive has not; they are left empty
}

// end is how an archive ends.
type end struct {
	Contents
	SHA256 string `json:"sha256"`
}

// line is one document in a chunk.
type line struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body"`
}

// digest sums up everything before the end. Of a content it takes the name, which
// is its own sum.
type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) entry(name string, size int64) { fmt.Fprintf(d, "%s\n%d\n", name, size) }

func (d digest) String() string { return hex.EncodeToString(d.Sum(nil)) }
