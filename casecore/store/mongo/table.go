package mongo

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
)

// table is a collection as MongoDB sees it.
type table struct {
	coll   *store.Coll
	c      *mongo.Collection
	unique []store.Index
	recent recent
}

func newTable(coll *store.Coll, c *mongo.Collection) *table {
	t := &table{coll: coll, c: c}
	for _, ix := range coll.Indexes {
		if ix.Unique {
			t.unique = append(t.unique, ix)
		}
	}
	return t
}

func field(ix store.Index) string { return "k." + ix.Name }

// indexName is the same for an index of one key and of many: to MongoDB they are.
func indexName(ix store.Index) string {
	if ix.Unique {
		return "k_" + ix.Name + "_u"
	}
	return "k_" + ix.Name
}

// kindName tells all that an index is declared to be.
func kindName(ix store.Index) string {
	if ix.Multi {
		return indexName(ix) + "_m"
	}
	return indexName(ix)
}

// model is the index for MongoDB. It holds only documents that have a key; a
// unique one has no id, which it does not need to be in order.
func model(ix store.Index) mongo.IndexModel {
	o := options.Index().SetName(indexName(ix))
	if ix.Unique {
		return mongo.IndexModel{Keys: bson.D{{Key: field(ix), Value: 1}}, Options: o.SetUnique(true).SetSparse(true)}
	}
	o.SetPartialFilterExpression(bson.D{{Key: field(ix), Value: bson.D{{Key: "$exists", Value: true}}}})
	return mongo.IndexModel{Keys: bson.D{{Key: field(ix), Value: 1}, {Key: "_id", Value: 1}}, Options: o}
}

// span is a Range over one table, as the engine works with it.
type span struct {
	t      *table
	r      store.Range // without Limit and After
	ix     store.Index
	lo, hi string // "" is no bound; hi is not included
}

func newSpan(t *table, r store.Range) span {
	ix, _ := t.coll.Index(r.Index)
	s := span{t: t, r: r, ix: ix}
	s.r.Limit, s.r.After = 0, store.Mark{}
	if ix.Multi {
		return s
	}
	s.lo, s.hi = max(r.From, r.Prefix), r.To
	if end := afterPrefix(r.Prefix); end != "" && (s.hi == "" || end < s.hi) {
		s.hi = end
	}
	return s
}

// afterPrefix is the smallest text above all that begin with p, or "" when there
// is none. Texts are in the order of their bytes, which is that of their runes.
func afterPrefix(p string) string {
	for p != "" {
		r, n := utf8.DecodeLastRuneInString(p)
		p = p[:len(p)-n]
		switch {
		case r == utf8.RuneError && n == 1, r == utf8.MaxRune:
		case r == 0xD7FF:
			return p + string(rune(0xE000))
		default:
			return p + string(r+1)
		}
	}
	return ""
}

// place is where a document stands in the span, if it does.
func (s *span) place(id string, keys keySet) (store.Mark, bool) {
	at := store.Mark{Key: id, ID: id}
	if s.r.Index != "" {
		list := keys[s.ix.Name].keys
		if s.ix.Multi {
			return store.Mark{Key: s.r.Prefix, ID: id}, slices.Contains(list, s.r.Prefix)
		}
		if len(list) == 0 {
			return at, false
		}
		at.Key = list[0]
	}
	in := at.Key >= s.lo && (s.hi == "" || at.Key < s.hi) && strings.HasPrefix(at.Key, s.r.Prefix)
	return at, in
}

// compare orders places in the direction of the span.
func (s *span) compare(a, b store.Mark) int {
	n := cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID))
	if s.r.Reverse {
		return -n
	}
	return n
}

// start is the place behind which a scan of r begins, ok when there is one.
func (s *span) start(r store.Range) (at store.Mark, ok bool) {
	if r.After == (store.Mark{}) {
		return at, false
	}
	at = r.After
	switch {
	case r.Index == "":
		at.Key = at.ID
	case s.ix.Multi:
		at.Key = s.r.Prefix
	}
	return at, true
}

