package submit

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/link"
)

// script is an SMTP server that says what a test wants it to say: a reply for each
// command, by name. "CONNECT" is the greeting and "DOT" what follows the final dot.
// A reply of "drop" closes the connection instead.
type script struct {
	t  *testing.T
	ln net.Listener
	wg sync.WaitGroup

	mu      sync.Mutex
	replies map[string]string
	taken   []string // mails whose final dot came
	said    []string // commands
	conns   int
	open    map[net.Conn]bool
}

var polite = map[string]string{
	"CONNECT": "220 script", "EHLO": "250-script\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8", "MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok",
	"DATA": "354 Go", "DOT": "250 2.0.0 Ok: queued as 1", "RSET": "250 Ok", "NOOP": "250 Ok", "QUIT": "221 Bye", "AUTH": "235 2.7.0 Ok",
}

func newScript(t *testing.T, replies map[string]string) *script {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, ln: ln, replies: map[string]string{}, open: map[net.Conn]bool{}}
	for k, v := range replies {
		s.replies[k] = v
	}
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			s.open[c] = true
			s.mu.Unlock()
			s.wg.Go(func() {
				defer func() {
					c.Close()
					s.mu.Lock()
					delete(s.open, c)
					s.mu.Unlock()
				}()
				s.serve(c)
			})
		}
	})
	t.Cleanup(s.close)
	return s
}

func (s *script) close() {
	s.ln.Close()
	s.kick()
	s.wg.Wait()
}

// kick closes every connection, as a server does that was restarted.
func (s *script) kick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.Close()
	}
}

func (s *script) set(command, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[command] = reply
}

// reply writes what is to be said at a command, and whether to go on.
func (s *script) reply(c net.Conn, command string) bool {
	s.mu.Lock()
	s.said = append(s.said, command)
	text, ok := s.replies[command]
	if !ok {
		text = polite[command]
	}
	s.mu.Unlock()
	if text == "drop" {
		return false
	}
	_, err := io.WriteString(c, text+"\r\n")
	return err == nil && !strings.HasPrefix(text, "421") && command != "QUIT"
}

func (s *script) serve(c net.Conn) {
	if !s.reply(c, "CONNECT") {
		return
	}
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		verb = strings.ToUpper(verb)
		if !s.reply(c, verb) {
			return
		}
		if verb != "DATA" || !s.goesOn() {
			continue
		}
		var mail strings.Builder
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == ".\r\n" {
				break
			}
			mail.WriteString(strings.TrimPrefix(line, "."))
		}
		s.mu.Lock()
		s.taken = append(s.taken, mail.String())
		s.mu.Unlock()
		if !s.reply(c, "DOT") {
			return
		}
	}
}

func (s *script) goesOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply, ok := s.replies["DATA"]
	return !ok || strings.HasPrefix(reply, "354")
}

func (s *script) mails() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.taken...)
}

func (s *script) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// at returns a configuration for a server without encryption and login.
func configAt(addr string) Config {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	c := NewConfig()
	c.Server = link.Config{Host: host, Port: n, TLS: link.None}
	c.NoLogin = true
	c.Reply = 10 * time.Second
	return c
}

// newSender returns a Sender that must leave nothing behind.
func newSender(t *testing.T, c Config) *Sender {
	t.Helper()
	s := New(c, nil, Options{Address: shop})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if left := channeltest.Goroutines("casewire/channels/email/submit"); left != "" {
			t.Errorf("goroutines are left:\n%s", left)
		}
	})
	return s
}

const shop = "support@shop.test"

func simple() *Mail {
	return &Mail{
		ID: "cw.1.a@shop.test", From: Address{"Shop", shop}, To: Address{"Ann", "ann@mail.test"},
		Subject: "Screen", Text: "Hello\n.\nbye", Date: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}
}

func reasonOf(t *testing.T, err error) *channels.SendError {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	se, ok := err.(*channels.SendError) //nolint:errorlint // the promise is the type itself
	if !ok {
		t.Fatalf("%T is no *SendError: %v", err, err)
	}
	return se
}
