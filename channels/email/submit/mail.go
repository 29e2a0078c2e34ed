package submit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"casewire/channels"
)

// Auto says which kind of automatic mail a mail is (E10).
type Auto string

// The kinds of automatic mail; the zero value is mail that a person wrote.
const (
	Replied   Auto = "auto-replied"   // the answer to a mail, as an acknowledgement
	Generated Auto = "auto-generated" // a notice
)

// Address is one end of a mail.
type Address struct{ Name, Addr string }

// Mail is what a mail says; how it is written is ours. Whatever the texts hold,
// they can add no header and no part.
type Mail struct {
	ID         string // the Message-ID, without <>
	Envelope   string // what a bounce repeats, where the server supports it
	From       Address
	ReplyTo    Address // zero: none; left out when it is not ASCII before the @
	To         Address
	ReturnPath string // "": From
	Subject    string
	InReplyTo  string   // without <>
	References []string // oldest first, without <>; trimmed when written (O1)
	Date       time.Time
	Auto       Auto
	Loop       string // by which we know our own mail again
	Marker     string // by which we know the case again (E5)
	Text       string
	Lang       string // BCP 47
	Files      []channels.File
	// Open reads a file; needed when there are Files.
	Open func(ctx context.Context, blob string) (io.ReadSeekCloser, error)
}

// Headers of ours; the parser looks for them.
const (
	loopHeader   = "X-Casewire-Loop"
	markerHeader = "X-Casewire"
)

const (
	oldestRefs, newestRefs = 1, 10
	maxID                  = 250 // octets of a Message-ID that we repeat
)

// Write writes the mail with its attachments, which are read as they are written.
// The same mail is written the same way each time.
func (m *Mail) Write(ctx context.Context, w io.Writer) error {
	h := &header{}
	h.raw("Date", m.Date.Format(time.RFC1123Z))
	h.addresses("From", m.From)
	h.addresses("To", m.To)
	if _, utf8, err := wireAddress(m.ReplyTo.Addr); err == nil && !utf8 {
		h.addresses("Reply-To", m.ReplyTo)
	}
	h.text("Subject", m.Subject)
	h.ids("Message-ID", m.ID)
	h.ids("In-Reply-To", m.InReplyTo)
	h.ids("References", trimmed(m.References)...)
	m.automatic(h)
	h.token(loopHeader, m.Loop)
	h.token(markerHeader, m.Marker)
	h.token("Content-Language", m.Lang)
	h.raw("MIME-Version", "1.0")
	p := &partWriter{ctx: ctx, w: w, mail: m, seed: m.seed()}
	return p.write(h)
}

func (m *Mail) automatic(h *header) {
	if m.Auto == "" {
		return
	}
	h.raw("Auto-Submitted", string(m.Auto))
	h.raw("X-Auto-Response-Suppress", "All")
	h.raw("Precedence", "bulk")
}

// seed is what the boundaries of this mail are made of.
func (m *Mail) seed() string {
	sum := sha256.Sum256([]byte(m.ID))
	return hex.EncodeToString(sum[:12])
}

// trimmed keeps the first reference, by which a conversation is known, and the last.
func trimmed(refs []string) []string {
	refs = slices.DeleteFunc(slices.Clone(refs), func(id string) bool { return !isID(id) })
	if len(refs) <= oldestRefs+newestRefs {
		return refs
	}
	return append(refs[:oldestRefs:oldestRefs], refs[len(refs)-newestRefs:]...)
}

// isID says whether id can be repeated as a Message-ID.
func isID(id string) bool {
	left, right, ok := strings.Cut(id, "@")
	return ok && left != "" && right != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '<' || r == '>'
	})
}

// size is about how many bytes Write writes, from above.
func (m *Mail) size() int64 {
	n := int64(8<<10) + 8*int64(len(m.Text))
	for _, f := range m.Files {
		n += f.Size/57*78 + 2<<10
	}
	return n
}

// readable says whether every file can be opened, before the server is bothered.
func (m *Mail) readable(ctx context.Context) error {
	for _, f := range m.Files {
		if m.Open == nil {
			return errors.New("no files to read from")
		}
		r, err := m.Open(ctx, f.Blob)
		if err != nil {
			return fmt.Errorf("open an attachment: %w", err)
		}
		r.Close()
	}
	return nil
}
