package desk

import (
	"time"
)

// take takes over the state of one case.
func (b *Board) take(r reading) {
	b.place(r.id, r.head)
	b.own(r)
	b.notify(r)
}

// place puts the case where it belongs: into its queue's line, or out of it.
func (b *Board) place(id string, h *head) {
	e := b.entries[id]
	switch {
	case h == nil || !h.onBoard():
		if e != nil {
			if h != nil && h.Owner != "" {
				e.by = h.OwnerName
			}
			b.remove(e)
		}
	case e == nil:
		b.insert(h)
	case e.queue != h.Queue:
		b.remove(e)
		b.insert(h)
	case e.version < h.Version:
		b.change(e, h)
	}
}

func (b *Board) insert(h *head) {
	e := &entry{}
	e.set(h)
	b.clock.set(e, b.o.Now())
	e.survey = b.surveys
	b.entries[e.id] = e
	b.line(e.queue).insert(e)
}

func (b *Board) remove(e *entry) {
	b.clock.unset(e)
	b.line(e.queue).remove(e)
	delete(b.entries, e.id)
}

// change keeps the entry, so that watchers see one card change and none go.
func (b *Board) change(e *entry, h *head) {
	before, dirty := e.card(0), e.dirty
	l := b.line(e.queue)
	l.remove(e)
	e.set(h)
	b.clock.set(e, b.o.Now())
	l.insert(e)
	e.dirty = dirty || e.card(0) != before
}

// ring moves on the SLA of those whose time has come.
func (b *Board) ring() {
	now := b.o.Now()
	for e := b.clock.ring(now); e != nil; e = b.clock.ring(now) {
		l := b.line(e.queue)
		was := e.sla
		b.clock.set(e, now)
		if e.sla == SLAOverdue && was != SLAOverdue {
			l.overdue++
		}
		e.dirty, l.dirty = true, true
	}
	b.clock.sweep(len(b.entries))
}

// flush makes the frames for all that changed since the last one and hands them
// to the feeds.
func (b *Board) flush() {
	now := time.Now()
	b.flushes++
	for _, l := range b.lines {
		if l.dirty {
			b.flushLine(l, now)
		}
	}
}

// flushLine compares the line's window with what its watchers have. First what
// has left, then what is new or different: a case that left and came back within
// one flush ends where it should.
func (b *Board) flushLine(l *line, now time.Time) {
	window := l.window(b.o.Window)
	for _, e := range window {
		e.mark = b.flushes
	}
	for _, e := range l.shown {
		if e.mark == b.flushes {
			continue
		}
		e.shown = false
		b.emit(l.feeds, func(seq uint64) *Frame {
			return &Frame{queue: l.queue, Data: encode(goneFrame{T: "gone", Seq: seq, Queue: l.queue, Case: e.card(0).Number, By: e.by})}
		})
	}
	for i, e := range window {
		if e.shown && !e.dirty {
			continue
		}
		e.shown, e.dirty = true, false
		b.emit(l.feeds, func(seq uint64) *Frame {
			return &Frame{queue: l.queue, Data: encode(cardFrame{T: "card", Seq: seq, Queue: l.queue, Card: e.card(i + 1)})}
		})
	}
	n := copy(l.shown, window)
	if n < len(window) {
		l.shown = append(l.shown[:n], window[n:]...)
	} else {
		clear(l.shown[n:])
		l.shown = l.shown[:n]
	}
	l.dirty = !b.flushCounts(l, now)
}

// flushCounts tells the counts when they differ, at most once in countsEvery; it
// says whether the watchers have them.
func (b *Board) flushCounts(l *line, now time.Time) bool {
	counts := l.count()
	if counts == l.counts {
		return true
	}
	if now.Sub(l.told) < countsEvery {
		return false
	}
	l.counts, l.told = counts, now
	b.emit(l.feeds, func(seq uint64) *Frame {
		return &Frame{queue: l.queue, Data: encode(countsFrame{T: "counts", Seq: seq, Queue: l.queue, Counts: counts})}
	})
	return true
}

// nextCounts is when counts that were held back may be told; zero is never.
func (b *Board) nextCounts() time.Time {
	var next time.Time
	for _, l := range b.lines {
		if at := l.told.Add(countsEvery); l.dirty && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// emit gives a frame its place in the sequence, keeps it for those who resume,
// and hands it to the feeds.
func (b *Board) emit(feeds map[*Feed]struct{}, frame func(seq uint64) *Frame) {
	b.seq++
	f := frame(b.seq)
	f.Seq = b.seq
	b.history.add(f)
	b.stats.frames.Add(1)
	b.stats.deliveries.Add(uint64(len(feeds)))
	for feed := range feeds {
		feed.push(f)
	}
}
