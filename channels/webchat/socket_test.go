package webchat

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
)

// Every refused frame is answered with the message it was, what is wrong with it
// and what to write instead.
func TestBadFrames(t *testing.T) {
	s := open(t)
	id := uuid.NewString()
	send := func(more string) string { return `{"t":"send","id":"` + id + `",` + more + `}` }
	tests := []struct {
		name, frame, code, id, detail string
		binary                        bool
	}{
		{name: "not JSON", frame: "hello", code: codeBadFrame, detail: "byte 1: not JSON"},
		{name: "cut off", frame: `{"t":"send"`, code: codeBadFrame, detail: "byte 11: not JSON"},
		{name: "two objects", frame: `{"t":"ping"} {"t":"ping"}`, code: codeBadFrame, detail: "byte 14: not JSON"},
		{name: "an array", frame: `[{"t":"ping"}]`, code: codeBadFrame, detail: "not a JSON object; write"},
		{name: "null", frame: `null`, code: codeBadFrame, detail: "t: missing; known: hello, send, read, choose, history, ping"},
		{name: "no verb", frame: `{"text":"x"}`, code: codeBadFrame, detail: "t: missing; known: "},
		{name: "a field of another type", frame: `{"t":"send","text":5}`, code: codeBadFrame, detail: "text: of type number; write a string"},
		{name: "a field of another type, after an id", frame: send(`"files":{}`), code: codeBadFrame, id: id, detail: "files: of type object; write a list of strings"},
		{name: "cut off after an id", frame: send(`"text":"x`), code: codeBadFrame, id: id, detail: "not JSON"},
		{name: "invalid UTF-8", frame: "{\"t\":\"send\",\"text\":\"\xff\xfe\"}", code: codeBadFrame, detail: "byte 21: not UTF-8"},
		{name: "binary", frame: `{"t":"ping"}`, binary: true, code: codeBadFrame, detail: "send JSON in a text frame"},
		{name: "unknown verb", frame: `{"t":"drop","id":"` + id + `"}`, code: codeUnknownType, id: id, detail: `unknown t "drop"; known: hello, send, read, choose, history, ping`},
		{name: "second hello", frame: `{"t":"hello"}`, code: codeHelloFirst, detail: "t: a second hello; connect again"},
		{name: "frame too large", frame: send(`"text":"` + strings.Repeat("a", maxFrame) + `"`), code: codeTooLarge, id: id, detail: "frame: more than 65536 bytes"},
		{name: "no id", frame: `{"t":"send","text":"x"}`, code: codeBadID, detail: "id: not a UUID; make one for each message"},
		{name: "an id that is no UUID", frame: `{"t":"send","id":"1","text":"x"}`, code: codeBadID, id: "1", detail: "id: not a UUID; make one for each message"},
		{name: "text too long", frame: send(`"text":"` + strings.Repeat("ж", 4001) + `"`), code: codeTooLarge, id: id, detail: "text: 4001 characters; at most 4000"},
		{name: "nothing to say", frame: send(`"text":" \n\u0000 "`), code: codeEmpty, id: id, detail: "text, files: both are empty; write one"},
		{name: "a file that is not there", frame: send(`"files":["AAAA"]`), code: codeBadFile, id: id, detail: "files[0]: no upload of this visitor; POST the file to /chat/files"},
		{name: "a file id with a path in it", frame: send(`"files":["../../token/x"]`), code: codeBadFile, id: id, detail: "files[0]: no upload"},
		{name: "too many files", frame: send(`"files":["a","b","c","d","e","f"]`), code: codeBadFile, id: id, detail: "files: 6; at most 5"},
		{name: "a button on no message", frame: `{"t":"choose","id":"` + id + `","message":77,"button":"1"}`, code: codeBadChoice, id: id, detail: `message 77 has no button "1"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := s.visitor()
			kind := websocket.TextMessage
			if test.binary {
				kind = websocket.BinaryMessage
			}
			c.raw(kind, []byte(test.frame))
			if f := c.of("error"); f.Code != test.code || f.ID != test.id {
				t.Errorf("error %q for %q, want %q for %q", f.Code, f.ID, test.code, test.id)
			} else if !strings.Contains(f.Detail, test.detail) {
				t.Errorf("detail %q, want %q", f.Detail, test.detail)
			}
			c.send(map[string]any{"t": "ping"})
			c.of("pong") // the connection is as good as before
		})
	}
	if n := len(s.house.Book.Messages()); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestFirstFrameMustBeHello(t *testing.T) {
	c := open(t).dial()
	c.send(map[string]any{"t": "send", "id": uuid.NewString(), "text": "x"})
	if f := c.next(); f.Code != codeHelloFirst {
		t.Errorf("got %+v", f)
	}
}

func TestAnotherChannelIsRefused(t *testing.T) {
	c := open(t).dial()
	c.send(map[string]any{"t": "hello", "channel": "other"})
	if f := c.next(); f.Code != codeNoChannel {
		t.Errorf("got %+v", f)
	}
	if code := c.closing(); code != closeAbuse {
		t.Errorf("closed with %d, want %d", code, closeAbuse)
	}
}

func TestAbuseIsClosed(t *testing.T) {
	s := open(t)
	c := s.visitor()
	for range maxStrikes {
		c.raw(websocket.TextMessage, []byte("?"))
	}
	if code := c.closing(); code != closeAbuse {
		t.Errorf("closed with %d, want %d", code, closeAbuse)
	}
	c = s.visitor()
	c.raw(websocket.TextMessage, make([]byte, 2*hardFrame))
	if code := c.closing(); code != websocket.CloseMessageTooBig {
		t.Errorf("closed with %d, want %d", code, websocket.CloseMessageTooBig)
	}
	c = s.visitor()
	for range 150 {
		if c.ws.WriteJSON(map[string]any{"t": "ping"}) != nil {
			break
		}
	}
	if code := c.closing(); code != closeTooMany {
		t.Errorf("closed with %d, want %d", code, closeTooMany)
	}
}

func TestHelloHasADeadline(t *testing.T) {
	c := open(t, func(c *Config) { c.Times.Hello = 50 * time.Millisecond }).dial()
	if code := c.closing(); code != closeAbuse {
		t.Errorf("closed with %d, want %d", code, closeAbuse)
	}
}

// W6: only listed origins connect, whatever the Host header says.
func TestOrigins(t *testing.T) {
	s := open(t, func(c *Config) { c.Origins = []string{"https://shop.example", "https://bücher.example:8443"} })
	own := s.house.URL
	port := own[strings.LastIndex(own, ":"):]
	tests := []struct {
		origin string
		ok     bool
	}{
		{own, true},
		{"http://localhost" + port, true},
		{strings.ToUpper(own), true},
		{"https://shop.example", true},
		{"https://shop.example:443", true},
		{"HTTPS://SHOP.EXAMPLE", true},
		{"", false},
		{"null", false},
		{"http://shop.example", false},
		{"https://shop.example.evil.example", false},
		{"https://evil-shop.example", false},
		{"https://sub.shop.example", false},
		{"https://shop.example:444", false},
		{"https://shop.example/", false},
		{"https://shop.example@evil.example", false},
		{"http://127.0.0.1:1", false},
		{"file://", false},
		{"https://", false},
	}
	for _, test := range tests {
		h := http.Header{}
		if test.origin != "" {
			h.Set("Origin", test.origin)
		}
		d := websocket.Dialer{Subprotocols: []string{Subprotocol}}
		ws, r, err := d.DialContext(t.Context(), s.address(), h)
		if err == nil {
			ws.Close()
		}
		if ok := err == nil; ok != test.ok {
			t.Errorf("origin %q: connected %t, want %t (%v)", test.origin, ok, test.ok, err)
		} else if !ok && r.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q: status %d, want 403", test.origin, r.StatusCode)
		}
	}
	s = open(t, func(c *Config) { c.AllowNoOrigin = true })
	d := websocket.Dialer{Subprotocols: []string{Subprotocol}}
	ws, _, err := d.DialContext(t.Context(), s.address(), nil)
	if err != nil {
		t.Fatalf("a program without Origin, where that is allowed: %v", err)
	}
	ws.Close()
}

func TestSubprotocolIsRequired(t *testing.T) {
	s := open(t)
	for _, offer := range [][]string{nil, {"casewire.live.v1"}} {
		d := websocket.Dialer{Subprotocols: offer}
		_, r, err := d.DialContext(t.Context(), s.address(), http.Header{"Origin": {s.house.URL}})
		if err == nil || r.StatusCode != http.StatusBadRequest {
			t.Errorf("offering %q: %v", offer, err)
		}
	}
}

// W2: the same id is the same message, whichever connection brings it and however
// many do at once.
func TestResendReturnsTheSameAck(t *testing.T) {
	s := open(t, func(c *Config) { c.Limits.Tabs = 100 })
	first := s.visitor()
	first.say("so that the token lasts")
	id := uuid.NewString()
	acks := make([]frame, 16)
	var wg sync.WaitGroup
	clients := make([]*client, len(acks))
	for i := range clients {
		clients[i], _, _ = s.hello(first.token, 0)
	}
	for i, c := range clients {
		wg.Go(func() {
			if c.ws.WriteJSON(map[string]any{"t": "send", "id": id, "text": "once"}) != nil {
				return
			}
			for {
				f, err := c.read()
				if err != nil || f.T == "ack" {
					acks[i] = f
					return
				}
			}
		})
	}
	wg.Wait()
	for _, a := range acks {
		if a.ID != id || a.Seq != 2 || a.Case != "CW-000001" {
			t.Errorf("ack %+v", a)
		}
	}
	if n := len(s.house.Book.Messages()); n != 2 {
		t.Errorf("%d messages stored, want 2", n)
	}
}

// W2: ids of different visitors never meet.
func TestIDsAreEachVisitorsOwn(t *testing.T) {
	s := open(t)
	a, b := s.visitor(), s.visitor()
	id := uuid.NewString()
	for _, c := range []*client{a, b} {
		c.send(map[string]any{"t": "send", "id": id, "text": "mine"})
		if f := c.of("ack"); f.Seq != 1 {
			t.Errorf("ack %+v", f)
		}
	}
	if n := len(s.house.Book.Messages()); n != 2 {
		t.Errorf("%d messages stored, want 2", n)
	}
}

// W4: the house has the message before the visitor hears of it.
func TestCommitComesBeforeAck(t *testing.T) {
	house := channeltest.NewHouse(t)
	var order []string
	house.Book.After = func(context.Context, channels.Inbound) error { order = append(order, "stored"); return nil }
	env := house.Env(channelID)
	env.Check = func(point string) { order = append(order, point) }
	ch, err := NewConfig().Open(env)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, house: house}
	house.Start(t, ch, house.Book)
	s.visitor().say("x")
	if got := strings.Join(order, " "); got != "stored webchat.after-sink webchat.before-ack" {
		t.Errorf("order %q", got)
	}
}

// A store that is away costs nothing: the client is told to try again, and does.
func TestStoreAway(t *testing.T) {
	s := open(t)
	var mu sync.Mutex
	away := true
	s.house.Book.Before = func(context.Context, channels.Inbound) error {
		mu.Lock()
		defer mu.Unlock()
		if away {
			return channeltest.ErrStore
		}
		return nil
	}
	c := s.visitor()
	id := uuid.NewString()
	m := map[string]any{"t": "send", "id": id, "text": "x"}
	c.send(m)
	if f := c.of("error"); f.Code != codeTryAgain || f.ID != id {
		t.Errorf("got %+v", f)
	}
	mu.Lock()
	away = false
	mu.Unlock()
	c.send(m)
	if f := c.of("ack"); f.ID != id || f.Seq != 1 {
		t.Errorf("got %+v", f)
	}
}

func TestStoreAwayAtHello(t *testing.T) {
	s := open(t)
	s.close()
	s.house.Memory.Fail = func(string, string) error { return channeltest.ErrStore }
	s.start()
	c := s.dial()
	c.send(map[string]any{"t": "hello"})
	if f := c.next(); f.Code != codeTryAgain {
		t.Errorf("got %+v", f)
	}
	if code := c.closing(); code != closeTryLater {
		t.Errorf("closed with %d, want %d", code, closeTryLater)
	}
}

// W4: all tabs of a visitor see everything, and share what is read.
func TestTabs(t *testing.T) {
	s := open(t)
	a := s.visitor()
	id, _ := a.say("from tab a")
	b, w, _ := s.hello(a.token, 0)
	if len(w.Messages) != 1 || w.Messages[0].Text != "from tab a" || w.Messages[0].ID != id || w.Messages[0].From != fromVisitor {
		t.Errorf("the second tab starts with %+v", w.Messages)
	}
	id, _ = b.say("from tab b")
	if f := a.until(func(f frame) bool { return f.Seq == 2 && f.T == "message" }); f.ID != id || f.Text != "from tab b" {
		t.Errorf("the first tab got %+v", f)
	}
	to := s.visitorOf("from tab a")
	s.reply(to, "m1", "an answer")
	for _, c := range []*client{a, b} {
		if f := c.until(func(f frame) bool { return f.Seq == 3 && f.T == "message" }); f.From != fromOperator || f.Name != "Olena" {
			t.Errorf("got %+v", f)
		}
	}
	a.send(map[string]any{"t": "read", "seq": 3})
	if f := b.of("read"); f.Seq != 3 {
		t.Errorf("the other tab got %+v", f)
	}
}

// W7: reading is reported for each line once.
func TestReadReceipts(t *testing.T) {
	s := open(t)
	c := s.visitor()
	c.say("x")
	to := s.visitorOf("x")
	if r := s.reply(to, "m1", "one"); r.State != channels.Sent || r.OutboundID != "m1" || r.Channel != channelID {
		t.Errorf("receipt %+v", r)
	}
	s.reply(to, "m2", "two")
	s.reply(to, "m3", "three")
	for _, seq := range []int64{3, 3, 99} {
		c.send(map[string]any{"t": "read", "seq": seq})
	}
	if err := s.house.Book.Wait(t.Context(), func() bool { return len(s.house.Book.Receipts()) == 3 }); err != nil {
		t.Fatal(err)
	}
	again, w, _ := s.hello(c.token, 0)
	if !w.Messages[1].Read || !w.Messages[3].Read || w.Messages[0].Read {
		t.Errorf("after a reload: %+v", w.Messages)
	}
	again.send(map[string]any{"t": "read", "seq": 4})
	again.send(map[string]any{"t": "ping"})
	again.of("pong")
	var ids []string
	for _, r := range s.house.Book.Receipts() {
		if r.State != channels.Read || r.Channel != channelID {
			t.Errorf("receipt %+v", r)
		}
		ids = append(ids, r.OutboundID)
	}
	if got := strings.Join(ids, " "); got != "m1 m2 m3" {
		t.Errorf("reported %q", got)
	}
}

// A press is a message that says what the button said; its data is not the
// client's to choose or to know.
func TestChoose(t *testing.T) {
	s := open(t)
	c := s.visitor()
	c.say("x")
	to := s.visitorOf("x")
	s.reply(to, "m1", "Which?", channels.Button{Label: "Today", Data: "slot-1-secret"}, channels.Button{Label: "Tomorrow", Data: "slot-2-secret"})
	f := c.until(func(f frame) bool { return f.T == "message" && f.Seq == 2 })
	if len(f.Buttons) != 2 || f.Buttons[1] != (buttonFrame{ID: "2", Label: "Tomorrow"}) {
		t.Fatalf("buttons %+v", f.Buttons)
	}
	for _, bad := range []map[string]any{{"message": 2, "button": "3"}, {"message": 2, "button": "slot-1-secret"}, {"message": 1, "button": "1"}} {
		bad["t"], bad["id"] = "choose", uuid.NewString()
		c.send(bad)
		if f := c.of("error"); f.Code != codeBadChoice {
			t.Errorf("%v: %+v", bad, f)
		}
	}
	c.send(map[string]any{"t": "choose", "id": uuid.NewString(), "message": 2, "button": "2"})
	if f := c.of("ack"); f.Seq != 3 {
		t.Errorf("ack %+v", f)
	}
	m := s.house.Book.Messages()[1]
	if m.Body.Text != "Tomorrow" || m.Facts["button"] != "slot-2-secret" || strings.Join(m.Answers, " ") != "m1" {
		t.Errorf("stored %+v", m)
	}
}

func TestStatusAndTyping(t *testing.T) {
	s := open(t)
	c := s.visitor()
	c.send(map[string]any{"t": "send", "id": uuid.NewString(), "text": "x"})
	if f := c.of("status"); f.Case != "CW-000001" || f.Status != "New" || f.Text != "" || !f.Open {
		t.Errorf("after the first message: %+v", f)
	}
	to := s.visitorOf("x")
	s.house.Book.SetStatus(channelID, to, "In repair", true)
	if f := c.of("status"); f.Status != "In repair" {
		t.Errorf("after a change: %+v", f)
	}
	_, err := s.door.Send(t.Context(), channels.Outbound{
		ID: "n1", Channel: channelID, To: to, Auto: true, Status: "Ready", Body: channels.Body{Text: "Come and get it."},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the line and the state, in whichever order
		f := c.of("status")
		line := f.Text == "Come and get it." && f.Seq == 2 && f.From == fromAuto
		if f.Status != "Ready" || !line && f.Text != "" {
			t.Errorf("after a notice: %+v", f)
		}
	}
	if err := s.door.Typing(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	c.of("typing")
	// W3: whoever was away learns the state with the lines.
	if _, w, _ := s.hello(c.token, 2); w.Status != "Ready" || w.Case != "CW-000001" || len(w.Messages) != 0 || w.Seq != 2 {
		t.Errorf("welcome %+v", w)
	}
}