// query is one find. A filter of one field needs no hint, for no other index begins
// with that field; where the id comes in, a hint keeps the server from going by ids.
type query struct {
	filter  bson.D
	sort    bson.D
	hint    string
	exactly *exactly // nil: it asks for more than one key or id
}

// queries returns the finds that yield the span behind after, one after the
// other. Behind a place in the middle of equal keys it takes two.
func (s *span) queries(after store.Mark, behind bool) []query {
	way, past := 1, "$gt"
	if s.r.Reverse {
		way, past = -1, "$lt"
	}
	byID := bson.D{{Key: "_id", Value: way}}
	if s.r.Index == "" {
		return []query{{filter: one("_id", s.bounds(after.ID, behind)), sort: byID, hint: "_id_"}}
	}
	name, hint := field(s.ix), indexName(s.ix)
	if key, exact := s.exact(); exact && s.ix.Unique {
		if behind {
			return s.behindOnly(key, after, past)
		}
		return []query{byKey(s.ix, key)}
	}
	if s.ix.Multi {
		q := query{filter: bson.D{{Key: name, Value: s.r.Prefix}}, sort: byID}
		if !behind {
			q.exactly = &exactly{s.ix, s.r.Prefix, s.r.Reverse}
		} else {
			q.filter = append(q.filter, bson.E{Key: "_id", Value: bson.D{{Key: past, Value: after.ID}}})
		}
		return []query{q}
	}
	sort := bson.D{{Key: name, Value: way}}
	if !s.ix.Unique {
		sort = append(sort, bson.E{Key: "_id", Value: way})
	}
	var list []query
	if inside := after.Key >= s.lo && (s.hi == "" || after.Key < s.hi); behind && inside {
		list = append(list, query{sort: sort, hint: hint, filter: bson.D{
			{Key: name, Value: after.Key}, {Key: "_id", Value: bson.D{{Key: past, Value: after.ID}}},
		}})
	}
	return append(list, query{filter: one(name, s.bounds(after.Key, behind)), sort: sort})
}

// exact returns the only key of the span, if it has just one.
func (s *span) exact() (key string, ok bool) {
	if s.ix.Multi {
		return s.r.Prefix, true
	}
	return s.lo, s.lo != "" && s.hi == s.lo+"\x00" && strings.HasPrefix(s.lo, s.r.Prefix)
}

// byKey finds the one holder of a unique key.
func byKey(ix store.Index, key string) query {
	return query{filter: bson.D{{Key: field(ix), Value: key}}, exactly: &exactly{ix: ix, key: key}}
}

// behindOnly finds the one holder of a unique key if it stands behind the place.
func (s *span) behindOnly(key string, after store.Mark, past string) []query {
	if (key < after.Key) != s.r.Reverse && key != after.Key {
		return nil
	}
	filter := bson.D{{Key: field(s.ix), Value: key}}
	if key == after.Key {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: past, Value: after.ID}}})
	}
	return []query{{filter: filter}}
}

func one(name string, cond bson.D) bson.D {
	if len(cond) == 0 {
		return bson.D{}
	}
	return bson.D{{Key: name, Value: cond}}
}

// bounds are the conditions on the key, or the id: the tighter of the span's own
// and that of the place.
func (s *span) bounds(after string, behind bool) bson.D {
	lower, lo, upper, hi := "$gte", s.lo, "$lt", s.hi
	if behind && !s.r.Reverse && after >= lo {
		lower, lo = "$gt", after
	}
	if behind && s.r.Reverse && (hi == "" || after < hi) {
		hi = after
		if hi == "" { // nothing comes before the smallest text
			return bson.D{{Key: upper, Value: ""}}
		}
	}
	var cond bson.D
	if lo != "" || s.r.Index != "" {
		cond = append(cond, bson.E{Key: lower, Value: lo})
	}
	if hi != "" {
		cond = append(cond, bson.E{Key: upper, Value: hi})
	}
	return cond
}
