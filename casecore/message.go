package casecore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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
	Writer     channels.Address `json:"writer,omitzero"` // who wrote, when From is only where answers go
	To         channels.Address `json:"to,omitzero"`
	Author     string           `json:"author,omitempty"` // operator's id; empty for customers and rules
	AuthorName string           `json:"author_name,omitempty"`
	Auto       bool             `json:"auto,omitempty"`   // written by a machine, theirs or ours
	Status     string           `json:"status,omitempty"` // label of the status a notice tells of
	Template   string           `json:"template,omitempty"`
	Body       channels.Body    `json:"body"`
	Versions   []Version        `json:"versions,omitempty"` // what it said before its sender edited it, oldest first
	Replaces   string           `json:"replaces,omitempty"` // ExternalID of its original, while only the edited version has come
	Refs       []string         `json:"refs,omitempty"`     // names by which answers refer to it
	Topic      string           `json:"topic,omitempty"`    // its subject without "Re:" and the like
	Copy       string           `json:"copy,omitempty"`     // the same for all copies of one message
	CopyOf     string           `json:"copy_of,omitempty"`  // id of the copy that came first, on another channel
	Instead    string           `json:"instead,omitempty"`  // id of the message that did not arrive, of which this is a repeat on another channel
	Line       int64            `json:"line,omitempty"`     // place in a hosted thread, 0 while not in one
	Delivery   *Delivery        `json:"delivery,omitempty"`
	Source     string           `json:"source,omitempty"` // blob of the raw form
	Raw        []byte           `json:"raw,omitempty"`    // the raw form itself, when it is small
	Broken     string           `json:"broken,omitempty"` // why it could not be read in full
	At         time.Time        `json:"at"`
	SentAt     time.Time        `json:"sent_at,omitzero"` // by the customer's clock
}

// Version is what an edited message said before.
type Version struct {
	ExternalID string        `json:"external_id"` // of the edit that ended this version
	Body       channels.Body `json:"body"`
	At         time.Time     `json:"at"`
}

// Delivery is how an outbound message fares.
type Delivery struct {
	State    channels.State `json:"state"`
	At       time.Time      `json:"at"`
	Attempts []Attempt      `json:"attempts,omitempty"`
	Evidence []Evidence     `json:"evidence,omitempty"` // of every change of the above, in order
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
	Refs       []string       `json:"refs,omitempty"` // further names that the provider gave it
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
//	ref       RefKey of each of its names, CopyKey, ReplacesKey
func (m *Message) Keys() store.Keys {
	k := store.Keys{}
	k.Set("case", store.Join(m.Case, store.NumberKey(m.Seq)))
	if m.ExternalID != "" {
		k.Set("external", ExternalKey(m.Channel, m.ExternalID))
	}
	for _, f := range m.files() {
		k.Add("blob", f.Blob)
	}
	k.Add("blob", m.Source)
	m.refKeys(k)
	if m.Line > 0 {
		k.Set("thread", store.Join(ThreadKey(m.Channel, m.Customer()), store.NumberKey(m.Line)))
	}
	return k
}

// files are those of all its versions, each once.
func (m *Message) files() []channels.File {
	all := slices.Clone(m.Body.Files)
	for _, v := range m.Versions {
		for _, f := range v.Body.Files {
			if !slices.ContainsFunc(all, func(g channels.File) bool { return g.Blob == f.Blob }) {
				all = append(all, f)
			}
		}
	}
	return all
}

// RefKey is the key of a name by which messages of a kind refer to each other.
func RefKey(kind channels.Kind, name string) string { return store.HashID("ref", string(kind), name) }

// CopyKey is the key that all copies of one message have.
func CopyKey(kind channels.Kind, sum string) string { return store.HashID("copy", string(kind), sum) }

// ReplacesKey is the key of an edited message whose original has not come yet.
func ReplacesKey(channel, externalID string) string {
	return store.HashID("replaces", channel, externalID)
}

// maxRefs is how many names one message may have.
const maxRefs = 32

func (m *Message) refKeys(k store.Keys) {
	kind := m.Customer().Kind
	names := slices.Clone(m.Refs)
	if m.Delivery != nil && !kind.Hosted() {
		for _, a := range m.Delivery.Attempts {
			names = append(append(names, a.ProviderID), a.Refs...)
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(s string) bool { return s == "" })
	for _, name := range names[:min(len(names), maxRefs)] {
		k.Add("ref", RefKey(kind, name))
	}
	if m.Copy != "" && m.CopyOf == "" {
		k.Add("ref", CopyKey(kind, m.Copy))
	}
	if m.Replaces != "" {
		k.Add("ref", ReplacesKey(m.Channel, m.Replaces))
	}
}

// HasSource says that the raw form was kept.
func (m *Message) HasSource() bool { return m.Source != "" || len(m.Raw) > 0 }

// OpenSource returns the raw form; channels.ErrNotFound when none was kept.
func (m *Message) OpenSource(ctx context.Context, files channels.Files) (io.ReadSeekCloser, error) {
	switch {
	case len(m.Raw) > 0:
		return raw{bytes.NewReader(m.Raw)}, nil
	case m.Source != "" && files != nil:
		return files.Open(ctx, m.Source)
	}
	return nil, fmt.Errorf("raw form of message %s: %w", m.ID, channels.ErrNotFound)
}

type raw struct{ *bytes.Reader }

// Close does nothing.
func (raw) Close() error { return nil }

// Names lists what answers call the message, the best known first.
func (m *Message) Names() []string {
	names := slices.Clone(m.Refs)
	if m.Delivery != nil {
		for _, a := range slices.Backward(m.Delivery.Attempts) {
			if a.ProviderID != "" && !slices.Contains(names, a.ProviderID) {
				names = append(names, a.ProviderID)
			}
		}
	}
	return names
}

// Sent says that the message is meant to leave the house: to the customer, or as a
// note to somebody who is told beside them (Ledger.Inform).
func (m *Message) Sent() bool {
	return m.Direction == Out || m.Direction == Note && m.To.Handle != ""
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
	store.Index{Name: "ref", Multi: true},
)

// Referenced says whether a message has these bytes as an attachment or raw form.
func Referenced(tx store.Tx, hash string) (bool, error) {
	_, err := Messages.Find(tx, "blob", hash)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
