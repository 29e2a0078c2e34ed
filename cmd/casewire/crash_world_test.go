package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"casewire/casecore/staff"
	"casewire/channels"
	"casewire/cmd/casewire/app"
)

// opening is a data folder in which two operators are signed in and nothing has
// happened yet. Every world begins with a copy of it.
type opening struct {
	data    string
	workers []worker
	made    time.Time
}

// fresh returns m, or a new opening when the sessions of m may be over before a world
// is: they are for half an hour without use.
func (m *opening) fresh(t *testing.T) *opening {
	t.Helper()
	if time.Since(m.made) < 20*time.Minute {
		return m
	}
	return newOpening(t)
}

func newOpening(t *testing.T) *opening {
	t.Helper()
	m := &opening{data: filepath.Join(t.TempDir(), "data"), made: time.Now()}
	a := startApp(t, m.data, func(ctx context.Context, a *app.App) error {
		for _, o := range []staff.Operator{
			{Login: "olena", Name: "Olena", Phone: "+493011110001", Roles: []string{"operator"}, Queues: []string{"phones", "general"}},
			{Login: "marko", Name: "Marko", Phone: "+493011110002", Roles: []string{"operator"}, Queues: []string{"phones", "general"}},
		} {
			made, err := a.Staff().Create(ctx, o, o.Login+"-long-password")
			if err != nil {
				return err
			}
			secret, _, err := a.Staff().SignIn(ctx, o.Login, o.Login+"-long-password", "127.0.0.1")
			if err != nil {
				return err
			}
			m.workers = append(m.workers, worker{login: o.Login, id: made.ID, cookie: secret})
		}
		return nil
	})
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// startApp runs the program in this process, with a policy that holds no notice.
func startApp(t *testing.T, data string, before func(context.Context, *app.App) error) *app.App {
	t.Helper()
	p := place{data: data, listen: "127.0.0.1:0"}
	conf, err := p.load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), app.Options{Config: conf, Log: slog.New(slog.DiscardHandler), Version: "test", Before: before, Policy: atOnce()})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// order is a crash that is asked for: at the n-th pass of a point, counted from
// the start of a process or, when step is set, from the beginning of that step.
type order struct {
	point string
	n     int
	step  int
}

func (o order) String() string { return fmt.Sprintf("%s:%d", o.point, o.n) }

// world is one installation with its customers and operators, who outlive the
// program: it is killed, started again on the same folder, and they go on.
type world struct {
	t         *testing.T
	data      string
	out       *outside
	orders    []order    // still to come, one for each life of the program
	sweep     string     // a point that is armed at the beginning of each step
	waiting   []string   // cases that waited in the queue when the program died
	customers []customer // of all doors
	visitors  []*visitor // those of the web chat
	workers   []*worker
	messages  []*written // all that customers wrote or tried to

	proc   *process
	armed  bool     // proc has an order that it has not reached
	deaths []string // where it died: a crash point, or "killed"
	played int      // steps that have begun
	doing  string   // the step that goes on

	luck   *rand.Rand // kills at random while it is set
	left   int        // how many kills are still to come
	mu     sync.Mutex
	events int  // frames and answers of this life
	killAt int  // the event at which to kill; 0: none
	quiet  bool // nobody is killed any more

	missing map[string][]string // by address: texts that may not have arrived, see excuse
	late    map[string]bool     // by address: texts wait behind one of these
}

// newWorld makes a world of three customers, each at one of these doors.
func newWorld(t *testing.T, m *opening, doors []channels.Kind, moves bool) *world {
	t.Helper()
	people := []string{"ada", "boris", "cleo"}
	w := &world{
		t: t, data: filepath.Join(t.TempDir(), "data"), out: newOutside(t, doors, people, moves), missing: map[string][]string{},
		late: map[string]bool{},
	}
	w.out.subscribe(t, w.tick)
	if err := os.CopyFS(w.data, os.DirFS(m.data)); err != nil {
		t.Fatal(err)
	}
	for i, name := range people {
		w.customers = append(w.customers, w.newCustomer(name, i+1, doors[i], moves))
	}
	for i := range m.workers {
		from := &m.workers[i]
		w.workers = append(w.workers, &worker{login: from.login, id: from.id, cookie: from.cookie, tick: w.tick})
	}
	t.Cleanup(func() {
		for _, c := range w.customers {
			c.leave()
		}
		if t.Failed() && w.proc != nil {
			t.Logf("deaths: %q, steps begun: %d; stderr of the last life:\n%s", w.deaths, w.played, tail(w.proc.log.String()))
		}
	})
	return w
}

func (w *world) newCustomer(name string, n int, door channels.Kind, moves bool) customer {
	switch door {
	case channels.Email:
		return newWriter(name, w, w.out.mail, moves)
	case channels.Telegram:
		return newChatter(name, n, w, w.out.telegram)
	case channels.SMS:
		return newTexter(name, n, w, w.out.sms)
	}
	v := newVisitor(name, w.tick)
	w.visitors = append(w.visitors, v)
	return v
}

// write makes a message of a customer.
func (w *world) write(c customer, text string, files ...[]byte) *written {
	m := newWritten(c, text, nil)
	m.files = files
	w.messages = append(w.messages, m)
	return m
}

