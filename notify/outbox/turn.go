package outbox

import (
	"cmp"
	"errors"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
)

// turn is what one transaction does. It may run more than once: it changes
// nothing but tx and itself, and reads the clerk.
type turn struct {
	*clerk
	tx          store.Tx
	now         time.Time
	touched     int            // notices written without being sent
	ended       map[lease]bool // jobs that are over
	renewed     []*job
	lost        []*job // whose lease is another worker's now
	leased      []*job
	called      map[string]bool // notices that were written beside another, and cases of which one was given up, by id
	quarantined []string
	count       tally
	log         []func() // said after the commit
}

// tally counts what a turn does.
type tally struct{ sent, retried, uncertain, dead, fenced, rescued, cut uint64 }

func (t *tally) add(c *counters) {
	c.sent.Add(t.sent)
	c.retried.Add(t.retried)
	c.uncertain.Add(t.uncertain)
	c.dead.Add(t.dead)
	c.fenced.Add(t.fenced)
	c.rescued.Add(t.rescued)
	c.cut.Add(t.cut)
}

const (
	page     = 256 // notices of one kind that a turn looks at
	patience = 3   // turns that one notice may spoil

	unreadable = "unreadable" // the reason of a notice that spoiled as many
)

// run records what has ended first, so that a lane's next notice can go in the
// same turn.
func (t *turn) run() error {
	for _, step := range []func() error{t.quarantine, t.record, t.renew, t.rescue, t.await, t.lease} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// blame makes err the fault of one notice.
func blame(n *notify.Notice, err error) error {
	if err == nil || errors.Is(err, store.ErrClosed) {
		return err
	}
	return &fault{notice: n.ID, err: err}
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

// spoiled says that the notice has spoiled too many turns.
func (t *turn) spoiled(id string) bool { return t.faults[id] != nil && t.faults[id].times >= patience }

// quarantine gives up notices that spoil every turn, touching nothing but them.
func (t *turn) quarantine() error {
	for id, f := range t.faults {
		if !t.spoiled(id) {
			continue
		}
		t.quarantined = append(t.quarantined, id)
		for l := range t.jobs {
			if l.notice == id {
				t.ended[l] = true
			}
		}
		n, err := notify.Notices.Get(t.tx, id)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := t.isolate(n, f); err != nil {
			return err
		}
	}
	return nil
}

// isolate ends a notice that cannot be worked with: as sent when the provider has it,
// though its message cannot be told so.
func (t *turn) isolate(n *notify.Notice, f *fault) error {
	for _, r := range t.Finished {
		if r.job.notice.ID != n.ID || r.err != nil || !holds(r.job.notice, n) {
			continue
		}
		t.say(func() {
			t.o.Log.Error("notice sent, and its message cannot be written", "notice", n.ID, "case", n.CaseNumber, "err", f.err)
		})
		n.ProviderID = cmp.Or(r.receipt.ProviderID, n.ProviderID)
		if n.State = finalState(r.receipt.State); n.State != notify.Dead {
			return t.went(n)
		}
	}
	t.say(func() {
		t.o.Log.Error("notice given up: it cannot be worked with", "notice", n.ID, "case", n.CaseNumber, "err", f.err)
	})
	return t.bury(n, failure{reason: unreadable})
}

// record writes how sends ended. A result whose lease is over is dropped: its
// notice is another worker's by now.
func (t *turn) record() error {
	for _, r := range t.Finished {
		leased := r.job.notice
		if t.ended[leaseOf(leased)] {
			continue
		}
		t.ended[leaseOf(leased)] = true
		n, err := notify.Notices.Get(t.tx, leased.ID)
		if err != nil && !isNotFound(err) {
			return blame(leased, err)
		}
		if err != nil || !holds(leased, n) {
			t.count.fenced++
			t.say(func() { t.o.Log.Warn("late result dropped", "notice", leased.ID, "token", leased.Token) })
			continue
		}
		r.resolve(n)
		if err := t.settle(n, t.judge(n, r)); err != nil {
			return blame(n, err)
		}
	}
	return nil
}

// renew extends the leases of sends that go on, in the second half of their time.
// A send that has lost its lease is cancelled.
func (t *turn) renew() error {
	for _, j := range t.running() {
		if t.now.Sub(j.renewed) < t.o.Lease/2 || t.ended[leaseOf(j.notice)] {
			continue
		}
		n, err := notify.Notices.Get(t.tx, j.notice.ID)
		if err != nil {
			return blame(j.notice, err)
		}
		if !holds(j.notice, n) {
			t.lost = append(t.lost, j)
			continue
		}
		t.renewed = append(t.renewed, j)
		n.LeaseUntil = t.now.Add(t.o.Lease)
		if err := notify.Notices.Put(t.tx, n); err != nil {
			return blame(n, err)
		}
	}
	return nil
}

// holds says that the lease taken with leased is still the one of n.
func holds(leased, n *notify.Notice) bool {
	return n.State == notify.Sending && n.Token == leased.Token
}

// say keeps something to log for after the commit: the turn may run again.
func (t *turn) say(what func()) { t.log = append(t.log, what) }

// rescue takes over notices whose worker fell silent. Whether they were sent is
// not known.
func (t *turn) rescue() error {
	var lost []*notify.Notice
	for n, err := range t.leasedByOthers(t.tx) {
		if err != nil {
			return err
		}
		if t.silent(n, t.now) {
			if lost = append(lost, n); len(lost) == page {
				break
			}
		}
	}
	for _, old := range lost {
		n, err := notify.Notices.Get(t.tx, old.ID) // one before it may have sent on behind it
		if err != nil {
			return err
		}
		t.count.rescued++
		v := t.unsure(n, &channels.SendError{Reason: channels.Unsure, Err: errors.New("the sender stopped before it heard the answer")})
		if n.Attempts == 1 && v.state == notify.Uncertain && !v.held {
			v.next = t.now
		}
		if err := t.settle(n, v); err != nil {
			return blame(n, err)
		}
	}
	return nil
}

// lease takes as many due notices of each channel as it has workers free.
func (t *turn) lease() error {
	if t.Stopping {
		return nil
	}
	list, err := dueChannels(t.tx)
	if err != nil {
		return err
	}
	for _, channel := range list {
		free := t.free(channel, t.now, t.ended)
		if free <= 0 {
			continue
		}
		door := t.doors(channel)
		if door == nil {
			continue
		}
		if err := t.leaseOn(channel, door, free); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) leaseOn(channel string, door channels.Channel, free int) error {
	for free > 0 && t.touched < page {
		clear(t.called)
		due, err := t.due(channel, free)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, n := range due {
			if t.called[n.ID] || t.called[n.Case] {
				continue // what was read of it is old; it is read again
			}
			j, err := t.take(n, door)
			if err != nil {
				return blame(n, err)
			}
			if j == nil {
				t.touched++
				continue
			}
			t.leased = append(t.leased, j)
			free--
		}
	}
	return nil
}

// due returns at most limit notices of a channel that are due, the longest
// waiting first.
func (t *turn) due(channel string, limit int) ([]*notify.Notice, error) {
	var out []*notify.Notice
	for n, err := range notify.Notices.Scan(t.tx, dueRange(channel, t.now, limit)) {
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// take leases one due notice, or does what else is due with it and returns nil.
func (t *turn) take(n *notify.Notice, door channels.Channel) (*job, error) {
	if n.Stuck {
		return nil, t.bury(n, failure{reason: string(channels.Unsure)})
	}
	if t.now.Before(n.NotBefore) {
		n.NextAt = n.NotBefore
		return nil, notify.Notices.Put(t.tx, n)
	}
	if gone, err := t.outdated(n); err != nil || gone {
		return nil, err
	}
	if n.State == notify.Held {
		n.State = notify.Pending // the hold is over: it takes its place in its lane
		if err := notify.Notices.Put(t.tx, n); err != nil {
			return nil, err
		}
	}
	first, err := t.isFirst(n)
	if err != nil {
		return nil, err
	}
	if !first {
		return nil, t.wait(n)
	}
	if s, err := refusal(t.tx, n); err != nil {
		return nil, err
	} else if s != nil {
		return nil, t.refuse(n, s)
	}
	if asleep, err := t.asleep(n); err != nil || asleep {
		return nil, err
	}
	doubt := n.Doubt
	if doubt.IsZero() && n.State == notify.Uncertain {
		doubt = n.Created // left by a version that did not note it
	}
	n.Doubt = cmp.Or(doubt, t.now)
	n.State, n.Behind, n.LeaseUntil, n.NextAt = notify.Sending, false, t.now.Add(t.o.Lease), time.Time{}
	n.Token++
	n.Attempts++
	if refused(n.Receipt) {
		n.Receipt, n.Refusal = "", "" // of an earlier try
	}
	n.Tries++
	n.Began = t.now
	m, err := casecore.Messages.Get(t.tx, n.Message)
	if isNotFound(err) {
		return nil, t.bury(n, failure{reason: "message_lost"})
	}
	if err != nil {
		return nil, err
	}
	if err := notify.Notices.Put(t.tx, n); err != nil {
		return nil, err
	}
	var answers []string
	var subject string
	if !n.Aside {
		if answers, subject, err = conversation(t.tx, m); err != nil {
			return nil, err
		}
	}
	return &job{notice: n, door: door, leased: t.now, renewed: t.now, out: channels.Outbound{
		ID: m.ID, Channel: n.Channel, To: n.To, Answers: answers, Case: n.CaseNumber, Subject: subject,
		Auto: m.Auto, Status: m.Status, Body: m.Body, Doubt: doubt,
	}}, nil
}

// refuse gives up a notice whose address is shut by now. Its message says so, unless
// an earlier try may have arrived.
func (t *turn) refuse(n *notify.Notice, s *casecore.Shut) error {
	f := failure{reason: string(s.Reason), means: s.Reason, code: s.Code, known: true}
	if n.State == notify.Uncertain {
		return t.bury(n, f)
	}
	n.Tries++
	m, err := t.ledger.Attempted(t.tx, n.Message, casecore.Attempt{
		No: n.Tries, Channel: n.Channel, At: t.now, State: channels.Failed, Reason: f.reason, Code: f.code,
	})
	if err == nil {
		n.Proof = m.Proof()
	}
	if err := ignore(err); err != nil {
		return err
	}
	return t.bury(n, f)
}

// outdated ends a notice that was held while its case left the status which it tells
// of, and what its time called for when that is over. What the provider may have is
// for the ladder.
func (t *turn) outdated(n *notify.Notice) (bool, error) {
	if n.State == notify.Uncertain || n.State != notify.Held && !n.Timed() {
		return false, nil
	}
	gone, err := notify.Outdated(t.tx, n)
	if err != nil || !gone {
		return false, err
	}
	if err := notify.Drop(t.tx, t.ledger, n, notify.Left); err != nil {
		return false, err
	}
	return true, t.callUp(n)
}

// asleep holds a notice whose time has come in quiet hours, after tries that failed
// or behind others. It holds up nothing meanwhile. What the provider may have is for
// the ladder.
func (t *turn) asleep(n *notify.Notice) (bool, error) {
	if n.State == notify.Uncertain || !n.Doubt.IsZero() {
		return false, nil
	}
	at, err := t.o.Awake(t.tx, n, t.now)
	if err != nil || !at.After(t.now) {
		return false, err
	}
	n.State, n.Behind, n.NextAt = notify.Held, false, at
	if err := notify.Notices.Put(t.tx, n); err != nil {
		return false, err
	}
	return true, t.callUp(n)
}
