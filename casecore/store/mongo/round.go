package mongo

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of one round.
const (
	maxTries = 4                    // before its functions are run on newer snapshots
	maxBytes = 12 << 20             // of bodies; one function alone may have more
	company  = 2 * time.Millisecond // how long a few wait for those on their way
)

// errStopped marks a commit that a crash point refused: it certainly did not
// happen.
var errStopped = errors.New("stopped before the commit")

// round is a group on its way to a commit.
type round struct {
	w       *writer
	ahead   *flight // the round before, whose commit is not done yet; nil: none
	spoiled bool    // what was run on top of others must be run anew
	group   []*request
	pending *layer
	bytes   int        // of bodies in pending
	rest    []*request // for whom there was no room
}

// flight is a round whose commit is on its way.
type flight struct {
	rd     *round
	landed chan error
}

// land ends a flight that went well, but for its callers, who have yet to be told; they of
// any other have their answers. rest is for whom there was no room.
func (f *flight) land(err error) (done *round, rest []*request) {
	switch {
	case f == nil:
		return nil, nil
	case err != nil:
		return nil, f.rd.settle(err)
	}
	f.rd.published()
	return f.rd, f.rd.leftover()
}

// form takes requests in until there is one and nothing is ahead. What the round
// ahead is about to commit counts as committed meanwhile, so that nothing but the
// commit itself keeps the next one waiting. It returns whether there will
// be more, and how the commit ahead ended.
func (rd *round) form(rest []*request) (open bool, landed error) {
	rd.admit(rest)
	var ahead chan error
	if rd.ahead != nil {
		ahead = rd.ahead.landed
	}
	queue := rd.w.queue
	for ahead != nil || len(rd.group) == 0 {
		if rd.full() {
			queue = nil
		}
		select {
		case r, ok := <-queue:
			switch {
			case ok:
				rd.admit(rd.w.gather(r, rd.w.s.opts.MaxGroup-len(rd.group)))
			case ahead == nil:
				return false, nil
			default:
				queue = nil
			}
		case err := <-ahead:
			return true, err
		}
	}
	return true, nil
}

// few reports whether many are on their way here and few, or none, have arrived.
func (rd *round) few() bool {
	updates := int(rd.w.s.updating.Load())
	return len(rd.group) == 0 || updates >= crowd && len(rd.group) < updates/4
}

// full reports whether there is no room for more.
func (rd *round) full() bool {
	return len(rd.group) >= rd.w.s.opts.MaxGroup || len(rd.rest) > 0
}

// linger waits a little for company when there are few: a commit takes about as long for
// one as for a dozen, and they would wait for it.
func (rd *round) linger() {
	t := time.NewTimer(company)
	defer t.Stop()
	for rd.few() && len(rd.group) > 0 && !rd.full() {
		select {
		case r, ok := <-rd.w.queue:
			if !ok {
				return
			}
			rd.admit(rd.w.gather(r, rd.w.s.opts.MaxGroup-len(rd.group)))
		case <-t.C:
			return
		}
	}
}

// admit takes requests into the round. Their callers may still leave.
func (rd *round) admit(list []*request) {
	list = slices.DeleteFunc(list, func(r *request) bool { return !r.take() })
	if len(list) == 0 {
		return
	}
	if err := rd.w.s.check("store.begin"); err != nil {
		for _, r := range list {
			r.done <- err
		}
		return
	}
	had, left := len(rd.group), len(rd.rest)
	rd.add(list)
	for _, r := range rd.group[had:] {
		r.release()
	}
	for _, r := range rd.rest[left:] {
		r.release()
	}
}

// claim has nobody leave any more. It reports whether all that was run holds: others may
// have built on what is not there now.
func (rd *round) claim() bool {
	had := len(rd.group)
	rd.group = slices.DeleteFunc(rd.group, func(r *request) bool { return !r.take() })
	return !rd.spoiled && len(rd.group) == had
}

// launch sends the commit off, after what no longer holds was run anew; nil when there is
// nobody left.
func (rd *round) launch(holds bool) *flight {
	if !holds {
		rd.gather()
	}
	if len(rd.group) == 0 {
		return nil
	}
	rd.w.s.stats.groups.Add(1)
	rd.pending.sent = true
	f := &flight{rd: rd, landed: make(chan error, 1)}
	go func() { f.landed <- rd.commit() }()
	return f
}

// leftover gives away those for whom there was no room.
func (rd *round) leftover() []*request {
	rest := rd.rest
	rd.rest = nil
	return rest
}

// serve brings a group to its commit, with nothing ahead and nothing behind it, and
// answers everybody. It returns those for whom there was no room.
func (w *writer) serve(group []*request) (rest []*request) {
	w.s.stats.groups.Add(1)
	rd := &round{w: w, group: group}
	if rd.gather(); len(rd.group) == 0 {
		return rd.leftover()
	}
	return rd.settle(rd.commit())
}

