package mongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"casewire/casecore/store"
)

// errRefused means that another process has changed something meanwhile.
var errRefused = errors.New("changed by another process")

// durable is the write concern of everything that this package writes.
func durable() *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal}
}

// operation is one write of a transaction.
type operation struct {
	c      *mongo.Collection
	kind   operationKind
	filter bson.D
	doc    any
}

// The order in which they are sent: first what sets ids and keys free.
type operationKind int

const (
	opDelete operationKind = iota
	opRelease
	opReplace
	opInsert
	opMark
)

// operations turns a layer into writes. The version that each was based on is its
// condition.
func operations(l *layer) []operation {
	var ops []operation
	for t, all := range l.tables {
		for _, c := range all.docs {
			at := bson.D{{Key: "_id", Value: c.id}, {Key: "v", Value: int64(c.base)}}
			switch {
			case c.gone && c.base == 0:
			case c.gone:
				ops = append(ops, operation{t.c, opDelete, at, nil})
			case c.base == 0:
				ops = append(ops, operation{t.c, opInsert, nil, c.inserted()})
			default:
				if free := c.released(t, all); len(free) > 0 {
					ops = append(ops, operation{t.c, opRelease, at, bson.D{{Key: "$unset", Value: free}}})
				}
				ops = append(ops, operation{t.c, opReplace, at, document(c.id, c.version, c.keys, c.body)})
			}
		}
	}
	// Everybody locks in the same order.
	slices.SortStableFunc(ops, func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.c.Name(), b.c.Name()))
	})
	return ops
}

// inserted is a new document as it is stored.
func (c *change) inserted() bson.Raw {
	if c.doc == nil {
		return document(c.id, c.version, c.keys, c.body)
	}
	return c.doc
}

// released are the unique keys that the document lets go of and another document
// of the same transaction takes.
func (c *change) released(t *table, all *changes) bson.D {
	var free bson.D
	for _, ix := range t.unique {
		for _, key := range c.had[ix.Name].keys {
			if id := all.held[heldKey(ix.Name, key)]; id != "" && id != c.id {
				free = append(free, bson.E{Key: field(ix), Value: ""})
				break
			}
		}
	}
	return free
}

// commit makes what is pending durable. errRefused and transient errors mean that
// it did not happen and may be tried again.
func (rd *round) commit() error {
	ops := operations(rd.pending)
	if len(ops) == 0 {
		return nil
	}
	w := rd.w
	ctx, cancel := context.WithTimeout(w.s.base, w.s.opts.Patience)
	defer cancel()
	sess, err := w.open(ctx)
	if err != nil {
		return err
	}
	if err := sess.StartTransaction(options.Transaction().SetWriteConcern(durable())); err != nil {
		return err
	}
	w.round++
	ops = append(ops, w.mark(rd.pending))
	err = w.s.send(mongo.NewSessionContext(ctx, sess), ops)
	if err == nil {
		if e := w.s.check("store.before-commit"); e != nil {
			err = fmt.Errorf("%w: %w", errStopped, e)
		}
	}
	if err != nil {
		short, cancel := context.WithTimeout(ctx, endTimeout)
		defer cancel()
		_ = sess.AbortTransaction(short) // the server aborts it by itself when it cannot be told
		return err
	}
	if err := w.finish(ctx, sess); err != nil {
		return err
	}
	w.s.stats.commits.Add(1)
	return nil
}

// mark writes the number of the round, and what it changes, beside what it changes:
// the number settles how a commit ended, and the rest wakes the other processes.
func (w *writer) mark(l *layer) operation {
	return operation{w.s.nodes, opMark, bson.D{{Key: "_id", Value: w.s.node}}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "round", Value: w.round}, {Key: "at", Value: time.Now()}, {Key: "changed", Value: changed(l)},
	}}}}
}

// maxTold is how many ids of a collection one commit tells of. It tells of more
// without their ids.
const maxTold = 1024

// changed is the ids of what a layer changes, by collection.
func changed(l *layer) bson.D {
	list := make(bson.D, 0, len(l.tables))
	for t, all := range l.tables {
		ids := make(bson.A, 0, min(len(all.docs), maxTold+1))
		for id := range all.docs {
			if len(ids) > maxTold {
				ids = ids[:0]
				break
			}
			ids = append(ids, id)
		}
		list = append(list, bson.E{Key: t.coll.Name, Value: ids})
	}
	return list
}

// finish commits, and when the answer is lost finds out what it was.
func (w *writer) finish(ctx context.Context, sess *mongo.Session) error {
	for wait := w.s.patience(); ; {
		err := sess.CommitTransaction(ctx)
		if err == nil {
			return nil
		}
		w.s.stats.unsure.Add(1)
		if !hasLabel(err, labelUnknown) {
			// The server has no such transaction: it was aborted, or committed
			// before the server was restarted.
			if there, e := w.marked(ctx); e == nil && there {
				return nil
			} else if e == nil {
				return fmt.Errorf("%w: %w", errRefused, err)
			}
		}
		if e := wait.pause(ctx); e != nil {
			w.s.log.Error("the outcome of a commit is unknown", "err", err)
			w.s.hub.Missed()
			return fmt.Errorf("%w (the database is %w): %w", ErrUnknown, store.ErrUnavailable, err)
		}
	}
}

// marked reports whether the last round is in the database.
func (w *writer) marked(ctx context.Context) (bool, error) {
	c := w.s.nodes.Database().Collection(nodesName, options.Collection().SetReadConcern(readconcern.Majority()))
	var node struct {
		Round int64 `bson:"round"`
	}
	err := c.FindOne(ctx, bson.D{{Key: "_id", Value: w.s.node}}).Decode(&node)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return node.Round >= w.round, err
}

