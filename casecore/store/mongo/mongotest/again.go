// Package mongotest is the server that tests of MongoDB use, and what the engine is
// measured against there: the driver alone. It knows the collections that a first
// message touches and nothing else of them.
package mongotest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// written are the collections that a stranger's first message adds a document to.
var written = [...]string{"case", "customer", "event", "identity", "message"}

// Work is how much of what a message costs the database the driver does once more.
type Work int

// Accept is what the answer to the sender waits for: the look-ups, one document in
// each collection, the counter of cases, and the mark by which other nodes are told
// what has changed. Whole has the event read and written again besides, without its
// place on the list of what the post room has yet to read, as it is after every
// message: with a later commit, for as many as the post room takes at once.
const (
	Accept Work = iota
	Whole
)

// atOnce is how many events the post room takes at least when there are many.
const atOnce = 64

// Driver does once more what first messages have done to a database.
type Driver struct {
	to     *mongo.Database
	group  int
	work   Work
	docs   map[string][]bson.Raw
	fresh  []bson.Raw // the events as they are at first
	struck int        // events that were written again
}

// NewDriver reads what first messages have written to one database, to write it into
// another, whose collections and indexes are there: in transactions of group messages,
// with nothing between. Nobody may be at work in either. The server must know bulkWrite
// over collections (8.0).
func NewDriver(ctx context.Context, from, to *mongo.Database, group int, work Work) (*Driver, error) {
	d := &Driver{to: to, group: group, work: work, docs: make(map[string][]bson.Raw)}
	for _, name := range written {
		list, err := find(ctx, from.Collection(name), bson.D{}, options.Find())
		if err != nil {
			return nil, err
		}
		d.docs[name] = list
	}
	for _, e := range d.docs["event"] {
		fresh, err := pending(e)
		if err != nil {
			return nil, err
		}
		d.fresh = append(d.fresh, fresh)
	}
	return d, to.CreateCollection(ctx, marks)
}

// Run does all of it, once, and returns how many messages it did in a second.
func (d *Driver) Run(ctx context.Context) (float64, error) {
	n := len(d.docs["case"])
	began := time.Now()
	for at := 0; at < n; at += d.group {
		end := min(at+d.group, n)
		if err := d.lookUp(ctx, at, end); err != nil {
			return 0, err
		}
		strike := at
		if d.work != Whole || at-d.struck < atOnce && end < n {
			strike = d.struck
		}
		if err := d.read(ctx, d.struck, strike); err != nil {
			return 0, err
		}
		if err := d.write(ctx, at, end, strike); err != nil {
			return 0, err
		}
		d.struck = strike
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

const (
	notify = "notify"        // the list of the post room
	marks  = "casewire.bare" // where nobody is told of them, as a node is not of its own
)

// pending is an event as it was before the post room had read it.
func pending(event bson.Raw) (bson.Raw, error) {
	var d struct {
		ID   string `bson:"_id"`
		V    int64  `bson:"v"`
		Keys bson.D `bson:"k"`
		Body bson.D `bson:"b"`
		X    bson.A `bson:"x,omitempty"`
	}
	if err := bson.Unmarshal(event, &d); err != nil {
		return nil, err
	}
	list := bson.E{Key: "pending", Value: bson.A{notify}}
	with := func(fields bson.D) bson.D {
		fields = slices.DeleteFunc(fields, func(e bson.E) bool { return e.Key == list.Key })
		return append(fields, list)
	}
	d.V, d.Keys, d.Body = 1, with(d.Keys), with(d.Body)
	return bson.Marshal(d)
}

func find(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder) (list []bson.Raw, err error) {
	cur, err := c.Find(ctx, filter, o)
	if err != nil {
		return nil, err
	}
	return list, cur.All(ctx, &list)
}

// lookUp asks what intake asks, the identity twice as it does.
func (d *Driver) lookUp(ctx context.Context, at, end int) error {
	_, err := find(ctx, d.to.Collection("counter"), bson.D{{Key: "_id", Value: "case"}}, options.Find())
	return errors.Join(err, d.findAll(ctx, "message", "k.external", at, end),
		d.findAll(ctx, "identity", "_id", at, end), d.findAll(ctx, "identity", "_id", at, end))
}

// read asks what the post room asks.
func (d *Driver) read(ctx context.Context, at, end int) error {
	if at == end {
		return nil
	}
	_, err := find(ctx, d.to.Collection("event"), bson.D{{Key: "k.pending", Value: notify}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(end-at)))
	return errors.Join(err, d.findAll(ctx, "event", "_id", at, end))
}

// findAll asks for the documents of these messages by a field, in one question.
func (d *Driver) findAll(ctx context.Context, name, field string, at, end int) error {
	keys := bson.A{}
	for _, doc := range d.docs[name][at:end] {
		keys = append(keys, doc.Lookup(strings.Split(field, ".")...))
	}
	_, err := find(ctx, d.to.Collection(name), bson.D{{Key: field, Value: bson.D{{Key: "$in", Value: keys}}}}, options.Find())
	return err
}

// write is one commit.
func (d *Driver) write(ctx context.Context, at, end, strike int) error {
	c := d.to.Client()
	sess, err := c.StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return err
	}
	defer sess.EndSession(ctx)
	_, err = sess.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		if _, err := c.BulkWrite(ctx, d.updates(at, end, strike)); err != nil {
			return nil, err
		}
		for _, name := range written {
			list := d.docs[name]
			if name == "event" {
				list = d.fresh
			}
			if _, err := d.to.Collection(name).InsertMany(ctx, list[at:end]); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	return err
}

// updates are the counter, the mark of the node, and the events that the post room has
// read.
func (d *Driver) updates(at, end, strike int) []mongo.ClientBulkWrite {
	var changed bson.D
	for _, name := range written {
		ids := bson.A{}
		for _, doc := range d.docs[name][at:end] {
			ids = append(ids, doc.Lookup("_id"))
		}
		changed = append(changed, bson.E{Key: name, Value: ids})
	}
	write := func(name string, m mongo.ClientWriteModel) mongo.ClientBulkWrite {
		return mongo.ClientBulkWrite{Database: d.to.Name(), Collection: name, Model: m}
	}
	set := func(id string, to bson.D) mongo.ClientWriteModel {
		return mongo.NewClientUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: id}}).SetUpdate(bson.D{{Key: "$set", Value: to}}).SetUpsert(true)
	}
	list := []mongo.ClientBulkWrite{
		write("counter", set("case", bson.D{{Key: "v", Value: int64(end)}})),
		write(marks, set("bare", bson.D{{Key: "round", Value: int64(end)}, {Key: "changed", Value: changed}})),
	}
	for _, e := range d.docs["event"][d.struck:strike] {
		list = append(list, write("event", mongo.NewClientReplaceOneModel().
			SetFilter(bson.D{{Key: "_id", Value: e.Lookup("_id")}, {Key: "v", Value: int64(1)}}).SetReplacement(e)))
	}
	return list
}
