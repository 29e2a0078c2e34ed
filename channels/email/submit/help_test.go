package submit

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
)

// swallow serves one connection up to the final dot, then closes quiet and says
// nothing more.
func swallow(ln net.Listener, quiet chan<- struct{}) {
	c, err := ln.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	r := bufio.NewReader(c)
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 quiet")
	inMail := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch {
		case line == ".\r\n":
			close(quiet)
			_, _ = io.Copy(io.Discard, r)
			return
		case inMail:
		case strings.HasPrefix(line, "DATA"):
			inMail = true
			say("354 Go")
		default:
			say("250 Ok")
		}
	}
}

// withCancelOn returns a context that ends when c is closed.
func withCancelOn(t *testing.T, c <-chan struct{}) (context.Context, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-c:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-done }
}
