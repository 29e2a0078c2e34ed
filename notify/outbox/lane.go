package outbox

import (
	"fmt"
	"time"

	"casewire/casecore/store"
	"casewire/notify"
)

// isFirst says that the notice's lane has nothing before it.
func (t *turn) isFirst(n *notify.Notice) (bool, error) {
	for d, err := range t.tx.Scan(notify.Notices.Coll(), store.Range{Index: "lane", Prefix: n.Lane(), Limit: 1}) {
		return d.ID == n.ID, err
	}
	return false, fmt.Errorf("lane of %s: %w", n.ID, store.ErrNotFound)
}

// wait puts a notice behind the first one of its lane.
func (t *turn) wait(n *notify.Notice) error {
	first, err := notify.Notices.First(t.tx, store.Range{Index: "lane", Prefix: n.Lane()})
	if err != nil {
		return err
	}
	if err := n.WaitBehind(t.tx, first, t.now); err != nil {
		return err
	}
	t.called[first.ID] = true
	n.NextAt = later(n.NextAt, first.NextAt)
	if err := notify.Notices.Put(t.tx, n); err != nil {
		return err
	}
	return t.callUp(n)
}

// callUp makes the first notice of n's lane due, should it wait behind one that
// is gone.
func (t *turn) callUp(n *notify.Notice) error {
	id, err := callUp(t.tx, n, t.now)
	if id != "" {
		t.called[id] = true
	}
	return err
}

// callUp returns the id of the notice that it wrote.
func callUp(tx store.Tx, n *notify.Notice, now time.Time) (string, error) {
	first, err := notify.Notices.First(tx, store.Range{Index: "lane", Prefix: n.Lane()})
	if isNotFound(err) || err == nil && !first.Behind {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("lane of %s: %w", n.ID, err)
	}
	first.Behind, first.NextAt = false, now
	return first.ID, notify.Notices.Put(tx, first)
}
