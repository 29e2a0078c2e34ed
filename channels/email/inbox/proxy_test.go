package inbox

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between an Inbox and its server and breaks connections.
type proxy struct {
	ln       net.Listener
	to       string
	received atomic.Int64 // bytes that came from the server

	mu    sync.Mutex
	cut   func(conn int) int64 // after how many bytes from the server connection n breaks; 0: never
	mute  atomic.Bool          // let nothing through any more, and keep connections open
	count int
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, to: to, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

// breaks says after how many bytes from the server each connection from now on ends.
func (p *proxy) breaks(cut func(conn int) int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count, p.cut = 0, cut
}

func (p *proxy) close() {
	p.ln.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *proxy) serve() {
	for {
		in, err := p.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.count++
		limit := int64(0)
		if p.cut != nil {
			limit = p.cut(p.count)
		}
		p.conns[in], p.conns[out] = struct{}{}, struct{}{}
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(out, in, 0) })
		p.wg.Go(func() { p.pass(in, out, limit) })
	}
}

// pass copies until limit bytes went through, and then closes both ends.
func (p *proxy) pass(dst, src net.Conn, limit int64) {
	defer func() {
		dst.Close()
		src.Close()
		p.mu.Lock()
		delete(p.conns, dst)
		delete(p.conns, src)
		p.mu.Unlock()
	}()
	var r io.Reader = src
	if limit > 0 {
		r = io.LimitReader(src, limit)
	}
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 && !p.mute.Load() {
			if dst.LocalAddr().String() == p.addr() {
				p.received.Add(int64(n))
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
