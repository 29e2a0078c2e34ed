package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore/blob"
	"casewire/casecore/blob/gridfs"
	"casewire/casecore/staff"
	"casewire/casecore/store/mongo"
	"casewire/casecore/store/mongo/mongotest"
	"casewire/channels"
	"casewire/cmd/casewire/app"
)

// restartVariable names a command that ends the database with SIGKILL and starts it
// again over the same data.
const restartVariable = "CASEWIRE_MONGODB_RESTART"

// cluster is one installation of several processes on one MongoDB database, or of one
// on the embedded store, with its customers, its operators and their providers. They
// all belong to the test and outlive every process.
type cluster struct {
	*world
	o     clusterOptions
	uri   string // of the database; "" for the embedded store
	nodes []*node
	store *mongo.Store // the test's own eye on the database
	blobs blob.Store
	held  map[*worker]map[string]*holding // what each holds, by case
	only  *node                           // the one that people ask; nil: any
}

type clusterOptions struct {
	embedded bool
	nodes    int
	skew     []time.Duration // of the nodes' clocks; those without one are right
	lease    time.Duration   // within which another node takes over
	doors    []channels.Kind // of the customers, one each
	workers  int
	before   func(context.Context, *app.App) error // makes a history
}

// node is one process of a cluster, through all of its lives.
type node struct {
	c      *cluster
	name   string
	data   string
	listen string
	skew   time.Duration

	mu   sync.Mutex
	proc *process
}

var peopleOfNodes = []string{"ada", "boris", "cleo", "dana", "emil", "fred"}

func newCluster(t *testing.T, o clusterOptions) *cluster {
	t.Helper()
	c := &cluster{o: o, held: map[*worker]map[string]*holding{}}
	if !o.embedded {
		c.uri = database(t)
		c.watchDatabase(t)
	}
	people := peopleOfNodes[:len(o.doors)]
	c.world = &world{
		t: t, data: filepath.Join(t.TempDir(), "data"), out: newOutside(t, o.doors, people, true),
		missing: map[string][]string{}, late: map[string]bool{},
	}
	var origins []string
	for i := range o.nodes {
		n := &node{c: c, name: string(rune('A' + i)), data: c.data, listen: freeAddress(t)}
		if i > 0 {
			n.data += n.name
		}
		if i < len(o.skew) {
			n.skew = o.skew[i]
		}
		c.nodes = append(c.nodes, n)
		origins = append(origins, "http://"+n.listen)
	}
	c.allow(origins)
	c.openStaff()
	for i, name := range people {
		p := c.newCustomer(name, i+1, o.doors[i], true)
		c.customers = append(c.customers, p)
		if v, ok := p.(*visitor); ok {
			v.patient = true
		} else if err := p.enter(t.Context(), life{over: make(chan struct{})}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, p := range c.customers {
			p.leave()
		}
		if t.Failed() {
			for _, n := range c.nodes {
				t.Logf("deaths: %q; stderr of %s:\n%s", c.deaths, n.name, tail(grave(n.log())))
			}
		}
	})
	return c
}

