package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// state is what a folder keeps.
type state struct {
	NextUpdate  int64           `json:"next_update"`
	NextMessage int             `json:"next_message"`
	NextFile    int             `json:"next_file"`
	NextPress   int             `json:"next_press"`
	Chats       map[int64]*chat `json:"chats"`
	Files       []*file         `json:"files"`
	Queue       []update        `json:"queue"`
	Hook        hook            `json:"hook"`
	Allowed     []string        `json:"allowed"`
}

func newState() state {
	return state{NextUpdate: 100, NextMessage: 1, NextFile: 1, NextPress: 1, Chats: map[int64]*chat{}}
}

// update waits until the bot has confirmed it.
type update struct {
	ID      int64           `json:"id"`
	At      time.Time       `json:"at"`
	Chat    int64           `json:"chat"`
	Message int             `json:"message"`
	Kind    string          `json:"kind"`
	Body    json.RawMessage `json:"body"`
}

type hook struct {
	URL     string `json:"url"`
	Secret  string `json:"secret"`
	Error   string `json:"error"`
	ErrorAt int64  `json:"error_at"`
	Max     int    `json:"max"`
}

type chat struct {
	Person  Person    `json:"person"`
	Kind    string    `json:"kind"`
	Blocked bool      `json:"blocked"`
	Gone    bool      `json:"gone"`
	Moved   int64     `json:"moved"`
	Bubbles []*Bubble `json:"bubbles"`
	typing  time.Time
}

type file struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
	data []byte
}

// bubblesKept is how many bubbles of a chat are remembered.
const bubblesKept = 1000

func (s *Server) blob(id string) string { return filepath.Join(s.o.Dir, "files", id) }

func (s *Server) load() error {
	if s.o.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(s.o.Dir, "files"), 0o700); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(s.o.Dir, "telegram.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal(b, &s.state); err != nil {
		return fmt.Errorf("read telegram.json: %w", err)
	}
	return nil
}

// save writes the state, whole or not at all. The caller holds mu.
func (s *Server) save() error {
	if s.o.Dir == "" {
		return nil
	}
	b, err := json.Marshal(&s.state)
	if err != nil {
		return err
	}
	name := filepath.Join(s.o.Dir, "telegram.json")
	if err := os.WriteFile(name+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// addFile keeps bytes. The caller holds mu.
func (s *Server) addFile(name, kind, mediaType string, data []byte) (*file, error) {
	n := s.state.NextFile
	s.state.NextFile++
	f := &file{
		ID: fmt.Sprintf("AgAC%08dAQ", n), Path: fmt.Sprintf("%s/file_%d%s", kind, n, filepath.Ext(filepath.Base(name))),
		Name: name, Type: mediaType, Size: int64(len(data)),
	}
	if s.o.Dir == "" {
		f.data = data
		if data == nil {
			f.data = []byte{}
		}
	} else if err := os.WriteFile(s.blob(f.ID), data, 0o600); err != nil {
		return nil, err
	}
	s.state.Files = append(s.state.Files, f)
	return f, nil
}

// fileOf returns a file by its id. The caller holds mu.
func (s *Server) fileOf(id string) *file {
	for _, f := range s.state.Files {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// bubble adds to a chat and wakes who watches it. The caller holds mu.
func (s *Server) bubble(id int64, c *chat, b *Bubble) {
	if len(c.Bubbles) >= bubblesKept {
		c.Bubbles = append([]*Bubble(nil), c.Bubbles[bubblesKept/2:]...)
	}
	c.Bubbles = append(c.Bubbles, b)
	s.changed(id)
}

// changed keeps the state and wakes who watches a chat. The caller holds mu.
func (s *Server) changed(id int64) {
	_ = s.save() // what could not be kept is still shown; Close says why
	kept := s.watchers[id][:0]
	for _, w := range s.watchers[id] {
		if w.ctx.Err() != nil {
			continue
		}
		kept = append(kept, w)
		select {
		case w.hints <- struct{}{}:
		default:
		}
	}
	s.watchers[id] = kept
}

// find returns a bubble of a chat, nil when it has none of that number.
func (c *chat) find(id int) *Bubble {
	for i := len(c.Bubbles) - 1; i >= 0; i-- {
		if c.Bubbles[i].ID == id {
			return c.Bubbles[i]
		}
	}
	return nil
}
