package outbox

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
	"time"

	"casewire/channels"
	"casewire/notify"
)

// verdict is what becomes of a notice after a try.
type verdict struct {
	state   notify.State
	held    bool
	free    bool      // the try does not count against the ladder
	next    time.Time // when unfinished
	place   time.Time // in the channel's queue; zero: next
	receipt channels.Receipt
	err     *channels.SendError
}

// placeKept is how often a notice may be throttled before it goes to the end of the
// queue: its provider may mean it alone.
const placeKept = 5

// judge decides by how the send ended, and by what the provider may have reported
// of it already.
func (t *turn) judge(n *notify.Notice, r *result) verdict {
	if arrived(n.Receipt) {
		return verdict{state: finalState(n.Receipt), receipt: r.receipt}
	}
	if refused(n.Receipt) && (r.err == nil || r.err.Reason == channels.Unsure) {
		return lost(n, r.receipt)
	}
	if r.err == nil {
		v := verdict{state: finalState(r.receipt.State), receipt: r.receipt}
		if v.state == notify.Dead {
			return lost(n, r.receipt)
		}
		return v
	}
	e := r.err
	switch {
	case r.cut && e.Reason != channels.Unsure:
		t.count.cut++
		return verdict{state: notify.Retry, free: true, next: t.now, err: e}
	case e.Reason == channels.Unsure:
		v := t.unsure(n, e)
		if r.cut && !v.held {
			t.count.cut++
			v.state, v.free, v.next = notify.Uncertain, true, t.now
		}
		return v
	case e.Reason == channels.Misset, e.Reason == channels.Throttled:
		v := verdict{state: notify.Retry, free: true, next: later(t.now.Add(e.RetryAfter), t.gate(n.Channel).until), err: e}
		if e.Reason == channels.Throttled && n.Tries-n.Attempts < placeKept {
			v.place = n.Created // the gate holds it until then; behind thousands of others it would wait for all of them
		}
		return v
	case !e.Retry:
		return verdict{state: notify.Dead, err: e}
	}
	return t.again(n, notify.Retry, e)
}

// lost ends what the provider took and reported as not delivered.
func lost(n *notify.Notice, r channels.Receipt) verdict {
	why := channels.Reason(cmp.Or(n.Reason, string(channels.Undelivered)))
	return verdict{state: notify.Dead, receipt: r, err: &channels.SendError{Reason: why, Code: r.Code}}
}

// unsure decides by the channel's policy on what may have been sent.
func (t *turn) unsure(n *notify.Notice, e *channels.SendError) verdict {
	if arrived(n.Receipt) {
		return verdict{state: finalState(n.Receipt)}
	}
	if refused(n.Receipt) {
		return lost(n, channels.Receipt{})
	}
	t.count.uncertain++
	if t.o.Doubt(n.Channel, n.To.Kind) == Hold {
		return verdict{state: notify.Uncertain, held: true, next: t.now.Add(t.o.Holding), err: e}
	}
	return t.again(n, notify.Uncertain, e)
}

// again climbs the ladder, to its end.
func (t *turn) again(n *notify.Notice, s notify.State, e *channels.SendError) verdict {
	ladder := t.o.Ladder(n.To.Kind)
	if n.Attempts > len(ladder) {
		return verdict{state: notify.Dead, err: e}
	}
	wait := spread(ladder[max(n.Attempts, 1)-1], t.o.Rand())
	return verdict{state: s, next: t.now.Add(max(wait, e.RetryAfter)), err: e}
}

