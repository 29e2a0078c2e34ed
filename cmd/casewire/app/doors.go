package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"casewire/casecore/lease"
	"casewire/channels"
	"casewire/config"
)

// doors runs the configured channels: opens them, starts them again when they
// fail, and exchanges those whose configuration changed.
//
// Readers come from inside store transactions, and a door that ends may wait for
// one; so reading takes no lock, and change is held by whoever exchanges doors
// and by nobody else.
type doors struct {
	env  func(id string) channels.Env
	sink channels.Sink
	log  *slog.Logger

	leases *lease.Leases // nil: there are no other nodes

	change sync.Mutex
	closed bool // nothing is opened any more; guarded by change
	open   atomic.Pointer[map[string]*door]
}

func newDoors(env func(id string) channels.Env, log *slog.Logger) *doors {
	d := &doors{env: env, log: log}
	d.open.Store(&map[string]*door{})
	return d
}

// all returns the open doors by id; the map is not to be changed.
func (d *doors) all() map[string]*door { return *d.open.Load() }

// door is one open channel with the goroutine that runs it.
type door struct {
	id      string
	conf    channels.Config
	channel channels.Channel
	handler http.Handler // nil when it does not speak HTTP
	paths   []string     // below which it serves
	cancel  context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex
	state   DoorState
	waiting bool // another node receives
}

// DoorState is how a channel fares, in words for people.
type DoorState struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	OK      bool      `json:"ok"`
	Text    string    `json:"text"`
	Since   time.Time `json:"since"`
	Restart int       `json:"restarts"`
}

// apply makes the open doors those of the configuration. What is unchanged keeps
// running. When one cannot be opened, nothing has changed. Doors outlive ctx: they
// are stopped by stop, so that a message in hand is not cut off by a signal.
func (d *doors) apply(ctx context.Context, conf []config.Channel) error {
	d.change.Lock()
	defer d.change.Unlock()
	if d.closed {
		return errors.New("casewire is stopping")
	}
	before, next, fresh := d.all(), map[string]*door{}, []*door{}
	for _, c := range conf {
		if old := before[c.ID]; old != nil && reflect.DeepEqual(old.conf, c.Config) {
			next[c.ID] = old
			continue
		}
		ch, err := c.Config.Open(d.env(c.ID))
		if err != nil {
			return fmt.Errorf("open channel %s: %w", c.ID, err)
		}
		n := &door{id: c.ID, conf: c.Config, channel: ch, done: make(chan struct{})}
		if web, ok := ch.(channels.Web); ok {
			n.paths, n.handler = paths(web), web.Handler(d.sink)
		}
		next[c.ID] = n
		fresh = append(fresh, n)
	}
	d.open.Store(&next)
	for id, old := range before {
		if next[id] != old {
			old.stop()
		}
	}
	for _, n := range fresh {
		d.start(ctx, n)
	}
	return nil
}

func (d *doors) start(ctx context.Context, n *door) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.cancel = cancel
	n.set(true, "running", 0)
	go func() {
		defer close(n.done)
		d.run(ctx, n)
	}()
}

// run keeps the door open until ctx is done, with growing pauses after failures.
func (d *doors) run(ctx context.Context, n *door) {
	pause := time.Second
	for restarts := 0; ; restarts++ {
		begun := time.Now()
		err := d.receive(ctx, n)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, lease.ErrLost) {
			d.log.Warn("channel goes on with another node", "channel", n.id)
			continue
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		if time.Since(begun) > time.Minute {
			pause = time.Second
		}
		d.log.Error("channel failed", "channel", n.id, "error", err, "again_in", pause)
		n.set(false, "failed: "+err.Error(), restarts+1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause + rand.N(pause/2)):
		}
		pause = min(2*pause, 5*time.Minute)
		n.set(true, "running again", restarts+1)
	}
}

// receive runs the door. One that only a single node may run waits for its turn.
func (d *doors) receive(ctx context.Context, n *door) error {
	solo, ok := n.channel.(channels.Solo)
	if d.leases == nil || !ok || !solo.Solo() {
		return n.channel.Run(ctx, d.sink)
	}
	n.waits(true)
	defer n.waits(false)
	return d.leases.Hold(ctx, "channel "+n.id, func(ctx context.Context, _ int64) error {
		n.waits(false)
		return n.channel.Run(ctx, d.sink)
	})
}

