// Package casecore is the book: cases, customers, messages and the append-only
// list of events, and the verbs that move them. Every verb takes the caller's
// transaction, so that rooms combine in one commit. It knows neither who routes a
// case nor who tells the customer.
package casecore

import (
	"fmt"
	"slices"
	"time"

	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
)

// Priority orders cases in a queue; smaller is sooner.
type Priority int

// Priorities.
const (
	Urgent Priority = iota + 1
	High
	Normal
	Low
)

var priorityNames = []string{"", "urgent", "high", "normal", "low"}

// ParsePriority reads a priority's name; the empty one is Normal.
func ParsePriority(s string) (Priority, error) {
	if s == "" {
		return Normal, nil
	}
	if i := slices.Index(priorityNames, s); i > 0 {
		return Priority(i), nil
	}
	return 0, fmt.Errorf("%q is not one of urgent, high, normal, low", s)
}

func (p Priority) String() string {
	if p < Urgent || p > Low {
		return "normal"
	}
	return priorityNames[p]
}

// MarshalText writes the name.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name.
func (p *Priority) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePriority(string(b))
	return err
}

// Case is one matter of one customer.
type Case struct {
	store.Meta
	Number     int64             `json:"number"`
	Customer   string            `json:"customer"` // id
	Channel    string            `json:"channel"`  // id of the channel it is answered on
	To         channels.Address  `json:"to"`       // the customer's end of it
	Lang       string            `json:"lang"`     // that the customer wrote in; Customer.Reads is the one they are told in
	Subject    string            `json:"subject"`
	Status     string            `json:"status"`
	Stage      flow.Category     `json:"stage"` // category of Status
	Priority   Priority          `json:"priority"`
	Category   string            `json:"category,omitempty"` // what the case is about: "phone"
	Attributes map[string]string `json:"attributes,omitempty"`
	Tags       []string          `json:"tags,omitempty"`
	Queue      string            `json:"queue"`
	Owner      string            `json:"owner,omitempty"` // operator's id
	OwnerName  string            `json:"owner_name,omitempty"`
	ClaimNo    int64             `json:"claim_no"` // grows with each claim; fences late writes
	Received   time.Time         `json:"received"` // of the first message; keeps the place in the queue
	Updated    time.Time         `json:"updated"`
	StatusAt   time.Time         `json:"status_at"`
	DueAt      time.Time         `json:"due_at,omitzero"`    // by when somebody should have answered
	ClosedAt   time.Time         `json:"closed_at,omitzero"` // when it became done or closed
	InboundAt  time.Time         `json:"inbound_at,omitzero"`
	Messages   int64             `json:"messages"`         // how many, and the Seq of the last
	Events     int64             `json:"events"`           // likewise
	Head       string            `json:"head,omitempty"`   // Hash of the last event
	Waiting    bool              `json:"waiting"`          // the customer's word is the last
	Broken     bool              `json:"broken"`           // opened by a message that could not be read in full
	Call       *Call             `json:"call,omitempty"`   // somebody must call the customer
	Linked     string            `json:"linked,omitempty"` // number of the case that its first message claimed to answer
	Page       int64             `json:"page,omitempty"`   // which links to its customer's page are good: those made since it was last changed
	Trace      Trace             `json:"trace"`
}

// CaseNumber writes the number as people see it.
func (c *Case) CaseNumber() string { return lang.CaseNumber(c.Number) }

// Trace says why a case is where it is.
type Trace struct {
	Rule     string   `json:"rule"`
	Revision int64    `json:"revision"` // of the policy
	Reasons  []Reason `json:"reasons,omitempty"`
	Skipped  int      `json:"skipped"` // rules tried before
}

// Reason is one condition that held, and what in the message made it hold.
type Reason struct {
	Condition string   `json:"condition"` // "text", "channel", "language", "hours", "attribute", ...
	Matched   []string `json:"matched,omitempty"`
}

// Keys of a case.
//
//	number    NumberKey(number), unique
//	board     queue, priority, time of arrival, while it waits there: a queue is a range
//	owner     operator, time of last change, until closed
//	load      operator, while the case counts against their capacity
//	customer  customer, time of arrival
//	thread    channel, customer's address, time of arrival
//	stage     category, status, time of last change
func (c *Case) Keys() store.Keys {
	k := store.Keys{}
	k.Set("number", store.NumberKey(c.Number))
	if c.OnBoard() {
		k.Set("board", store.Join(c.Queue, fmt.Sprint(int(c.Priority)), store.TimeKey(c.Received)))
	}
	if c.Owner != "" && c.Stage.Active() {
		k.Set("load", c.Owner)
	}
	if c.Owner != "" && c.Stage != flow.Closed {
		k.Set("owner", store.Join(c.Owner, store.TimeKey(c.Updated)))
	}
	k.Set("customer", store.Join(c.Customer, store.TimeKey(c.Received)))
	k.Set("thread", store.Join(ThreadKey(c.Channel, c.To), store.TimeKey(c.Received)))
	k.Set("stage", store.Join(string(c.Stage), c.Status, store.TimeKey(c.Updated)))
	return k
}

// OnBoard says that the case waits in its queue for somebody to claim it. A done
// case without an owner comes back when its customer writes or must be called.
func (c *Case) OnBoard() bool {
	return c.Owner == "" && (c.Stage.Active() || c.Stage == flow.Done && (c.Waiting || c.Call != nil))
}

// Cases is the table of cases.
var Cases = store.NewTable[Case]("case",
	store.Index{Name: "number", Unique: true},
	store.Index{Name: "board"},
	store.Index{Name: "owner"},
	store.Index{Name: "load"},
	store.Index{Name: "customer"},
	store.Index{Name: "thread"},
	store.Index{Name: "stage"},
)
