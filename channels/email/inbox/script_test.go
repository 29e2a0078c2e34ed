package inbox

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/channels/channeltest"
)

// script is an IMAP server that says what a test wants it to, true or not.
type script struct {
	t  *testing.T
	ln net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	mails map[uint32]string
	caps  string
	next  uint32 // UIDNEXT; 0: as it should be
	// fetch answers for a body with the response and how the command ends; ok false
	// closes the connection. nil is the truth.
	fetch   func(uid uint32) (response, end string, ok bool)
	fetched []uint32
	conns   map[net.Conn]struct{}
}

func newScript(t *testing.T, n int) *script {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, ln: ln, mails: map[uint32]string{}, conns: map[net.Conn]struct{}{}}
	for i, text := range texts("m", n) {
		s.mails[uint32(i+1)] = string(raw(text))
	}
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = struct{}{}
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *script) uids() []uint32 {
	var out []uint32
	for uid := range s.mails {
		out = append(out, uid)
	}
	slices.Sort(out)
	return out
}

var fetchShape = regexp.MustCompile(`^(\S+) UID FETCH (\S+) \((.*)\)$`)

func (s *script) serve(c net.Conn) {
	defer c.Close()
	fmt.Fprint(c, "* OK ready\r\n")
	in := bufio.NewScanner(c)
	for in.Scan() {
		line := in.Text()
		tag, rest, _ := strings.Cut(line, " ")
		command, _, _ := strings.Cut(rest, " ")
		s.mu.Lock()
		var out string
		ok := true
		switch command {
		case "CAPABILITY":
			out = "* CAPABILITY IMAP4rev1 " + s.caps + "\r\n" + tag + " OK done\r\n"
		case "LOGIN", "NOOP":
			out = tag + " OK done\r\n"
		case "EXAMINE", "SELECT":
			next := s.next
			if uids := s.uids(); next == 0 && len(uids) > 0 {
				next = uids[len(uids)-1] + 1
			}
			out = fmt.Sprintf("* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT %d] x\r\n%s OK done\r\n", len(s.mails), next, tag)
		case "FETCH": // the mails of these tests are numbered from 1 either way
			out, ok = s.answer(strings.Replace(line, " FETCH", " UID FETCH", 1))
		case "UID":
			out, ok = s.answer(line)
		default:
			out = tag + " BAD unknown\r\n"
		}
		s.mu.Unlock()
		if _, err := c.Write([]byte(out)); err != nil || !ok {
			return
		}
	}
}

// answer answers UID FETCH. The caller holds mu.
func (s *script) answer(line string) (out string, ok bool) {
	m := fetchShape.FindStringSubmatch(line)
	if m == nil {
		return strings.Fields(line)[0] + " BAD what\r\n", true
	}
	end := "OK done"
	var b strings.Builder
	for seq, uid := range s.uids() {
		if !inSet(m[2], uid) {
			continue
		}
		if !strings.Contains(m[3], "BODY") {
			fmt.Fprintf(&b, "* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE \"22-Nov-2026 10:00:00 +0000\")\r\n", seq+1, uid, len(s.mails[uid]))
			continue
		}
		s.fetched = append(s.fetched, uid)
		response := fmt.Sprintf("(UID %d BODY[] {%d}\r\n%s)", uid, len(s.mails[uid]), s.mails[uid])
		if s.fetch != nil {
			said, e, ok := s.fetch(uid)
			if !ok {
				return b.String() + said, false
			}
			if e != "" {
				end = e
			}
			if said == "" {
				continue
			}
			if said != "true" {
				response = said
			}
		}
		fmt.Fprintf(&b, "* %d FETCH %s\r\n", seq+1, response)
	}
	return b.String() + m[1] + " " + end + "\r\n", true
}

func inSet(set string, uid uint32) bool {
	for part := range strings.SplitSeq(set, ",") {
		lo, hi, ranged := strings.Cut(part, ":")
		from, _ := strconv.ParseUint(lo, 10, 32)
		to := from
		if ranged {
			to, _ = strconv.ParseUint(hi, 10, 32)
			if hi == "*" {
				to = 1<<32 - 1
			}
		}
		if uint64(uid) >= from && uint64(uid) <= to {
			return true
		}
	}
	return false
}

