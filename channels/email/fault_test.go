package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/inbox"
	"casewire/channels/email/mime"
)

// A mail over which the reader panics, hangs or fails becomes a flagged message with
// its raw form and its sender, and its neighbours notice nothing (F16, E3).
func TestPoison(t *testing.T) {
	for _, test := range []struct {
		name string
		read func(ctx context.Context) error
		why  string
	}{
		{"panics", func(context.Context) error { panic("poison") }, "stumble"},
		{"hangs", func(context.Context) error { select {} }, "too long"},
		{"hangs until its deadline", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "too long"},
		{"fails", func(context.Context) error { return errors.New("poison") }, "could not be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := opened(t, func(c *Config, d *Door) {
				c.Limits.ReadTime = time.Second
				if d == nil {
					return
				}
				d.read = func(ctx context.Context, raw *inbox.Mail, keep mime.Keeper, l mime.Limits) (*mime.Mail, error) {
					if raw.UID == 2 {
						return nil, test.read(ctx)
					}
					return readMail(ctx, raw, keep, l)
				}
			})
			s.posts(t, shop, letter("before", "Message-ID: <1@x>"), letter("poison", "Message-ID: <2@x>", "Subject: =?utf-8?q?=D0=B5=D1=85?="), letter("after", "Message-ID: <3@x>"))
			list := s.messages(t, 3)
			i := slices.IndexFunc(list, func(m channels.Inbound) bool { return m.Broken != "" })
			if i < 0 {
				t.Fatal("no message is flagged")
			}
			m := list[i]
			if !strings.Contains(m.Broken, test.why) || !strings.Contains(m.Body.Text, test.why) || m.From.Handle != customer || m.Body.Subject != "ех" || !slices.Equal(m.Refs, []string{"2@x"}) {
				t.Errorf("flagged as %q from %q, subject %q: %q", m.Broken, m.From.Handle, m.Body.Subject, m.Body.Text)
			}
			raw, err := m.Source()
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(raw); !strings.Contains(string(b), "poison") {
				t.Error("the raw form is not the mail")
			}
			for _, other := range slices.Delete(list, i, i+1) {
				if other.Broken != "" || !strings.Contains("before after", strings.TrimSpace(other.Body.Text)) {
					t.Errorf("a neighbour is %q: %q", other.Body.Text, other.Broken)
				}
			}
			if s.door.Counts()["broken"] != 1 {
				t.Errorf("counts %v", s.door.Counts())
			}
		})
	}
}

// A mail that the house refuses for ever, while it takes others, is handed over
// reduced to what cannot be refused.
func TestRefusedByTheHouse(t *testing.T) {
	s := opened(t, func(_ *Config, d *Door) {
		if d != nil {
			d.patience = 2
		}
	})
	s.book.Before = func(_ context.Context, m channels.Inbound) error {
		if m.Body.HTML != "" {
			return errors.New("html is not for me")
		}
		return nil
	}
	s.posts(t, shop, letter("<b>x</b>", "Content-Type: text/html", "MIME-Version: 1.0"), letter("other", "From: bob@mail.test"))
	list := s.messages(t, 2)
	if i := slices.IndexFunc(list, func(m channels.Inbound) bool { return m.Broken != "" && m.From.Handle == customer && m.Body.HTML == "" }); i < 0 {
		t.Errorf("%+v", list)
	}
}

// An attachment that the house cannot keep is a reason to wait, not to leave it out.
func TestFilesAway(t *testing.T) {
	s := opened(t, nil)
	var fails atomic.Int64
	s.house.Files.Fail = func(op string) error {
		if op == "put" && fails.Add(1) <= 2 {
			return channeltest.ErrStore
		}
		return nil
	}
	s.posts(t, shop, letter("--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n\n%PDF-1.4\n--b--",
		"MIME-Version: 1.0", `Content-Type: multipart/mixed; boundary="b"`))
	m := s.messages(t, 1)[0]
	if m.Broken != "" || len(m.Body.Files) != 1 || m.Body.Files[0].Blob == "" {
		t.Errorf("files %+v, broken %q", m.Body.Files, m.Broken)
	}
}

