package live

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
)

// corked is a connection whose writes can be held back to leave together: a
// flush of the board is several frames for each socket, and most of what a frame
// costs is its own system call.
type corked struct {
	net.Conn
	mu   sync.Mutex
	held bool
	buf  []byte
}

// corkLimit is how many bytes are held back at most.
const corkLimit = 32 << 10

// Write implements net.Conn.
func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return c.Conn.Write(p)
	}
	if len(c.buf)+len(p) > corkLimit {
		if err := c.flush(); err != nil {
			return 0, err
		}
		if len(p) > corkLimit {
			return c.Conn.Write(p)
		}
	}
	c.buf = append(c.buf, p...)
	return len(p), nil
}

func (c *corked) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}

// cork holds writes back until uncork.
func (c *corked) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

// uncork writes what was held back.
func (c *corked) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	err := c.flush()
	c.buf = nil // most sockets are idle most of the time
	return err
}

// corkable makes the connection that is taken over from the HTTP server a corked
// one.
type corkable struct {
	http.ResponseWriter
	conn *corked
}

// Hijack implements http.Hijacker.
func (w *corkable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if err := bound(c); err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	w.conn = &corked{Conn: c}
	return w.conn, rw, nil
}

// sendBuffer is how many bytes the system may hold for a reader that lags. Left
// to itself it holds megabytes, and the bound of a feed means little.
const sendBuffer = 128 << 10

func bound(c net.Conn) error {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		return t.SetWriteBuffer(sendBuffer)
	}
	return nil
}
