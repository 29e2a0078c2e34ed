// Package webchat is the door for visitors of a web site: a widget in an iframe
// and the socket it talks to. It recognises visitors by tokens it mints, takes
// their messages to the house and shows them what the house has put into their
// thread. It keeps no conversation of its own and knows nothing of cases, queues
// or operators.
//
// The lines of a thread are the truth and live in the house. Whatever wakes a
// socket is a hint: the socket then reads the lines after the last it has sent,
// so that a lost hint costs time and never a message, and a slow client holds up
// nobody but itself.
package webchat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"casewire/channels"

	"github.com/gorilla/websocket"
)

// Door is an open web chat channel. It is a channels.Channel, Web and Typer, and
// safe for concurrent use.
type Door struct {
	cfg      Config
	env      channels.Env
	name     string // "site" of "webchat:site"
	log      *slog.Logger
	origins  origins
	proxies  proxies
	gate     *gate
	hub      *hub
	hellos   *limiter // by network address
	uploads  paced
	messages paced
	bytes    *limiter // of files, by network address
	pages    *pages
	upgrader websocket.Upgrader
	count    counters
}

var (
	_ channels.Config  = (*Config)(nil)
	_ channels.Channel = (*Door)(nil)
	_ channels.Web     = (*Door)(nil)
	_ channels.Typer   = (*Door)(nil)
)

// limiterRoom is how many visitors or addresses a limiter remembers.
const limiterRoom = 20000

// Open returns the door. It answers requests only while Run is running.
func (c *Config) Open(env channels.Env) (channels.Channel, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	if env.State == nil || env.Files == nil || env.Threads == nil {
		return nil, fmt.Errorf("open %s: memory, files or threads are missing", env.ID)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	budget := int(min(c.Limits.UploadBytes, math.MaxInt))
	d := &Door{
		cfg: *c, env: env, log: env.Log.With("channel", env.ID),
		origins:  newOrigins(env.PublicURL, c.Origins, c.AllowNoOrigin),
		gate:     &gate{channel: env.ID, state: env.State, now: env.Now, lifetime: c.TokenLifetime, secret: []byte(c.IdentitySecret.Value())},
		hub:      newHub(c.Limits),
		hellos:   newLimiter(c.Limits.Hellos, c.Limits.Hellos/2, limiterRoom),
		uploads:  newPaced(c.Limits.Uploads, max(c.Limits.Uploads/2, c.Limits.Files)),
		messages: newPaced(c.Limits.Messages, c.Limits.Messages/3),
		bytes:    newBudget(budget, time.Hour, budget, limiterRoom),
		proxies:  env.Proxies,
	}
	_, d.name, _ = strings.Cut(env.ID, ":")
	d.upgrader = websocket.Upgrader{
		Subprotocols:    []string{Subprotocol},
		CheckOrigin:     d.origins.allow,
		ReadBufferSize:  1 << 10,
		WriteBufferSize: 4 << 10,
	}
	var err error
	if d.pages, err = newPages(d); err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	return d, nil
}

// Run wakes sockets when their threads change, until ctx is done. It then closes
// them with 1012, waits for the message each has in hand, and returns nil within
// a second.
func (d *Door) Run(ctx context.Context, _ channels.Sink) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.hub.start(work)
	for ctx.Err() == nil {
		if err := d.watch(ctx); err != nil {
			d.log.WarnContext(ctx, "threads cannot be watched", "err", err)
		}
		pause(ctx, time.Second)
	}
	d.hub.stop(cancel)
	return nil
}

