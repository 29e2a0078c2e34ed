package mongo

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store"
)

// How many documents are read at a time.
const (
	firstChunk = 64
	maxChunk   = 1024
)

// scanName tells two scans apart.
type scanName struct {
	t     *table
	r     store.Range
	after store.Mark
}

// scanned is a range of the snapshot, as far as it was read.
type scanned struct {
	sp     span
	after  store.Mark // where it begins
	behind bool
	docs   []*stored
	from   int  // documents before this one are not kept
	whole  bool // there is nothing behind the last one
}

// touched reports whether the layers change what was read of the range.
func (sc *scanned) touched(over layers) bool {
	if key, exact := sc.sp.exact(); exact && sc.sp.ix.Unique && !sc.sp.ix.Multi && !sc.behind {
		return sc.keyTouched(key, over)
	}
	ids := make(map[string]*stored, len(sc.docs))
	for _, d := range sc.docs {
		ids[d.id] = d
	}
	end := sc.end()
	for _, l := range over {
		all := l.tables[sc.sp.t]
		if all == nil {
			continue
		}
		for id := range all.docs {
			c := over.newest(sc.sp.t, id)
			if d := ids[id]; d != nil {
				if c.differs(d) {
					return true
				}
				continue
			}
			at, in := sc.sp.place(id, c.keys)
			if c.gone || !in || sc.behind && sc.sp.compare(at, sc.after) <= 0 {
				continue
			}
			if sc.whole || sc.sp.compare(at, end) < 0 {
				return true
			}
		}
	}
	return false
}

// keyTouched is touched for the range of one unique key.
func (sc *scanned) keyTouched(key string, over layers) bool {
	id := over.holder(sc.sp.t, sc.sp.ix, key)
	for _, d := range sc.docs {
		if c := over.newest(sc.sp.t, d.id); c != nil && c.differs(d) {
			return true
		}
		if d.id == id {
			id = ""
		}
	}
	return id != ""
}

// end is the place of the last document read.
func (sc *scanned) end() store.Mark {
	if len(sc.docs) == 0 {
		return sc.after
	}
	d := sc.docs[len(sc.docs)-1]
	at, _ := sc.sp.place(d.id, d.keys)
	return at
}

// nthOf returns the document number i of a range of the snapshot, nil behind the
// last. want is how many more the caller may want.
func (sn *snapshot) nthOf(ctx context.Context, sp *span, after store.Mark, behind bool, i, want int) (*stored, error) {
	name := scanName{sp.t, sp.r, after}
	sc := sn.scans[name]
	if sc == nil {
		sc = &scanned{sp: *sp, after: after, behind: behind}
		sn.scans[name] = sc
	}
	return sn.nth(ctx, sc, i, want)
}

func (sn *snapshot) nth(ctx context.Context, sc *scanned, i, want int) (*stored, error) {
	for i-sc.from >= len(sc.docs) {
		if sc.whole {
			return nil, nil
		}
		if err := sn.more(ctx, sc, want); err != nil {
			return nil, fmt.Errorf("scan of %s: %w", sc.sp.t.coll.Name, err)
		}
	}
	return sc.docs[i-sc.from], nil
}

// more reads the next documents of the range.
func (sn *snapshot) more(ctx context.Context, sc *scanned, want int) error {
	sn.last = docName{}
	after, behind := sc.after, sc.behind
	if len(sc.docs) > 0 {
		after, behind = sc.end(), true
	}
	n := want
	if n <= 0 {
		n = min(max(firstChunk, 2*len(sc.docs)), maxChunk)
	}
	var fresh []*stored
	for _, q := range sc.sp.queries(after, behind) {
		list, err := sn.find(ctx, sc.sp.t, q, n-len(fresh))
		if err != nil {
			return err
		}
		if fresh = append(fresh, list...); len(fresh) >= n {
			break
		}
	}
	sc.whole = len(fresh) < n
	if sn.keep {
		for _, d := range fresh {
			sn.docs[docName{sc.sp.t, d.id}] = d
		}
		sc.docs = append(sc.docs, fresh...)
		return nil
	}
	if len(fresh) > 0 { // a view remembers no more than it stands on
		sc.from += len(sc.docs)
		sc.docs = fresh
	}
	return nil
}

func byID(id string) query {
	return query{filter: bson.D{{Key: "_id", Value: id}}, exactly: &exactly{key: id}} // without a hint: the server has a shorter way
}

// find reads from the snapshot.
func (sn *snapshot) find(ctx context.Context, t *table, q query, limit int) ([]*stored, error) {
	if list, told := sn.told(t, q); told {
		return list, nil
	}
	got, err := sn.ask(ctx, []question{{t: t, query: q, limit: limit}})
	if err != nil {
		return nil, err
	}
	return got[0].docs, nil
}

