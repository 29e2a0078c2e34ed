package mongo

import (
	"context"
	"runtime"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
)

// Bounds of what functions share.
const (
	maxShared = 128 // functions that begin at one moment
	crowd     = 8   // from so many in the store on, those that begin wait for one another
	linger    = 5 * time.Millisecond
	stuck     = 100 * time.Millisecond
	// How long without an answer the connection of a first question counts as dead. It
	// is asked again then: nothing has been read yet.
	firstDead = 10 * time.Second
)

// moments brings functions that begin at about the same time to one snapshot of
// the database, so that what they look up at the same time is one question. A
// snapshot is never older than the functions that share it.
type moments struct {
	s       *Store
	mu      sync.Mutex
	waiting []*ask // for a snapshot
	opening bool   // somebody sees to them
	newest  *moment
}

// moment is one snapshot: a transaction that only reads, and those who read in it.
type moment struct {
	s      *Store
	ctx    context.Context // ends when nobody is left to be answered
	cancel context.CancelFunc
	sess   *mongo.Session // of whoever is serving
	begun  bool           // likewise: something was read

	mu      sync.Mutex
	members int
	running int           // members that will go on asking, as far as one knows
	resting chan struct{} // closed when running is 0
	asks    []*ask
	serving bool
}

func newMoment(s *Store, members int) *moment {
	m := &moment{s: s, members: members, running: members, resting: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(s.base)
	return m
}

// question is one find, and the answer to it.
type question struct {
	query
	t     *table
	limit int
	of    *ask
	docs  []*stored
	err   error
}

// ask is what a function asks at a time.
type ask struct {
	questions []*question
	left      int     // that are not answered yet; of whoever is serving
	at        *moment // of the function; guarded by moments.mu until it is answered
	answered  chan struct{}
}

func newAsk(list []question) *ask {
	a := &ask{left: len(list), answered: make(chan struct{})}
	for i := range list {
		q := list[i]
		q.of = a
		a.questions = append(a.questions, &q)
	}
	return a
}

func (q *question) reply(docs []*stored, err error) {
	q.docs, q.err = docs, err
	if q.of.left--; q.of.left == 0 {
		close(q.of.answered)
	}
}

// failed is the first error among the answers.
func (a *ask) failed() error {
	for _, q := range a.questions {
		if q.err != nil {
			return q.err
		}
	}
	return nil
}

// first asks what a function asks first, which thereby gets its snapshot.
func (ms *moments) first(ctx context.Context, a *ask) error {
	ms.mu.Lock()
	ms.waiting = append(ms.waiting, a)
	if !ms.opening {
		ms.opening = true
		ms.s.ending.Go(ms.open)
	}
	ms.mu.Unlock()
	select {
	case <-a.answered:
		return a.failed()
	case <-ctx.Done():
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for i, other := range ms.waiting {
		if other == a {
			ms.waiting = append(ms.waiting[:i:i], ms.waiting[i+1:]...)
			break
		}
	}
	return ctx.Err()
}

// moment returns where the function of an answered or abandoned ask belongs to.
func (ms *moments) moment(a *ask) *moment {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return a.at
}

// open gives snapshots to those who wait, until nobody does. While one group asks
// its first questions the next one forms by itself.
func (ms *moments) open() {
	for {
		ms.pause()
		ms.mu.Lock()
		list := ms.waiting
		if len(list) == 0 {
			ms.opening = false
			ms.mu.Unlock()
			return
		}
		ms.waiting = nil
		if len(list) > maxShared {
			list, ms.waiting = list[:maxShared:maxShared], list[maxShared:]
		}
		m := newMoment(ms.s, len(list))
		m.serving = true
		for _, a := range list {
			a.at = m
		}
		ms.newest = m
		ms.mu.Unlock()
		answered := make(chan struct{})
		ms.s.ending.Go(func() {
			m.serve(list)
			close(answered)
			m.rest()
		})
		t := time.NewTimer(stuck)
		select {
		case <-answered:
		case <-t.C: // nobody else waits for a connection that may be dead
		}
		t.Stop()
	}
}

// pause lets a group form when there are many who could be of it: until those who
// began last have read what they need, but only a moment.
func (ms *moments) pause() {
	runtime.Gosched()
	ms.mu.Lock()
	m := ms.newest
	ms.newest = nil
	ms.mu.Unlock()
	if m == nil || ms.s.inside.Load() < crowd {
		return
	}
	t := time.NewTimer(linger)
	defer t.Stop()
	select {
	case <-m.resting:
	case <-t.C:
	}
}

// ask asks further questions.
func (m *moment) ask(ctx context.Context, a *ask) error {
	m.mu.Lock()
	m.asks = append(m.asks, a)
	if !m.serving {
		m.serving = true
		m.s.ending.Go(m.rest)
	}
	m.mu.Unlock()
	select {
	case <-a.answered:
		return a.failed()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rest answers questions until there is none, and lets the snapshot go when nobody
// can have another.
func (m *moment) rest() {
	for {
		runtime.Gosched() // those just answered are about to ask again: let them
		m.mu.Lock()
		list := m.asks
		m.asks = nil
		if len(list) == 0 {
			m.serving = false
			over := m.members == 0
			m.mu.Unlock()
			if over {
				m.end()
			}
			return
		}
		m.mu.Unlock()
		m.serve(list)
	}
}

// pause says that a member has read all that it is known to need.
func (m *moment) pause() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running--; m.running == 0 {
		close(m.resting)
	}
}

// leave says that a member has no more questions.
func (m *moment) leave() {
	m.mu.Lock()
	m.members--
	over, serving := m.members == 0, m.serving
	m.mu.Unlock()
	if !over {
		return
	}
	m.cancel() // whoever is serving serves nobody
	if !serving {
		m.s.ending.Go(m.end)
	}
}

// end lets the snapshot go.
func (m *moment) end() {
	if m.sess == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.s.base), endTimeout)
	defer cancel()
	m.sess.EndSession(ctx)
	m.sess = nil
}

// find asks the server one question.
func (m *moment) find(t *table, q query, limit int) ([]*stored, error) {
	most := m.s.opts.Patience
	if !m.begun {
		most = min(most, firstDead)
	}
	ctx, cancel := context.WithTimeout(m.ctx, most)
	defer cancel()
	if m.sess == nil {
		sess, err := m.s.client.StartSession(options.Session().SetCausalConsistency(false))
		if err != nil {
			return nil, err
		}
		m.sess = sess
		if err := sess.StartTransaction(options.Transaction().SetReadConcern(readconcern.Snapshot())); err != nil {
			return nil, err
		}
	}
	o := options.Find().SetLimit(int64(limit)).SetBatchSize(int32(limit) + 1)
	if q.hint != "" {
		o.SetHint(q.hint)
	}
	if q.sort != nil {
		o.SetSort(q.sort)
	}
	cur, err := t.c.Find(mongo.NewSessionContext(ctx, m.sess), q.filter, o)
	if err != nil {
		return nil, err
	}
	defer cur.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what it read is read
	var list []*stored
	for cur.Next(ctx) {
		d, err := parse(cur.Current)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	m.begun = m.begun || cur.Err() == nil
	return list, cur.Err()
}
