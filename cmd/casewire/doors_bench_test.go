package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/channels/email"
	"casewire/channels/email/link"
	mail "casewire/channels/email/sandbox"
	"casewire/channels/sms"
	twilio "casewire/channels/sms/sandbox"
	"casewire/channels/telegram"
	botapi "casewire/channels/telegram/sandbox"
	"casewire/cmd/casewire/app"
	"casewire/config"
	"casewire/config/policy"
)

// These measure the whole path into a process with the embedded store and the
// default policy: provider, door, intake, rules, durable commit, and for webhooks
// the answer. Provider and load share the processor.
//
//	go test -run '^$' -bench 'Webhook|Updates|Mailbox' -benchtime 5000x ./cmd/casewire

// benchApp runs casewire with these channels besides nothing, on the embedded store.
func benchApp(b *testing.B, list func(data string) []config.Channel) *app.App {
	b.Helper()
	return benchAppOn(b, "", list)
}

// benchAppOn is benchApp on the store at this address.
func benchAppOn(b *testing.B, address string, list func(data string) []config.Channel) *app.App {
	b.Helper()
	p := place{data: b.TempDir(), listen: "127.0.0.1:0", store: address}
	conf, err := p.load()
	if err != nil {
		b.Fatal(err)
	}
	conf.Snapshot().Channels = list(p.data)
	a, err := app.Start(b.Context(), app.Options{Config: conf, Log: slog.New(slog.DiscardHandler), Version: "bench", Before: mute})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return a
}

// mute takes the receipts and the hold out of the policy: what is measured is the
// way in, or the way out of a status.
func mute(ctx context.Context, a *app.App) error {
	text := regexp.MustCompile(`(?m)^  - \{event: .*\n`).ReplaceAllString(string(policy.Default()), "")
	text = strings.Replace(text, "\nevents:\n", "\nevents: []\n", 1)
	text = regexp.MustCompile(`(?m)^  hold: .*\n`).ReplaceAllString(text, "")
	live, err := policy.Open(ctx, a.House().Store, policy.LiveOptions{})
	if err != nil {
		return err
	}
	_, err = live.Publish(ctx, policy.Draft{Author: "bench", Text: text, Expect: live.Current().Revision})
	return err
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// figures writes how many were taken in a second, and what each cost.
func figures(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/message")
}

// cases waits until there are so many cases.
func cases(ctx context.Context, b *testing.B, a *app.App, n int64) {
	b.Helper()
	st := a.House().Store
	hints, err := st.Watch(ctx, casecore.Messages.Coll())
	if err != nil {
		b.Fatal(err)
	}
	stored := func() (out int64) {
		err := st.View(ctx, func(tx store.Tx) error {
			out = 0
			for c, err := range casecore.Cases.Scan(tx, store.Range{Index: "number", Reverse: true, Limit: 1}) {
				if err != nil {
					return err
				}
				out = c.Number
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	for stored() < n {
		<-hints
	}
}

func BenchmarkWebhook(b *testing.B) {
	for _, clients := range []int{8, 64} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) {
			a, p := openHook(b, clients, "")
			before := cpu()
			b.ResetTimer()
			p.storm(a.URL(), b.N)
			b.StopTimer()
			figures(b, before)
			b.ReportMetric(p.alone(b.N), "bare-µs/message")
			p.waits()
		})
	}
}

// openHook starts casewire with a webhook for SMS on the store at this address, and
// those who write to it.
func openHook(b *testing.B, clients int, in string) (*app.App, *phones) {
	b.Helper()
	tune() // as the program is
	p := &phones{b: b, clients: clients, account: "AC" + strings.Repeat("0", 32), token: strings.Repeat("0a", 16)}
	world, err := twilio.Open(b.Context(), twilio.Options{AccountSID: p.account, AuthToken: p.token})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = world.Close() })
	p.to = world.Numbers()[0]
	return benchAppOn(b, in, func(string) []config.Channel {
		c := sms.NewConfig()
		c.AccountSID, c.AuthToken, c.From, c.Server = p.account, channels.NewSecret(p.token), p.to, world.URL()
		return []config.Channel{{ID: "sms:main", Name: "main", Kind: channels.SMS, Config: c}}
	}), p
}

// phones are a load: so many clients at once post signed messages, each of another
// phone, and wait for the answer, which comes after the commit.
type phones struct {
	b                  *testing.B
	clients            int
	account, token, to string
	sent               int64
	took               []time.Duration // until the answers
}

// storm posts so many messages to the server.
func (p *phones) storm(server string, n int) {
	address := server + "/hooks/sms/main"
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: p.clients}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	next.Store(p.sent)
	p.sent += int64(n)
	took := make([][]time.Duration, p.clients)
	var wg sync.WaitGroup
	for w := range p.clients {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > p.sent {
					return
				}
				form := url.Values{
					"MessageSid": {fmt.Sprintf("SM%032x", n)}, "AccountSid": {p.account}, "To": {p.to}, "From": {fmt.Sprintf("+38050%07d", n)},
					"Body": {"Доброго дня! Впав телефон Samsung A52, екран чорний. Скільки коштує заміна?"}, "NumMedia": {"0"},
				}
				began := time.Now()
				if err := post(p.b.Context(), client, address, p.token, form); err != nil {
					p.b.Error(err)
					return
				}
				took[w] = append(took[w], time.Since(began))
			}
		})
	}
	wg.Wait()
	p.took = append(p.took, slices.Concat(took...)...)
}

// alone is the processor time in µs that a message of the same load costs against a
// server that only reads and answers: what the load itself and HTTP take.
func (p *phones) alone(n int) float64 {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			p.b.Error(err)
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = io.WriteString(w, "<Response/>")
	}))
	defer server.Close()
	before, again := cpu(), *p
	again.storm(server.URL, n)
	return float64((cpu() - before).Microseconds()) / float64(n)
}

