package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/archive"
	"casewire/casecore/lease"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/config/policy"
	"casewire/notify"
	"casewire/notify/figure"
	"casewire/notify/outbox"
	"casewire/notify/webhook"
	"casewire/routing/access"
	"casewire/routing/api"
	"casewire/routing/bot"
	"casewire/routing/desk"
	"casewire/routing/intake"
	"casewire/routing/live"
)

// collections lists what the store keeps. A new room adds its own here.
func collections() []*store.Coll {
	var out []*store.Coll
	for _, room := range [][]*store.Coll{
		archive.Collections(), casecore.Collections(), lease.Collections(), staff.Collections(), policy.Collections(), notify.Collections(), figure.Collections(), webhook.Collections(), api.Collections(),
	} {
		out = append(out, room...)
	}
	return out
}

// openStore opens the book and the attachments beside it.
func (a *App) openStore(ctx context.Context) error {
	check := func(point string) error { a.o.Check(point); return nil }
	e, err := openEngine(ctx, a.Static(), a.o.Log, check, a.fail)
	if err != nil {
		return err
	}
	a.store, a.blobs, a.engine = e.store, e.blobs, e
	for _, c := range e.close {
		a.life.started(c.name, func(context.Context) error { return c.do() })
	}
	if err := archive.Ready(ctx, a.store); err != nil {
		return err
	}
	a.leases = lease.New(a.store, store.NewID(), lease.Options{TTL: a.o.Lease, Now: a.o.Now})
	a.health.add(storePart(a.store))
	return nil
}

// openPolicy publishes the first policy in a fresh store and follows the one in
// force.
func (a *App) openPolicy(ctx context.Context) error {
	p, err := policy.Open(ctx, a.store, policy.LiveOptions{Log: a.o.Log, Now: a.o.Now, First: a.o.Policy})
	if err != nil {
		return err
	}
	a.policy = p
	a.health.add(policyPart(p))
	a.health.add(configPart(a.o.Config))
	return nil
}

// openRooms builds the rooms over the store; nothing runs yet.
func (a *App) openRooms(ctx context.Context) error {
	s, log := a.Static(), a.o.Log
	a.ledger = &casecore.Ledger{
		Flow: a.Flow, Now: a.o.Now, Queue: a.queue, Awaited: func() bool { return a.policy.Current().Notify.Awaits() },
		Slip: func(tx store.Tx, e *casecore.Event) (bool, error) {
			return a.policy.Current().Notify.Slip(tx, e, a.o.Now())
		},
		Elsewhere: func(tx store.Tx, c *casecore.Case) (string, channels.Address, error) {
			channel, to, _, err := a.reach().First(tx, c)
			return channel, to, err
		},
	}
	a.staff = staff.New(a.store, staff.Options{Now: a.o.Now, Log: log, Queue: func(id string) bool {
		_, ok := a.Router().Queue(id)
		return ok
	}})
	a.secret = newSecret()
	a.gate = access.New(a.staff, access.Options{
		Secure: strings.HasPrefix(a.url, "https:"), TrustedProxies: s.Proxies(), Local: a.secret,
	})
	a.work = desk.NewWork(a.store, a.ledger, a.Router, a.staff)
	a.board = desk.NewBoard(a.store, a.Router, desk.BoardOptions{Now: a.o.Now, Log: log})
	a.intake = intake.New(a.store, a.ledger, a.Router, a.blobs, intake.Options{
		Lang: func() string { return a.policy.Current().Settings.Language }, Log: log, Check: a.o.Check,
	})
	var err error
	a.bot, err = bot.New(a.store, a.ledger, a.intake, bot.Options{
		Now: a.o.Now, Log: log,
		Centre: func() string { return a.policy.Current().Settings.Name },
		Zone:   func() *time.Location { return a.policy.Current().Location },
		Serves: func(kind channels.Kind) bool { _, ok := a.doors.ofKind(kind); return ok },
	})
	if err != nil {
		return err
	}
	a.openWebhooks()
	a.doors = newDoors(a.env, log)
	if err := a.openPortal(ctx); err != nil {
		return err
	}
	a.plan = notify.NewPlanner(a.store, a.ledger, func() *notify.Policy { return a.policy.Current().Notify }, notify.Options{
		Reach: a.reach(), Link: a.portal.Link, Log: log, Check: a.o.Check,
	})
	a.outbox = outbox.New(a.store, a.ledger, a.doors.channel, outbox.Options{
		Now: a.o.Now, Log: log, Alone: a.engine.alone, Lease: a.o.Lease, Reach: a.reach(), Came: a.noticeCame,
		Receipt: func() time.Duration { return a.policy.Current().Notify.Receipt() },
		Awake: func(tx store.Tx, n *notify.Notice, at time.Time) (time.Time, error) {
			return a.policy.Current().Notify.Awake(tx, n, at)
		},
		Grace: min(10*time.Second, time.Duration(s.Grace)/3), Check: a.o.Check,
	})
	a.meter, a.times = a.newMeter(), newNoticeTimes(a.metrics)
	if !a.engine.alone {
		a.doors.leases = a.leases
	}
	a.doors.sink = sink{a.intake, a.outbox, a.callReceipt}
	a.setLevel()
	return nil
}

