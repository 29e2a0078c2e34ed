package notify

import (
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Slip says whether the status that a case got by e may still be taken back, because
// nobody has been told of it: within the hold, and for as long as a notice of it is
// held for quiet hours, unless somebody had one sent at once.
func (p *Policy) Slip(tx store.Tx, e *casecore.Event, now time.Time) (bool, error) {
	if p.Hold() <= 0 {
		return false, nil
	}
	soon := now.Before(e.At.Add(p.Hold()))
	for n, err := range Notices.Scan(tx, store.Range{Index: "case", Prefix: store.Under(e.Case)}) {
		if err != nil {
			return false, err
		}
		if n.Event != e.ID {
			continue
		}
		switch n.State {
		case Held:
			soon = true
		case Skipped, Dead:
		default:
			return false, nil
		}
	}
	return soon, nil
}
