package link

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// pair is a connection over a real socket.
func pair(t *testing.T, o Options) (ours *Conn, theirs net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := ln.Accept()
		accepted <- c
	}()
	host, _, _ := net.SplitHostPort(ln.Addr().String())
	c, err := Dial(t.Context(), Config{Host: host, TLS: None}, ln.Addr().String(), o)
	if err != nil {
		t.Fatal(err)
	}
	ours, ok := Inner(c)
	if !ok {
		t.Fatal("not a Conn")
	}
	theirs = <-accepted
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// A connection on which nothing comes closes itself on time, whatever deadlines its
// user set (F6).
func TestSilenceCloses(t *testing.T) {
	c, _ := pair(t, Options{Silence: 100 * time.Millisecond})
	if err := errors.Join(c.SetReadDeadline(time.Now().Add(time.Hour)), c.SetDeadline(time.Time{})); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_, err := c.Read(make([]byte, 1))
	e := new(Error)
	if !errors.As(err, &e) || e.Step != "silence" {
		t.Fatalf("read: %v", err)
	}
	if took := time.Since(begun); took < 80*time.Millisecond || took > time.Second {
		t.Errorf("noticed after %s", took)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("the connection is still open")
	}
	if failed := c.Failed(); failed == nil {
		t.Error("nobody knows why it ended")
	}
}

// A peer that reads nothing does not hold a writer for ever.
func TestWriteCloses(t *testing.T) {
	c, _ := pair(t, Options{Write: 100 * time.Millisecond})
	b := make([]byte, 1<<20)
	for range 64 {
		if _, err := c.Write(b); err != nil {
			if e := new(Error); !errors.As(err, &e) {
				t.Errorf("write: %v", err)
			}
			return
		}
	}
	t.Error("64 MB went to a peer that reads nothing")
}

// What comes in time keeps the connection, and the peer's end is told from ours.
func TestTalkKeeps(t *testing.T) {
	c, theirs := pair(t, Options{Silence: 5 * time.Second})
	b := make([]byte, 8)
	for range 5 {
		if _, err := theirs.Write([]byte("hi")); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(b); err != nil || string(b[:n]) != "hi" {
			t.Fatalf("%q, %v", b[:n], err)
		}
	}
	theirs.Close()
	if _, err := c.Read(b); err == nil || c.Failed() == nil {
		t.Error("the peer closed, and nobody noticed")
	}
	ours, _ := pair(t, Options{})
	ours.Close()
	if _, err := ours.Read(b); err == nil || ours.Failed() != nil {
		t.Error("what we closed ourselves is no failure of the network")
	}
}

// Configuration faults have their place and say what to write.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		c    Config
		want string
	}{
		{Config{Host: "mail.shop.example", TLS: Implicit}, ""},
		{Config{Host: "::1", TLS: None}, ""},
		{Config{TLS: StartTLS}, "imap.host"},
		{Config{Host: "mail.shop.example:993", TLS: StartTLS}, "imap.host"},
		{Config{Host: "imaps://x", TLS: "ssl", Port: -1, CAFile: "/nonexistent"}, "imap.host imap.port imap.tls imap.ca_file"},
	} {
		var got []string
		for _, f := range test.c.Faults("imap") {
			if f.Msg == "" || f.Mend == "" {
				t.Errorf("%s says too little", f.Path)
			}
			got = append(got, f.Path)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%+v: %q, want %q", test.c, got, test.want)
		}
	}
	if a := (Config{Host: "h", TLS: Implicit}).Address(993, 143); a != "h:993" {
		t.Error(a)
	}
	if a := (Config{Host: "h", TLS: StartTLS}).Address(993, 143); a != "h:143" {
		t.Error(a)
	}
}
