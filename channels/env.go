package channels

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNotFound is what Memory, Files and Threads answer for what is not there.
var ErrNotFound = errors.New("not found")

// ErrTooLarge is what Files answers for more bytes than it was told to take.
var ErrTooLarge = errors.New("too large")

// Memory is a door's own small durable memory: cursors, hashed tokens, uploads.
// Keys of one channel never meet those of another. Each call is one commit.
type Memory interface {
	Load(ctx context.Context, key string) ([]byte, error)
	// Save writes value; keep is how long it is needed at least, 0 for ever.
	Save(ctx context.Context, key string, value []byte, keep time.Duration) error
	// Swap writes value only when the key holds old (nil: holds nothing) and
	// says whether it did.
	Swap(ctx context.Context, key string, old, value []byte) (bool, error)
	Forget(ctx context.Context, key string) error
}

// Files keeps bytes under their hash. What Put returned is durable.
type Files interface {
	// Put stores at most limit bytes of r and sniffs their type; more is ErrTooLarge.
	Put(ctx context.Context, name string, r io.Reader, limit int64) (File, error)
	Open(ctx context.Context, blob string) (io.ReadSeekCloser, error)
}

// Line is one message of a thread as the customer may see it.
type Line struct {
	Seq        int64  // grows by one within the thread, from 1
	ID         string // of the message in the book
	ExternalID string // of an inbound message
	In         bool   // from the customer
	From       string // who wrote, as the customer may know them
	Auto       bool
	Case       string // number of the case it belongs to
	Status     string // label of the status that an outbound line tells of
	Body       Body
	At         time.Time
	Read       bool // an outbound line that the customer has seen
}

// Thread is the state of one conversation.
type Thread struct {
	Seq    int64  // of its last line, 0 for an empty one
	Case   string // number of the newest case, "" without one
	Status string // that case's status, as its customer may see it
	Open   bool
}

// Threads is the book's side of hosted conversations: the door shows what the
// store has and keeps nothing of its own.
type Threads interface {
	// Post makes m visible as the next line, once for each m.ID, and returns it.
	Post(ctx context.Context, m Outbound) (Line, error)
	// Lines returns at most limit lines after seq, oldest first.
	Lines(ctx context.Context, channel string, a Address, after int64, limit int) ([]Line, error)
	// Find returns the line of an inbound message by its ExternalID.
	Find(ctx context.Context, channel, externalID string) (Line, error)
	// Thread returns the conversation's state; an unknown one is empty.
	Thread(ctx context.Context, channel string, a Address, lang string) (Thread, error)
	// Watch sends the addresses whose threads changed, until ctx is done. A nil
	// slice means that any of them may have.
	Watch(ctx context.Context, channel string) (<-chan []Address, error)
}