// A mail that the server cannot deliver holds up none of the others and is handed
// on as what it is (F16). One that is gone is passed over.
func TestFetchFails(t *testing.T) {
	const bad = 4
	lost := "unfetched 7/4"
	others := slices.Delete(texts("m", 9), bad-1, bad)
	for _, test := range []struct {
		name  string
		fetch func(s *script) (response, end string, ok bool)
		want  []string // besides the others
	}{
		{"refused", func(*script) (string, string, bool) { return "", "NO cannot read it", true }, []string{lost}},
		{"always too busy for it", func(*script) (string, string, bool) { return "", "NO [UNAVAILABLE] later", true }, []string{lost}},
		{"cut each time", func(*script) (string, string, bool) { return "", "", false }, []string{lost}},
		{"cut in the middle each time", func(*script) (string, string, bool) {
			return "* 4 FETCH (UID 4 BODY[] {5000}\r\nFrom: x", "", false
		}, []string{lost}},
		{"nothing", func(*script) (string, string, bool) { return "", "", true }, []string{lost}},
		{"nil", func(*script) (string, string, bool) { return "(UID 4 BODY[] NIL)", "", true }, []string{lost}},
		{"empty", func(*script) (string, string, bool) { return "(UID 4 BODY[] {0}\r\n)", "", true }, []string{lost}},
		{"garbage", func(*script) (string, string, bool) { return "(UID 4 BODY[] ((((", "", true }, []string{lost}},
		{"expunged meanwhile", func(s *script) (string, string, bool) {
			delete(s.mails, bad)
			return "", "", true
		}, nil},
		{"refused twice", func(s *script) (string, string, bool) {
			n := 0
			for _, uid := range s.fetched {
				if uid == bad {
					n++
				}
			}
			if n > 2 {
				return "true", "", true
			}
			return "", "NO come again", true
		}, []string{texts("m", 9)[bad-1]}},
		{"another mail's answer", func(*script) (string, string, bool) { return "(UID 99 BODY[] {3}\r\nabc)", "", true }, []string{lost}},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv, h := newScript(t, 9), newHouse()
			srv.fetch = func(uid uint32) (string, string, bool) {
				if uid != bad {
					return "true", "", true
				}
				return test.fetch(srv)
			}
			s := quick(t, srv.ln.Addr().String())
			s.Start.All, s.Retry = true, 100*time.Microsecond
			b, stop := run(t, s, h)
			h.until(t, "the others", func() bool { return len(h.mails) >= len(others) })
			want := slices.Concat(others, test.want)
			h.wait(t, len(want))
			looked(t, b, 1)
			stop()
			h.same(t, want)
			if p := cursorOf(t, h, "INBOX"); p.UID != 9 {
				t.Errorf("position %d, want 9", p.UID)
			}
			if slices.Contains(test.want, lost) && !strings.Contains(h.faults[lost], "still in the mailbox") {
				t.Errorf("fault %q", h.faults[lost])
			}
		})
	}
}

// A server that lies about sizes, or sends more than was asked for, does not get more
// than the limit into our memory, and the beginning of the mail is kept.
func TestSizes(t *testing.T) {
	for _, test := range []struct {
		name    string
		literal int // bytes really sent
		listed  int // bytes announced in the list
	}{
		{"larger than the limit, and says so", 300 << 10, 300 << 10},
		{"larger than the limit, and says it is small", 300 << 10, 10},
		{"far larger than the limit, and says it is small", 3 << 20, 10},
		{"small, and says it is enormous", 500, 1 << 40},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv, h := newScript(t, 3), newHouse()
			srv.mails[2] = strings.Repeat("x", test.listed%(1<<20))
			long := string(raw("long " + strings.Repeat("y", test.literal)))
			srv.fetch = func(uid uint32) (string, string, bool) {
				if uid == 2 {
					return fmt.Sprintf("(UID 2 BODY[] {%d}\r\n%s)", len(long), long), "", true
				}
				return "true", "", true
			}
			var size int64
			h.reading = func(m *Mail) {
				if m.UID == 2 {
					size = m.Size
				}
			}
			s := quick(t, srv.ln.Addr().String())
			s.Start.All, s.MaxBytes = true, 100<<10
			_, stop := run(t, s, h)
			h.wait(t, 3)
			stop()
			if size > s.MaxBytes {
				t.Errorf("%d bytes of a mail were kept, and the limit is %d", size, s.MaxBytes)
			}
			if len(long) > int(s.MaxBytes) && len(h.faults) != 1 {
				t.Errorf("faults %q, want one", h.faults)
			}
			if got := h.all(); len(got) != 3 || !strings.HasPrefix(got[1], "long yyy") && !strings.HasPrefix(got[2], "long yyy") && !strings.HasPrefix(got[0], "long yyy") {
				t.Errorf("the beginning of the long mail was not kept")
			}
		})
	}
}

