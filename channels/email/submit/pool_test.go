package submit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casewire/channels"
)

// One connection serves one mail after the other, and many at the same time need
// no more than were allowed.
func TestConnectionsAreKeptAndBounded(t *testing.T) {
	s := newScript(t, nil)
	c := configAt(s.ln.Addr().String())
	c.Connections = 3
	sender := newSender(t, c)
	for range 5 {
		if _, err := sender.Send(t.Context(), simple()); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.connections(); n != 1 {
		t.Errorf("%d connections for five mails in a row", n)
	}
	var wg sync.WaitGroup
	for n := range 30 {
		wg.Go(func() {
			m := simple()
			m.ID = fmt.Sprintf("cw.%d@shop.test", n)
			if _, err := sender.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.connections(); n > 3 {
		t.Errorf("%d connections at once, 3 allowed", n)
	}
	seen := map[string]bool{}
	for _, m := range s.mails() {
		_, id, _ := strings.Cut(m, "Message-ID: ")
		id, _, _ = strings.Cut(id, "\r\n")
		if seen[id] && id != "<"+simple().ID+">" {
			t.Errorf("%s was sent twice", id)
		}
		seen[id] = true
	}
	if len(seen) != 31 {
		t.Errorf("%d mails arrived, want 31", len(seen))
	}
}

// A kept connection that the server has closed meanwhile costs no mail.
func TestDeadConnectionIsReplaced(t *testing.T) {
	s := newScript(t, nil)
	sender := newSender(t, configAt(s.ln.Addr().String()))
	send := func(when string) {
		t.Helper()
		if _, err := sender.Send(t.Context(), simple()); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	send("first")
	s.kick()
	send("after a restart of the server")
	s.set("RSET", "421 4.4.2 Idle for too long")
	send("when it says goodbye at RSET")
	s.set("RSET", "250 Ok")
	if n := len(s.mails()); n != 3 {
		t.Errorf("%d mails arrived, want 3", n)
	}
	if n := s.connections(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// A refused mail leaves the connection in order for the next.
func TestRefusalKeepsTheConnection(t *testing.T) {
	s := newScript(t, map[string]string{"RCPT": "550 5.1.1 No"})
	sender := newSender(t, configAt(s.ln.Addr().String()))
	for range 2 {
		if _, err := sender.Send(t.Context(), simple()); err == nil {
			t.Fatal("taken")
		}
	}
	s.set("RCPT", "250 Ok")
	if _, err := sender.Send(t.Context(), simple()); err != nil {
		t.Fatal(err)
	}
	if n := s.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// What is not used for a while is closed, with a goodbye.
func TestIdleConnectionIsClosed(t *testing.T) {
	s := newScript(t, nil)
	c := configAt(s.ln.Addr().String())
	c.Idle = 20 * time.Millisecond
	sender := newSender(t, c)
	if _, err := sender.Send(t.Context(), simple()); err != nil {
		t.Fatal(err)
	}
	s.ln.Close()
	s.wg.Wait() // returns once the connection has ended
	if said := strings.Join(s.said, " "); !strings.HasSuffix(said, "QUIT") {
		t.Errorf("said %s", said)
	}
}

// A caller who gives up while others send gets an answer at once, and costs no slot.
func TestGivingUpInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := configAt("127.0.0.1:1")
		c.Connections = 1
		s := New(c, nil, Options{})
		s.slots <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.Send(ctx, simple())
		if se := reasonOf(t, err); se.Reason != channels.Unreachable || !errors.Is(se, context.DeadlineExceeded) {
			t.Errorf("%v", se)
		}
		<-s.slots
	})
}
