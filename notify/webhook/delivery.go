package webhook

import (
	"time"

	"casewire/casecore/outside"
	"casewire/casecore/store"
)

// State is how far a delivery has come.
type State string

// States.
const (
	Waiting State = "waiting" // to be sent at NextAt, or when what is before it is over
	Sending State = "sending" // leased by a worker until LeaseUntil
	Done    State = "done"    // the receiver has taken it
	Dead    State = "dead"    // given up, for Reason; may be sent again by hand
)

// States lists them.
var States = []State{Waiting, Sending, Done, Dead}

// Delivery is one event on its way to one subscriber. What people wrote is not in
// it: whoever asked for content gets it as it is when it is sent.
type Delivery struct {
	store.Meta
	Hook       string            `json:"hook"`              // id of the subscription
	Case       string            `json:"case"`              // id
	Place      string            `json:"place"`             // among those of its case
	Message    string            `json:"message,omitempty"` // id
	Event      outside.HookEvent `json:"event"`
	State      State             `json:"state"`
	Behind     bool              `json:"behind,omitempty"` // waits for an earlier one of its lane
	Attempts   int               `json:"attempts"`         // since Since; chooses the step of the ladder
	Tries      int               `json:"tries"`            // all of them
	Token      int64             `json:"token"`            // grows with each lease; a worker's write needs its own
	LeaseUntil time.Time         `json:"lease_until,omitzero"`
	NextAt     time.Time         `json:"next_at,omitzero"`
	Since      time.Time         `json:"since"`            // when it was written, or asked for again
	Status     int               `json:"status,omitempty"` // of the last answer
	Reason     string            `json:"reason,omitempty"` // why the last try failed
	Done       time.Time         `json:"done,omitzero"`
}

// deliveryID is the id of the delivery of an event to a subscription.
func deliveryID(hook, event string) string { return store.HashID("webhook", hook, event) }

// Keys of a delivery.
//
//	due     subscription, when to try next
//	behind  subscription, when to look again whether anything is still before it
//	lease   end of the lease, while it is being sent
//	lane    subscription, case, place, until it is over: sent in this order
//	list    subscription, state, time of the event
//	period  subscription, time of the event
//	over    when it was over
func (d *Delivery) Keys() store.Keys {
	k := store.Keys{}
	at := store.TimeKey(d.Event.Timestamp)
	switch {
	case d.State == Sending:
		k.Set("lease", store.TimeKey(d.LeaseUntil))
	case d.State == Waiting && d.Behind:
		k.Set("behind", store.Join(d.Hook, store.TimeKey(d.NextAt)))
	case d.State == Waiting:
		k.Set("due", store.Join(d.Hook, store.TimeKey(d.NextAt)))
	default:
		k.Set("over", store.TimeKey(d.Done))
	}
	if d.State == Waiting || d.State == Sending {
		k.Set("lane", d.lane()+d.Place)
	}
	k.Set("list", store.Join(d.Hook, string(d.State), at))
	k.Set("period", store.Join(d.Hook, at))
	return k
}

// lane is the prefix of the lane key of all that goes one behind the other.
func (d *Delivery) lane() string { return store.Under(d.Hook, d.Case) }

// again makes the delivery due anew, with all its patience.
func (d *Delivery) again(now time.Time) {
	d.State, d.Behind, d.Attempts, d.Since, d.NextAt, d.LeaseUntil, d.Done = Waiting, false, 0, now, now, time.Time{}, time.Time{}
}

// Deliveries is the table of deliveries.
var Deliveries = store.NewTable[Delivery]("webhook_delivery",
	store.Index{Name: "due"},
	store.Index{Name: "behind"},
	store.Index{Name: "lease"},
	store.Index{Name: "lane"},
	store.Index{Name: "list"},
	store.Index{Name: "period"},
	store.Index{Name: "over"},
)

// Health is how the receiver of a subscription fares, for all nodes.
type Health struct {
	store.Meta           // id of the subscription
	Target     string    `json:"target"`             // which receiver this is about
	Fails      int       `json:"fails,omitempty"`    // tries in a row that failed
	Pauses     int       `json:"pauses,omitempty"`   // that were made since they fail
	Since      time.Time `json:"since,omitzero"`     // since when they fail
	Until      time.Time `json:"until,omitzero"`     // nothing is tried before
	Hurry      bool      `json:"hurry,omitempty"`    // it works again: what waits goes now
	Succeeded  time.Time `json:"succeeded,omitzero"` // the last time, within a few seconds
	Status     int       `json:"status,omitempty"`   // of the last failure
	Reason     string    `json:"reason,omitempty"`   // of the last failure
	Gone       time.Time `json:"gone,omitzero"`      // the receiver said that it is gone for good
}

// Keys of a health: none.
func (*Health) Keys() store.Keys { return nil }

var healths = store.NewTable[Health]("webhook_health")

// Collections lists what this room keeps, for opening a store.
func Collections() []*store.Coll { return []*store.Coll{Deliveries.Coll(), healths.Coll()} }
