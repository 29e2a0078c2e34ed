package webchat

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"casewire/channels"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
)

// W3: a client that is cut off at any moment, again and again, has every line
// once and in order when it is back.
func TestReplayAfterCuts(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, rnd := open(t), rand.New(rand.NewPCG(seed, 4))
			c := s.visitor()
			c.say("begin")
			to, token := s.visitorOf("begin"), c.token
			const total = 180 // fewer than are replayed at most
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for i := 2; i <= total; i++ {
					m := channels.Outbound{ID: fmt.Sprint(i), Channel: channelID, To: to, Body: channels.Body{Text: fmt.Sprint("line ", i)}}
					if _, err := s.door.Send(t.Context(), m); err != nil {
						t.Error(err)
					}
				}
			}()
			var got []int64
			last := func() int64 {
				if len(got) == 0 {
					return 0
				}
				return got[len(got)-1]
			}
			for last() < total {
				c.ws.Close()
				var w frame
				c, w, _ = s.hello(token, last())
				if w.Truncated {
					t.Fatal("a short gap was not replayed")
				}
				for _, m := range w.Messages {
					got = append(got, m.Seq)
				}
				for n := rnd.IntN(60); n > 0 && last() < total; n-- {
					if f := c.next(); f.T == "message" {
						got = append(got, f.Seq)
					}
				}
			}
			<-sent
			for i, seq := range got {
				if seq != int64(i)+1 {
					t.Fatalf("place %d has line %d", i+1, seq)
				}
			}
		})
	}
}

// A client that resends what was not acknowledged, over cut connections, has each
// message stored once and in its order (W2).
func TestSendingOverCuts(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, rnd := open(t), rand.New(rand.NewPCG(seed, 7))
			c := s.visitor()
			c.say("begin")
			token := c.token
			for i := range 40 {
				id, text := uuid.NewString(), fmt.Sprint("message ", i)
				for acked := false; !acked; {
					if c.ws.WriteJSON(map[string]any{"t": "send", "id": id, "text": text}) == nil && rnd.IntN(3) > 0 {
						for {
							f, err := c.read()
							if acked = err == nil && f.T == "ack" && f.ID == id; acked || err != nil {
								break
							}
						}
					}
					if !acked {
						c.ws.Close()
						c, _, _ = s.hello(token, 0)
					}
				}
			}
			for i, m := range s.house.Book.Messages()[1:] {
				if want := fmt.Sprint("message ", i); m.Body.Text != want {
					t.Fatalf("place %d has %q", i, m.Body.Text)
				}
			}
			if n := len(s.house.Book.Messages()); n != 41 {
				t.Errorf("%d messages stored, want 41", n)
			}
		})
	}
}

// A long thread comes in pieces: the newest lines, and the older ones on request.
func TestLongThread(t *testing.T) {
	s := open(t)
	c := s.visitor()
	c.say("begin")
	to := s.visitorOf("begin")
	for i := 2; i <= 500; i++ {
		s.reply(to, fmt.Sprint(i), fmt.Sprint("line ", i))
	}
	fresh, w, _ := s.hello(c.token, 0)
	if w.Truncated || w.Seq != 500 || len(w.Messages) != pageLength || w.Messages[0].Seq != 301 {
		t.Errorf("welcome to seq %d with %d messages from %d", w.Seq, len(w.Messages), w.Messages[0].Seq)
	}
	for want := int64(351); want <= 500; want++ {
		if f := fresh.of("message"); f.Seq != want {
			t.Fatalf("got line %d, want %d", f.Seq, want)
		}
	}
	fresh.send(map[string]any{"t": "history", "before": 301})
	h := fresh.of("history")
	if len(h.Messages) != pageLength || h.Messages[0].Seq != 251 || h.Messages[pageLength-1].Seq != 300 {
		t.Errorf("history of %d", len(h.Messages))
	}
	for before, want := range map[int64]int{1: 0, 0: 0, -9: 0, 3: 2, 1 << 62: 0} {
		fresh.send(map[string]any{"t": "history", "before": before})
		if h := fresh.of("history"); len(h.Messages) != want {
			t.Errorf("before %d: %d messages, want %d", before, len(h.Messages), want)
		}
	}
	// The gap is too long to replay: the client is told to start afresh.
	if _, w, _ = s.hello(c.token, 100); !w.Truncated || w.Messages[0].Seq != 301 {
		t.Errorf("after a long gap: truncated %t from %d", w.Truncated, w.Messages[0].Seq)
	}
	// And so when the store was set back to before what the client has seen.
	if _, w, _ = s.hello(c.token, 501); !w.Truncated || w.Messages[0].Seq != 301 {
		t.Errorf("after a restore: truncated %t from %d", w.Truncated, w.Messages[0].Seq)
	}
}

