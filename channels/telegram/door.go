// Package telegram is the door for customers who write to a Telegram bot. It asks
// the Bot API for their messages, or has them brought to a webhook, gives them to
// the house and confirms them to Telegram only when the house has them; it sends
// the house's messages as fast as Telegram allows and no faster. It knows nothing
// of cases, of bots' menus or of who a customer is: what a deep link, a button or
// a contact proves is for the house to judge.
package telegram

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"casewire/channels"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

// chatsAtOnce is how many chats are worked on side by side.
const chatsAtOnce = 32

// idleConn is how long a connection is kept for the next request.
const idleConn = 20 * time.Second

// Door is an open Telegram channel. It is safe for concurrent use; Run is called
// once at a time.
type Door struct {
	cfg    Config
	env    channels.Env
	name   string // "main" of "telegram:main"
	names  names
	log    *slog.Logger
	api    *api
	pace   *limiter
	lanes  *lanes
	albums *albums
	health *health
	waits  waits
	secret string // of the webhook
	count  counters
	seen   time.Time // when it was last kept that Telegram was asked; the poller's

	botName atomic.Pointer[string] // as in t.me/NAME; nil until Telegram has told it

	keyMu   sync.Mutex
	signKey []byte

	runMu  sync.Mutex
	active context.Context // what the webhook works under; nil while Run is not running

	typeMu sync.Mutex
	typed  map[place]time.Time
}

var (
	_ channels.Config   = (*Config)(nil)
	_ channels.Channel  = (*Door)(nil)
	_ channels.Web      = (*Door)(nil)
	_ channels.Typer    = (*Door)(nil)
	_ channels.Prober   = (*Door)(nil)
	_ channels.Healthy  = (*Door)(nil)
	_ channels.Examiner = (*Door)(nil)
	_ channels.Counter  = (*Door)(nil)
	_ channels.Linker   = (*Door)(nil)
)

// Open returns the door. It speaks to nobody before Run, Send, Probe or Examine.
func (c *Config) Open(env channels.Env) (channels.Channel, error) {
	rt := http.DefaultTransport
	if t, ok := rt.(*http.Transport); ok {
		t = t.Clone()
		t.MaxIdleConnsPerHost = chatsAtOnce
		// Shorter than the server's: a request on a connection that is just being
		// closed looks as if it may have been carried out.
		t.IdleConnTimeout = idleConn
		rt = t
	}
	return c.open(env, rt)
}

func (c *Config) open(env channels.Env, rt http.RoundTripper) (*Door, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	if env.State == nil || env.Files == nil {
		return nil, fmt.Errorf("open %s: memory or files are missing", env.ID)
	}
	if c.Mode == modeWebhook && env.PublicURL == "" {
		return nil, fmt.Errorf("open %s: a webhook needs a public URL", env.ID)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	token := c.Token.Value()
	speaker, err := newAPI(c.Server, token, rt)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	number, _, _ := strings.Cut(token, ":")
	d := &Door{
		cfg: *c, env: env, names: names(number), log: env.Log.With("channel", env.ID), api: speaker,
		pace: newLimiter(c.Limits), lanes: newLanes(chatsAtOnce), health: newHealth(env.Now), waits: usualWaits(),
		typed: map[place]time.Time{},
	}
	d.albums = &albums{d: d, quiet: c.Times.Album}
	_, d.name, _ = strings.Cut(env.ID, ":")
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte("webhook of " + env.ID))
	d.secret = hex.EncodeToString(h.Sum(nil))
	return d, nil
}

// Run takes messages in until ctx is done, and then returns nil within a second:
// what is in hand is stored, or left with Telegram.
func (d *Door) Run(ctx context.Context, in channels.Sink) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.lanes.start()
	d.begin(ctx, work, in)
	d.admitHooks(work)
	if d.cfg.Mode == modeWebhook {
		d.keepHook(ctx)
	} else {
		d.poll(ctx, work, in)
	}
	d.refuseHooks()
	d.albums.stop()
	late := time.AfterFunc(d.waits.grace, cancel)
	defer late.Stop()
	d.lanes.stop()
	d.api.close()
	return nil
}

