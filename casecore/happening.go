package casecore

import (
	"casewire/casecore/store"
	"casewire/channels"
)

// Happening is one thing that happened to a case, as the verb that did it leaves
// it: an entry of the timeline, or a message that came to another state of its
// delivery. What it points to is the verb's own and not to be changed.
type Happening struct {
	Case    *Case    // nil with Message: not read
	Event   *Event   // nil with Message
	Message *Message // whose delivery is in another state
}

// happened lets whoever tells programs outside write that down, in the transaction
// in which it happened.
func (l *Ledger) happened(tx store.Tx, h Happening) error {
	if l.Outside == nil {
		return nil
	}
	return l.Outside(tx, h)
}

// putDelivery writes a message whose delivery was in another state before.
func (l *Ledger) putDelivery(tx store.Tx, m *Message, was channels.State) error {
	if err := Messages.Put(tx, m); err != nil || m.Delivery.State == was {
		return err
	}
	return l.happened(tx, Happening{Message: m})
}
