// Package app builds, starts, reloads and stops one process out of its rooms. It
// is what the commands and the tests start; it decides nothing that a room could
// decide, and is handed the list of channel kinds rather than knowing it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"casewire/casecore"
	"casewire/casecore/blob"
	"casewire/casecore/flow"
	"casewire/casecore/lease"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/config"
	"casewire/config/policy"
	"casewire/notify"
	"casewire/notify/outbox"
	"casewire/notify/portal"
	"casewire/notify/webhook"
	"casewire/routing"
	"casewire/routing/access"
	"casewire/routing/bot"
	"casewire/routing/desk"
	"casewire/routing/intake"
	"casewire/routing/live"
)

// Options of a process.
type Options struct {
	Config  *config.Live
	Log     *slog.Logger
	Level   *slog.LevelVar // set from the configuration, also on reload; nil: not set
	Version string
	Now     func() time.Time                              // nil: time.Now
	Check   func(point string)                            // called at named points; tests kill the process there
	Before  func(ctx context.Context, a *App) error       // runs before doors and pages open: the demo makes its history there
	Pages   func(a *App) (map[string]http.Handler, error) // more handlers, by pattern
	Policy  []byte                                        // of a fresh store; nil: the default one
	// LocalLinks links to customers' pages without a public URL, too: the demo's
	// customers are on this machine.
	LocalLinks bool
	Idle       bool          // no channels, nothing is sent: for a command of its own
	Lease      time.Duration // within which another node takes over what this one does; 0: as the rooms have it
}

// App is one running process.
type App struct {
	o        Options
	life     lifecycle
	health   health
	metrics  *prometheus.Registry
	requests *prometheus.HistogramVec
	failed   chan error

	engine   *engine
	store    store.Store
	blobs    blob.Store
	leases   *lease.Leases
	policy   *policy.Live
	ledger   *casecore.Ledger
	staff    *staff.Directory
	gate     *access.Gate
	board    *desk.Board
	work     *desk.Work
	intake   *intake.Intake
	bot      *bot.Bot
	portal   *portal.Portal
	plan     *notify.Planner
	outbox   *outbox.Outbox
	webhooks *webhook.Sender
	meter    *noticeMeter
	times    *noticeTimes
	live     *live.Server
	doors    *doors

	base     context.Context // of what runs; never cancelled, so that a signal cuts nothing off
	listener net.Listener
	url      string        // how the outside reaches us
	local    string        // how this machine reaches us
	secret   string        // of the control file
	copying  chan struct{} // full while somebody reads everything
}

// stopWithin is how much longer than its grace period a stop may take before the
// process ends itself.
const stopWithin = 15 * time.Second

// Start brings everything up, and opens it to the outside last. When a step fails, what had been started
// is taken down again.
func Start(ctx context.Context, o Options) (*App, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Check == nil {
		o.Check = func(string) {}
	}
	a := &App{o: o, life: lifecycle{log: o.Log}, base: context.WithoutCancel(ctx), metrics: prometheus.NewRegistry(), failed: make(chan error, 16), copying: make(chan struct{}, 1)}
	for _, step := range []func(context.Context) error{
		a.listen, a.openStore, a.openPolicy, a.openRooms, a.before, a.runRooms, a.openDoors, a.runPost, a.openControl, a.serve,
	} {
		if err := step(ctx); err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
			defer cancel()
			return nil, errors.Join(err, a.life.stop(stop))
		}
	}
	return a, nil
}

// URL is where the process answers, without a trailing slash.
func (a *App) URL() string { return a.url }

// Staff is who works here.
func (a *App) Staff() *staff.Directory { return a.staff }

// Router returns the rules in force.
func (a *App) Router() *routing.Router { return a.policy.Current().Router }

// queue is where cases of a queue wait: there, or with the last rule's when the
// policy no longer has it.
func (a *App) queue(id string) string {
	r := a.Router()
	if _, ok := r.Queue(id); ok {
		return id
	}
	return r.Default().ID
}

// Flow returns the statuses in force.
func (a *App) Flow() *flow.Flow { return a.policy.Current().Flow }

// House is the rooms themselves, for making a history in them.
type House struct {
	Store     store.Store
	Blobs     blob.Store
	Flow      func() *flow.Flow
	Router    func() *routing.Router
	Operators desk.Operators
}

// House returns the process's rooms.
func (a *App) House() House {
	return House{Store: a.store, Blobs: a.blobs, Flow: a.Flow, Router: a.Router, Operators: a.staff}
}

// Static is the part of the configuration that the process was started with.
func (a *App) Static() config.Static { return a.o.Config.Snapshot().Static }

// Wait blocks until ctx is done or a part fails that the process cannot do
// without; then it drains and stops.
func (a *App) Wait(ctx context.Context) error {
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-a.failed:
		a.o.Log.Error("stopping", "error", cause)
	}
	return errors.Join(cause, a.Stop(context.WithoutCancel(ctx)))
}

// Stop drains and stops within the grace period. It may be called more than once.
func (a *App) Stop(ctx context.Context) error {
	a.health.drain()
	grace := time.Duration(a.Static().Grace)
	watchdog := time.AfterFunc(grace+stopWithin, func() {
		a.o.Log.Error("stopping takes too long, giving up", "grace", grace, "step", a.life.stuck())
		os.Exit(1)
	})
	defer watchdog.Stop()
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	return a.life.stop(ctx)
}

// fail stops the process from Wait.
func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
		a.o.Log.Error("another part failed", "error", err)
	}
}

// Reload reads the configuration again and exchanges the channels that changed.
// On any fault everything stays as it is.
func (a *App) Reload(ctx context.Context) error {
	err := a.o.Config.Reload(ctx, func(ctx context.Context, _, next *config.Snapshot) error {
		return a.doors.apply(ctx, next.Channels)
	})
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	a.setLevel()
	return nil
}

func (a *App) setLevel() {
	if a.o.Level != nil {
		a.o.Level.Set(slog.Level(a.o.Config.Snapshot().Dynamic.LogLevel))
	}
}

// sink is what doors are handed: messages go to the hall, receipts of messages to
// the post room and those of calls to the book.
type sink struct {
	*intake.Intake
	outbox *outbox.Outbox
	calls  func(ctx context.Context, r channels.Receipt) error
}

// Receipt passes a provider's word on.
func (s sink) Receipt(ctx context.Context, r channels.Receipt) error {
	if isCall(r) {
		return s.calls(ctx, r)
	}
	return s.outbox.Receipt(ctx, r)
}
