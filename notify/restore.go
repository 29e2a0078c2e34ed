package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Restored is the Reason of a notice that was not finished when a backup was made.
// Whether it has gone out since, nobody here knows: sending it again is for a
// person to decide (F22).
const Restored = "restored"

const (
	// receiptsCome is how long after sending a receipt may still say that a message
	// did not arrive: mail servers try for days.
	receiptsCome = 14 * 24 * time.Hour
	restoreBatch = 200 // things of one transaction
)

// Settled counts what AfterRestore did.
type Settled struct {
	Notices int `json:"notices"` // unfinished ones, which wait for somebody's consent
	Events  int `json:"events"`  // ones that the post room had not read, and will not
}

// AfterRestore makes a store that was restored one that sends nothing by itself:
// an unfinished notice becomes an undelivered one, which Reach.Again can send;
// events that were not planned are not told of, and an operator's answer among
// them becomes an undelivered notice, too; what was sent is not sent on to another
// address, whatever is heard of it; reminders go on with the next that comes due.
// Nothing else may work with the store meanwhile.
func AfterRestore(ctx context.Context, st store.Store, l *casecore.Ledger) (Settled, error) {
	r := &restore{store: st, ledger: l}
	for _, s := range append([]State{Held}, Unfinished...) {
		if err := r.repeat(ctx, func(tx store.Tx) (int, error) { return r.withholdAll(tx, s) }); err != nil {
			return Settled{}, err
		}
	}
	if err := r.repeat(ctx, r.strikeAll); err != nil {
		return Settled{}, err
	}
	now := l.Now() // once: what is passed over is due a moment later
	if err := r.repeat(ctx, func(tx store.Tx) (int, error) { return passOver(tx, now) }); err != nil {
		return Settled{}, err
	}
	return r.Settled, r.keepSent(ctx)
}

type restore struct {
	Settled
	store  store.Store
	ledger *casecore.Ledger
	now    Settled // of this transaction
}

// repeat runs a step in transactions of its own until it finds less than a batch.
func (r *restore) repeat(ctx context.Context, step func(store.Tx) (found int, err error)) error {
	for found := restoreBatch; found == restoreBatch; {
		err := r.store.Update(ctx, func(tx store.Tx) (err error) {
			r.now = Settled{}
			found, err = step(tx)
			return err
		})
		if err != nil {
			return fmt.Errorf("withhold what was not sent: %w", err)
		}
		r.Notices += r.now.Notices
		r.Events += r.now.Events
	}
	return nil
}

// some reads a batch of notices.
func some(tx store.Tx, rng store.Range) ([]*Notice, error) {
	rng.Limit = restoreBatch
	var list []*Notice
	for n, err := range Notices.Scan(tx, rng) {
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// withholdAll ends what was on its way.
func (r *restore) withholdAll(tx store.Tx, s State) (int, error) {
	list, err := some(tx, store.Range{Index: "state", Prefix: store.Under(string(s))})
	if err != nil {
		return 0, err
	}
	for _, n := range list {
		if err := r.withhold(tx, n); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// withhold makes a notice one that did not arrive, on its case, too.
func (r *restore) withhold(tx store.Tx, n *Notice) error {
	r.now.Notices++
	if n.State == Sending {
		open := n.Try()
		open.State = channels.Uncertain
		if _, err := r.ledger.Attempted(tx, n.Message, open); unlessGone(err) != nil {
			return err
		}
	}
	n.State, n.Reason, n.Done = Dead, Restored, r.ledger.Now()
	n.Stuck, n.Behind, n.LeaseUntil, n.NextAt = false, false, time.Time{}, time.Time{}
	n.Tries++
	m, err := r.ledger.Attempted(tx, n.Message, casecore.Attempt{
		No: n.Tries, Channel: n.Channel, At: n.Done, State: channels.Failed, Reason: Restored,
	})
	if err == nil {
		n.Proof = m.Proof()
		err = r.ledger.Undelivered(tx, casecore.System("notify"), m, Restored)
	}
	if err := unlessGone(err); err != nil {
		return err
	}
	return Notices.Put(tx, n)
}

// unlessGone takes a case or a message that is gone as no fault: there is nobody to
// tell.
func unlessGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// strikeAll takes events off the planner's list.
func (r *restore) strikeAll(tx store.Tx) (int, error) {
	var list []*casecore.Event
	for e, err := range casecore.Events.Scan(tx, store.Range{Index: "pending", Prefix: casecore.PendingNotify, Limit: restoreBatch}) {
		if err != nil {
			return 0, err
		}
		list = append(list, e)
	}
	for _, e := range list {
		r.now.Events++
		if err := strike(tx, e, ""); err != nil {
			return 0, err
		}
		if e.Kind == casecore.Answered {
			if err := r.answer(tx, e); err != nil {
				return 0, err
			}
		}
	}
	return len(list), nil
}

// answer makes an undelivered notice of an operator's words that were not on their
// way yet.
func (r *restore) answer(tx store.Tx, e *casecore.Event) error {
	m, err := casecore.Messages.Get(tx, e.Message)
	if err != nil {
		return unlessGone(err)
	}
	c, err := casecore.Cases.Get(tx, e.Case)
	if err != nil {
		return unlessGone(err)
	}
	id := NoticeID(e.ID, m.To.Key(), "")
	if known, err := exists(tx, id); err != nil || known {
		return err
	}
	return r.withhold(tx, &Notice{
		Meta: store.Meta{ID: id}, Event: e.ID, Case: m.Case, CaseNumber: c.CaseNumber(), Message: m.ID, Seq: m.Seq,
		Channel: m.Channel, To: m.To, Created: r.ledger.Now(),
	})
}

// keepSent keeps what was sent lately from being sent on to another address: since
// the backup that may have happened already.
func (r *restore) keepSent(ctx context.Context) error {
	lately := store.Range{
		Index: "state", Prefix: store.Under(string(Sent)),
		From: store.Join(string(Sent), store.TimeKey(r.ledger.Now().Add(-receiptsCome))),
	}
	for found := restoreBatch; found == restoreBatch; {
		var last store.Mark
		err := r.store.Update(ctx, func(tx store.Tx) error {
			list, err := some(tx, lately)
			if err != nil {
				return err
			}
			found = len(list)
			for _, n := range list {
				last = store.Mark{Key: n.Keys()["state"][0], ID: n.ID}
				if n.Onward && n.AwaitUntil.IsZero() {
					continue
				}
				n.Onward, n.AwaitUntil = true, time.Time{}
				if err := Notices.Put(tx, n); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("keep what was sent: %w", err)
		}
		lately.After = last
	}
	return nil
}
