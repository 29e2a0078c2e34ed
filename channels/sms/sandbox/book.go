package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"
)

// book is what is kept in Dir.
type book struct {
	Messages []*message      `json:"messages"`
	Stopped  map[string]bool `json:"stopped"` // by our number and the customer's
	bySID    map[string]*message
	created  int // over REST
}

// Direction of a message, in Twilio's words.
const (
	inbound  = "inbound"
	outbound = "outbound-api"
	reply    = "outbound-reply"
)

// message is a Message resource.
type message struct {
	SID       string    `json:"sid"`
	Direction string    `json:"direction"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Body      string    `json:"body"`
	Service   string    `json:"service,omitempty"`
	Status    string    `json:"status"`
	Code      int       `json:"code,omitempty"`
	Created   time.Time `json:"created"`
	Sent      time.Time `json:"sent"`
	Updated   time.Time `json:"updated"`
	Callback  string    `json:"callback,omitempty"`
	Media     []blob    `json:"media,omitempty"`
	Taken     bool      `json:"taken,omitempty"` // its webhook was answered with 2xx
	Own       bool      `json:"own,omitempty"`   // the provider's own answer to STOP and the like
}

// blob is a Media resource.
type blob struct {
	SID  string `json:"sid"`
	Type string `json:"type"`
	Data []byte `json:"data"`
}

func (b *book) find(sid string) *message { return b.bySID[sid] }

func (b *book) add(m *message) {
	b.Messages = append(b.Messages, m)
	b.index(m)
}

func (b *book) index(m *message) {
	b.bySID[m.SID] = m
	if m.Direction == outbound {
		b.created++
	}
}

func newSID(prefix string) string { return prefix + strings.ReplaceAll(uuid.NewString(), "-", "") }

// segments counts as the provider does, near enough for its num_segments.
func segments(body string) int {
	units, alone, part := len(body), 160, 153
	for _, r := range body {
		if r > 127 {
			units, alone, part = len(utf16.Encode([]rune(body))), 70, 67
			break
		}
	}
	if units <= alone {
		return 1
	}
	return (units + part - 1) / part
}

func (s *Server) file() string { return filepath.Join(s.o.Dir, "sms.json") }

// load reads what Dir keeps.
func (s *Server) load() error {
	s.book.Stopped, s.book.bySID = make(map[string]bool), make(map[string]*message)
	if s.o.Dir == "" {
		return nil
	}
	b, err := os.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open sandbox: %w", err)
	}
	if err := json.Unmarshal(b, &s.book); err != nil {
		return fmt.Errorf("open sandbox: read %s: %w", s.file(), err)
	}
	for _, m := range s.book.Messages {
		s.book.index(m)
	}
	return nil
}

// save writes the state next to the old one and swaps them. The caller holds mu.
func (s *Server) save() error {
	if s.o.Dir == "" {
		return nil
	}
	b, err := json.Marshal(s.book)
	if err != nil {
		return err
	}
	tmp := s.file() + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.file())
}

// resume goes on with the messages that were on their way when the state was saved.
func (s *Server) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.book.Messages {
		switch {
		case m.Direction == outbound && (m.Status == "queued" || m.Status == "sent"):
			s.tasks.Go(func() { s.travel(m.SID) })
		case m.Direction == inbound && !m.Taken:
			hook := s.hooks[m.To]
			s.tasks.Go(func() { s.announce(m.SID, hook) })
		}
	}
}
