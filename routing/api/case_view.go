package api

import (
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/routing/desk"
	"casewire/routing/letter"
)

// Case is a case as its readers see it.
type Case struct {
	Number      string            `json:"number" example:"CW-000123"`
	Subject     string            `json:"subject"`
	Status      string            `json:"status" doc:"Id of the status in the policy."`
	Stage       flow.Category     `json:"stage" enum:"new,open,waiting,done,closed" doc:"What the status means to the house."`
	Priority    string            `json:"priority" enum:"urgent,high,normal,low"`
	Category    string            `json:"category"`
	Attributes  map[string]string `json:"attributes"`
	Tags        []string          `json:"tags"`
	Queue       string            `json:"queue"`
	Owner       *Person           `json:"owner,omitempty" doc:"Who holds it."`
	CustomerID  string            `json:"customer_id"`
	Channel     string            `json:"channel" doc:"Id of the channel it is answered on."`
	ChannelKind string            `json:"channel_kind"`
	Lang        string            `json:"lang" doc:"The language that the customer wrote in. One that they chose wins over it: see lang_set of the customer."`
	ReceivedAt  time.Time         `json:"received_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	StatusAt    time.Time         `json:"status_at" doc:"Since when it has this status."`
	DueAt       *time.Time        `json:"due_at,omitempty" doc:"By when somebody should have answered."`
	ClosedAt    *time.Time        `json:"closed_at,omitempty"`
	InboundAt   *time.Time        `json:"inbound_at,omitempty" doc:"When the customer last wrote."`
	Messages    int64             `json:"messages" doc:"How many there are."`
	Waiting     bool              `json:"waiting" doc:"The customer's word is the last."`
	Broken      bool              `json:"broken" doc:"Opened by a message that could not be read in full."`
	Call        *Call             `json:"call,omitempty" doc:"Somebody must call the customer: no message reaches them."`
	Linked      string            `json:"linked,omitempty" doc:"Number of the case that its first message claimed to answer, in other hands."`
	Trace       Trace             `json:"trace" doc:"Why it is in its queue."`
	Version     uint64            `json:"version" doc:"For If-Match: \"v\" and this number, quoted."`
	ClaimNo     int64             `json:"claim_no" doc:"Number of the claim under which it is held."`
}

// Call is the task to call a customer whom no message reaches.
type Call struct {
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason" doc:"Why the last message did not arrive."`
	Message string    `json:"message,omitempty" doc:"Id of what should be told."`
	Tries   int       `json:"tries" doc:"Calls that nobody answered."`
}

// Trace says why a case is where it is.
type Trace struct {
	Rule     string   `json:"rule"`
	Revision int64    `json:"revision" doc:"Of the policy."`
	Reasons  []Reason `json:"reasons"`
	Skipped  int      `json:"skipped" doc:"Rules tried before."`
}

// Reason is one condition that held.
type Reason struct {
	Condition string   `json:"condition"`
	Matched   []string `json:"matched"`
}

// CaseDetail is a case with what its page needs besides.
type CaseDetail struct {
	Case
	Customer Customer `json:"customer"`
	Moves    []Move   `json:"moves" doc:"Statuses you may give it now."`
	MayWork  bool     `json:"may_work"`
	MayClaim bool     `json:"may_claim"`
}

// Move is a status that a case may be given.
type Move struct {
	Status   string        `json:"status"`
	Name     lang.Text     `json:"name"`
	Category flow.Category `json:"category"`
	Missing  []string      `json:"missing" doc:"Attributes to fill in first."`
	Back     bool          `json:"takes_back,omitempty" doc:"It takes back the status that was just set, of which nobody has been told. It comes first, whatever the policy has follow."`
}

