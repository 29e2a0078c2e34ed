package inbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"casewire/channels/channeltest"
	"casewire/channels/email/sandbox"
)

// A folder watched for the first time is taken from now on, from the beginning, or
// from a date, and after a restart nothing is taken again.
func TestStart(t *testing.T) {
	for _, test := range []struct {
		name  string
		start Start
		want  int // of the old mail
	}{
		{"now", Start{}, 0},
		{"all", Start{All: true}, 30},
		{"a date behind us", Start{Since: time.Now().Add(-time.Hour)}, 30},
		{"a date before us", Start{Since: time.Now().Add(48 * time.Hour)}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv, h := provider(t, sandbox.Options{}), newHouse()
			old := texts("old", 30)
			put(t, srv, "INBOX", old...)
			s := quick(t, srv.IMAP())
			s.Start = test.start
			b, stop := run(t, s, h)
			looked(t, b, 1)
			fresh := texts("new", 3)
			put(t, srv, "INBOX", fresh...)
			h.wait(t, test.want+3)
			want := append(slices.Clone(old[:test.want]), fresh...)
			h.same(t, want)
			stop()
			put(t, srv, "INBOX", "while away")
			_, stop = run(t, s, h)
			h.wait(t, test.want+4)
			stop()
			h.same(t, append(want, "while away"))
			if h.repeats > 0 {
				t.Errorf("%d mails were handed over again after a restart in good order", h.repeats)
			}
		})
	}
}

// A large mailbox full of old mail costs nothing at the first start.
func TestOldMailIsNotRead(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	put(t, srv, "INBOX", texts("old", 5000)...)
	p := newProxy(t, srv.IMAP())
	s := quick(t, p.addr())
	s.Poll = time.Minute
	b, _ := run(t, s, h)
	looked(t, b, 1)
	if n := p.received.Load(); n > 64<<10 {
		t.Errorf("the first start read %d bytes of a mailbox with 5000 mails", n)
	}
}

// Mail stays unread, unless it is to be marked; and it is moved when that is
// wanted, with and without MOVE (E1).
func TestSettling(t *testing.T) {
	for _, test := range []struct {
		name   string
		mark   bool
		move   string
		noMove bool
	}{
		{name: "left alone"},
		{name: "marked", mark: true},
		{name: "moved", move: "Archive"},
		{name: "moved and marked", move: "Archive", mark: true},
		{name: "copied and removed", move: "Archive", noMove: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv, h := provider(t, sandbox.Options{NoMove: test.noMove}), newHouse()
			put(t, srv, "Archive", "already there")
			put(t, srv, "INBOX", "old")
			s := quick(t, srv.IMAP())
			s.MoveTo, s.MarkSeen = test.move, test.mark
			b, stop := run(t, s, h)
			looked(t, b, 1)
			put(t, srv, "INBOX", texts("m", 20)...)
			h.wait(t, 20)
			folder := "INBOX"
			if test.move != "" {
				folder = test.move
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := srv.Wait(ctx, support, func(list []sandbox.Stored) bool {
				n := 0
				for _, m := range list {
					if m.Folder == folder && strings.HasPrefix(textOf(string(m.Raw)), "m-") && m.Seen == test.mark {
						n++
					}
				}
				return n == 20
			})
			if err != nil {
				t.Fatal("the mail is not where and how it should be")
			}
			stop()
			for _, m := range srv.Messages(support) {
				if text := textOf(string(m.Raw)); text == "old" && (m.Folder != "INBOX" || m.Seen) {
					t.Error("mail that was not taken was touched")
				}
			}
		})
	}
}

// Mail that was stored just before the process ended is moved by the next one.
func TestLeftoversAreMoved(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	put(t, srv, "Archive", "already there")
	put(t, srv, "INBOX", "old")
	s := quick(t, srv.IMAP())
	b, stop := run(t, s, h)
	looked(t, b, 1)
	put(t, srv, "INBOX", texts("m", 5)...)
	h.wait(t, 5)
	stop()
	s.MoveTo = "Archive"
	run(t, s, h)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := srv.Wait(ctx, support, func(list []sandbox.Stored) bool {
		return slices.ContainsFunc(list, func(m sandbox.Stored) bool { return m.Folder == "Archive" && m.UID == 6 })
	}); err != nil {
		t.Fatal("what was left over was not moved")
	}
	h.same(t, texts("m", 5))
}

// When the server numbers a folder anew, nothing is lost and old mail stays old (F7).
func TestRenumbered(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	put(t, srv, "INBOX", texts("old", 7)...)
	s := quick(t, srv.IMAP())
	b, _ := run(t, s, h)
	looked(t, b, 1)
	put(t, srv, "INBOX", texts("a", 7)...)
	h.wait(t, 7)
	for i := range 3 {
		if err := srv.Renumber(support, "INBOX"); err != nil {
			t.Fatal(err)
		}
		put(t, srv, "INBOX", texts(fmt.Sprintf("b%d", i), 3)...)
		h.wait(t, 10+3*i)
	}
	want := texts("a", 7)
	for i := range 3 {
		want = append(want, texts(fmt.Sprintf("b%d", i), 3)...)
	}
	h.same(t, want)
	if b.count.rescans.Load() < 3 {
		t.Errorf("%d rescans, want at least 3", b.count.rescans.Load())
	}
}

