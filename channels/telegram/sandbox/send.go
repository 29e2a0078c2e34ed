package sandbox

import (
	"context"
	"encoding/json"
	"image"
	"math"
	"net/http"
	"strings"
	"time"

	_ "image/gif"  // pictures are refused when they are none
	_ "image/jpeg" // "
	_ "image/png"  // "
)

func (s *Server) sendMessage(_ context.Context, c *Call) (any, *fault) {
	text, f := c.text("text", "message text is empty", "message is too long", maxText)
	if f != nil {
		return nil, f
	}
	return s.say(c, &Bubble{Text: text})
}

// sendMedia returns the method that sends one kind of file.
func sendMedia(kind string) func(*Server, context.Context, *Call) (any, *fault) {
	return func(s *Server, _ context.Context, c *Call) (any, *fault) {
		text, f := c.text("caption", "", "message caption is too long", maxCaption)
		if f != nil {
			return nil, f
		}
		up, ok := c.uploads[kind]
		if !ok {
			return nil, bad("there is no %s in the request", kind)
		}
		if len(up.data) == 0 {
			return nil, bad("file must be non-empty")
		}
		mediaType := http.DetectContentType(up.data)
		if kind == "photo" {
			if len(up.data) > maxPhoto {
				return nil, &fault{code: http.StatusRequestEntityTooLarge, text: "Request Entity Too Large"}
			}
			if f := photoFault(up.data); f != nil {
				return nil, f
			}
		}
		s.mu.Lock()
		kept, err := s.addFile(up.name, kind+"s", mediaType, up.data)
		s.mu.Unlock()
		if err != nil {
			return nil, &fault{code: http.StatusInternalServerError, text: "Internal Server Error"}
		}
		return s.say(c, &Bubble{Kind: kind, Text: text, File: &File{ID: kept.ID, Name: up.name, Type: mediaType, Size: kept.Size}})
	}
}

// photoFault says why bytes are no photo.
func photoFault(data []byte) *fault {
	size, _, err := image.DecodeConfig(strings.NewReader(string(data)))
	if err != nil {
		return bad("IMAGE_PROCESS_FAILED")
	}
	w, h := float64(size.Width), float64(size.Height)
	if w+h > 10000 || math.Max(w, h) > 20*math.Min(w, h) {
		return bad("PHOTO_INVALID_DIMENSIONS")
	}
	return nil
}

// say puts the bot's message into its chat.
func (s *Server) say(c *Call, b *Bubble) (any, *fault) {
	buttons, f := c.buttons()
	if f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, to, f := s.target(c)
	if f != nil {
		return nil, f
	}
	if s.o.Limits {
		if wait := s.sends.refuse(id, s.o.Now()); wait > 0 {
			return nil, tooMany(wait)
		}
	}
	if r := c.Fields["reply_parameters"]; r != "" {
		var reply struct {
			Message int  `json:"message_id"`
			Free    bool `json:"allow_sending_without_reply"`
		}
		if json.Unmarshal([]byte(r), &reply) != nil {
			return nil, bad("can't parse reply parameters JSON object")
		}
		switch {
		case to.find(reply.Message) != nil:
			b.ReplyTo = reply.Message
		case !reply.Free:
			return nil, bad("message to be replied not found")
		}
	}
	b.ID, b.At, b.Buttons, b.Thread = s.state.NextMessage, s.o.Now(), buttons, int(c.number("message_thread_id"))
	s.state.NextMessage++
	to.typing = time.Time{}
	s.bubble(id, to, b)
	return s.sent(id, to, b), nil
}

// sent is the answer to a method that sends. The caller holds mu.
func (s *Server) sent(id int64, to *chat, b *Bubble) map[string]any {
	out := map[string]any{
		"message_id": b.ID, "date": b.At.Unix(), "chat": to.json(id),
		"from": map[string]any{"id": s.botID, "is_bot": true, "first_name": "Casewire sandbox", "username": s.o.BotName},
	}
	if b.Thread != 0 {
		out["message_thread_id"] = b.Thread
	}
	switch {
	case b.File == nil:
		out["text"] = b.Text
	case b.Kind == "photo":
		out["photo"], out["caption"] = []any{map[string]any{"file_id": b.File.ID, "file_unique_id": "U" + b.File.ID, "width": 1, "height": 1}}, b.Text
	default:
		out["document"], out["caption"] = map[string]any{"file_id": b.File.ID, "file_unique_id": "U" + b.File.ID, "file_name": b.File.Name}, b.Text
	}
	return out
}

// pace is when messages were sent lately, for the documented limits.
type pace struct {
	all   []time.Time
	chats map[int64][]time.Time
}

// refuse returns after how many seconds a message may be sent, 0 for now, which
// it then takes as sent.
func (p *pace) refuse(id int64, now time.Time) int {
	if p.chats == nil {
		p.chats = map[int64][]time.Time{}
	}
	p.all = after(p.all, now.Add(-time.Second))
	p.chats[id] = after(p.chats[id], now.Add(-time.Minute))
	mine, wait := p.chats[id], time.Duration(0)
	if len(p.all) >= 30 {
		wait = p.all[0].Add(time.Second).Sub(now)
	}
	if n := len(mine); n > 0 && now.Sub(mine[n-1]) < time.Second {
		wait = max(wait, time.Second-now.Sub(mine[n-1]))
	}
	if id < 0 && len(mine) >= 20 {
		wait = max(wait, mine[0].Add(time.Minute).Sub(now))
	}
	if wait > 0 {
		return int(math.Ceil(wait.Seconds()))
	}
	p.all, p.chats[id] = append(p.all, now), append(mine, now)
	return 0
}

// after drops the times that are not after t.
func after(times []time.Time, t time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(t) {
		times = times[1:]
	}
	return times
}