// excuses lists the texts to an address that may be missing, and says whether others
// may wait behind them.
func (w *world) excuses(handle string) (texts []string, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.missing[handle]), w.late[handle]
}

// tick counts an event of the outside, and kills the program at the chosen one.
func (w *world) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events++
	if w.events == w.killAt {
		w.killLater(time.Duration(w.luck.IntN(20000)) * time.Microsecond)
	}
}

// killLater is called with w locked.
func (w *world) killLater(after time.Duration) {
	p := w.proc
	time.AfterFunc(after, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.quiet && w.proc == p {
			_ = p.cmd.Process.Kill() // it may be over
		}
	})
}

// launch starts the program and brings everybody in. It starts it again as often
// as it dies on the way.
func (w *world) launch(ctx context.Context) {
	w.t.Helper()
	for {
		w.start()
		err := w.enter(ctx)
		if err == nil {
			return
		}
		if !errors.Is(err, errCut) || ctx.Err() != nil {
			w.t.Fatal(err)
		}
		w.buried()
	}
}

func (w *world) start() {
	w.t.Helper()
	var env []string
	w.armed = len(w.orders) > 0 && w.orders[0].step == 0
	if w.armed {
		env = []string{crashVariable + "=" + w.orders[0].String()}
	}
	p := prepare(w.t, childCrash, []string{w.data}, append(env, configVariable+"="+w.out.config)...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proc, w.events, w.killAt = p, 0, 0
	p.start()
	if w.left > 0 && !w.quiet {
		w.left--
		if w.luck.IntN(5) == 0 { // also while it starts
			w.killLater(time.Duration(w.luck.IntN(600)) * time.Millisecond)
		} else {
			w.killAt = 1 + w.luck.IntN(60)
		}
	}
}

// enter connects everybody to a program that has just been started.
func (w *world) enter(ctx context.Context) error {
	var url string
	select {
	case url = <-w.proc.ready:
	case <-w.proc.over:
		return errCut
	case <-ctx.Done():
		return fmt.Errorf("wait for ready: %w", ctx.Err())
	}
	if w.out.front != nil { // the address that it prints is the front's
		c, err := app.ReadControl(w.data)
		if err != nil || c == nil {
			return fmt.Errorf("where the program listens: %v, %w", c, err)
		}
		if url = c.URL; w.out.front.point(url) != nil {
			return fmt.Errorf("the program listens at %q", url)
		}
	}
	for _, o := range w.workers {
		o.mu.Lock()
		o.url = url
		o.mu.Unlock()
	}
	for _, c := range w.customers {
		if err := c.enter(ctx, life{url, w.proc.over}); err != nil {
			return err
		}
	}
	if err := w.reassure(ctx); err != nil || w.deaths == nil {
		return err
	}
	cards, err := w.workers[0].cards(ctx, "phones")
	// What providers bring again opens cases by itself.
	lost := slices.ContainsFunc(w.waiting, func(number string) bool { return !slices.Contains(cards, number) })
	if err == nil && (lost || len(w.visitors) == len(w.customers) && len(cards) != len(w.waiting)) {
		err = fmt.Errorf("the queue shows %q, %q wait in it", cards, w.waiting)
	}
	return err
}

// buried waits until the program is dead and checks what it has left behind.
func (w *world) buried() {
	w.t.Helper()
	select {
	case <-w.proc.over:
	case <-time.After(patience):
		w.t.Fatalf("connections are cut and the program lives on; stderr:\n%s", tail(w.proc.log.String()))
	}
	status, ok := w.proc.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGKILL {
		w.t.Fatalf("the program ended by itself: %v; stderr:\n%s", w.proc.cmd.ProcessState, tail(w.proc.log.String()))
	}
	w.heard()
	if err := w.out.hooks.settled(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	death := "killed"
	if at := w.proc.crash(); at != "" {
		death = w.orderReached(at)
	}
	w.deaths = append(w.deaths, death)
	w.autopsy()
}

// orderReached strikes the order that was carried out.
func (w *world) orderReached(point string) string {
	w.t.Helper()
	if w.sweep != "" || w.quiet {
		w.armed = false
		return w.doing
	}
	if len(w.orders) == 0 || w.orders[0].point != point {
		w.t.Fatalf("died at %s, asked for %v", point, w.orders)
	}
	o := w.orders[0]
	w.orders, w.armed = w.orders[1:], false
	return o.String()
}

// heard fails the test for what the program must never say.
func (w *world) heard() {
	w.t.Helper()
	log := w.proc.log.String()
	for _, word := range []string{"DATA RACE", "panic", "goroutine ", `"level":"ERROR"`} {
		if strings.Contains(log, word) {
			w.t.Fatalf("the program says %q; stderr:\n%s", word, tail(log))
		}
	}
}

// calm ends the killing. The program lives when it returns, and goes on living.
func (w *world) calm() {
	w.t.Helper()
	w.mu.Lock()
	w.quiet = true
	w.mu.Unlock()
	if w.sweep != "" {
		w.arm(order{})
		w.sweep = ""
	}
	w.play(together("all is quiet", func(ctx context.Context, _ bool) error {
		_, err := w.workers[0].cards(ctx, "phones")
		return err
	}))
}
