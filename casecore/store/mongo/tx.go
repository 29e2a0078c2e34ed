package mongo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"casewire/casecore/store"
	"github.com/google/uuid"
)

// tx is one run of one function: what it reads comes from the snapshot, with the
// layers over it and its own changes on top. Runs of one function share the
// snapshot and the log of what was read.
type tx struct {
	ctx      context.Context // the caller's: when it is done, the run goes no further
	s        *Store
	snap     *snapshot
	over     layers // what the process committed since, once its turn has come
	own      *layer // nil in a view
	ended    bool
	broken   error // a read failed: what the function made of it does not count
	hoped    bool  // a Put was answered without looking: the commit may refuse it
	again    bool  // it runs on top of what is pending
	lead     *lead // of a first run: it may wait for its turn; nil: it may not
	scanning map[*table]int
}

// docName names a document.
type docName struct {
	t  *table
	id string
}

var errEnded = errors.New("transaction used after its function returned")

func (tx *tx) usable() error {
	switch {
	case tx.ended:
		return errEnded
	case tx.broken != nil:
		return tx.broken
	}
	return tx.ctx.Err()
}

func (tx *tx) table(coll *store.Coll) (*table, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	t, ok := tx.s.tables[coll.Name]
	if !ok {
		return nil, fmt.Errorf("collection %s was not opened", coll.Name)
	}
	return t, nil
}

func (tx *tx) writable(coll *store.Coll) (*table, error) {
	t, err := tx.table(coll)
	switch {
	case err != nil:
		return nil, err
	case tx.own == nil:
		return nil, store.ErrReadOnly
	case tx.scanning[t] > 0:
		return nil, fmt.Errorf("write to %s inside a scan of it", coll.Name)
	}
	return t, nil
}

// failed notes that a read failed.
func (tx *tx) failed(err error) error {
	tx.broken = err
	return err
}

// Get implements store.Tx.
func (tx *tx) Get(coll *store.Coll, id string) (store.Doc, error) {
	t, err := tx.table(coll)
	if err != nil {
		return store.Doc{}, err
	}
	if id == "" || len(id) > store.MaxID || !utf8.ValidString(id) {
		return store.Doc{}, store.ErrNotFound
	}
	name := docName{t, id}
	stops := tx.lead.stops(name) && tx.untouched(name) && !tx.inScan()
	now, err := tx.current(t, id)
	if err == nil && stops {
		if err = tx.wait(name); err == nil {
			now, err = tx.current(t, id)
		}
	}
	if err != nil {
		return store.Doc{}, tx.failed(err)
	}
	if now.gone {
		return store.Doc{}, store.ErrNotFound
	}
	return store.Doc{ID: id, Version: now.version, Body: bytes.Clone(now.body)}, nil
}

// untouched reports whether the run has neither read nor written the document.
func (tx *tx) untouched(name docName) bool {
	_, known := tx.snap.known(name.t, name.id)
	return !known && tx.own.find(name.t, name.id) == nil
}

// inScan reports whether the function is in the middle of a scan, which does not see
// what comes to lie over the snapshot meanwhile.
func (tx *tx) inScan() bool {
	for _, n := range tx.scanning {
		if n > 0 {
			return true
		}
	}
	return false
}

// current returns the document as this run sees it; gone when there is none.
func (tx *tx) current(t *table, id string) (*change, error) {
	if c, err := tx.settled(t, id); c != nil || err != nil {
		return c, err
	}
	d, err := tx.snap.get(tx.ctx, t, id)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return &change{id: id, gone: true}, nil
	}
	return asChange(d), nil
}

func asChange(d *stored) *change {
	return &change{id: d.id, version: d.version, body: d.body, keys: d.keys}
}

// dirty returns the document when the snapshot is not what tells of it.
func (tx *tx) dirty(t *table, id string) *change {
	if tx.own != nil {
		if c := tx.own.find(t, id); c != nil {
			return c
		}
	}
	c := tx.over.newest(t, id)
	if c == nil || c.sure {
		return c
	}
	// A commit of just before the snapshot may be among the layers.
	if d, known := tx.snap.known(t, id); known && d != nil && d.version > c.version {
		return nil
	}
	return c
}

// settled is dirty for a document that was perhaps not read yet: a commit whose answer
// came late may be older than the snapshot, and than what others have made of it there.
func (tx *tx) settled(t *table, id string) (*change, error) {
	c := tx.dirty(t, id)
	if c == nil || c.sure || !tx.over.committed(t, id) || tx.own != nil && tx.own.find(t, id) != nil {
		return c, nil
	}
	if _, known := tx.snap.known(t, id); known {
		return c, nil
	}
	if _, err := tx.snap.get(tx.ctx, t, id); err != nil {
		return nil, err
	}
	return tx.dirty(t, id), nil
}

// Put implements store.Tx.
func (tx *tx) Put(coll *store.Coll, d store.Doc) (uint64, error) {
	t, err := tx.writable(coll)
	if err != nil {
		return 0, err
	}
	if err := t.coll.CheckDoc(d); err != nil {
		return 0, err
	}
	if !json.Valid(d.Body) {
		return 0, fmt.Errorf("body of %s: %w", d.ID, errBody)
	}
	hope := d.Version == 0 && tx.isNew(t, d.ID)
	now := &change{id: d.ID, gone: true}
	if hope {
		tx.hoped = true
	} else if now, err = tx.current(t, d.ID); err != nil {
		return 0, tx.failed(err)
	}
	switch {
	case d.Version == 0 && !now.gone:
		return 0, store.ErrExists
	case d.Version != 0 && (now.gone || now.version != d.Version):
		return 0, store.ErrConflict
	}
	next := &change{id: d.ID, version: d.Version + 1, body: bytes.Clone(d.Body), keys: keysOf(coll, d.Keys)}
	if err := tx.unheld(t, now, next, hope); err != nil {
		return 0, err
	}
	tx.write(t, now, next)
	return next.version, nil
}

