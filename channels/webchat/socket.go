package webchat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"casewire/channels"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"
)

// socket is one connection of a visitor. Its reader takes frames and answers them
// through out; its writer alone writes, and reads the thread when it is woken.
type socket struct {
	door *Door
	in   channels.Sink
	ws   *websocket.Conn
	work context.Context // of what the reader has in hand
	from string          // the network address, as limits count it

	out  chan reply // answers, bounded: a client that lets it fill is too slow (W4)
	wake chan struct{}
	done chan struct{} // the reader has ended
	deaf chan struct{} // the writer has ended

	mu   sync.Mutex
	code int // why the socket ends; 0 while it lives

	// The reader's own.
	who     arrival
	greeted bool
	lang    string
	page    string
	readTo  int64
	strikes int
	pace    *rate.Limiter
}

// reply is a frame to write. start sets the writer going: it is what the client
// knows of its thread once the frame is out.
type reply struct {
	data  []byte
	start *position
}

// position is a visitor's thread and how much of it this client has been told.
type position struct {
	to    channels.Address
	token string
	lang  string
	seq   int64
	state channels.Thread
}

const (
	queueLength = 64 // answers that may wait
	pageLength  = 50 // lines read at once
	replayMax   = 200
	maxStrikes  = 10
	frameRate   = 20               // per second
	storeTime   = 10 * time.Second // for one question to the store
	lingerTime  = 200 * time.Millisecond
)

// connect makes a request a socket and serves it to its end.
func (d *Door) connect(w http.ResponseWriter, r *http.Request, in channels.Sink) {
	address := d.proxies.client(r)
	if !d.origins.allow(r) {
		if _, ok := d.hellos.take(address, d.env.Now()); ok {
			d.log.WarnContext(r.Context(), "a site was refused: if it is yours, list it in origins or mend the public URL",
				"origin", channels.Cut(canonicalOrigin(r.Header.Get("Origin")), 200))
		}
		d.refuse(w, http.StatusForbidden, "origin", "this site may not use this chat",
			"Origin: not in the list of the channel; the centre can add it to origins")
		return
	}
	if !slices.Contains(websocket.Subprotocols(r), Subprotocol) {
		d.refuse(w, http.StatusBadRequest, "subprotocol", "another protocol",
			"Sec-WebSocket-Protocol: offer "+Subprotocol)
		return
	}
	if wait, ok := d.hellos.take(address, d.env.Now()); !ok {
		d.retryAfter(w, wait)
		d.refuse(w, http.StatusTooManyRequests, codeRateLimited, "too many connections in a short time",
			fmt.Sprintf("connections of this address: at most %d a minute; again in %s", d.cfg.Limits.Hellos, seconds(wait)))
		return
	}
	d.hub.begins(r.Context())
	work, status := d.hub.enter(address)
	if status != 0 {
		d.retryAfter(w, time.Second)
		d.refuse(w, status, codeTryAgain, "no room at the moment", "connections: all are taken or the chat restarts; again in 1 s")
		return
	}
	defer d.hub.leave(address)
	ws, err := d.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	s := &socket{
		door: d, in: in, ws: ws, work: work,
		out: make(chan reply, queueLength), wake: make(chan struct{}, 1),
		done: make(chan struct{}), deaf: make(chan struct{}),
		pace: rate.NewLimiter(frameRate, 5*frameRate), from: address,
	}
	s.serve() //nolint:contextcheck // a socket outlives its request: Run's context ends it
}

// serve runs reader and writer until both have ended.
func (s *socket) serve() {
	s.door.count.connections.Add(1)
	s.door.count.connected.Add(1)
	defer s.door.count.connected.Add(-1)
	defer s.ws.Close()
	s.ws.SetReadLimit(hardFrame)
	s.extend(s.door.cfg.Times.Hello)
	s.ws.SetPongHandler(func(string) error { s.alive(); return nil })
	s.door.hub.add(s)
	defer s.door.hub.remove(s)

	var writer sync.WaitGroup
	writer.Go(func() { defer close(s.deaf); s.write() })
	s.read()
	close(s.done)
	writer.Wait()
	s.linger()
}

// linger lets a closing frame arrive: closing a connection on which the peer is
// still sending would destroy it on the way.
func (s *socket) linger() {
	c := s.ws.NetConn()
	if c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(c, hardFrame))
	}
}

// end closes the socket with a code, the first one given. The reader finishes
// what it has in hand.
func (s *socket) end(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code != 0 {
		return
	}
	s.code = code
	_ = s.ws.NetConn().SetReadDeadline(time.Unix(1, 0))
}

func (s *socket) ended() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.code
}

// cut breaks the connection off.
func (s *socket) cut() { _ = s.ws.NetConn().Close() }

// extend moves the moment at which silence ends the connection.
func (s *socket) extend(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code == 0 {
		_ = s.ws.NetConn().SetReadDeadline(time.Now().Add(d))
	}
}

// alive is called for every sign of life. Before the hello there is one deadline
// for everything.
func (s *socket) alive() {
	if s.greeted {
		s.extend(s.door.cfg.Times.Pong)
	}
}

