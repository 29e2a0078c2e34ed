package dossier

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/channels"
	"casewire/routing/desk"
)

// Dossier is everything that can be proved of one case, as programs read it.
type Dossier struct {
	Format   string        `json:"format" example:"casewire dossier 1"`
	Case     Matter        `json:"case"`
	Customer Party         `json:"customer"`
	Messages []Said        `json:"messages" doc:"What the customer, operators and the house wrote, in order."`
	Notices  []Sending     `json:"notices" doc:"What was to be sent, in the order of the events that caused it; also what was held, skipped or taken back, with the reason."`
	Events   []SealedEvent `json:"events" doc:"Everything that happened, in order."`
	Proof    Proven        `json:"proof"`
	MadeAt   time.Time     `json:"made_at"`
	MadeBy   Maker         `json:"made_by"`
}

// Record is exactly what was sealed.
type Record map[string]any

// Maker is who made a dossier.
type Maker struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Matter is the case as it is now.
type Matter struct {
	Number     string            `json:"number" example:"CW-000123"`
	ID         string            `json:"id" doc:"By which the events' records name it."`
	Subject    string            `json:"subject"`
	Status     string            `json:"status"`
	Stage      flow.Category     `json:"stage"`
	Priority   string            `json:"priority"`
	Category   string            `json:"category"`
	Attributes map[string]string `json:"attributes"`
	Tags       []string          `json:"tags"`
	Queue      string            `json:"queue"`
	Owner      *Maker            `json:"owner,omitempty" doc:"Who holds it."`
	Channel    string            `json:"channel" doc:"Id of the channel it is answered on."`
	To         Handle            `json:"to" doc:"The customer's address that is answered."`
	Lang       string            `json:"lang"`
	ReceivedAt time.Time         `json:"received_at"`
	ClosedAt   *time.Time        `json:"closed_at,omitempty"`
}

// Party is the customer.
type Party struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Addresses []Known `json:"addresses"`
}

// Handle is one address.
type Handle struct {
	Kind   channels.Kind `json:"kind"`
	Handle string        `json:"handle"`
	Name   string        `json:"name,omitempty"`
}

// Known is one of a customer's addresses.
type Known struct {
	Handle
	Verified bool       `json:"verified"`
	Shut     string     `json:"shut,omitempty" doc:"Why it may not be written to."`
	Since    *time.Time `json:"shut_since,omitempty"`
}

// Said is one message, or a note for colleagues.
type Said struct {
	Seq      int64  `json:"seq" doc:"Within the case, from 1."`
	Record   Record `json:"record" doc:"What was sealed; the raw form and HTML are in it as their SHA-256."`
	Hash     string `json:"hash" doc:"Seal of the record."`
	SealedBy int64  `json:"sealed_by" doc:"Number of the last event that says what it says; 0: it is from before there were seals."`
	Delivery *Fared `json:"delivery,omitempty"`
}

// Fared is how a message fared.
type Fared struct {
	State channels.State `json:"state"`
	At    time.Time      `json:"at"`
	Tries []Try          `json:"attempts" doc:"Each try as it ended, in words."`
	Steps []Step         `json:"steps" doc:"Every change of the delivery, in order."`
}

// Try is one attempt at delivering.
type Try struct {
	No         int            `json:"no"`
	Channel    string         `json:"channel"`
	At         time.Time      `json:"at" doc:"When it began."`
	State      channels.State `json:"state"`
	ProviderID string         `json:"provider_id,omitempty" doc:"The provider's name for it."`
	Reason     string         `json:"reason,omitempty"`
	Code       string         `json:"code,omitempty" doc:"The provider's."`
	Meaning    string         `json:"meaning,omitempty" doc:"What reason or code means."`
	Detail     string         `json:"detail,omitempty"`
	NextAt     *time.Time     `json:"next_at,omitempty" doc:"When it was to be tried again."`
}

// Step is one change of a delivery.
type Step struct {
	Record Record `json:"record"`
	Hash   string `json:"hash"`
}

// Sending is one notice or answer on its way.
type Sending struct {
	ID        string     `json:"id"`
	Message   int64      `json:"message,omitempty" doc:"Seq of what it says; absent when nothing was written."`
	Template  string     `json:"template,omitempty" doc:"Absent for an operator's own words."`
	Channel   string     `json:"channel,omitempty"`
	To        *Handle    `json:"to,omitempty"`
	State     string     `json:"state" doc:"As in the list of notices."`
	Reason    string     `json:"reason,omitempty" doc:"Why it is not sent."`
	Meaning   string     `json:"meaning,omitempty" doc:"What reason means."`
	Tries     int        `json:"tries"`
	CreatedAt time.Time  `json:"created_at"`
	DueAt     *time.Time `json:"due_at,omitempty"`
	DoneAt    *time.Time `json:"done_at,omitempty"`
	HandledBy string     `json:"handled_by,omitempty" doc:"Who saw to one that did not arrive."`
	Proof     string     `json:"proof,omitempty" doc:"Hash of the last step of its message's delivery. Note it down to prove later how that went after the last event that names the message."`
}

// SealedEvent is one event.
type SealedEvent struct {
	Record Record `json:"record"`
	Hash   string `json:"hash,omitempty" doc:"Absent in events from before there were seals."`
}

// Proven is the end of the chain and what checking it found.
type Proven struct {
	Verified bool    `json:"verified" doc:"All that is chained is as it was written."`
	From     int64   `json:"from" doc:"Number of the first event that is chained; 0: none is."`
	Events   int64   `json:"events" doc:"How many are chained."`
	Head     string  `json:"head" doc:"Hash of the last event, as the case has it. Noted down, it proves later that no event and no words were written anew, and how deliveries had gone when the last event named them; what was heard of a delivery since is proved by its notice's proof."`
	Faults   []Wrong `json:"faults"`
}