// narrow connects a visitor whose system accepts little before it is read.
func (s *site) narrow(token string) *client {
	s.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{Subprotocol}, NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(64 << 10)
		}
		return conn, err
	}}
	ws, _, err := d.DialContext(s.t.Context(), s.address(), http.Header{"Origin": {s.house.URL}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ws.Close() })
	c := &client{t: s.t, ws: ws}
	c.send(map[string]any{"t": "hello", "token": token})
	c.token = c.of("welcome").Token
	return c
}

// flood writes more to a visitor than the systems between us take unread.
func (s *site) flood(to channels.Address) {
	s.t.Helper()
	text := strings.Repeat("ж", 4000)
	for i := range 1500 {
		s.reply(to, fmt.Sprint("flood-", i), text)
	}
}

// W4: a client that does not read is closed with 4408, and nobody else waits.
func TestSlowClientIsClosedAlone(t *testing.T) {
	s := open(t, func(c *Config) { c.Times.Write = 2 * time.Second })
	slow := s.narrow("")
	slow.say("slow")
	s.flood(s.visitorOf("slow"))
	fast := s.visitor()
	fast.say("fast")
	s.reply(s.visitorOf("fast"), "m1", "not held up")
	fast.until(func(f frame) bool { return f.Text == "not held up" })
	for range queueLength + 20 { // nothing reads the answers to these
		slow.send(map[string]any{"t": "ping"})
	}
	s.eventually(func() bool { return s.door.Stats().Slow == 1 })
	if code := slow.closing(); code != closeSlow {
		t.Errorf("closed with %d, want %d", code, closeSlow)
	}
	fast.say("still there")
	// It comes back and goes on where it was.
	again, w, _ := s.hello(slow.token, 1400)
	if len(w.Messages) != pageLength || w.Messages[0].Seq != 1401 {
		t.Errorf("resumed with %d messages", len(w.Messages))
	}
	again.say("back")
}

// A client that takes no frame in time is cut off.
func TestDeadClientIsCutOff(t *testing.T) {
	s := open(t, func(c *Config) { c.Times.Write = 500 * time.Millisecond })
	dead := s.narrow("")
	dead.say("dead")
	s.flood(s.visitorOf("dead"))
	s.eventually(func() bool { return s.door.Stats().Slow == 1 }) // before anything is read, which would let it live
	dead.closing()
}

// W3: a connection that is silent is noticed, one that answers pings is kept.
func TestHalfOpen(t *testing.T) {
	// Whoever answers has long enough for it on a busy machine, too.
	s := open(t, func(c *Config) { c.Times.Ping, c.Times.Pong = 50*time.Millisecond, 2*time.Second })
	deaf, alive := s.visitor(), s.visitor()
	deaf.ws.SetPingHandler(func(string) error { return nil })
	ended := make(chan int)
	go func() { ended <- deaf.closing() }()
	go func() { _, _ = alive.read() }()
	if code := <-ended; code != websocket.CloseNormalClosure {
		t.Errorf("closed with %d", code)
	}
	s.eventually(func() bool { return s.door.Stats().Connected == 1 }) // the one that answers
}

func TestDefaultsNoticeHalfOpenInTime(t *testing.T) {
	if c := NewConfig(); c.Times.Pong > 45*time.Second || c.Times.Ping >= c.Times.Pong {
		t.Errorf("ping %s, pong %s", c.Times.Ping, c.Times.Pong)
	}
}
