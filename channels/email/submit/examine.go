package submit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"casewire/channels"
	"casewire/channels/email/link"
	"casewire/channels/email/login"

	"github.com/emersion/go-smtp"
)

// certificateSoon is how long before its end a certificate is worth a word.
const certificateSoon = 14 * 24 * time.Hour

// Examine tries all that can be tried without sending anything.
func (s *Sender) Examine(ctx context.Context, found func(channels.Finding)) {
	x := &examination{ctx: ctx, s: s, found: found}
	if c := x.connect(); c != nil {
		x.certificate(c)
		x.capabilities(c)
		if x.login(c) {
			x.sender(c)
		}
		c.quit()
	}
	x.domain()
}

type examination struct {
	ctx   context.Context
	s     *Sender
	found func(channels.Finding)
}

func (x *examination) ok(step, format string, args ...any) {
	x.found(channels.Finding{Step: step, OK: true, Text: fmt.Sprintf(format, args...)})
}

func (x *examination) warn(step, mend, format string, args ...any) {
	x.found(channels.Finding{Step: step, OK: true, Warn: true, Text: fmt.Sprintf(format, args...), Mend: mend})
}

func (x *examination) bad(step, mend, format string, args ...any) {
	x.found(channels.Finding{Step: step, Text: fmt.Sprintf(format, args...), Mend: mend})
}

// failed reports an error of the connection in words.
func (x *examination) failed(step string, err error) {
	if l, ok := errors.AsType[*login.Error](err); ok {
		x.bad(step, l.Mend, "%s", l.Text)
		return
	}
	if r, ok := errors.AsType[*smtp.SMTPError](err); ok {
		x.bad(step, "see what the server says", "the server answers %s: %s", code(r), sanitise(r.Message))
		return
	}
	l := link.Explain(err)
	x.bad(step, l.Mend, "%s", l.Text)
}

const (
	stepName    = "smtp name"
	stepConnect = "smtp connection"
	stepTLS     = "smtp encryption"
	stepServer  = "smtp server"
	stepLogin   = "smtp login"
	stepSender  = "smtp sender"
)

func (x *examination) connect() *session {
	server := x.s.cfg.Server
	address := server.Address(implicitPort, submissionPort)
	if net.ParseIP(server.Host) == nil {
		hosts, err := net.DefaultResolver.LookupHost(x.ctx, server.Host)
		if err != nil {
			x.failed(stepName, err)
			return nil
		}
		x.ok(stepName, "%s is %s", server.Host, strings.Join(hosts, ", "))
	}
	c, err := x.s.dial(x.ctx)
	if err != nil {
		step := stepConnect
		if l := link.Explain(err); l.Step == "tls" || l.Step == "certificate" {
			step = stepTLS
		}
		x.failed(step, err)
		return nil
	}
	x.ok(stepConnect, "%s answers", address)
	return c
}

func (x *examination) certificate(c *session) {
	if c.cert == nil {
		x.warn(stepTLS, "use tls: starttls or implicit, unless the server is on this machine", "the connection is not encrypted")
		return
	}
	until := c.cert.NotAfter.UTC().Format(time.DateOnly)
	if left := c.cert.NotAfter.Sub(x.s.now()); left < certificateSoon {
		x.warn(stepTLS, "have the server's certificate renewed", "the certificate ends on %s", until)
		return
	}
	x.ok(stepTLS, "encrypted; the certificate is good until %s", until)
}

// capabilities tells what the server offers, as far as it matters.
func (x *examination) capabilities(c *session) {
	var offers []string
	for _, name := range []string{"AUTH", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "PIPELINING", "ENHANCEDSTATUSCODES"} {
		ok, param := c.client.Extension(name)
		if !ok {
			continue
		}
		if name == "AUTH" || name == "SIZE" {
			name = strings.TrimSpace(name + " " + clean(param))
		}
		offers = append(offers, name)
	}
	if ok, _ := c.client.Extension("SMTPUTF8"); !ok {
		offers = append(offers, "no addresses with letters other than English before the @")
	}
	text := "offers " + strings.Join(offers, ", ")
	most, ok := c.client.MaxMessageSize()
	if needs := x.s.largest/57*78 + 64<<10; ok && most > 0 && x.s.largest > 0 && int64(most) < needs {
		x.warn(stepServer, fmt.Sprintf("lower the limit for attachments to %d MB", (int64(most)-64<<10)/78*57>>20),
			"%s; a mail with the largest attachment would need %d bytes", text, needs)
		return
	}
	x.ok(stepServer, "%s", text)
}