// Several folders are watched, and one that does not exist holds up no other and is
// named on the health page.
func TestFolders(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	put(t, srv, "Repairs", "old")
	s := quick(t, srv.IMAP())
	s.Folders = []string{"INBOX", "Missing", "Repairs"}
	b, _ := run(t, s, h)
	looked(t, b, 4)
	put(t, srv, "Repairs", "one")
	put(t, srv, "INBOX", "two")
	h.wait(t, 2)
	h.same(t, []string{"one", "two"})
	eventually(t, "a word on the folder", func() bool {
		health := b.Health()
		return !health.OK && strings.Contains(health.Text, `"Missing"`) && strings.Contains(health.Text, "create it")
	})
	put(t, srv, "Missing", "now it is there")
	eventually(t, "health", func() bool { return b.Health().OK })
}

// Mail of one sender is stored in the order of its arrival, and several senders at
// the same time.
func TestOrder(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	var most, now atomic.Int64
	h.before = func(ctx context.Context, _ string) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if rand.IntN(10) == 0 {
			return channeltest.ErrStore
		}
		pause(ctx, rand.N(3*time.Millisecond))
		return nil
	}
	s := quick(t, srv.IMAP())
	s.Start.All = true
	var want []string
	for i := range 120 {
		want = append(want, fmt.Sprintf("sender%d %04d", i%7, i))
	}
	put(t, srv, "INBOX", want...)
	run(t, s, h)
	h.wait(t, len(want))
	last := map[string]string{}
	for _, text := range h.all() {
		sender, no, _ := strings.Cut(text, " ")
		if no < last[sender] {
			t.Errorf("%s: %s came after %s", sender, no, last[sender])
		}
		last[sender] = no
	}
	if most.Load() < 4 {
		t.Errorf("at most %d mails were stored at the same time", most.Load())
	}
}

// The stored position is never ahead of what is stored, whatever the house does.
func TestCursorNeverRunsAhead(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	all := texts("m", 200)
	var faults atomic.Int64
	h.before = func(ctx context.Context, _ string) error {
		switch rand.IntN(8) {
		case 0:
			return errors.New("away")
		case 1:
			pause(ctx, rand.N(2*time.Millisecond))
		}
		return nil
	}
	h.memory.Fail = func(op, key string) error {
		if op == "save" && key == cursorKey && rand.IntN(10) == 0 {
			faults.Add(1)
			return channeltest.ErrStore
		}
		return nil
	}
	s := quick(t, srv.IMAP())
	s.Start.All = true
	put(t, srv, "INBOX", all...)
	_, stop := run(t, s, h)
	for n := 0; n < len(all); n += 20 {
		h.wait(t, n)
		h.mu.Lock()
		p := cursorOf(t, h, "INBOX")
		for uid := 1; uid <= int(p.UID); uid++ {
			if !h.known[all[uid-1]] {
				t.Errorf("the position is %d, and mail %d is not stored", p.UID, uid)
			}
		}
		h.mu.Unlock()
	}
	h.wait(t, len(all))
	stop()
	h.same(t, all)
}

// 500 mails that waited are taken in one go.
func TestBacklog(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	s := quick(t, srv.IMAP())
	b, stop := run(t, s, h)
	looked(t, b, 1)
	stop()
	all := texts("m", 500)
	put(t, srv, "INBOX", all...)
	begun := time.Now()
	_, stop = run(t, s, h)
	h.wait(t, 500)
	t.Logf("500 mails in %s", time.Since(begun).Round(time.Millisecond))
	stop()
	h.same(t, all)
	if h.repeats > 0 {
		t.Errorf("%d repeats", h.repeats)
	}
}

// New mail is pushed: with IDLE it comes long before the poll.
func TestPush(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	s := quick(t, srv.IMAP())
	s.Poll = time.Hour
	s.Silence = time.Minute
	b, _ := run(t, s, h)
	looked(t, b, 1)
	put(t, srv, "INBOX", "pushed")
	h.wait(t, 1)
}

// A connection that is kicked is made again.
func TestKicked(t *testing.T) {
	srv, h := provider(t, sandbox.Options{}), newHouse()
	b, stop := run(t, quick(t, srv.IMAP()), h)
	looked(t, b, 1)
	for i := range 5 {
		srv.Kick()
		put(t, srv, "INBOX", fmt.Sprintf("after kick %d", i))
		h.wait(t, i+1)
	}
	if b.count.reconnects.Load() == 0 {
		t.Error("no reconnect was counted")
	}
	stop()
	for _, pkg := range []string{"casewire/channels/email/inbox", "go-imap/v2/imapclient"} {
		if left := channeltest.Goroutines(pkg); left != "" {
			t.Errorf("goroutines are left:\n%s", left)
		}
	}
}