// Message is one text of a conversation, or a note beside it.
type Message struct {
	ID        string             `json:"id"`
	Seq       int64              `json:"seq" doc:"Within the case, from 1."`
	Direction casecore.Direction `json:"direction" enum:"in,out,note"`
	Channel   string             `json:"channel,omitempty"`
	From      *Address           `json:"from,omitempty"`
	To        *Address           `json:"to,omitempty"`
	Author    *Person            `json:"author,omitempty" doc:"The operator or program that wrote it."`
	Auto      bool               `json:"auto" doc:"Written by a machine, theirs or ours."`
	Template  string             `json:"template,omitempty"`
	Subject   string             `json:"subject,omitempty"`
	Text      string             `json:"text"`
	Quoted    string             `json:"quoted,omitempty" doc:"The history that a reply carries below its own words."`
	HTML      string             `json:"html,omitempty" doc:"A mail as it was formatted, made safe to show: without scripts, forms, style sheets and pictures from elsewhere. What src=\"cid:x\" shows is the file with that cid, of this message or an earlier one. The source has it as received."`
	Files     []File             `json:"files"`
	Versions  []Version          `json:"versions,omitempty" doc:"What it said before its sender edited it, oldest first."`
	CopyOf    string             `json:"copy_of,omitempty" doc:"Id of the same message, which came on another of our channels first."`
	Instead   string             `json:"instead,omitempty" doc:"Id of the message that did not arrive, of which this is a repeat elsewhere."`
	Delivery  *Delivery          `json:"delivery,omitempty"`
	Broken    string             `json:"broken,omitempty" doc:"Why it could not be read in full."`
	Source    string             `json:"source,omitempty" doc:"Where to get it as received."`
	At        time.Time          `json:"at"`
	SentAt    *time.Time         `json:"sent_at,omitempty" doc:"By the customer's clock."`
}

// Address is one end of a conversation.
type Address struct {
	Kind   channels.Kind `json:"kind"`
	Handle string        `json:"handle"`
	Name   string        `json:"name,omitempty"`
}

// File is an attachment of a message.
type File struct {
	Name string `json:"name"`
	Type string `json:"type" doc:"Media type, as its bytes look."`
	Size int64  `json:"size" doc:"Bytes."`
	Href string `json:"href" doc:"Where to get it."`
	CID  string `json:"cid,omitempty" doc:"The name by which html shows it in place."`
}

// Version is what an edited message said before.
type Version struct {
	Text  string    `json:"text"`
	Until time.Time `json:"until"`
}

// Delivery is how an outbound message fares.
type Delivery struct {
	State    channels.State `json:"state" enum:"queued,sending,uncertain,sent,delivered,read,undelivered,failed,cancelled" doc:"Cancelled: it was taken back before it went out."`
	At       time.Time      `json:"at"`
	Attempts []Attempt      `json:"attempts"`
}

// Attempt is one try at delivering.
type Attempt struct {
	No      int            `json:"no"`
	Channel string         `json:"channel"`
	At      time.Time      `json:"at"`
	State   channels.State `json:"state"`
	Code    string         `json:"code,omitempty" doc:"The provider's."`
	Detail  string         `json:"detail,omitempty"`
	NextAt  *time.Time     `json:"next_at,omitempty"`
}

// Event is one entry of a case's timeline.
type Event struct {
	Seq     int64              `json:"seq" doc:"Within the case, from 1."`
	Kind    casecore.EventKind `json:"kind" enum:"opened,received,answered,told,noted,claimed,released,transferred,assigned,status,reopened,edited,undelivered,revised,refiled,asked,call_wanted,calling,called,call_in,bound,shut,unshut,preferred,language,opted_out,opted_in,page"`
	At      time.Time          `json:"at"`
	Actor   Person             `json:"actor"`
	From    string             `json:"from,omitempty" doc:"The queue, operator or status before; of a refiled message, the number of the case that it came from."`
	To      string             `json:"to,omitempty" doc:"The queue, operator, status, reason, number, outcome, language or kind of address after; of a refiled message, the number of the case that it went to."`
	ToName  string             `json:"to_name,omitempty"`
	ClaimNo int64              `json:"claim_no,omitempty"`
	Reason  string             `json:"reason,omitempty"`
	Trace   *Trace             `json:"trace,omitempty"`
	Choices []string           `json:"choices,omitempty" doc:"What the customer may answer with."`
	Call    string             `json:"call,omitempty" doc:"Id of a call made through us: the same for calling and called."`
	Code    string             `json:"code,omitempty" doc:"The provider's, of a call that failed."`
	Seconds int64              `json:"seconds,omitempty" doc:"How long they spoke."`
	Message *Message           `json:"message,omitempty" doc:"What was written, while the case has it."`
}

func caseOf(c *casecore.Case) Case {
	return Case{
		Number: c.CaseNumber(), Subject: c.Subject, Status: c.Status, Stage: c.Stage, Priority: c.Priority.String(),
		Category: c.Category, Attributes: filled(c.Attributes), Tags: some(c.Tags), Queue: c.Queue, Owner: person(c.Owner, c.OwnerName),
		CustomerID: c.Customer, Channel: c.Channel, ChannelKind: string(c.To.Kind), Lang: c.Lang,
		ReceivedAt: c.Received.UTC(), UpdatedAt: c.Updated.UTC(), StatusAt: c.StatusAt.UTC(),
		DueAt: moment(c.DueAt), ClosedAt: moment(c.ClosedAt), InboundAt: moment(c.InboundAt),
		Messages: c.Messages, Waiting: c.Waiting, Broken: c.Broken, Linked: c.Linked, Call: callOf(c.Call), Trace: traceOf(c.Trace), Version: c.Version, ClaimNo: c.ClaimNo,
	}
}

