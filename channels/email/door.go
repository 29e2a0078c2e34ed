// Package email is the door to one mailbox: it takes in what arrives over IMAP and
// sends over SMTP. It knows mail, its tokens and its habits: what answers what, what
// a machine wrote, what came back undelivered. Whose case a mail belongs to, and
// whether its sender may speak there, the house decides.
//
// A mail is acknowledged by the position in its folder, which is stored in the same
// commit as the mail itself (E2). Whatever happens before that commit happens again.
package email

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"casewire/channels"
	"casewire/channels/email/inbox"
	"casewire/channels/email/login"
	"casewire/channels/email/mime"
	"casewire/channels/email/submit"
	"casewire/channels/email/tag"

	"golang.org/x/net/idna"
)

// Door is an open mailbox. It is a channels.Channel, Healthy, Examiner and Counter,
// and safe for concurrent use.
type Door struct {
	cfg    Config
	env    channels.Env
	log    *slog.Logger
	ours   map[string]bool // our addresses, see plainAddress
	inbox  *inbox.Inbox
	sender *submit.Sender
	count  counters

	// read is mime.Read; tests put what hangs and panics in its place.
	read     reader
	patience int // see parcel.deliver
	pace     channels.Pace

	opening sync.Mutex
	tags    *tag.Tags // set by ready
}

// reader reads a mail as mime.Read does.
type reader func(ctx context.Context, raw *inbox.Mail, keep mime.Keeper, l mime.Limits) (*mime.Mail, error)

var (
	_ channels.Config   = (*Config)(nil)
	_ channels.Channel  = (*Door)(nil)
	_ channels.Healthy  = (*Door)(nil)
	_ channels.Examiner = (*Door)(nil)
	_ channels.Counter  = (*Door)(nil)
)

// Open returns the door. It connects to nothing before Run or Send.
func (c *Config) Open(env channels.Env) (channels.Channel, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	if env.State == nil || env.Files == nil {
		return nil, fmt.Errorf("open %s: memory or files are missing", env.ID)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	d := &Door{cfg: *c, env: env, log: env.Log.With("channel", env.ID), ours: map[string]bool{}, read: readMail, patience: patience, pace: channels.NewPace(c.SMTP.PerMinute, time.Minute)}
	for _, a := range append([]string{c.Address}, c.Aliases...) {
		d.ours[plainAddress(a)] = true
	}
	start, err := c.start()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", env.ID, err)
	}
	d.inbox = inbox.New(inbox.Settings{
		Server: c.IMAP.Server, Folders: c.Folders, MoveTo: c.MoveTo, MarkSeen: c.MarkSeen, Start: start,
		Poll: c.Poll, Silence: c.Silence, MaxBytes: c.Limits.MailBytes,
	}, inbox.Options{
		Login: login.New(c.IMAP.Login, c.Address, env.Now), State: env.State, Log: d.log, Now: env.Now, Check: env.Check,
	})
	d.sender = submit.New(c.SMTP.Config, login.New(c.smtpLogin(), c.Address, env.Now), submit.Options{
		Address: c.Address, Largest: c.Limits.FileBytes, Log: d.log, Now: env.Now,
		TXT: func(ctx context.Context, name string) ([]string, error) {
			return net.DefaultResolver.LookupTXT(ctx, name)
		},
	})
	return d, nil
}

// Run takes in mail until ctx is done and then returns nil.
func (d *Door) Run(ctx context.Context, in channels.Sink) error {
	for {
		err := d.ready(ctx)
		if err == nil {
			break
		}
		if !pause(ctx, time.Second) {
			return nil
		}
		d.log.WarnContext(ctx, "the door cannot open yet", "err", err)
	}
	err := d.inbox.Run(ctx, func(ctx context.Context, m *inbox.Mail) (inbox.Parcel, error) { return d.take(ctx, m, in) })
	return errors.Join(err, d.sender.Close()) // what is sent from now on keeps no connection
}

const keyName = "token_key"

// ready has the key for tokens at hand: the configured one, or the one that was made
// on the first call ever. Every use of tags comes after it.
func (d *Door) ready(ctx context.Context) error {
	d.opening.Lock()
	defer d.opening.Unlock()
	if d.tags != nil {
		return nil
	}
	key := []byte(d.cfg.TokenKey.Value())
	if len(key) == 0 {
		var err error
		if key, err = d.ownKey(ctx); err != nil {
			return fmt.Errorf("get the key for tokens: %w", err)
		}
	}
	d.tags = tag.New(key, domainOf(d.cfg.Address))
	return nil
}

func (d *Door) ownKey(ctx context.Context) ([]byte, error) {
	key, err := d.env.State.Load(ctx, keyName)
	if err == nil || !errors.Is(err, channels.ErrNotFound) {
		return key, err
	}
	// Whoever is first makes it, also among several processes.
	if _, err := d.env.State.Swap(ctx, keyName, nil, []byte(rand.Text()+rand.Text())); err != nil {
		return nil, err
	}
	return d.env.State.Load(ctx, keyName)
}

// Health says how both directions fare.
func (d *Door) Health() channels.Health {
	in, out := d.inbox.Health(), d.sender.Health()
	switch {
	case !in.OK && !out.OK:
		in.Text += "; " + out.Text
		return in
	case !out.OK:
		return out
	}
	return in
}

// Examine tries receiving, sending and, when configured, the way from one to the
// other.
func (d *Door) Examine(ctx context.Context, found func(channels.Finding)) {
	d.inbox.Examine(ctx, found)
	d.sender.Examine(ctx, found)
	if d.cfg.RoundTrip {
		d.roundTrip(ctx, found)
	}
}

// check stops the process at a named point when a test asks for it.
func (d *Door) check(point string) {
	if d.env.Check != nil {
		d.env.Check(point)
	}
}

type counters struct {
	messages, automatic, bounces, broken, reduced atomic.Int64
}

// Counts returns figures since the door was opened, by name; they only grow.
func (d *Door) Counts() map[string]int64 {
	out := d.inbox.Counts()
	for name, n := range map[string]*atomic.Int64{
		"messages": &d.count.messages, "automatic": &d.count.automatic, "bounces": &d.count.bounces,
		"broken": &d.count.broken, "reduced": &d.count.reduced,
	} {
		out[name] = n.Load()
	}
	return out
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// plainAddress makes addresses comparable: without detail, in small letters, the
// domain in the letters of its language.
func plainAddress(a string) string {
	a = strings.ToLower(strings.TrimSpace(a))
	at := strings.LastIndexByte(a, '@')
	if at < 0 {
		return a
	}
	local, _, _ := strings.Cut(a[:at], "+")
	if domain, err := idna.Lookup.ToUnicode(a[at+1:]); err == nil {
		return local + "@" + domain
	}
	return local + a[at:]
}

func domainOf(a string) string { return strings.ToLower(a[strings.LastIndexByte(a, '@')+1:]) }

// Solo says that only one node may read the mailbox at a time.
func (d *Door) Solo() bool { return true }
