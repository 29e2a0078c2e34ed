package casecore

import (
	"fmt"
	"slices"
)

// Proof is what the chains of a case say of it.
type Proof struct {
	From   int64   // Seq of the first event that is chained; 0: none is
	Events int64   // that are chained
	Head   string  // seal of the last event, as the case has it
	Faults []Fault // empty: everything that is chained is as it was written
}

// Tampering is what is wrong with an entry of a chain.
type Tampering string

// What a chain finds out.
const (
	Changed   Tampering = "changed"   // it does not say what was sealed
	Missing   Tampering = "missing"   // it was sealed and is not there
	Inserted  Tampering = "inserted"  // it is there and was not sealed
	Reordered Tampering = "reordered" // it was sealed and stood elsewhere
)

// Fault is one thing that is not as it was written.
type Fault struct {
	What    Tampering
	Event   int64  // Seq of the event that is wrong, or that sealed what is; 0: none did
	Message int64  // Seq of the message; 0: it is about the event alone
	Entry   int64  // No of the delivery's evidence; 0: it is about the message
	Text    string // what is wrong in particular, in words
}

func (f Fault) String() string {
	switch {
	case f.Message == 0:
		return fmt.Sprintf("event %d is %s: %s", f.Event, f.What, f.Text)
	case f.Entry > 0:
		return fmt.Sprintf("entry %d of the delivery of message %d (event %d) is %s: %s", f.Entry, f.Message, f.Event, f.What, f.Text)
	}
	return fmt.Sprintf("message %d (event %d) is %s: %s", f.Message, f.Event, f.What, f.Text)
}

// Prove checks the chains of a case: all its events and messages, each in the order
// of Seq. outside are seals of deliveries that are kept elsewhere, by message; one of
// them must be the message's Proof. What is older than the chain is not judged.
//
// A head that is known from elsewhere proves all events up to it, what the messages
// said that they tell of, and how those had fared when the event was written
// (Event.Fared): that one could not be delivered, above all. What was heard of a
// delivery after the last event that names it hangs on outside alone, and so does
// all of one that no event has named since it began.
func Prove(c *Case, events []*Event, messages []*Message, outside map[string][]string) Proof {
	p := proving{c: c, Proof: Proof{Head: c.Head}, bad: map[int64]bool{}, fared: map[string][]*Event{}}
	p.events(events)
	p.messages(events, messages, outside)
	return p.Proof
}

type proving struct {
	Proof
	c     *Case
	bad   map[int64]bool      // events that are not what they were
	fared map[string][]*Event // those that sealed how a message had fared, by message
}

func (p *proving) fault(f Fault, text string, args ...any) {
	f.Text = fmt.Sprintf(text, args...)
	p.Faults = append(p.Faults, f)
}

// events checks numbers, seals and links.
func (p *proving) events(events []*Event) {
	start := slices.IndexFunc(events, func(e *Event) bool { return e.Hash != "" })
	if start >= 0 {
		p.From = events[start].Seq
	}
	known := map[string]int64{}
	for _, e := range events {
		known[e.Hash] = e.Seq
	}
	var last *Event
	for i, e := range events {
		p.numbered(last, e)
		if start >= 0 && i >= start {
			p.Events++
			p.sealed(e, events)
			p.linked(last, e, known)
		}
		last = e
	}
	p.ended(last, start >= 0)
	p.stands(events)
}

// stands checks that the case is where its events have put it.
func (p *proving) stands(events []*Event) {
	if p.From != 1 || len(p.Faults) > 0 {
		return
	}
	var status, queue *Event
	for _, e := range events {
		switch e.Kind {
		case Moved, Reopened:
			status = e
		case Opened, Transferred:
			queue = e
		}
	}
	if status != nil && status.To != p.c.Status {
		p.fault(Fault{What: Changed, Event: status.Seq}, "the case has another status than it gave")
	}
	if queue != nil && queue.To != p.c.Queue {
		p.fault(Fault{What: Changed, Event: queue.Seq}, "the case is in another queue than it said")
	}
}

// numbered checks that e comes right behind the event before it.
func (p *proving) numbered(last, e *Event) {
	want := int64(1)
	if last != nil {
		want = last.Seq + 1
	}
	switch {
	case e.Seq > want:
		p.fault(Fault{What: Missing, Event: want}, "event %d follows event %d", e.Seq, want-1)
	case e.Seq < want:
		p.fault(Fault{What: Inserted, Event: e.Seq}, "event %d follows event %d", e.Seq, want-1)
		p.bad[e.Seq] = true
	}
}

// sealed checks what e says.
func (p *proving) sealed(e *Event, events []*Event) {
	switch {
	case e.Hash == "":
		p.fault(Fault{What: Inserted, Event: e.Seq}, "it has no seal, and events before it have one")
	case e.Digest() == e.Hash:
		return
	default:
		var seq int64
		if len(p.bad) < sought {
			seq = origin(e, events)
		}
		if seq > 0 {
			p.fault(Fault{What: Reordered, Event: e.Seq}, "it was event %d", seq)
		} else {
			p.fault(Fault{What: Changed, Event: e.Seq}, "it does not say what its seal is of")
		}
	}
	p.bad[e.Seq] = true
}

