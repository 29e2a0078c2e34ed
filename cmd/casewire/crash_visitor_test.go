package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"casewire/channels"
)

// errCut is what a client meets when the program is gone.
var errCut = errors.New("connection is cut")

// visitor is a customer's browser: it keeps its token and what it has been shown,
// sends again what was not acknowledged, and takes note of every promise.
type visitor struct {
	name    string
	tick    func() // called for each frame and answer
	patient bool   // who is told to come again later is cut off, and does

	mu      sync.Mutex
	url     string
	token   string
	thread  map[int64]line // by place
	top     int64
	acks    map[string]ack
	pongs   int
	faults  []string
	changed chan struct{} // closed and made anew at each change
	tab     *tab
}

// line is one message as visitors are shown it.
type line struct {
	Seq   int64  `json:"seq"`
	ID    string `json:"id"`
	From  string `json:"from"`
	Case  string `json:"case"`
	Text  string `json:"text"`
	Files []struct {
		N    int    `json:"n"`
		Name string `json:"name"`
		Size int64  `json:"size"`
	} `json:"files"`
}

func (l line) equal(m line) bool {
	return l.Seq == m.Seq && l.ID == m.ID && l.From == m.From && l.Text == m.Text && len(l.Files) == len(m.Files)
}

// ack is the promise that a message is kept.
type ack struct {
	Seq  int64  `json:"seq"`
	Case string `json:"case"`
}

// newWritten is a message with a file, or nil for none.
func newWritten(c customer, text string, file []byte) *written {
	m := &written{by: c, id: uuid.NewString(), text: text}
	if file != nil {
		m.files = [][]byte{file}
	}
	return m
}

func newVisitor(name string, tick func()) *visitor {
	return &visitor{name: name, tick: tick, thread: map[int64]line{}, acks: map[string]ack{}, changed: make(chan struct{})}
}

func (v *visitor) called() string { return v.name }

// address is not known to visitors.
func (v *visitor) address() channels.Address { return channels.Address{Kind: channels.WebChat} }

func (v *visitor) enter(ctx context.Context, l life) error { return v.connect(ctx, l.url) }

func (v *visitor) say(ctx context.Context, m *written) error {
	if _, acked := v.promised(m); acked {
		return nil
	}
	return v.send(ctx, m)
}

func (v *visitor) promised(m *written) (ack, bool) { return v.acked(m.id) }

// caseNumber is that of the first message that was acknowledged.
func (v *visitor) caseNumber() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	number, first := "", int64(0)
	for _, a := range v.acks {
		if first == 0 || a.Seq < first {
			number, first = a.Case, a.Seq
		}
	}
	return number
}

// has returns the places of a text in the thread.
func (v *visitor) has(text string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for _, l := range v.thread {
		if l.Text == text && l.From != "you" {
			out = append(out, strconv.FormatInt(l.Seq, 10))
		}
	}
	return out
}

// connect opens the chat at url and comes back to the thread.
func (v *visitor) connect(ctx context.Context, url string) error {
	v.leave()
	ws, err := dialChat(ctx, url)
	if err != nil {
		return fmt.Errorf("%s: %w", v.name, err)
	}
	t := &tab{ws: ws, over: make(chan struct{})}
	welcome := make(chan struct{})
	v.mu.Lock()
	v.url, v.tab = url, t
	hello := map[string]any{"t": "hello", "channel": "site", "token": v.token, "last_seq": v.top, "language": "en", "page": url + "/shop"}
	v.mu.Unlock()
	go v.read(t, welcome)
	v.tick()
	if err := t.send(hello); err != nil {
		return err
	}
	select {
	case <-welcome:
		return nil
	case <-t.over:
		return errCut
	case <-ctx.Done():
		return fmt.Errorf("%s waits for a welcome: %w", v.name, ctx.Err())
	}
}

// leave closes the connection and waits for its reader.
func (v *visitor) leave() {
	v.mu.Lock()
	t := v.tab
	v.tab = nil
	v.mu.Unlock()
	if t != nil {
		_ = t.ws.Close() // the server may be gone
		<-t.over
	}
}

// show takes a line of the thread. What has been shown never changes and never
// moves, and nothing is left out.
func (v *visitor) show(l line) {
	if was, ok := v.thread[l.Seq]; ok {
		if !was.equal(l) {
			v.faultLocked("line %d was %+v and is now %+v", l.Seq, was, l)
		}
		return
	}
	if l.Seq != v.top+1 {
		v.faultLocked("line %d comes after line %d", l.Seq, v.top)
	}
	v.thread[l.Seq], v.top = l, max(v.top, l.Seq)
}

func (v *visitor) fault(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faultLocked(format, args...)
}

func (v *visitor) faultLocked(format string, args ...any) {
	v.faults = append(v.faults, v.name+" "+fmt.Sprintf(format, args...))
}

