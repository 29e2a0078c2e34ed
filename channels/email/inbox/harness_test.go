package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/link"
	"casewire/channels/email/login"
	"casewire/channels/email/sandbox"
)

const (
	support  = "support@shop.test"
	password = "support-secret"
)

// house is the house behind an Inbox: it keeps each mail once, with its cursor.
type house struct {
	memory *channeltest.Memory
	// before is asked before a mail is stored; an error is a store that is away.
	before func(ctx context.Context, text string) error
	// reading is called for each mail before it is prepared.
	reading func(*Mail)

	mu      sync.Mutex
	mails   []string // in the order in which they were stored
	known   map[string]bool
	repeats int
	faults  map[string]string // by mail, for what came with one
	changed chan struct{}
}

func newHouse() *house {
	return &house{memory: &channeltest.Memory{}, known: map[string]bool{}, faults: map[string]string{}, changed: make(chan struct{})}
}

// open is what the house gives to Inbox.Run.
func (h *house) open(_ context.Context, m *Mail) (Parcel, error) {
	if h.reading != nil {
		h.reading(m)
	}
	text := fmt.Sprintf("unfetched %d/%d", m.Validity, m.UID)
	if m.Fetched {
		r, err := m.Open()
		if err != nil {
			return Parcel{}, err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return Parcel{}, err
		}
		text = textOf(string(b))
	}
	key, _, _ := strings.Cut(text, " ")
	return Parcel{Key: key, Deliver: func(ctx context.Context, cursor []byte) error { return h.store(ctx, m, text, cursor) }}, nil
}

func (h *house) store(ctx context.Context, m *Mail, text string, cursor []byte) error {
	if h.before != nil {
		if err := h.before(ctx, text); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.memory.Save(ctx, cursorKey, cursor, 0); err != nil {
		return err
	}
	if m.Fault != "" || m.Suspect {
		h.faults[text] = m.Fault + strings.Repeat("suspect", map[bool]int{true: 1}[m.Suspect])
	}
	if h.known[text] {
		h.repeats++
	} else {
		h.known[text] = true
		h.mails = append(h.mails, text)
	}
	close(h.changed)
	h.changed = make(chan struct{})
	return nil
}

func (h *house) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.mails)
}

// wait returns when n mails are stored.
func (h *house) wait(t testing.TB, n int) {
	t.Helper()
	h.until(t, fmt.Sprintf("%d mails", n), func() bool { return len(h.mails) >= n })
}

func (h *house) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		h.mu.Lock()
		done, changed := ok(), h.changed
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s never came; there are %d", what, len(h.all()))
		}
	}
}

// same fails unless exactly the texts are stored.
func (h *house) same(t testing.TB, want []string) {
	t.Helper()
	got := h.all()
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Fatalf("stored %d mails, want %d\ngot  %.400q\nwant %.400q", len(got), len(want), got, want)
	}
}

// raw is a mail that says text.
func raw(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return fmt.Appendf(nil, "From: customer@mail.test\r\nTo: support@shop.test\r\nMessage-ID: <%s@mail.test>\r\nSubject: x\r\n\r\n%s\r\n", hex.EncodeToString(sum[:8]), text)
}

func textOf(raw string) string {
	_, body, _ := strings.Cut(raw, "\r\n\r\n")
	return strings.TrimSpace(body)
}

func provider(t testing.TB, o sandbox.Options) *sandbox.Server {
	t.Helper()
	o.Accounts = []sandbox.Account{{Address: support, Password: password}}
	s, err := sandbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func put(t testing.TB, s *sandbox.Server, folder string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := s.Put(support, folder, raw(text)); err != nil {
			t.Fatal(err)
		}
	}
}

// quick are settings for a server on this machine.
func quick(t testing.TB, addr string) Settings {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return Settings{
		Server: link.Config{Host: host, Port: n, TLS: link.None}, Folders: []string{"INBOX"},
		Poll: 50 * time.Millisecond, Silence: 2 * time.Second, Retry: 2 * time.Millisecond,
	}
}

func account(s string) *login.Login {
	return login.New(login.Config{User: support, Password: channels.NewSecret(s)}, "", nil)
}

// run runs an Inbox until the test ends or stop is called.
func run(t testing.TB, s Settings, h *house) (b *Inbox, stop func()) {
	t.Helper()
	b = New(s, Options{Login: account(password), State: h.memory, Log: slog.New(slog.DiscardHandler)})
	return b, start(t, b, h)
}

func start(t testing.TB, b *Inbox, h *house) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, h.open) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run returned %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// looked waits until the folders have been looked into n more times.
func looked(t testing.TB, b *Inbox, n int64) {
	t.Helper()
	eventually(t, "a look into the folder", func() bool { return b.count.polls.Load() >= n })
}

// eventually asks again and again, for what has no event to wait for.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(15 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s never came", what)
		}
	}
}

// cursorOf returns the position that the house holds.
func cursorOf(t testing.TB, h *house, folder string) Position {
	t.Helper()
	b, err := h.memory.Load(t.Context(), cursorKey)
	if err != nil {
		return Position{}
	}
	var c Cursor
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c.Folders[folder]
}

func texts(prefix string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s-%04d says hello", prefix, i))
	}
	return out
}

// started returns the memory of a house that has looked into the folder of one old
// mail once.
func started(t testing.TB, srv *sandbox.Server) *channeltest.Memory {
	t.Helper()
	list := srv.Messages(support)
	m := &channeltest.Memory{}
	l := newLedger(m, support)
	if err := l.setBase(t.Context(), "INBOX", &base{Validity: 1, Next: 2, Since: list[0].At.Unix()}); err != nil {
		t.Fatal(err)
	}
	return m
}
