package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"time"
)

// usual are the kinds of updates handed out when the bot did not say.
var usual = []string{"message", "edited_message", "callback_query", "my_chat_member"}

// push queues an update. The caller holds mu.
func (s *Server) push(kind string, chatID int64, message int, body any) int64 {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0
	}
	id := s.state.NextUpdate
	s.state.NextUpdate++
	allowed := s.state.Allowed
	if len(allowed) == 0 {
		allowed = usual
	}
	if !slices.Contains(allowed, kind) {
		return id
	}
	s.state.Queue = append(s.state.Queue, update{ID: id, At: s.o.Now(), Chat: chatID, Message: message, Kind: kind, Body: raw})
	close(s.news)
	s.news = make(chan struct{})
	s.wake()
	return id
}

func (s *Server) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (u update) json() map[string]any {
	return map[string]any{"update_id": u.ID, u.Kind: u.Body}
}

// expire forgets what nobody fetched in a day. The caller holds mu.
func (s *Server) expire() {
	old := s.o.Now().Add(-keepUpdates)
	n := sort.Search(len(s.state.Queue), func(i int) bool { return s.state.Queue[i].At.After(old) })
	s.state.Queue = s.state.Queue[n:]
}

func (s *Server) getUpdates(ctx context.Context, c *Call) (any, *fault) {
	var allowed []string
	if a := c.Fields["allowed_updates"]; a != "" && json.Unmarshal([]byte(a), &allowed) != nil {
		return nil, bad("can't parse allowed updates list")
	}
	limit := int(c.number("limit"))
	if limit <= 0 || limit > 100 {
		limit = 100
	}
	me := make(chan struct{})
	s.mu.Lock()
	if s.state.Hook.URL != "" {
		s.mu.Unlock()
		return nil, &fault{code: http.StatusConflict, text: "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"}
	}
	if s.poller != nil {
		close(s.poller)
	}
	s.poller = me
	if allowed != nil {
		s.state.Allowed = allowed
	}
	s.confirm(c.number("offset"))
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.poller == me {
			s.poller = nil
		}
	}()
	late := time.NewTimer(time.Duration(min(c.number("timeout"), 50)) * time.Second)
	defer late.Stop()
	for over := false; ; {
		s.mu.Lock()
		out := make([]map[string]any, 0, min(limit, len(s.state.Queue)))
		for _, u := range s.state.Queue[:min(limit, len(s.state.Queue))] {
			out = append(out, u.json())
		}
		news := s.news
		s.mu.Unlock()
		if len(out) > 0 || over {
			return out, nil
		}
		select {
		case <-news:
		case <-me:
			return nil, &fault{code: http.StatusConflict, text: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"}
		case <-late.C:
			over = true
		case <-ctx.Done():
			return out, nil
		case <-s.life.Done():
			return nil, &fault{code: http.StatusBadGateway, text: "Bad Gateway"}
		}
	}
}

// confirm forgets what comes before offset; a negative one leaves so many of the
// newest. The caller holds mu.
func (s *Server) confirm(offset int64) {
	s.expire()
	q, n := s.state.Queue, 0
	switch {
	case offset > 0:
		n = sort.Search(len(q), func(i int) bool { return q[i].ID >= offset })
	case offset < 0:
		n = max(0, len(q)+int(offset))
	}
	if n > 0 {
		s.state.Queue = q[n:]
		s.changed(0)
	}
}

var secretShape = regexp.MustCompile(`^[A-Za-z0-9_-]{0,256}$`)

func (s *Server) setWebhook(_ context.Context, c *Call) (any, *fault) {
	if c.Method == "deleteWebhook" {
		c.Fields["url"] = ""
	}
	if to := c.Fields["url"]; to != "" {
		if u, err := url.Parse(to); err != nil || u.Host == "" {
			return nil, bad("bad webhook: invalid webhook URL specified")
		}
	}
	if !secretShape.MatchString(c.Fields["secret_token"]) {
		return nil, bad("secret token contains unallowed characters")
	}
	var allowed []string
	if a := c.Fields["allowed_updates"]; a != "" && json.Unmarshal([]byte(a), &allowed) != nil {
		return nil, bad("can't parse allowed updates list")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Hook = hook{URL: c.Fields["url"], Secret: c.Fields["secret_token"], Max: int(c.number("max_connections"))}
	if allowed != nil {
		s.state.Allowed = allowed
	}
	if c.Fields["drop_pending_updates"] == "true" {
		s.state.Queue = nil
	}
	if s.poller != nil && s.state.Hook.URL != "" {
		close(s.poller)
		s.poller = nil
	}
	s.changed(0)
	s.wake()
	return true, nil
}

func (s *Server) getWebhookInfo(_ context.Context, _ *Call) (any, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	h := s.state.Hook
	out := map[string]any{"url": h.URL, "has_custom_certificate": false, "pending_update_count": len(s.state.Queue)}
	if h.Error != "" {
		out["last_error_date"], out["last_error_message"] = h.ErrorAt, h.Error
	}
	if h.URL != "" {
		out["max_connections"] = max(h.Max, 40)
	}
	if s.state.Allowed != nil {
		out["allowed_updates"] = s.state.Allowed
	}
	return out, nil
}

// deliver brings updates to the webhook, in order, each until it is taken.
func (s *Server) deliver() {
	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	const first, most = 50 * time.Millisecond, 2 * time.Second
	wait := first
	for {
		s.mu.Lock()
		s.expire()
		to := s.state.Hook
		var next *update
		if to.URL != "" && len(s.state.Queue) > 0 {
			u := s.state.Queue[0]
			next = &u
		}
		s.mu.Unlock()
		if next == nil {
			wait = first
			select {
			case <-s.life.Done():
				return
			case <-s.kick:
				continue
			}
		}
		if s.bring(client, to, *next) {
			wait = first
			continue
		}
		t := time.NewTimer(wait)
		wait = min(2*wait, most)
		select {
		case <-s.life.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// bring says whether the webhook took the update.
func (s *Server) bring(client *http.Client, to hook, u update) bool {
	b, err := json.Marshal(u.json())
	if err != nil {
		return false
	}
	r, err := http.NewRequestWithContext(s.life, http.MethodPost, to.URL, bytes.NewReader(b))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	if to.Secret != "" {
		r.Header.Set("X-Telegram-Bot-Api-Secret-Token", to.Secret)
	}
	problem := ""
	if resp, err := client.Do(r); err != nil {
		problem = "Connection refused"
	} else {
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			problem = "Wrong response from the webhook: " + strconv.Itoa(resp.StatusCode)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Hook.URL != to.URL {
		return false
	}
	if problem != "" {
		s.state.Hook.Error, s.state.Hook.ErrorAt = problem, s.o.Now().Unix()
		return false
	}
	if len(s.state.Queue) > 0 && s.state.Queue[0].ID == u.ID {
		s.state.Queue = s.state.Queue[1:]
		s.changed(0)
	}
	return true
}
