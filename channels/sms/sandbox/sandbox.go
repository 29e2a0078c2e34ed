// Package sandbox is a stand-in for Twilio on the loopback interface: the REST of
// messages, media, numbers and calls with its checks and error codes, signed
// webhooks and status callbacks, and the customers' phones at the other end. It
// is what tests and the demo text with. It bills nothing, reaches no network but
// its own machine and knows nothing of the door that talks to it.
//
// # Magic numbers
//
// Sending to one of these fails as it would at the provider; a message to any
// other number is delivered. The first five are Twilio's own test numbers.
//
//	+15005550001  refused with 21211, no valid number
//	+15005550002  refused with 21612, cannot be reached from this sender
//	+15005550003  refused with 21408, the region is not allowed
//	+15005550004  refused with 21610, opted out
//	+15005550009  refused with 21614, no mobile number
//	+15005550429  refused with HTTP 429 and 20429, too many requests
//	+15005550500  HTTP 500, nothing taken
//	+15005550503  HTTP 503, taken all the same
//	+15005550408  taken, then the answer never comes
//	+15005550499  the connection is cut before anything is taken
//	+15005550498  taken, then the connection is cut
//	+15005550299  taken and sent; whether it was delivered is never told
//	+15005551610  taken, then failed with 21610
//	+15005553xxx  taken, then undelivered with 30xxx: +15005553003 is 30003
//	+15005554xxx  called, not written to: +15005554486 busy, +15005554480 no answer,
//	              +15005554404 failed; +15005554481 calls, and hangs up while it rings
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defaults of Options.
const (
	DefaultAccount = "AC00000000000000000000000000005a4d"
	DefaultToken   = "5a4d0000000000000000000000000000"
	DefaultNumber  = "+15005550006"
)

// Options are what the stand-in is like. The zero value is usable.
type Options struct {
	AccountSID, AuthToken string
	// Numbers are the account's own, in E.164; DefaultNumber when empty.
	Numbers []string
	// Service is the id of a messaging service that sends from Numbers; "" is none.
	Service string
	// WebhookURL is where messages to Numbers are announced; Point changes it.
	WebhookURL string
	// Step is how long a message takes from one state to the next.
	Step time.Duration
	// Disorder sends delivered before sent, and each twice.
	Disorder bool
	// Manual sends no status callbacks by itself; Callback does.
	Manual bool
	// Tries is how often a webhook is tried, 4 when 0. Twilio tries once unless
	// the URL asks for more with "#rc=".
	Tries int
	// Retry is the pause before the second try; it doubles, up to a second. 50 ms
	// when 0.
	Retry time.Duration
	// Dir keeps messages, phones and opt-outs; "" forgets them.
	Dir string
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Server is a running stand-in. It is safe for concurrent use.
type Server struct {
	o      Options
	url    string
	http   *http.Server
	client *http.Client
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu       sync.Mutex
	book     book
	hooks    map[string]string    // webhook URL by our number
	voices   map[string]voiceHook // the same of calls
	faults   []*Fault
	watchers []watcher
	changed  chan struct{} // closed and replaced when anything changed
	calls    []*call
	rung     []*rung
	saved    error
	closed   bool
}

// Open starts a stand-in on a free port of 127.0.0.1. It ends with Close or when
// ctx does.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.AccountSID == "" {
		o.AccountSID = DefaultAccount
	}
	if o.AuthToken == "" {
		o.AuthToken = DefaultToken
	}
	if len(o.Numbers) == 0 {
		o.Numbers = []string{DefaultNumber}
	}
	if o.Tries == 0 {
		o.Tries = 4
	}
	if o.Retry == 0 {
		o.Retry = 50 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		o: o, hooks: make(map[string]string), voices: make(map[string]voiceHook), changed: make(chan struct{}),
		client: &http.Client{
			Timeout:       15 * time.Second,
			Transport:     &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, n := range o.Numbers {
		s.hooks[n] = o.WebhookURL
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	s.url = "http://" + l.Addr().String()
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.http = &http.Server{Handler: s.rest(), ReadHeaderTimeout: 10 * time.Second}
	s.tasks.Go(func() { _ = s.http.Serve(l) })
	s.resume()
	return s, nil
}

// Close ends the stand-in and everything it has under way. The error is the first
// that kept it from saving its state.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := s.http.Close()
	s.client.CloseIdleConnections()
	s.tasks.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.saved, err)
}

// start runs do as one of the tasks that Close waits for.
func (s *Server) start(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.tasks.Go(do)
	}
}

// URL is the base address of the REST API.
func (s *Server) URL() string { return s.url }

// AccountSID names the account.
func (s *Server) AccountSID() string { return s.o.AccountSID }

// AuthToken is the account's password, and the key of its signatures.
func (s *Server) AuthToken() string { return s.o.AuthToken }

// Numbers are the account's own.
func (s *Server) Numbers() []string { return slices.Clone(s.o.Numbers) }

// Point announces messages to one of our numbers at url, as somebody would enter
// it in the provider's console; "" announces them nowhere.
func (s *Server) Point(number, url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[number] = url
}

// Fault makes requests fail.
type Fault struct {
	Op         string // "create", "list", "fetch", "media", "account", "call"; "" is every one
	Status     int    // HTTP
	Code       int    // Twilio's
	RetryAfter int    // seconds; 0 says nothing
	Taken      bool   // a message is taken all the same
	Cut        bool   // the connection is cut instead of answered
	Hang       bool   // no answer comes
	Times      int    // how often; 0 is until it is undone
	used       int
}

// Fail makes requests fail until undo is called.
func (s *Server) Fail(f Fault) (undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(g *Fault) bool { return g == &f })
	}
}

// fault returns the fault that meets a request.
func (s *Server) fault(op string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if (f.Op == "" || f.Op == op) && (f.Times == 0 || f.used < f.Times) {
			f.used++
			return *f, true
		}
	}
	return Fault{}, false
}

// change runs do with the state locked, saves it and wakes whoever waits.
func (s *Server) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	if err := s.save(); err != nil && s.saved == nil {
		s.saved = err
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait returns when ok is true of the state, or with the context's error.
func (s *Server) wait(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		yes, changed := ok(), s.changed
		s.mu.Unlock()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-changed:
		}
	}
}

// owns says whether a number is the account's. The caller holds mu or need not.
func (s *Server) owns(number string) bool { return slices.Contains(s.o.Numbers, number) }

// pause waits and says whether the server still runs.
func (s *Server) pause(d time.Duration) bool {
	if d <= 0 {
		return s.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// country guesses where a number is from, as Twilio's webhooks say it.
func country(number string) string {
	for _, c := range []struct{ prefix, name string }{
		{"+380", "UA"}, {"+381", "RS"}, {"+49", "DE"}, {"+44", "GB"}, {"+7", "RU"}, {"+1", "US"},
	} {
		if strings.HasPrefix(number, c.prefix) {
			return c.name
		}
	}
	return ""
}
