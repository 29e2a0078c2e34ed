// Package sandbox is a Bot API server on the loopback interface, and the phones of
// the customers who use its one bot: the counterpart of the door in tests and in
// the demo. It is strict where the real server is forgiving (a parameter that the
// documentation does not know is refused) and knows no message of ours but what
// the bot sends. It keeps one bot, private chats and what tests put in; it is no
// model of Telegram's clients, and its webhooks may go to plain HTTP.
package sandbox

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options of a Server. The zero value is a bot in memory without rate limits.
type Options struct {
	// Addr is where to listen; "": 127.0.0.1 with a port of the system's choice.
	Addr string
	// Token is the bot's; "" makes "4242:" and a fixed rest.
	Token string
	// BotName is the bot's user name; "": casewire_sandbox_bot.
	BotName string
	// Dir keeps chats, files and waiting updates from one Open to the next; "":
	// memory only. A folder belongs to one Server at a time.
	Dir string
	// Limits refuses what is faster than documented: one message per second and
	// chat, thirty per second in all, twenty per minute and group.
	Limits bool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// What the documentation promises.
const (
	keepUpdates  = 24 * time.Hour
	maxText      = 4096 // UTF-16 units
	maxCaption   = 1024
	maxCallback  = 64 // bytes
	maxUpload    = 50 << 20
	maxPhoto     = 10 << 20
	maxDownload  = 20 << 20
	typingShown  = 5 * time.Second
	defaultToken = "4242:sandbox-token-that-opens-nothing-else"
)

// Server is a running sandbox. Its methods are safe for concurrent use.
type Server struct {
	o     Options
	botID int64
	url   string
	http  *http.Server
	life  context.Context
	end   context.CancelFunc
	wg    sync.WaitGroup

	mu       sync.Mutex
	state    state
	faults   []*Fault
	calls    []Call
	sends    pace
	poller   chan struct{} // closed when another poller comes
	news     chan struct{} // closed and replaced when an update is queued
	kick     chan struct{} // wakes the webhook's delivery
	watchers map[int64][]watcher
	closed   bool
}

// New returns a server that listens nowhere: it is an http.Handler.
func New(ctx context.Context, o Options) (*Server, error) {
	o.Token = cmp.Or(o.Token, defaultToken)
	o.BotName = cmp.Or(o.BotName, "casewire_sandbox_bot")
	if o.Now == nil {
		o.Now = time.Now
	}
	id, _, _ := strings.Cut(o.Token, ":")
	botID, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, errors.New("open sandbox: a token begins with the bot's number and a colon")
	}
	s := &Server{
		o: o, botID: botID, news: make(chan struct{}), kick: make(chan struct{}, 1),
		watchers: map[int64][]watcher{}, state: newState(),
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	s.life, s.end = context.WithCancel(ctx)
	s.wg.Go(s.deliver)
	return s, nil
}

// Open listens and serves until Close is called or ctx is done.
func Open(ctx context.Context, o Options) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	s, err := New(ctx, o)
	if err != nil {
		l.Close()
		return nil, err
	}
	s.url = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = s.http.Serve(l) })
	s.wg.Go(func() { <-s.life.Done(); s.http.Close() })
	return s, nil
}

// URL is the server's address, without a trailing slash.
func (s *Server) URL() string { return s.url }

// Token is the bot's.
func (s *Server) Token() string { return s.o.Token }

// BotName is the bot's user name, as in t.me/NAME.
func (s *Server) BotName() string { return s.o.BotName }

// Close ends the server and waits for it.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save()
}

// fault is an answer that refuses.
type fault struct {
	code       int
	text       string
	retryAfter int
	migrate    int64
}

func bad(format string, args ...any) *fault {
	return &fault{code: http.StatusBadRequest, text: "Bad Request: " + fmt.Sprintf(format, args...)}
}

func forbidden(text string) *fault {
	return &fault{code: http.StatusForbidden, text: "Forbidden: " + text}
}

// ServeHTTP is the Bot API: /bot<token>/<method> and /file/bot<token>/<path>.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutPrefix(r.URL.Path, "/file/bot"); ok {
		s.download(w, r, path)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/bot")
	token, name, _ := strings.Cut(path, "/")
	if !ok || name == "" {
		refuse(w, &fault{code: http.StatusNotFound, text: "Not Found"})
		return
	}
	if !same(token, s.o.Token) {
		refuse(w, &fault{code: http.StatusUnauthorized, text: http.StatusText(http.StatusUnauthorized)})
		return
	}
	m, ok := methods[name]
	if !ok {
		refuse(w, &fault{code: http.StatusNotFound, text: "Not Found"})
		return
	}
	c, f := readCall(r, name, m)
	if f != nil {
		refuse(w, f)
		return
	}
	s.record(c)
	scripted := s.script(name)
	if scripted != nil && !scripted.After {
		s.play(w, scripted)
		return
	}
	result, f := m.run(s, r.Context(), c)
	switch {
	case scripted != nil:
		s.play(w, scripted)
	case f != nil:
		refuse(w, f)
	default:
		answer(w, http.StatusOK, map[string]any{"ok": true, "result": result})
	}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func refuse(w http.ResponseWriter, f *fault) {
	body := map[string]any{"ok": false, "error_code": f.code, "description": f.text}
	parameters := map[string]any{}
	if f.retryAfter > 0 {
		parameters["retry_after"] = f.retryAfter
	}
	if f.migrate != 0 {
		parameters["migrate_to_chat_id"] = f.migrate
	}
	if len(parameters) > 0 {
		body["parameters"] = parameters
	}
	answer(w, f.code, body)
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// download serves the bytes of a file whose path getFile has told.
func (s *Server) download(w http.ResponseWriter, r *http.Request, path string) {
	token, path, _ := strings.Cut(path, "/")
	if !same(token, s.o.Token) {
		refuse(w, &fault{code: http.StatusUnauthorized, text: http.StatusText(http.StatusUnauthorized)})
		return
	}
	if scripted := s.script("download"); scripted != nil {
		s.play(w, scripted)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.state.Files {
		if f.Path == path && f.Size <= maxDownload {
			w.Header().Set("Content-Type", "application/octet-stream")
			data, err := s.bytes(f)
			if err != nil {
				break
			}
			_, _ = w.Write(data)
			return
		}
	}
	refuse(w, &fault{code: http.StatusNotFound, text: "Not Found"})
}

// bytes returns the content of a file. The caller holds mu.
func (s *Server) bytes(f *file) ([]byte, error) {
	if f.data != nil || s.o.Dir == "" {
		return f.data, nil
	}
	return os.ReadFile(s.blob(f.ID))
}
