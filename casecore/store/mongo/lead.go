package mongo

import (
	"errors"
	"sync"
	"time"

	"casewire/casecore/store"
)

// There are documents that nearly every function reads and writes, such as the counter
// of cases: whoever has read one is overtaken before its turn comes, and runs again. A
// function that comes to such a document, having read all else, waits there for its
// turn and goes on with what is there then: it runs once.

// contended is the documents of this kind.
type contended struct {
	mu   sync.Mutex
	docs map[docName]spell
}

// spell is when a document is waited for.
type spell struct{ until, notBefore time.Time }

const (
	contendedFor = 10 * time.Second // since somebody was overtaken there
	contendedOff = time.Minute      // since a function that had waited read more behind it
	maxContended = 64
)

// has reports whether functions wait at the document.
func (c *contended) has(name docName) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sp, known := c.docs[name]
	return known && time.Now().Before(sp.until)
}

// note takes in that a first run was overtaken. Only what it read last is worth waiting
// at: the writer must not wait for what a function reads behind it.
func (c *contended) note(tx *tx, over layers) {
	name := tx.snap.last
	if name.t == nil || over.newest(name.t, name.id) == nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	sp, known := c.docs[name]
	if now.Before(sp.notBefore) {
		return
	}
	if !known && len(c.docs) >= maxContended || c.docs == nil {
		c.docs = make(map[docName]spell)
	}
	sp.until = now.Add(contendedFor)
	c.docs[name] = sp
}

// leave ends the waiting at a document, for a while.
func (c *contended) leave(name docName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.docs[name] = spell{notBefore: time.Now().Add(contendedOff)}
}

// lead lets a first run hand in its request before it has ended.
type lead struct {
	w      *writer
	r      *request
	at     docName // where it waits
	before int     // how often it had asked the server
	handed bool
	goesOn bool  // its turn has come
	ended  bool  // it has its answer, and no turn
	answer error // of ended
}

var errOvertaken = errors.New("the run was overtaken")

// stops reports whether a run is to wait before it reads the document.
func (l *lead) stops(name docName) bool {
	return l != nil && !l.handed && l.w.s.contended.has(name)
}

// waitsFor reports whether the run waits at the document: that others have overtaken
// what it has read of it is why.
func (l *lead) waitsFor(name docName) bool { return l != nil && l.handed && !l.goesOn && l.at == name }

// wait hands the request in and returns when it is this run's turn, or with an error
// that ends it.
func (tx *tx) wait(name docName) error {
	l := tx.lead
	r := l.r
	l.at, l.before, l.handed = name, tx.snap.reads, true
	r.tx, r.early = tx, true
	tx.snap.pause()
	if err := l.w.submit(r); err != nil {
		l.ended, l.answer = true, err
		return err
	}
	cancelled := r.ctx.Done()
	for {
		select {
		case l.goesOn = <-r.next:
			if !l.goesOn {
				return errOvertaken
			}
			return nil
		case l.answer = <-r.done:
			l.ended = true
			return l.answer
		case <-cancelled:
			if r.state.CompareAndSwap(waiting, left) {
				l.ended, l.answer = true, r.ctx.Err()
				return l.answer
			}
			cancelled = nil // too late: only the writer knows how it ends
		}
	}
}

// run calls fn. Should it have waited for its turn, it tells the writer how it ended,
// also when it does not return.
func (tx *tx) run(fn func(store.Tx) error) error {
	end := outcome{gone: true}
	defer func() {
		tx.ended = true
		if l := tx.lead; l != nil && l.handed && !l.ended {
			l.r.ran <- end
		}
	}()
	err := fn(tx)
	end = outcome{err: err}
	return err
}

// goOn ends the waiting of a first run, which goes on on top of these layers if it fits
// them and else is over.
func (r *request) goOn(over layers, fits bool) outcome {
	tx, l := r.tx, r.tx.lead
	r.early, tx.over = false, over
	r.next <- fits
	end := <-r.ran
	if fits && tx.snap.reads > l.before {
		tx.s.contended.leave(l.at)
	}
	return end
}

// stands reports whether a first run that waits may go on on top of these layers.
func (tx *tx) stands(over layers) bool { return tx.fits(over) && !tx.torn(over) }