// Wherever the process is killed, every mail is stored once (F1).
func TestKilledAnywhere(t *testing.T) {
	const mails = 8
	var raws []string
	for i := range mails {
		raws = append(raws, letter(fmt.Sprintf("mail %d", i), fmt.Sprintf("Message-ID: <%d@x>", i), fmt.Sprintf("From: c%d@mail.test", i%3)))
	}
	// The house counts every step at which it is touched and dies at the given one.
	attempt := func(t *testing.T, at int64) (steps int64) {
		h := channeltest.NewHouse(t)
		w := newWorld(t, h)
		s := &shopDoor{world: w, book: h.Book}
		s.posts(t, shop, raws...)
		var count atomic.Int64
		var dead atomic.Bool
		died := make(chan struct{})
		var once sync.Once
		touch := func() error {
			if count.Add(1) == at {
				dead.Store(true)
				once.Do(func() { close(died) })
			}
			if dead.Load() {
				return channeltest.ErrStore
			}
			return nil
		}
		h.Memory.Fail = func(string, string) error { return touch() }
		h.Book.Before = func(context.Context, channels.Inbound) error { return touch() }
		h.Book.After = func(context.Context, channels.Inbound) error { return touch() }
		s.restart(t, nil)
		full := make(chan struct{})
		go func() {
			defer close(full)
			_ = h.Book.Wait(t.Context(), func() bool { return len(h.Book.Messages()) >= mails })
		}()
		select {
		case <-died:
		case <-full:
		}
		if _, err := s.stop(); err != nil {
			t.Fatal(err)
		}
		steps = count.Load()
		h.Memory.Fail, h.Book.Before, h.Book.After = nil, nil, nil
		s.restart(t, nil)
		s.messages(t, mails)
		if _, err := s.stop(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range h.Book.Messages() {
			got = append(got, strings.TrimSpace(m.Body.Text))
			if m.Broken != "" {
				t.Errorf("killed at step %d: flagged: %s", at, m.Broken)
			}
		}
		slices.Sort(got)
		if len(slices.Compact(got)) != mails || len(h.Book.Messages()) != mails {
			t.Errorf("killed at step %d: stored %q", at, got)
		}
		return steps
	}
	total := attempt(t, -1)
	for at := int64(1); at <= total; at++ {
		attempt(t, at)
	}
	t.Logf("killed at each of %d steps", total)
}

// A mail of 30 MB is taken in with less than three times its size in memory, and is
// all there.
func TestLargeMail(t *testing.T) {
	const size = 30 << 20
	s := opened(t, func(c *Config, _ *Door) { c.Limits.FileBytes = 40 << 20 })
	if _, err := s.stop(); err != nil {
		t.Fatal(err)
	}
	files := &sink{}
	env := s.house.Env(channelID)
	env.Files = files
	var taken atomic.Int64
	s.book.Before = func(_ context.Context, m channels.Inbound) error {
		r, err := m.Source() // as the house keeps the raw form
		if err != nil {
			return err
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, r)
		taken.Store(n)
		return err
	}
	c := s.config()
	c.Limits.FileBytes = 40 << 20
	ch, err := c.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("QUJD", 19) + "\r\n"
	raw := []byte("From: " + customer + "\r\nMessage-ID: <big@x>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nsee the film\r\n--b\r\nContent-Type: video/mp4; name=a.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		strings.Repeat(line, size/len(line)) + "\r\n--b--\r\n")
	if err := s.srv.Put(shop, "INBOX", raw); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.GC() // what the first found is swept
	before := heap()
	var peak atomic.Uint64
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			peak.Store(max(peak.Load(), heap()))
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	begun := time.Now()
	stop := s.house.Start(t, ch, s.book)
	m := s.messages(t, 1)[0]
	took := time.Since(begun)
	cancel()
	<-watched
	if _, err := stop(); err != nil {
		t.Fatal(err)
	}
	used := int64(peak.Load()) - int64(before)
	t.Logf("%d MB in %s with %d KB of memory", len(raw)>>20, took.Round(time.Millisecond), used>>10)
	if used > 3*int64(len(raw)) {
		t.Errorf("%d MB of memory for a mail of %d MB", used>>20, len(raw)>>20)
	}
	if taken.Load() != int64(len(raw)) || len(m.Body.Files) != 1 || m.Body.Files[0].Size < size/2 || m.Broken != "" {
		t.Errorf("raw %d of %d bytes, files %+v, broken %q", taken.Load(), len(raw), m.Body.Files, m.Broken)
	}
}

func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// sink is a store of files on a disk that keeps nothing in memory, and in fact
// nothing at all.
type sink struct{ channels.Files }

func (*sink) Put(_ context.Context, name string, r io.Reader, limit int64) (channels.File, error) {
	n, err := io.Copy(io.Discard, io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return channels.File{}, err
	case n > limit:
		return channels.File{}, channels.ErrTooLarge
	}
	return channels.File{Name: name, Type: "video/mp4", Size: n, Blob: "0"}, nil
}