// begin takes up the albums of the last Run, as soon as the memory is there.
func (d *Door) begin(ctx, work context.Context, in channels.Sink) {
	for wait := d.waits.store; ctx.Err() == nil; wait = min(2*wait, d.waits.storeMost) {
		err := d.albums.start(work, in)
		if err == nil {
			return
		}
		d.storeFailed(ctx, err)
		_ = pause(ctx, wait)
	}
}

func (d *Door) admitHooks(work context.Context) {
	d.runMu.Lock()
	defer d.runMu.Unlock()
	d.active = work
}

func (d *Door) refuseHooks() {
	d.runMu.Lock()
	defer d.runMu.Unlock()
	d.active = nil
}

func (d *Door) working() context.Context {
	d.runMu.Lock()
	defer d.runMu.Unlock()
	return d.active
}

// Prefix is the path below which Handler serves, "/hooks/telegram/main/".
func (d *Door) Prefix() string { return "/hooks/telegram/" + d.name + "/" }

// check stops the process at a named point when a test asks for it.
func (d *Door) check(point string) {
	if d.env.Check != nil {
		d.env.Check(point)
	}
}

// typingEvery is how long Telegram shows that somebody is writing.
const typingEvery = 4 * time.Second

// Typing shows the customer that somebody is writing, for about five seconds.
func (d *Door) Typing(ctx context.Context, to channels.Address) error {
	at, ok := parsePlace(to.Handle)
	if to.Kind != channels.Telegram || !ok {
		return errors.New("not an address of Telegram")
	}
	if !d.mayType(at) || d.pace.paused() > 0 {
		return nil
	}
	chat, err := d.where(ctx, at)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Times.Call)
	defer cancel()
	_, err = d.api.SendChatAction(ctx, &bot.SendChatActionParams{ChatID: chat, MessageThreadID: at.thread, Action: models.ChatActionTyping})
	if err != nil {
		r := asRefusal(err)
		d.throttled(r)
		return r
	}
	return nil
}

// mayType keeps every keystroke from becoming a request.
func (d *Door) mayType(at place) bool {
	d.typeMu.Lock()
	defer d.typeMu.Unlock()
	now := d.env.Now()
	if t, ok := d.typed[at]; ok && now.Sub(t) < typingEvery {
		return false
	}
	for p, t := range d.typed {
		if now.Sub(t) >= typingEvery {
			delete(d.typed, p)
		}
	}
	d.typed[at] = now
	return true
}

type counters struct {
	updates, messages, edits, albums, presses, forged, standings, ignored, files, fileErrors   atomic.Int64
	sent, parts, plain, throttled, refused, uncertain, conflicts, storeErrors, hooks, badHooks atomic.Int64
	answers, unanswered                                                                        atomic.Int64
}

// Counts returns what the door has done since it was opened, by name.
func (d *Door) Counts() map[string]int64 {
	c, out := &d.count, map[string]int64{}
	for name, n := range map[string]*atomic.Int64{
		"updates": &c.updates, "messages": &c.messages, "edits": &c.edits, "albums": &c.albums, "presses": &c.presses,
		"forged_presses": &c.forged, "standings": &c.standings, "ignored": &c.ignored, "files": &c.files,
		"file_errors": &c.fileErrors, "sent": &c.sent, "parts": &c.parts, "plain": &c.plain, "throttled": &c.throttled,
		"refused": &c.refused, "uncertain": &c.uncertain, "conflicts": &c.conflicts, "store_errors": &c.storeErrors,
		"hooks": &c.hooks, "bad_hooks": &c.badHooks, "answers": &c.answers, "unanswered": &c.unanswered,
	} {
		out[name] = n.Load()
	}
	return out
}

// Solo says that only one node may ask for updates at a time (T1). Webhooks come
// to any.
func (d *Door) Solo() bool { return d.cfg.Mode == modePolling }