// How far from its place an event is looked for, and for how many that is done:
// where all is wrong it tells nothing.
const (
	near   = 64
	sought = 64
)

// origin is the place at which the event's seal is good, if only that was changed.
func origin(e *Event, events []*Event) int64 {
	was := *e
	for _, other := range events {
		if other.Seq < e.Seq-near || other.Seq > e.Seq+near {
			continue
		}
		for _, was.Seq = range []int64{other.Seq, other.Seq + 1} {
			if was.Digest() == e.Hash {
				return was.Seq
			}
		}
	}
	return 0
}

// linked checks that e was sealed behind the event before it.
func (p *proving) linked(last, e *Event, known map[string]int64) {
	var prev string
	if last != nil {
		prev = last.Hash
	}
	if e.Prev == prev || p.bad[e.Seq] || last != nil && p.bad[last.Seq] {
		return
	}
	after, there := known[e.Prev]
	switch {
	case last != nil && last.Seq != e.Seq-1:
		return // the gap is told
	case e.Prev == "":
		p.fault(Fault{What: Inserted, Event: e.Seq}, "the chain begins anew with it")
	case there && after < e.Seq:
		p.fault(Fault{What: Inserted, Event: after + 1}, "event %d was sealed right behind event %d", e.Seq, after)
	default:
		p.fault(Fault{What: Missing, Event: e.Seq - 1}, "what event %d was sealed behind is not there", e.Seq)
	}
	p.bad[e.Seq] = true
}

// ended checks the end of the chain against the case.
func (p *proving) ended(last *Event, chained bool) {
	var seq int64
	var head string
	if last != nil {
		seq, head = last.Seq, last.Hash
	}
	switch {
	case seq < p.c.Events:
		p.fault(Fault{What: Missing, Event: seq + 1}, "the case counts %d events and has %d", p.c.Events, seq)
	case seq > p.c.Events:
		p.fault(Fault{What: Inserted, Event: seq}, "the case counts %d events", p.c.Events)
	case head == p.c.Head || p.bad[seq]:
	case !chained:
		p.fault(Fault{What: Changed, Event: seq}, "no event has a seal, and the case has one")
	default:
		p.fault(Fault{What: Changed, Event: seq}, "it was sealed anew: the case has another head")
	}
}

// messages checks what is said and how it fared against the events.
func (p *proving) messages(events []*Event, messages []*Message, outside map[string][]string) {
	told := map[string]*Event{}    // the last event that says what a message says
	older := map[string]bool{}     // messages that events without a seal name
	written := map[string]string{} // the first one's digest, of each message
	for _, e := range events {
		if e.Fared != "" && !p.bad[e.Seq] {
			p.fared[e.Message] = append(p.fared[e.Message], e)
		}
		switch {
		case e.Message == "" || p.bad[e.Seq]:
		case e.Hash == "":
			older[e.Message] = true
		case e.Words != "":
			told[e.Message] = e
			if written[e.Message] == "" {
				written[e.Message] = e.Words
			}
		}
	}
	if len(p.bad) > 0 {
		older = nil // what a faulty event said is not known
	}
	here := map[string]bool{}
	for _, m := range messages {
		here[m.ID] = true
		e := told[m.ID]
		switch {
		case e == nil && older[m.ID]: // its evidence began at what it said later
			p.delivered(m, 0, m.Digest(), outside[m.ID], true)
			continue
		case e == nil && older != nil:
			p.fault(Fault{What: Inserted, Message: m.Seq}, "no event tells of it")
			continue
		case e == nil:
			continue
		}
		if p.told(m, e) {
			p.delivered(m, e.Seq, written[m.ID], outside[m.ID], older[m.ID])
		}
	}
	for _, e := range events {
		if told[e.Message] == e && !here[e.Message] && !e.leaves() {
			p.fault(Fault{What: Missing, Event: e.Seq, Message: e.Place}, "the event tells of it")
		}
	}
}

// leaves says that the event's message went to another case.
func (e *Event) leaves() bool { return e.Kind == Refiled && e.To != "" }

// told checks a message against the last event that tells of it.
func (p *proving) told(m *Message, e *Event) bool {
	at := Fault{Event: e.Seq, Message: m.Seq}
	switch {
	case e.leaves():
		at.What = Inserted
		p.fault(at, "it went to case %s", e.To)
	case m.Digest() != e.Words:
		at.What = Changed
		p.fault(at, "it does not say what the event's seal is of")
	case m.Seq != e.Place:
		at.What = Reordered
		p.fault(at, "it was message %d", e.Place)
	default:
		return true
	}
	return false
}
