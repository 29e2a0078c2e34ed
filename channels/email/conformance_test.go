package email

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/inbox"
	"casewire/channels/email/link"
	"casewire/channels/email/login"
	"casewire/channels/email/sandbox"
)

const (
	channelID      = "email:support"
	shop           = "support@shop.test"
	shopSecret     = "support-secret"
	customer       = "customer@mail.test"
	customerSecret = "customer-secret"
)

func TestConformance(t *testing.T) {
	channeltest.Run(t, channelID, func(t *testing.T, h *channeltest.House) channeltest.World {
		return newWorld(t, h)
	})
}

// world is a mail provider with the mailboxes of the shop and of a customer.
type world struct {
	t     testing.TB
	srv   *sandbox.Server
	house *channeltest.House
	ca    string

	mu  sync.Mutex
	uid map[string]uint32 // of what the customer said
	raw map[string][]byte
}

func newWorld(t testing.TB, h *channeltest.House) *world {
	t.Helper()
	return worldOf(t, h, sandbox.Options{})
}

func serverAt(addr, tls, ca string) link.Config {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return link.Config{Host: host, Port: n, TLS: tls, CAFile: ca}
}

// config is for the shop's mailbox at the world's provider.
func (w *world) config() *Config {
	c := NewConfig()
	c.Address, c.Name = shop, "Mill Street Repairs"
	c.IMAP.Server = serverAt(w.srv.IMAPS(), link.Implicit, w.ca)
	c.IMAP.Login = login.Config{Password: channels.NewSecret(shopSecret)}
	c.SMTP.Server = serverAt(w.srv.Submission(), link.StartTLS, w.ca)
	c.SMTP.PlusAddress, c.SMTP.ReturnToken = true, true
	c.Poll = time.Second
	c.Start = startAll
	return c
}

// Open opens a door that takes mail from the beginning: the conformance suite has
// the customer write before the door has looked into the mailbox.
func (w *world) Open(env channels.Env) (channels.Channel, error) { return w.config().Open(env) }

func (w *world) Say(text string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := fmt.Sprintf("%d.said@mail.test", len(w.uid)+1)
	w.raw[id] = fmt.Appendf(nil, "From: Ann <%s>\r\nTo: <%s>\r\nMessage-ID: <%s>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nSubject: Broken\r\n\r\n%s\r\n", customer, shop, id, text)
	w.post(id)
	return id
}

// post delivers a mail of the customer, who is known by then. The caller holds mu.
func (w *world) post(id string) {
	if err := w.srv.Post(customer, []string{shop}, w.raw[id]); err != nil {
		w.t.Errorf("post: %v", err)
	}
	for _, m := range w.srv.Messages(shop) {
		w.uid[id] = max(w.uid[id], m.UID)
	}
}

// Again delivers a copy: the same mail under another UID.
func (w *world) Again(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.post(id)
}

func (w *world) Taken(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	raw, err := w.house.Memory.Load(w.t.Context(), "cursor")
	if err != nil {
		return false
	}
	var c inbox.Cursor
	if err := json.Unmarshal(raw, &c); err != nil {
		return false
	}
	return w.uid[id] > 0 && c.Folders["INBOX"].UID >= w.uid[id]
}

func (w *world) Await(ctx context.Context, id string) error {
	tick := time.NewTicker(5 * time.Millisecond) // the memory tells nobody of its changes
	defer tick.Stop()
	for !w.Taken(id) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (w *world) Received(ctx context.Context, text string, n int) error {
	return w.srv.Wait(ctx, customer, func(list []sandbox.Stored) bool {
		got := 0
		for _, m := range list {
			if strings.Contains(m.Text(), text) {
				got++
			}
		}
		return got >= n
	})
}

func (w *world) Refusals() []channeltest.Refusal {
	fail := func(f sandbox.Fault) func() { return func() { w.srv.Fail(f) } }
	return []channeltest.Refusal{
		{Name: "no such mailbox", Reason: channels.BadAddress, Arm: fail(sandbox.Fault{Command: "RCPT", Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "no such user"}), Disarm: w.srv.Mend},
		{Name: "greylisted", Reason: channels.Unreachable, Retry: true, Arm: fail(sandbox.Fault{Command: "RCPT", Code: 451, Enhanced: [3]int{4, 7, 1}, Text: "greylisted"}), Disarm: w.srv.Mend},
		{Name: "cut after the last dot", Reason: channels.Unsure, Retry: true, Arm: fail(sandbox.Fault{Command: "DATA", Drop: true, Taken: true}), Disarm: w.srv.Mend},
		{Name: "another kind", Reason: channels.BadAddress, Change: func(m *channels.Outbound) { m.To.Kind = channels.SMS }},
		{Name: "nothing to say", Reason: channels.BadContent, Change: func(m *channels.Outbound) { m.Body = channels.Body{Text: " \n"} }},
	}
}

func (w *world) Secrets() []string { return []string{shopSecret, customerSecret, shop} }
