// Package live is the websocket face of the desk: an operator's browser says
// hello, sees the cards of its queues come and go, and claims. It authenticates
// through what it is given and knows neither passwords nor sessions; what may be
// done is the desk's business.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

// Protocol is the subprotocol that a client must ask for.
const Protocol = "casewire.live.v1"

// Close codes besides those of RFC 6455.
const (
	CloseSignedOut = 4401 // sign in again
	CloseRights    = 4403 // roles or queues have changed: come back at once
	CloseSlow      = 4408 // come back and resume
)

// ErrNotSignedIn is what Enter and Again answer, wrapped, for who is not, or no
// longer, signed in. Any other error means that it cannot be told at the moment.
var ErrNotSignedIn = errors.New("not signed in")

// Pass is who has entered.
type Pass struct {
	Actor  casecore.Actor
	Bearer bool // by a token in a header, which browsers do not send by themselves
	// Again returns the actor as they are by now, or ErrNotSignedIn. It must not
	// count as activity. It is called from several goroutines.
	Again func(ctx context.Context) (casecore.Actor, error)
}

// Options of a Server; zero values are right for most.
type Options struct {
	// Enter authenticates a request before anything else is done with it. It is
	// required.
	Enter func(r *http.Request) (Pass, error)
	// Origins lists the origins whose pages may connect, "https://desk.example".
	Origins func() []string
	// Store and Accounts say where sign-ins and roles are kept: at each change
	// every open socket's pass is asked again.
	Store    store.Store
	Accounts []*store.Coll
	Log      *slog.Logger

	Recheck time.Duration // how often passes are asked without a change; 0: 15 s
	Ping    time.Duration // between pings; 0: 15 s
	Pong    time.Duration // of silence until a socket is given up; 0: 40 s
	Write   time.Duration // a write may take; 0: 10 s
	Sockets int           // open at the same time; 0: 5000
	Each    int           // of these of one operator; 0: 40
}

// Server is the handler of GET /api/v1/live. It is safe for concurrent use.
type Server struct {
	board    *desk.Board
	work     *desk.Work
	o        Options
	upgrader websocket.Upgrader

	mu     sync.Mutex
	conns  map[*conn]struct{}
	each   map[string]int // sockets by actor
	closed bool
	open   sync.WaitGroup
	bad    atomic.Uint64
	total  atomic.Uint64
}

// New returns a server of the board. Run must run while it serves.
func New(board *desk.Board, work *desk.Work, o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Origins == nil {
		o.Origins = func() []string { return nil }
	}
	for _, d := range []struct {
		v        *time.Duration
		fallback time.Duration
	}{{&o.Recheck, 15 * time.Second}, {&o.Ping, 15 * time.Second}, {&o.Pong, 40 * time.Second}, {&o.Write, 10 * time.Second}} {
		if *d.v <= 0 {
			*d.v = d.fallback
		}
	}
	if o.Sockets <= 0 {
		o.Sockets = 5000
	}
	if o.Each <= 0 {
		o.Each = 40
	}
	return &Server{
		board: board, work: work, o: o, conns: map[*conn]struct{}{}, each: map[string]int{},
		upgrader: websocket.Upgrader{
			Subprotocols: []string{Protocol}, HandshakeTimeout: o.Write,
			ReadBufferSize: 1024, WriteBufferSize: 4096, WriteBufferPool: &sync.Pool{},
			CheckOrigin: func(*http.Request) bool { return true }, // ServeHTTP has done it
			Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
				problem(w, status, "bad_handshake", reason.Error())
			},
		},
	}
}

// ServeHTTP authenticates, checks the origin, upgrades, and serves the socket
// until it ends. Refusals are application/problem+json.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pass, err := s.o.Enter(r)
	switch {
	case errors.Is(err, ErrNotSignedIn):
		problem(w, http.StatusUnauthorized, "not_signed_in", "sign in first, or send a valid token")
		return
	case err != nil:
		s.o.Log.Error("live: cannot tell who is asking", "err", err)
		problem(w, http.StatusServiceUnavailable, string(CodeUnavailable), "try again in a moment")
		return
	case !originAllowed(r, s.o.Origins(), pass.Bearer):
		problem(w, http.StatusForbidden, "origin", "pages of this origin may not connect; add it to the allowed origins")
		return
	case !websocket.IsWebSocketUpgrade(r):
		w.Header().Set("Upgrade", "websocket")
		problem(w, http.StatusUpgradeRequired, "upgrade_required", "this address speaks websocket only")
		return
	case !slices.Contains(websocket.Subprotocols(r), Protocol):
		problem(w, http.StatusBadRequest, "subprotocol", "ask for the subprotocol "+Protocol)
		return
	}
	c := newConn(s, pass, lang.Match(r.Header.Get("Accept-Language")))
	if status, code, detail := s.enter(c); status != 0 {
		problem(w, status, code, detail)
		return
	}
	defer s.leave(c)
	cw := &corkable{ResponseWriter: w}
	ws, err := s.upgrader.Upgrade(cw, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	s.total.Add(1)
	// The socket ends by its own close, not with the request that began it.
	c.serve(context.WithoutCancel(r.Context()), ws, cw.conn)
}

// enter registers a socket, or says why there cannot be one more.
func (s *Server) enter(c *conn) (status int, code, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := c.pass.Actor.ID
	switch {
	case s.closed:
		return http.StatusServiceUnavailable, "stopping", "the server is stopping; come back in a moment"
	case len(s.conns) >= s.o.Sockets:
		return http.StatusServiceUnavailable, "too_many_sockets", "too many sockets are open"
	case s.each[id] >= s.o.Each:
		return http.StatusTooManyRequests, "too_many_sockets", "you have too many sockets open; close some pages"
	}
	s.conns[c] = struct{}{}
	s.each[id]++
	s.open.Add(1)
	return 0, "", ""
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.each[c.pass.Actor.ID]--; s.each[c.pass.Actor.ID] == 0 {
		delete(s.each, c.pass.Actor.ID)
	}
	s.open.Done()
}

func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
}

// recheckPause is the least time between two rounds of asking all passes.
const recheckPause = 200 * time.Millisecond

// Run closes the sockets of those who are signed out or whose rights change, and
// when ctx is done all of them with 1012, and returns when every socket is gone.
func (s *Server) Run(ctx context.Context) error {
	defer s.stop()
	changes := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, coll := range s.o.Accounts {
		hints, err := s.o.Store.Watch(watching, coll)
		if err != nil {
			return err
		}
		wg.Go(func() {
			for range hints {
				select {
				case changes <- struct{}{}:
				default:
				}
			}
		})
	}
	tick := time.NewTicker(s.o.Recheck)
	defer tick.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-changes:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		for _, c := range s.all() {
			if _, err := c.again(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotSignedIn) {
				s.o.Log.Error("live: cannot ask a pass again", "err", err)
				break
			}
		}
		pause.Reset(recheckPause)
	}
}

// stop closes all sockets and waits for them.
func (s *Server) stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, c := range s.all() {
		c.shut(websocket.CloseServiceRestart, "the server is stopping; come back")
	}
	s.open.Wait()
}

// Stats are figures of a Server since it was made.
type Stats struct {
	Open  int    // sockets now
	Total uint64 // sockets ever
	Bad   uint64 // client frames that could not be acted upon
}

// Stats returns the figures as they are now.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Open: len(s.conns), Total: s.total.Load(), Bad: s.bad.Load()}
}

// problem answers as RFC 9457 has it.
func problem(w http.ResponseWriter, status int, code, detail string) {
	body, err := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, code, detail})
	if err != nil {
		http.Error(w, code, status)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