// waits states how long the answers took.
func (p *phones) waits() {
	slices.Sort(p.took)
	if n := len(p.took); n > 0 {
		p.b.ReportMetric(float64(p.took[n/2].Microseconds())/1000, "p50-ms")
		p.b.ReportMetric(float64(p.took[n*99/100].Microseconds())/1000, "p99-ms")
	}
}

func post(ctx context.Context, client *http.Client, address, token string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Twilio-Signature", twilio.Sign(token, address, form))
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}

// BenchmarkUpdates has many chats' messages wait at the Bot API.
func BenchmarkUpdates(b *testing.B) {
	world, err := botapi.Open(b.Context(), botapi.Options{Token: "123456789:" + strings.Repeat("Aa0", 11) + "-_"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = world.Close() })
	for n := range b.N {
		world.Say(int64(1000+n), "Доброго дня! Впав телефон Samsung A52, екран чорний. Скільки коштує заміна?")
	}
	before := cpu()
	b.ResetTimer()
	a := benchApp(b, func(string) []config.Channel {
		c := telegram.NewConfig()
		c.Token, c.Server = channels.NewSecret(world.Token()), world.URL()
		return []config.Channel{{ID: "telegram:bot", Name: "bot", Kind: channels.Telegram, Config: c}}
	})
	cases(b.Context(), b, a, int64(b.N))
	b.StopTimer()
	figures(b, before)
}

// BenchmarkMailbox has mails of 20 KB wait in a mailbox: of the server in
// MAIL_IMAP_ADDR (see .ci/servers/mail-up.sh) when it is set, which gets them
// by LMTP first, else of one in this process.
func BenchmarkMailbox(b *testing.B) {
	for name, media := range map[string]string{"text": "text/html; charset=utf-8", "attachment": "image/jpeg; name=photo.jpg"} {
		b.Run(name, func(b *testing.B) { benchMailbox(b, media) })
	}
}

// benchMailbox takes in mails whose larger part is of this type.
func benchMailbox(b *testing.B, media string) {
	filler := make([]byte, 14<<10)
	if _, err := rand.Read(filler); err != nil {
		b.Fatal(err)
	}
	if strings.HasPrefix(media, "text") {
		filler = []byte(strings.Repeat("<p>Доброго дня! Впав телефон, екран чорний.</p>\r\n", 14<<10/80))
	}
	lines := base64.StdEncoding.EncodeToString(filler)
	var body strings.Builder
	for len(lines) > 76 {
		body.WriteString(lines[:76] + "\r\n")
		lines = lines[76:]
	}
	letter := func(n int) string {
		return fmt.Sprintf("From: Customer <c%d@mail.test>\r\nTo: support@shop.test\r\nSubject: broken %d\r\nMessage-ID: <w%d-%d@mail.test>\r\n"+
			"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"+
			"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nДоброго дня! Впав телефон Samsung A52.\r\n"+
			"--b\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n", n, n, n, time.Now().UnixNano(), media, body.String())
	}
	world, err := mail.Open(b.Context(), mail.Options{Accounts: []mail.Account{{Address: "support@shop.test", User: "support@shop.test", Password: "support-secret"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = world.Close() })
	imap, smtp, ca := world.IMAPS(), world.Submissions(), ""
	if os.Getenv("MAIL_IMAPS_ADDR") != "" {
		imap, smtp, ca = os.Getenv("MAIL_IMAPS_ADDR"), os.Getenv("MAIL_SMTPS_ADDR"), os.Getenv("MAIL_CA_FILE")
		deliver(b, os.Getenv("MAIL_LMTP_ADDR"), b.N, letter)
	} else {
		for n := range b.N {
			if err := world.Put("support@shop.test", "INBOX", []byte(letter(n))); err != nil {
				b.Fatal(err)
			}
		}
	}
	before := cpu()
	b.ResetTimer()
	a := benchApp(b, func(data string) []config.Channel {
		if ca == "" {
			ca = filepath.Join(data, "ca.pem")
			if err := os.WriteFile(ca, world.CA(), 0o600); err != nil {
				b.Fatal(err)
			}
		}
		c := email.NewConfig()
		c.Address, c.Start = "support@shop.test", "all"
		c.IMAP.Server, c.SMTP.Server = server(b, imap, ca), server(b, smtp, ca)
		c.IMAP.Login.Password = channels.NewSecret("support-secret")
		return []config.Channel{{ID: "email:support", Name: "support", Kind: channels.Email, Config: c}}
	})
	cases(b.Context(), b, a, int64(b.N))
	b.StopTimer()
	figures(b, before)
}

func server(b *testing.B, addr, ca string) link.Config {
	b.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		b.Fatal(err)
	}
	return link.Config{Host: host, Port: n, TLS: link.Implicit, CAFile: ca}
}

// deliver hands mails to a server by LMTP.
func deliver(b *testing.B, addr string, many int, letter func(int) string) {
	b.Helper()
	c, err := textproto.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	say := func(code int, line string) {
		b.Helper()
		if line != "" {
			if err := c.PrintfLine("%s", line); err != nil {
				b.Fatal(err)
			}
		}
		if _, _, err := c.ReadResponse(code); err != nil {
			b.Fatal(err)
		}
	}
	say(220, "")
	say(250, "LHLO bench.test")
	for n := range many {
		say(250, "MAIL FROM:<customer@mail.test>")
		say(250, "RCPT TO:<support@shop.test>")
		say(354, "DATA")
		w := c.DotWriter()
		if _, err := io.WriteString(w, letter(n)); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		say(250, "")
	}
}