func (x *examination) login(c *session) bool {
	if err := c.during(x.ctx, func() error { return x.s.enter(x.ctx, c) }); err != nil {
		x.failed(stepLogin, err)
		return false
	}
	if x.s.cfg.NoLogin {
		x.ok(stepLogin, "none, as configured")
		return true
	}
	x.ok(stepLogin, "accepted")
	return true
}

// sender tries whether we may send as ourselves, to ourselves, and stops before
// there is anything to send (E18).
func (x *examination) sender(c *session) {
	own := x.s.address
	if own == "" {
		return
	}
	detailed := strings.Replace(own, "@", "+doctor@", 1)
	trials := []struct {
		use         bool
		from, to    string
		text        string
		wrong, mend string
	}{
		{true, own, own, "the server lets us send as the channel's address", "the server does not let us send as the channel's address",
			"allow this account to send as that address, or correct the address"},
		{x.s.cfg.ReturnToken, detailed, own, "the server lets us send with a token in the envelope", "the server does not let us send with a token in the envelope",
			"turn return_token off"},
		{x.s.cfg.PlusAddress, own, detailed, "the server takes mail to an address with a token", "the server takes no mail to an address with a token",
			"turn plus_address off, or have the provider deliver such addresses"},
	}
	for _, t := range trials {
		if !t.use {
			continue
		}
		err := c.during(x.ctx, func() error { return c.try(t.from, t.to) })
		r, refused := errors.AsType[*smtp.SMTPError](err)
		switch {
		case err == nil:
			x.ok(stepSender, "%s", t.text)
		case refused:
			x.bad(stepSender, t.mend, "%s; it answers %s: %s", t.wrong, code(r), sanitise(r.Message))
		default:
			x.failed(stepSender, err)
			return
		}
	}
}

// try names a sender and a recipient, and takes it back.
func (c *session) try(from, to string) error {
	from, utf8, err := wireAddress(from)
	if err != nil {
		return err
	}
	if to, _, err = wireAddress(to); err != nil {
		return err
	}
	if err = c.client.Mail(from, &smtp.MailOptions{UTF8: utf8}); err == nil {
		err = c.client.Rcpt(to, nil)
	}
	if reset := c.client.Reset(); err == nil {
		err = reset
	}
	return err
}

// domain tells what others can read about mail from our domain. Whether mails are
// signed (DKIM) cannot be seen from here: the signature's name is the provider's.
func (x *examination) domain() {
	_, domain, _ := strings.Cut(x.s.address, "@")
	ascii, err := domainToASCII(domain)
	if x.s.txt == nil || err != nil || isReserved(ascii) {
		return
	}
	x.record("spf", ascii, "v=spf1", "publish an SPF record that names the provider's servers; mail without one is often taken for junk")
	x.record("dmarc", "_dmarc."+ascii, "v=dmarc1", "publish a DMARC record, at least v=DMARC1; p=none")
}

func (x *examination) record(step, name, prefix, mend string) {
	list, err := x.s.txt(x.ctx, name)
	dns, _ := errors.AsType[*net.DNSError](err)
	if missing := dns != nil && dns.IsNotFound; err != nil && !missing {
		x.warn(step, "nothing, if it passes", "the record of %s cannot be looked up", name)
		return
	}
	at := slices.IndexFunc(list, func(s string) bool { return strings.HasPrefix(strings.ToLower(s), prefix) })
	if at < 0 {
		x.warn(step, mend, "%s has no such record", name)
		return
	}
	text := clean(list[at])
	if len(text) > maxAnswer {
		text = strings.ToValidUTF8(text[:maxAnswer], "") + "…"
	}
	x.ok(step, "%s", text)
}

// isReserved says that nobody can have the domain (RFC 2606, RFC 6761).
func isReserved(domain string) bool {
	if domain == "localhost" || strings.HasPrefix(domain, "[") {
		return true
	}
	for _, top := range []string{".test", ".example", ".invalid", ".localhost", ".local", ".internal"} {
		if strings.HasSuffix(domain, top) {
			return true
		}
	}
	return false
}
