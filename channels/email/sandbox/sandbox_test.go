package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"casewire/channels/channeltest"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	support  = "support@shop.test"
	customer = "customer@mail.test"
)

func accounts() []Account {
	return []Account{
		{Address: support, User: "support", Password: "support-secret", Token: "support-token"},
		{Address: customer, Password: "customer-secret"},
	}
}

func open(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Accounts == nil {
		o.Accounts = accounts()
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if left := channeltest.Goroutines("casewire/channels/email/sandbox"); left != "" {
			t.Errorf("goroutines are left:\n%s", left)
		}
	})
	return s
}

func trust(t *testing.T, s *Server) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA()) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

func mailOf(subject, text string) []byte {
	return []byte("From: A <" + customer + ">\r\nTo: " + support + "\r\nSubject: " + subject + "\r\nMessage-ID: <" + subject + "@mail.test>\r\n\r\n" + text + "\r\n")
}

func imapIn(t *testing.T, s *Server, o *imapclient.Options) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(s.IMAP(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login("support", "support-secret").Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func submitter(t *testing.T, s *Server, name, secret string) (*smtp.Client, error) {
	t.Helper()
	raw, err := net.Dial("tcp", s.Submission())
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClientStartTLS(raw, trust(t, s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, c.Auth(sasl.NewPlainClient("", name, secret))
}

func inboxOf(t *testing.T, s *Server, user string, n int) []Stored {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []Stored
	if err := s.Wait(ctx, user, func(list []Stored) bool { got = list; return len(list) >= n }); err != nil {
		t.Fatalf("%d mails of %d: %v", len(got), n, err)
	}
	return got
}

// What a customer sends reaches the mailbox of the plus-address, with the traces
// of a delivery.
func TestDelivers(t *testing.T) {
	s := open(t, Options{})
	c, err := submitter(t, s, customer, "customer-secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail(customer, []string{"Support+cw1@shop.test"}, bytes.NewReader(mailOf("hi", ".dot\r\nПривіт"))); err != nil {
		t.Fatal(err)
	}
	got := inboxOf(t, s, support, 1)[0]
	if got.Header("Delivered-To") != "Support+cw1@shop.test" || got.Header("Return-Path") != "<"+customer+">" || got.From != customer {
		t.Errorf("traces: %q", got.Raw)
	}
	if got.Text() != ".dot\nПривіт\n" || got.Header("Subject") != "hi" {
		t.Errorf("%q, %q", got.Header("Subject"), got.Text())
	}
}

func TestSubmissionRefuses(t *testing.T) {
	s := open(t, Options{})
	code := func(err error) int {
		var e *smtp.SMTPError
		errors.As(err, &e)
		if e == nil {
			return 0
		}
		return e.Code
	}
	c, err := submitter(t, s, "support", "wrong")
	if code(err) != 535 {
		t.Errorf("wrong password: %v", err)
	}
	if err := c.Mail(support, nil); code(err) != 530 {
		t.Errorf("without login: %v", err)
	}
	c, err = submitter(t, s, "support", "support-secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(customer, nil); code(err) != 553 {
		t.Errorf("foreign sender: %v", err)
	}
	if err := c.Mail("support+x@shop.test", nil); err != nil {
		t.Errorf("own plus-address: %v", err)
	}
	for to, want := range map[string]int{"nobody@mail.test": 550, "x@nowhere.test": 550} {
		if err := c.Rcpt(to, nil); code(err) != want {
			t.Errorf("%s: %v", to, err)
		}
	}
	mx, err := smtp.Dial(s.MX())
	if err != nil {
		t.Fatal(err)
	}
	defer mx.Close()
	if err := mx.Mail("x@nowhere.test", nil); err != nil {
		t.Fatal(err)
	}
	if err := mx.Rcpt("x@bounce.test", nil); code(err) != 554 {
		t.Errorf("relay: %v", err)
	}
}

func TestEveryLogin(t *testing.T) {
	s := open(t, Options{})
	for _, c := range []sasl.Client{
		sasl.NewPlainClient("", "support", "support-secret"), sasl.NewLoginClient("support", "support-secret"),
		sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: "support", Token: "support-token"}),
		xoauth2{"support", "support-token"},
	} {
		mech, _, _ := c.Start()
		sc, err := smtp.DialTLS(s.Submissions(), trust(t, s))
		if err != nil {
			t.Fatal(err)
		}
		if err := sc.Auth(c); err != nil {
			t.Errorf("SMTP %s: %v", mech, err)
		}
		sc.Close()
		ic, err := imapclient.DialTLS(s.IMAPS(), &imapclient.Options{TLSConfig: trust(t, s)})
		if err != nil {
			t.Fatal(err)
		}
		if err := ic.Authenticate(c); err != nil {
			t.Errorf("IMAP %s: %v", mech, err)
		}
		ic.Close()
	}
	sc, err := smtp.DialTLS(s.Submissions(), trust(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	if err := sc.Auth(xoauth2{"support", "stale"}); err == nil {
		t.Error("a stale token lets in")
	}
}

type xoauth2 struct{ user, token string }

func (x xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

func (x xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }

// A mail to bounce.test comes back as a report that names it.
func TestBounces(t *testing.T) {
	s := open(t, Options{})
	c, err := submitter(t, s, "support", "support-secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail("support+b-1@shop.test", []string{"gone@bounce.test"}, bytes.NewReader(mailOf("hi", "x"))); err != nil {
		t.Fatal(err)
	}
	got := inboxOf(t, s, support, 1)[0]
	for _, want := range []string{
		"Return-Path: <>", "Delivered-To: support+b-1@shop.test", "report-type=delivery-status", "Final-Recipient: rfc822; gone@bounce.test",
		"Action: failed", "Status: 5.1.1", "Message-ID: <hi@mail.test>",
	} {
		if !strings.Contains(string(got.Raw), want) {
			t.Errorf("%q is missing in\n%s", want, got.Raw)
		}
	}
}

// IDLE tells of a mail, MOVE answers with COPYUID, and a UIDVALIDITY changes.
func TestIMAP(t *testing.T) {
	s := open(t, Options{})
	news := make(chan uint32, 16)
	c := imapIn(t, s, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				news <- *d.NumMessages
			}
		},
	}})
	for _, want := range []imap.Cap{imap.CapIdle, imap.CapMove, imap.CapUIDPlus} {
		if !c.Caps().Has(want) {
			t.Errorf("no %s", want)
		}
	}
	first, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := s.Post(customer, []string{support}, mailOf(fmt.Sprint("m", n), "text")); err != nil {
			t.Fatal(err)
		}
	}
	for n := uint32(0); n < 3; {
		select {
		case n = <-news:
		case <-time.After(10 * time.Second):
			t.Fatal("IDLE told of nothing")
		}
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
	list, err := c.Fetch(imap.UIDSet{{Start: 2, Stop: 0}}, &imap.FetchOptions{
		UID: true, Flags: true, Envelope: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil || len(list) != 2 || list[0].UID != 2 || list[0].Envelope.Subject != "m1" || len(list[0].Flags) != 0 {
		t.Fatalf("fetch: %+v, %v", list, err)
	}
	if err := c.Create("Done", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	moved, err := c.Move(imap.UIDSetNum(2, 3), "Done").Wait()
	if err != nil || moved.DestUIDs.String() != "1:2" || moved.SourceUIDs.String() != "2:3" {
		t.Fatalf("move: %+v, %v", moved, err)
	}
	if err := c.Store(imap.UIDSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if gone, err := c.UIDExpunge(imap.UIDSetNum(1)).Collect(); err != nil || len(gone) != 1 || gone[0] != 1 {
		t.Fatalf("expunge: %v, %v", gone, err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{{{Start: 1}}}}, nil).Wait()
	if err != nil || len(found.AllUIDs()) != 0 {
		t.Errorf("search in an empty folder: %v, %v", found, err)
	}
	if err := s.Renumber(support, "INBOX"); err != nil {
		t.Fatal(err)
	}
	if err := c.Noop().Wait(); err == nil {
		t.Error("the connection outlives a change of UIDVALIDITY")
	}
	again, err := imapIn(t, s, nil).Select("INBOX", nil).Wait()
	if err != nil || again.UIDValidity == first.UIDValidity {
		t.Errorf("UIDVALIDITY %d, before %d, %v", again.UIDValidity, first.UIDValidity, err)
	}
	if got := s.Messages(support); len(got) != 2 || got[0].Folder != "Done" || got[1].Header("Subject") != "m2" {
		t.Errorf("left: %+v", got)
	}
}

// After a restart everything is as it was: mail, flags, UIDs and UIDVALIDITY.
func TestOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	for n := range 4 {
		if err := s.Post(customer, []string{"support+x@shop.test"}, mailOf(fmt.Sprint("m", n), "text")); err != nil {
			t.Fatal(err)
		}
	}
	c := imapIn(t, s, nil)
	if err := errors.Join(c.Create("Gone", nil).Wait(), c.Delete("Gone").Wait(), c.Create("Done", nil).Wait()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.UIDSetNum(4), "Done").Wait(); err != nil {
		t.Fatal(err)
	}
	seen := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen, "$Mine"}}
	if err := c.Store(imap.UIDSetNum(2), seen, nil).Close(); err != nil {
		t.Fatal(err)
	}
	before := picture(t, c, s)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, Options{Dir: dir})
		if after := picture(t, imapIn(t, s, nil), s); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	}
}

