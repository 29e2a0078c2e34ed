package webchat

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
)

// A visitor who is gone finds the answer on return, once (W7).
func TestAnswerToTheAbsent(t *testing.T) {
	s := open(t)
	c := s.visitor()
	c.say("x")
	to := s.visitorOf("x")
	c.ws.Close()
	for range 3 {
		s.reply(to, "m1", "an answer")
	}
	_, w, _ := s.hello(c.token, 1)
	if len(w.Messages) != 1 || w.Messages[0].Text != "an answer" {
		t.Errorf("on return: %+v", w.Messages)
	}
}

func TestLimitPerVisitor(t *testing.T) {
	s := open(t, func(c *Config) { c.Limits.Messages = 6 })
	c, other := s.visitor(), s.visitor()
	c.say("1")
	c.say("2")
	id := uuid.NewString()
	c.send(map[string]any{"t": "send", "id": id, "text": "3"})
	if f := c.of("error"); f.Code != codeRateLimited || f.ID != id || f.After <= 0 || f.After > 10 {
		t.Errorf("got %+v", f)
	}
	other.say("others are not held up")
}

func TestLimitPerAddress(t *testing.T) {
	s := open(t, func(c *Config) { c.Limits.Hellos = 4 })
	s.dial()
	s.dial()
	d := websocket.Dialer{Subprotocols: []string{Subprotocol}}
	_, r, err := d.DialContext(t.Context(), s.address(), http.Header{"Origin": {s.house.URL}})
	if err == nil || r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("the third connection: %v, %v", err, r)
	}
	s = open(t, func(c *Config) { c.Limits.PerAddress = 1 })
	s.dial()
	_, r, err = d.DialContext(t.Context(), s.address(), http.Header{"Origin": {s.house.URL}})
	if err == nil || r.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the second connection at once: %v", err)
	}
}

func TestTooManyTabsCloseTheOldest(t *testing.T) {
	s := open(t, func(c *Config) { c.Limits.Tabs = 2 })
	a := s.visitor()
	a.say("x")
	b, _, _ := s.hello(a.token, 1)
	c, _, _ := s.hello(a.token, 1)
	if code := a.closing(); code != closeTooMany {
		t.Errorf("closed with %d, want %d", code, closeTooMany)
	}
	b.say("still here")
	c.say("and here")
}

// A node that goes down says so, and nothing that was acknowledged is gone.
func TestRestart(t *testing.T) {
	s := open(t)
	c := s.visitor()
	c.say("before")
	took, err := s.stop()
	if err != nil || took > time.Second {
		t.Errorf("stopped with %v after %s", err, took)
	}
	if code := c.closing(); code != closeRestart {
		t.Errorf("closed with %d, want %d", code, closeRestart)
	}
	s.start()
	_, w, before := s.hello(c.token, 0)
	if len(before) != 0 || len(w.Messages) != 1 || w.Messages[0].Text != "before" || w.Case != "CW-000001" {
		t.Errorf("after: %+v, %+v", before, w)
	}
	if s.door.Stats().Connected != 1 {
		t.Errorf("%d connected", s.door.Stats().Connected)
	}
}

// What is in a sink's hands when the door stops is finished and acknowledged.
func TestMessageInHandIsFinished(t *testing.T) {
	s := open(t)
	reached, free := make(chan struct{}), make(chan struct{})
	s.house.Book.Before = func(context.Context, channels.Inbound) error {
		close(reached)
		<-free
		return nil
	}
	c := s.visitor()
	id := uuid.NewString()
	c.send(map[string]any{"t": "send", "id": id, "text": "x"})
	<-reached
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.close() }()
	// The hub is closed at once, the message in hand is not dropped.
	for {
		if _, status := s.door.hub.enter("test"); status != 0 {
			break
		}
		s.door.hub.leave("test")
	}
	close(free)
	if f := c.of("ack"); f.ID != id {
		t.Errorf("got %+v", f)
	}
	if code := c.closing(); code != closeRestart {
		t.Errorf("closed with %d", code)
	}
	<-stopped
}

func TestOpenNeedsRun(t *testing.T) {
	house := channeltest.NewHouse(t)
	ch, err := NewConfig().Open(house.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	if _, status := ch.(*Door).hub.enter("x"); status != http.StatusServiceUnavailable {
		t.Errorf("status %d before Run", status)
	}
	_, err = ch.Send(t.Context(), channels.Outbound{To: channels.Address{Kind: channels.Email, Handle: "a@b"}})
	if se, ok := errors.AsType[*channels.SendError](err); !ok || se.Reason != channels.BadAddress {
		t.Errorf("got %v", err)
	}
}
