// Package mongotest is the server that tests of MongoDB use, and what the engine is
// measured against there: the driver alone. It knows the collections that a first
// message touches and nothing else of them.
package mongotest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// written are the collections that a stranger's first message adds a document to.
var written = [...]string{"case", "customer", "event", "identity", "message"}

// many is from how many documents of a collection on an insert command of its own is
// quicker than one command for all collections.
const many = 8

// atOnce is how many events the post room takes at least when there are many.
const atOnce = 64

// Driver does once more what first messages have done to a database: the look-ups, one
// document in each collection, the counter of cases, the mark by which other nodes are
// told what has changed; then the live queues read the case; and, with a later commit, for
// as many as the post room takes at once, the event read and written again without its
// place on the list of what the post room has yet to read.
type Driver struct {
	from, to *mongo.Database
	docs     map[string][]bson.Raw
	known    map[string]bool
	first    []bson.Raw // the events as they are at first
	done     int        // messages
	struck   int        // events that were written again
}

// NewDriver is a Driver that repeats in one database, whose collections and indexes are
// there, what is done to another. Nobody may be at work in either while it reads or
// writes. The server must know bulkWrite over collections (8.0).
func NewDriver(ctx context.Context, from, to *mongo.Database) (*Driver, error) {
	return &Driver{from: from, to: to, docs: make(map[string][]bson.Raw), known: make(map[string]bool)}, to.CreateCollection(ctx, marks)
}

// Read takes in what has been written since it was called last.
func (d *Driver) Read(ctx context.Context) error {
	for _, name := range written {
		list, err := find(ctx, d.from.Collection(name), bson.D{}, options.Find())
		if err != nil {
			return err
		}
		for _, doc := range list {
			if id := name + doc.Lookup("_id").StringValue(); !d.known[id] {
				d.known[id] = true
				d.docs[name] = append(d.docs[name], doc)
			}
		}
	}
	for _, e := range d.docs["event"][len(d.first):] {
		fresh, err := pending(e)
		if err != nil {
			return err
		}
		d.first = append(d.first, fresh)
	}
	return nil
}

// Run does again what was read, in transactions of group messages with nothing between.
// As after a storm of messages the post room has yet to read the last events; Rest does.
func (d *Driver) Run(ctx context.Context, group int) error {
	for n := len(d.docs["case"]); d.done < n; {
		end, strike := min(d.done+group, n), d.struck
		if d.done-d.struck >= atOnce {
			strike = d.done
		}
		if err := d.round(ctx, end, strike); err != nil {
			return err
		}
	}
	return nil
}

// Rest reads and writes the events that Run has left.
func (d *Driver) Rest(ctx context.Context) error {
	if d.struck == d.done {
		return nil
	}
	return d.round(ctx, d.done, d.done)
}

// round takes in the messages before end and has the post room do the events before
// strike.
func (d *Driver) round(ctx context.Context, end, strike int) error {
	if err := errors.Join(d.lookUp(ctx, end), d.read(ctx, strike)); err != nil {
		return err
	}
	if err := d.write(ctx, end, strike); err != nil {
		return err
	}
	if err := d.findAll(ctx, "case", "_id", d.done, end); err != nil {
		return err
	}
	d.done, d.struck = end, strike
	return nil
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

// lookUp asks what intake asks.
func (d *Driver) lookUp(ctx context.Context, end int) error {
	at := d.done
	if at == end {
		return nil
	}
	_, err := find(ctx, d.to.Collection("counter"), bson.D{{Key: "_id", Value: "case"}}, options.Find())
	return errors.Join(err, d.findAll(ctx, "message", "k.external", at, end), d.findAll(ctx, "identity", "_id", at, end))
}

// read asks what the post room asks.
func (d *Driver) read(ctx context.Context, end int) error {
	at := d.struck
	if at == end {
		return nil
	}
	_, err := find(ctx, d.to.Collection("event"), bson.D{{Key: "k.pending", Value: notify}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(end-at)).SetBatchSize(int32(end-at)+1))
	return errors.Join(err, d.findAll(ctx, "event", "_id", at, end))
}

// findAll asks for the documents of these messages by a field, in one question.
func (d *Driver) findAll(ctx context.Context, name, field string, at, end int) error {
	if at == end {
		return nil
	}
	keys := bson.A{}
	for _, doc := range d.docs[name][at:end] {
		keys = append(keys, doc.Lookup(strings.Split(field, ".")...))
	}
	_, err := find(ctx, d.to.Collection(name), bson.D{{Key: field, Value: bson.D{{Key: "$in", Value: keys}}}}, options.Find().SetBatchSize(int32(len(keys))+1))
	return err
}

// write is one commit.
func (d *Driver) write(ctx context.Context, end, strike int) error {
	c := d.to.Client()
	sess, err := c.StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return err
	}
	defer sess.EndSession(ctx)
	_, err = sess.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		first, few := d.updates(end), end-d.done < many
		if few {
			first = append(first, d.inserts(end)...)
		}
		if _, err := c.BulkWrite(ctx, first); err != nil {
			return nil, err
		}
		if strike > d.struck {
			if _, err := d.to.Collection("event").BulkWrite(ctx, d.strikes(strike)); err != nil {
				return nil, err
			}
		}
		if few {
			return nil, nil
		}
		for _, name := range written {
			if _, err := d.to.Collection(name).InsertMany(ctx, d.fresh(name)[d.done:end]); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	return err
}

// fresh are the documents of a collection as they are at first.
func (d *Driver) fresh(name string) []bson.Raw {
	if name == "event" {
		return d.first
	}
	return d.docs[name]
}

// inserts are the new documents as parts of one command, for few.
func (d *Driver) inserts(end int) (list []mongo.ClientBulkWrite) {
	for _, name := range written {
		for _, doc := range d.fresh(name)[d.done:end] {
			list = append(list, mongo.ClientBulkWrite{Database: d.to.Name(), Collection: name, Model: mongo.NewClientInsertOneModel().SetDocument(doc)})
		}
	}
	return list
}

// strikes are the events that the post room has read.
func (d *Driver) strikes(end int) []mongo.WriteModel {
	var list []mongo.WriteModel
	for _, e := range d.docs["event"][d.struck:end] {
		list = append(list, mongo.NewReplaceOneModel().
			SetFilter(bson.D{{Key: "_id", Value: e.Lookup("_id")}, {Key: "v", Value: int64(1)}}).SetReplacement(e))
	}
	return list
}

// updates are the counter and the mark of the node.
func (d *Driver) updates(end int) []mongo.ClientBulkWrite {
	var changed bson.D
	for _, name := range written {
		ids := bson.A{}
		for _, doc := range d.docs[name][d.done:end] {
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
	return []mongo.ClientBulkWrite{
		write("counter", set("case", bson.D{{Key: "v", Value: int64(end)}})),
		write(marks, set("bare", bson.D{{Key: "round", Value: int64(end)}, {Key: "changed", Value: changed}})),
	}
}
