package live

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

const (
	// closeGrace is how long a socket has to take its close frame.
	closeGrace = 3 * time.Second
	// verbTime is how long a claim may wait for the store.
	verbTime = 10 * time.Second
	// replies may wait for a reader that does not read.
	replies = 64
	// hardLimit ends a message that is announced as larger, unread.
	hardLimit = 1 << 20
)

// How much a client may send: ten frames a second and forty at once, and a bad
// one every six seconds and ten at once.
const (
	frameRate, frameBurst = 10, 40
	badRate, badBurst     = 1.0 / 6, 10
)

// conn is one socket: the reader acts on the client's frames, the writer is the
// only one that writes.
type conn struct {
	s    *Server
	pass Pass // as it was at the door
	lang string
	ws   *websocket.Conn
	pipe *corked
	feed *desk.Feed // the reader's; the writer learns of it through out
	out  chan reply
	rate *rate.Limiter
	bad  *rate.Limiter

	quit chan struct{} // closed by shut, after what follows is set
	once sync.Once
	code int
	text string
	kill *time.Timer

	mu  sync.Mutex
	cut io.Closer // the socket, for kill
}

// reply is something for the writer: a frame, or a new feed to serve.
type reply struct {
	data []byte
	feed *desk.Feed
	lang string
}

func newConn(s *Server, pass Pass, lang string) *conn {
	return &conn{
		s: s, pass: pass, lang: lang, out: make(chan reply, replies), quit: make(chan struct{}),
		rate: rate.NewLimiter(frameRate, frameBurst), bad: rate.NewLimiter(badRate, badBurst),
	}
}

// serve runs the socket until it is over.
func (c *conn) serve(ctx context.Context, ws *websocket.Conn, pipe *corked) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.ws, c.pipe = ws, pipe
	c.mu.Lock()
	c.cut = ws
	c.mu.Unlock()
	var writer sync.WaitGroup
	writer.Go(c.write)
	c.read(ctx)
	c.shut(websocket.CloseNormalClosure, "")
	writer.Wait()
	c.kill.Stop()
	ws.Close()
	if c.feed != nil {
		c.feed.Close()
	}
}

// shut ends the socket with a close code; the first one stands. Who does not take
// the close frame in time is cut off.
func (c *conn) shut(code int, text string) {
	c.once.Do(func() {
		c.code, c.text = code, text
		c.kill = time.AfterFunc(closeGrace, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.cut != nil {
				c.cut.Close()
			}
		})
		close(c.quit)
	})
}

func (c *conn) over() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

// say queues a frame for the writer. A client that asks much and reads nothing is
// too slow.
func (c *conn) say(frame any) {
	data, err := json.Marshal(frame)
	if err != nil {
		c.s.o.Log.Error("live: encode", "err", err)
		return
	}
	c.queue(reply{data: data})
}

func (c *conn) queue(r reply) {
	select {
	case c.out <- r:
	default:
		c.shut(CloseSlow, "too slow; come back and resume")
	}
}

// read is the reader.
func (c *conn) read(ctx context.Context) {
	alive := func() error { return c.ws.SetReadDeadline(time.Now().Add(c.s.o.Pong)) }
	answer := c.ws.PingHandler()
	c.ws.SetPingHandler(func(data string) error { return errors.Join(alive(), answer(data)) })
	c.ws.SetPongHandler(func(string) error { return alive() })
	c.ws.SetReadLimit(hardLimit)
	if alive() != nil {
		return
	}
	for !c.over() {
		kind, body, err := c.ws.NextReader()
		if err != nil {
			return
		}
		data, err := io.ReadAll(io.LimitReader(body, maxFrame+1))
		if err != nil || alive() != nil {
			return
		}
		c.take(ctx, kind, data)
	}
	c.drain()
}

// drain waits for the client's close frame, so that ours is not lost to a reset.
func (c *conn) drain() {
	for {
		if _, _, err := c.ws.NextReader(); err != nil {
			return
		}
	}
}

