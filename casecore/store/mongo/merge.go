package mongo

import (
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store"
)

// maxMerged is how many questions become one command.
const maxMerged = 64

// exactly is what a query asks for when it asks for one id or one key, in the
// order of ids: such questions can be merged.
type exactly struct {
	ix      store.Index // without a name: the id
	key     string
	reverse bool
}

// family names questions that differ only in their key.
type family struct {
	t       *table
	index   string
	reverse bool
}

// serve answers questions, those of one family together.
func (m *moment) serve(list []*ask) {
	families := make(map[family][]*question)
	for _, a := range list {
		for _, q := range a.questions {
			if q.exactly == nil {
				m.reply(q)
				continue
			}
			f := family{q.t, q.exactly.ix.Name, q.exactly.reverse}
			families[f] = append(families[f], q)
		}
	}
	for _, all := range families {
		for some := range slices.Chunk(all, maxMerged) {
			m.serveFamily(some)
		}
	}
}

func (m *moment) reply(q *question) { q.reply(m.find(q.t, q.query, q.limit)) }

// serveFamily asks for many keys at once. What comes back is all there is when it
// is less than was asked for; else everybody asks alone.
func (m *moment) serveFamily(list []*question) {
	if len(list) == 1 {
		m.reply(list[0])
		return
	}
	var keys []string
	limit := 1
	for _, q := range list {
		if key := q.exactly.key; !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
		limit += min(max(q.limit, 1), firstChunk)
	}
	t, x := list[0].t, list[0].exactly
	all := query{filter: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}}}
	if x.ix.Name != "" {
		all = query{filter: bson.D{{Key: field(x.ix), Value: bson.D{{Key: "$in", Value: keys}}}}}
	}
	docs, err := m.find(t, all, limit)
	switch {
	case errors.Is(err, ErrDamaged), err == nil && len(docs) >= limit:
		for _, q := range list {
			m.reply(q)
		}
	case err != nil:
		for _, q := range list {
			q.reply(nil, err)
		}
	default:
		for _, q := range list {
			q.reply(q.pick(docs), nil)
		}
	}
}

// pick takes out of the answer for many what this question alone would have got.
func (q *question) pick(docs []*stored) []*stored {
	x := q.exactly
	var own []*stored
	for _, d := range docs {
		if x.ix.Name == "" && d.id == x.key || x.ix.Name != "" && slices.Contains(d.keys[x.ix.Name].keys, x.key) {
			own = append(own, d)
		}
	}
	slices.SortFunc(own, func(a, b *stored) int {
		if x.reverse {
			a, b = b, a
		}
		return strings.Compare(a.id, b.id)
	})
	if q.limit > 0 && len(own) > q.limit {
		own = own[:q.limit]
	}
	return own
}
