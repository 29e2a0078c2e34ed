package submit

import (
	"strings"
	"testing"
	"time"

	"casewire/channels"
)

// Reply code x command: what the server says decides what becomes of the mail, of
// the address and of the mailbox (O3, F8, E18).
func TestRepliesAreUnderstood(t *testing.T) {
	const (
		un   = channels.Unreachable
		th   = channels.Throttled
		mis  = channels.Misset
		addr = channels.BadAddress
		cont = channels.BadContent
	)
	for _, c := range []struct {
		command, reply string
		want           channels.Reason
		retry          bool
		after          time.Duration
	}{
		{"CONNECT", "421 4.3.2 Service not available", un, true, 0},
		{"CONNECT", "421 Too many concurrent connections", th, true, ratePause},
		{"CONNECT", "554 No SMTP service here", mis, true, 0},
		{"CONNECT", "drop", un, true, 0},
		{"EHLO", "421 4.3.0 Try again", un, true, 0},
		{"EHLO", "550 5.7.1 Blocked", mis, true, 0},
		{"EHLO", "drop", un, true, 0},
		{"MAIL", "421 4.7.0 Try again later, closing connection", un, true, 0},
		{"MAIL", "450 4.7.1 Error: too much mail from 192.0.2.1", th, true, ratePause},
		{"MAIL", "451 4.3.0 Temporary failure", un, true, 0},
		{"MAIL", "452 4.3.1 Insufficient system storage", un, true, 0},
		{"MAIL", "454 Throttling failure: Maximum sending rate exceeded", th, true, ratePause},
		{"MAIL", "454 Throttling failure: Daily message quota exceeded", th, true, quotaPause},
		{"MAIL", "530 5.7.0 Authentication required", mis, true, 0},
		{"MAIL", "535 5.7.8 Bad credentials", mis, true, 0},
		{"MAIL", "550 5.7.1 Sender not allowed", mis, true, 0},
		{"MAIL", "550 5.4.5 Daily user sending quota exceeded", th, true, quotaPause},
		{"MAIL", "553 5.7.1 Sender address rejected: not owned by user", mis, true, 0},
		{"MAIL", "552 5.3.4 Message size exceeds fixed limit", cont, false, 0},
		{"MAIL", "drop", un, true, 0},
		{"RCPT", "421 4.3.2 Shutting down", un, true, 0},
		{"RCPT", "450 4.2.0 Greylisted, try again in 300 seconds", un, true, 300 * time.Second},
		{"RCPT", "451 4.7.1 Please try again later", un, true, 0},
		{"RCPT", "450 4.7.1 Rate limit exceeded, retry after 10 minutes", th, true, 10 * time.Minute},
		{"RCPT", "451 4.7.650 The mail server has been temporarily rate limited", th, true, ratePause},
		{"RCPT", "450 4.2.1 The user you are trying to contact is receiving mail too quickly", un, true, 0},
		{"RCPT", "452 4.2.2 The email account is over quota", un, true, 0},
		{"RCPT", "452 Requested action not taken: mailbox quota exceeded", un, true, 0},
		{"RCPT", "552 5.2.2 Mailbox full", un, false, 0},
		{"RCPT", "552 Requested mail action aborted: exceeded storage allocation", un, false, 0},
		{"RCPT", "550 5.1.1 <ann@mail.test>: User unknown", addr, false, 0},
		{"RCPT", "550 No such user", addr, false, 0},
		{"RCPT", "551 User not local", addr, false, 0},
		{"RCPT", "553 Mailbox name not allowed", addr, false, 0},
		{"RCPT", "550 5.2.1 Mailbox disabled", addr, false, 0},
		{"RCPT", "550 5.1.2 Domain not found", addr, false, 0},
		{"RCPT", "556 5.1.10 Recipient address has null MX", addr, false, 0},
		{"RCPT", "550 5.4.1 Recipient address rejected: Access denied", addr, false, 0},
		{"RCPT", "501 5.1.3 Bad recipient address syntax", addr, false, 0},
		{"RCPT", "553 5.7.1 <support@shop.test>: Sender address rejected: not owned by user support", mis, true, 0},
		{"RCPT", "550 5.1.8 Sender address rejected: Domain not found", mis, true, 0},
		{"RCPT", "554 5.7.1 Relay access denied", mis, true, 0},
		{"RCPT", "530 5.7.1 Authentication required", mis, true, 0},
		{"RCPT", "550 5.7.1 You are not allowed to send to this group", un, false, 0},
		{"RCPT", "554 5.7.1 Service unavailable; blocked", un, false, 0},
		// What the recipient is called must not pass for a word of the server's.
		{"RCPT", "550 5.1.1 <daily.rate@mail.test>: User unknown", addr, false, 0},
		{"RCPT", "550 relay@mail.test: no such user", addr, false, 0},
		{"RCPT", "450 <hourly@mail.test>: try later", un, true, 0},
		{"RCPT", "550 5.1.2 daily.test: host not found", addr, false, 0},
		{"RCPT", "drop", un, true, 0},
		{"DATA", "451 4.3.0 Local error", un, true, 0},
		{"DATA", "421 4.7.0 Too many messages", th, true, ratePause},
		{"DATA", "554 5.5.1 No valid recipients", cont, false, 0},
		{"DATA", "drop", un, true, 0},
		{"DOT", "421 4.3.2 Shutting down", un, true, 0},
		{"DOT", "451 4.7.1 Try later", un, true, 0},
		{"DOT", "452 4.3.1 Out of space", un, true, 0},
		{"DOT", "550 5.7.1 Message content rejected", cont, false, 0},
		{"DOT", "552 5.3.4 Message too big", cont, false, 0},
		{"DOT", "554 5.6.0 Message contains a virus", cont, false, 0},
		{"DOT", "554 Message rejected: Email address is not verified.", mis, true, 0},
		{"DOT", "550 5.7.26 Unauthenticated email from shop.test is not accepted due to DMARC policy", mis, true, 0},
		{"DOT", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", mis, true, 0},
		{"DOT", "550 5.1.1 User unknown", addr, false, 0},
		{"DOT", "drop", channels.Unsure, true, 0},
	} {
		t.Run(c.command+" "+c.reply, func(t *testing.T) {
			s := newScript(t, map[string]string{c.command: c.reply})
			_, err := newSender(t, configAt(s.ln.Addr().String())).Send(t.Context(), simple())
			se := reasonOf(t, err)
			if se.Reason != c.want || se.Retry != c.retry || se.RetryAfter != c.after {
				t.Errorf("%s, retry %t after %s; want %s, %t, %s (%v)", se.Reason, se.Retry, se.RetryAfter, c.want, c.retry, c.after, se)
			}
			if se.Reason == un && !se.Retry && !se.Recipient {
				t.Error("a refusal for good of one recipient counts against the channel")
			}
			if c.reply != "drop" && !strings.HasPrefix(se.Code, c.reply[:3]) {
				t.Errorf("code %q", se.Code)
			}
			for _, secret := range []string{"ann@", "support@", "Hello"} {
				if strings.Contains(se.Error(), secret) {
					t.Errorf("%q in %q", secret, se.Error())
				}
			}
		})
	}
}

func TestEndsOfTheLine(t *testing.T) {
	s := newScript(t, nil)
	c := configAt(s.ln.Addr().String())
	s.close()
	se := reasonOf(t, func() error { _, err := newSender(t, c).Send(t.Context(), simple()); return err }())
	if se.Reason != channels.Unreachable || !se.Retry {
		t.Errorf("refused: %v", se)
	}
	for name, to := range map[string]string{"none": "", "no domain": "ann@", "two lines": "ann@mail.test>\r\nRCPT TO:<eve@mail.test", "space": "a b@mail.test"} {
		m := simple()
		m.To.Addr = to
		if se := reasonOf(t, func() error { _, err := newSender(t, c).Send(t.Context(), m); return err }()); se.Reason != channels.BadAddress || se.Retry {
			t.Errorf("%s: %v", name, se)
		}
	}
}

// Amazon SES and Exchange give a mail another Message-ID than ours (E5).
func TestIdsThatServersGive(t *testing.T) {
	const ses = "0102018f3a1b2c3d-01234567-89ab-cdef-0123-456789abcdef-000000"
	for _, c := range []struct {
		answer, host string
		want         string
	}{
		{"Ok " + ses, "email-smtp.eu-west-1.amazonaws.com", ses + "@email.amazonses.com " + ses + "@eu-west-1.amazonses.com"},
		{"Ok " + ses, "email-smtp.us-east-1.amazonaws.com", ses + "@email.amazonses.com"},
		{"2.0.0 OK <AM0PR@EURP.prod.outlook.com> [Hostname=AM0.example]", "smtp.office365.com", "AM0PR@EURP.prod.outlook.com"},
		{"2.0.0 Ok: queued as 4FZ8", "mail.shop.test", ""},
		{"", "mail.shop.test", ""},
	} {
		if got := strings.Join(refsIn(c.answer, c.host), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.answer, got, c.want)
		}
	}
	s := newScript(t, map[string]string{"DOT": "250 Ok " + ses})
	taken, err := newSender(t, configAt(s.ln.Addr().String())).Send(t.Context(), simple())
	if err != nil || len(taken.Refs) != 1 || taken.Refs[0] != ses+"@email.amazonses.com" {
		t.Errorf("%+v, %v", taken, err)
	}
}
