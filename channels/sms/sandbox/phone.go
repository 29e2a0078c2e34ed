package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Media is a picture or another file of a message.
type Media struct {
	Type string
	Data []byte
}

// Bubble is one message as a customer's phone shows it.
type Bubble struct {
	SID   string
	Mine  bool   // written on this phone
	Peer  string // the number at the other end
	Text  string
	Media []Media
	At    time.Time
}

type watcher struct {
	ctx    context.Context
	number string
	hints  chan struct{}
}

// Text has a customer's phone write to one of our numbers, and returns the
// message's id at once; the webhook follows. The words that Twilio knows by
// itself (STOP, START, HELP and their like) have their effect here, too.
func (s *Server) Text(from, to, body string, media ...Media) (sid string, err error) {
	if !e164.MatchString(from) || !s.owns(to) {
		return "", fmt.Errorf("nobody can text from %q to %q here", from, to)
	}
	now := s.o.Now()
	m := &message{
		SID: newSID("SM"), Direction: inbound, From: from, To: to, Body: body, Service: s.o.Service,
		Status: "received", Created: now, Sent: now, Updated: now,
	}
	if len(media) > 0 {
		m.SID = newSID("MM")
	}
	for _, x := range media {
		m.Media = append(m.Media, blob{newSID("ME"), cmp.Or(x.Type, http.DetectContentType(x.Data)), x.Data})
	}
	var hook string
	s.change(func() {
		s.book.add(m)
		s.obey(m)
		s.ring(from)
		hook = s.hooks[to]
	})
	s.start(func() { s.announce(m.SID, hook) })
	return m.SID, nil
}

// obey does what Twilio does by default with opt-out words. The caller holds mu.
func (s *Server) obey(m *message) {
	key := pair(m.To, m.From)
	switch strings.ToUpper(strings.TrimSpace(m.Body)) {
	case "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT":
		if !s.book.Stopped[key] {
			s.book.Stopped[key] = true
			s.say(m.To, m.From, "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe.", true)
		}
	case "START", "YES", "UNSTOP":
		if s.book.Stopped[key] {
			delete(s.book.Stopped, key)
			s.say(m.To, m.From, "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe.", true)
		}
	case "HELP", "INFO":
		s.say(m.To, m.From, "Reply STOP to unsubscribe. Msg&Data Rates May Apply.", true)
	}
}

// say shows a text on a customer's phone that no request created. The caller holds mu.
func (s *Server) say(from, to, text string, own bool) {
	now := s.o.Now()
	s.book.add(&message{
		SID: newSID("SM"), Direction: reply, From: from, To: to, Body: text, Status: "delivered",
		Created: now, Sent: now, Updated: now, Own: own,
	})
	s.ring(to)
}

// Taken says whether the webhook of an inbound message was answered with 2xx.
func (s *Server) Taken(sid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.book.find(sid)
	return m != nil && m.Taken
}

// Await returns when the webhook of an inbound message was answered with 2xx.
func (s *Server) Await(ctx context.Context, sid string) error {
	return s.wait(ctx, func() bool {
		m := s.book.find(sid)
		return m != nil && m.Taken
	})
}

// Received returns when a phone has got text at least n times.
func (s *Server) Received(ctx context.Context, number, text string, n int) error {
	return s.wait(ctx, func() bool {
		got := 0
		for _, b := range s.bubbles(number) {
			if !b.Mine && strings.Contains(b.Text, text) {
				got++
			}
		}
		return got >= n
	})
}

// Phone returns what a customer's phone shows, oldest first.
func (s *Server) Phone(number string) []Bubble {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bubbles(number)
}

// bubbles is Phone for who holds mu.
func (s *Server) bubbles(number string) []Bubble {
	var out []Bubble
	for _, m := range s.book.Messages {
		b := Bubble{SID: m.SID, Text: m.Body, At: cmp.Or(m.Sent, m.Created)}
		switch {
		case m.Direction == inbound && m.From == number:
			b.Mine, b.Peer = true, m.To
		case m.Direction != inbound && m.To == number && arrived(m):
			b.Peer = m.From
		default:
			continue
		}
		for _, x := range m.Media {
			b.Media = append(b.Media, Media{x.Type, x.Data})
		}
		out = append(out, b)
	}
	return out
}

func arrived(m *message) bool { return m.Status == "delivered" || m.Status == "read" }

// Watch sends a hint whenever what a phone shows may have changed, until ctx is
// done. A slow reader misses hints and no state: Phone has it all.
func (s *Server) Watch(ctx context.Context, number string) (<-chan struct{}, error) {
	if number == "" {
		return nil, errors.New("no number to watch")
	}
	w := watcher{ctx, number, make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(slices.DeleteFunc(s.watchers, func(w watcher) bool { return w.ctx.Err() != nil }), w)
	return w.hints, nil
}

// ring wakes who watches a phone. The caller holds mu.
func (s *Server) ring(number string) {
	for _, w := range s.watchers {
		if w.number == number {
			select {
			case w.hints <- struct{}{}:
			default:
			}
		}
	}
}
