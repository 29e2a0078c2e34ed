package casecore

import (
	"errors"
	"fmt"
	"time"

	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/channels"
)

// Ledger holds the verbs that move cases. Each verb works in the caller's
// transaction, checks the right to do it there, writes the case and an event, and
// returns what it wrote. Times come from Now, the rules of statuses from Flow.
type Ledger struct {
	Flow func() *flow.Flow
	Now  func() time.Time
	// Queue returns the queue in which a case of this one waits: the same, or the
	// one that takes over when the policy has lost it. Nil: always the same.
	Queue func(id string) string
	// Awaited says whether the post room is to read of each word of a customer, as
	// it does of a new case and a new status. Nil: it is not.
	Awaited func() bool
	// Slip says whether the status that a case got by e may still be taken back,
	// whatever the flow has follow it: nobody outside has heard of it. It only reads,
	// through tx. Nil: never.
	Slip func(tx store.Tx, e *Event) (bool, error)
	// Elsewhere returns where to write to a customer whose case began where nobody can
	// be written to: at the desk, or by a call. It only reads, through tx. An empty
	// handle, and nil: nowhere.
	Elsewhere func(tx store.Tx, c *Case) (channel string, to channels.Address, err error)
	// Outside writes down what programs outside are to be told of, in the
	// transaction in which it happened. It touches nothing but tx. Nil: nobody is told.
	Outside func(tx store.Tx, h Happening) error
}

// Guard is what the caller believes of the case. Fields left zero are not asked.
type Guard struct {
	Version uint64 // of the case as it was read: *Stale when it has changed
	ClaimNo int64  // of the claim under which it was held: *Stale when it is over
	Status  string // in which it is: *Stale when it is in another one
}

// ErrNoAddress is the refusal to write to a customer who cannot be reached: the case
// was entered at the desk, and no channel serves any of their addresses.
var ErrNoAddress = errors.New("there is no channel to write to this customer on; call, and leave a note")

// Stale is the refusal of a write that was made against an older state. Now is
// the case as it is, Status the one that it was believed to be in, if that is wrong.
type Stale struct {
	Now    *Case
	Status string
}

func (s *Stale) Error() string {
	if s.Status != "" {
		return fmt.Sprintf("%s is in %q, not in %q", s.Now.CaseNumber(), s.Now.Status, s.Status)
	}
	return fmt.Sprintf("%s has changed meanwhile (version %d, claim %d)", s.Now.CaseNumber(), s.Now.Version, s.Now.ClaimNo)
}

// Draft is what a new case starts from.
type Draft struct {
	Customer   string
	Channel    string
	To         channels.Address
	Lang       string
	Subject    string
	Queue      string
	Priority   Priority
	Category   string
	Attributes map[string]string
	Tags       []string
	React      time.Duration // by when somebody should have answered; 0: no limit
	Reply      string        // template that the rule answers with at once
	Broken     bool
	Linked     string // number of the case that its first message claimed to answer
	Trace      Trace
}

// Open makes a case of a draft and its first message. m is copied.
func (l *Ledger) Open(tx store.Tx, by Actor, d Draft, m Message) (*Case, *Message, error) {
	c, err := l.begin(tx, d)
	if err != nil {
		return nil, nil, err
	}
	if err := l.write(tx, c, &m); err != nil {
		return nil, nil, err
	}
	trace := d.Trace
	err = l.record(tx, by, c, about(&m, Event{
		Kind: Opened, To: c.Queue, Template: d.Reply, Auto: m.Auto, Trace: &trace,
		Pending: []string{PendingNotify},
	}))
	if err != nil {
		return nil, nil, err
	}
	return c, &m, Cases.Put(tx, c)
}

// begin makes the case of a draft, which the caller puts.
func (l *Ledger) begin(tx store.Tx, d Draft) (*Case, error) {
	now := l.Now()
	n, err := next(tx, caseNumbers)
	if err != nil {
		return nil, err
	}
	initial := l.Flow().Status(l.Flow().Spec().Initial)
	d.Queue = l.queue(d.Queue)
	c := &Case{
		Meta: store.Meta{ID: store.NewID()}, Number: n,
		Customer: d.Customer, Channel: d.Channel, To: d.To, Lang: d.Lang, Subject: d.Subject,
		Status: initial.ID, Stage: initial.Category, StatusAt: now,
		Priority: d.Priority, Category: d.Category, Attributes: d.Attributes, Tags: d.Tags,
		Queue: d.Queue, Broken: d.Broken, Linked: d.Linked, Trace: d.Trace, Received: now,
	}
	if d.React > 0 {
		c.DueAt = now.Add(d.React)
	}
	return c, nil
}

