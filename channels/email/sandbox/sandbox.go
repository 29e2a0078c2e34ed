// Package sandbox is a provider of mail in one process: IMAP and SMTP servers on the
// loopback interface, with mailboxes that may outlive the process. The demo and the
// tests of the email door use it as the world outside; it does not know them.
package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-smtp"
)

// Account is a mailbox and who may use it.
type Account struct {
	Address  string // "support@shop.test"; plus-addresses reach it, too
	User     string // for logging in; "" means Address
	Password string
	Token    string // for XOAUTH2 and OAUTHBEARER; "" turns them off
}

// Listen are the addresses to listen on; "" means a free port of 127.0.0.1.
type Listen struct{ IMAP, IMAPS, Submission, Submissions, MX string }

// Options say what a Server is like. The zero value has no accounts.
type Options struct {
	Dir      string // where mail is kept over restarts; "" keeps it in memory
	Accounts []Account
	Listen   Listen
	Now      func() time.Time // nil: time.Now
	MaxBytes int64            // of one mail; 0: 50 MB
	Until    time.Time        // end of the certificate; zero: ten years from now
	NoUTF8   bool             // no SMTPUTF8
	NoMove   bool             // no MOVE
	// Greylist has the first attempt to each recipient refused with 451.
	Greylist bool
	// Taken is called with the text of the reply for a mail that was taken, after
	// "Ok", so that a test can play a provider that renames mail; nil: "queued as N".
	Taken func(n int) string
}

// Server is a running provider. It is safe for concurrent use.
type Server struct {
	o    Options
	cert []byte
	tls  *tls.Config

	imap       *imapserver.Server
	submission *smtp.Server
	mx         *smtp.Server
	listeners  map[string]*listener
	serving    sync.WaitGroup
	sessions   sync.WaitGroup
	done       chan struct{}
	base       context.Context // for what Close waits for

	mu       sync.Mutex
	accounts []*account
	faults   []*Fault
	seen     map[string]bool // recipients that were greylisted
	queued   int
	changed  chan struct{} // closed and replaced when a mailbox changed
}

const defaultMaxBytes = 50 << 20

// Open starts the servers. They run until Close.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	s := &Server{
		o: o, base: context.WithoutCancel(ctx), done: make(chan struct{}), changed: make(chan struct{}), seen: map[string]bool{},
		listeners: map[string]*listener{},
	}
	var err error
	if s.tls, s.cert, err = certificate(o.Now(), o.Until); err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	for _, a := range o.Accounts {
		acc, err := openAccount(a, o.Dir)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open a mailbox: %w", err), s.closeAccounts())
		}
		s.accounts = append(s.accounts, acc)
	}
	s.imap = imapserver.New(&imapserver.Options{
		NewSession: s.newIMAP, Caps: s.caps(), Logger: nolog{}, TLSConfig: s.tls, InsecureAuth: true,
	})
	s.submission, s.mx = s.smtpServer(true), s.smtpServer(false)
	if err := s.listen(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// listen opens every port and serves it.
func (s *Server) listen(ctx context.Context) error {
	l := s.o.Listen
	for _, p := range []struct {
		name, addr string
		tls        bool
		serve      func(net.Listener) error
	}{
		{"imap", l.IMAP, false, s.imap.Serve},
		{"imaps", l.IMAPS, true, s.imap.Serve},
		{"submission", l.Submission, false, s.submission.Serve},
		{"submissions", l.Submissions, true, s.submission.Serve},
		{"mx", l.MX, false, s.mx.Serve},
	} {
		if p.addr == "" {
			p.addr = "127.0.0.1:0"
		}
		if host, _, err := net.SplitHostPort(p.addr); err != nil || !net.ParseIP(host).IsLoopback() {
			return fmt.Errorf("listen on %s for %s: not a loopback address", p.addr, p.name)
		}
		inner, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.addr)
		if err != nil {
			return fmt.Errorf("listen for %s: %w", p.name, err)
		}
		tracked := &listener{Listener: inner, conns: map[net.Conn]struct{}{}}
		s.listeners[p.name] = tracked
		served := net.Listener(tracked)
		if p.tls {
			served = tls.NewListener(tracked, s.tls)
		}
		s.serving.Go(func() { _ = p.serve(served) })
	}
	return nil
}

// IMAP is the address of IMAP with STARTTLS.
func (s *Server) IMAP() string { return s.addr("imap") }

// IMAPS is the address of IMAP over TLS.
func (s *Server) IMAPS() string { return s.addr("imaps") }

// Submission is the address at which accounts send, with STARTTLS.
func (s *Server) Submission() string { return s.addr("submission") }

// Submissions is the address at which accounts send over TLS.
func (s *Server) Submissions() string { return s.addr("submissions") }

// MX is the address at which the rest of the world delivers, without logging in.
func (s *Server) MX() string { return s.addr("mx") }

func (s *Server) addr(name string) string { return s.listeners[name].Addr().String() }

// CA is the servers' certificate in PEM, to be trusted.
func (s *Server) CA() []byte { return s.cert }

// Accounts returns the accounts, in the order in which they were given.
func (s *Server) Accounts() []Account { return append([]Account(nil), s.o.Accounts...) }

// Kick closes the connections of every client, as a restart of the provider does.
func (s *Server) Kick() {
	for _, l := range s.listeners {
		l.kick()
	}
}

// Close stops the servers and waits for everything they run.
func (s *Server) Close() error {
	if !s.end() {
		return nil
	}
	for _, l := range s.listeners {
		l.Close()
	}
	s.Kick()
	var errs []error
	for _, srv := range []*smtp.Server{s.submission, s.mx} {
		// Shutdown waits for its connections, which have just been closed.
		if err := srv.Shutdown(s.base); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if err := s.imap.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		errs = append(errs, err)
	}
	s.serving.Wait()
	s.sessions.Wait()
	return errors.Join(append(errs, s.closeAccounts())...)
}

// end says that no session may begin any more, and whether it was the first to say so.
func (s *Server) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		return false
	default:
		close(s.done)
		return true
	}
}

func (s *Server) closeAccounts() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, a := range s.accounts {
		errs = append(errs, a.close())
	}
	return errors.Join(errs...)
}

func (s *Server) caps() imap.CapSet {
	caps := imap.CapSet{
		imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapNamespace: {}, imap.CapESearch: {},
		imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapMove: {}, imap.CapStatusSize: {},
	}
	if s.o.NoMove {
		delete(caps, imap.CapMove)
	}
	return caps
}

// account returns whose mailbox addr is, plus-addressed or not. The caller holds mu.
func (s *Server) account(addr string) *account {
	for _, a := range s.accounts {
		if strings.EqualFold(a.Address, baseAddress(addr)) {
			return a
		}
	}
	return nil
}

// user returns the account that logs in by name. The caller holds mu.
func (s *Server) user(name string) *account {
	for _, a := range s.accounts {
		if a.user() == name {
			return a
		}
	}
	return nil
}

// tell wakes those who wait for a change. The caller holds mu.
func (s *Server) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// baseAddress takes the detail off a plus-address.
func baseAddress(addr string) string {
	local, domain, _ := strings.Cut(addr, "@")
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + domain
}

// nolog drops what the libraries would print: it may hold mail.
type nolog struct{}

func (nolog) Printf(string, ...any) {}
func (nolog) Println(...any)        {}