// send sends the writes of a transaction and checks that each has found what it
// was based on.
func (s *Store) send(ctx context.Context, ops []operation) error {
	var want, got int64
	for _, op := range ops {
		if op.kind != opInsert {
			want++
		}
	}
	var err error
	if s.bulk {
		few, many := apart(ops)
		if got, err = s.sendBulk(ctx, few); err == nil {
			_, err = sendEach(ctx, many)
		}
	} else {
		got, err = sendEach(ctx, ops)
	}
	switch {
	case isDuplicate(err):
		return fmt.Errorf("%w: %w", errRefused, err)
	case err != nil:
		return err
	case got != want:
		return errRefused
	}
	return nil
}

// manyInserts is from how many documents on an insert command of their own costs
// the server less than their part of a bulkWrite.
const manyInserts = 8

// apart takes out the inserts of which there are many in one collection.
func apart(ops []operation) (few, many []operation) {
	count := make(map[*mongo.Collection]int)
	for _, op := range ops {
		if op.kind == opInsert {
			count[op.c]++
		}
	}
	for _, op := range ops {
		if op.kind == opInsert && count[op.c] >= manyInserts {
			many = append(many, op)
		} else {
			few = append(few, op)
		}
	}
	return few, many
}

// sendBulk sends all of them as one command, which MongoDB knows since 8.0.
func (s *Store) sendBulk(ctx context.Context, ops []operation) (found int64, err error) {
	writes := make([]mongo.ClientBulkWrite, len(ops))
	for i, op := range ops {
		writes[i] = mongo.ClientBulkWrite{Database: op.c.Database().Name(), Collection: op.c.Name(), Model: op.clientModel()}
	}
	res, err := s.client.BulkWrite(ctx, writes)
	if err != nil {
		return 0, err
	}
	return res.MatchedCount + res.DeletedCount + res.UpsertedCount, nil
}

func (op *operation) clientModel() mongo.ClientWriteModel {
	switch op.kind {
	case opDelete:
		return mongo.NewClientDeleteOneModel().SetFilter(op.filter)
	case opInsert:
		return mongo.NewClientInsertOneModel().SetDocument(op.doc)
	case opReplace:
		return mongo.NewClientReplaceOneModel().SetFilter(op.filter).SetReplacement(op.doc)
	}
	return mongo.NewClientUpdateOneModel().SetFilter(op.filter).SetUpdate(op.doc).SetUpsert(op.kind == opMark)
}

// sendEach sends one command for each collection and kind.
func sendEach(ctx context.Context, ops []operation) (found int64, err error) {
	for len(ops) > 0 {
		n := 1
		for n < len(ops) && ops[n].c == ops[0].c {
			n++
		}
		models := make([]mongo.WriteModel, n)
		for i := range models {
			models[i] = ops[i].model()
		}
		res, err := ops[0].c.BulkWrite(ctx, models)
		if err != nil {
			return 0, err
		}
		found += res.MatchedCount + res.DeletedCount + res.UpsertedCount
		ops = ops[n:]
	}
	return found, nil
}

func (op *operation) model() mongo.WriteModel {
	switch op.kind {
	case opDelete:
		return mongo.NewDeleteOneModel().SetFilter(op.filter)
	case opInsert:
		return mongo.NewInsertOneModel().SetDocument(op.doc)
	case opReplace:
		return mongo.NewReplaceOneModel().SetFilter(op.filter).SetReplacement(op.doc)
	}
	return mongo.NewUpdateOneModel().SetFilter(op.filter).SetUpdate(op.doc).SetUpsert(op.kind == opMark)
}

// learn looks what other processes did to the documents and keys that the layer
// was to change, and adds it to the history. It returns how much there was.
func (w *writer) learn(l *layer) (found int, err error) {
	ctx, cancel := context.WithTimeout(w.s.base, w.s.opts.Patience)
	defer cancel()
	news := newLayer()
	news.foreign = true
	for _, t := range slices.Collect(maps.Keys(l.tables)) {
		if err := w.learnOf(ctx, t, l.tables[t], news); err != nil {
			return 0, err
		}
	}
	for _, all := range news.tables {
		found += len(all.docs)
	}
	if found > 0 {
		w.s.history.add(news)
	}
	return found, nil
}

func (w *writer) learnOf(ctx context.Context, t *table, all *changes, news *layer) error {
	or := bson.A{bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: slices.Sorted(maps.Keys(all.docs))}}}}}
	for _, ix := range t.unique {
		var keys []string
		for _, c := range all.docs {
			keys = append(keys, c.taken(ix)...)
		}
		if len(keys) > 0 {
			or = append(or, bson.D{{Key: field(ix), Value: bson.D{{Key: "$in", Value: keys}}}})
		}
	}
	there := make(map[string]bool)
	for _, filter := range or {
		cur, err := t.c.Find(ctx, filter)
		if err != nil {
			return err
		}
		for cur.Next(ctx) {
			d, err := parse(cur.Current)
			if err != nil {
				return errors.Join(err, cur.Close(ctx))
			}
			there[d.id] = true
			if c := all.docs[d.id]; c == nil || c.base != d.version {
				n := asChange(d)
				n.sure = true
				news.put(t, n)
			}
		}
		if err := errors.Join(cur.Err(), cur.Close(ctx)); err != nil {
			return err
		}
	}
	for id, c := range all.docs {
		if c.base != 0 && !there[id] {
			news.put(t, &change{id: id, gone: true, version: c.base, sure: true})
		}
	}
	return nil
}

// taken are the keys of a unique index that the change takes anew.
func (c *change) taken(ix store.Index) []string {
	var keys []string
	for _, key := range c.keys[ix.Name].keys {
		if !c.gone && !slices.Contains(c.had[ix.Name].keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}
