package casecore

import (
	"slices"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
)

// Revise gives a customer's message its edited text; what it said before stays as
// a version. An edit that is known already changes nothing.
func (l *Ledger) Revise(tx store.Tx, by Actor, m *Message, externalID string, body channels.Body, at time.Time) (*Case, error) {
	c, err := Cases.Get(tx, m.Case)
	if err != nil {
		return nil, err
	}
	if m.revised(externalID) {
		return c, nil
	}
	m.Versions = append(m.Versions, Version{ExternalID: externalID, Body: m.Body, At: l.Now()})
	if len(m.Versions) > maxVersions {
		m.Versions = slices.Delete(m.Versions, 1, 2)
	}
	m.Body = body
	if !at.IsZero() {
		m.SentAt = at
	}
	if err := Messages.Put(tx, m); err != nil {
		return nil, err
	}
	c.InboundAt, c.Waiting = l.Now(), true
	if err := l.record(tx, by, c, about(m, Event{Kind: Revised, Pending: l.word()})); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}

// maxVersions is how many versions a message remembers: the first and the latest.
const maxVersions = 20

func (m *Message) revised(externalID string) bool {
	return slices.ContainsFunc(m.Versions, func(v Version) bool { return v.ExternalID == externalID })
}

// Precede puts the original, which came late, before an edited version that is
// stored already.
func (l *Ledger) Precede(tx store.Tx, by Actor, edited *Message, original Message) (*Case, error) {
	c, err := Cases.Get(tx, edited.Case)
	if err != nil {
		return nil, err
	}
	edited.Versions = slices.Insert(edited.Versions, 0, Version{ExternalID: edited.ExternalID, Body: original.Body, At: l.Now()})
	edited.ExternalID, edited.Replaces = original.ExternalID, ""
	edited.Refs = append(edited.Refs, original.Refs...)
	if err := Messages.Put(tx, edited); err != nil {
		return nil, err
	}
	if err := l.record(tx, by, c, about(edited, Event{Kind: Revised})); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}
