package submit

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/email/link"
	"casewire/channels/email/login"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// variables are what the tests against a real mail server need, with two accounts.
var variables = []string{
	"MAIL_SUBMISSION_ADDR", "MAIL_SMTPS_ADDR", "MAIL_IMAP_ADDR", "MAIL_CA_FILE",
	"MAIL_USER_1", "MAIL_PASSWORD_1", "MAIL_USER_2", "MAIL_PASSWORD_2",
}

func realServer(t *testing.T) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, name := range variables {
		env[name] = os.Getenv(name)
		switch {
		case env[name] != "":
		case os.Getenv("CASEWIRE_REALSERVERS") == "required":
			t.Fatalf("%s is not set", name)
		default:
			t.Skipf("%s is not set", name)
		}
	}
	return env
}

// An unmodified mail server takes our mails over both ways of encryption, delivers
// them with the headers intact by which answers are threaded, and refuses what it
// ought to.
func TestRealServer(t *testing.T) {
	env := realServer(t)
	config := func(addr, how string) Config {
		c := configAt(addr)
		c.NoLogin, c.Server.TLS, c.Server.CAFile = false, how, env["MAIL_CA_FILE"]
		return c
	}
	account := func(user, secret string) *login.Login {
		return login.New(login.Config{Password: channels.NewSecret(secret)}, user, nil)
	}
	support, secret, ann := env["MAIL_USER_1"], env["MAIL_PASSWORD_1"], env["MAIL_USER_2"]
	for how, addr := range map[string]string{link.StartTLS: env["MAIL_SUBMISSION_ADDR"], link.Implicit: env["MAIL_SMTPS_ADDR"]} {
		t.Run(how, func(t *testing.T) {
			m := samples()["reply"]
			m.ID = "cw." + strings.ToLower(time.Now().UTC().Format("20060102150405.000000000")) + "." + how + "@shop.test"
			local, domain, _ := strings.Cut(support, "@")
			m.From.Addr, m.To.Addr, m.ReturnPath = support, ann, local+"+b-1@"+domain
			s := senderWith(t, config(addr, how), account(support, secret))
			taken, err := s.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(taken.Text, "queued as") {
				t.Errorf("taken %+v", taken)
			}
			got, parts := parse(t, delivered(t, env, m.ID))
			for _, name := range []string{"Message-Id", "In-Reply-To", "References", "X-Casewire", "X-Casewire-Loop"} {
				ours, _ := parse(t, written(t, m))
				if got.Header.Get(name) != ours.Header.Get(name) || got.Header.Get(name) == "" {
					t.Errorf("%s: %q, sent %q", name, got.Header.Get(name), ours.Header.Get(name))
				}
			}
			if rp := got.Header.Get("Return-Path"); rp != "<"+m.ReturnPath+">" {
				t.Errorf("Return-Path %s", rp)
			}
			if want := strings.ReplaceAll(m.Text, "\n", "\r\n"); parts[0].body != want {
				t.Errorf("text %q, want %q", parts[0].body, want)
			}
			for _, c := range []struct {
				name, from, secret string
				code               string
			}{
				{"wrong password", support, "wrong", "535"},
				{"foreign sender", ann, secret, "553"},
			} {
				m.From.Addr, m.ReturnPath = c.from, ""
				_, err := senderWith(t, config(addr, how), account(support, c.secret)).Send(t.Context(), m)
				if se := reasonOf(t, err); se.Reason != channels.Misset || !strings.HasPrefix(se.Code, c.code) {
					t.Errorf("%s: %v", c.name, se)
				}
			}
			s = New(config(addr, how), account(support, secret), Options{Address: support})
			for step, f := range examined(t, s) {
				if !f.OK {
					t.Errorf("%s: %+v", step, f)
				}
			}
		})
	}
}

// delivered waits for a mail in the second account's mailbox and returns it.
func delivered(t *testing.T, env map[string]string, id string) []byte {
	t.Helper()
	news := make(chan struct{}, 1)
	conn, err := net.Dial("tcp", env["MAIL_IMAP_ADDR"])
	if err != nil {
		t.Fatal(err)
	}
	settings, err := link.Config{Host: "127.0.0.1", CAFile: env["MAIL_CA_FILE"]}.TLSConfig()
	if err != nil {
		t.Fatal(err)
	}
	c, err := imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: settings, UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(*imapclient.UnilateralDataMailbox) {
			select {
			case news <- struct{}{}:
			default:
			}
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(env["MAIL_USER_2"], env["MAIL_PASSWORD_2"]).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for patience := time.After(20 * time.Second); ; {
		found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: id}}}, nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		if uids := found.AllUIDs(); len(uids) > 0 {
			return fetched(t, c, uids[0])
		}
		idle, err := c.Idle()
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-news:
		case <-time.After(500 * time.Millisecond): // it may have come before IDLE
		case <-patience:
			t.Fatal("the mail did not arrive")
		}
		if err := idle.Close(); err != nil {
			t.Fatal(err)
		}
		if err := idle.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

func fetched(t *testing.T, c *imapclient.Client, uid imap.UID) []byte {
	t.Helper()
	list, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil || len(list) != 1 {
		t.Fatalf("fetch: %d, %v", len(list), err)
	}
	return list[0].BodySection[0].Bytes
}
