package channeltest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"casewire/channels"
)

// Book is the house as a door sees it: a channels.Sink that keeps each message
// once, and the channels.Threads of hosted conversations. It is safe for
// concurrent use.
type Book struct {
	Now func() time.Time // nil: time.Now
	// Before is asked before a message is stored and may refuse or delay it.
	Before func(context.Context, channels.Inbound) error
	// After is asked after a message is stored: an error is an answer that got
	// lost on its way to the door.
	After func(context.Context, channels.Inbound) error
	// Fail is asked before each call to Threads and may refuse it.
	Fail func(op string) error
	// Memory takes the cursors of what is stored, in the same commit; nil: none.
	Memory *Memory

	mu       sync.Mutex
	messages []channels.Inbound
	known    map[string]bool // by channel and external id
	receipts []channels.Receipt
	standing []channels.Standing
	threads  map[string]*thread
	cases    int
	watchers []watcher
	changed  chan struct{} // closed and replaced when something was stored
}

type thread struct {
	lines  []channels.Line
	number string
	status string
	open   bool
}

type watcher struct {
	ctx     context.Context
	channel string
	hints   chan []channels.Address
}

func (b *Book) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// Ours returns the message that a receipt was of (channels.Env.Ours).
func (b *Book) Ours(_ context.Context, providerID string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.receipts {
		if r.ProviderID == providerID && r.OutboundID != "" {
			return r.OutboundID, nil
		}
	}
	return "", channels.ErrNotFound
}

// Message stores m once, whatever is repeated.
func (b *Book) Message(ctx context.Context, m channels.Inbound) error {
	if b.Before != nil {
		if err := b.Before(ctx, m); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.store(m)
	if b.After != nil {
		return b.After(ctx, m)
	}
	return nil
}

func (b *Book) store(m channels.Inbound) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor(m.Cursor)
	key := m.Channel + " " + m.ExternalID
	if b.known[key] {
		return
	}
	if b.known == nil {
		b.known = make(map[string]bool)
	}
	b.known[key] = true
	b.messages = append(b.messages, m)
	if m.From.Kind.Hosted() {
		t := b.thread(m.Channel, m.From)
		if !t.open {
			b.cases++
			t.number, t.open = fmt.Sprintf("CW-%06d", b.cases), true
			t.status = cmp.Or(t.status, "New")
		}
		b.line(m.Channel, m.From, channels.Line{
			ID: fmt.Sprintf("in-%d", len(b.messages)), ExternalID: m.ExternalID, In: true,
			From: m.From.Name, Case: t.number, Body: m.Body, At: b.now(),
		})
	}
	b.tell()
}

// cursor keeps how far the door has read, as a house does.
func (b *Book) cursor(c []byte) {
	if c != nil && b.Memory != nil {
		b.Memory.mu.Lock()
		defer b.Memory.mu.Unlock()
		b.Memory.set("cursor", c, time.Time{})
	}
}

// thread returns a conversation, new if need be. The caller holds mu.
func (b *Book) thread(channel string, a channels.Address) *thread {
	if b.threads == nil {
		b.threads = make(map[string]*thread)
	}
	key := channel + " " + a.Key()
	if b.threads[key] == nil {
		b.threads[key] = &thread{}
	}
	return b.threads[key]
}

// line appends to a conversation and wakes watchers. The caller holds mu.
func (b *Book) line(channel string, a channels.Address, l channels.Line) channels.Line {
	t := b.thread(channel, a)
	l.Seq = int64(len(t.lines)) + 1
	t.lines = append(t.lines, l)
	b.hint(channel, a)
	b.tell()
	return l
}

func (b *Book) hint(channel string, a channels.Address) {
	for _, w := range b.watchers {
		if w.channel != channel || w.ctx.Err() != nil {
			continue
		}
		select {
		case w.hints <- []channels.Address{a}:
		default: // full: what is waiting there wakes everybody
			select {
			case <-w.hints:
			default:
			}
			select {
			case w.hints <- nil:
			default:
			}
		}
	}
}

