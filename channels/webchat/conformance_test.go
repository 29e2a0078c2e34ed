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

func TestConformance(t *testing.T) {
	channeltest.Run(t, channelID, func(t *testing.T, h *channeltest.House) channeltest.World {
		w := &world{house: h, changed: make(chan struct{}), kick: make(chan struct{}, 1), acked: map[string]bool{}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		return w
	})
}

// world is a visitor with a client that does what the widget does: it keeps its
// messages until they are acknowledged and connects again for ever.
type world struct {
	house *channeltest.House

	mu      sync.Mutex
	out     []map[string]any
	acked   map[string]bool
	got     []string
	token   string
	seq     int64
	changed chan struct{}
	kick    chan struct{}
}

func (w *world) Open(env channels.Env) (channels.Channel, error) {
	c := NewConfig()
	c.Limits.Messages, c.Limits.Hellos = 6000, 60000
	return c.Open(env)
}

func (w *world) Say(text string) string {
	id := uuid.NewString()
	w.queue(id, text)
	return id
}

func (w *world) queue(id, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = append(w.out, map[string]any{"t": "send", "id": id, "text": text})
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

func (w *world) Again(id string) { w.queue(id, "a repeat whose text must not count") }

func (w *world) Taken(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked[id]
}

func (w *world) Await(ctx context.Context, id string) error {
	return w.wait(ctx, func() bool { return w.acked[id] })
}

func (w *world) Received(ctx context.Context, text string, n int) error {
	return w.wait(ctx, func() bool { return strings.Count(strings.Join(w.got, "\n"), text) >= n })
}

func (w *world) wait(ctx context.Context, ok func() bool) error {
	for {
		w.mu.Lock()
		yes, changed := ok(), w.changed
		w.mu.Unlock()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (w *world) Refusals() []channeltest.Refusal {
	book := w.house.Book
	return []channeltest.Refusal{
		{
			Name: "store away", Reason: channels.Unreachable, Retry: true,
			Arm: func() {
				book.Fail = func(op string) error {
					if op == "post" {
						return channeltest.ErrStore
					}
					return nil
				}
			},
			Disarm: func() { book.Fail = nil },
		},
		{Name: "no visitor", Reason: channels.BadAddress, Change: func(m *channels.Outbound) { m.To.Handle = "nobody" }},
		{Name: "another kind", Reason: channels.BadAddress, Change: func(m *channels.Outbound) { m.To.Kind = channels.SMS }},
		{Name: "nothing to say", Reason: channels.BadContent, Change: func(m *channels.Outbound) { m.Body = channels.Body{Text: " \n"} }},
	}
}

func (w *world) Secrets() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []string{w.token}
}

// run connects until the test ends.
func (w *world) run(ctx context.Context) {
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for ctx.Err() == nil {
		d := websocket.Dialer{Subprotocols: []string{Subprotocol}}
		ws, _, err := d.DialContext(ctx, "ws"+strings.TrimPrefix(w.house.URL, "http")+"/chat/ws", http.Header{"Origin": {w.house.URL}})
		if err == nil {
			w.talk(ctx, ws, retry.C)
			ws.Close()
		}
		select {
		case <-ctx.Done():
		case <-retry.C:
		}
	}
}

// talk says hello and sends what is waiting, again and again, until the
// connection ends.
func (w *world) talk(ctx context.Context, ws *websocket.Conn, retry <-chan time.Time) {
	w.mu.Lock()
	hello := map[string]any{"t": "hello", "token": w.token, "last_seq": w.seq, "language": "en"}
	w.mu.Unlock()
	if ws.WriteJSON(hello) != nil {
		return
	}
	ended := make(chan struct{})
	welcomed := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var f frame
			if ws.ReadJSON(&f) != nil {
				return
			}
			if f.T == "welcome" {
				close(welcomed)
			}
			w.heard(f)
		}
	}()
	defer func() { ws.Close(); <-ended }()
	select {
	case <-ctx.Done():
		return
	case <-ended:
		return
	case <-welcomed:
	}
	for {
		w.mu.Lock()
		out := append([]map[string]any{}, w.out...)
		w.mu.Unlock()
		for _, m := range out {
			if ws.WriteJSON(m) != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-w.kick:
		case <-retry:
		}
	}
}

func (w *world) heard(f frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range append(f.Messages, f) {
		if (m.T == "message" || m.T == "status") && m.Text != "" && m.Seq > w.seq {
			w.seq = m.Seq
			if m.From != fromVisitor {
				w.got = append(w.got, m.Text)
			}
		}
	}
	switch f.T {
	case "welcome":
		w.token = f.Token
	case "ack":
		w.acked[f.ID] = true
		w.out = deleteByID(w.out, f.ID)
	default:
		if f.T != "message" && f.T != "status" {
			return
		}
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

func deleteByID(out []map[string]any, id string) []map[string]any {
	var kept []map[string]any
	for _, m := range out {
		if m["id"] != id {
			kept = append(kept, m)
		}
	}
	return kept
}
