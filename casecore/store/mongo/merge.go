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
	families := make(map[family][]*ask)
	for _, a := range list {
		if a.q.exactly == nil {
			a.answer <- m.reply(a)
			continue
		}
		f := family{a.t, a.q.exactly.ix.Name, a.q.exactly.reverse}
		families[f] = append(families[f], a)
	}
	for _, all := range families {
		for some := range slices.Chunk(all, maxMerged) {
			m.serveFamily(some)
		}
	}
}

func (m *moment) reply(a *ask) answer {
	docs, err := m.find(a.t, a.q, a.limit)
	return answer{docs, err}
}

// serveFamily asks for many keys at once. What comes back is all there is when it
// is less than was asked for; else everybody asks alone.
func (m *moment) serveFamily(list []*ask) {
	var keys []string
	limit := 1
	for _, a := range list {
		if key := a.q.exactly.key; !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
		limit += min(max(a.limit, 1), firstChunk)
	}
	if len(list) == 1 {
		list[0].answer <- m.reply(list[0])
		return
	}
	t, x := list[0].t, list[0].q.exactly
	q := query{filter: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}}}
	if x.ix.Name != "" {
		q = query{filter: bson.D{{Key: field(x.ix), Value: bson.D{{Key: "$in", Value: keys}}}}}
	}
	docs, err := m.find(t, q, limit)
	switch {
	case errors.Is(err, ErrDamaged), err == nil && len(docs) >= limit:
		for _, a := range list {
			a.answer <- m.reply(a)
		}
	case err != nil:
		for _, a := range list {
			a.answer <- answer{err: err}
		}
	default:
		for _, a := range list {
			a.answer <- answer{docs: a.pick(docs)}
		}
	}
}

// pick takes out of the answer for many what this question alone would have got.
func (a *ask) pick(docs []*stored) []*stored {
	x := a.q.exactly
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
	if a.limit > 0 && len(own) > a.limit {
		own = own[:a.limit]
	}
	return own
}