// reach is on what customers can be told.
func (a *App) reach() notify.Reach {
	return notify.Reach{
		Channel: a.doors.ofKind,
		Serves:  func(id string) bool { return a.doors.channel(id) != nil },
		Order:   func() []channels.Kind { return a.policy.Current().Notify.Order() },
	}
}

// before lets the demo make its history.
func (a *App) before(ctx context.Context) error {
	if a.o.Before == nil {
		return nil
	}
	return a.o.Before(ctx, a)
}

// runRooms starts what works by itself. Each loop belongs to the lifecycle, which
// waits for it.
func (a *App) runRooms(ctx context.Context) error {
	a.life.spawn(ctx, "policy", a.fail, a.policy.Run)
	a.health.add(boardPart(a.board))
	a.life.spawn(ctx, "board", a.fail, a.board.Run)
	a.life.spawn(ctx, "sweep", a.fail, a.sweep)
	return nil
}

// openDoors opens the configured channels and the operators' socket. They are
// closed before everything that they hand work to.
func (a *App) openDoors(ctx context.Context) error {
	a.live = live.New(a.board, a.work, live.Options{
		Enter: a.enter, Origins: a.origins, Store: a.store, Accounts: staff.Collections(),
		Log: a.o.Log, Sockets: a.Static().Limits.Sockets,
	})
	a.life.spawn(ctx, "live sockets", a.fail, a.live.Run)
	if !a.o.Idle {
		if err := a.doors.apply(ctx, a.o.Config.Snapshot().Channels); err != nil {
			return err
		}
	}
	a.life.started("doors", a.doors.stop)
	a.health.add(doorsPart(a.doors))
	a.registerMetrics() //nolint:contextcheck // read when somebody asks, long after ctx
	return nil
}

// runPost starts the post room, which sends through the doors: it begins after
// they are open and ends before they close.
func (a *App) runPost(ctx context.Context) error {
	if a.o.Idle {
		return nil
	}
	a.health.add(noticesPart(a.outbox))
	a.life.spawn(ctx, "outbox", a.fail, a.outbox.Run)
	a.life.spawn(ctx, "planner", a.fail, a.plan.Run)
	a.health.add(webhooksPart(a))
	a.life.spawn(ctx, "webhooks", a.fail, a.webhooks.Run)
	return nil
}

// env is what the house hands to the door with this id.
func (a *App) env(id string) channels.Env {
	return channels.Env{
		ID: id, PublicURL: a.url, Proxies: a.Static().Proxies(), Log: a.o.Log.With("channel", id), Now: a.o.Now,
		State:   &casecore.Memory{Store: a.store, Channel: id, Now: a.o.Now},
		Files:   casecore.Files{Blobs: a.blobs},
		Threads: &casecore.Threads{Store: a.store, Flow: a.Flow},
		Answer:  a.bot.Answer,
		Ours: func(ctx context.Context, providerID string) (string, error) {
			return a.outbox.Ours(ctx, id, providerID)
		},
		Check: a.o.Check,
	}
}

// FirstLink returns the one-time link for the first administrator of a store that
// has no operator yet, and "" for one that has.
func (a *App) FirstLink(ctx context.Context) (string, error) {
	secret, err := a.staff.Bootstrap(ctx, "admin", 24*time.Hour)
	if errors.Is(err, staff.ErrNotFirst) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("first administrator: %w", err)
	}
	return a.url + "/desk/welcome/" + secret, nil
}