// ask asks the server. The snapshot begins with what is asked first: until then a
// server that is away is waited for.
func (sn *snapshot) ask(ctx context.Context, list []question) ([]*question, error) {
	sn.reads++
	if sn.failed != nil {
		return nil, sn.failed
	}
	if sn.at != nil {
		a := newAsk(list)
		return a.questions, sn.at.ask(ctx, a)
	}
	for wait := sn.s.patience(); ; {
		a := newAsk(list)
		err := sn.s.moments.first(ctx, a)
		if sn.at = sn.s.moments.moment(a); err == nil {
			return a.questions, nil
		}
		if !isTransient(err) || ctx.Err() != nil {
			return a.questions, err
		}
		sn.end()
		if e := wait.pause(ctx); e != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// pause says that the function has read what it needs, unless it must run again.
func (sn *snapshot) pause() {
	if sn.at != nil && !sn.paused {
		sn.paused = true
		sn.at.pause()
	}
}

// end lets the snapshot go. The server is told while the caller goes on.
func (sn *snapshot) end() {
	if sn == nil {
		return
	}
	sn.pause()
	if sn.at != nil {
		sn.at.leave()
	}
	sn.at, sn.paused = nil, false
}

// Scan implements store.Tx.
func (tx *tx) Scan(coll *store.Coll, r store.Range) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		if err := tx.scan(coll, r, yield); err != nil {
			yield(store.Doc{}, err)
		}
	}
}

// scan returns an error only while yield still wants more. It merges the
// documents of the snapshot that have not changed with those that have.
func (tx *tx) scan(coll *store.Coll, r store.Range, yield func(store.Doc, error) bool) error {
	t, err := tx.table(coll)
	if err != nil {
		return err
	}
	if err := coll.CheckRange(r); err != nil {
		return err
	}
	if tx.scanning == nil {
		tx.scanning = make(map[*table]int)
	}
	tx.scanning[t]++
	defer func() { tx.scanning[t]-- }()
	sp := newSpan(t, r)
	after, behind := sp.start(r)
	changed, hidden, err := tx.changed(&sp, after, behind)
	if err != nil {
		return tx.failed(err)
	}
	sc := &scanned{sp: sp, after: after, behind: behind}
	if tx.snap.keep {
		name := scanName{t, sp.r, after}
		if old := tx.snap.scans[name]; old != nil {
			sc = old
		} else {
			tx.snap.scans[name] = sc
		}
	}
	next := 0
	for n := 0; ; {
		want := 0
		if r.Limit > 0 {
			want = min(r.Limit-n+hidden, maxChunk)
		}
		d, err := tx.clean(sc, &next, want)
		if err != nil {
			return tx.failed(err)
		}
		var c *change
		switch {
		case d == nil && len(changed) == 0:
			return nil
		case d == nil || len(changed) > 0 && tx.before(&sp, changed[0], d):
			c, changed = changed[0], changed[1:]
		default:
			c = asChange(d)
			next++
		}
		if !yield(store.Doc{ID: c.id, Version: c.version, Body: slices.Clone(c.body)}, nil) {
			return nil
		}
		if n++; n == r.Limit {
			return nil
		}
		if err := tx.usable(); err != nil {
			return err
		}
	}
}

// clean moves next to the first document of the snapshot from there on that has
// not changed, and returns it.
func (tx *tx) clean(sc *scanned, next *int, want int) (*stored, error) {
	for ; ; *next++ {
		d, err := tx.snap.nth(tx.ctx, sc, *next, want)
		if err != nil || d == nil || tx.dirty(sc.sp.t, d.id) == nil {
			return d, err
		}
	}
}

func (tx *tx) before(sp *span, c *change, d *stored) bool {
	a, _ := sp.place(c.id, c.keys)
	b, _ := sp.place(d.id, d.keys)
	return sp.compare(a, b) < 0
}

// changed returns the documents of the span that the snapshot does not tell of,
// in order, and how many of the snapshot they may hide.
func (tx *tx) changed(sp *span, after store.Mark, behind bool) (list []*change, hidden int, err error) {
	ids := make(map[string]bool)
	for _, l := range append(slices.Clip(tx.over), tx.own) {
		if l == nil || l.tables[sp.t] == nil {
			continue
		}
		for id := range l.tables[sp.t].docs {
			ids[id] = true
		}
	}
	for id := range ids {
		c := tx.dirty(sp.t, id)
		if c == nil {
			continue
		}
		hidden++
		if c.gone {
			continue
		}
		if at, in := sp.place(id, c.keys); !in || behind && sp.compare(at, after) <= 0 {
			continue
		}
		if c, err = tx.settled(sp.t, id); err != nil {
			return nil, 0, err
		}
		if c != nil { // else the snapshot tells of it
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *change) int {
		x, _ := sp.place(a.id, a.keys)
		y, _ := sp.place(b.id, b.keys)
		return sp.compare(x, y)
	})
	return list, hidden, nil
}