func callOf(t *casecore.Call) *Call {
	if t == nil {
		return nil
	}
	return &Call{Since: t.Since.UTC(), Reason: t.Reason, Message: t.Message, Tries: t.Tries}
}

func traceOf(t casecore.Trace) Trace {
	out := Trace{Rule: t.Rule, Revision: t.Revision, Skipped: t.Skipped, Reasons: []Reason{}}
	for _, r := range t.Reasons {
		out.Reasons = append(out.Reasons, Reason{Condition: r.Condition, Matched: some(r.Matched)})
	}
	return out
}

func detailOf(v *desk.View) CaseDetail {
	out := CaseDetail{Case: caseOf(v.Case), Customer: customerOf(v.Customer, v.Identities), MayWork: v.MayWork, MayClaim: v.MayClaim, Moves: []Move{}}
	for _, m := range v.Moves {
		out.Moves = append(out.Moves, Move{Status: m.Status.ID, Name: m.Status.Name, Category: m.Status.Category, Missing: some(m.Missing), Back: m.Back})
	}
	return out
}

func messageOf(c *casecore.Case, m *casecore.Message) Message {
	out := Message{
		ID: m.ID, Seq: m.Seq, Direction: m.Direction, Channel: m.Channel, From: addressOf(m.From), To: addressOf(m.To),
		Author: person(m.Author, m.AuthorName), Auto: m.Auto, Template: m.Template, Subject: m.Body.Subject, Text: m.Body.Text,
		Quoted: m.Body.Quoted, HTML: safe(m.Body.HTML),
		Files: []File{}, CopyOf: m.CopyOf, Instead: m.Instead, Broken: m.Broken, At: m.At.UTC(), SentAt: moment(m.SentAt),
	}
	for _, v := range m.Versions {
		out.Versions = append(out.Versions, Version{Text: v.Body.Text, Until: v.At.UTC()})
	}
	if m.HasSource() {
		out.Source = fmt.Sprintf("%s/cases/%s/messages/%s/source", Prefix, c.CaseNumber(), m.ID)
	}
	for i, f := range m.Body.Files {
		out.Files = append(out.Files, File{Name: f.Name, Type: f.Type, Size: f.Size, CID: f.CID,
			Href: fmt.Sprintf("%s/cases/%s/files/%s/%d", Prefix, c.CaseNumber(), m.ID, i+1)})
	}
	if d := m.Delivery; d != nil {
		out.Delivery = &Delivery{State: d.State, At: d.At.UTC(), Attempts: []Attempt{}}
		for _, t := range d.Attempts {
			out.Delivery.Attempts = append(out.Delivery.Attempts, Attempt{No: t.No, Channel: t.Channel, At: t.At.UTC(),
				State: t.State, Code: t.Code, Detail: t.Detail, NextAt: moment(t.NextAt)})
		}
	}
	return out
}

// safe is HTML that may be shown, or nothing when it cannot be made so.
func safe(received string) string {
	if received == "" {
		return ""
	}
	l, err := letter.Read(received, false)
	if err != nil {
		return "" // the text and the source are there
	}
	return l.String()
}

func eventOf(c *casecore.Case, e *casecore.Event, m *casecore.Message) Event {
	out := Event{Seq: e.Seq, Kind: e.Kind, At: e.At.UTC(), Actor: Person{ID: e.Actor, Name: e.ActorName},
		From: e.From, To: e.To, ToName: e.ToName, ClaimNo: e.ClaimNo, Reason: e.Reason,
		Call: e.Call, Code: e.Code, Seconds: e.Seconds}
	if e.Trace != nil {
		t := traceOf(*e.Trace)
		out.Trace = &t
	}
	for _, o := range e.Choices {
		out.Choices = append(out.Choices, o.Label)
	}
	if m != nil && m.Case == c.ID { // elsewhere it may be in other hands
		v := messageOf(c, m)
		out.Message = &v
	}
	return out
}

func addressOf(a channels.Address) *Address {
	if a.Handle == "" {
		return nil
	}
	return &Address{Kind: a.Kind, Handle: a.Handle, Name: a.Name}
}

func person(id, name string) *Person {
	if id == "" {
		return nil
	}
	return &Person{ID: id, Name: name}
}

// moment is t in UTC, or nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// some is s, never null in JSON.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// filled is m, never null in JSON.
func filled(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