// settle answers everybody when the commit ended well, and tries again when it did
// not. It returns those for whom there was no room.
func (rd *round) settle(err error) (rest []*request) {
	w := rd.w
	for tries, wait := 1, w.s.patience(); ; tries++ {
		if err == nil {
			rd.published()
			rd.answer(nil)
			return rd.leftover()
		}
		w.s.stats.retries.Add(1)
		if !errors.Is(err, errRefused) && !isTransient(err) || errors.Is(err, ErrUnknown) || errors.Is(err, errStopped) {
			if len(rd.group) > 1 && !errors.Is(err, ErrUnknown) && !errors.Is(err, errStopped) {
				return rd.alone()
			}
			rd.answer(fmt.Errorf("commit: %w", err))
			return rd.leftover()
		}
		found, learnErr := w.learn(rd.pending)
		if learnErr != nil && !isTransient(learnErr) {
			rd.answer(fmt.Errorf("commit: %w", learnErr))
			return rd.leftover()
		}
		if tries >= maxTries && !isAway(err) {
			if len(rd.group) > 1 {
				return rd.alone()
			}
			rd.answer(&againError{err})
			return rd.leftover()
		}
		if found == 0 { // else there is news to go on with
			if e := wait.pause(w.s.base); e != nil {
				rd.answer(fmt.Errorf("%w: %w", e, err))
				return rd.leftover()
			}
		}
		if rd.gather(); len(rd.group) == 0 {
			return rd.leftover()
		}
		err = rd.commit()
	}
}

// alone brings everybody to a commit of their own, so that one whom the server
// refuses is in nobody's way.
func (rd *round) alone() (rest []*request) {
	for _, r := range rd.group {
		rest = append(rest, rd.w.serve([]*request{r})...)
	}
	return append(rest, rd.leftover()...)
}

// gather makes pending anew of what the functions of the group wrote.
func (rd *round) gather() {
	list := rd.group
	rd.group, rd.pending, rd.bytes = nil, newLayer(), 0
	rd.add(list)
}

// add puts what the functions wrote on top of what is pending, and runs those again
// that something has overtaken.
func (rd *round) add(list []*request) {
	rd.renewStale(list)
	for i, r := range list {
		if rd.bytes > maxBytes {
			rd.rest = append(rd.rest, list[i:]...)
			return
		}
		if err := r.ctx.Err(); err != nil {
			r.done <- err
			continue
		}
		if rd.fit(r) {
			rd.group = append(rd.group, r)
			if r.err == nil {
				r.tx.own.encode()
				rd.pending.merge(r.tx.own)
				rd.bytes += r.tx.own.bytes()
			}
		}
	}
}

// fit sees to it that the last run of a function holds on top of what is pending.
// It answers those for whom this cannot be done here.
func (rd *round) fit(r *request) bool {
	s, over := rd.w.s, rd.over(r)
	switch {
	case r.early:
		stands := !r.late && r.tx.stands(over)
		if end := r.goOn(over, stands); end.gone || stands {
			s.stats.waited.Add(1)
			return rd.accept(r, r.tx, end)
		}
	case !r.late && r.tx.fits(over):
		return true
	case !r.late:
		s.contended.note(r.tx, over)
	}
	if r.tx.torn(over) {
		rd.renew([]*request{r})
		over = rd.over(r)
	}
	s.stats.reruns.Add(1)
	tx := &tx{ctx: r.ctx, s: s, snap: r.tx.snap, over: over, own: newLayer(), again: true}
	r.turn <- tx
	return rd.accept(r, tx, <-r.ran)
}

// accept takes over a run on top of what is pending.
func (rd *round) accept(r *request, tx *tx, end outcome) bool {
	switch {
	case end.gone:
		return false
	case tx.broken != nil:
		r.done <- again(r.ctx, tx.broken)
		return false
	case end.err != nil && (tx.over.mixed() || tx.hoped): // it may have failed of the mixture, or of what it hoped
		r.done <- &againError{end.err}
		return false
	}
	r.tx, r.late, r.err = tx, true, end.err
	return true
}

// over is what the process has committed since the snapshot of a function, what is
// about to be, and what the round has so far.
func (rd *round) over(r *request) layers {
	over := rd.w.s.history.since(r.seq)
	if rd.ahead != nil {
		over = append(over, rd.ahead.rd.pending)
	}
	return append(over, rd.pending)
}

// renewStale gives new snapshots to all who need one, at once.
func (rd *round) renewStale(list []*request) {
	var stale []*request
	for _, r := range list {
		if over := rd.over(r); r.ctx.Err() == nil && (r.early || !r.tx.fits(over)) && r.tx.torn(over) {
			stale = append(stale, r)
		}
	}
	if len(stale) > 0 {
		rd.renew(stale)
	}
}

func (l *layer) bytes() (n int) {
	for _, all := range l.tables {
		for _, c := range all.docs {
			n += len(c.body)
		}
	}
	return n
}

// published makes the commit known in this process.
func (rd *round) published() {
	s := rd.w.s
	if len(rd.pending.tables) == 0 {
		return
	}
	s.history.add(rd.pending)
	s.publish(rd.pending)
	// What is committed is committed: an error here changes nothing any more.
	if err := s.check("store.after-commit"); err != nil {
		s.log.Warn("after commit", "err", err)
	}
}

// tell answers everybody of a round that is committed, unless they have been answered
// (nil). It returns that they have.
func (rd *round) tell() *round {
	if rd != nil {
		rd.answer(nil)
	}
	return nil
}

// answer tells every function of the round how it went. Those that failed by
// themselves hear it only now, because what they read of their neighbours was
// not yet true; when the commit failed they hear of that instead.
func (rd *round) answer(commit error) {
	for _, r := range rd.group {
		switch {
		case commit != nil:
			r.done <- commit
		case r.err != nil:
			r.done <- r.err
		default:
			rd.w.s.stats.updates.Add(1)
			r.done <- nil
		}
	}
}