func picture(t *testing.T, c *imapclient.Client, s *Server) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"INBOX", "Done"} {
		st, err := c.Status(name, &imap.StatusOptions{NumMessages: true, UIDNext: true, UIDValidity: true, NumUnseen: true}).Wait()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %d, next %d, validity %d, unseen %d\n", name, *st.NumMessages, st.UIDNext, st.UIDValidity, *st.NumUnseen)
	}
	for _, m := range s.Messages(support) {
		fmt.Fprintf(&b, "%s %d %t %s %s %s\n", m.Folder, m.UID, m.Seen, m.From, m.To, m.Header("Subject"))
	}
	return b.String()
}

func TestFaults(t *testing.T) {
	s := open(t, Options{Greylist: true, Taken: func(n int) string { return fmt.Sprintf("0102-%d", n) }})
	c, err := submitter(t, s, "support", "support-secret")
	if err != nil {
		t.Fatal(err)
	}
	send := func() error { return c.SendMail(support, []string{customer}, bytes.NewReader(mailOf("hi", "x"))) }
	if err := send(); err == nil || !strings.Contains(err.Error(), "Greylisted") {
		t.Errorf("first attempt: %v", err)
	}
	if err := errors.Join(c.Reset(), send()); err != nil {
		t.Errorf("second attempt: %v", err)
	}
	s.Fail(Fault{Command: "RCPT", Code: 452, Text: "full", Times: 1})
	if err := send(); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("with a fault: %v", err)
	}
	if err := errors.Join(c.Reset(), c.Mail(support, nil), c.Rcpt(customer, nil)); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(mailOf("hi", "x")); err != nil {
		t.Fatal(err)
	}
	if r, err := w.CloseWithResponse(); err != nil || r.StatusText != "Ok: 0102-2" {
		t.Errorf("reply %+v, %v", r, err)
	}
	s.Fail(Fault{Command: "DATA", Drop: true, Taken: true})
	if err := send(); err == nil || !errors.Is(err, io.EOF) {
		t.Errorf("dropped after the dot: %v", err)
	}
	inboxOf(t, s, customer, 3)
	s.Mend()
}

// A delivered mail is still a mail.
func TestDeliveredMailCanBeRead(t *testing.T) {
	s := open(t, Options{})
	if err := s.Post("", []string{support}, mailOf("hi", "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := mail.ReadMessage(bytes.NewReader(s.Messages(support)[0].Raw)); err != nil {
		t.Error(err)
	}
	if err := s.Post("", []string{"nobody@shop.test"}, mailOf("hi", "x")); err == nil {
		t.Error("a mail to nobody is delivered")
	}
	if err := s.Put(support, "Junk", mailOf("junk", "x")); err != nil || len(s.Messages("support")) != 2 {
		t.Errorf("put: %v", err)
	}
}
