package desk

import (
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
)

// SLA says how a waiting case stands against the time by which somebody should
// have answered it.
type SLA string

// What an SLA can be. A case is soon overdue in the last quarter of its time.
const (
	SLANone    SLA = "none" // there is no such time
	SLAOK      SLA = "ok"
	SLASoon    SLA = "soon"
	SLAOverdue SLA = "overdue"
)

// slaAt judges at now, and tells when the answer will change; zero is never.
func slaAt(received, due, now time.Time) (SLA, time.Time) {
	if due.IsZero() {
		return SLANone, time.Time{}
	}
	soon := due.Add(-due.Sub(received) / 4)
	switch {
	case !now.Before(due):
		return SLAOverdue, time.Time{}
	case !now.Before(soon):
		return SLASoon, due
	}
	return SLAOK, soon
}

// Card is all that is shown of a case before somebody claims it. It has nothing
// that the customer wrote and nothing that tells who they are.
type Card struct {
	Number      string    `json:"number"`
	Queue       string    `json:"queue"`
	ChannelKind string    `json:"channel_kind"`
	Category    string    `json:"category"`
	Priority    string    `json:"priority"`
	Status      string    `json:"status"`
	ReceivedAt  time.Time `json:"received_at"`
	DueAt       time.Time `json:"due_at,omitzero"`
	SLA         SLA       `json:"sla"`
	Position    int       `json:"position"` // in its queue when the card was made, from 1
}

// Counts sum up a whole queue, also what is beyond the cards that are shown.
type Counts struct {
	Waiting int       `json:"waiting"`
	Overdue int       `json:"overdue"`
	Oldest  time.Time `json:"oldest_received_at,omitzero"`
}

// Queue is one queue as its operators see it: the first cards in the order in
// which they are to be taken, and the counts.
type Queue struct {
	ID     string
	Name   lang.Text
	Counts Counts
	Cards  []Card
}

// Mine is one case that an operator holds, in a list of their own cases.
type Mine struct {
	Number      string    `json:"number"`
	Subject     string    `json:"subject"`
	Customer    string    `json:"customer"` // name
	Queue       string    `json:"queue"`
	ChannelKind string    `json:"channel_kind"`
	Category    string    `json:"category"`
	Priority    string    `json:"priority"`
	Status      string    `json:"status"`
	Stage       string    `json:"stage"`
	Waiting     bool      `json:"waiting"` // the customer's word is the last
	ReceivedAt  time.Time `json:"received_at"`
	DueAt       time.Time `json:"due_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at"`
	InboundAt   time.Time `json:"inbound_at,omitzero"` // the customer's last message
	Messages    int64     `json:"messages"`
	Version     uint64    `json:"version"`
	ClaimNo     int64     `json:"claim_no"`
}

func mineOf(c *casecore.Case, customer string) Mine {
	return Mine{
		Number: c.CaseNumber(), Subject: c.Subject, Customer: customer, Queue: c.Queue,
		ChannelKind: string(c.To.Kind), Category: c.Category, Priority: c.Priority.String(),
		Status: c.Status, Stage: string(c.Stage), Waiting: c.Waiting,
		ReceivedAt: c.Received, DueAt: c.DueAt, UpdatedAt: c.Updated, InboundAt: c.InboundAt,
		Messages: c.Messages, Version: c.Version, ClaimNo: c.ClaimNo,
	}
}

// Snapshot is the state of some queues and of the operator's own cases at one
// place in the sequence of frames.
type Snapshot struct {
	Epoch  string
	Seq    uint64
	Queues []Queue
	Mine   []Mine // newest change first
}
