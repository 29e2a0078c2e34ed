package sandbox

import (
	"bytes"
	"fmt"
	"time"
)

// bounceDomain takes all mail, and sends it back.
const bounceDomain = "bounce.test"

// bounce reports to the sender of a mail that it could not be delivered (RFC 3464).
// Reports themselves, which have no sender, are not reported on. The caller holds mu.
func (s *Server) bounce(from, rcpt string, raw []byte, envelopeID string) error {
	a := s.account(from)
	if a == nil {
		return nil
	}
	s.queued++
	const boundary = "=_sandbox_report"
	now := s.o.Now().Format(time.RFC1123Z)
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("Date: %s", now)
	line("From: MAILER-DAEMON@localhost (Mail Delivery System)")
	line("Subject: Undelivered Mail Returned to Sender")
	line("To: %s", from)
	line("Auto-Submitted: auto-replied")
	line("MIME-Version: 1.0")
	line("Message-ID: <bounce.%d.%d@localhost>", s.queued, s.o.Now().UnixNano())
	line("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=%q", boundary)
	line("\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n", boundary)
	line("Your message could not be delivered.\r\n\r\n<%s>: host %s said: 550 5.1.1 User unknown", rcpt, bounceDomain)
	line("\r\n--%s\r\nContent-Type: message/delivery-status\r\n", boundary)
	line("Reporting-MTA: dns; localhost")
	if envelopeID != "" {
		line("Original-Envelope-Id: %s", envelopeID)
	}
	line("Arrival-Date: %s\r\n", now)
	line("Final-Recipient: rfc822; %s", rcpt)
	line("Original-Recipient: rfc822;%s", rcpt)
	line("Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; %s", bounceDomain)
	line("Diagnostic-Code: smtp; 550 5.1.1 User unknown")
	line("\r\n--%s\r\nContent-Type: message/rfc822\r\n", boundary)
	b.Write(raw)
	line("\r\n--%s--", boundary)
	return s.deliver(a, "", from, s.queued, b.Bytes())
}
