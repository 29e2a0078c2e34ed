// Package submit writes mails and hands them to a mail server by SMTP, and says of
// every failure what follows from it. It knows neither cases nor customers: who is
// told what, and when a mail is tried again, is decided elsewhere.
package submit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"casewire/channels/email/login"

	"github.com/emersion/go-smtp"
)

// Options are what a Sender needs around it.
type Options struct {
	Address string           // of the channel
	Largest int64            // bytes of the largest attachment that may be sent, for Examine; 0: unknown
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	// TXT looks up what the world may read of our domain, for Examine; nil leaves it out.
	TXT func(ctx context.Context, name string) ([]string, error)
}

// Sender hands over mails, over a few connections that it keeps for a while. It is
// safe for concurrent use.
type Sender struct {
	cfg   Config
	login *login.Login
	log   *slog.Logger
	now   func() time.Time
	slots chan struct{} // one for each connection in use
	state *state

	address string
	largest int64
	txt     func(ctx context.Context, name string) ([]string, error)

	mu      sync.Mutex
	idle    []*session // the one used last is last
	closed  bool
	closing sync.WaitGroup
}

// New returns a Sender. It connects when there is something to send.
func New(c Config, l *login.Login, o Options) *Sender {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if c.Hello == "" {
		c.Hello = "localhost"
		_, domain, _ := strings.Cut(o.Address, "@")
		if domain, err := domainToASCII(domain); err == nil && isDomain(domain) {
			c.Hello = domain
		}
	}
	return &Sender{
		cfg: c, login: l, log: o.Log, now: o.Now,
		slots: make(chan struct{}, max(c.Connections, 1)), state: newState(o.Now),
		address: o.Address, largest: o.Largest, txt: o.TXT,
	}
}

// Taken is what the server said when it took a mail.
type Taken struct {
	Text string   // for people to look up: "queued as 4FZ"
	Refs []string // further Message-IDs by which answers may refer to the mail (E5)
}

// Send hands over a mail. Errors are *channels.SendError; Unsure is one exactly when
// the server may have the mail although it did not say so.
func (s *Sender) Send(ctx context.Context, m *Mail) (Taken, error) {
	taken, err := s.send(ctx, m)
	if err == nil {
		s.state.well()
		return taken, nil
	}
	se := classify(err)
	s.state.note(se, err)
	s.log.Debug("mail not taken", "reason", se.Reason, "code", se.Code, "stage", stageOf(err))
	return Taken{}, se
}

func (s *Sender) send(ctx context.Context, m *Mail) (Taken, error) {
	e, err := envelopeOf(m)
	if err != nil {
		return Taken{}, err
	}
	if err := m.readable(ctx); err != nil {
		return Taken{}, at(stageFiles, err)
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return Taken{}, at(stageConnect, ctx.Err())
	}
	c, used, err := s.session(ctx)
	if err != nil {
		return Taken{}, err
	}
	text, err := c.deliver(ctx, e, m)
	if used && isGone(err) {
		// The server ended a connection that it had kept for us: no fault of the mail.
		c.drop()
		if c, err = s.connect(ctx); err != nil {
			return Taken{}, err
		}
		text, err = c.deliver(ctx, e, m)
	}
	if err != nil {
		s.release(c, err)
		return Taken{}, err
	}
	s.release(c, nil)
	return Taken{Text: sanitise(text), Refs: refsIn(text, s.cfg.Server.Host)}, nil
}

// session returns a connection that was seen to work just now.
func (s *Sender) session(ctx context.Context) (c *session, used bool, err error) {
	for {
		c := s.pop()
		if c == nil {
			break
		}
		if c.alive(ctx) {
			return c, true, nil
		}
		c.drop()
	}
	c, err = s.connect(ctx)
	return c, false, err
}

func (s *Sender) pop() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return nil
	}
	c := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	c.expiry.Stop()
	return c
}

// release keeps a connection for the next mail, unless something was wrong with it.
func (s *Sender) release(c *session, err error) {
	if err != nil && !isReply(err) {
		c.drop()
		return
	}
	s.mu.Lock()
	if s.closed || s.cfg.Idle <= 0 || err != nil && isGone(err) {
		s.mu.Unlock()
		c.quit()
		return
	}
	c.expiry = time.AfterFunc(s.cfg.Idle, func() { s.expire(c) })
	s.idle = append(s.idle, c)
	s.mu.Unlock()
}

// expire closes a connection that nobody needed.
func (s *Sender) expire(c *session) {
	s.mu.Lock()
	for i, idle := range s.idle {
		if idle == c {
			s.idle = append(s.idle[:i:i], s.idle[i+1:]...)
			s.closing.Add(1)
			s.mu.Unlock()
			c.quit()
			s.closing.Done()
			return
		}
	}
	s.mu.Unlock()
}

// Close ends the connections that nobody uses; those in use end with their mail.
func (s *Sender) Close() error {
	s.mu.Lock()
	s.closed = true
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	for _, c := range idle {
		c.expiry.Stop()
		c.quit()
	}
	s.closing.Wait()
	return nil
}

// isReply says that the server answered, so that the connection is in order.
func isReply(err error) bool {
	_, ok := errors.AsType[*smtp.SMTPError](err)
	return ok
}

// isGone says that the server ends the connection, before it was given the mail.
func isGone(err error) bool {
	if err == nil {
		return false
	}
	if stage := stageOf(err); stage != stageMail && stage != stageRcpt {
		return false
	}
	reply, ok := errors.AsType[*smtp.SMTPError](err)
	return !ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) || ok && reply.Code == 421
}

// envelope is what the server is told of a mail.
type envelope struct {
	from, to string
	utf8     bool
	id       string
	size     int64
}

func envelopeOf(m *Mail) (envelope, error) {
	sender := m.ReturnPath
	if sender == "" {
		sender = m.From.Addr
	}
	from, fromUTF8, err := wireAddress(sender)
	if err != nil {
		return envelope{}, at(stageSender, err)
	}
	_, headerUTF8, err := wireAddress(m.From.Addr)
	if err != nil {
		return envelope{}, at(stageSender, err)
	}
	to, toUTF8, err := wireAddress(m.To.Addr)
	if err != nil {
		return envelope{}, at(stageAddress, err)
	}
	e := envelope{from: from, to: to, utf8: fromUTF8 || headerUTF8 || toUTF8, size: m.size()}
	if m.Envelope != "" && len(m.Envelope) <= 100 && isPlain(m.Envelope) && !strings.Contains(m.Envelope, " ") {
		e.id = m.Envelope
	}
	return e, nil
}

// stage is how far a mail has come.
type stage string

const (
	stageAddress stage = "address" // before anything was said
	stageSender  stage = "sender"
	stageFiles   stage = "files"
	stageConnect stage = "connect"
	stageHello   stage = "greeting"
	stageTLS     stage = "starttls"
	stageAuth    stage = "login"
	stageMail    stage = "sender address"
	stageRcpt    stage = "recipient"
	stageData    stage = "data"
	stageBody    stage = "content"  // on its way
	stageDot     stage = "content " // handed over: the server may have it
)

type stageError struct {
	stage stage
	err   error
}

func (e *stageError) Error() string {
	return fmt.Sprintf("%s: %v", strings.TrimSpace(string(e.stage)), e.err)
}
func (e *stageError) Unwrap() error { return e.err }

func at(s stage, err error) error {
	if err == nil {
		return nil
	}
	return &stageError{s, err}
}

func stageOf(err error) stage {
	if e, ok := errors.AsType[*stageError](err); ok {
		return e.stage
	}
	return ""
}
