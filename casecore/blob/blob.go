// Package blob is the contract for large immutable content: attachments, raw
// sources and printed acts, each kept under its own hash. It knows nothing of
// who refers to a content; whoever keeps the references sweeps what no
// reference names (Each, Delete).
package blob

import (
	"context"
	"errors"
	"io"
	"time"
)

// What a Store may answer; compare with errors.Is.
var (
	ErrNotFound = errors.New("no such content")
	ErrTooLarge = errors.New("content is larger than allowed")
	ErrDamaged  = errors.New("content is damaged")
)

// Ref names a stored content. It is what a document keeps of it.
type Ref struct {
	Hash string `json:"hash"` // SHA-256 in lower-case hex
	Size int64  `json:"size"` // bytes
}

// Store keeps contents. It is safe for concurrent use.
type Store interface {
	// Put stores what r yields, at most limit bytes, and returns its name; more
	// is ErrTooLarge and leaves nothing behind. The content is durable when Put
	// returns nil, so a reference may be committed after that. Storing a content
	// that is there already is no error and renews the time that Each reports.
	Put(ctx context.Context, r io.Reader, limit int64) (Ref, error)

	// Open returns the content named by hash, or ErrNotFound. Read from the
	// start, a content that is not what was stored answers ErrDamaged before
	// its last bytes are handed out, so it is never served whole. The caller
	// closes it.
	Open(ctx context.Context, hash string) (io.ReadSeekCloser, error)

	// Delete removes the content, whoever refers to it. That it is not there is
	// no error. To remove what nobody refers to, use Sweep.
	Delete(ctx context.Context, hash string) error

	// Each calls fn for every content, in no particular order, until fn returns
	// an error, which Each returns. Contents that come or go meanwhile may be
	// left out or not. modified is when the content was last Put.
	Each(ctx context.Context, fn func(hash string, size int64, modified time.Time) error) error

	// Sweep removes the contents that were last Put before the given time and
	// for which referenced says false, and tells how many. One that is Put again
	// while referenced looks stays, so a reference committed after a Put never
	// loses its content if before lies further back than any commit takes.
	Sweep(ctx context.Context, before time.Time, referenced func(hash string) (bool, error)) (removed int, err error)
}

// ValidHash reports whether hash has the form of a name: 64 lower-case hex
// digits. Stores answer any other with ErrNotFound and look no further.
func ValidHash(hash string) bool {
	if len(hash) != 64 {
		return false
	}
	for i := range len(hash) {
		if c := hash[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