// await returns when ok holds. It is called at each change, with v locked.
func (v *visitor) await(ctx context.Context, what string, ok func() bool) error {
	for {
		v.mu.Lock()
		holds, changed, t := ok(), v.changed, v.tab
		v.mu.Unlock()
		if holds {
			return nil
		}
		if t == nil {
			return errCut
		}
		select {
		case <-changed:
		case <-t.over:
			return errCut
		case <-ctx.Done():
			return fmt.Errorf("%s waits for %s: %w", v.name, what, ctx.Err())
		}
	}
}

// send sends a message, its file first, until it is acknowledged.
func (v *visitor) send(ctx context.Context, m *written) error {
	if len(m.files) > 0 && m.upload == "" {
		if err := v.uploadFile(ctx, m); err != nil {
			return err
		}
	}
	f := map[string]any{"t": "send", "id": m.id, "text": m.text}
	if m.upload != "" {
		f["files"] = []string{m.upload}
	}
	v.mu.Lock()
	t := v.tab
	m.sent++
	v.mu.Unlock()
	if t == nil {
		return errCut
	}
	v.tick()
	if err := t.send(f); err != nil {
		return err
	}
	return v.await(ctx, "the ack of "+m.text, func() bool { _, ok := v.acks[m.id]; return ok || len(v.faults) > 0 })
}

func (v *visitor) uploadFile(ctx context.Context, m *written) error {
	v.mu.Lock()
	url, token := v.url, v.token
	v.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/chat/files", bytes.NewReader(m.files[0]))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Origin", url)
	req.Header.Set("X-File-Name", m.text+".txt")
	v.tick()
	res, err := once.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	defer res.Body.Close()
	v.tick()
	if v.patient && res.StatusCode == http.StatusServiceUnavailable {
		return errCut
	}
	var out struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: upload answers %s", v.name, res.Status)
	}
	m.upload = out.ID
	return nil
}

// once is an HTTP client that keeps no connections.
var once = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// sees waits for n lines of the thread that hold all of these words.
func (v *visitor) sees(ctx context.Context, n int, from string, words ...string) error {
	return v.await(ctx, fmt.Sprintf("%d lines from %s with %q", n, from, words), func() bool {
		return len(v.lines(from, words...)) >= n
	})
}

// lines returns the lines that hold all of these words. The caller has locked v.
func (v *visitor) lines(from string, words ...string) []line {
	var out []line
	for _, l := range v.thread {
		missing := func(w string) bool { return !strings.Contains(l.Text, w) }
		if l.From == from && !slices.ContainsFunc(words, missing) {
			out = append(out, l)
		}
	}
	return out
}

// readAll tells the program that everything has been seen, and waits until it has
// heard that: the answer to a ping comes after what was said before it.
func (v *visitor) readAll(ctx context.Context) error {
	v.mu.Lock()
	t, top, before := v.tab, v.top, v.pongs
	v.mu.Unlock()
	if t == nil {
		return errCut
	}
	for _, f := range []map[string]any{{"t": "read", "seq": top}, {"t": "ping"}} {
		v.tick()
		if err := t.send(f); err != nil {
			return err
		}
	}
	return v.await(ctx, "a pong", func() bool { return v.pongs > before })
}

// acked returns what was promised for a message.
func (v *visitor) acked(id string) (ack, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a, ok := v.acks[id]
	return a, ok
}

// second looks at the whole thread in another tab, with the same token.
func (v *visitor) second(ctx context.Context) (*visitor, error) {
	v.mu.Lock()
	url, token := v.url, v.token
	v.mu.Unlock()
	other := newVisitor(v.name+", in another tab,", func() {})
	other.token = token
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := other.connect(ctx, url); err != nil {
		return nil, err
	}
	defer other.leave()
	return other, other.await(ctx, "the thread", func() bool { return other.top >= v.shown() })
}

func (v *visitor) shown() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.top
}

// closed waits until the server has closed the connection and returns its code.
func (v *visitor) closed() (int, error) {
	v.mu.Lock()
	t := v.tab
	v.mu.Unlock()
	select {
	case <-t.over:
		return t.code, nil
	case <-time.After(patience):
		return 0, fmt.Errorf("%s is not closed", v.name)
	}
}

// complaints returns what is wrong with what was shown.
func (v *visitor) complaints() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.faults)
}

// again sends the last message again that was acknowledged. The answer is
// compared when it comes (W2), and a pong shows that it has come.
func (v *visitor) again(ctx context.Context, all []*written) error {
	for _, m := range slices.Backward(all) {
		if _, acked := v.acked(m.id); m.by != customer(v) || !acked {
			continue
		}
		v.mu.Lock()
		t, before := v.tab, v.pongs
		v.mu.Unlock()
		v.tick()
		if err := errors.Join(t.send(map[string]any{"t": "send", "id": m.id, "text": m.text}), t.send(map[string]any{"t": "ping"})); err != nil {
			return err
		}
		return v.await(ctx, "a pong", func() bool { return v.pongs > before })
	}
	return nil
}
