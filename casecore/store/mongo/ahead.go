package mongo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Whoever is woken by a commit reads what it changed, one document after the other.
// A function that does so gets the next ones with the one it asks for.
const (
	maxRecent = 2048 // ids that each table remembers
	maxAhead  = 64   // documents that are read at once
)

// recent is the documents of a table that commits have changed last, in the order
// of the commits.
type recent struct {
	mu  sync.Mutex
	ids [maxRecent]string
	at  map[string]int // where an id stands
	end int
}

// add notes what one commit changed.
func (r *recent) add(ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = make(map[string]int, maxRecent)
	}
	for _, id := range ids {
		if _, there := r.at[id]; there {
			continue
		}
		delete(r.at, r.ids[r.end])
		r.ids[r.end], r.at[id] = id, r.end
		r.end = (r.end + 1) % maxRecent
	}
}

// near returns up to n ids that stand around this one; none when it is not there.
func (r *recent) near(id string, n int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, there := r.at[id]
	if !there {
		return nil
	}
	list := make([]string, 0, n)
	for i := at - n/4; i < at+n-n/4; i++ {
		if other := r.ids[(i+maxRecent)%maxRecent]; other != "" && other != id {
			list = append(list, other)
		}
	}
	return list
}

// ahead is what was read of a table with a document that was asked for.
type ahead struct {
	docs map[string]*stored // nil: it is not there
	next int                // how many are read at once the next time
}

// getAhead reads a document, and others that are likely to be asked for next.
func (sn *snapshot) getAhead(ctx context.Context, t *table, id string) (*stored, error) {
	a := sn.ahead[t]
	if d, there := a.docs[id]; there {
		return d, nil
	}
	a.next = min(8*a.next+1, maxAhead)
	if sn.ahead == nil {
		sn.ahead = make(map[*table]ahead)
	}
	sn.ahead[t] = a
	ids := []string{id}
	for _, other := range t.recent.near(id, a.next-1) {
		_, known := sn.known(t, other)
		if _, there := a.docs[other]; !known && !there {
			ids = append(ids, other)
		}
	}
	if len(ids) == 1 {
		return sn.getOne(ctx, t, id)
	}
	q := query{filter: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}}
	list, err := sn.find(ctx, t, q, len(ids))
	switch {
	case errors.Is(err, ErrDamaged):
		return sn.getOne(ctx, t, id)
	case err != nil:
		return nil, fmt.Errorf("get from %s: %w", t.coll.Name, err)
	}
	docs := make(map[string]*stored, len(ids))
	for _, id := range ids {
		docs[id] = nil
	}
	for _, d := range list {
		docs[d.id] = d
	}
	sn.keepAhead(t, docs)
	return docs[id], nil
}

// keepAhead keeps what was read before it is asked for.
func (sn *snapshot) keepAhead(t *table, docs map[string]*stored) {
	a := sn.ahead[t]
	if a.docs == nil || len(a.docs) > maxRecent { // so that a long view stays small
		a.docs = make(map[string]*stored, len(docs))
	}
	maps.Copy(a.docs, docs)
	if sn.ahead == nil {
		sn.ahead = make(map[*table]ahead)
	}
	sn.ahead[t] = a
}

func (sn *snapshot) getOne(ctx context.Context, t *table, id string) (*stored, error) {
	list, err := sn.find(ctx, t, byID(id), 1)
	if err != nil {
		return nil, fmt.Errorf("get from %s: %w", t.coll.Name, err)
	}
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // it is not there
	}
	return list[0], nil
}
