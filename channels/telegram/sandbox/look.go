package sandbox

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// People returns the customers who have a chat, by number.
func (s *Server) People() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Person
	for _, id := range slices.Sorted(maps.Keys(s.state.Chats)) {
		if c := s.state.Chats[id]; c.Kind == "private" {
			out = append(out, c.Person)
		}
	}
	return out
}

// Chat returns what the phone shows, oldest first.
func (s *Server) Chat(chat int64) []Bubble {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.Chats[chat]
	if c == nil {
		return nil
	}
	out := make([]Bubble, len(c.Bubbles))
	for i, b := range c.Bubbles {
		out[i] = *b
	}
	return out
}

// Watch hints at changes of what Chat returns, until ctx is done; a chat of 0
// hints when the bot has taken updates.
func (s *Server) Watch(ctx context.Context, chat int64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := watcher{ctx, make(chan struct{}, 1)}
	s.watchers[chat] = append(s.watchers[chat], w)
	return w.hints
}

// Typing says whether the phone shows that the bot is writing.
func (s *Server) Typing(chat int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.Chats[chat]
	return c != nil && s.o.Now().Sub(c.typing) < typingShown
}

// Blocked says whether the customer has stopped the bot.
func (s *Server) Blocked(chat int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.Chats[chat]
	return c != nil && c.Blocked
}

// File returns the bytes of an attachment, false when there is none of that id.
func (s *Server) File(id string) (f File, data []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.fileOf(id)
	if kept == nil {
		return File{}, nil, false
	}
	data, err := s.bytes(kept)
	return File{ID: kept.ID, Name: kept.Name, Type: kept.Type, Size: kept.Size}, data, err == nil
}

// Waiting says how many updates the bot has not confirmed.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.Queue)
}

// Taken says whether the bot has confirmed the message, that is, whether Telegram
// has forgotten its update.
func (s *Server) Taken(chat int64, message int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.state.Queue, func(u update) bool { return u.Chat == chat && u.Message == message })
}

// Repeat delivers a customer's text once more: under its old number while that is
// not confirmed, else as a new update.
func (s *Server) Repeat(chat int64, message int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.Chats[chat]
	if c == nil || slices.ContainsFunc(s.state.Queue, func(u update) bool { return u.Chat == chat && u.Message == message }) {
		return
	}
	if b := c.find(message); b != nil {
		s.push("message", chat, message, s.message(chat, c, b, map[string]any{"text": b.Text}))
	}
}

// Webhook returns where updates are brought, "" when the bot fetches them.
func (s *Server) Webhook() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Hook.URL
}

// Updates returns the updates that wait, as the bot gets them.
func (s *Server) Updates() []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []json.RawMessage
	for _, u := range s.state.Queue {
		if b, err := json.Marshal(u.json()); err == nil {
			out = append(out, b)
		}
	}
	return out
}
