package mongo_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// proxy is a connection to the server that breaks when it is told to.
type proxy struct {
	target string
	before atomic.Int32 // so many commits are cut off before the server gets them
	after  atomic.Int32 // so many after it got them: their answers are lost
	cuts   atomic.Int32
	cable  sync.RWMutex // held for writing: nothing gets through, and nobody is told
}

// write passes bytes on, as soon as the cable is there.
func (p *proxy) write(to net.Conn, b []byte) error {
	p.cable.RLock()
	defer p.cable.RUnlock()
	_, err := to.Write(b)
	return err
}

func (p *proxy) serve(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.pass(c) })
		}
	})
	return l.Addr().String()
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer up.Close()
	var lost atomic.Bool // the next answer does not get through
	var answers sync.WaitGroup
	defer answers.Wait()
	defer up.Close()
	answers.Go(func() {
		defer client.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := up.Read(buf)
			if err != nil || lost.Load() {
				return
			}
			if p.write(client, buf[:n]) != nil {
				return
			}
		}
	})
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		commit := bytes.Contains(buf[:n], []byte("commitTransaction"))
		if commit && p.before.Add(-1) >= 0 {
			p.cuts.Add(1)
			return
		}
		if commit && p.after.Add(-1) >= 0 {
			lost.Store(true)
			p.cuts.Add(1)
		}
		if p.write(up, buf[:n]) != nil {
			return
		}
	}
}

// proxied returns an address of the server behind a proxy.
func proxied(t *testing.T) (p *proxy, through string) {
	t.Helper()
	_, rest, _ := strings.Cut(server(t), "://")
	host, _, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(host, "@,") {
		t.Skipf("%s has a login or several hosts, which this test's proxy cannot stand before", serverVariable)
	}
	p = &proxy{target: host}
	p.before.Store(-1 << 20)
	p.after.Store(-1 << 20)
	return p, "mongodb://" + p.serve(t) + "/?directConnection=true&heartbeatFrequencyMS=500"
}

// One node is cut off from the database, without a word, while the other works on:
// what it was about to write is written when the cable is back, on top of what the
// other did.
func TestNodeIsPartitioned(t *testing.T) {
	name := newDatabase(t)
	p, through := proxied(t)
	far, err := mongo.Open(t.Context(), through, mongo.Options{Database: name}, tallies, marks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := far.Close(); err != nil {
			t.Error(err)
		}
	})
	near := open(t, mongo.Options{Database: name}, tallies, marks)
	n := 0
	add := func(s store.Store) {
		t.Helper()
		n++
		if err := count(t.Context(), s, fmt.Sprint(n)); err != nil {
			t.Errorf("update: %v", err)
		}
	}
	for range 3 {
		add(far)
		p.cable.Lock()
		before := n
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := count(t.Context(), far, fmt.Sprint("cut off ", before, " ", i)); err != nil {
					t.Errorf("the node that was cut off: %v", err)
				}
			})
		}
		for range 5 {
			add(near)
		}
		counted(t, near, before+5, n)
		p.cable.Unlock()
		wg.Wait()
		n += 4
		counted(t, near, n, n)
		counted(t, far, n, n)
	}
}

// The connection breaks while a commit is on its way, before and after the server
// got it.
func TestConnectionBreaksDuringACommit(t *testing.T) {
	p, through := proxied(t)
	s, err := mongo.Open(t.Context(), through, mongo.Options{Database: newDatabase(t)}, tallies, marks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	n := 0
	for _, cut := range []struct {
		name          string
		before, after int32
	}{{"before", 1, -1 << 20}, {"after", -1 << 20, 1}, {"three before", 3, -1 << 20}, {"three after", -1 << 20, 3}, {"both", 1, 1}} {
		t.Run(cut.name, func(t *testing.T) {
			was := p.cuts.Load()
			p.before.Store(cut.before)
			p.after.Store(cut.after)
			n++
			if err := count(t.Context(), s, fmt.Sprint(n)); err != nil {
				t.Errorf("update: %v", err)
			}
			if p.cuts.Load() == was {
				t.Error("nothing was cut")
			}
			counted(t, s, n, n)
		})
	}
}
