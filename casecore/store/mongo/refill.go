package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
)

// While nodes are exchanged one after the other, older ones write documents without
// the keys of indexes that only newer ones declare. Every process registers what it
// declares in its document. A newer one gives the documents that an older one told of
// their keys at once, and looks at all documents again when the older one has gone or
// fallen silent, so that a lost hint loses no key. That this is still due is noted in
// casewire.meta, for the case that the newer one ends too.

// schema is the kinds of indexes that a process declares, by collection.
type schema map[string][]string

// refill keeps the keys of new indexes complete.
type refill struct {
	s       *Store
	told    chan told
	mu      sync.Mutex
	same    map[string]bool // processes that declare at least what this one does
	older   map[string]*older
	stopped chan struct{} // nil: it was never started
}

// told is what a commit of another process changed.
type told struct {
	node string
	ids  map[*table][]string
}

// older is a process that does not declare all that this one does.
type older struct {
	lacks map[*table][]store.Index
	round int64 // when it was last looked at
	swept int64 // its documents are complete up to this round
	tells bool  // its commits say what they change
	due   bool  // all documents are to be looked at
	gone  bool
}

// peer is the document of a process.
type peer struct {
	ID      string   `bson:"_id"`
	Round   int64    `bson:"round"`
	Schema  schema   `bson:"schema"`
	Changed bson.Raw `bson:"changed"`
}

func newRefill(s *Store) *refill {
	return &refill{s: s, told: make(chan told, 64), same: make(map[string]bool), older: make(map[string]*older)}
}

// register tells the other processes what this one declares.
func (s *Store) register(ctx context.Context) error {
	s.registered = true
	all := make(schema, len(s.tables))
	for name, t := range s.tables {
		all[name] = make([]string, 0, len(t.coll.Indexes))
		for _, ix := range t.coll.Indexes {
			all[name] = append(all[name], kindName(ix))
		}
	}
	_, err := s.nodes.UpdateOne(ctx, bson.D{{Key: "_id", Value: s.node}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "schema", Value: all}, {Key: "at", Value: time.Now()}}}}, options.UpdateOne().SetUpsert(true))
	return err
}

// peers returns the other processes.
func (s *Store) peers(ctx context.Context) ([]peer, error) {
	cur, err := s.nodes.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$ne", Value: s.node}}}})
	if err != nil {
		return nil, err
	}
	var list []peer
	return list, cur.All(ctx, &list)
}

// declaredByOthers are the kinds of indexes of a collection that other processes work
// with.
func declaredByOthers(peers []peer, coll string) map[string]bool {
	kinds := make(map[string]bool)
	for _, p := range peers {
		for _, kind := range p.Schema[coll] {
			kinds[kind] = true
		}
	}
	return kinds
}

// lacks are the indexes that the process does not write keys for, of collections that
// it can write to.
func (s *Store) lacks(p *peer) map[*table][]store.Index {
	lacks := make(map[*table][]store.Index)
	for name, t := range s.tables {
		if _, opened := p.Schema[name]; !opened && p.Schema != nil {
			continue
		}
		for _, ix := range t.coll.Indexes {
			if !slices.Contains(p.Schema[name], kindName(ix)) {
				lacks[t] = append(lacks[t], ix)
			}
		}
	}
	return lacks
}

// tell hands over what a commit of another process changed. It never waits: what is
// not taken is found by looking at everything.
func (r *refill) tell(node string, ids map[*table][]string) {
	r.mu.Lock()
	same := r.same[node]
	r.mu.Unlock()
	if same {
		return
	}
	select {
	case r.told <- told{node, ids}:
	default:
	}
}

// run works until ctx is done.
func (r *refill) run(ctx context.Context) {
	defer close(r.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case news := <-r.told:
			err = r.follow(ctx, news)
		case <-timer.C:
			err = r.look(ctx)
			timer.Reset(r.s.opts.Refill)
		}
		if err != nil && ctx.Err() == nil {
			r.s.log.Warn("the keys of documents that an older process wrote could not be completed; they will be", "err", err)
		}
	}
}

// follow completes the documents that one commit changed, when an older process made
// it.
func (r *refill) follow(ctx context.Context, news told) error {
	if r.older[news.node] == nil {
		var p peer
		err := r.s.nodes.FindOne(ctx, bson.D{{Key: "_id", Value: news.node}}).Decode(&p)
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil // gone: whoever looked before knows it
		}
		if err != nil {
			return err
		}
		if err := r.meet(ctx, &p); err != nil {
			return err
		}
	}
	o := r.older[news.node]
	if o == nil {
		return nil
	}
	for t, ids := range news.ids {
		if len(o.lacks[t]) == 0 || len(ids) == 0 {
			continue
		}
		if _, _, err := t.fillSome(ctx, o.lacks[t], bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, 0); err != nil {
			return fmt.Errorf("complete documents of %s: %w", t.coll.Name, err)
		}
	}
	return nil
}

