package email

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/link"
	"casewire/channels/email/login"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// The tests of this file speak to a real Dovecot and Postfix. They need, in the
// environment: MAIL_IMAP_ADDR (STARTTLS), MAIL_IMAPS_ADDR, MAIL_SUBMISSION_ADDR
// (STARTTLS and AUTH), MAIL_MX_ADDR, MAIL_CA_FILE, MAIL_DOVECOT_CONF, MAIL_USER_1
// and MAIL_PASSWORD_1 (the shop, with plus-addresses), MAIL_USER_2 (a customer).
// x@bounce.test must come back as a delivery status notification.
type realMail struct {
	t    *testing.T
	vars map[string]string
}

func realServers(t *testing.T) *realMail {
	t.Helper()
	r := &realMail{t: t, vars: map[string]string{}}
	for _, name := range []string{
		"MAIL_IMAP_ADDR", "MAIL_IMAPS_ADDR", "MAIL_SUBMISSION_ADDR", "MAIL_MX_ADDR", "MAIL_CA_FILE", "MAIL_DOVECOT_CONF",
		"MAIL_USER_1", "MAIL_PASSWORD_1", "MAIL_USER_2",
	} {
		r.vars[name] = os.Getenv(name)
		if r.vars[name] == "" {
			if os.Getenv("CASEWIRE_REALSERVERS") == "required" {
				t.Fatalf("%s is not set, and the real servers are required", name)
			}
			t.Skipf("%s is not set: no real mail servers", name)
		}
	}
	return r
}

// config is for the shop's mailbox, taken from now on.
func (r *realMail) config() *Config {
	c := NewConfig()
	c.Address, c.TokenKey = r.vars["MAIL_USER_1"], channels.NewSecret(testKey)
	c.IMAP.Server = serverAt(r.vars["MAIL_IMAPS_ADDR"], link.Implicit, r.vars["MAIL_CA_FILE"])
	c.IMAP.Login = login.Config{Password: channels.NewSecret(r.vars["MAIL_PASSWORD_1"])}
	c.SMTP.Server = serverAt(r.vars["MAIL_SUBMISSION_ADDR"], link.StartTLS, r.vars["MAIL_CA_FILE"])
	c.SMTP.PlusAddress, c.SMTP.ReturnToken = true, true
	c.Poll = 10 * time.Minute // what comes comes by IDLE
	return c
}

// run runs a door and returns once it watches its folders.
func (r *realMail) run(c *Config, h *channeltest.House) (*Door, func()) {
	r.t.Helper()
	ch, err := c.Open(h.Env(channelID))
	if err != nil {
		r.t.Fatal(err)
	}
	d := ch.(*Door)
	stop := h.Start(r.t, d, h.Book)
	until(r.t, "a look into the mailbox", func() bool { return d.Counts()["polls"] >= int64(len(c.Folders)) })
	return d, func() {
		if _, err := stop(); err != nil {
			r.t.Error(err)
		}
	}
}

// client is a client of the shop's mailbox besides the door.
func (r *realMail) client() *imapclient.Client {
	r.t.Helper()
	c, err := imapclient.DialInsecure(r.vars["MAIL_IMAP_ADDR"], nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	settings, err := link.Config{Host: "localhost", CAFile: r.vars["MAIL_CA_FILE"]}.TLSConfig()
	if err != nil {
		r.t.Fatal(err)
	}
	c.Close()
	conn, err := net.Dial("tcp", r.vars["MAIL_IMAP_ADDR"])
	if err != nil {
		r.t.Fatal(err)
	}
	if c, err = imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: settings}); err != nil {
		r.t.Fatal(err)
	}
	if err := c.Login(r.vars["MAIL_USER_1"], r.vars["MAIL_PASSWORD_1"]).Wait(); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// fresh empties a folder, with a new UIDVALIDITY unless it is INBOX.
