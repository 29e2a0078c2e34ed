package link

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Options are the clocks of a connection.
type Options struct {
	Connect time.Duration // for the name, the connection and the handshake; 0: 20 s
	Silence time.Duration // longest time a read may wait; 0: 45 s
	Write   time.Duration // longest time a write may take; 0: 30 s
}

// Default clocks. Silence stays well below the 60 s within which a half-open
// connection must be noticed (F6): whoever uses the connection has to make the
// server say something more often than that.
const (
	DefaultConnect = 20 * time.Second
	DefaultSilence = 45 * time.Second
	DefaultWrite   = 30 * time.Second
)

func (o Options) filled() Options {
	if o.Connect <= 0 {
		o.Connect = DefaultConnect
	}
	if o.Silence <= 0 {
		o.Silence = DefaultSilence
	}
	if o.Write <= 0 {
		o.Write = DefaultWrite
	}
	return o
}

// Conn is a connection that closes itself when a read or a write waits for too
// long. Deadlines set by its user are ignored, because those of the mail libraries
// either never come or leave the connection open. It is safe for concurrent use
// as any net.Conn.
type Conn struct {
	net.Conn
	o Options

	mu     sync.Mutex
	failed error // what the network said first
}

// Dial connects to address and, for implicit TLS, shakes hands; STARTTLS is left to
// the protocol. Errors are *Error. ctx bounds the dialling only.
func Dial(ctx context.Context, c Config, address string, o Options) (net.Conn, error) {
	o = o.filled()
	ctx, cancel := context.WithTimeout(ctx, o.Connect)
	defer cancel()
	settings, err := c.TLSConfig()
	if err != nil {
		return nil, &Error{Step: "tls", Text: "the file with trusted certificates cannot be used", Mend: "correct ca_file", Err: err}
	}
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3}}
	raw, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, Explain(err)
	}
	conn := Wrap(raw, o)
	if c.TLS != Implicit {
		return conn, nil
	}
	secure := tls.Client(conn, settings)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, Explain(err)
	}
	return secure, nil
}

// Wrap makes a Conn of any connection.
func Wrap(c net.Conn, o Options) *Conn { return &Conn{Conn: c, o: o.filled()} }

// Read reads, and closes the connection when nothing came in time.
func (c *Conn) Read(b []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.o.Silence)); err != nil {
		return 0, c.note(err)
	}
	n, err := c.Conn.Read(b)
	return n, c.note(err)
}

// Write writes, and closes the connection when it could not in time.
func (c *Conn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.o.Write)); err != nil {
		return 0, c.note(err)
	}
	n, err := c.Conn.Write(b)
	return n, c.note(err)
}

func (c *Conn) note(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &Error{Step: "silence", Text: "the mail server stopped answering", Mend: "nothing, if it passes: the connection is made again by itself", Err: err}
		c.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil && !errors.Is(err, net.ErrClosed) {
		c.failed = err
	}
	return err
}

// Failed returns what the network said when it ended the connection, or nil when
// the connection is open or we closed it ourselves.
func (c *Conn) Failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// Inner returns the Conn under a connection that Dial returned.
func Inner(c net.Conn) (*Conn, bool) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	inner, ok := c.(*Conn)
	return inner, ok
}

// SetDeadline does nothing; see Conn.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing; see Conn.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing; see Conn.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
