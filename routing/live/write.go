package live

import (
	"errors"
	"time"

	"github.com/gorilla/websocket"

	"casewire/routing/desk"
)

// write is the writer: the feed's frames, replies and pings, and at the end the
// close frame.
func (c *conn) write() {
	ping := time.NewTicker(c.s.o.Ping)
	defer ping.Stop()
	var feed *desk.Feed
	for {
		var ready <-chan struct{}
		if feed != nil {
			ready = feed.Ready()
		}
		var err error
		select {
		case <-c.quit:
			c.last()
			return
		case r := <-c.out:
			if r.feed != nil {
				feed = r.feed
			}
			err = c.send(r)
		case <-ready:
			err = c.serveFeed(feed)
		case <-ping.C:
			err = c.ws.WriteControl(websocket.PingMessage, nil, c.deadline())
		}
		if err != nil {
			c.shut(websocket.CloseAbnormalClosure, "")
			c.ws.Close() // so that the reader ends
			return
		}
	}
}

// last writes what still waits, and the close frame.
func (c *conn) last() {
	for {
		select {
		case r := <-c.out:
			if r.data == nil {
				continue
			}
			if c.send(r) != nil {
				return
			}
		default:
			_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(c.code, c.text), c.deadline())
			return
		}
	}
}

func (c *conn) deadline() time.Time { return time.Now().Add(c.s.o.Write) }

// send writes a reply, or the snapshot that a new feed begins with.
func (c *conn) send(r reply) error {
	data := r.data
	if r.feed != nil {
		if r.feed.Snapshot == nil {
			return nil
		}
		data = r.feed.Snapshot.Encode(r.lang)
	}
	if err := c.ws.SetWriteDeadline(c.deadline()); err != nil {
		return err
	}
	return c.ws.WriteMessage(websocket.TextMessage, data)
}

// serveFeed writes the frames that have arrived, all in one go.
func (c *conn) serveFeed(feed *desk.Feed) error {
	frames, over := feed.Take()
	if err := c.ws.SetWriteDeadline(c.deadline()); err != nil {
		return err
	}
	if len(frames) > 1 {
		c.pipe.cork()
	}
	for _, f := range frames {
		if err := c.sendFrame(f); err != nil {
			return err
		}
	}
	if err := c.pipe.uncork(); err != nil {
		return err
	}
	switch {
	case errors.Is(over, desk.ErrSlow):
		c.shut(CloseSlow, "too slow; come back and resume")
	case errors.Is(over, desk.ErrStopped):
		c.shut(websocket.CloseServiceRestart, "the server is stopping; come back")
	}
	return nil
}

func (c *conn) sendFrame(f *desk.Frame) error {
	if m, ok := f.Form(prepare).(*websocket.PreparedMessage); ok {
		return c.ws.WritePreparedMessage(m)
	}
	return c.ws.WriteMessage(websocket.TextMessage, f.Data)
}

// prepare makes the bytes on the wire, which are the same for all sockets.
func prepare(f *desk.Frame) any {
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, f.Data)
	if err != nil {
		return nil
	}
	return m
}
