package desk

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"casewire/casecore"
	"casewire/casecore/store"
)

// scanPage is how many documents one View reads, so that a long scan does not
// occupy a reader of the store throughout.
const scanPage = 4096

// scan gives the cases of r to use, a page at a time; meanwhile the next page is
// read.
func (b *Board) scan(ctx context.Context, r store.Range, use func([]store.Doc) error) error {
	g, ctx := errgroup.WithContext(ctx)
	pages := make(chan []store.Doc)
	g.Go(func() error {
		defer close(pages)
		r.Limit = scanPage
		for {
			docs, err := b.page(ctx, r)
			if err != nil {
				return err
			}
			select {
			case pages <- docs:
			case <-ctx.Done():
				return ctx.Err()
			}
			if len(docs) < scanPage {
				return nil
			}
			if r.After, err = markOf(docs[len(docs)-1], r.Index); err != nil {
				return err
			}
		}
	})
	g.Go(func() error {
		for docs := range pages {
			if err := use(docs); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

func (b *Board) page(ctx context.Context, r store.Range) ([]store.Doc, error) {
	docs := make([]store.Doc, 0, scanPage)
	err := b.store.View(ctx, func(tx store.Tx) error {
		docs = docs[:0]
		for d, err := range tx.Scan(casecore.Cases.Coll(), r) {
			if err != nil {
				return err
			}
			docs = append(docs, d)
		}
		return nil
	})
	return docs, err
}

// markOf is the place of a document in an index.
func markOf(d store.Doc, index string) (store.Mark, error) {
	keys, err := casecore.Cases.Coll().Rekey(d.ID, d.Body)
	if err != nil {
		return store.Mark{}, err
	}
	if len(keys[index]) != 1 {
		return store.Mark{}, fmt.Errorf("case %s has no key in index %s, in which it was found", d.ID, index)
	}
	return store.Mark{Key: keys[index][0], ID: d.ID}, nil
}