// isNew reports whether the id is a random one made in the last minute. Whether
// it is really not there yet shows at the commit.
func (tx *tx) isNew(t *table, id string) bool {
	if tx.snap.wary || tx.dirty(t, id) != nil {
		return false
	}
	if _, known := tx.snap.known(t, id); known || len(id) != 36 {
		return false
	}
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 {
		return false
	}
	ms := int64(u[0])<<40 | int64(u[1])<<32 | int64(u[2])<<24 | int64(u[3])<<16 | int64(u[4])<<8 | int64(u[5])
	return time.Since(time.UnixMilli(ms)).Abs() < time.Minute
}

// unheld looks for the unique keys that next does not have yet. With hope it
// leaves the snapshot out: a key that is taken shows at the commit.
func (tx *tx) unheld(t *table, now, next *change, hope bool) error {
	for _, ix := range t.unique {
		for _, key := range next.keys[ix.Name].keys {
			if !now.gone && slices.Contains(now.keys[ix.Name].keys, key) {
				continue
			}
			id, err := tx.holder(t, ix, key, hope)
			if err != nil {
				return tx.failed(err)
			}
			if id != "" && id != next.id {
				return fmt.Errorf("a key of index %s is held by another document: %w", ix.Name, store.ErrExists)
			}
		}
	}
	return nil
}

func (tx *tx) holder(t *table, ix store.Index, key string, hope bool) (string, error) {
	all := append(slices.Clip(tx.over), tx.own)
	if id := all.holder(t, ix, key); id != "" {
		if c, err := tx.settled(t, id); c != nil || err != nil {
			return id, err
		}
	}
	if hope {
		return "", nil
	}
	r := store.Range{Index: ix.Name, From: key, To: key + "\x00"}
	if ix.Multi {
		r = store.Range{Index: ix.Name, Prefix: key}
	}
	sp := newSpan(t, r)
	for i := 0; ; i++ {
		d, err := tx.snap.nthOf(tx.ctx, &sp, store.Mark{}, false, i, 1)
		if err != nil || d == nil {
			return "", err
		}
		if tx.dirty(t, d.id) == nil {
			return d.id, nil
		}
	}
}

// write notes what the function wrote.
func (tx *tx) write(t *table, now, next *change) {
	if !now.gone {
		next.base, next.had = now.version, now.keys
	}
	tx.own.put(t, next)
}

// Delete implements store.Tx.
func (tx *tx) Delete(coll *store.Coll, id string, version uint64) error {
	t, err := tx.writable(coll)
	if err != nil {
		return err
	}
	if version == 0 || id == "" || !utf8.ValidString(id) {
		return store.ErrConflict
	}
	now, err := tx.current(t, id)
	if err != nil {
		return tx.failed(err)
	}
	if now.gone || now.version != version {
		return store.ErrConflict
	}
	tx.write(t, now, &change{id: id, gone: true, version: version})
	return nil
}

// fits reports whether the run would have gone the same way on top of these
// layers: nothing that it read is different there, and nothing that it took is
// taken.
func (tx *tx) fits(over layers) bool {
	if len(over) == 0 {
		return true
	}
	for name, d := range tx.snap.docs {
		if c := over.newest(name.t, name.id); c != nil && c.differs(d) && !tx.lead.waitsFor(name) {
			return false
		}
	}
	for _, sc := range tx.snap.scans {
		if sc.touched(over) {
			return false
		}
	}
	for t, all := range tx.own.tables {
		for _, c := range all.docs {
			if !c.fits(t, over) {
				return false
			}
		}
	}
	return true
}

// differs reports whether the change is newer than what was read.
func (c *change) differs(read *stored) bool {
	switch {
	case read == nil:
		return !c.gone
	case c.gone:
		return c.sure || read.version <= c.version
	case c.sure:
		return c.version != read.version
	}
	return c.version > read.version
}

func (c *change) fits(t *table, over layers) bool {
	if other := over.newest(t, c.id); other != nil && c.base == 0 && !other.gone {
		return false
	}
	for _, ix := range t.unique {
		for _, key := range c.keys[ix.Name].keys {
			if id := over.holder(t, ix, key); id != "" && id != c.id {
				return false
			}
		}
	}
	return true
}

// snapshot is the state of the database at one moment, as far as it was read.
type snapshot struct {
	s      *Store
	keep   bool                // remember everything: a later run reads it again
	at     *moment             // nil: it has not begun
	paused bool                // at was told that this function has read what it needs
	wary   bool                // what is written is looked for first, also under a new id
	docs   map[docName]*stored // nil: it is not there
	scans  map[scanName]*scanned
	last   docName // what was read last, if that was a document
	reads  int     // questions to the server

	ahead    map[*table]ahead
	expected map[expected][]*stored // of unique keys: what they lead to
	failed   error                  // what was expected could not be read
}

// newSnapshot is one for an Update, which remembers.
func newSnapshot(s *Store) *snapshot {
	return &snapshot{s: s, keep: true, docs: make(map[docName]*stored), scans: make(map[scanName]*scanned)}
}

func (sn *snapshot) known(t *table, id string) (d *stored, known bool) {
	d, known = sn.docs[docName{t, id}]
	return d, known
}

func (sn *snapshot) get(ctx context.Context, t *table, id string) (*stored, error) {
	if d, known := sn.known(t, id); known {
		return d, nil
	}
	d, err := sn.getAhead(ctx, t, id)
	if err != nil {
		return nil, err
	}
	sn.last = docName{t, id}
	if sn.keep {
		sn.docs[docName{t, id}] = d
	}
	return d, nil
}
