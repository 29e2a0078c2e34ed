package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"casewire/cmd/casewire/app"
)

// How this test binary, started again, knows that it is the program.
const (
	childVariable  = "CASEWIRE_TEST_CHILD"  // childCommand or childCrash
	crashVariable  = "CASEWIRE_CRASH"       // POINT:N, where the program kills itself
	userVariable   = "CASEWIRE_TEST_UID"    // the user to become before anything else
	configVariable = "CASEWIRE_TEST_CONFIG" // the configuration file of childCrash

	childCommand = "command" // the program with its own arguments
	childCrash   = "crash"   // the program on the folder in the first argument, with crash points
	childNode    = "node"    // one of several nodes, see nodeMain
)

// leashFD is the child's end of a pipe that its parent holds: when the parent is
// gone, however it went, the child goes too.
const leashFD = 3

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case childCommand:
		go followLeash(func(string) {})
		dropUser()
		main()
	case childCrash:
		os.Exit(crashMain())
	case childNode:
		os.Exit(nodeMain())
	default:
		os.Exit(m.Run())
	}
}

func followLeash(take func(line string)) {
	lines := bufio.NewScanner(os.NewFile(leashFD, "leash"))
	for lines.Scan() {
		take(lines.Text())
	}
	os.Exit(3)
}

// dropUser gives up root's rights, so that a folder can be read-only to us.
func dropUser() {
	if uid, err := strconv.Atoi(os.Getenv(userVariable)); err == nil {
		if err := syscall.Setuid(uid); err != nil {
			fmt.Fprintln(os.Stderr, "become another user:", err)
			os.Exit(3)
		}
	}
}

// crashMain is "serve", or with a second argument "demo", with crash points.
func crashMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b := &bomb{}
	b.arm(os.Getenv(crashVariable))
	go followLeash(func(line string) {
		b.arm(line)
		fmt.Println("armed")
	})
	p := place{data: os.Args[1], config: os.Getenv(configVariable), listen: "127.0.0.1:0"}
	conf, err := p.load()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	log, level := logger(os.Stderr, conf.Snapshot())
	o := app.Options{Config: conf, Log: log, Level: level, Version: "crash test", Check: b.pass}
	if len(os.Args) > 2 { // the demo's preparations
		d, err := newShow(conf, p.data)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = d.close() }()
		o = d.options(ctx, o)
	}
	a, err := app.Start(ctx, o)
	if err == nil {
		err = runUntilDone(ctx, a, os.Stdout, log)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// bomb kills the process at the n-th pass of a crash point.
type bomb struct {
	mu    sync.Mutex
	point string
	left  int
}

// arm takes "POINT:N"; an empty order disarms.
func (b *bomb) arm(order string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	point, n, _ := strings.Cut(order, ":")
	b.point, b.left = point, 0
	if point != "" {
		b.left, _ = strconv.Atoi(n)
	}
}

func (b *bomb) pass(point string) {
	b.mu.Lock() // and keep it: nobody passes a point after the last one
	defer b.mu.Unlock()
	if point != b.point {
		return
	}
	if b.left--; b.left != 0 {
		return
	}
	fmt.Println("crash", point)
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // until the signal arrives
}

// process is a child, as its parent sees it.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	leash *os.File
	log   *shared // stderr

	ready chan string   // the address, once it accepts work
	armed chan struct{} // one for each order taken
	over  chan struct{} // closed when it has ended

	mu      sync.Mutex
	out     strings.Builder // stdout
	crashed string          // the crash point at which it killed itself
}

// shared is a buffer that may be read while a process writes to it.
type shared struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // closed at the next write
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.more)
	s.more = make(chan struct{})
	return s.b.Write(p)
}

// next returns what has been written, and a channel that is closed when there is
// more.
func (s *shared) next() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String(), s.more
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// spawn starts a child of that mode. It is killed when the test ends, if it has
// not ended by then.
func spawn(t *testing.T, mode string, args []string, env ...string) *process {
	t.Helper()
	p := prepare(t, mode, args, env...)
	p.start()
	return p
}

// prepare makes a child that is not started yet.
func prepare(t *testing.T, mode string, args []string, env ...string) *process {
	t.Helper()
	p := &process{
		t: t, log: &shared{more: make(chan struct{})},
		ready: make(chan string, 1), armed: make(chan struct{}, 1), over: make(chan struct{}),
	}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), childVariable+"="+mode)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = p.log
	return p
}

func (p *process) start() {
	p.t.Helper()
	end, leash, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.leash = leash
	p.cmd.ExtraFiles = []*os.File{end}
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err := errors.Join(err, end.Close()); err != nil {
		p.t.Fatal(err)
	}
	go p.follow(out)
	p.t.Cleanup(p.kill)
}

// follow reads what the child says until it has ended.
func (p *process) follow(out io.Reader) {
	defer close(p.over)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.mu.Lock()
		p.out.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "casewire":
			if url, ok := strings.CutPrefix(rest, "ready "); ok {
				p.ready <- url
			}
		case "crash":
			p.mu.Lock()
			p.crashed = rest
			p.mu.Unlock()
		case "armed":
			p.armed <- struct{}{}
		}
	}
	_ = p.cmd.Wait() // how it ended is asked of its state
	_ = p.leash.Close()
}

// stdout is what it has printed so far.
func (p *process) stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) crash() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crashed
}

// kill ends it as a power cut would, and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be over
	<-p.over
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %v: %v", s, err)
	}
}

// wait waits for the end and returns the exit code, -1 for a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.over:
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // a dump of what it is at
		<-p.over
		p.t.Fatalf("does not end; stderr:\n%s", tail(p.log.String()))
	}
	return p.cmd.ProcessState.ExitCode()
}

// url waits until the child accepts work.
func (p *process) url() string {
	p.t.Helper()
	select {
	case url := <-p.ready:
		return url
	case <-p.over:
		p.t.Fatalf("ended before it was ready, with %d; stderr:\n%s", p.cmd.ProcessState.ExitCode(), tail(p.log.String()))
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // a dump of what it is at
		<-p.over
		p.t.Fatalf("is not ready; it does:\n%s", stacks(p.log.String()))
	}
	return ""
}

// patience is how long anything may take on a busy machine before the test
// calls it stuck.
const patience = 60 * time.Second

func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}
