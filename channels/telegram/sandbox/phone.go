package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Person is a customer, whose private chat has the same number.
type Person struct {
	ID       int64  `json:"id"`
	First    string `json:"first"`
	Last     string `json:"last,omitempty"`
	Username string `json:"username,omitempty"`
	Lang     string `json:"lang,omitempty"` // IETF, as the client is set
}

// Bubble is one message of a chat as a phone shows it.
type Bubble struct {
	ID       int        `json:"id"`
	Mine     bool       `json:"mine"` // the customer's
	Kind     string     `json:"kind,omitempty"`
	Text     string     `json:"text"`
	File     *File      `json:"file,omitempty"`
	Buttons  [][]Button `json:"buttons,omitempty"`
	ReplyTo  int        `json:"reply_to,omitempty"`
	Thread   int        `json:"thread,omitempty"`
	Edited   bool       `json:"edited,omitempty"`
	At       time.Time  `json:"at"`
	Answered bool       `json:"answered,omitempty"` // the press of a button
	Answer   string     `json:"answer,omitempty"`   // what the bot said to it
	Press    string     `json:"press,omitempty"`    // of a press that is not answered yet
}

// Button is a button of an inline keyboard.
type Button struct {
	Label string `json:"label"`
	Data  string `json:"data,omitempty"`
	URL   string `json:"url,omitempty"`
}

// File is an attachment of a bubble; Server.File returns its bytes.
type File struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
}

type watcher struct {
	ctx   context.Context
	hints chan struct{}
}

// Join names the customer of a private chat. A chat that was not joined belongs
// to "Customer" and its number.
func (s *Server) Join(p Person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.private(p.ID).Person = p
	s.changed(p.ID)
}

// private returns a private chat, new if need be. The caller holds mu.
func (s *Server) private(id int64) *chat {
	c := s.state.Chats[id]
	if c == nil {
		c = &chat{Kind: "private", Person: Person{ID: id, First: "Customer " + strconv.FormatInt(id, 10), Lang: "en"}}
		s.state.Chats[id] = c
	}
	return c
}

func (p Person) json() map[string]any {
	out := map[string]any{"id": p.ID, "is_bot": false, "first_name": p.First}
	for k, v := range map[string]string{"last_name": p.Last, "username": p.Username, "language_code": p.Lang} {
		if v != "" {
			out[k] = v
		}
	}
	return out
}

func (c *chat) json(id int64) map[string]any {
	if c.Kind != "private" {
		return map[string]any{"id": id, "type": c.Kind, "title": c.Person.First}
	}
	out := c.Person.json()
	out["type"] = "private"
	delete(out, "is_bot")
	delete(out, "language_code")
	return out
}

// message is the customer's message with more fields. The caller holds mu.
func (s *Server) message(id int64, c *chat, b *Bubble, more map[string]any) map[string]any {
	m := map[string]any{"message_id": b.ID, "date": b.At.Unix(), "chat": c.json(id), "from": c.Person.json()}
	if b.ReplyTo != 0 {
		if to := c.find(b.ReplyTo); to != nil {
			m["reply_to_message"] = s.sent(id, c, to)
		}
	}
	for k, v := range more {
		m[k] = v
	}
	return m
}

// says has the customer send something, and returns its number. Who writes takes
// back a block.
func (s *Server) says(id int64, b *Bubble, more map[string]any) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.private(id)
	if c.Blocked {
		s.member(id, c, false)
	}
	b.ID, b.Mine, b.At = s.state.NextMessage, true, s.o.Now()
	s.state.NextMessage++
	s.push("message", id, b.ID, s.message(id, c, b, more))
	s.bubble(id, c, b)
	return b.ID
}

// Say has the customer write text.
func (s *Server) Say(chat int64, text string) int {
	return s.says(chat, &Bubble{Text: text}, map[string]any{"text": text})
}

// Reply has the customer answer a message of the chat.
func (s *Server) Reply(chat int64, to int, text string) int {
	return s.says(chat, &Bubble{Text: text, ReplyTo: to}, map[string]any{"text": text})
}

