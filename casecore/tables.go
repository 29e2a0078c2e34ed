package casecore

import "casewire/casecore/store"

// Collections lists what this room keeps, for opening a store.
func Collections() []*store.Coll {
	return []*store.Coll{
		Cases.Coll(), Customers.Coll(), Identities.Coll(), Messages.Coll(), Events.Coll(),
		counters.Coll(), memos.Coll(), ties.Coll(), rings.Coll(),
	}
}