// settle writes a verdict to the notice and to its message, and calls up the next
// one of the lane.
func (t *turn) settle(n *notify.Notice, v verdict) error {
	a := n.Try()
	a.State, a.NextAt, a.Code = shown(v), v.next, v.receipt.Code
	n.State, n.Stuck, n.NextAt, n.LeaseUntil = v.state, v.held, v.next, time.Time{}
	n.NotBefore = time.Time{}
	if !v.place.IsZero() {
		n.NextAt, n.NotBefore = v.place, v.next
	}
	if id := v.receipt.ProviderID; id != "" {
		n.ProviderID, a.ProviderID = id, id
	}
	a.Refs = v.receipt.Refs
	if v.free {
		n.Attempts--
	}
	n.Reason = ""
	if v.err != nil {
		n.Reason = string(v.err.Reason)
		a.Reason, a.Code, a.Detail = n.Reason, v.err.Code, detail(v.err.Err)
		t.say(func() {
			t.o.Log.Warn("notice not sent", "notice", n.ID, "case", n.CaseNumber, "channel", n.Channel,
				"state", n.State, "reason", n.Reason, "code", a.Code, "attempt", a.No)
		})
	}
	m, err := t.ledger.Attempted(t.tx, n.Message, a)
	if err != nil {
		return err
	}
	n.Proof = m.Proof()
	switch v.state {
	case notify.Dead:
		return t.bury(n, failure{reason: n.Reason, means: cmp.Or(n.Refusal, v.err.Reason), code: v.err.Code})
	case notify.Retry, notify.Uncertain:
		t.count.retried++
		if err := notify.Notices.Put(t.tx, n); err != nil || n.InLane() {
			return err
		}
		return t.callUp(n)
	}
	return t.went(n)
}

// went ends a notice that the provider has.
func (t *turn) went(n *notify.Notice) error {
	t.count.sent++
	n.Done, n.NextAt, n.LeaseUntil = t.now, time.Time{}, time.Time{}
	was := *n
	n.Went(t.now)
	t.came(was, n)
	if wait := t.o.Receipt(); wait > 0 && n.State == notify.Sent && n.Template != "" && n.To.Kind.Receipts() {
		n.AwaitUntil = t.now.Add(wait)
	}
	if err := notify.Notices.Put(t.tx, n); err != nil {
		return err
	}
	return t.callUp(n)
}

// bury ends a notice that is given up, and says so on the case.
func (t *turn) bury(n *notify.Notice, f failure) error {
	t.count.dead++
	n.State, n.Stuck, n.Reason, n.Done = notify.Dead, false, f.reason, t.now
	n.NextAt, n.LeaseUntil = time.Time{}, time.Time{}
	t.came(*n, n)
	if err := notify.Notices.Put(t.tx, n); err != nil {
		return err
	}
	if err := t.giveUp(t.tx, n, f); err != nil {
		return err
	}
	t.called[n.Case] = true // it may go on behind another one of its case
	return t.callUp(n)
}

// came tells of a notice as it is now, once that is committed.
func (t *turn) came(was notify.Notice, n *notify.Notice) {
	is := *n
	t.say(func() { t.o.Came(was, is) })
}

// shown is the state that people see at the try.
func shown(v verdict) channels.State {
	switch v.state {
	case notify.Retry:
		return channels.Queued
	case notify.Uncertain:
		return channels.Uncertain
	case notify.Dead:
		return channels.Failed
	case notify.Delivered:
		return channels.Delivered
	case notify.Read:
		return channels.Read
	}
	return channels.Sent
}

// finalState is the notice's state after a provider's word that is no error.
func finalState(s channels.State) notify.State {
	switch s {
	case channels.Delivered:
		return notify.Delivered
	case channels.Read:
		return notify.Read
	case channels.Undelivered, channels.Failed:
		return notify.Dead
	}
	return notify.Sent
}

// arrived says that a receipt proves that the provider has the message.
func arrived(s channels.State) bool {
	return s == channels.Sent || s == channels.Delivered || s == channels.Read
}

func refused(s channels.State) bool { return s == channels.Undelivered || s == channels.Failed }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// detail is the cause of a failure for people, without the address that was
// called: that may hold a secret.
func detail(err error) string {
	if err == nil {
		return ""
	}
	if called, ok := errors.AsType[*url.Error](err); ok {
		err = called.Err
	}
	s := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " ")
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