// take acts on one frame of the client.
func (c *conn) take(ctx context.Context, kind int, data []byte) {
	switch {
	case kind != websocket.TextMessage:
		c.wrong(&fault{code: CodeBinary, detail: "send text frames"})
		return
	case len(data) > maxFrame:
		c.wrong(&fault{code: CodeTooLarge, detail: "a frame has at most 65536 bytes"})
		c.shut(websocket.CloseMessageTooBig, "a frame has at most 65536 bytes")
		return
	}
	r, f := parse(data)
	if f != nil {
		c.wrong(f)
		return
	}
	if !c.rate.Allow() {
		c.wrong(&fault{code: CodeRateLimited, id: r.ID, detail: "too many frames; wait a second"})
		return
	}
	by, err := c.again(ctx) // nothing is done with rights of yesterday
	if err != nil {
		c.trouble(r, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, verbTime)
	defer cancel()
	switch r.T {
	case "hello":
		c.hello(ctx, by, r)
	case "watch", "unwatch":
		c.watch(ctx, r)
	default:
		c.verb(ctx, by, r)
	}
}

// wrong answers a frame that cannot be acted upon, and ends the socket of who
// keeps sending such.
func (c *conn) wrong(f *fault) {
	c.s.bad.Add(1)
	c.say(f.frame())
	if !c.bad.Allow() {
		c.shut(websocket.ClosePolicyViolation, "too many bad frames")
	}
}

// trouble answers what failed for a reason of our own.
func (c *conn) trouble(r request, err error) {
	if errors.Is(err, ErrNotSignedIn) {
		return // the socket is closing
	}
	c.s.o.Log.Error("live: a frame could not be acted upon", "t", r.T, "actor", c.pass.Actor.ID, "err", err)
	f := fault{code: CodeUnavailable, id: r.ID, detail: "this did not work just now; try again"}
	c.say(f.frame())
}

// again asks the pass, closes the socket of who is signed out or has other rights
// by now (W5), and returns who they are.
func (c *conn) again(ctx context.Context) (casecore.Actor, error) {
	now, err := c.pass.Again(ctx)
	if errors.Is(err, ErrNotSignedIn) {
		c.shut(CloseSignedOut, "signed out")
	}
	if err != nil {
		return casecore.Actor{}, err
	}
	was := c.pass.Actor
	if !slices.Equal(was.Roles, now.Roles) || !slices.Equal(was.Queues, now.Queues) {
		c.shut(CloseRights, "your roles or queues have changed; come back")
	}
	return now, nil
}

// hello begins a feed, in place of the one before.
func (c *conn) hello(ctx context.Context, by casecore.Actor, r request) {
	at := resume{}
	if r.Resume != nil {
		at = *r.Resume
	}
	feed, err := c.s.board.Resume(ctx, by, at.Epoch, at.Seq, r.Queues...)
	switch {
	case errors.Is(err, casecore.ErrForbidden):
		c.wrong(&fault{code: CodeForbidden, id: r.ID, detail: "queues: one of these is not yours"})
		return
	case errors.Is(err, store.ErrNotFound):
		c.wrong(&fault{code: CodeNotFound, id: r.ID, detail: "queues: there is no such queue"})
		return
	case errors.Is(err, desk.ErrStopped):
		c.shut(websocket.CloseServiceRestart, "the server is stopping; come back")
		return
	case err != nil:
		c.trouble(r, err)
		return
	}
	if c.feed != nil {
		c.feed.Close()
	}
	c.feed = feed
	if r.Language == "" {
		r.Language = c.lang
	}
	c.queue(reply{feed: feed, lang: r.Language})
}

func (c *conn) watch(ctx context.Context, r request) {
	if c.feed == nil {
		c.wrong(&fault{code: CodeNoHello, id: r.ID, detail: "say hello first"})
		return
	}
	if r.T == "unwatch" {
		c.feed.Unwatch(r.Case)
		return
	}
	err := c.feed.Watch(ctx, r.Case)
	switch {
	case err == nil, errors.Is(err, desk.ErrClosed):
	case errors.Is(err, desk.ErrWatches):
		c.wrong(&fault{code: CodeTooMany, id: r.ID, detail: err.Error()})
	default:
		if no, ok := refusal(r.ID, err); ok {
			c.wrong(&fault{code: no.Code, id: r.ID, detail: no.Detail})
		} else {
			c.trouble(r, err)
		}
	}
}

// verb does what operators do to cases.
func (c *conn) verb(ctx context.Context, by casecore.Actor, r request) {
	var (
		got *casecore.Case
		err error
	)
	switch r.T {
	case "claim":
		got, err = c.s.work.Claim(ctx, by, r.Case)
	case "next":
		got, err = c.s.work.Next(ctx, by, r.Queue)
	case "release":
		got, err = c.s.work.Release(ctx, by, r.Case, "", casecore.Guard{ClaimNo: r.ClaimNo})
	}
	switch no, ok := refusal(r.ID, err); {
	case err == nil && r.T == "release":
		c.say(releasedFrame{T: "released", ID: r.ID, Case: got.CaseNumber()})
	case err == nil:
		c.say(claimedFrame{T: "claimed", ID: r.ID, Case: got.CaseNumber(), ClaimNo: got.ClaimNo})
	case ok && no.Code == CodeNotFound && r.T == "next":
		no.Code, no.Detail = CodeEmpty, "nothing waits"
		c.say(no)
	case ok:
		c.say(no)
	default:
		c.trouble(r, err)
	}
}
