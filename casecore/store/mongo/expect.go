package mongo

import (
	"context"
	"errors"
	"unicode/utf8"

	"casewire/casecore/store"
)

// expected names what a unique key leads to.
type expected struct {
	t          *table
	index, key string
}

// maxExpected is how much a function is read ahead at a time.
const maxExpected = maxRecent / 2

// Expect implements store.Tx: all of it is asked for at once. A function that runs again
// has what it needs: what it read before was read again for all at once.
func (tx *tx) Expect(reads ...store.Read) {
	if tx.again || tx.usable() != nil {
		return
	}
	var list []question
	for _, r := range reads {
		if q, ok := tx.s.question(r); ok && len(list) < maxExpected && !tx.snap.has(q) {
			list = append(list, q)
		}
	}
	if len(list) > 0 {
		tx.snap.expect(tx.ctx, list)
	}
}

// question is what a Read asks for, ok if it can be asked.
func (s *Store) question(r store.Read) (q question, ok bool) {
	t, ok := s.tables[r.Coll.Name]
	if !ok || r.Key == "" || len(r.Key) > store.MaxKey || !utf8.ValidString(r.Key) {
		return q, false
	}
	q = question{t: t, query: byID(r.Key), limit: 1}
	if r.Index == "" {
		return q, len(r.Key) <= store.MaxID
	}
	ix, ok := t.coll.Index(r.Index)
	q.query = byKey(ix, r.Key)
	return q, ok && ix.Unique && !ix.Multi
}

// has reports whether the answer to the question is known.
func (sn *snapshot) has(q question) bool {
	if q.exactly.ix.Name != "" {
		_, told := sn.told(q.t, q.query)
		return told
	}
	_, read := sn.known(q.t, q.exactly.key)
	_, ahead := sn.ahead[q.t].docs[q.exactly.key]
	return read || ahead
}

// expect reads what will be asked for. Whoever asks next is told what failed; a damaged
// document concerns its own reader alone.
func (sn *snapshot) expect(ctx context.Context, list []question) {
	got, err := sn.ask(ctx, list)
	if err != nil && !errors.Is(err, ErrDamaged) {
		sn.failed = err
		return
	}
	for _, q := range got {
		if q.err != nil {
			continue
		}
		switch x := q.exactly; {
		case x.ix.Name == "" && len(q.docs) > 0:
			sn.keepAhead(q.t, map[string]*stored{x.key: q.docs[0]})
		case x.ix.Name == "":
			sn.keepAhead(q.t, map[string]*stored{x.key: nil})
		default:
			if sn.expected == nil || len(sn.expected) > maxRecent {
				sn.expected = make(map[expected][]*stored)
			}
			sn.expected[expected{q.t, x.ix.Name, x.key}] = q.docs
		}
	}
}

// told returns what a question for one unique key was answered ahead.
func (sn *snapshot) told(t *table, q query) (list []*stored, told bool) {
	if len(sn.expected) == 0 || q.exactly == nil || q.exactly.ix.Name == "" {
		return nil, false
	}
	list, told = sn.expected[expected{t, q.exactly.ix.Name, q.exactly.key}]
	return list, told
}