// Servers without IDLE, without UIDNEXT, and with UIDs that start again are watched
// all the same.
func TestPoorServers(t *testing.T) {
	t.Run("no IDLE", func(t *testing.T) {
		srv, h := newScript(t, 2), newHouse()
		b, _ := run(t, quick(t, srv.ln.Addr().String()), h)
		looked(t, b, 1)
		srv.mu.Lock()
		srv.mails[3] = string(raw("new"))
		srv.mu.Unlock()
		h.wait(t, 1)
		h.same(t, []string{"new"})
	})
	t.Run("IDLE promised and refused", func(t *testing.T) {
		srv, h := newScript(t, 2), newHouse()
		srv.caps = "IDLE"
		b, _ := run(t, quick(t, srv.ln.Addr().String()), h)
		looked(t, b, 2)
		srv.mu.Lock()
		srv.mails[3] = string(raw("new"))
		srv.mu.Unlock()
		h.wait(t, 1)
	})
	t.Run("UIDs start again", func(t *testing.T) {
		srv, h := newScript(t, 5), newHouse()
		s := quick(t, srv.ln.Addr().String())
		s.Start.All = true
		_, stop := run(t, s, h)
		h.wait(t, 5)
		stop()
		srv.mu.Lock()
		clear(srv.mails)
		srv.mails[1], srv.mails[2] = string(raw("after the reset")), string(raw(texts("m", 1)[0]))
		srv.mu.Unlock()
		run(t, s, h)
		h.wait(t, 6)
		h.same(t, append(texts("m", 5), "after the reset"))
	})
}

// A mail with which the process ends every time is handed on unread after three
// tries, and its neighbours are not suspected (F16).
func TestProcessEndsWithMail(t *testing.T) {
	srv := newScript(t, 7)
	memory := &channeltest.Memory{}
	total := newHouse()
	total.memory = memory
	deaths := 0
	for deaths < 10 {
		h := total
		died := make(chan struct{})
		var once sync.Once
		alive := true
		var mu sync.Mutex
		h.reading = func(m *Mail) {
			if m.UID == 4 && !m.Suspect {
				mu.Lock()
				alive = false
				mu.Unlock()
				once.Do(func() { close(died) })
			}
		}
		h.memory.Fail = func(string, string) error { // what is dead writes nothing
			mu.Lock()
			defer mu.Unlock()
			if !alive {
				return channeltest.ErrStore
			}
			return nil
		}
		s := quick(t, srv.ln.Addr().String())
		s.Start.All = true
		b := New(s, Options{Login: account(password), State: h.memory})
		stop := start(t, b, h)
		all := make(chan struct{})
		go func() { defer close(all); h.waitOr(died, 7) }()
		<-all
		select {
		case <-died:
			deaths++
			stop()
			continue
		default:
		}
		stop()
		break
	}
	if deaths != 1+maxTries {
		t.Errorf("the process ended %d times with the mail, want %d", deaths, 1+maxTries)
	}
	total.same(t, texts("m", 7))
	if len(total.faults) != 1 || total.faults[texts("m", 4)[3]] != "suspect" {
		t.Errorf("suspected: %q", total.faults)
	}
}

// waitOr returns when n mails are stored or other is closed.
func (h *house) waitOr(other <-chan struct{}, n int) {
	for {
		h.mu.Lock()
		done, changed := len(h.mails) >= n, h.changed
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-other:
			return
		}
	}
}
