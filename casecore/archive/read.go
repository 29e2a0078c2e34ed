package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"casewire/casecore/blob"
	"casewire/casecore/store"
)

const (
	batch = 500 // documents of one transaction
	crew  = 4   // chunks that are put at once
)

// Read restores an archive into a store without documents: ErrNotEmpty otherwise,
// and nothing has changed. The stream is read once and is believed when its end
// fits; until then, and until settle has returned, the store is marked as
// unfinished, and Ready refuses it. So an error, or a process that dies, leaves a
// store that nobody works with; another Read begins by emptying it. Whoever can
// read the stream twice calls Check first, and then a bad archive changes nothing.
//
// settle does what must be done to the documents before anybody sees them; nil
// does nothing. Contents stay when Read fails: nothing refers to them.
func Read(ctx context.Context, r io.Reader, into Book, settle func(context.Context) error) (Report, error) {
	var m mark
	g, work := errgroup.WithContext(ctx)
	g.SetLimit(crew)
	report, err := walk(work, r, into.Colls, taker{
		manifest: func(has Manifest) (err error) {
			m, err = begin(work, into, has)
			return err
		},
		documents: func(c *store.Coll, docs []store.Doc) error {
			g.Go(func() error { return put(work, into.Store, c, docs) })
			return work.Err()
		},
		content: func(hash string, size int64, r io.Reader) error { return keep(work, into.Blobs, hash, size, r) },
	})
	if failed := g.Wait(); failed != nil { // the cause, when the walk was only told to stop
		err = failed
	}
	if err == nil && settle != nil {
		err = settle(ctx)
	}
	if err == nil {
		err = finish(ctx, into.Store, m)
	}
	switch {
	case err == nil:
		return report, nil
	case m.Version > 0:
		return Report{}, fmt.Errorf("%w; the store is left unfinished: run casewire restore again, it begins anew", err)
	}
	return Report{}, err
}

// finish makes the store one to work with.
func finish(ctx context.Context, st store.Store, m mark) error {
	m.Complete = true
	err := st.Update(ctx, func(tx store.Tx) error {
		now := m
		return marks.Put(tx, &now)
	})
	if err != nil {
		return fmt.Errorf("finish the restore: %w", err)
	}
	return nil
}

// loader is a store that fills a collection faster than by transactions. What it
// does by halves is no worse than a restore that ends halfway.
type loader interface {
	Load(ctx context.Context, c *store.Coll, docs []store.Doc) error
}

// put writes the documents of a chunk.
func put(ctx context.Context, st store.Store, c *store.Coll, docs []store.Doc) error {
	if l, ok := st.(loader); ok {
		for some := range slices.Chunk(docs, batch) {
			if err := l.Load(ctx, c, some); err != nil {
				return fmt.Errorf("restore documents of %s: %w", c.Name, err)
			}
		}
		return nil
	}
	for some := range slices.Chunk(docs, batch) {
		err := st.Update(ctx, func(tx store.Tx) error {
			for _, d := range some {
				if _, err := tx.Put(c, d); err != nil {
					return fmt.Errorf("document %s: %w", d.ID, err)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("restore documents of %s: %w", c.Name, err)
		}
	}
	return nil
}

// keep stores a content. One that is not what its name says is refused by the
// walk, and swept later.
func keep(ctx context.Context, blobs blob.Store, hash string, size int64, r io.Reader) error {
	from := &reading{r: r}
	_, err := blobs.Put(ctx, from, size)
	if from.err != nil {
		return damaged("it is cut off in an attachment", from.err)
	}
	if err != nil {
		return fmt.Errorf("restore attachment %s: %w", hash, err)
	}
	return nil
}

// reading tells a failure to read from one to write.
type reading struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// mark tells that a store was made out of an archive, or is being made.
type mark struct {
	store.Meta
	Program  string    `json:"program"` // that wrote the archive
	At       time.Time `json:"at"`      // when it was written
	Complete bool      `json:"complete"`
}

// Keys of a mark: none.
func (*mark) Keys() store.Keys { return nil }

var marks = store.NewTable[mark]("restore")

const markID = "restore"

// Collections lists what this package keeps, for opening a store.
func Collections() []*store.Coll { return []*store.Coll{marks.Coll()} }

// Unfinished is the refusal of a store whose restore did not come to its end.
type Unfinished struct {
	At time.Time // when the archive was written
}

func (u *Unfinished) Error() string {
	return fmt.Sprintf("a restore of the backup of %s into this store was not finished; run casewire restore again, it begins anew",
		u.At.UTC().Format(time.RFC3339))
}

// Ready returns *Unfinished for a store that is only half restored.
func Ready(ctx context.Context, st store.Store) error {
	return st.View(ctx, func(tx store.Tx) error {
		m, err := marks.Get(tx, markID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil && !m.Complete {
			return &Unfinished{At: m.At}
		}
		return err
	})
}

// begin marks the store as unfinished. What an unfinished restore has put is
// removed; any other document is somebody's.
func begin(ctx context.Context, into Book, has Manifest) (mark, error) {
	var m mark
	err := into.Store.Update(ctx, func(tx store.Tx) error {
		m = mark{Meta: store.Meta{ID: markID}}
		found, err := marks.Get(tx, markID)
		switch {
		case err == nil && !found.Complete:
			m = *found
		case err == nil:
			return fmt.Errorf("%w: a backup was restored into it before", ErrNotEmpty)
		case !errors.Is(err, store.ErrNotFound):
			return err
		default:
			if err := empty(tx, into.Colls); err != nil {
				return err
			}
		}
		m.Program, m.At = has.Program, has.At
		return marks.Put(tx, &m)
	})
	if err != nil {
		return m, err
	}
	for _, c := range ours(into.Colls) {
		if err := wipe(ctx, into.Store, c); err != nil {
			return m, fmt.Errorf("remove what an unfinished restore has put: %w", err)
		}
	}
	return m, nil
}

// empty refuses a store that has documents.
func empty(tx store.Tx, colls []*store.Coll) error {
	for _, c := range ours(colls) {
		for _, err := range tx.Scan(c, store.Range{Limit: 1}) {
			if err != nil {
				return err
			}
			return fmt.Errorf("%w (%s)", ErrNotEmpty, c.Name)
		}
	}
	return nil
}

// wipe removes the documents of a collection.
func wipe(ctx context.Context, st store.Store, c *store.Coll) error {
	for more := true; more; {
		err := st.Update(ctx, func(tx store.Tx) error {
			var some []store.Doc
			for d, err := range tx.Scan(c, store.Range{Limit: batch}) {
				if err != nil {
					return err
				}
				some = append(some, store.Doc{ID: d.ID, Version: d.Version})
			}
			more = len(some) == batch
			for _, d := range some {
				if err := tx.Delete(c, d.ID, d.Version); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