// read takes frames until the connection ends.
func (s *socket) read() {
	for s.ended() == 0 {
		kind, r, err := s.ws.NextReader()
		if err != nil {
			s.end(s.reason(err))
			return
		}
		s.alive()
		data, err := io.ReadAll(io.LimitReader(r, maxFrame+1))
		if err != nil {
			s.end(s.reason(err))
			return
		}
		switch {
		case !s.pace.Allow():
			s.door.count.rateLimited.Add(1)
			f := fault(codeRateLimited, idIn(data), "frames: at most %d a second; send this again in 1 s", frameRate)
			f.After = 1
			s.strike(f, closeTooMany)
		case len(data) > maxFrame:
			s.strike(fault(codeTooLarge, idIn(data), "frame: more than %d bytes; send less at once", maxFrame), closeAbuse)
		case kind != websocket.TextMessage:
			s.strike(fault(codeBadFrame, idIn(data), "frame: binary; send JSON in a text frame"), closeAbuse)
		default:
			s.take(data)
		}
	}
}

// reason returns the code with which to close after a read has failed.
func (s *socket) reason(err error) int {
	var timeout net.Error
	if !s.greeted && errors.As(err, &timeout) && timeout.Timeout() {
		return closeAbuse
	}
	return websocket.CloseNormalClosure
}

// strike refuses a frame; a client that goes on like that is closed.
func (s *socket) strike(f errorFrame, closing int) {
	s.door.count.badFrames.Add(1)
	s.answer(f)
	if s.strikes++; s.strikes >= maxStrikes {
		s.end(closing)
	}
}

// answer queues a frame. While the queue is full the client's next frames wait; a
// client that then goes on not reading is closed, and nobody else notices (W4).
// The wait is shorter than that for one frame, so that the code still gets out.
func (s *socket) answer(frame any) { s.queue(frame, nil, s.door.cfg.Times.Write/2) }

// offer queues a frame that may as well be lost. It does not wait.
func (s *socket) offer(frame any) { s.queue(frame, nil, 0) }

func (s *socket) queue(frame any, start *position, wait time.Duration) {
	data, err := json.Marshal(frame)
	if err != nil {
		s.door.log.ErrorContext(s.work, "frame cannot be written", "err", err)
		return
	}
	r := reply{data, start}
	select {
	case s.out <- r:
		return
	default:
	}
	if wait == 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s.out <- r:
	case <-s.deaf:
	case <-timer.C:
		s.door.count.slow.Add(1)
		s.end(closeSlow)
	}
}

// rouse has the writer look at the thread.
func (s *socket) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write is the writer. It ends after the reader, or when the client does not
// take a frame in time.
func (s *socket) write() {
	ping := time.NewTicker(s.door.cfg.Times.Ping)
	defer ping.Stop()
	var at *position
	for {
		select {
		case <-s.done:
			s.farewell()
			return
		case r := <-s.out:
			if !s.put(r.data) {
				return
			}
			if r.start != nil {
				at = r.start
				s.rouse()
			}
		case <-s.wake:
			if at != nil && !s.show(at) {
				return
			}
		case <-ping.C:
			s.rouse() // in case a hint was lost
			if s.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(s.door.cfg.Times.Write)) != nil {
				s.end(websocket.CloseNormalClosure)
				return
			}
			s.recheck(at)
		}
	}
}

// farewell writes what is left and the closing frame.
func (s *socket) farewell() {
	code := s.ended()
	for code != closeSlow {
		select {
		case r := <-s.out:
			if !s.put(r.data) {
				return
			}
			continue
		default:
		}
		break
	}
	text := websocket.FormatCloseMessage(code, "")
	_ = s.ws.WriteControl(websocket.CloseMessage, text, time.Now().Add(lingerTime))
}

// put writes one frame and says whether the client took it in time.
func (s *socket) put(data []byte) bool {
	_ = s.ws.SetWriteDeadline(time.Now().Add(s.door.cfg.Times.Write))
	err := s.ws.WriteMessage(websocket.TextMessage, data)
	if err == nil {
		return true
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		s.door.count.slow.Add(1)
	}
	s.end(closeSlow)
	return false
}

// show writes the lines after at, and where the case stands if that has changed.
// It says whether the client took them.
func (s *socket) show(at *position) bool {
	d := s.door
	ctx, cancel := context.WithTimeout(s.work, storeTime)
	defer cancel()
	for s.ended() == 0 {
		lines, err := d.env.Threads.Lines(ctx, d.env.ID, at.to, at.seq, pageLength)
		if err != nil {
			s.missed(err)
			return true
		}
		for _, l := range lines {
			if !s.putFrame(frameOf(at.to.Handle, l)) {
				return false
			}
			at.seq = l.Seq
		}
		if len(lines) < pageLength {
			break
		}
	}
	now, err := d.env.Threads.Thread(ctx, d.env.ID, at.to, at.lang)
	if err != nil {
		s.missed(err)
		return true
	}
	if at.state.Case == now.Case && at.state.Status == now.Status && at.state.Open == now.Open {
		return true
	}
	at.state = now
	return s.putFrame(statusFrame{T: "status", Seq: at.seq, Case: now.Case, Status: now.Status, Open: now.Open})
}

func (s *socket) putFrame(frame any) bool {
	data, err := json.Marshal(frame)
	return err == nil && s.put(data)
}

// missed notes that the thread could not be read; the next hint or ping repeats it.
func (s *socket) missed(err error) {
	if s.work.Err() != nil {
		return
	}
	s.door.count.storeErrors.Add(1)
	s.door.log.WarnContext(s.work, "thread cannot be read", "err", err)
}

// recheck closes the socket when its token has been revoked on another node, or
// is over. A client whose other tab holds a newer token comes back with that.
func (s *socket) recheck(at *position) {
	if at == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.work, storeTime)
	defer cancel()
	if _, err := s.door.gate.know(ctx, at.token); errors.Is(err, errUnknownToken) {
		s.end(closeRevoked)
	}
}