// grave leaves of a log what is not every day's.
func grave(log string) string {
	log, _, _ = strings.Cut(log, "SIGQUIT: quit") // what it did then is told by itself
	var out []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"level":"INFO"`) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// watchDatabase opens the database for the test itself.
func (c *cluster) watchDatabase(t *testing.T) {
	t.Helper()
	var err error
	if c.store, err = mongo.Open(t.Context(), c.uri, mongo.Options{}, collected()...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := mongotest.EndSessions(ctx, c.store.Database()); err != nil {
			t.Error(err)
		}
		if err := c.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if c.blobs, err = gridfs.Open(t.Context(), c.store.Database()); err != nil {
		t.Fatal(err)
	}
}

// freeAddress is one that nobody listens at now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody has connected
	return l.Addr().String()
}

// allow has the web chat take visitors at the nodes' own addresses, and as often as
// they please: the public one is the providers'.
func (c *cluster) allow(origins []string) {
	c.t.Helper()
	b, err := os.ReadFile(c.out.config)
	if err != nil {
		c.t.Fatal(err)
	}
	chat := fmt.Sprintf("{kind: webchat, id: site, origins: [%q], limits: {messages: 6000, uploads: 6000, hellos: 60000, per_address: 10000}}", strings.Join(origins, `", "`))
	chat = strings.ReplaceAll(chat, `\"`, `"`)
	text := strings.ReplaceAll(string(b), "{kind: webchat, id: site}", chat)
	if c.uri != "" {
		text = fmt.Sprintf("store: %q\n", c.uri) + text
	}
	if err := os.WriteFile(c.out.config, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// openStaff signs the operators in, in a process of the test that is over before the
// nodes begin.
func (c *cluster) openStaff() {
	c.t.Helper()
	p := place{data: c.data, listen: "127.0.0.1:0", store: c.uri}
	conf, err := p.load()
	if err != nil {
		c.t.Fatal(err)
	}
	a, err := app.Start(c.t.Context(), app.Options{
		Config: conf, Log: slog.New(slog.DiscardHandler), Version: "test", Idle: true, Policy: atOnce(),
		Before: func(ctx context.Context, a *app.App) error {
			for i := range c.o.workers {
				o, err := signWorkerIn(ctx, a, fmt.Sprintf("worker%02d", i+1))
				if err != nil {
					return err
				}
				o.tick, o.patient = func() {}, true
				c.workers = append(c.workers, o)
				c.held[o] = map[string]*holding{}
			}
			if c.o.before == nil {
				return nil
			}
			return c.o.before(ctx, a)
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := a.Stop(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func signWorkerIn(ctx context.Context, a *app.App, login string) (*worker, error) {
	password := login + "-long-password"
	made, err := a.Staff().Create(ctx, staff.Operator{Login: login, Name: login, Roles: []string{"operator"}, Queues: []string{"phones", "general"}}, password)
	if err != nil {
		return nil, err
	}
	secret, _, err := a.Staff().SignIn(ctx, login, password, "127.0.0.1")
	return &worker{login: login, id: made.ID, cookie: secret}, err
}

// start starts the nodes, and returns when all of them take work.
func (c *cluster) start(nodes ...*node) {
	c.t.Helper()
	for _, n := range nodes {
		lease := c.o.lease
		if lease == 0 {
			lease = 2 * time.Second
		}
		p := prepare(c.t, childNode, []string{n.data, n.listen, c.uri},
			configVariable+"="+c.out.config, skewVariable+"="+n.skew.String(), leaseVariable+"="+lease.String())
		n.mu.Lock()
		n.proc = p
		n.mu.Unlock()
		p.start()
	}
	for _, n := range nodes {
		n.now().url()
	}
	c.lead(nodes[0])
}

// lead has the providers' webhooks come to a node.
func (c *cluster) lead(n *node) {
	if c.out.front == nil {
		return
	}
	if err := c.out.front.point(n.url()); err != nil {
		c.t.Error(err)
	}
}

func (n *node) url() string { return "http://" + n.listen }

func (n *node) now() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

func (n *node) log() string {
	if p := n.now(); p != nil {
		return p.log.String()
	}
	return ""
}

func (n *node) lives() bool {
	select {
	case <-n.now().over:
		return false
	default:
		return true
	}
}

// any is a node that lives, as far as that is known.
func (c *cluster) any(luck *rand.Rand) *node {
	first := luck.IntN(len(c.nodes))
	if c.only != nil {
		return c.only
	}
	for i := range c.nodes {
		if n := c.nodes[(first+i)%len(c.nodes)]; n.lives() {
			return n
		}
	}
	return c.nodes[first]
}

// persist has somebody try at one node after the other until it is not cut off.
func (c *cluster) persist(ctx context.Context, luck *rand.Rand, try func(ctx context.Context, n *node, again bool) error) error {
	for again := false; ; again = true {
		err := try(ctx, c.any(luck), again)
		if !errors.Is(err, errCut) {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w, and: %w", ctx.Err(), err)
		}
	}
}

// restartDatabase kills the database's server and starts it again.
func (c *cluster) restartDatabase() error {
	out, err := exec.CommandContext(c.t.Context(), "sh", "-c", os.Getenv(restartVariable)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", os.Getenv(restartVariable), err, out)
	}
	return nil
}
