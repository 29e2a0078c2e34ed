package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mail "casewire/channels/email/sandbox"
	sms "casewire/channels/sms/sandbox"
	telegram "casewire/channels/telegram/sandbox"

	"casewire/channels"
)

// outside is what a world has around the program: the providers of its doors, the
// front through which their webhooks come, and who hears of ours. They outlive the
// program.
type outside struct {
	config   string // the program's file
	mail     *mail.Server
	telegram *telegram.Server
	sms      *sms.Server
	front    *front
	hooks    *subscriber // nil: nobody, see subscribe
}

// newOutside starts the providers of these doors and writes the configuration.
func newOutside(t *testing.T, doors []channels.Kind, people []string, moves bool) *outside {
	t.Helper()
	o := &outside{config: filepath.Join(t.TempDir(), "casewire.yaml")}
	ctx := context.WithoutCancel(t.Context())
	head, list := "log_level: info\n", "channels:\n"
	for _, door := range slices.Compact(slices.Sorted(slices.Values(doors))) {
		var err error
		var text string
		switch door {
		case channels.WebChat:
			text = "  - {kind: webchat, id: site}\n"
		case channels.Email:
			text, err = o.openMail(ctx, t, people, moves)
		case channels.Telegram:
			text, err = o.openTelegram(ctx, t)
		case channels.SMS:
			if text, err = o.openSMS(ctx, t); err == nil {
				head += "public_url: " + o.front.srv.URL + "\n"
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		list += text
	}
	if err := os.WriteFile(o.config, []byte(head+list), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

// secret writes a secret into a file and returns how the configuration names it.
func (o *outside) secret(t *testing.T, name, value string) string {
	t.Helper()
	file := filepath.Join(filepath.Dir(o.config), name)
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return "{file: " + file + "}"
}

func (o *outside) openMail(ctx context.Context, t *testing.T, people []string, moves bool) (string, error) {
	const password = "a-password-of-the-mailbox"
	accounts := []mail.Account{{Address: supportAddress, Password: password}}
	for _, name := range people {
		accounts = append(accounts, mail.Account{Address: name + "@mail.test", Password: password})
	}
	var err error
	if o.mail, err = mail.Open(ctx, mail.Options{Accounts: accounts}); err != nil {
		return "", err
	}
	t.Cleanup(func() { closed(t, o.mail) })
	ca := filepath.Join(filepath.Dir(o.config), "mail-ca.pem")
	if err := os.WriteFile(ca, o.mail.CA(), 0o600); err != nil {
		return "", err
	}
	server := func(addr string) string {
		host, port, _ := net.SplitHostPort(addr)
		return fmt.Sprintf("host: %s, port: %s, tls: implicit, ca_file: %s", host, port, ca)
	}
	text := fmt.Sprintf("  - kind: email\n    id: shop\n    address: %s\n    start: all\n    imap: {%s, password: %s}\n    smtp: {%s, plus_address: true, return_token: true}\n",
		supportAddress, server(o.mail.IMAPS()), o.secret(t, "mail-password", password), server(o.mail.Submissions()))
	if moves {
		if err := o.mail.Put(supportAddress, doneFolder, []byte("Subject: old\r\n\r\nSeen to.\r\n")); err != nil {
			return "", err
		}
		text += "    move_to: " + doneFolder + "\n"
	}
	return text, nil
}

func (o *outside) openTelegram(ctx context.Context, t *testing.T) (string, error) {
	var err error
	if o.telegram, err = telegram.Open(ctx, telegram.Options{}); err != nil {
		return "", err
	}
	t.Cleanup(func() { closed(t, o.telegram) })
	return fmt.Sprintf("  - kind: telegram\n    id: bot\n    token: %s\n    server: %s\n    limits: {per_second: 1000, per_chat: 1ms}\n    times: {poll: 20s, album: 300ms}\n",
		o.secret(t, "telegram-token", o.telegram.Token()), o.telegram.URL()), nil
}

func (o *outside) openSMS(ctx context.Context, t *testing.T) (string, error) {
	o.front = newFront(t)
	var err error
	o.sms, err = sms.Open(ctx, sms.Options{Tries: 1000, Retry: 20 * time.Millisecond, WebhookURL: o.front.srv.URL + "/hooks/sms/text"})
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { closed(t, o.sms) })
	voice := o.front.srv.URL + "/hooks/voice/text"
	o.sms.PointVoice(o.sms.Numbers()[0], voice, voice+"/status")
	return fmt.Sprintf("  - kind: sms\n    id: text\n    account_sid: %s\n    auth_token: %s\n    from: %q\n    server: %s\n    plain_quotes: false\n    voice: {say: {en: We write to you.}}\n",
		o.sms.AccountSID(), o.secret(t, "twilio-token", o.sms.AuthToken()), o.sms.Numbers()[0], o.sms.URL()), nil
}

func closed(t *testing.T, c io.Closer) {
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// front is the proxy under whose address the program is known: the same through all
// of its lives. Without a program it answers 502.
type front struct {
	srv *httptest.Server
	to  atomic.Pointer[url.URL]
}

func newFront(t *testing.T) *front {
	f := &front{}
	f.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := f.to.Load()
		if to == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		(&httputil.ReverseProxy{
			Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(to) },
			Transport: once.Transport, ErrorLog: log.New(io.Discard, "", 0),
		}).ServeHTTP(w, r)
	}))
	t.Cleanup(f.srv.Close)
	return f
}

func (f *front) point(address string) error {
	to, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err == nil {
		f.to.Store(to)
	}
	return err
}
