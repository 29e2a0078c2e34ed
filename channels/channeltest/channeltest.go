// Package channeltest is the promises that every door keeps, as a test suite, and
// the house that a door needs around it while it is tested: memory, files,
// threads and a sink, which behave as documented in package channels. It knows no
// door; each describes its provider as a World.
package channeltest

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"casewire/channels"
)

// World is a provider with one account of ours at it, and one customer who uses
// it: a real server on the loopback interface, or the customer's own client when
// there is no provider between us. It lives longer than the doors opened on it.
type World interface {
	// Open opens a door on the provider. It is called again after a restart,
	// with the same house behind env.
	Open(env channels.Env) (channels.Channel, error)
	// Say has the customer write text, and returns without waiting for the
	// door. The id is the World's own name for the message.
	Say(text string) (id string)
	// Taken says whether the door has acknowledged the message by now.
	Taken(id string) bool
	// Await returns when the door has acknowledged the message.
	Await(ctx context.Context, id string) error
	// Again has a message delivered once more, acknowledged or not.
	Again(id string)
	// Received returns when the customer has got text at least n times.
	Received(ctx context.Context, text string, n int) error
	// Refusals lists the ways in which sending can fail here.
	Refusals() []Refusal
	// Secrets lists what must appear in no log and no error.
	Secrets() []string
}

// Refusal is a way in which the provider does not take a message.
type Refusal struct {
	Name   string
	Arm    func()                   // makes the provider refuse; may be nil
	Change func(*channels.Outbound) // makes the message one that is refused; may be nil
	Disarm func()                   // undoes Arm; may be nil
	Reason channels.Reason
	Retry  bool
}

const (
	patience   = 10 * time.Second
	stopWithin = time.Second
)

// Run holds a door to its promises. open makes a World for a house; it is called
// for each test.
func Run(t *testing.T, id string, open func(t *testing.T, h *House) World) {
	loopbackOnly(t)
	log := &transcript{}
	tests := []struct {
		name string
		run  func(*stage)
	}{
		{"takes a message once and then acknowledges it", (*stage).takes},
		{"never acknowledges what was not stored", (*stage).refused},
		{"tells a repeat by its external id", (*stage).repeated},
		{"delivers again when stopped before storing", (*stage).stoppedBefore},
		{"delivers again when the answer of the store was lost", (*stage).answerLost},
		{"keeps quiet after a restart about what was acknowledged", (*stage).restarted},
		{"sends and says so", (*stage).sends},
		{"classifies failures", (*stage).classifies},
		{"stops within a second", (*stage).stops},
		{"stops within a second while the store hangs", (*stage).stopsBusy},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := NewHouse(t)
			s := &stage{T: t, id: id, house: h, world: open(t, h), log: log}
			test.run(s)
			s.leaks()
		})
	}
}

// stage is one test: a house, a world, and the door between them.
type stage struct {
	*testing.T
	id    string
	house *House
	world World
	log   *transcript
	door  channels.Channel
	stop  func() (time.Duration, error)
	said  []string
}

func (s *stage) open() {
	s.Helper()
	env := s.house.Env(s.id)
	env.Log = slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	door, err := s.world.Open(env)
	if err != nil {
		s.Fatalf("open: %v", err)
	}
	s.door = door
	s.stop = s.house.Start(s, door, s.house.Book)
}

// close stops the door, to open another later.
func (s *stage) close() {
	s.Helper()
	if _, err := s.stop(); err != nil {
		s.Errorf("Run returned %v, want nil", err)
	}
}

func (s *stage) ctx() context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	s.Cleanup(cancel)
	return ctx
}

// say has the customer write something no other test writes.
func (s *stage) say() (id, text string) {
	text = canary()
	s.said = append(s.said, text)
	return s.world.Say(text), text
}

// with returns what was stored of a text.
func (s *stage) with(text string) []channels.Inbound {
	var out []channels.Inbound
	for _, m := range s.house.Book.Messages() {
		if strings.Contains(m.Body.Text, text) {
			out = append(out, m)
		}
	}
	return out
}

// stored waits for a text and returns its message.
func (s *stage) stored(text string) channels.Inbound {
	s.Helper()
	if err := s.house.Book.Wait(s.ctx(), func() bool { return len(s.with(text)) > 0 }); err != nil {
		s.Fatalf("the message never came: %v", err)
	}
	return s.with(text)[0]
}

func (s *stage) await(id string) {
	s.Helper()
	if err := s.world.Await(s.ctx(), id); err != nil {
		s.Fatalf("the message was never acknowledged: %v", err)
	}
}

func (s *stage) once(text string) {
	s.Helper()
	if got := s.with(text); len(got) != 1 {
		s.Fatalf("stored %d times under different external ids, want once", len(got))
	}
}

// leaks looks for what must be in no log.
func (s *stage) leaks() {
	got := s.log.String()
	for _, secret := range s.world.Secrets() {
		if secret != "" && strings.Contains(got, secret) {
			s.Errorf("a secret is in the log")
		}
	}
	for _, text := range s.said {
		if strings.Contains(got, text) {
			s.Errorf("the text of a message is in the log")
		}
	}
	for _, m := range s.house.Book.Messages() {
		if strings.Contains(got, m.From.Handle) {
			s.Errorf("a customer's address is in the log")
		}
	}
}

// Goroutines returns the stacks of goroutines that still run code of a package,
// tests apart, once they have had time to end; "" when none does.
func Goroutines(pkg string) string {
	for deadline := time.Now().Add(2 * time.Second); ; runtime.Gosched() {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var left []string
		for stack := range strings.SplitSeq(string(buf), "\n\n") {
			if strings.Contains(stack, pkg+".") && !strings.Contains(stack, "_test.go:") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}
