package inbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"casewire/channels/email/link"
	"casewire/channels/email/login"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// session is one connection that watches one folder.
type session struct {
	b    *Inbox
	f    *folder
	open Open

	client *imapclient.Client
	conn   *link.Conn
	news   chan struct{} // something arrived
	dog    *time.Timer   // closes the connection when nothing moves
	idle   bool          // the server supports IDLE
	caps   imap.CapSet
	looked bool // all went well at least once
}

const (
	// stuck is how long a session may make no step. The link finds silent servers
	// long before; this is for those that talk and get nowhere.
	stuck = 5 * time.Minute
	// looksPerSelect is how often the folder is looked into before it is selected
	// again: a new UIDVALIDITY shows only then (E1).
	looksPerSelect = 10
)

// run connects and watches until something fails or ctx ends.
func (s *session) run(ctx context.Context) error {
	s.news = make(chan struct{}, 1)
	client, conn, err := s.b.connect(ctx, &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				select {
				case s.news <- struct{}{}:
				default:
				}
			}
		},
	}, nil)
	if err != nil {
		return err
	}
	s.client, s.conn = client, conn
	defer client.Close()
	// The library knows no contexts: closing is what frees whoever waits in it.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s.dog = time.AfterFunc(stuck, func() { conn.Close() })
	defer s.dog.Stop()
	if err := s.b.authenticate(ctx, client); err != nil {
		return s.blame(err)
	}
	s.caps = client.Caps()
	s.idle = s.caps.Has(imap.CapIdle)
	return s.blame(s.watch(ctx))
}

// blame prefers what the network said to what the library made of it.
func (s *session) blame(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*imap.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*login.Error](err); ok {
		return err
	}
	if failed := s.conn.Failed(); failed != nil && !errors.Is(err, errStore) {
		return &stepError{step: "connection", err: link.Explain(failed)}
	}
	return err
}

// step notes that the session moves.
func (s *session) step() { s.dog.Reset(stuck) }

// watch selects the folder now and then, and looks into it for ever.
func (s *session) watch(ctx context.Context) error {
	for {
		if err := s.enter(ctx); err != nil {
			return err
		}
		for range looksPerSelect {
			if err := s.look(ctx); err != nil {
				return err
			}
			s.looked = true
			s.f.well(s.b.o.Now())
			s.b.count.polls.Add(1)
			if err := s.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// wait returns when something may have arrived, at the latest after the poll
// interval. Meanwhile it has the server answer often enough for the link to notice
// when it is gone: IDLE is ended and begun anew each time.
func (s *session) wait(ctx context.Context) error {
	poll := time.NewTimer(s.b.s.Poll)
	defer poll.Stop()
	for {
		due, err := s.listen(ctx, poll.C)
		s.step()
		if err != nil || due {
			return err
		}
	}
}

// listen waits for news, the poll or the next proof of life, which it then asks for.
func (s *session) listen(ctx context.Context, poll <-chan time.Time) (due bool, err error) {
	probe := time.NewTimer(s.b.s.Silence * 2 / 3)
	defer probe.Stop()
	var idle *imapclient.IdleCommand
	if s.idle {
		if idle, err = s.client.Idle(); err != nil {
			if _, refused := errors.AsType[*imap.Error](err); !refused {
				return false, &stepError{step: "idle", err: err}
			}
			s.idle = false // it was promised and is not there: polling will do
		}
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-s.client.Closed():
		return false, errVanished
	case <-s.news:
		due = true
	case <-poll:
		due = true
	case <-probe.C:
	}
	if idle == nil {
		err = s.client.Noop().Wait()
	} else if err = idle.Close(); err == nil {
		err = idle.Wait()
	}
	if err != nil {
		return false, &stepError{step: "idle", err: err}
	}
	select { // what the server told while it answered
	case <-s.news:
		due = true
	default:
	}
	return due, nil
}

// connect opens a connection up to the server's greeting, encrypted as configured.
// seen, if not nil, is shown the certificates.
func (b *Inbox) connect(ctx context.Context, h *imapclient.UnilateralDataHandler, seen func(tls.ConnectionState)) (*imapclient.Client, *link.Conn, error) {
	raw, err := link.Dial(ctx, b.s.Server, b.s.Server.Address(993, 143), link.Options{Silence: b.s.Silence})
	if err != nil {
		return nil, nil, &stepError{step: "connect", err: err}
	}
	conn, ok := link.Inner(raw)
	if !ok {
		raw.Close()
		return nil, nil, errors.New("connect: not a link")
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if secure, ok := raw.(*tls.Conn); ok && seen != nil {
		seen(secure.ConnectionState())
	}
	o := &imapclient.Options{UnilateralDataHandler: h}
	step := "greeting"
	var client *imapclient.Client
	if b.s.Server.TLS == link.StartTLS {
		step = "starttls"
		if o.TLSConfig, err = b.s.Server.TLSConfig(); err == nil {
			o.TLSConfig.VerifyConnection = func(cs tls.ConnectionState) error {
				if seen != nil {
					seen(cs)
				}
				return nil
			}
			client, err = imapclient.NewStartTLS(raw, o)
		}
	} else {
		client = imapclient.New(raw, o)
		err = client.WaitGreeting()
	}
	if err == nil {
		return client, conn, nil
	}
	conn.Close()
	if client != nil {
		client.Close()
	}
	if failed := conn.Failed(); failed != nil {
		return nil, nil, &stepError{step: step, err: link.Explain(failed)}
	}
	if _, ok := errors.AsType[*imap.Error](err); !ok {
		err = link.Explain(err)
	}
	return nil, nil, &stepError{step: step, err: err}
}

// authenticate logs in, by SASL or else by LOGIN.
func (b *Inbox) authenticate(ctx context.Context, client *imapclient.Client) error {
	if client.State() == imap.ConnStateAuthenticated {
		return nil // the server knows us by the connection
	}
	caps := client.Caps()
	if caps == nil {
		return &stepError{step: "login", err: errVanished}
	}
	mechanisms := caps.AuthMechanisms()
	method, err := b.o.Login.Client(ctx, mechanisms)
	user, password, plain := b.o.Login.Plain()
	switch {
	case err == nil:
		err = client.Authenticate(method)
	case plain && !caps.Has(imap.CapLoginDisabled):
		err = client.Login(user, password).Wait()
	default:
		return &stepError{step: "login", err: err}
	}
	if err == nil {
		return nil
	}
	if ie, ok := errors.AsType[*imap.Error](err); ok && !temporary(ie) {
		b.o.Login.Refused()
		code := word(string(ie.Code))
		err = b.o.Login.Denied(fmt.Errorf("%s %s", ie.Type, code))
	}
	return &stepError{step: "login", err: err}
}