// Wrong is one thing that is not as it was written.
type Wrong struct {
	What    casecore.Tampering `json:"what" enum:"changed,missing,inserted,reordered"`
	Event   int64              `json:"event,omitempty"`
	Message int64              `json:"message,omitempty" doc:"Seq of the message."`
	Step    int64              `json:"step,omitempty" doc:"Of its delivery."`
	Text    string             `json:"text"`
}

// Dossier writes the papers for programs. meaning says what a reason of ours or a
// provider's code means, and "" for what it does not know.
func (p *Papers) Dossier(meaning func(code string) string) (*Dossier, error) {
	d := &Dossier{
		Format: Format, Case: matter(p.Case), Customer: party(p.View), Messages: []Said{}, Notices: []Sending{}, Events: []SealedEvent{},
		Proof: proven(p.Proof), MadeAt: p.At.UTC(), MadeBy: Maker{p.By.ID, p.By.Name},
	}
	sealed := map[string]int64{}
	for _, e := range p.Events {
		r, err := eventRecord(e)
		if err != nil {
			return nil, err
		}
		d.Events = append(d.Events, SealedEvent{Record: r, Hash: e.Hash})
		if e.Words != "" {
			sealed[e.Message] = e.Seq
		}
	}
	seq := map[string]int64{}
	for _, m := range p.Messages {
		seq[m.ID] = m.Seq
		r, err := messageRecord(m)
		if err != nil {
			return nil, err
		}
		s := Said{Seq: m.Seq, Record: r, Hash: m.Digest(), SealedBy: sealed[m.ID]}
		if s.Delivery, err = fared(m, began(p.Events, m.ID), meaning); err != nil {
			return nil, err
		}
		d.Messages = append(d.Messages, s)
	}
	for _, n := range p.Notices {
		d.Notices = append(d.Notices, sending(n, seq[n.Message], meaning))
	}
	return d, nil
}

// began is what the message's evidence began with.
func began(events []*casecore.Event, message string) string {
	for _, e := range events {
		if e.Message == message && e.Words != "" {
			return e.Words
		}
	}
	return ""
}

func matter(c *casecore.Case) Matter {
	m := Matter{
		Number: c.CaseNumber(), ID: c.ID, Subject: c.Subject, Status: c.Status, Stage: c.Stage, Priority: c.Priority.String(), Category: c.Category,
		Attributes: map[string]string{}, Tags: append([]string{}, c.Tags...), Queue: c.Queue, Channel: c.Channel, To: Handle(c.To),
		Lang: c.Lang, ReceivedAt: c.Received.UTC(), ClosedAt: moment(c.ClosedAt),
	}
	for k, v := range c.Attributes {
		m.Attributes[k] = v
	}
	if c.Owner != "" {
		m.Owner = &Maker{c.Owner, c.OwnerName}
	}
	return m
}

func party(v *desk.View) Party {
	p := Party{ID: v.Customer.ID, Name: v.Customer.Name, Addresses: []Known{}}
	for _, i := range v.Identities {
		k := Known{Handle: Handle(i.Address), Verified: i.Verified}
		if i.Shut != nil {
			k.Shut, k.Since = string(i.Shut.Reason), moment(i.Shut.At)
		}
		p.Addresses = append(p.Addresses, k)
	}
	return p
}

func sending(n desk.Notice, message int64, meaning func(string) string) Sending {
	s := Sending{
		ID: n.ID, Message: message, Template: n.Template, Channel: n.Channel, State: n.State, Reason: n.Reason, Meaning: meaning(n.Reason),
		Tries: n.Tries, CreatedAt: n.Created.UTC(), DueAt: moment(n.Due), DoneAt: moment(n.Done), HandledBy: n.Handled, Proof: n.Proof,
	}
	if n.To != (channels.Address{}) {
		h := Handle(n.To)
		s.To = &h
	}
	return s
}

func proven(p casecore.Proof) Proven {
	out := Proven{Verified: len(p.Faults) == 0 && p.From > 0, From: p.From, Events: p.Events, Head: p.Head, Faults: []Wrong{}}
	for _, f := range p.Faults {
		out.Faults = append(out.Faults, Wrong{What: f.What, Event: f.Event, Message: f.Message, Step: f.Entry, Text: f.String()})
	}
	return out
}

func fared(m *casecore.Message, began string, meaning func(string) string) (*Fared, error) {
	d := m.Delivery
	if d == nil {
		return nil, nil
	}
	out := &Fared{State: d.State, At: d.At.UTC(), Tries: []Try{}, Steps: []Step{}}
	for i := range d.Attempts {
		a := &d.Attempts[i]
		t := Try{
			No: a.No, Channel: a.Channel, At: a.At.UTC(), State: a.State, ProviderID: a.ProviderID, Reason: a.Reason, Code: a.Code,
			Detail: a.Detail, NextAt: moment(a.NextAt), Meaning: meaning(a.Reason),
		}
		if t.Meaning == "" {
			t.Meaning = meaning(a.Code)
		}
		out.Tries = append(out.Tries, t)
	}
	prev := began
	if prev == "" {
		prev = m.Digest() // of a message from before there were seals
	}
	for i := range d.Evidence {
		e := &d.Evidence[i]
		if e.Prev != "" {
			prev = e.Prev
		}
		r, err := evidenceRecord(e, prev)
		if err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, Step{Record: r, Hash: e.Hash})
		prev = e.Hash
	}
	return out, nil
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// record is v as JSON reads it, without what is not sealed.
func record(v any, unsealed ...string) (Record, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var r Record
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	for _, name := range unsealed {
		delete(r, name)
	}
	return r, nil
}
