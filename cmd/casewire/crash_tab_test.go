package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// tab is one connection of a visitor.
type tab struct {
	ws   *websocket.Conn
	mu   sync.Mutex // of writing
	over chan struct{}
	code int // with which the server closed it; valid when over
}

func (t *tab) send(v any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ws.WriteJSON(v); err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	return nil
}

// dialChat connects, and comes again later when it is asked to.
func dialChat(ctx context.Context, url string) (*websocket.Conn, error) {
	dial := websocket.Dialer{Subprotocols: []string{"casewire.chat.v1"}, HandshakeTimeout: patience}
	for {
		ws, res, err := dial.DialContext(ctx, "ws"+strings.TrimPrefix(url, "http")+"/chat/ws", http.Header{"Origin": {url}})
		if err == nil {
			return ws, nil
		}
		if res == nil {
			return nil, fmt.Errorf("%w: %w", errCut, err)
		}
		_ = res.Body.Close()
		after, bad := strconv.Atoi(res.Header.Get("Retry-After"))
		if res.StatusCode != http.StatusServiceUnavailable || bad != nil {
			return nil, fmt.Errorf("chat answers %s", res.Status)
		}
		select {
		case <-time.After(time.Duration(after) * time.Second):
		case <-ctx.Done():
			return nil, fmt.Errorf("chat answers %s: %w", res.Status, ctx.Err())
		}
	}
}

// frame is any frame of the server.
type frame struct {
	T        string `json:"t"`
	Token    string `json:"token"`
	Messages []line `json:"messages"`
	Code     string `json:"code"`
	line
}

func (v *visitor) read(t *tab, welcome chan struct{}) {
	defer close(t.over)
	for {
		_, data, err := t.ws.ReadMessage()
		if err != nil {
			t.code = -1
			if c, ok := errors.AsType[*websocket.CloseError](err); ok {
				t.code = c.Code
			}
			return
		}
		v.tick()
		var f frame
		if err := json.Unmarshal(data, &f); err != nil {
			v.fault("reads a frame that is not JSON: %v", err)
			continue
		}
		v.take(f, welcome)
	}
}

func (v *visitor) take(f frame, welcome chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch f.T {
	case "welcome":
		if v.token != "" && f.Token != v.token {
			v.faultLocked("gets another token than the one it keeps")
		}
		v.token = f.Token
		for _, l := range f.Messages {
			v.show(l)
		}
		close(welcome)
	case "message":
		v.show(f.line)
	case "status":
		if f.Text != "" { // without a text it is only where the case stands
			v.show(f.line)
		}
	case "ack":
		a := ack{f.Seq, f.Case}
		if was, twice := v.acks[f.ID]; twice && was != a {
			v.faultLocked("message %s is acknowledged as %v and then as %v", f.ID, was, a)
		}
		v.acks[f.ID] = a
	case "pong":
		v.pongs++
	case "error":
		if v.patient && f.Code == "try_again" {
			_ = v.tab.ws.Close() // its reader notices
			return
		}
		v.faultLocked("is refused: %s %s", f.Code, f.ID)
	}
	close(v.changed)
	v.changed = make(chan struct{})
}
