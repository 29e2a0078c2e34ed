// Package engine is what all engines of the store have in common and that is not
// the data: who is inside while the store closes, and whom a commit wakes. It knows
// no engine.
package engine

import (
	"sync"

	"casewire/casecore/store"
)

// Gate counts what runs, so that Close can wait for it and nothing starts after.
type Gate struct {
	mu     sync.Mutex
	inside int
	shut   bool
	empty  chan struct{}
}

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{empty: make(chan struct{})} }

// Enter lets the caller in, who must Leave; store.ErrClosed once the gate is shut.
func (g *Gate) Enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return store.ErrClosed
	}
	g.inside++
	return nil
}

// Leave ends what Enter began.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.shut && g.inside == 0 {
		close(g.empty)
	}
}

// Close lets nobody in any more and waits until everybody has left.
func (g *Gate) Close() {
	g.mu.Lock()
	if !g.shut {
		g.shut = true
		if g.inside == 0 {
			close(g.empty)
		}
	}
	g.mu.Unlock()
	<-g.empty
}
