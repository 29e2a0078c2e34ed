package webhook

import (
	"errors"
	"time"

	"casewire/casecore"
	"casewire/casecore/outside"
	"casewire/casecore/store"
)

// Recorder writes deliveries in the transactions in which what they tell of
// happens (casecore.Ledger.Outside): a commit that holds the event holds what is
// owed to each subscriber, and one that is undone owes nothing.
type Recorder struct {
	Subscriptions func() []Subscription
	Now           func() time.Time
}

// Record writes one delivery for each subscription that asks for what happened.
func (r Recorder) Record(tx store.Tx, h casecore.Happening) error {
	all := r.Subscriptions()
	if len(all) == 0 {
		return nil
	}
	name, ok := outside.Named(h)
	if !ok || !wanted(all, name) {
		return nil
	}
	if h.Case == nil {
		c, err := casecore.Cases.Get(tx, h.Message.Case)
		if errors.Is(err, store.ErrNotFound) {
			return nil // the case is gone: there is nothing to tell of it
		}
		if err != nil {
			return err
		}
		h.Case = c
	}
	now := r.Now()
	var e outside.HookEvent
	for i := range all {
		if !takes(&all[i], name, h) {
			continue
		}
		if e.ID == "" {
			e, _ = outside.Of(h, now)
		}
		if err := Deliveries.Put(tx, r.delivery(&all[i], h, e, now)); err != nil {
			return err
		}
	}
	return nil
}

func wanted(all []Subscription, name string) bool {
	for i := range all {
		if outside.Selector(all[i].Events).Takes(name) {
			return true
		}
	}
	return false
}

// takes says whether a subscription wants to hear of it. That a case leaves a queue
// is the business of both.
func takes(s *Subscription, name string, h casecore.Happening) bool {
	left := h.Event != nil && h.Event.Kind == casecore.Transferred && s.Takes(name, h.Event.From)
	return left || s.Takes(name, h.Case.Queue)
}

func (r Recorder) delivery(s *Subscription, h casecore.Happening, e outside.HookEvent, now time.Time) *Delivery {
	d := &Delivery{
		Meta: store.Meta{ID: deliveryID(s.ID, e.ID)}, Hook: s.ID, Case: h.Case.ID, Event: e,
		// Numbers of the timeline, and not times: nodes' clocks differ.
		Place: store.Join(store.NumberKey(h.Case.Events), store.NumberKey(outside.Rank(h))),
		State: Waiting, NextAt: now, Since: now,
	}
	if e.Data.Message != nil {
		d.Message = e.Data.Message.ID
	}
	return d
}
