package mongo

import (
	"errors"
	"fmt"
)

// Bounds of one round.
const (
	maxTries = 4        // before its functions are run on newer snapshots
	maxBytes = 12 << 20 // of bodies; one function alone may have more
)

// errStopped marks a commit that a crash point refused: it certainly did not
// happen.
var errStopped = errors.New("stopped before the commit")

// round is a group on its way to a commit.
type round struct {
	w       *writer
	group   []*request
	pending *layer
	rest    []*request // for whom there was no room
}

// serve brings a group to its commit and answers everybody. It returns those
// for whom there was no room.
func (w *writer) serve(group []*request) (rest []*request) {
	w.s.stats.groups.Add(1)
	rd := &round{w: w}
	for _, r := range group {
		if r.take() {
			rd.group = append(rd.group, r)
		}
	}
	if err := w.s.check("store.begin"); err != nil {
		rd.answer(err)
		return nil
	}
	for tries, wait := 1, w.s.patience(); ; tries++ {
		rd.gather()
		if len(rd.group) == 0 {
			return rd.rest
		}
		err := rd.commit()
		if err == nil {
			rd.published()
			rd.answer(nil)
			return rd.rest
		}
		w.s.stats.retries.Add(1)
		if !errors.Is(err, errRefused) && !isTransient(err) || errors.Is(err, ErrUnknown) || errors.Is(err, errStopped) {
			if len(rd.group) > 1 && !errors.Is(err, ErrUnknown) && !errors.Is(err, errStopped) {
				return rd.alone()
			}
			rd.answer(fmt.Errorf("commit: %w", err))
			return rd.rest
		}
		found, learnErr := w.learn(rd.pending)
		if learnErr != nil && !isTransient(learnErr) {
			rd.answer(fmt.Errorf("commit: %w", learnErr))
			return rd.rest
		}
		if tries >= maxTries && !isAway(err) {
			if len(rd.group) > 1 {
				return rd.alone()
			}
			rd.answer(&againError{err})
			return rd.rest
		}
		if found > 0 {
			continue // there is news to go on with
		}
		if e := wait.pause(w.s.base); e != nil {
			rd.answer(fmt.Errorf("%w: %w", e, err))
			return rd.rest
		}
	}
}

// alone brings everybody to a commit of their own, so that one whom the server
// refuses is in nobody's way.
func (rd *round) alone() (rest []*request) {
	for _, r := range rd.group {
		rest = append(rest, rd.w.serve([]*request{r})...)
	}
	return append(rest, rd.rest...)
}

// gather makes pending of what the functions of the group wrote, and runs those
// again that something has overtaken.
func (rd *round) gather() {
	rd.pending = newLayer()
	rd.renewStale()
	group, bytes := rd.group, 0
	rd.group = nil
	for i, r := range group {
		if bytes > maxBytes {
			rd.rest = append(rd.rest, group[i:]...)
			return
		}
		if err := r.ctx.Err(); err != nil {
			r.done <- err
			continue
		}
		if rd.fit(r) {
			rd.group = append(rd.group, r)
			if r.err == nil {
				rd.pending.merge(r.tx.own)
				bytes += r.tx.own.bytes()
			}
		}
	}
}

// fit sees to it that the last run of a function holds on top of what is pending.
// It answers those for whom this cannot be done here.
func (rd *round) fit(r *request) bool {
	s := rd.w.s
	over := rd.over(r)
	if !r.late && r.tx.fits(over) {
		return true
	}
	if r.tx.torn(over) {
		rd.renew([]*request{r})
		over = rd.over(r)
	}
	s.stats.reruns.Add(1)
	tx := &tx{ctx: r.ctx, s: s, snap: r.tx.snap, over: over, own: newLayer()}
	r.turn <- tx
	end := <-r.ran
	switch {
	case end.gone:
		return false
	case tx.broken != nil:
		r.done <- again(r.ctx, tx.broken)
		return false
	case end.err != nil && (over.mixed() || tx.hoped): // it may have failed of the mixture, or of what it hoped
		r.done <- &againError{end.err}
		return false
	}
	r.tx, r.late, r.err = tx, true, end.err
	return true
}

// over is what the process has committed since the snapshot of a function, and what
// the round has so far.
func (rd *round) over(r *request) layers { return append(rd.w.s.history.since(r.seq), rd.pending) }

// renewStale gives new snapshots to all who need one, at once.
func (rd *round) renewStale() {
	var stale []*request
	for _, r := range rd.group {
		if over := rd.over(r); r.ctx.Err() == nil && !r.tx.fits(over) && r.tx.torn(over) {
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
