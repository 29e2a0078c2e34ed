package submit

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"casewire/channels/email/link"
	"casewire/channels/email/login"

	"github.com/emersion/go-smtp"
)

const (
	implicitPort, submissionPort = 465, 587
	checkWithin                  = 10 * time.Second // for a kept connection to prove itself
	quitWithin                   = 2 * time.Second
)

// session is one connection that is logged in.
type session struct {
	cfg    Config
	client *smtp.Client
	wire   *wire
	cert   *x509.Certificate // of the server, when encrypted
	expiry *time.Timer       // while idle
}

// wire remembers whether the last that was written went out. A write that failed
// leaves its end unsent, so that the server cannot have a mail whose final dot was
// in it.
type wire struct {
	net.Conn
	failed atomic.Bool
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if err != nil {
		w.failed.Store(true)
	}
	return n, err
}

// Close closes the connection at once. TLS would say goodbye first, and might wait
// for a server that no longer reads.
func (w *wire) Close() error {
	if inner, ok := link.Inner(w.Conn); ok {
		return inner.Close()
	}
	return w.Conn.Close()
}

// connect returns a session that is ready for a mail.
func (s *Sender) connect(ctx context.Context) (*session, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.during(ctx, func() error { return s.enter(ctx, c) }); err != nil {
		c.drop()
		return nil, err
	}
	return c, nil
}

// dial connects, encrypts and greets.
func (s *Sender) dial(ctx context.Context) (*session, error) {
	server := s.cfg.Server
	conn, err := link.Dial(ctx, server, server.Address(implicitPort, submissionPort), link.Options{Silence: s.cfg.Reply})
	if err != nil {
		return nil, at(stageConnect, err)
	}
	c := &session{cfg: s.cfg, wire: &wire{Conn: conn}}
	if secure, ok := conn.(*tls.Conn); ok {
		c.cert = secure.ConnectionState().PeerCertificates[0]
	}
	if err := c.during(ctx, c.greet); err != nil {
		c.wire.Close()
		return nil, err
	}
	return c, nil
}

func (c *session) greet() error {
	if c.cfg.Server.TLS != link.StartTLS {
		c.client = c.limited(smtp.NewClient(c.wire))
		return at(stageHello, c.client.Hello(c.cfg.Hello))
	}
	settings, err := c.cfg.Server.TLSConfig()
	if err != nil {
		return at(stageConnect, &link.Error{Step: "certificate", Text: "the file with trusted certificates cannot be used", Mend: "correct ca_file", Err: err})
	}
	settings.VerifyConnection = func(state tls.ConnectionState) error {
		c.cert = state.PeerCertificates[0]
		return nil
	}
	client, err := smtp.NewClientStartTLS(c.wire, settings)
	switch {
	case err != nil && strings.Contains(err.Error(), "doesn't support STARTTLS"):
		return at(stageTLS, errNoTLS)
	case err != nil:
		return at(stageTLS, err)
	}
	c.client = c.limited(client)
	return at(stageTLS, c.client.Hello(c.cfg.Hello))
}

var errNoTLS = &link.Error{
	Step: "tls", Text: "the mail server offers no STARTTLS",
	Mend: "use tls: implicit with the port for it; nothing is sent in the clear unless tls says none",
}

// limited takes the library's own clocks away: the link has them.
func (c *session) limited(client *smtp.Client) *smtp.Client {
	client.CommandTimeout, client.SubmissionTimeout = time.Hour, time.Hour
	return client
}

// enter logs in.
func (s *Sender) enter(ctx context.Context, c *session) error {
	if s.cfg.NoLogin {
		return nil
	}
	offered, mechanisms := c.client.Extension("AUTH")
	if !offered {
		return at(stageAuth, &login.Error{
			Text: "the mail server offers no login on this port",
			Mend: "use the port for submission, 587 or 465; for a relay that needs none set no_login",
		})
	}
	client, err := s.login.Client(ctx, strings.Fields(mechanisms))
	if err != nil {
		return at(stageAuth, err)
	}
	err = c.client.Auth(client)
	if reply, ok := errors.AsType[*smtp.SMTPError](err); ok && reply.Code >= 500 {
		s.login.Refused()
		err = s.login.Denied(err)
	}
	return at(stageAuth, err)
}

// deliver hands over one mail and returns the server's answer.
func (c *session) deliver(ctx context.Context, e envelope, m *Mail) (answer string, err error) {
	err = c.during(ctx, func() error {
		if err := c.begin(e); err != nil {
			return err
		}
		data, err := c.client.Data()
		if err != nil {
			return at(stageData, err)
		}
		// Nothing but the end of the mail sends the final dot: what cannot be written
		// to its end is not a mail.
		buffered := bufio.NewWriterSize(data, 32<<10)
		if err := m.Write(ctx, buffered); errors.Is(err, errFile) {
			return at(stageFiles, err)
		} else if err := errors.Join(err, buffered.Flush()); err != nil {
			return at(stageBody, noReply(err))
		}
		if err := ctx.Err(); err != nil {
			return at(stageBody, err)
		}
		reply, err := data.CloseWithResponse()
		if err != nil {
			if c.wire.failed.Load() {
				return at(stageBody, noReply(err))
			}
			return at(stageDot, err)
		}
		answer = reply.StatusText
		return nil
	})
	return answer, err
}

// noReply keeps an error from being taken for the server's answer.
func noReply(err error) error { return fmt.Errorf("write: %w", err) }

// begin names sender and recipient.
func (c *session) begin(e envelope) error {
	if ok, _ := c.client.Extension("SMTPUTF8"); e.utf8 && !ok {
		return at(stageAddress, errNoUTF8)
	}
	if most, ok := c.client.MaxMessageSize(); ok && most > 0 && e.size > int64(most) {
		return at(stageFiles, fmt.Errorf("about %d bytes, and the server takes %d: %w", e.size, most, errTooLarge))
	}
	if err := c.client.Mail(e.from, &smtp.MailOptions{Size: e.size, UTF8: e.utf8, EnvelopeID: e.id}); err != nil {
		return at(stageMail, err)
	}
	return at(stageRcpt, c.client.Rcpt(e.to, nil))
}

var (
	errNoUTF8   = errors.New("the mail server takes no addresses with other letters than the English before the @")
	errTooLarge = errors.New("the mail is too large")
)

// during runs f and closes the connection when ctx ends meanwhile: the library
// knows no contexts.
func (c *session) during(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { c.wire.Close() })
	err := f()
	if stop() || err == nil {
		return err
	}
	if ended := ctx.Err(); ended != nil && !isReply(err) {
		return at(stageOf(err), ended)
	}
	return err
}

// alive says whether a kept connection still works, and clears it for the next mail.
func (c *session) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	return c.during(ctx, c.client.Reset) == nil
}

// quit says goodbye, without waiting long for the answer.
func (c *session) quit() {
	timer := time.AfterFunc(quitWithin, func() { c.wire.Close() })
	defer timer.Stop()
	if err := c.client.Quit(); err != nil {
		c.drop()
	}
}

// drop closes the connection.
func (c *session) drop() { c.wire.Close() }
