package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // decodes what is not UTF-8
)

// Stored is a mail in a mailbox.
type Stored struct {
	Folder string
	UID    uint32
	Seen   bool
	From   string // of the envelope: "" for a report
	To     string // of the envelope, with the detail of a plus-address
	At     time.Time
	Raw    []byte // with the traces of the delivery; not to be changed
}

// Header returns a field of the mail, decoded.
func (m Stored) Header(name string) string {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return ""
	}
	decoder := mime.WordDecoder{CharsetReader: gomessage.CharsetReader}
	value := parsed.Header.Get(name)
	if text, err := decoder.DecodeHeader(value); err == nil {
		return text
	}
	return value
}

// Text returns the first plain text of the mail; "" when it has none.
func (m Stored) Text() string {
	e, err := gomessage.Read(bytes.NewReader(m.Raw))
	if e == nil || err != nil && !gomessage.IsUnknownCharset(err) {
		return ""
	}
	return plainText(e, 0)
}

const maxDepth = 20

func plainText(e *gomessage.Entity, depth int) string {
	kind, _, _ := e.Header.ContentType()
	if parts := e.MultipartReader(); parts != nil && depth < maxDepth {
		for {
			part, err := parts.NextPart()
			if part == nil || err != nil && !gomessage.IsUnknownCharset(err) {
				return ""
			}
			if text := plainText(part, depth+1); text != "" {
				return text
			}
		}
	}
	if kind != "text/plain" {
		return ""
	}
	b, _ := io.ReadAll(e.Body) // what could be read is what there is
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// Messages returns the mail of an account, named by its login or its address, by
// folder and UID.
func (s *Server) Messages(user string) []Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages(user)
}

func (s *Server) messages(user string) []Stored {
	a := s.named(user)
	if a == nil {
		return nil
	}
	var out []Stored
	for _, name := range slices.Sorted(maps.Keys(a.folders)) {
		for _, m := range a.folders[name].list {
			out = append(out, Stored{
				Folder: name, UID: uint32(m.uid), Seen: m.has(imap.FlagSeen), From: m.from, To: m.to, At: m.at, Raw: m.raw,
			})
		}
	}
	return out
}

func (s *Server) named(user string) *account {
	if a := s.user(user); a != nil {
		return a
	}
	return s.account(user)
}

// Wait returns when ok is true of an account's mail, or with the context's error.
// ok is asked now and after each change.
func (s *Server) Wait(ctx context.Context, user string, ok func([]Stored) bool) error {
	for {
		s.mu.Lock()
		list, changed := s.messages(user), s.changed
		s.mu.Unlock()
		if ok(list) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return fmt.Errorf("wait for mail: %w", context.Canceled)
		}
	}
}

// Post delivers a mail from the world outside, as the MX takes it: from and to are
// its envelope.
func (s *Server) Post(from string, to []string, raw []byte) error {
	s.mu.Lock()
	for _, rcpt := range to {
		if err := s.reachable(rcpt, false); err != nil {
			s.mu.Unlock()
			return err
		}
	}
	s.mu.Unlock()
	_, err := s.take(from, to, raw, "")
	return err
}

// Put puts a mail into a folder of an account as it is, without traces of a
// delivery; the folder is made if there is none.
func (s *Server) Put(user, name string, raw []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.named(user)
	if a == nil {
		return fmt.Errorf("put a mail: no such account")
	}
	f := a.folder(name)
	if f == nil {
		var err error
		if f, err = a.create(name); err != nil {
			return err
		}
	}
	_, err := a.add(f, message{raw: raw, at: s.o.Now()})
	s.tell()
	return err
}

// Renumber gives a folder another UIDVALIDITY and its mail other UIDs, as a
// provider does that lost its index, and closes every connection.
func (s *Server) Renumber(user, name string) error {
	if err := s.renumber(user, name); err != nil {
		return err
	}
	s.Kick()
	return nil
}

func (s *Server) renumber(user, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.named(user)
	if a == nil || a.folder(name) == nil {
		return fmt.Errorf("renumber: no such folder")
	}
	old := a.folder(name)
	list := old.list
	if err := a.remove(old); err != nil {
		return err
	}
	f, err := a.create(name)
	if err != nil {
		return err
	}
	for _, m := range list {
		if _, err := a.add(f, *m); err != nil {
			return err
		}
	}
	s.tell()
	return nil
}
