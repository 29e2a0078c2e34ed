package notify

import (
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// State is how far a notice has come.
type State string

// States. Unfinished ones are leased again until they end; Sent may yet become
// Delivered, Read or Dead by a receipt.
const (
	Held      State = "held"      // not to go out before NextAt: may still be taken back
	Pending   State = "pending"   // not tried yet
	Sending   State = "sending"   // leased by a worker until LeaseUntil
	Retry     State = "retry"     // tried; tried again at NextAt
	Uncertain State = "uncertain" // the provider may have it; sent again, or given up, at NextAt
	Sent      State = "sent"      // the provider has it
	Delivered State = "delivered"
	Read      State = "read"
	Dead      State = "dead"    // given up, for Reason; the case shows it
	Skipped   State = "skipped" // never to be tried, for Reason; no failure (N5)
)

// States lists them.
var States = []State{Held, Pending, Sending, Retry, Uncertain, Sent, Delivered, Read, Dead, Skipped}

// Unfinished lists the states of what is on its way.
var Unfinished = []State{Pending, Sending, Retry, Uncertain}

// Reasons of a notice to a customer who cannot be written to: there is no address,
// or each one is shut.
const (
	NoAddress = "no_address"
	AllShut   = "shut"
)

// Unplannable is the Reason of a notice that could not be written at all, time after
// time: its recipient or its words are at fault.
const Unplannable = "unplannable"

// Notice is one message on its way to one recipient: what the outbox works
// through. The words are the message's (N2); a notice holds none.
type Notice struct {
	store.Meta
	Event      string             `json:"event"` // id of the event that asked for it
	Case       string             `json:"case"`  // id
	CaseNumber string             `json:"case_number"`
	Message    string             `json:"message,omitempty"`  // id; also Outbound.ID, the same for each try
	Seq        int64              `json:"seq,omitempty"`      // of the message within its case
	Template   string             `json:"template,omitempty"` // empty for an operator's own words
	Channel    string             `json:"channel,omitempty"`
	To         channels.Address   `json:"to,omitzero"`
	State      State              `json:"state"`
	Stuck      bool               `json:"stuck,omitempty"`  // Uncertain and not to be sent again by itself
	Behind     bool               `json:"behind,omitempty"` // waits for an earlier one of its lane
	Attempts   int                `json:"attempts"`         // tries that count against the ladder
	Tries      int                `json:"tries"`            // all of them; numbers the attempts of the message
	Token      int64              `json:"token"`            // grows with each lease; a worker's write needs its own
	LeaseUntil time.Time          `json:"lease_until,omitzero"`
	NextAt     time.Time          `json:"next_at,omitzero"`
	NotBefore  time.Time          `json:"not_before,omitzero"` // the provider wants it no sooner, though it has kept its place
	Began      time.Time          `json:"began,omitzero"`      // the latest try, which the message tells of when it is over
	Doubt      time.Time          `json:"doubt,omitzero"`      // since when the provider may have it, until that is known
	Now        bool               `json:"now,omitempty"`       // somebody had it sent: quiet hours do not hold it
	ProviderID string             `json:"provider_id,omitempty"`
	Receipt    channels.State     `json:"receipt,omitempty"`    // the latest word of the provider
	AwaitUntil time.Time          `json:"await_until,omitzero"` // by when a receipt must say that a sent one arrived
	Refusal    channels.Reason    `json:"refusal,omitempty"`    // what follows from a Receipt that refuses
	Onward     bool               `json:"onward,omitempty"`     // its message went to the next address, too
	Reminder   int                `json:"reminder,omitempty"`   // which one of its status it is, from 1; 0: none
	Aside      bool               `json:"aside,omitempty"`      // for somebody else than the customer
	Late       casecore.EventKind `json:"late,omitempty"`       // what it tells of that did not follow its event; empty: of the event
	Reason     string             `json:"reason,omitempty"`     // why it is not sent
	HandledBy  string             `json:"handled_by,omitempty"` // who saw to one that did not arrive
	HandledAt  time.Time          `json:"handled_at,omitzero"`
	Created    time.Time          `json:"created"`
	Proof      string             `json:"proof,omitempty"`     // casecore.Message.Proof of its message
	Done       time.Time          `json:"done,omitzero"`       // when it was sent or given up
	Since      time.Time          `json:"since,omitzero"`      // when what it tells of happened
	SentAt     time.Time          `json:"sent_at,omitzero"`    // when the provider had taken it
	ArrivedAt  time.Time          `json:"arrived_at,omitzero"` // the first word that it arrived
}

// NoticeID is the id of the notice that an event causes with this template to
// this recipient: planned twice, it is inserted once (N1).
func NoticeID(event, recipient, template string) string {
	return store.HashID("notice", event, recipient, template)
}

// ProviderKey is the key under which a provider's own id is found.
func ProviderKey(channel, providerID string) string {
	return store.HashID("provider", channel, providerID)
}

// Keys of a notice.
//
//	due       channel, when to try next: what a worker may lease
//	lease     end of the lease, while it is being sent
//	await     AwaitUntil, while sent
//	held      case, event, while it may be taken back
//	lane      case, channel, event, sequence, until sent or given up: sent in this order
//	case      case, template, time of planning
//	story     case, time of planning
//	message   message
//	provider  ProviderKey
//	undelivered  time of planning, until somebody saw to it
//	state     state, time of planning
func (n *Notice) Keys() store.Keys {
	k := store.Keys{}
	switch n.State {
	case Sending:
		k.Set("lease", store.TimeKey(n.LeaseUntil))
	case Held, Pending, Retry, Uncertain:
		k.Set("due", store.Join(n.Channel, store.TimeKey(n.NextAt)))
	}
	if n.State == Sent && !n.AwaitUntil.IsZero() {
		k.Set("await", store.TimeKey(n.AwaitUntil))
	}
	if n.State == Held {
		k.Set("held", store.Join(n.Case, n.Event))
	}
	if n.InLane() {
		k.Set("lane", n.Lane()+n.place())
	}
	k.Set("case", store.Join(n.Case, n.Template, store.TimeKey(n.Created)))
	k.Set("story", store.Join(n.Case, store.TimeKey(n.Created)))
	k.Set("message", n.Message)
	if n.ProviderID != "" {
		k.Set("provider", ProviderKey(n.Channel, n.ProviderID))
	}
	if n.Undelivered() {
		k.Set("undelivered", store.TimeKey(n.Created))
	}
	k.Set("state", store.Join(string(n.State), store.TimeKey(n.Created)))
	return k
}

// InLane says that later messages of the same case and channel wait for it.
func (n *Notice) InLane() bool {
	switch n.State {
	case Pending, Sending, Retry:
		return true
	case Uncertain:
		return !n.Stuck
	}
	return false
}

// WaitBehind makes the notice, which the caller puts, wait for an earlier one of its
// lane. Whoever ends that one calls this one up. Another node that ends it at this
// moment does not see this one yet; so the earlier one is written, too, and the two
// are in conflict. The time is for the case that nobody calls.
func (n *Notice) WaitBehind(tx store.Tx, earlier *Notice, now time.Time) error {
	n.Behind, n.NextAt = true, now.Add(time.Minute)
	return Notices.Put(tx, earlier)
}

// Went notes when the provider had the notice, and when it said that it arrived.
// It is called behind each change to one of those states.
func (n *Notice) Went(now time.Time) {
	if n.SentAt.IsZero() {
		n.SentAt = now
	}
	if (n.State == Delivered || n.State == Read) && n.ArrivedAt.IsZero() {
		n.ArrivedAt = now
	}
}

// Lane is the prefix of the lane key of all that waits in the notice's lane. What
// is for the house waits for nothing that the customer is told, nor the other way.
func (n *Notice) Lane() string {
	if n.Aside {
		return store.Under(n.Case, "aside", n.To.Key())
	}
	return store.Under(n.Case, n.Channel)
}

// place is where in its lane the notice stands: messages go out in the order of
// the events that they tell of, and what its time calls for in that of its writing.
func (n *Notice) place() string {
	told := n.Event
	if n.Timed() {
		told = n.Message
	}
	return store.Join(told, store.NumberKey(n.Seq))
}

// Try is the latest try of a notice as it began. It is written to the message when it is
// over: what is known before stands in the notice alone.
func (n *Notice) Try() casecore.Attempt {
	return casecore.Attempt{No: n.Tries, Channel: n.Channel, At: n.Began, State: channels.Sending}
}

// Name tells the notice from others of the same event and recipient; it goes into
// its NoticeID.
func (n *Notice) Name() string { return noticeName(n.Template, n.Reminder, n.Late) }

// Timed says that the notice was told because of the time, and not because something
// happened: if that is over before it goes out, it does not.
func (n *Notice) Timed() bool { return n.Reminder > 0 || n.Late != "" }

// After says that the notice goes out after another one of its lane.
func (n *Notice) After(m *Notice) bool { return n.place() > m.place() }

// Notices is the table of notices.
var Notices = store.NewTable[Notice]("notice",
	store.Index{Name: "due"},
	store.Index{Name: "lease"},
	store.Index{Name: "held"},
	store.Index{Name: "await"},
	store.Index{Name: "lane"},
	store.Index{Name: "case"},
	store.Index{Name: "story"},
	store.Index{Name: "message"},
	store.Index{Name: "provider"},
	store.Index{Name: "undelivered"},
	store.Index{Name: "state"},
)

// Collections lists what this room keeps, for opening a store.
func Collections() []*store.Coll {
	return []*store.Coll{Notices.Coll(), budgets.Coll(), reminders.Coll()}
}

// by is who writes notices.
func by(centre string) casecore.Actor {
	a := casecore.System("notify")
	a.Name = centre
	return a
}
