package mongo

import (
	"context"
	"encoding/json"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
)

// Load inserts documents in one command: without a transaction, and without looking
// first whether they are there. It is for filling a store that nobody works with,
// and many times as fast as Update at that. An id or a unique key that is taken is
// store.ErrExists. After an error some of the documents are there and some are not.
func (s *Store) Load(ctx context.Context, coll *store.Coll, docs []store.Doc) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	t, ok := s.tables[coll.Name]
	if !ok {
		return fmt.Errorf("collection %s was not opened", coll.Name)
	}
	if len(docs) == 0 {
		return nil
	}
	list := make([]any, len(docs))
	for i, d := range docs {
		if err := t.coll.CheckDoc(d); err != nil {
			return err
		}
		if !json.Valid(d.Body) {
			return fmt.Errorf("body of %s: %w", d.ID, errBody)
		}
		list[i] = document(d.ID, 1, keysOf(t.coll, d.Keys), d.Body)
	}
	_, err := t.c.InsertMany(ctx, list, options.InsertMany().SetOrdered(false))
	switch {
	case isDuplicate(err):
		return fmt.Errorf("an id or a unique key of %s is held by another document: %w", coll.Name, store.ErrExists)
	case isAway(err):
		return fmt.Errorf("load documents of %s: %w: %w", coll.Name, ErrUnavailable, err)
	case err != nil:
		return fmt.Errorf("load documents of %s: %w", coll.Name, err)
	}
	return nil
}
