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
	filter bson.Raw // of what is there already
	doc    bson.Raw // a whole document, or what is to change in one
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
			switch {
			case c.gone && c.base == 0:
			case c.gone:
				ops = append(ops, operation{t.c, opDelete, c.based(), nil})
			case c.base == 0:
				ops = append(ops, operation{t.c, opInsert, nil, c.stored()})
			default:
				if free := c.released(t, all); free != nil {
					ops = append(ops, operation{t.c, opRelease, c.based(), free})
				}
				ops = append(ops, operation{t.c, opReplace, c.based(), c.stored()})
			}
		}
	}
	// Everybody locks in the same order.
	slices.SortStableFunc(ops, func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.c.Name(), b.c.Name()))
	})
	return ops
}

// based is the filter for the version that the change is based on.
func (c *change) based() bson.Raw {
	dst := make([]byte, 4, 32+len(c.id))
	dst = appendString(appendHead(dst, bson.TypeString, "_id"), c.id)
	return closeDoc(appendInt64(appendHead(dst, bson.TypeInt64, "v"), int64(c.base)), 0)
}

// stored is the document as it is stored.
func (c *change) stored() bson.Raw {
	if c.doc == nil {
		return document(c.id, c.version, c.keys, c.body)
	}
	return c.doc
}

// released is the update that lets go of the unique keys that another document of the
// same transaction takes; nil when there are none.
func (c *change) released(t *table, all *changes) bson.Raw {
	dst, free := openDoc(appendHead(make([]byte, 4), bson.TypeEmbeddedDocument, "$unset"))
	none := len(dst)
	for _, ix := range t.unique {
		for _, key := range c.had[ix.Name].keys {
			if id := all.held[heldKey(ix.Name, key)]; id != "" && id != c.id {
				dst = appendString(appendHead(dst, bson.TypeString, field(ix)), "")
				break
			}
		}
	}
	if len(dst) == none {
		return nil
	}
	return closeDoc(closeDoc(dst, free), 0)
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
	w.round++
	mark, err := w.mark(rd.pending)
	if err != nil {
		return err
	}
	ops = append(ops, mark)
	if err := sess.StartTransaction(options.Transaction().SetWriteConcern(durable())); err != nil {
		return err
	}
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
func (w *writer) mark(l *layer) (operation, error) {
	filter, err := bson.Marshal(bson.D{{Key: "_id", Value: w.s.node}})
	if err != nil {
		return operation{}, err
	}
	set, err := bson.Marshal(bson.D{{Key: "$set", Value: bson.D{
		{Key: "round", Value: w.round}, {Key: "at", Value: time.Now()}, {Key: "changed", Value: changed(l)},
	}}})
	return operation{w.s.nodes, opMark, filter, set}, err
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