// tell wakes those who wait for something to be stored. The caller holds mu.
func (b *Book) tell() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Receipt keeps r, and marks the line that was read.
func (b *Book) Receipt(ctx context.Context, r channels.Receipt) error {
	if b.Fail != nil {
		if err := b.Fail("receipt"); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.receipts = append(b.receipts, r)
	for _, t := range b.threads {
		for i := range t.lines {
			if t.lines[i].ID == r.OutboundID && r.State == channels.Read {
				t.lines[i].Read = true
			}
		}
	}
	b.tell()
	return nil
}

// Standing keeps s, each word once.
func (b *Book) Standing(ctx context.Context, s channels.Standing) error {
	if b.Fail != nil {
		if err := b.Fail("standing"); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor(s.Cursor)
	key := "standing " + s.Channel + " " + s.ExternalID
	if b.known[key] {
		return nil
	}
	if b.known == nil {
		b.known = make(map[string]bool)
	}
	b.known[key] = true
	b.standing = append(b.standing, s)
	b.tell()
	return nil
}

// Standings returns what came in of whether customers may be written to.
func (b *Book) Standings() []channels.Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.standing)
}

// Post makes m the next line of its thread, once for each m.ID.
func (b *Book) Post(ctx context.Context, m channels.Outbound) (channels.Line, error) {
	if err := b.refuse(ctx, "post"); err != nil {
		return channels.Line{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.thread(m.Channel, m.To)
	for _, l := range t.lines {
		if l.ID == m.ID {
			return l, nil
		}
	}
	from := "Olena"
	if m.Auto {
		from = ""
	}
	if m.Status != "" {
		t.status = m.Status
	}
	return b.line(m.Channel, m.To, channels.Line{
		ID: m.ID, From: from, Auto: m.Auto, Case: cmp.Or(m.Case, t.number), Status: m.Status, Body: m.Body, At: b.now(),
	}), nil
}

// Lines returns lines after a number.
func (b *Book) Lines(ctx context.Context, channel string, a channels.Address, after int64, limit int) ([]channels.Line, error) {
	if err := b.refuse(ctx, "lines"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.thread(channel, a).lines
	from := min(max(after, 0), int64(len(lines)))
	to := min(from+int64(limit), int64(len(lines)))
	return slices.Clone(lines[from:to]), nil
}

// Find returns the line of an inbound message.
func (b *Book) Find(ctx context.Context, channel, externalID string) (channels.Line, error) {
	if err := b.refuse(ctx, "find"); err != nil {
		return channels.Line{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, t := range b.threads {
		if len(key) <= len(channel) || key[:len(channel)+1] != channel+" " {
			continue
		}
		for _, l := range t.lines {
			if l.In && l.ExternalID == externalID {
				return l, nil
			}
		}
	}
	return channels.Line{}, channels.ErrNotFound
}

// Thread returns a conversation's state.
func (b *Book) Thread(ctx context.Context, channel string, a channels.Address, _ string) (channels.Thread, error) {
	if err := b.refuse(ctx, "thread"); err != nil {
		return channels.Thread{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.thread(channel, a)
	return channels.Thread{Seq: int64(len(t.lines)), Case: t.number, Status: t.status, Open: t.open}, nil
}

// Watch sends the addresses whose threads change.
func (b *Book) Watch(ctx context.Context, channel string) (<-chan []channels.Address, error) {
	if err := b.refuse(ctx, "watch"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers = slices.DeleteFunc(b.watchers, func(w watcher) bool { return w.ctx.Err() != nil })
	w := watcher{ctx, channel, make(chan []channels.Address, 16)}
	b.watchers = append(b.watchers, w)
	return w.hints, nil
}

func (b *Book) refuse(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.Fail != nil {
		return b.Fail(op)
	}
	return nil
}

// SetStatus moves a conversation's case and wakes its door.
func (b *Book) SetStatus(channel string, a channels.Address, status string, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.thread(channel, a)
	t.status, t.open = status, open
	b.hint(channel, a)
	b.tell()
}

// Messages returns what was stored, in order.
func (b *Book) Messages() []channels.Inbound {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.messages)
}

// Receipts returns what was reported, in order.
func (b *Book) Receipts() []channels.Receipt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.receipts)
}

// Wait returns when ok is true of the book, or with the context's error. ok is
// asked now and after each thing stored.
func (b *Book) Wait(ctx context.Context, ok func() bool) error {
	for {
		b.mu.Lock()
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

var (
	_ channels.Sink    = (*Book)(nil)
	_ channels.Threads = (*Book)(nil)
)
