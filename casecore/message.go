package casecore

import (
	"errors"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
)

// Direction says which way a message goes.
type Direction string

// Directions. A note is for colleagues and never leaves.
const (
	In   Direction = "in"
	Out  Direction = "out"
	Note Direction = "note"
)

// Message is one text in a case's conversation, or a note beside it.
type Message struct {
	store.Meta
	Case       string           `json:"case"` // id
	Seq        int64            `json:"seq"`  // within the case, from 1
	Direction  Direction        `json:"direction"`
	Channel    string           `json:"channel,omitempty"`
	ExternalID string           `json:"external_id,omitempty"` // the provider's, inbound
	From       channels.Address `json:"from,omitzero"`
	To         channels.Address `json:"to,omitzero"`
	Author     string           `json:"author,omitempty"` // operator's id; empty for customers and rules
	AuthorName string           `json:"author_name,omitempty"`
	Auto       bool             `json:"auto,omitempty"`   // written by a machine, theirs or ours
	Status     string           `json:"status,omitempty"` // label of the status a notice tells of
	Template   string           `json:"template,omitempty"`
	Body       channels.Body    `json:"body"`
	Line       int64            `json:"line,omitempty"` // place in a hosted thread, 0 while not in one
	Delivery   *Delivery        `json:"delivery,omitempty"`
	Source     string           `json:"source,omitempty"` // blob of the raw form
	Broken     string           `json:"broken,omitempty"` // why it could not be read in full
	At         time.Time        `json:"at"`
	SentAt     time.Time        `json:"sent_at,omitzero"` // by the customer's clock
}

// Delivery is how an outbound message fares.
type Delivery struct {
	State    channels.State `json:"state"`
	At       time.Time      `json:"at"`
	Attempts []Attempt      `json:"attempts,omitempty"`
}

// Attempt is one try at delivering, on one channel.
type Attempt struct {
	No         int            `json:"no"`
	Channel    string         `json:"channel"`
	At         time.Time      `json:"at"`
	State      channels.State `json:"state"`
	ProviderID string         `json:"provider_id,omitempty"`
	Reason     string         `json:"reason,omitempty"` // of a failure, a channels.Reason
	Code       string         `json:"code,omitempty"`
	Detail     string         `json:"detail,omitempty"`
	NextAt     time.Time      `json:"next_at,omitzero"`
}

// ExternalKey is the key under which a provider's message is known: a repeat has
// the same one.
func ExternalKey(channel, externalID string) string {
	return store.HashID("external", channel, externalID)
}

// Keys of a message.
//
//	case      case, sequence
//	external  ExternalKey, unique: every inbound message is stored once
//	thread    ThreadKey, line: what the customer sees, in order
//	blob      hashes of attachments and raw form
func (m *Message) Keys() store.Keys {
	k := store.Keys{}
	k.Set("case", store.Join(m.Case, store.NumberKey(m.Seq)))
	if m.ExternalID != "" {
		k.Set("external", ExternalKey(m.Channel, m.ExternalID))
	}
	for _, f := range m.Body.Files {
		k.Add("blob", f.Blob)
	}
	k.Add("blob", m.Source)
	if m.Line > 0 {
		k.Set("thread", store.Join(ThreadKey(m.Channel, m.Customer()), store.NumberKey(m.Line)))
	}
	return k
}

// Customer is the customer's end of the message.
func (m *Message) Customer() channels.Address {
	if m.Direction == In {
		return m.From
	}
	return m.To
}

// Messages is the table of messages.
var Messages = store.NewTable[Message]("message",
	store.Index{Name: "case"},
	store.Index{Name: "external", Unique: true},
	store.Index{Name: "thread", Unique: true},
	store.Index{Name: "blob", Multi: true},
)

// Referenced says whether a message has these bytes as an attachment or raw form.
func Referenced(tx store.Tx, hash string) (bool, error) {
	_, err := Messages.Find(tx, "blob", hash)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
