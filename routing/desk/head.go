package desk

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
	"unique"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/channels"
)

// head is as much of a stored case as a board needs. What the customer wrote is
// not even decoded, so it cannot leak from a board.
type head struct {
	store.Meta
	Number    int64             `json:"number"`
	To        kindOf            `json:"to"`
	Status    string            `json:"status"`
	Stage     flow.Category     `json:"stage"`
	Priority  casecore.Priority `json:"priority"`
	Category  string            `json:"category"`
	Queue     string            `json:"queue"`
	Owner     string            `json:"owner"`
	OwnerName string            `json:"owner_name"`
	Received  time.Time         `json:"received"`
	DueAt     time.Time         `json:"due_at"`
	Waiting   bool              `json:"waiting"`
}

type kindOf struct {
	Kind channels.Kind `json:"kind"`
}

func headOf(d store.Doc) (*head, error) {
	h := new(head)
	if err := json.Unmarshal(d.Body, h); err != nil {
		return nil, fmt.Errorf("decode case %s: %w", d.ID, err)
	}
	h.Meta = store.Meta{ID: d.ID, Version: d.Version}
	return h, nil
}

// asCase is the head as a case, for the book's own judgement of it.
func (h *head) asCase() *casecore.Case {
	return &casecore.Case{
		Meta: h.Meta, Number: h.Number, Stage: h.Stage, Queue: h.Queue,
		Owner: h.Owner, OwnerName: h.OwnerName, Waiting: h.Waiting,
	}
}

func (h *head) onBoard() bool { return h.asCase().OnBoard() }

// entry is one waiting case in a line.
type entry struct {
	id       string
	version  uint64
	number   int64
	kind     string
	category string
	queue    string
	status   string
	priority casecore.Priority
	received time.Time
	due      time.Time
	sla      SLA
	alarm    uint64 // the one alarm that counts; see clock
	dirty    bool   // differs from what was shown
	shown    bool   // watchers of the queue have its card
	mark     uint64 // the flush that last saw it within the window
	survey   uint64 // the survey that last saw it in the store
	by       string // who took it, once it has left
}

// set takes over what the store says.
func (e *entry) set(h *head) {
	e.id, e.version, e.number = h.ID, h.Version, h.Number
	e.kind, e.category, e.queue, e.status = one(string(h.To.Kind)), one(h.Category), one(h.Queue), one(h.Status)
	e.priority, e.received, e.due = h.Priority, h.Received, h.DueAt
	e.dirty = true
}

// one returns the only copy of a string of which there are few.
func one(s string) string { return unique.Make(s).Value() }

func (e *entry) card(position int) Card {
	return Card{
		Number: (&casecore.Case{Number: e.number}).CaseNumber(), Queue: e.queue, ChannelKind: e.kind,
		Category: e.category, Priority: e.priority.String(), Status: e.status,
		ReceivedAt: e.received, DueAt: e.due, SLA: e.sla, Position: position,
	}
}

// compare is the order in which cases are taken, the one of the board index.
func (e *entry) compare(f *entry) int {
	return cmp.Or(cmp.Compare(e.priority, f.priority), e.received.Compare(f.received), cmp.Compare(e.id, f.id))
}
