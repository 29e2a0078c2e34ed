// Package sms is the door for text messages, through Twilio: signed webhooks come
// in, messages go out over its REST, and what the provider says of them comes
// back. It finds by itself the messages whose webhook never arrived, fetches
// pictures, and obeys STOP. It keeps no conversation and knows nothing of cases,
// queues or operators.
//
// A message with pictures is handed over at once, without them: the provider
// waits for the answer. What is to be fetched is written down first, and comes as
// a second message, SID + "/media", which answers the first.
//
// Files and buttons are not sent: a message with files is refused as BadContent,
// of one with buttons the text is sent.
//
// Calls are Twilio's, too: one that we ask for goes from the operator's phone to the
// customer's (Door.Call); one that comes in is handed over as a message, and rings
// at the numbers that the configuration names. No sound passes through us.
package sms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"casewire/channels"
	"casewire/channels/sms/segment"
)

// Door is an open SMS channel. It is a channels.Channel, Web, MoreWeb, Caller,
// Prober, Examiner, Healthy and Counter, and safe for concurrent use.
type Door struct {
	cfg    Config
	env    channels.Env
	log    *slog.Logger
	path   string // "/hooks/sms/shop"
	voice  string // "/hooks/voice/shop"
	own    []string
	seals  seals
	api    *api
	guard  *guard
	life   life
	media  queue
	seen   seen
	nudge  chan struct{} // messages may have been missed
	claims claims
	state  condition
	sink   atomic.Pointer[channels.Sink] // while Run is running
	count  counters
	quiet  quiet
	pace   channels.Pace
}

var (
	_ channels.Config   = (*Config)(nil)
	_ channels.Channel  = (*Door)(nil)
	_ channels.Web      = (*Door)(nil)
	_ channels.MoreWeb  = (*Door)(nil)
	_ channels.Caller   = (*Door)(nil)
	_ channels.Prober   = (*Door)(nil)
	_ channels.Examiner = (*Door)(nil)
	_ channels.Healthy  = (*Door)(nil)
	_ channels.Counter  = (*Door)(nil)
)

// Open returns the door. It takes webhooks only while Run is running.
func (c *Config) Open(env channels.Env) (channels.Channel, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	if env.State == nil || env.Files == nil || env.Ours == nil || env.PublicURL == "" {
		return nil, fmt.Errorf("open %s: memory, files, what was sent or the public URL are missing", env.ID)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	_, name, _ := strings.Cut(env.ID, ":")
	standIn, err := c.server()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	g := newGuard(standIn)
	d := &Door{
		cfg: *c, env: env, log: env.Log.With("channel", env.ID), path: "/hooks/sms/" + name, voice: "/hooks/voice/" + name, own: c.own(), guard: g,
		api:   &api{account: c.AccountSID, tokens: tokens(c), transport: g, patience: c.Limits.Call},
		nudge: make(chan struct{}, 1), quiet: quiet{now: env.Now}, pace: channels.NewPace(c.Limits.PerSecond, time.Second),
	}
	d.media = queue{state: env.State, wake: make(chan struct{}, 1)}
	d.state = condition{now: env.Now, since: env.Now()}
	if d.seals, err = newSeals(env.PublicURL, tokens(c)...); err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	return d, nil
}

func tokens(c *Config) []string {
	return slices.DeleteFunc([]string{c.AuthToken.Value(), c.AuthTokenNext.Value()}, func(s string) bool { return s == "" })
}

// Prefix is the path below which Handler serves, "/hooks/sms/shop/".
func (d *Door) Prefix() string { return d.path + "/" }

// Prefixes are where calls are announced, "/hooks/voice/shop/" (channels.MoreWeb).
func (d *Door) Prefixes() []string { return []string{d.voice + "/"} }

// VoiceURL is what Twilio has to be told to announce calls to.
func (d *Door) VoiceURL() string { return d.env.PublicURL + d.voice }

// WebhookURL is what Twilio has to be told to post messages to.
func (d *Door) WebhookURL() string { return d.env.PublicURL + d.path }

// Run takes webhooks, fetches pictures and looks for what was missed, until ctx is
// done. It then lets the webhooks in hand finish for a moment, and returns nil
// within a second.
func (d *Door) Run(ctx context.Context, in channels.Sink) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.sink.Store(&in)
	defer d.sink.Store(nil)
	d.life.start(work)
	d.check("sms.running")
	var wg sync.WaitGroup
	wg.Go(func() { d.fetchMedia(ctx, in) })
	wg.Go(func() { d.reconcile(ctx, in) })
	<-ctx.Done()
	d.life.stop(cancel)
	wg.Wait()
	d.guard.next.CloseIdleConnections()
	return nil
}

// check stops the process at a named point when a test asks for it.
func (d *Door) check(point string) {
	if d.env.Check != nil {
		d.env.Check(point)
	}
}

// Preview says what sending a text through this channel takes, as it would be
// written: the words to count are the ones that are sent (S7).
func (d *Door) Preview(text, lang string) (sent string, info segment.Info) {
	sent = d.cfg.write(text, lang)
	return sent, segment.Count(sent)
}

// Measure says what sending a text takes (channels.Measurer).
func (d *Door) Measure(text, lang string) channels.Measure {
	sent, info := d.Preview(text, lang)
	return channels.Measure{
		Sent: sent, Parts: info.Segments, Left: info.Left, Wide: info.Encoding == segment.UCS2, Long: info.TooLong(),
		Runes: info.Runes, Signs: string(info.Culprits),
	}
}

// write returns a text as it is sent: changed where the configuration allows it
// and it makes the message cheaper.
func (c *Config) write(text, lang string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\ufffd"))
	best := segment.Count(text)
	try := func(changed string) {
		if i := segment.Count(changed); i.Segments < best.Segments {
			text, best = changed, i
		}
	}
	if c.PlainQuotes {
		try(segment.Normalise(text))
	}
	if c.Transliterate {
		try(segment.Transliterate(segment.Normalise(text), lang))
	}
	return text
}

// softStop is how long webhooks in hand may go on once the door is closing.
const softStop = 400 * time.Millisecond

// life is whether the door is open, and the webhooks it has in hand.
type life struct {
	mu   sync.Mutex
	work context.Context // nil while closed
	busy sync.WaitGroup
}

func (l *life) start(work context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work = work
}

// enter takes a webhook in hand: the context ends with its request and with the
// door. ok is false while the door is closed.
func (l *life) enter(ctx context.Context) (inner context.Context, leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.work == nil {
		return nil, nil, false
	}
	l.busy.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(l.work, cancel)
	return ctx, func() { unhook(); cancel(); l.busy.Done() }, true
}

// stop returns when nothing is in hand any more; giveUp cuts off what takes long.
func (l *life) stop(giveUp context.CancelFunc) {
	l.mu.Lock()
	l.work = nil
	l.mu.Unlock()
	soft := time.AfterFunc(softStop, giveUp)
	defer soft.Stop()
	l.busy.Wait()
}

// Probe asks Twilio for the account.
func (d *Door) Probe(ctx context.Context) error {
	a, err := d.account(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("probe: %w", err)
	case a.Status != "active":
		return errors.New("probe: the account is " + a.Status)
	}
	return nil
}