// watch passes hints on until they end.
func (d *Door) watch(ctx context.Context) error {
	changed, err := d.env.Threads.Watch(ctx, d.env.ID)
	if err != nil {
		return fmt.Errorf("watch threads: %w", err)
	}
	d.hub.wake(nil) // whatever was missed before
	for {
		select {
		case <-ctx.Done():
			return nil
		case who, ok := <-changed:
			if !ok {
				return nil
			}
			d.hub.wake(who)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Send puts m into its visitor's thread, once for each m.ID. Open tabs show it at
// once, a visitor who is gone on the next visit (W7). Errors are *SendError.
func (d *Door) Send(ctx context.Context, m channels.Outbound) (channels.Receipt, error) {
	switch {
	case m.To.Kind != channels.WebChat || !handleShape.MatchString(m.To.Handle):
		return channels.Receipt{}, &channels.SendError{Reason: channels.BadAddress, Code: "no_visitor", Err: errors.New("not a visitor of a web chat")}
	case strings.TrimSpace(m.Body.Text) == "" && len(m.Body.Files) == 0:
		return channels.Receipt{}, &channels.SendError{Reason: channels.BadContent, Code: codeEmpty, Err: errors.New("neither text nor files")}
	}
	line, err := d.env.Threads.Post(ctx, m)
	switch {
	case errors.Is(err, channels.ErrNotFound):
		// The house does not know the message, erased perhaps: nothing to repeat.
		return channels.Receipt{}, &channels.SendError{Reason: channels.BadContent, Code: "no_message", Err: err}
	case err != nil:
		return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: err}
	}
	d.hub.wake([]channels.Address{m.To})
	return channels.Receipt{
		Channel: d.env.ID, OutboundID: m.ID, ProviderID: line.ID, State: channels.Sent, At: d.env.Now(),
	}, nil
}

// Typing shows in the visitor's open tabs that somebody is writing.
func (d *Door) Typing(_ context.Context, to channels.Address) error {
	d.hub.each(to.Handle, func(s *socket) { s.offer(bareFrame{T: "typing"}) })
	return nil
}

// Revoke voids every token of a visitor and closes the visitor's sockets here; on
// other nodes they close within one ping (W1).
func (d *Door) Revoke(ctx context.Context, visitor string) error {
	err := d.gate.order(ctx, visitor, func(o *decree) { o.Revoked = d.env.Now() })
	if err != nil {
		return fmt.Errorf("revoke tokens: %w", err)
	}
	d.hub.each(visitor, func(s *socket) { s.end(closeRevoked) })
	return nil
}

// Rotate has every token of a visitor replaced at its next hello, and makes the
// visitor's sockets here say hello again (W1).
func (d *Door) Rotate(ctx context.Context, visitor string) error {
	err := d.gate.order(ctx, visitor, func(o *decree) { o.Renewed = d.env.Now() })
	if err != nil {
		return fmt.Errorf("rotate tokens: %w", err)
	}
	d.hub.each(visitor, func(s *socket) { s.end(closeRestart) })
	return nil
}

// Prefix is the path below which Handler serves, "/chat/".
func (d *Door) Prefix() string { return d.cfg.Path }

// check stops the process at a named point when a test asks for it.
func (d *Door) check(point string) {
	if d.env.Check != nil {
		d.env.Check(point)
	}
}

// Stats are figures since the door was opened.
type Stats struct {
	Connected   int64 // sockets open now
	Connections int64 // sockets ever opened
	Refused     int64 // connections refused: origin, rate, room
	Messages    int64 // messages acknowledged for the first time
	Repeats     int64 // messages acknowledged again
	Uploads     int64
	BadFrames   int64
	RateLimited int64
	Slow        int64 // sockets closed because they did not read
	StoreErrors int64
}

// Counts returns the Stats that only grow, by name (channels.Counter).
func (d *Door) Counts() map[string]int64 {
	s := d.Stats()
	return map[string]int64{
		"connections": s.Connections, "refused": s.Refused, "messages": s.Messages, "repeats": s.Repeats,
		"uploads": s.Uploads, "bad_frames": s.BadFrames, "rate_limited": s.RateLimited, "slow": s.Slow,
		"store_errors": s.StoreErrors,
	}
}

type counters struct {
	connected, connections, refused, messages, repeats, uploads, badFrames, rateLimited, slow, storeErrors atomic.Int64
}

// Stats returns the figures.
func (d *Door) Stats() Stats {
	c := &d.count
	return Stats{
		Connected: c.connected.Load(), Connections: c.connections.Load(), Refused: c.refused.Load(),
		Messages: c.messages.Load(), Repeats: c.repeats.Load(), Uploads: c.uploads.Load(),
		BadFrames: c.badFrames.Load(), RateLimited: c.rateLimited.Load(), Slow: c.slow.Load(),
		StoreErrors: c.storeErrors.Load(),
	}
}

// Handler serves the sample page, the widget, its socket and its files. Messages
// go to in.
func (d *Door) Handler(in channels.Sink) http.Handler {
	mux, p := http.NewServeMux(), d.cfg.Path
	mux.Handle(strings.TrimSuffix(p, "/"), http.RedirectHandler(p, http.StatusMovedPermanently))
	mux.HandleFunc("GET "+p+"{$}", d.pages.sample)
	mux.HandleFunc("GET "+p+"frame", d.pages.frame)
	mux.HandleFunc("GET "+p+"widget.js", d.pages.widget)
	mux.HandleFunc("GET "+p+"theme.css", d.pages.theme)
	mux.HandleFunc("GET "+p+"assets/{version}/{name}", d.pages.asset)
	mux.HandleFunc("GET "+p+"ws", func(w http.ResponseWriter, r *http.Request) { d.connect(w, r, in) })
	mux.HandleFunc("POST "+p+"files", d.upload)
	mux.HandleFunc("GET "+p+"files/{line}/{n}", d.download)
	return mux
}
