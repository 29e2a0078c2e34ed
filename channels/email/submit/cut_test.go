package submit

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"casewire/channels"
)

// cutter passes bytes on to a server and closes everything after so many of one
// direction.
type cutter struct {
	ln      net.Listener
	target  string
	wg      sync.WaitGroup
	toward  int // bytes from the client that pass; -1: all
	back    int // bytes from the server that pass; -1: all
	mu      sync.Mutex
	counted [2]int
}

func newCutter(t *testing.T, target string, toward, back int) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{ln: ln, target: target, toward: toward, back: back}
	c.wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				return
			}
			c.wg.Go(func() { c.pass(0, out, in, toward) })
			c.wg.Go(func() { c.pass(1, in, out, back) })
		}
	})
	t.Cleanup(c.close)
	return c
}

func (c *cutter) close() {
	c.ln.Close()
	c.wg.Wait()
}

func (c *cutter) pass(way int, to io.WriteCloser, from io.ReadCloser, limit int) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for limit != 0 {
		part := buf
		if limit > 0 && limit < len(part) {
			part = part[:limit]
		}
		n, err := from.Read(part)
		if n > 0 {
			c.mu.Lock()
			c.counted[way] += n
			c.mu.Unlock()
			if _, err := to.Write(part[:n]); err != nil {
				return
			}
			if limit > 0 {
				limit -= n
			}
		}
		if err != nil {
			return
		}
	}
}

// A connection that is cut after byte N, for every N of a session and in either
// direction: a failure is Unsure exactly when the final dot may have been taken,
// and a mail that was taken is never reported as certainly not sent (F9).
func TestCutAtEveryByte(t *testing.T) {
	clean := newScript(t, nil)
	whole := newCutter(t, clean.ln.Addr().String(), -1, -1)
	s := newSender(t, configAt(whole.ln.Addr().String()))
	if _, err := s.Send(t.Context(), simple()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole.close()
	toward, back := whole.counted[0], whole.counted[1]
	if toward < 500 || back < 100 {
		t.Fatalf("recorded %d and %d bytes", toward, back)
	}
	// An answer counts once its code and what ends it are there: with "354 " the mail
	// is on its way, with "250 " it was taken.
	answers := len("220 script\r\n"+polite["EHLO"]+polite["MAIL"]+polite["RCPT"]) + 6
	before := answers + len("354 ")
	sure := answers + len(polite["DATA"]+"\r\n"+"250 ")
	for n := range back {
		reason, taken := afterCut(t, -1, n)
		want := channels.Unreachable
		switch {
		case n >= sure:
			want = ""
		case n >= before:
			want = channels.Unsure
		}
		if reason != want || reason == channels.Unreachable && taken {
			t.Errorf("cut after byte %d of the server's: %q, taken %t, want %q", n, reason, taken, want)
		}
	}
	for n := range toward {
		switch reason, taken := afterCut(t, n, -1); {
		case taken && reason != "" && reason != channels.Unsure:
			t.Errorf("cut after byte %d of ours: %q, and the mail was taken", n, reason)
		case !taken && reason == "":
			t.Errorf("cut after byte %d of ours: sent, and the mail was not taken", n)
		}
	}
}

// afterCut sends one mail through a cutter and returns what came of it.
func afterCut(t *testing.T, toward, back int) (channels.Reason, bool) {
	t.Helper()
	server := newScript(t, nil)
	way := newCutter(t, server.ln.Addr().String(), toward, back)
	c := configAt(way.ln.Addr().String())
	c.Idle = 0
	_, err := newSender(t, c).Send(t.Context(), simple())
	way.close()
	server.close()
	taken := len(server.mails()) > 0
	if err == nil {
		return "", taken
	}
	se := reasonOf(t, err)
	if !se.Retry {
		t.Errorf("a cut must be tried again: %v", se)
	}
	return se.Reason, taken
}

// A server that never answers the final dot leaves the mail unsure, when our own
// patience ends as well as when the caller's does.
func TestSilenceAfterTheDot(t *testing.T) {
	for _, patience := range []time.Duration{time.Second, time.Minute} {
		quiet := make(chan struct{})
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { swallow(ln, quiet) })
		c := configAt(ln.Addr().String())
		c.Reply = patience
		ctx, cancel := t.Context(), func() {}
		if patience > time.Second {
			ctx, cancel = withCancelOn(t, quiet)
		}
		_, err = newSender(t, c).Send(ctx, simple())
		cancel()
		if se := reasonOf(t, err); se.Reason != channels.Unsure || !se.Retry {
			t.Errorf("patience %s: %v", patience, se)
		}
		ln.Close()
		wg.Wait()
	}
}