// waits says that another node receives on this channel.
func (n *door) waits(yes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting = yes
}

func (n *door) stop() {
	n.cancel()
	<-n.done
}

// now is how the door fares: while it runs, it knows better itself.
func (n *door) now() DoorState {
	n.mu.Lock()
	s, waiting := n.state, n.waiting
	n.mu.Unlock()
	if waiting {
		s.Text = "another node receives; this one sends, and takes over when that one fails"
		return s
	}
	if own, ok := n.channel.(channels.Healthy); ok && s.OK {
		h := own.Health()
		s.OK, s.Text, s.Since = h.OK, h.Text, h.Since
	}
	return s
}

// examine tries the counterpart of a configured channel. One that is not open now
// is opened for the purpose and does not run.
func (d *doors) examine(ctx context.Context, conf []config.Channel, id string) ([]channels.Finding, bool) {
	i := slices.IndexFunc(conf, func(c config.Channel) bool { return c.ID == id })
	if i < 0 {
		return nil, false
	}
	ch := d.channel(id)
	if ch == nil {
		var err error
		if ch, err = conf[i].Config.Open(d.env(id)); err != nil {
			return []channels.Finding{{Step: "configuration", Text: err.Error(), Mend: "see \"casewire check\""}}, true
		}
	}
	var found []channels.Finding
	switch t := ch.(type) {
	case channels.Examiner:
		t.Examine(ctx, func(f channels.Finding) { found = append(found, f) })
	case channels.Prober:
		f := channels.Finding{Step: "counterpart", OK: true, Text: "answers"}
		if err := t.Probe(ctx); err != nil {
			f.OK, f.Text = false, err.Error()
		}
		found = append(found, f)
	default:
		found = append(found, channels.Finding{Step: "counterpart", OK: true, Text: "there is none: customers come to us"})
	}
	return found, true
}

func (n *door) set(ok bool, text string, restarts int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	kind, _, _ := strings.Cut(n.id, ":")
	n.state = DoorState{ID: n.id, Kind: kind, OK: ok, Text: text, Since: time.Now().UTC(), Restart: restarts}
}

// channel returns the open channel of that id, or nil.
func (d *doors) channel(id string) channels.Channel {
	if n := d.all()[id]; n != nil {
		return n.channel
	}
	return nil
}

// ofKind returns the id of a channel of that kind, the first by name.
func (d *doors) ofKind(k channels.Kind) (string, bool) {
	for _, id := range slices.Sorted(maps.Keys(d.all())) {
		if strings.HasPrefix(id, string(k)+":") {
			return id, true
		}
	}
	return "", false
}

// states tells how each channel fares, in the order of their ids.
func (d *doors) states() []DoorState {
	all := d.all()
	out := make([]DoorState, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[id].now())
	}
	return out
}

// pending says whether an upload that a door has taken and not yet sent keeps
// these bytes.
func (d *doors) pending(ctx context.Context, blob string) (bool, error) {
	for _, n := range d.all() {
		if k, ok := n.channel.(interface {
			Pending(ctx context.Context, blob string) (bool, error)
		}); ok {
			if used, err := k.Pending(ctx, blob); used || err != nil {
				return used, err
			}
		}
	}
	return false, nil
}

// stop closes all doors for good and waits for them.
func (d *doors) stop(context.Context) error {
	d.change.Lock()
	defer d.change.Unlock()
	d.closed = true
	all := d.all()
	for _, n := range all {
		n.cancel()
	}
	for _, n := range all {
		<-n.done
	}
	d.open.Store(&map[string]*door{})
	return nil
}

// paths are those below which a door serves.
func paths(web channels.Web) []string {
	out := []string{web.Prefix()}
	if more, ok := web.(channels.MoreWeb); ok {
		out = append(out, more.Prefixes()...)
	}
	return out
}

// ServeHTTP hands requests to the door with the longest path that they are below.
func (d *doors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var best *door
	longest := 0
	for _, n := range d.all() {
		for _, p := range n.paths {
			if strings.HasPrefix(r.URL.Path+"/", p) && len(p) > longest {
				best, longest = n, len(p)
			}
		}
	}
	if best == nil {
		http.NotFound(w, r)
		return
	}
	best.handler.ServeHTTP(w, r)
}
