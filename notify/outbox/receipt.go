package outbox

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
)

// Receipt takes in a provider's word on a message (channels.Sink). Words may come
// late, twice, in any order, and before the send itself has returned; the state
// only goes forward. One for a message that is not ours is counted and dropped.
// An error means that nothing was stored and the door must offer it again.
func (o *Outbox) Receipt(ctx context.Context, r channels.Receipt) error {
	var known, changed, dead bool
	var was, is notify.Notice
	err := o.store.Update(ctx, func(tx store.Tx) error {
		known, changed, dead = false, false, false
		n, err := find(tx, r)
		if isNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		known = true
		was = *n
		changed, dead, err = o.receipt(tx, n, r)
		is = *n
		return err
	})
	if err != nil {
		return fmt.Errorf("receipt on %s: %w", r.Channel, err)
	}
	switch {
	case !known:
		o.stats.unknown.Add(1)
	case changed:
		o.stats.receipts.Add(1)
		o.o.Came(was, is)
	}
	if dead {
		o.stats.dead.Add(1)
	}
	return nil
}

// find returns the notice that a receipt speaks of.
func find(tx store.Tx, r channels.Receipt) (*notify.Notice, error) {
	if r.OutboundID != "" {
		n, err := notify.Notices.Find(tx, "message", r.OutboundID)
		if err == nil && n.Channel != r.Channel {
			return nil, fmt.Errorf("message of another channel: %w", store.ErrNotFound)
		}
		if !isNotFound(err) || r.ProviderID == "" {
			return n, err
		}
	}
	if r.ProviderID == "" {
		return nil, fmt.Errorf("receipt without an id: %w", store.ErrNotFound)
	}
	return notify.Notices.Find(tx, "provider", notify.ProviderKey(r.Channel, r.ProviderID))
}

// Ours returns the Outbound.ID of the message that a channel's provider names so, or
// channels.ErrNotFound (channels.Env.Ours).
func (o *Outbox) Ours(ctx context.Context, channel, providerID string) (string, error) {
	var id string
	err := o.store.View(ctx, func(tx store.Tx) error {
		n, err := notify.Notices.Find(tx, "provider", notify.ProviderKey(channel, providerID))
		if isNotFound(err) {
			return channels.ErrNotFound
		}
		if err != nil {
			return err
		}
		id = n.Message
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("whose message it is on %s: %w", channel, err)
	}
	return id, nil
}

// receipt takes a provider's word over into the notice and its message.
func (o *Outbox) receipt(tx store.Tx, n *notify.Notice, r channels.Receipt) (changed, dead bool, err error) {
	if !channels.Later(n.Receipt, r.State) {
		return false, false, nil
	}
	now := o.o.Now()
	n.Refusal = r.Reason
	wasInLane := n.InLane()
	switch {
	case arrived(r.State):
		if n.State != notify.Sending && n.State != notify.Pending {
			n.State, n.Stuck, n.Reason, n.NextAt = finalState(r.State), false, "", time.Time{}
			if n.Done.IsZero() {
				n.Done = now
			}
			n.Went(now)
		}
	case refused(r.State):
		switch {
		case n.State == notify.Sending:
			// The send is not recorded yet: it decides, knowing this.
			n.Receipt, n.Reason = r.State, cmp.Or(r.Code, string(r.State))
			return true, false, notify.Notices.Put(tx, n)
		case n.State == notify.Sent, n.State == notify.Uncertain && n.Stuck:
			dead = true
			n.State, n.Stuck, n.Reason, n.Done = notify.Dead, false, cmp.Or(r.Code, string(r.State)), now
			n.NextAt = time.Time{}
		default:
			return false, false, nil // it is tried again, or over
		}
	default:
		return false, false, nil
	}
	n.Receipt = r.State
	if r.ProviderID != "" {
		n.ProviderID = r.ProviderID
	}
	if err := o.receipted(tx, n, r); err != nil {
		return false, false, err
	}
	if err := notify.Notices.Put(tx, n); err != nil {
		return false, false, err
	}
	if dead {
		if err := o.giveUp(tx, n, failure{reason: n.Reason, means: r.Reason, code: r.Code}); err != nil {
			return false, false, err
		}
	}
	if wasInLane && !n.InLane() {
		_, err := callUp(tx, n, now)
		return true, dead, err
	}
	return true, dead, nil
}

// receipted takes a provider's word over into the message, if that is still there.
func (o *Outbox) receipted(tx store.Tx, n *notify.Notice, r channels.Receipt) error {
	if n.State == notify.Sending { // it speaks of a try that the message does not know yet
		if _, err := o.ledger.Attempted(tx, n.Message, n.Try()); err != nil {
			return ignore(err)
		}
	}
	m, _, err := o.ledger.Receipted(tx, n.Message, r)
	if err == nil {
		n.Proof = m.Proof()
	}
	return ignore(err)
}
