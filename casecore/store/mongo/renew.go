package mongo

import (
	"context"
	"sync"
)

// Where only this process changed something, a function runs again out of what it read
// before. Where another process did, what it read is no longer the state of any moment
// together with the news: it would see the document that two processes fight over as it
// is, and everything else as it was. So it gets a new snapshot, and what it has read is
// read again for the whole round at once.

// renew gives new snapshots to these functions, which must run again.
func (rd *round) renew(list []*request) {
	s := rd.w.s
	ctx, cancel := context.WithTimeout(s.base, s.opts.Patience)
	defer cancel()
	seq := s.history.now()
	m := newMoment(s, len(list))
	var wg sync.WaitGroup
	for _, r := range list {
		wg.Go(func() { r.renew(ctx, m, seq) })
	}
	wg.Wait()
	s.stats.renewed.Add(uint64(len(list)))
}

// renew reads again what the function has read. What fails here fails again when the
// function asks for it.
func (r *request) renew(ctx context.Context, m *moment, seq uint64) {
	old := r.tx.snap
	fresh := newSnapshot(m.s)
	fresh.at, fresh.wary = m, true
	defer func() {
		fresh.pause()
		r.fresh.end()
		r.fresh, r.tx.snap, r.seq, r.late = fresh, fresh, seq, true
	}()
	for name := range old.docs {
		if _, err := fresh.get(ctx, name.t, name.id); err != nil {
			return
		}
	}
	for name, was := range old.scans {
		sc := &scanned{sp: was.sp, after: was.after, behind: was.behind}
		fresh.scans[name] = sc
		for !sc.whole && (len(sc.docs) < len(was.docs) || was.whole) {
			if fresh.more(ctx, sc, max(len(was.docs)-len(sc.docs), 1)) != nil {
				return
			}
		}
	}
}

// torn reports whether another process has changed, below these layers, a document
// that the function has read: the layers do not go with its snapshot.
func (tx *tx) torn(over layers) bool {
	if over.mixed() {
		return true
	}
	for name, d := range tx.snap.docs {
		var have uint64
		if d != nil {
			have = d.version
		}
		for _, l := range over {
			c := l.find(name.t, name.id)
			switch {
			case c == nil, !c.gone && c.version <= have, c.gone && d == nil:
				continue
			case c.base != have:
				return true
			case c.gone:
				have, d = 0, nil
			default:
				have, d = c.version, asStored(c)
			}
		}
	}
	return false
}

func asStored(c *change) *stored { return &stored{id: c.id, version: c.version} }
