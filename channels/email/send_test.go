package email

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/link"
	"casewire/channels/email/sandbox"
)

// posting is a door that only sends, and the customer's mailbox.
type posting struct {
	*world
	door *Door
}

func newPosting(t *testing.T, change func(*Config)) *posting {
	t.Helper()
	h := channeltest.NewHouse(t)
	w := newWorld(t, h)
	c := w.config()
	c.TokenKey = channels.NewSecret(testKey)
	if change != nil {
		change(c)
	}
	ch, err := c.Open(h.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	d := ch.(*Door)
	t.Cleanup(func() { d.sender.Close() })
	return &posting{w, d}
}

// send sends m and returns it as the customer got it.
func (p *posting) send(t *testing.T, m channels.Outbound) (sandbox.Stored, channels.Receipt) {
	t.Helper()
	before := len(p.srv.Messages(customer))
	r, err := p.door.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	list := p.srv.Messages(customer)
	if len(list) != before+1 {
		t.Fatalf("%d mails arrived", len(list)-before)
	}
	return list[before], r
}

func outbound() channels.Outbound {
	return channels.Outbound{
		ID: outID, Channel: channelID, To: channels.Address{Kind: channels.Email, Handle: customer, Name: "Ann"},
		Case: "CW-000123", Subject: "Broken screen", Body: channels.Body{Text: "Hello Ann"},
	}
}

// An operator's answer stands in the customer's conversation, and everything in it
// leads back to the case.
func TestAnswerThreads(t *testing.T) {
	p := newPosting(t, nil)
	m := outbound()
	m.Answers = []string{"3@mail.test", "not one of mail", "<2@mail.test>", "1@mail.test"}
	got, r := p.send(t, m)
	for name, want := range map[string]string{
		"Subject": "Re: Broken screen", "In-Reply-To": "<3@mail.test>", "References": "<1@mail.test> <2@mail.test> <3@mail.test>",
		"From": `"Mill Street Repairs" <` + shop + `>`, "To": `"Ann" <` + customer + `>`, "Auto-Submitted": "", "Precedence": "",
	} {
		if v := got.Header(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if r.ProviderID == "" || got.Header("Message-ID") != "<"+r.ProviderID+">" || r.OutboundID != outID || r.State != channels.Sent || r.At.IsZero() {
		t.Errorf("receipt %+v, Message-ID %s", r, got.Header("Message-ID"))
	}
	tg := tags()
	if id, ok := tg.OutboundID(r.ProviderID); !ok || id != outID {
		t.Errorf("the Message-ID leads to %q", id)
	}
	if id, ok := tg.BouncedID(got.From); !ok || id != outID {
		t.Errorf("the return path %s leads to %q", got.From, id)
	}
	replyTo := got.Header("Reply-To")
	if n, ok := tg.CaseOf(replyTo[strings.IndexByte(replyTo, '<'):]); !ok || n != m.Case {
		t.Errorf("Reply-To %s leads to %q", replyTo, n)
	}
	_, page, _ := strings.Cut(strings.ReplaceAll(string(got.Raw), "=\r\n", ""), "text/html")
	for _, where := range []string{got.Header("X-Casewire"), page} {
		if n, ok := tg.CaseInMarker(where); !ok || n != m.Case {
			t.Errorf("the marker leads to %q in %s", n, where)
		}
	}
	if !tg.IsLoop(got.Header("X-Casewire-Loop")) {
		t.Error("our own mail is not marked")
	}
	again, _ := p.send(t, m)
	if again.Header("Message-ID") != got.Header("Message-ID") {
		t.Error("a repeat has another Message-ID (O1)")
	}
}

// Everything that some provider does not allow can be off (E5), and is by default.
// Whoever wrote without an address cannot be answered, and no server is asked to.
func TestNobodyIsNotWrittenTo(t *testing.T) {
	d := closed(t, func(c *Config) { c.SMTP.Server = link.Config{Host: "127.0.0.1", Port: 1, TLS: link.None} }) // where nobody listens
	msg, _ := read(t, d, letter("hello", "From: -"))
	_, err := d.Send(t.Context(), channels.Outbound{ID: outID, To: msg.From, Case: "CW-000001", Body: channels.Body{Text: "hello"}})
	if se := channels.AsSendError(err); se.Reason != channels.BadAddress || se.Retry {
		t.Errorf("%v", err)
	}
}

func TestTokensAreOptional(t *testing.T) {
	p := newPosting(t, func(c *Config) { c.SMTP.PlusAddress, c.SMTP.ReturnToken = false, false })
	got, _ := p.send(t, outbound())
	if got.From != shop || got.Header("Reply-To") != "" || got.Header("Subject") != "Broken screen" {
		t.Errorf("from %s, Reply-To %s, subject %s", got.From, got.Header("Reply-To"), got.Header("Subject"))
	}
	p = newPosting(t, func(c *Config) { c.SMTP.SubjectToken = true })
	m := outbound()
	m.Answers = []string{"1@mail.test"}
	got, _ = p.send(t, m)
	if n, ok := tags().CaseInSubject(got.Header("Subject")); !ok || n != m.Case || !strings.HasPrefix(got.Header("Subject"), "Re: Broken screen [") {
		t.Errorf("subject %s", got.Header("Subject"))
	}
	if c := NewConfig().SMTP; c.PlusAddress || c.ReturnToken || c.SubjectToken {
		t.Error("a token is on by default: mail would be lost at providers without plus-addresses")
	}
}

// What a machine writes says so, and which kind it is (E10).
func TestAutomaticMailIsMarked(t *testing.T) {
	p := newPosting(t, nil)
	for _, c := range []struct {
		auto    bool
		status  string
		answers []string
		want    string
	}{
		{false, "", []string{"1@mail.test"}, ""},
		{true, "", []string{"1@mail.test"}, "auto-replied"},
		{true, "Ready", []string{"1@mail.test"}, "auto-generated"},
		{true, "", nil, "auto-generated"},
	} {
		m := outbound()
		m.Auto, m.Status, m.Answers = c.auto, c.status, c.answers
		got, _ := p.send(t, m)
		suppress, bulk := "", ""
		if c.auto {
			suppress, bulk = "All", "bulk"
		}
		if got.Header("Auto-Submitted") != c.want || got.Header("X-Auto-Response-Suppress") != suppress || got.Header("Precedence") != bulk {
			t.Errorf("%+v: %q, %q, %q", c, got.Header("Auto-Submitted"), got.Header("X-Auto-Response-Suppress"), got.Header("Precedence"))
		}
	}
}

func TestSubjects(t *testing.T) {
	d := closed(t, nil)
	for _, c := range []struct {
		ofCase, own, number string
		answers             int
		want                string
	}{
		{"Screen", "", "CW-000001", 0, "Screen"},
		{"Screen", "Your repair", "CW-000001", 0, "Your repair"},
		{"Screen", "Your repair", "CW-000001", 1, "Re: Screen"},
		{"RE: Screen", "", "CW-000001", 1, "RE: Screen"},
		{"", "Your repair", "CW-000001", 1, "Your repair"},
		{"", "", "CW-000001", 1, "CW-000001"},
		{"Screen\r\nBcc: eve@x", "", "", 0, "Screen Bcc: eve@x"},
	} {
		m := outbound()
		m.Subject, m.Body.Subject, m.Case, m.Answers = c.ofCase, c.own, c.number, make([]string, c.answers)
		if got := d.subject(m); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// A provider that gives mail another Message-ID is asked for it, so that answers
// find their message (E5).
func TestProvidersOwnIDs(t *testing.T) {
	const ses = "0102018f3a1b2c3d-01234567-89ab-cdef-0123-456789abcdef-000000"
	h := channeltest.NewHouse(t)
	w := newWorld(t, h)
	srv, err := sandbox.Open(t.Context(), sandbox.Options{Accounts: w.srv.Accounts(), Taken: func(int) string { return ses }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	c := w.config()
	c.SMTP.Server = serverAt(srv.Submission(), "none", "")
	ch, err := c.Open(h.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.(*Door).sender.Close() })
	r, err := ch.Send(t.Context(), outbound())
	if err != nil || fmt.Sprint(r.Refs) != "["+ses+"@email.amazonses.com]" {
		t.Errorf("refs %v, %v", r.Refs, err)
	}
}

// A mail to nobody comes back to the attempt that sent it, by its return path alone
// or by its Message-ID alone (E12).
func TestBounceComesBack(t *testing.T) {
	for _, token := range []bool{true, false} {
		s := opened(t, func(c *Config, _ *Door) { c.SMTP.ReturnToken = token })
		m := outbound()
		m.To.Handle = "gone@bounce.test"
		if _, err := s.door.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.book.Wait(ctx, func() bool { return len(s.book.Receipts()) > 0 }); err != nil {
			t.Fatalf("return token %t: no receipt: %v", token, err)
		}
		if r := s.book.Receipts()[0]; r.OutboundID != outID || r.State != channels.Undelivered || r.Reason != channels.BadAddress {
			t.Errorf("return token %t: %+v", token, r)
		}
	}
}

// Attachments are read from the house's files as they are sent.
func TestSendsFiles(t *testing.T) {
	p := newPosting(t, nil)
	f, err := p.house.Files.Put(t.Context(), "кошторис.pdf", strings.NewReader("%PDF-1.4 estimate"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	m := outbound()
	m.Body.Text, m.Body.Files = "", []channels.File{f}
	got, _ := p.send(t, m)
	if !strings.Contains(string(got.Raw), "JVBERi0xLjQgZXN0aW1hdGU=") {
		t.Errorf("no file in\n%s", got.Raw)
	}
	m.Body.Files[0].Blob = "unknown"
	_, err = p.door.Send(t.Context(), m)
	if se := channels.AsSendError(err); se.Reason != channels.BadContent || se.Retry {
		t.Errorf("a file that is gone: %v", err)
	}
}
