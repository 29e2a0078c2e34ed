package casecore

import (
	"slices"
	"time"

	"casewire/channels"
)

// Witness says on whose word a delivery changed.
type Witness string

// Witnesses.
const (
	Sender   Witness = "sender"   // ours: what handing it to the provider came to
	Provider Witness = "provider" // the provider's own report
	House    Witness = "house"    // it does not go out after all
)

// Evidence is one change of a delivery, as it was written down when it happened.
// Entries are only ever added and form a chain, which begins at the message's
// Digest.
type Evidence struct {
	No      int64          `json:"no"` // from 1
	At      time.Time      `json:"at"`
	By      Witness        `json:"by,omitempty"`
	State   channels.State `json:"state"`          // of the delivery, thereafter
	Since   time.Time      `json:"since,omitzero"` // when it came into State, if not At
	Attempt *Attempt       `json:"attempt,omitempty"`
	Prev    string         `json:"prev,omitempty"` // Hash of the entry before, when that is not kept
	Hash    string         `json:"hash"`           // Digest
}

// maxEvidence is how many entries a delivery remembers: those of the first attempt
// and the latest.
const maxEvidence = 4 * maxAttempts

// testify adds what has just become of the message's delivery to its evidence. a is
// the attempt that changed, as it is now; nil for none.
func (m *Message) testify(by Witness, a *Attempt, now time.Time) {
	d := m.Delivery
	e := Evidence{No: 1, At: now, By: by, State: d.State}
	if !d.At.Equal(now) {
		e.Since = d.At
	}
	if a != nil {
		e.Attempt = a.copy()
	}
	prev := m.Proof()
	if prev == "" {
		prev = m.Digest()
	}
	if n := len(d.Evidence); n > 0 {
		e.No = d.Evidence[n-1].No + 1
	}
	e.Hash = e.Digest(prev)
	d.Evidence = append(d.Evidence, e)
	if len(d.Evidence) > maxEvidence {
		d.forget()
	}
}

// forget drops the oldest entry behind those of the first attempt. There is one gap,
// and what follows it keeps the seal that it was made behind.
func (d *Delivery) forget() {
	first := d.Evidence[0].Attempt
	at := 1
	for ; at < len(d.Evidence)-2; at++ {
		e := &d.Evidence[at]
		if e.Prev != "" || e.Attempt == nil || first == nil || e.Attempt.No != first.No {
			break
		}
	}
	d.Evidence[at+1].Prev = d.Evidence[at].Hash
	d.Evidence = slices.Delete(d.Evidence, at, at+1)
}

func (a *Attempt) copy() *Attempt {
	b := *a
	b.Refs = slices.Clone(a.Refs)
	return &b
}

// Proof is the seal of the latest evidence of how the message fares; "" while there
// is none.
func (m *Message) Proof() string {
	if m.Delivery == nil || len(m.Delivery.Evidence) == 0 {
		return ""
	}
	return m.Delivery.Evidence[len(m.Delivery.Evidence)-1].Hash
}
