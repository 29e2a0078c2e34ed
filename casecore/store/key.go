package store

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// NewID returns a fresh id. Ids made later in this process sort later, so that
// documents append and a period is a range of ids.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// HashID returns the id that these parts always give: the way to insert a thing
// once, however often it is asked for.
func HashID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return lowerHex.EncodeToString(sum[:20])
}

// lowerHex is base32.HexEncoding in lower case: it sorts as what it encodes.
var lowerHex = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Join makes one key of several parts; it sorts by the first part, then by the
// second, and so on. Parts must not contain control characters.
func Join(parts ...string) string { return strings.Join(parts, "\x1f") }

// Under is the Prefix of all keys whose leading parts are exactly these.
func Under(parts ...string) string { return Join(parts...) + "\x1f" }

// TimeKey is t as a key that sorts by time, for the years 1 to 8999; the zero
// time sorts last.
func TimeKey(t time.Time) string {
	if t.IsZero() {
		return "9"
	}
	return t.UTC().Format("20060102T150405.000000000")
}

// NumberKey is n, at least 0, as a key that sorts by size.
func NumberKey(n int64) string { return fmt.Sprintf("%019d", n) }
