package webchat

import (
	"context"
	"net/http"
	"sync"
	"time"

	"casewire/channels"
)

// hub knows which sockets are open, and whose. It is safe for concurrent use.
type hub struct {
	limits Limits
	begun  chan struct{} // closed when the door has begun to run

	mu      sync.Mutex
	work    context.Context // of messages in hand; nil while the door does not run
	sockets map[*socket]struct{}
	rooms   map[string][]*socket // by visitor, oldest first
	from    map[string]int       // connections by network address
	total   int
	busy    sync.WaitGroup
}

const (
	softStop = 500 * time.Millisecond // after it, messages in hand are given up
	hardStop = 750 * time.Millisecond // after it, connections are cut
)

func newHub(l Limits) *hub {
	return &hub{
		limits: l, begun: make(chan struct{}),
		sockets: make(map[*socket]struct{}), rooms: make(map[string][]*socket), from: make(map[string]int),
	}
}

func (h *hub) start(work context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.work = work
	select {
	case <-h.begun:
	default:
		close(h.begun)
	}
}

// begins waits a moment for a door that is just being opened, so that who comes
// first is not sent away.
func (h *hub) begins(ctx context.Context) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-h.begun:
	case <-ctx.Done():
	case <-t.C:
	}
}

// enter admits one more connection from address, or says with which HTTP status
// it is refused. Whoever was admitted must leave.
func (h *hub) enter(address string) (work context.Context, status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.work == nil || h.total >= h.limits.Connections:
		return nil, http.StatusServiceUnavailable
	case h.from[address] >= h.limits.PerAddress:
		return nil, http.StatusTooManyRequests
	}
	h.total++
	h.from[address]++
	h.busy.Add(1)
	return h.work, 0
}

func (h *hub) leave(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total--
	if h.from[address]--; h.from[address] == 0 {
		delete(h.from, address)
	}
	h.busy.Done()
}

// add registers a socket; one that comes too late is told to come again.
func (h *hub) add(s *socket) {
	h.mu.Lock()
	stopped := h.work == nil
	h.sockets[s] = struct{}{}
	h.mu.Unlock()
	if stopped {
		s.end(closeRestart)
	}
}

func (h *hub) remove(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, s)
	room := h.rooms[s.who.visitor.id]
	for i, other := range room {
		if other == s {
			room = append(room[:i:i], room[i+1:]...)
			break
		}
	}
	if len(room) == 0 {
		delete(h.rooms, s.who.visitor.id)
		return
	}
	h.rooms[s.who.visitor.id] = room
}

// join puts s among its visitor's sockets. When there are too many the oldest
// goes: it is likely the ghost of a connection that broke.
func (h *hub) join(s *socket) {
	h.mu.Lock()
	room := append(h.rooms[s.who.visitor.id], s)
	h.rooms[s.who.visitor.id] = room
	h.mu.Unlock()
	for _, old := range room[:max(0, len(room)-h.limits.Tabs)] {
		old.end(closeTooMany)
	}
}

// each calls do for every socket of a visitor. do must not block.
func (h *hub) each(visitor string, do func(*socket)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.rooms[visitor] {
		do(s)
	}
}

// wake has the sockets of these visitors look for new lines; nil means all.
func (h *hub) wake(who []channels.Address) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if who == nil {
		for s := range h.sockets {
			s.rouse()
		}
	}
	for _, a := range who {
		for _, s := range h.rooms[a.Handle] {
			s.rouse()
		}
	}
}

// stop ends all sockets and returns when they are gone. What a socket has in
// hand may finish; giveUp cancels that after a while.
func (h *hub) stop(giveUp context.CancelFunc) {
	h.mu.Lock()
	h.work = nil
	for s := range h.sockets {
		s.end(closeRestart)
	}
	h.mu.Unlock()
	soft := time.AfterFunc(softStop, giveUp)
	hard := time.AfterFunc(hardStop, h.cut)
	h.busy.Wait()
	soft.Stop()
	hard.Stop()
}

func (h *hub) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sockets {
		s.cut()
	}
}
