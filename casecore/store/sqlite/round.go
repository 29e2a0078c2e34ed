package sqlite

import (
	"errors"
	"fmt"
)

// round is one SQL transaction with the functions that run in it.
type round struct {
	w     *writer
	care  care
	ran   []*member
	dirty bool // a function of this round has written and succeeded
}

// care is what a round does for the case that a function fails after it has
// written.
type care bool

const (
	// bare: nothing. Hardly any function does, and a savepoint copies every page
	// that is written after it. If one does, the whole round is taken back.
	bare care = false
	// guarded: a savepoint before the first write of every function that has
	// neighbours.
	guarded care = true
)

// member is a function that ran in a round.
type member struct {
	req     *request
	err     error
	gone    bool
	changed []change
}

// errStopped marks a commit that a crash point refused: it certainly did not
// happen.
var errStopped = errors.New("stopped before the commit")

// errLost means that SQLite has rolled back the whole round.
var errLost = errors.New("transaction was rolled back by the engine")

// errSpoilt means that a function of a bare round failed after it had written.
var errSpoilt = errors.New("what a function wrote cannot be taken back alone")

// round runs a group in one transaction, commits it and answers every caller.
// It returns those that it did not answer because their work was lost to the
// failure of a function.
func (w *writer) round(group []*request, c care) (again []*request) {
	if len(group) == 0 {
		return nil
	}
	w.s.stats.groups.Add(1)
	rd := &round{w: w, care: c}
	err := rd.begin()
	for err == nil && len(group) > 0 {
		err = rd.turn(group[0])
		group = group[1:]
	}
	switch {
	case errors.Is(err, errLost):
		return append(rd.salvage(), group...)
	case errors.Is(err, errSpoilt):
		return append(rd.withdraw(), group...)
	}
	if err != nil { // a begin failed, so nothing has been written
		for _, r := range group {
			if r.take() {
				r.done <- err
			}
		}
		rd.answer(nil)
		return nil
	}
	err = rd.commit()
	rd.answer(err)
	if err != nil && !leavesStateKnown(err) && !errors.Is(err, errStopped) {
		w.fail(err)
	}
	return nil
}

func (rd *round) begin() error {
	w := rd.w
	if w.failed != nil {
		return w.failed
	}
	if err := w.s.check("store.begin"); err != nil {
		return err
	}
	if _, err := w.c.exec(stmtKey{verb: verbBeginImmediate}); err != nil {
		return fmt.Errorf("begin: %w", explain(err))
	}
	return nil
}

// turn runs one function. An error means that the transaction is gone: errLost,
// errSpoilt, or that it could not be begun again.
func (rd *round) turn(r *request) error {
	if !r.take() {
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		r.done <- err
		return nil
	}
	tx := newTx(r.ctx, rd.w.s, rd.w.c)
	tx.write, tx.guarded = true, rd.dirty && rd.care == guarded
	m := &member{req: r}
	rd.ran = append(rd.ran, m)
	r.turn <- tx
	end := <-r.ran
	m.err, m.gone = end.err, end.gone
	if m.err == nil {
		m.err = tx.broken
	}
	if m.err != nil || m.gone {
		return rd.undo(tx)
	}
	if tx.saved {
		if _, err := rd.w.c.exec(stmtKey{verb: verbRelease}); err != nil {
			m.err = fmt.Errorf("release: %w", explain(err))
			return errLost
		}
	}
	m.changed = tx.changed
	rd.dirty = rd.dirty || len(m.changed) > 0
	return nil
}

// undo takes back what the last function wrote. It notices when SQLite has
// already rolled back everything: then there is no savepoint to go back to.
func (rd *round) undo(tx *tx) error {
	c := rd.w.c
	switch {
	case tx.saved:
		_, err := c.exec(stmtKey{verb: verbRollbackTo})
		if err == nil {
			_, err = c.exec(stmtKey{verb: verbRelease})
		}
		if err != nil {
			return errLost
		}
		return nil
	case tx.broken == nil && len(tx.changed) == 0:
		return nil
	case !rd.dirty: // there was nothing but its own work
		rd.rollback()
		return rd.begin()
	case tx.broken != nil: // it failed so badly that all may be gone
		return errLost
	}
	return errSpoilt
}

// rollback ends the transaction if there still is one.
func (rd *round) rollback() {
	_, err := rd.w.c.exec(stmtKey{verb: verbRollback})
	if err != nil && !isNoTransaction(err) {
		rd.w.s.log.Error("rollback", "err", err)
	}
}

// withdraw takes the whole round back and returns all of its functions whose
// callers still wait: the one that failed as well, because what it read of its
// neighbours is not true any more.
func (rd *round) withdraw() (again []*request) {
	rd.rollback()
	for _, m := range rd.ran {
		if !m.gone {
			again = append(again, m.req)
		}
	}
	return again
}

// salvage answers the last function, whose failure cost the others their work,
// and returns the others.
func (rd *round) salvage() []*request {
	last := len(rd.ran) - 1
	failed := rd.ran[last:]
	rd.ran = rd.ran[:last]
	again := rd.withdraw()
	rd.ran = failed
	rd.answer(nil)
	return again
}

// commit makes the round durable and publishes what it changed.
func (rd *round) commit() error {
	w := rd.w
	if rd.dirty {
		if err := w.s.check("store.before-commit"); err != nil {
			rd.rollback()
			return fmt.Errorf("%w: %w", errStopped, err)
		}
	}
	if _, err := w.c.exec(stmtKey{verb: verbCommit}); err != nil {
		rd.rollback()
		return fmt.Errorf("commit: %w", explain(err))
	}
	if !rd.dirty {
		return nil
	}
	w.s.stats.commits.Add(1)
	// What is committed is committed: an error here changes nothing any more.
	if err := w.s.check("store.after-commit"); err != nil {
		w.s.log.Warn("after commit", "err", err)
	}
	var changed []change
	for _, m := range rd.ran {
		changed = append(changed, m.changed...)
	}
	w.s.publish(changed)
	return nil
}

// answer tells every function of the round how it went. Those that failed by
// themselves hear it only now, because what they read of their neighbours was
// not yet true; when the commit failed they hear of that instead.
func (rd *round) answer(commit error) {
	for _, m := range rd.ran {
		switch {
		case m.gone:
		case commit != nil:
			m.req.done <- commit
		default:
			if m.err == nil {
				rd.w.s.stats.updates.Add(1)
			}
			m.req.done <- m.err
		}
	}
}
