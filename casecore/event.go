package casecore

import (
	"time"

	"casewire/casecore/flow"
	"casewire/casecore/store"
)

// EventKind says what happened to a case.
type EventKind string

// Events. From and To of each are given behind it.
const (
	Opened      EventKind = "opened"      // To: queue
	Received    EventKind = "received"    // a message of the customer joined
	Answered    EventKind = "answered"    // an operator wrote to the customer
	Told        EventKind = "told"        // a notice to the customer was written; To: template
	Noted       EventKind = "noted"       // a note for colleagues
	Claimed     EventKind = "claimed"     // To: operator; ClaimNo
	Released    EventKind = "released"    // From: operator
	Transferred EventKind = "transferred" // From, To: queues
	Assigned    EventKind = "assigned"    // From, To: operators; ClaimNo
	Moved       EventKind = "status"      // From, To: statuses
	Reopened    EventKind = "reopened"    // From, To: statuses
	Edited      EventKind = "edited"      // To: names of what changed
	Undelivered EventKind = "undelivered" // a message did not arrive; To: the reason
	Revised     EventKind = "revised"     // the customer edited a message
	Refiled     EventKind = "refiled"     // a message went to another case; From or To: its number
	Asked       EventKind = "asked"       // the customer is asked which case a message is about; Choices
	CallWanted  EventKind = "call_wanted" // no message reaches the customer: somebody must call; To: the reason
	Calling     EventKind = "calling"     // an operator calls the customer through us; To: the number; Call
	CallMade    EventKind = "called"      // To: the outcome; Call, Code and Seconds when it was made through us
	CallTaken   EventKind = "call_in"     // a call of the customer is over; To: the outcome; ToName: who answered; Message; Seconds
	Bound       EventKind = "bound"       // the customer added an address by a link; To: its kind
	ShutOff     EventKind = "shut"        // an address may not be written to any more; To: the reason
	ShutOver    EventKind = "unshut"      // it may again
	Preferred   EventKind = "preferred"   // where the customer is told things; From, To: kinds, empty for where they last wrote; ToName: the address, masked
	LangChosen  EventKind = "language"    // in which language; From, To: tags, empty for the one they write in
	OptedOut    EventKind = "opted_out"   // the customer does not want to be written to at an address; To: its kind; ToName: masked
	OptedIn     EventKind = "opted_in"    // they do again
	PageRenewed EventKind = "page"        // the links to the customer's page that there were are good no more
)

// PendingNotify marks events that the post room has yet to read. A mark and not a
// cursor: commits of several nodes do not land in the order of their ids, so a
// cursor could step over a late one.
const PendingNotify = "notify"

// Event is one entry of a case's timeline. Events are only ever added; Pending is
// the one field that changes, and the one that Hash does not seal.
type Event struct {
	store.Meta
	Case      string    `json:"case"` // id
	Seq       int64     `json:"seq"`  // within the case, from 1
	Kind      EventKind `json:"kind"`
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"`
	ActorName string    `json:"actor_name,omitempty"`
	From      string    `json:"from,omitempty"`
	To        string    `json:"to,omitempty"`
	ToName    string    `json:"to_name,omitempty"` // of the operator in To
	ClaimNo   int64     `json:"claim_no,omitempty"`
	Message   string    `json:"message,omitempty"`  // id
	Place     int64     `json:"place,omitempty"`    // Seq of Message then
	Words     string    `json:"words,omitempty"`    // Digest of Message then
	Fared     string    `json:"fared,omitempty"`    // Proof of Message then; empty while it had none, and in events from before this was sealed
	Template  string    `json:"template,omitempty"` // Opened: what the rule answers with, in place of the usual receipt
	Auto      bool      `json:"auto,omitempty"`     // Opened by an automatic message, which is never answered
	Reason    string    `json:"reason,omitempty"`
	Choices   []Choice  `json:"choices,omitempty"`
	Call      string    `json:"call,omitempty"`    // id of a call made through us: the same for its beginning and its end
	Code      string    `json:"code,omitempty"`    // the provider's, behind Reason
	Seconds   int64     `json:"seconds,omitempty"` // that a call lasted
	Trace     *Trace    `json:"trace,omitempty"`
	Pending   []string  `json:"pending,omitempty"`
	Prev      string    `json:"prev,omitempty"` // Hash of the event before; empty in the first one, and behind events without
	Hash      string    `json:"hash,omitempty"` // Digest; empty in events from before there were any
}

// Choice is one answer that a customer may give with a button.
type Choice struct {
	Label string `json:"label"`
	Data  string `json:"data"`
}

// Keys of an event: case and sequence, unique; pending by reader.
func (e *Event) Keys() store.Keys {
	k := store.Keys{}
	k.Set("case", store.Join(e.Case, store.NumberKey(e.Seq)))
	for _, p := range e.Pending {
		k.Add("pending", p)
	}
	return k
}

// Events is the table of events.
var Events = store.NewTable[Event]("event",
	store.Index{Name: "case", Unique: true},
	store.Index{Name: "pending", Multi: true},
)

// Span is a stretch of time that a case spent in one status.
type Span struct {
	Status   string
	From, To time.Time // To is zero while it lasts
}

// Spans returns the time in each status, in order, out of a case's events.
func Spans(initial string, events []*Event) []Span {
	var out []Span
	enter := func(status string, at time.Time) {
		if n := len(out); n > 0 {
			out[n-1].To = at
		}
		out = append(out, Span{Status: status, From: at})
	}
	for _, e := range events {
		switch e.Kind {
		case Opened:
			enter(initial, e.At)
		case Moved, Reopened:
			enter(e.To, e.At)
		}
	}
	return out
}

// Spent adds up the time in each status until now. With only running statuses
// counted (f not nil) it is the time on the SLA clock.
func Spent(spans []Span, f *flow.Flow, now time.Time) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, s := range spans {
		if f != nil && f.Status(s.Status).Paused {
			continue
		}
		to := s.To
		if to.IsZero() {
			to = now
		}
		out[s.Status] += to.Sub(s.From)
	}
	return out
}
