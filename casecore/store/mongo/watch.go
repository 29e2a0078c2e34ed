package mongo

import (
	"context"
	"fmt"

	"casewire/casecore/store"
)

// Watch implements store.Store. Commits of this process are told at once, those
// of others as soon as the change stream brings them.
func (s *Store) Watch(ctx context.Context, coll *store.Coll) (<-chan store.Hint, error) {
	if _, ok := s.tables[coll.Name]; !ok {
		return nil, fmt.Errorf("collection %s was not opened", coll.Name)
	}
	return s.hub.Watch(ctx, coll.Name)
}

// publish tells the watchers what one commit changed.
func (s *Store) publish(l *layer) {
	for t, all := range l.tables {
		var ids []string
		for id, c := range all.docs {
			if !c.gone || c.base != 0 {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			t.recent.add(ids)
			s.hub.Tell(t.coll.Name, store.Hint{IDs: ids})
		}
	}
}