// Start has the customer open t.me/BOT?start=PAYLOAD and press Start.
func (s *Server) Start(chat int64, payload string) int {
	text := "/start"
	if payload != "" {
		text += " " + payload
	}
	return s.says(chat, &Bubble{Text: "/start"}, map[string]any{
		"text": text, "entities": []any{map[string]any{"type": "bot_command", "offset": 0, "length": 6}},
	})
}

// keep stores a file of a customer.
func (s *Server) keep(name, kind string, data []byte) *File {
	s.mu.Lock()
	defer s.mu.Unlock()
	mediaType := http.DetectContentType(data)
	f, err := s.addFile(name, kind, mediaType, data)
	if err != nil {
		return &File{Name: name, Type: mediaType}
	}
	return &File{ID: f.ID, Name: name, Type: mediaType, Size: f.Size}
}

func (f *File) json(more map[string]any) map[string]any {
	out := map[string]any{"file_id": f.ID, "file_unique_id": "U" + f.ID, "file_size": f.Size}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// photoSizes is a photo as it arrives: a thumbnail first, which cannot be
// fetched, and then the photo.
func (f *File) photoSizes() []any {
	small := File{ID: "thumbnail-of-" + f.ID, Size: 1}
	return []any{small.json(map[string]any{"width": 90, "height": 67}), f.json(map[string]any{"width": 1280, "height": 960})}
}

// Photo has the customer send a photo with a caption, which may be empty.
func (s *Server) Photo(chat int64, data []byte, caption string) int {
	f := s.keep("photo.jpg", "photos", data)
	return s.says(chat, &Bubble{Kind: "photo", Text: caption, File: f}, captioned(caption, map[string]any{"photo": f.photoSizes()}))
}

// Document has the customer send a file.
func (s *Server) Document(chat int64, name string, data []byte, caption string) int {
	f := s.keep(name, "documents", data)
	return s.says(chat, &Bubble{Kind: "document", Text: caption, File: f},
		captioned(caption, map[string]any{"document": f.json(map[string]any{"file_name": name, "mime_type": f.Type})}))
}

// Voice has the customer send a voice message.
func (s *Server) Voice(chat int64, data []byte, length time.Duration) int {
	f := s.keep("voice.oga", "voice", data)
	return s.says(chat, &Bubble{Kind: "voice", File: f},
		map[string]any{"voice": f.json(map[string]any{"duration": int(length.Seconds()), "mime_type": "audio/ogg"})})
}

// Contact has the customer share a phone number, their own or another's.
func (s *Server) Contact(chat int64, phone string, own bool) int {
	contact := map[string]any{"phone_number": phone, "first_name": "Somebody"}
	if own {
		contact["user_id"] = chat
	}
	return s.says(chat, &Bubble{Kind: "contact", Text: phone}, map[string]any{"contact": contact})
}

// Location has the customer share where they are, in degrees.
func (s *Server) Location(chat int64, latitude, longitude float64) int {
	return s.says(chat, &Bubble{Kind: "location", Text: fmt.Sprintf("%.5f, %.5f", latitude, longitude)},
		map[string]any{"location": map[string]any{"latitude": latitude, "longitude": longitude}})
}

// Album has the customer send several photos as one message; the caption is on
// the first of them.
func (s *Server) Album(chat int64, caption string, photos ...[]byte) []int {
	s.mu.Lock()
	group := fmt.Sprintf("%d%06d", chat, s.state.NextMessage)
	s.mu.Unlock()
	var ids []int
	for _, data := range photos {
		f := s.keep("photo.jpg", "photos", data)
		ids = append(ids, s.says(chat, &Bubble{Kind: "photo", Text: caption, File: f},
			captioned(caption, map[string]any{"photo": f.photoSizes(), "media_group_id": group})))
		caption = ""
	}
	return ids
}

func captioned(caption string, m map[string]any) map[string]any {
	if caption != "" {
		m["caption"] = caption
	}
	return m
}

// ErrNoBubble is what Edit and Press answer for what the chat does not show.
var ErrNoBubble = errors.New("no such message or button")

// Edit has the customer change the text of a message.
func (s *Server) Edit(chat int64, id int, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.private(chat)
	b := c.find(id)
	if b == nil || !b.Mine || b.Kind != "" {
		return ErrNoBubble
	}
	b.Text, b.Edited = text, true
	s.push("edited_message", chat, id, s.message(chat, c, b, map[string]any{"text": text, "edit_date": s.o.Now().Unix()}))
	s.changed(chat)
	return nil
}

// Press has the customer press a button of the bot's message.
func (s *Server) Press(chat int64, id int, data string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.private(chat)
	b := c.find(id)
	if b == nil || !b.has(data) {
		return ErrNoBubble
	}
	s.press(chat, c, b, data)
	return nil
}

// Forge has the customer's client press a button that the bot never offered.
func (s *Server) Forge(chat int64, id int, data string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.private(chat)
	b := c.find(id)
	if b == nil {
		return ErrNoBubble
	}
	s.press(chat, c, b, data)
	return nil
}

func (s *Server) press(chat int64, c *chat, b *Bubble, data string) {
	b.Press, b.Answered = strconv.Itoa(s.state.NextPress), false
	s.state.NextPress++
	message := s.sent(chat, c, b)
	var rows [][]map[string]any
	for _, row := range b.Buttons {
		var r []map[string]any
		for _, x := range row {
			r = append(r, map[string]any{"text": x.Label, "callback_data": x.Data})
		}
		rows = append(rows, r)
	}
	message["reply_markup"] = map[string]any{"inline_keyboard": rows}
	s.push("callback_query", chat, b.ID, map[string]any{
		"id": b.Press, "from": c.Person.json(), "message": message, "chat_instance": "1", "data": data,
	})
	s.changed(chat)
}

func (b *Bubble) has(data string) bool {
	for _, row := range b.Buttons {
		for _, x := range row {
			if x.Data == data && data != "" {
				return true
			}
		}
	}
	return false
}

// Block has the customer stop the bot.
func (s *Server) Block(chat int64) { s.stopped(chat, true) }

// Unblock has the customer start the bot again.
func (s *Server) Unblock(chat int64) { s.stopped(chat, false) }

func (s *Server) stopped(id int64, blocked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.private(id); c.Blocked != blocked {
		s.member(id, c, blocked)
		s.changed(id)
	}
}

// member tells the bot that it was blocked or unblocked. The caller holds mu.
func (s *Server) member(id int64, c *chat, blocked bool) {
	c.Blocked = blocked
	bot := map[string]any{"id": s.botID, "is_bot": true, "first_name": "Casewire sandbox", "username": s.o.BotName}
	was := map[string]any{"user": bot, "status": "member"}
	now := map[string]any{"user": bot, "status": "kicked", "until_date": 0}
	if !blocked {
		was, now = now, was
	}
	s.push("my_chat_member", id, 0, map[string]any{
		"chat": c.json(id), "from": c.Person.json(), "date": s.o.Now().Unix(), "old_chat_member": was, "new_chat_member": now,
	})
}

// Deactivate removes the customer's account: nothing can be sent there any more.
func (s *Server) Deactivate(chat int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.private(chat).Gone = true
}

// Group makes a group of a kind, "group" or "supergroup", for Inject. moved is the
// supergroup that it became, or 0.
func (s *Server) Group(id int64, kind, title string, moved int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Chats[id] = &chat{Kind: kind, Person: Person{ID: id, First: title}, Moved: moved}
}

// Inject queues an update as it stands: kind "message" and the message in JSON. It
// returns the update's number.
func (s *Server) Inject(kind string, body json.RawMessage) int64 {
	var at struct {
		ID   int `json:"message_id"`
		Chat struct {
			ID int64 `json:"id"`
		} `json:"chat"`
	}
	_ = json.Unmarshal(body, &at) // what cannot be read is for the bot to find out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.NextMessage <= at.ID {
		s.state.NextMessage = at.ID + 1
	}
	if at.Chat.ID > 0 {
		s.private(at.Chat.ID)
	}
	return s.push(kind, at.Chat.ID, at.ID, body)
}

// Renumber makes next the number of the next update, as Telegram does after a
// week without any.
func (s *Server) Renumber(next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.NextUpdate = next
}
