package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// smtpSession is one SMTP connection.
type smtpSession struct {
	srv        *Server
	conn       *smtp.Conn
	submission bool
	account    *account // who logged in
	from       string
	envelopeID string
	to         []string
}

func (s *Server) smtpServer(submission bool) *smtp.Server {
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		session := &smtpSession{srv: s, conn: c, submission: submission}
		if err := session.fails("EHLO"); err != nil {
			return nil, err
		}
		if submission {
			return authSession{session}, nil
		}
		return session, nil
	}))
	srv.Domain, srv.TLSConfig, srv.ErrorLog = "localhost", s.tls, nolog{}
	srv.MaxMessageBytes, srv.MaxRecipients = s.o.MaxBytes, 100
	srv.AllowInsecureAuth, srv.EnableSMTPUTF8, srv.EnableDSN = true, !s.o.NoUTF8, true
	return srv
}

// authSession is a session at which one can log in.
type authSession struct{ *smtpSession }

// AuthMechanisms lists the ways to log in.
func (a authSession) AuthMechanisms() []string { return a.srv.mechanisms() }

// Auth starts a login.
func (a authSession) Auth(mechanism string) (sasl.Server, error) {
	srv := authenticate(mechanism, a.enter)
	if srv == nil {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return srv, nil
}

func (s *smtpSession) enter(name, secret string, of func(Account) string) error {
	if err := s.fails("AUTH"); err != nil {
		return err
	}
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	a := s.srv.user(name)
	if a == nil || !same(secret, of(a.Account)) {
		return smtp.ErrAuthFailed
	}
	s.account = a
	return nil
}

// fails plays the fault that a test wants at a command.
func (s *smtpSession) fails(command string) error {
	f := s.srv.fault(command)
	if f.harmless() {
		return nil
	}
	if f.Drop {
		s.drop()
		return errDropped
	}
	return f.smtp()
}

// drop closes the connection under the library, whose Close waits for this session.
func (s *smtpSession) drop() { s.conn.Conn().Close() }

func refuse(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// Mail begins a mail.
func (s *smtpSession) Mail(from string, o *smtp.MailOptions) error {
	if err := s.fails("MAIL"); err != nil {
		return err
	}
	if s.submission {
		if s.account == nil {
			return refuse(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required")
		}
		if from != "" && !strings.EqualFold(baseAddress(from), s.account.Address) {
			return refuse(553, smtp.EnhancedCode{5, 7, 1}, "Sender address rejected: not owned by user")
		}
	}
	s.from, s.envelopeID = from, ""
	if o != nil {
		s.envelopeID = o.EnvelopeID
	}
	return nil
}

// Rcpt takes a recipient.
func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.fails("RCPT"); err != nil {
		return err
	}
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	key := strings.ToLower(to)
	if s.srv.o.Greylist && !s.srv.seen[key] {
		s.srv.seen[key] = true
		return refuse(451, smtp.EnhancedCode{4, 7, 1}, "Greylisted, please try again")
	}
	if err := s.srv.reachable(to, s.submission); err != nil {
		return err
	}
	s.to = append(s.to, to)
	return nil
}

// reachable says whether mail to an address is taken. The caller holds mu.
func (s *Server) reachable(to string, submission bool) error {
	_, domain, _ := strings.Cut(strings.ToLower(to), "@")
	switch {
	case s.account(to) != nil, submission && domain == bounceDomain:
		return nil
	case slices.ContainsFunc(s.accounts, func(a *account) bool { return strings.HasSuffix(strings.ToLower(a.Address), "@"+domain) }):
		return refuse(550, smtp.EnhancedCode{5, 1, 1}, "User unknown")
	case submission:
		return refuse(550, smtp.EnhancedCode{5, 1, 2}, "Domain not found")
	}
	return refuse(554, smtp.EnhancedCode{5, 7, 1}, "Relay access denied")
}

// Data takes the mail.
func (s *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	f := s.srv.fault("DATA")
	if !f.harmless() && !f.Taken {
		if f.Drop {
			s.drop()
			return errDropped
		}
		return f.smtp()
	}
	n, err := s.srv.take(s.from, s.to, raw, s.envelopeID)
	if err != nil {
		return err
	}
	if !f.harmless() {
		s.drop()
		return errDropped
	}
	text := fmt.Sprintf("queued as %d", n)
	if s.srv.o.Taken != nil {
		text = s.srv.o.Taken(n)
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.NoEnhancedCode, Message: "Ok: " + text}
}

// Reset forgets the mail that was begun.
func (s *smtpSession) Reset() { s.from, s.envelopeID, s.to = "", "", nil }

// Logout ends the session.
func (s *smtpSession) Logout() error { return nil }

// take delivers a mail to each recipient, and bounces what cannot be delivered.
func (s *Server) take(from string, to []string, raw []byte, envelopeID string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued++
	n := s.queued
	for _, rcpt := range to {
		a := s.account(rcpt)
		if a == nil {
			if err := s.bounce(from, rcpt, raw, envelopeID); err != nil {
				return 0, err
			}
			continue
		}
		if err := s.deliver(a, from, rcpt, n, raw); err != nil {
			return 0, err
		}
	}
	s.tell()
	return n, nil
}

// deliver puts a mail into an inbox, with the traces that a server leaves.
func (s *Server) deliver(a *account, from, rcpt string, n int, raw []byte) error {
	now := s.o.Now()
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <%s>\r\nDelivered-To: %s\r\n", from, rcpt)
	fmt.Fprintf(&b, "Received: by localhost (sandbox) with ESMTP id %d;\r\n\t%s\r\n", n, now.Format(time.RFC1123Z))
	b.Write(raw)
	f := a.folder(inbox)
	if f == nil {
		return refuse(451, smtp.EnhancedCode{4, 2, 0}, "Mailbox is away")
	}
	_, err := a.add(f, message{raw: b.Bytes(), at: now, from: from, to: rcpt})
	return err
}
