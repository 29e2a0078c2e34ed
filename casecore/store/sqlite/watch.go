package sqlite

import (
	"context"
	"fmt"

	"casewire/casecore/store"
)

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, coll *store.Coll) (<-chan store.Hint, error) {
	if _, ok := s.tables[coll.Name]; !ok {
		return nil, fmt.Errorf("collection %s was not opened", coll.Name)
	}
	return s.hub.Watch(ctx, coll.Name)
}

// publish tells the watchers what one commit changed.
func (s *Store) publish(changed []change) {
	ids := make(map[*table][]string)
	for _, c := range changed {
		ids[c.table] = append(ids[c.table], c.id)
	}
	for t, list := range ids {
		s.hub.Tell(t.coll.Name, store.Hint{IDs: list})
	}
}