// Append adds a message of the customer to a case. A closed case is reopened and
// goes back to its queue. m is copied.
func (l *Ledger) Append(tx store.Tx, by Actor, id string, m Message) (*Case, *Message, error) {
	c, err := Cases.Get(tx, id)
	if err != nil {
		return nil, nil, err
	}
	if err := l.write(tx, c, &m); err != nil {
		return nil, nil, err
	}
	e := Event{Kind: Received}
	word := !m.Auto && m.CopyOf == ""
	if word {
		e.Pending = l.word()
	}
	if err := l.record(tx, by, c, about(&m, e)); err != nil {
		return nil, nil, err
	}
	if word {
		if err := l.revive(tx, by, c); err != nil {
			return nil, nil, err
		}
	}
	if err := l.rehouse(tx, by, c); err != nil {
		return nil, nil, err
	}
	return c, &m, Cases.Put(tx, c)
}

// word is who is to read of a customer's word.
func (l *Ledger) word() []string {
	if l.Awaited == nil || !l.Awaited() {
		return nil
	}
	return []string{PendingNotify}
}

// revive reopens a closed case, which goes back to its queue.
func (l *Ledger) revive(tx store.Tx, by Actor, c *Case) error {
	if c.Stage != flow.Closed {
		return nil
	}
	c.setOwner(Actor{})
	return l.enter(tx, by, c, l.Flow().Spec().Reopen, Reopened)
}

// rehouse moves a case that waits again out of a queue that the policy has lost
// since, so that it is on somebody's board.
func (l *Ledger) rehouse(tx store.Tx, by Actor, c *Case) error {
	from, to := c.Queue, l.queue(c.Queue)
	if !c.OnBoard() || from == to {
		return nil
	}
	c.Queue = to
	return l.record(tx, by, c, Event{Kind: Transferred, From: from, To: to, Reason: "the queue is gone"})
}

func (l *Ledger) queue(id string) string {
	if l.Queue == nil {
		return id
	}
	return l.Queue(id)
}

// Answer writes to the customer from the case's holder; *Invalid when the text is
// beyond the limits.
func (l *Ledger) Answer(tx store.Tx, by Actor, id string, g Guard, m Message) (*Case, *Message, error) {
	c, err := l.load(tx, by, id, VerbWork, g)
	if err != nil {
		return nil, nil, err
	}
	if err := checkText("text", m.Body.Text, MaxText, true); err != nil {
		return nil, nil, err
	}
	m.Direction, m.Author, m.AuthorName = Out, by.ID, by.Name
	if err := l.address(tx, c, &m); err != nil {
		return nil, nil, err
	}
	if err := l.write(tx, c, &m); err != nil {
		return nil, nil, err
	}
	c.DueAt = time.Time{}
	err = l.record(tx, by, c, about(&m, Event{Kind: Answered, Pending: []string{PendingNotify}}))
	if err != nil {
		return nil, nil, err
	}
	return c, &m, Cases.Put(tx, c)
}

// Tell writes a notice of the house to the customer, in a text that is rendered
// already. It is the post room's verb and needs no holder.
func (l *Ledger) Tell(tx store.Tx, by Actor, id string, m Message) (*Case, *Message, error) {
	c, err := Cases.Get(tx, id)
	if err != nil {
		return nil, nil, err
	}
	m.Direction, m.Auto, m.AuthorName = Out, true, by.Name
	if err := l.address(tx, c, &m); err != nil {
		return nil, nil, err
	}
	if err := l.write(tx, c, &m); err != nil {
		return nil, nil, err
	}
	if err := l.record(tx, by, c, about(&m, Event{Kind: Told, To: m.Template})); err != nil {
		return nil, nil, err
	}
	return c, &m, Cases.Put(tx, c)
}

// Note leaves a text for colleagues; the customer never sees it. *Invalid
// when it is beyond the limits.
func (l *Ledger) Note(tx store.Tx, by Actor, id, text string) (*Case, *Message, error) {
	c, err := l.load(tx, by, id, VerbNote, Guard{})
	if err != nil {
		return nil, nil, err
	}
	if err := checkText("text", text, MaxText, true); err != nil {
		return nil, nil, err
	}
	m := &Message{Direction: Note, Author: by.ID, AuthorName: by.Name, Body: channels.Body{Text: text}}
	if err := l.write(tx, c, m); err != nil {
		return nil, nil, err
	}
	if err := l.record(tx, by, c, about(m, Event{Kind: Noted})); err != nil {
		return nil, nil, err
	}
	return c, m, Cases.Put(tx, c)
}

// Edit is a change of what is known about a case. Nil fields stay.
type Edit struct {
	Subject    *string
	Priority   *Priority
	Category   *string
	Attributes map[string]string // an empty value removes the attribute
	Tags       []string          // all of them; nil: unchanged
}

// Edit changes what is known about a case; *Invalid when that is beyond the limits.
func (l *Ledger) Edit(tx store.Tx, by Actor, id string, e Edit, g Guard) (*Case, error) {
	c, err := l.load(tx, by, id, VerbWork, g)
	if err != nil {
		return nil, err
	}
	if err := e.check(c); err != nil {
		return nil, err
	}
	changed := c.apply(e)
	if changed == "" {
		return c, nil
	}
	if err := l.record(tx, by, c, Event{Kind: Edited, To: changed}); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}