func (r *realMail) fresh(c *imapclient.Client, folder string) {
	r.t.Helper()
	if folder != "INBOX" {
		_ = c.Delete(folder).Wait() // there may be none
		if err := c.Create(folder, nil).Wait(); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	data, err := c.Select(folder, nil).Wait()
	if err != nil {
		r.t.Fatal(err)
	}
	if data.NumMessages == 0 {
		return
	}
	all := imap.UIDSet{{Start: 1}}
	if err := c.Store(all, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		r.t.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *realMail) put(c *imapclient.Client, folder string, raws ...string) {
	r.t.Helper()
	for _, raw := range raws {
		b := []byte(strings.ReplaceAll(raw, "\n", "\r\n"))
		cmd := c.Append(folder, int64(len(b)), nil)
		if _, err := cmd.Write(b); err != nil {
			r.t.Fatal(err)
		}
		if err := cmd.Close(); err != nil {
			r.t.Fatal(err)
		}
		if _, err := cmd.Wait(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// post delivers a mail from the customer through the MX.
func (r *realMail) post(to, raw string) {
	r.t.Helper()
	c, err := smtp.Dial(r.vars["MAIL_MX_ADDR"])
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(c.Mail(r.vars["MAIL_USER_2"]), c.Rcpt(to)); err != nil {
		r.t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := io.WriteString(w, strings.ReplaceAll(raw, "\n", "\r\n")); err != nil {
		r.t.Fatal(err)
	}
	if err := errors.Join(w.Close(), c.Quit()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *realMail) doveadm(args ...string) {
	r.t.Helper()
	out, err := exec.CommandContext(r.t.Context(), "doveadm", append([]string{"-c", r.vars["MAIL_DOVECOT_CONF"]}, args...)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("doveadm %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// with waits for the message that says text.
func with(t *testing.T, h *channeltest.House, text string) channels.Inbound {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	find := func() int {
		return slices.IndexFunc(h.Book.Messages(), func(m channels.Inbound) bool { return strings.Contains(m.Body.Text, text) })
	}
	if err := h.Book.Wait(ctx, func() bool { return find() >= 0 }); err != nil {
		t.Fatalf("%q never came; there are %d messages", text, len(h.Book.Messages()))
	}
	return h.Book.Messages()[find()]
}

// A customer writes, is answered, and answers again: over TLS and over STARTTLS,
// pushed by IDLE, with the case in the address that the answer goes to.
func TestRealConversation(t *testing.T) {
	for _, how := range []string{link.Implicit, link.StartTLS} {
		t.Run(how, func(t *testing.T) {
			r, h := realServers(t), channeltest.NewHouse(t)
			client := r.client()
			r.fresh(client, "INBOX")
			c := r.config()
			if how == link.StartTLS {
				c.IMAP.Server = serverAt(r.vars["MAIL_IMAP_ADDR"], link.StartTLS, r.vars["MAIL_CA_FILE"])
			}
			d, stop := r.run(c, h)
			canary := "canary " + rand.Text()
			begun := time.Now()
			r.post(c.Address, letter(canary, "Message-ID: <"+rand.Text()+"@mail.test>"))
			m := with(t, h, canary)
			t.Logf("taken %s after it was sent", time.Since(begun).Round(time.Millisecond))
			if m.From.Handle != r.vars["MAIL_USER_2"] || m.Auto || len(m.Refs) != 1 {
				t.Errorf("%+v", m)
			}
			receipt, err := d.Send(t.Context(), channels.Outbound{
				ID: outID, Channel: channelID, To: m.From, Answers: m.Refs, Case: "CW-000042", Subject: m.Body.Subject,
				Body: channels.Body{Text: "we are on it"},
			})
			if err != nil {
				t.Fatal(err)
			}
			address, _ := d.tags.CaseAddress(c.Address, "CW-000042")
			reply := "reply " + rand.Text()
			r.post(address, letter(reply, "Subject: Re: "+m.Body.Subject, "In-Reply-To: <"+receipt.ProviderID+">", "To: "+address))
			if m = with(t, h, reply); m.Case != "CW-000042" || !slices.Equal(m.Answers, []string{outID}) {
				t.Errorf("case %q, answers %q", m.Case, m.Answers)
			}
			stop()
			if data, err := client.Select("INBOX", nil).Wait(); err != nil || data.NumMessages != 2 {
				t.Errorf("%d mails in the folder, %v", data.NumMessages, err)
			}
			if unseen, err := client.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}}, nil).Wait(); err != nil || len(unseen.AllUIDs()) != 2 {
				t.Errorf("mail was marked as read: %v", err)
			}
		})
	}
}

// A mail to an address that does not exist comes back and is known for what it is.
func TestRealBounce(t *testing.T) {
	r, h := realServers(t), channeltest.NewHouse(t)
	r.fresh(r.client(), "INBOX")
	d, _ := r.run(r.config(), h)
	if _, err := d.Send(t.Context(), channels.Outbound{
		ID: outID, Channel: channelID, To: channels.Address{Kind: channels.Email, Handle: "x@bounce.test"}, Case: "CW-000042",
		Subject: "x", Body: channels.Body{Text: "your repair is ready"},
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := h.Book.Wait(ctx, func() bool { return len(h.Book.Messages()) > 0 }); err != nil {
		t.Fatal("no report came")
	}
	m := h.Book.Messages()[0]
	if !m.Report || !m.Auto || m.Facts[factAuto] != "bounce" || !slices.Equal(m.Answers, []string{outID}) {
		t.Errorf("report %t, auto %t %q, answers %q", m.Report, m.Auto, m.Facts[factAuto], m.Answers)
	}
	receipts := h.Book.Receipts()
	if len(receipts) != 1 || receipts[0].OutboundID != outID || receipts[0].State != channels.Undelivered || !strings.HasPrefix(receipts[0].Code, "5.") {
		t.Errorf("%+v", receipts)
	}
}

// A folder that is deleted and made anew has other UIDs: what was in it is not taken
// again, and what is new is.
func TestRealUIDValidity(t *testing.T) {
	r, h := realServers(t), channeltest.NewHouse(t)
	client := r.client()
	r.fresh(client, "Repairs")
	var first, second []string
	for i := range 5 {
		first = append(first, letter(fmt.Sprintf("first %d", i), fmt.Sprintf("Message-ID: <f%d@mail.test>", i)))
		second = append(second, letter(fmt.Sprintf("second %d", i), fmt.Sprintf("Message-ID: <s%d@mail.test>", i)))
	}
	c := r.config()
	c.Folders = []string{"Repairs"}
	_, stop := r.run(c, h)
	r.put(client, "Repairs", first...)
	with(t, h, "first 4")
	for i := range first {
		with(t, h, fmt.Sprintf("first %d", i))
	}
	stop()
	validity := func() uint32 {
		data, err := client.Status("Repairs", &imap.StatusOptions{UIDValidity: true}).Wait()
		if err != nil {
			t.Fatal(err)
		}
		return data.UIDValidity
	}
	was := validity()
	until(t, "another UIDVALIDITY", func() bool {
		r.doveadm("mailbox", "delete", "-u", c.Address, "Repairs")
		r.doveadm("mailbox", "create", "-u", c.Address, "Repairs")
		return validity() != was
	})
	r.put(client, "Repairs", append(slices.Clone(first[2:]), second...)...)
	d, stop := r.run(c, h)
	for i := range second {
		with(t, h, fmt.Sprintf("second %d", i))
	}
	stop()
	if n := len(h.Book.Messages()); n != 10 || d.Counts()["rescans"] != 1 {
		t.Errorf("%d messages after %d rescans, want 10 after 1", n, d.Counts()["rescans"])
	}
}

// Sessions that the server ends are begun again, and nothing is missed.
func TestRealKicked(t *testing.T) {
	r, h := realServers(t), channeltest.NewHouse(t)
	r.fresh(r.client(), "INBOX")
	c := r.config()
	d, _ := r.run(c, h)
	for i := range 3 {
		text := fmt.Sprintf("kick %d %s", i, rand.Text())
		r.doveadm("kick", c.Address)
		r.put(r.client(), "INBOX", letter(text))
		with(t, h, text)
	}
	if d.Counts()["reconnects"] < 3 {
		t.Errorf("%v", d.Counts())
	}
}

// Stored mail is moved when that is wanted.
func TestRealMove(t *testing.T) {
	r, h := realServers(t), channeltest.NewHouse(t)
	client := r.client()
	r.fresh(client, "INBOX")
	r.fresh(client, "Done")
	r.put(client, "INBOX", letter("old"))
	c := r.config()
	c.MoveTo, c.MarkSeen = "Done", true
	d, stop := r.run(c, h)
	for i := range 5 {
		r.put(client, "INBOX", letter(fmt.Sprintf("move %d", i)))
	}
	with(t, h, "move 4")
	until(t, "the move", func() bool { return d.Counts()["moved"] == 5 })
	stop()
	for folder, want := range map[string]uint32{"INBOX": 1, "Done": 5} {
		if data, err := client.Select(folder, nil).Wait(); err != nil || data.NumMessages != want {
			t.Errorf("%s holds %d, want %d: %v", folder, data.NumMessages, want, err)
		}
	}
}

// The doctor finds the real servers in order and sends a mail around.
func TestRealExamine(t *testing.T) {
	r, h := realServers(t), channeltest.NewHouse(t)
	r.fresh(r.client(), "INBOX")
	c := r.config()
	c.RoundTrip = true
	ch, err := c.Open(h.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	ch.(*Door).Examine(t.Context(), func(f channels.Finding) {
		t.Logf("%+v", f)
		if !f.OK {
			t.Errorf("%s: %s", f.Step, f.Text)
		}
	})
}

// How fast mail that waited is taken in, with a house that keeps it in memory. The
// figure is for whoever reads it: it depends on what else the machine does.
func TestRealThroughput(t *testing.T) {
	const mails = 600
	r, h := realServers(t), channeltest.NewHouse(t)
	client := r.client()
	r.fresh(client, "Backlog")
	filler := make([]byte, 14<<10)
	for i := range mails {
		_, _ = io.ReadFull(rand.Reader, filler)
		r.put(client, "Backlog", letter(fmt.Sprintf("waiting %d\n\n%s", i, wrapped(filler)), fmt.Sprintf("Message-ID: <w%d@mail.test>", i), fmt.Sprintf("From: c%d@mail.test", i%50)))
	}
	c := r.config()
	c.Folders, c.Start = []string{"Backlog"}, startAll
	ch, err := c.Open(h.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	full := counted(h.Book, mails)
	begun, before := time.Now(), cpuTime(t)
	h.Start(t, ch, h.Book)
	<-full
	took, cpu := time.Since(begun), cpuTime(t)-before
	t.Logf("%d mails of 20 KB in %s: %.0f a second, %s of processor time for each",
		mails, took.Round(time.Millisecond), mails/took.Seconds(), (cpu / mails).Round(time.Microsecond))
}

// cpuTime is the processor time that this process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// counted returns what is closed when the book has got n messages.
func counted(b *channeltest.Book, n int64) <-chan struct{} {
	full := make(chan struct{})
	var got atomic.Int64
	b.After = func(context.Context, channels.Inbound) error {
		if got.Add(1) == n {
			close(full)
		}
		return nil
	}
	return full
}

func wrapped(b []byte) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(s) > 76 {
		out.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return out.String() + s
}
