package webchat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
)

const channelID = "webchat:site"

// patience is how long tests wait for what must come.
const patience = 10 * time.Second

// site is a running door in a house.
type site struct {
	t     testing.TB
	house *channeltest.House
	door  *Door
	cfg   *Config
	env   func(*channels.Env) // changes what the door gets, when set
	stop  func() (time.Duration, error)
}

// open starts a door with its defaults, changed by the test, and limits that do
// not bite by accident.
func open(t testing.TB, change ...func(*Config)) *site {
	t.Helper()
	c := NewConfig()
	c.Limits.Messages, c.Limits.Hellos, c.Limits.Uploads = 6000, 60000, 6000
	for _, f := range change {
		f(c)
	}
	s := &site{t: t, house: channeltest.NewHouse(t), cfg: c}
	s.start()
	return s
}

// start opens the door on what the house already has.
func (s *site) start() {
	s.t.Helper()
	env := s.house.Env(channelID)
	if s.env != nil {
		s.env(&env)
	}
	ch, err := s.cfg.Open(env)
	if err != nil {
		s.t.Fatal(err)
	}
	s.door = ch.(*Door)
	s.stop = s.house.Start(s.t, ch, s.house.Book)
}

// close stops the door, to start another later.
func (s *site) close() {
	s.t.Helper()
	if _, err := s.stop(); err != nil {
		s.t.Errorf("Run returned %v", err)
	}
}

// address returns the socket's URL.
func (s *site) address() string { return "ws" + strings.TrimPrefix(s.house.URL, "http") + "/chat/ws" }

// frame is any frame of the server.
type frame struct {
	T         string
	Token     string
	Case      string
	Status    string
	Open      bool
	Seq       int64
	Truncated bool
	Messages  []frame
	ID        string
	From      string
	Name      string
	Text      string
	Files     []fileFrame
	Buttons   []buttonFrame
	Read      bool
	Code      string
	Detail    string
	After     float64 `json:"retry_after"`
}

// client is a visitor's end of a socket.
type client struct {
	t     testing.TB
	ws    *websocket.Conn
	token string
	code  int // close code, once the socket has ended
}

// dial connects without saying hello. It retries while the door is starting.
func (s *site) dial() *client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	d := websocket.Dialer{Subprotocols: []string{Subprotocol}}
	for {
		ws, r, err := d.DialContext(ctx, s.address(), http.Header{"Origin": {s.house.URL}})
		if err == nil {
			s.t.Cleanup(func() { ws.Close() })
			return &client{t: s.t, ws: ws}
		}
		if r == nil || r.StatusCode != http.StatusServiceUnavailable {
			s.t.Fatalf("dial: %v (%v)", err, r)
		}
	}
}

// hello connects a visitor and returns the welcome; errors that come before it
// are in their order.
func (s *site) hello(token string, last int64) (*client, frame, []frame) {
	s.t.Helper()
	c := s.dial()
	c.send(map[string]any{"t": "hello", "channel": "site", "token": token, "last_seq": last, "language": "en"})
	var before []frame
	for {
		f := c.next()
		if f.T == "welcome" {
			c.token = f.Token
			return c, f, before
		}
		before = append(before, f)
	}
}

// visitor connects somebody new.
func (s *site) visitor() *client {
	s.t.Helper()
	c, _, _ := s.hello("", 0)
	return c
}

func (c *client) send(v any) {
	c.t.Helper()
	if err := c.ws.WriteJSON(v); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *client) raw(kind int, b []byte) {
	c.t.Helper()
	if err := c.ws.WriteMessage(kind, b); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// next returns the next frame.
func (c *client) next() frame {
	c.t.Helper()
	f, err := c.read()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return f
}

func (c *client) read() (frame, error) {
	_ = c.ws.SetReadDeadline(time.Now().Add(patience))
	_, b, err := c.ws.ReadMessage()
	if err != nil {
		if ce, ok := errors.AsType[*websocket.CloseError](err); ok {
			c.code = ce.Code
		}
		return frame{}, err
	}
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		return frame{}, fmt.Errorf("frame %q: %w", b, err)
	}
	return f, nil
}

// until returns the next frame that ok accepts, dropping others.
func (c *client) until(ok func(frame) bool) frame {
	c.t.Helper()
	for {
		if f := c.next(); ok(f) {
			return f
		}
	}
}

func (c *client) of(kind string) frame {
	c.t.Helper()
	return c.until(func(f frame) bool { return f.T == kind })
}

// say sends a text and returns its id and ack.
func (c *client) say(text string, files ...string) (string, frame) {
	c.t.Helper()
	id := uuid.NewString()
	c.send(map[string]any{"t": "send", "id": id, "text": text, "files": files})
	return id, c.until(func(f frame) bool { return f.T == "ack" && f.ID == id })
}

// closing reads to the end and returns the close code.
func (c *client) closing() int {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			return c.code
		}
	}
}

// visitorOf returns whom the book knows under a text.
func (s *site) visitorOf(text string) channels.Address {
	s.t.Helper()
	for _, m := range s.house.Book.Messages() {
		if m.Body.Text == text {
			return m.From
		}
	}
	s.t.Fatalf("no message %q", text)
	return channels.Address{}
}

// reply sends an operator's answer.
func (s *site) reply(to channels.Address, id, text string, buttons ...channels.Button) channels.Receipt {
	s.t.Helper()
	r, err := s.door.Send(s.t.Context(), channels.Outbound{
		ID: id, Channel: channelID, To: to, Body: channels.Body{Text: text, Buttons: buttons},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// eventually waits for a figure to become what it must.
func (s *site) eventually(ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			s.t.Fatal("it never happened")
		}
	}
}