// load reads a case, checks the right to do v with it and the caller's guard.
func (l *Ledger) load(tx store.Tx, by Actor, id string, v Verb, g Guard) (*Case, error) {
	c, err := Cases.Get(tx, id)
	if err != nil {
		return nil, err
	}
	if err := Authorize(by, v, c); err != nil {
		return nil, err
	}
	if g.Status != "" && g.Status != c.Status {
		return nil, &Stale{Now: c, Status: g.Status}
	}
	if g.Version != 0 && g.Version != c.Version || g.ClaimNo != 0 && (g.ClaimNo != c.ClaimNo || c.Owner == "") {
		return nil, &Stale{Now: c}
	}
	return c, nil
}

// enter puts the case into a status and records it.
func (l *Ledger) enter(tx store.Tx, by Actor, c *Case, to string, kind EventKind) error {
	now, s, from := l.Now(), l.Flow().Status(to), c.Status
	c.Status, c.Stage, c.StatusAt = s.ID, s.Category, now
	switch {
	case s.Category != flow.Done && s.Category != flow.Closed:
		c.ClosedAt = time.Time{}
	case c.ClosedAt.IsZero():
		c.ClosedAt = now
	}
	if !s.Category.Active() {
		c.DueAt = time.Time{}
		c.Waiting = c.Waiting && kind != Moved
	}
	return l.record(tx, by, c, Event{Kind: kind, From: from, To: s.ID, Pending: []string{PendingNotify}})
}

// write stores m as the case's next message and takes over what it tells.
func (l *Ledger) write(tx store.Tx, c *Case, m *Message) error {
	m.Meta = store.Meta{ID: store.NewID()}
	c.Messages++
	m.Case, m.Seq, m.At = c.ID, c.Messages, l.Now()
	switch m.Direction {
	case In:
		c.InboundAt = m.At
		c.Waiting = c.Waiting || !m.Auto && m.CopyOf == ""
		if err := assignLine(tx, m); err != nil {
			return err
		}
	case Out:
		m.Delivery = &Delivery{State: channels.Queued, At: m.At}
		c.Waiting = c.Waiting && m.Auto
	}
	return Messages.Put(tx, m)
}

// record adds e to the case's timeline. The caller puts the case.
func (l *Ledger) record(tx store.Tx, by Actor, c *Case, e Event) error {
	c.Events++
	c.Updated = l.Now()
	e.Case, e.Seq, e.At, e.Actor, e.ActorName = c.ID, c.Events, c.Updated, by.ID, by.Name
	e.seal(c)
	if err := Events.Put(tx, &e); err != nil {
		return err
	}
	return l.happened(tx, Happening{Case: c, Event: &e})
}

// address fills in where an outbound message goes: to where the customer last wrote,
// and where nobody can be written to, elsewhere.
func (l *Ledger) address(tx store.Tx, c *Case, m *Message) (err error) {
	if m.Channel == "" {
		m.Channel, m.To = c.Channel, c.To
	}
	if mute(m) && l.Elsewhere != nil {
		if m.Channel, m.To, err = l.Elsewhere(tx, c); err != nil {
			return err
		}
	}
	if mute(m) {
		return fmt.Errorf("%s: %w", c.CaseNumber(), ErrNoAddress)
	}
	return nil
}

// mute says that nobody can be written to where the message would go.
func mute(m *Message) bool {
	return m.To.Handle == "" || channels.IsDesk(m.Channel) || !Writable(m.To.Kind)
}

// assignLine gives a message of a hosted kind the next place in its thread.
func assignLine(tx store.Tx, m *Message) error {
	a := m.Customer()
	if m.Line > 0 || !a.Kind.Hosted() {
		return nil
	}
	i, err := Identities.Get(tx, IdentityID(a))
	if err != nil {
		return err
	}
	i.Lines++
	m.Line = i.Lines
	return Identities.Put(tx, i)
}

// counter hands out numbers.
type counter struct {
	store.Meta
	Last int64 `json:"last"`
}

// Keys of a counter: none.
func (*counter) Keys() store.Keys { return nil }

var counters = store.NewTable[counter]("counter")

// caseNumbers is the counter of cases.
const caseNumbers = "case"

// NextCase is what Open reads, for Tx.Expect.
func NextCase() store.Read { return counters.ByID(caseNumbers) }

func next(tx store.Tx, name string) (int64, error) {
	n, err := counters.Get(tx, name)
	if errors.Is(err, store.ErrNotFound) {
		n = &counter{Meta: store.Meta{ID: name}}
	} else if err != nil {
		return 0, err
	}
	n.Last++
	return n.Last, counters.Put(tx, n)
}