// meet notes a process, and when it is an older one that its documents are to be
// looked at.
func (r *refill) meet(ctx context.Context, p *peer) error {
	lacks := r.s.lacks(p)
	if len(lacks) == 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.same[p.ID] = true
		return nil
	}
	if o := r.older[p.ID]; o != nil {
		return nil
	}
	if err := r.s.owe(ctx, lacks); err != nil {
		return err
	}
	r.s.log.Info("a process of an older version works on the database; its documents are given the keys of new indexes", "node", p.ID)
	r.older[p.ID] = &older{lacks: lacks, swept: -1, round: -1, tells: p.Changed != nil}
	return nil
}

// look finds out which older processes there are, and completes all documents after
// one has gone or fallen silent.
func (r *refill) look(ctx context.Context) error {
	debt, err := r.s.debt(ctx)
	if err != nil {
		return err
	}
	peers, err := r.s.peers(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]*peer, len(peers))
	for i := range peers {
		there[peers[i].ID] = &peers[i]
		if err := r.meet(ctx, &peers[i]); err != nil {
			return err
		}
	}
	due := make(map[*table][]store.Index)
	add := func(lacks map[*table][]store.Index) {
		for t, list := range lacks {
			for _, ix := range list {
				if !slices.Contains(due[t], ix) {
					due[t] = append(due[t], ix)
				}
			}
		}
	}
	for id, o := range r.older {
		p := there[id]
		o.gone = p == nil
		if o.due = o.gone || p.Round != o.swept && (p.Round == o.round || !o.tells); o.due {
			add(o.lacks)
		}
		if p != nil {
			o.round, o.tells = p.Round, p.Changed != nil
		}
	}
	ours := len(r.older) == 0 && debt.N > 0 && r.s.pays(debt, peers)
	if ours {
		add(r.s.owed(debt)) // whoever met them may have ended
	}
	for t, list := range due {
		if err := t.fill(ctx, list); err != nil {
			return fmt.Errorf("complete documents of %s: %w", t.coll.Name, err)
		}
	}
	for id, o := range r.older {
		if o.gone {
			delete(r.older, id)
		} else if o.due {
			o.swept = o.round
		}
	}
	if ours {
		return r.s.settle(ctx, debt)
	}
	return nil
}

// pays reports whether a note is for this process to settle: not when it is about
// indexes that only others declare.
func (s *Store) pays(d debt, peers []peer) bool {
	for name, kinds := range d.Kinds {
		others := declaredByOthers(peers, name)
		for _, kind := range kinds {
			if others[kind] && !s.declares(name, kind) {
				return false
			}
		}
	}
	return true
}

func (s *Store) declares(coll, kind string) bool {
	t := s.tables[coll]
	return t != nil && slices.ContainsFunc(t.coll.Indexes, func(ix store.Index) bool { return kindName(ix) == kind })
}

// debt is the note in casewire.meta that documents may lack keys.
type debt struct {
	N     int64  `bson:"n"`
	Kinds schema `bson:"kinds"`
}

const debtName = "keys to complete"

func (s *Store) debt(ctx context.Context) (d debt, err error) {
	err = s.db.Collection(metaName).FindOne(ctx, byName(debtName)).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return d, nil
	}
	return d, err
}

// owe notes that documents may lack keys of these indexes.
func (s *Store) owe(ctx context.Context, lacks map[*table][]store.Index) error {
	var add bson.D
	for t, list := range lacks {
		var kinds []string
		for _, ix := range list {
			kinds = append(kinds, kindName(ix))
		}
		add = append(add, bson.E{Key: "kinds." + t.coll.Name, Value: bson.D{{Key: "$each", Value: kinds}}})
	}
	_, err := s.db.Collection(metaName).UpdateOne(ctx, byName(debtName),
		bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "$addToSet", Value: add}}, options.UpdateOne().SetUpsert(true))
	return err
}

// owed are the declared indexes of a note.
func (s *Store) owed(d debt) map[*table][]store.Index {
	list := make(map[*table][]store.Index)
	for name, kinds := range d.Kinds {
		t := s.tables[name]
		if t == nil {
			continue
		}
		for _, ix := range t.coll.Indexes {
			if slices.Contains(kinds, kindName(ix)) {
				list[t] = append(list[t], ix)
			}
		}
	}
	return list
}

// settle removes the note, unless somebody has added to it.
func (s *Store) settle(ctx context.Context, d debt) error {
	_, err := s.db.Collection(metaName).DeleteOne(ctx, append(byName(debtName), bson.E{Key: "n", Value: d.N}))
	return err
}
