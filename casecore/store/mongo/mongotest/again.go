// Package mongotest is what the engine on MongoDB is measured against: the driver
// alone. It knows the collections that a first message touches and nothing else of them.
package mongotest

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// written are the collections that a stranger's first message adds a document to.
var written = [...]string{"case", "customer", "event", "identity", "message"}

// Again writes the documents that first messages have written to one database into
// another, whose collections and indexes are there: in transactions of group messages,
// after the look-ups that intake makes, with nothing between. It returns how many
// messages it did in a second.
func Again(ctx context.Context, from, to *mongo.Database, group int) (float64, error) {
	docs := make(map[string][]bson.Raw)
	for _, name := range written {
		list, err := find(ctx, from.Collection(name), bson.D{})
		if err != nil {
			return 0, err
		}
		docs[name] = list
	}
	n := len(docs["case"])
	began := time.Now()
	for at := 0; at < n; at += group {
		if err := lookUp(ctx, to, docs, at, at+group); err != nil {
			return 0, err
		}
		if err := write(ctx, to, docs, at, at+group); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

func find(ctx context.Context, c *mongo.Collection, filter bson.D) (list []bson.Raw, err error) {
	cur, err := c.Find(ctx, filter)
	if err != nil {
		return nil, err
	}
	return list, cur.All(ctx, &list)
}

// part is the documents of a group's messages.
func part(list []bson.Raw, at, end int) []bson.Raw {
	return list[min(at, len(list)):min(end, len(list))]
}

// lookUp asks what intake asks, the identity twice as it does.
func lookUp(ctx context.Context, db *mongo.Database, docs map[string][]bson.Raw, at, end int) error {
	for _, q := range [][2]string{{"message", "k.external"}, {"identity", "_id"}, {"identity", "_id"}} {
		var keys bson.A
		for _, d := range part(docs[q[0]], at, end) {
			keys = append(keys, d.Lookup(strings.Split(q[1], ".")...))
		}
		if _, err := find(ctx, db.Collection(q[0]), bson.D{{Key: q[1], Value: bson.D{{Key: "$in", Value: keys}}}}); err != nil {
			return err
		}
	}
	_, err := find(ctx, db.Collection("counter"), bson.D{{Key: "_id", Value: "case"}})
	return err
}

// write is one commit, with the counter of case numbers and the mark of the node.
func write(ctx context.Context, db *mongo.Database, docs map[string][]bson.Raw, at, end int) error {
	sess, err := db.Client().StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return err
	}
	defer sess.EndSession(ctx)
	_, err = sess.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		for _, name := range []string{"counter", "casewire.nodes"} {
			_, err := db.Collection(name).UpdateOne(ctx, bson.D{{Key: "_id", Value: "bare"}},
				bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 1}}}}, options.UpdateOne().SetUpsert(true))
			if err != nil {
				return nil, err
			}
		}
		for _, name := range written {
			if list := part(docs[name], at, end); len(list) > 0 {
				if _, err := db.Collection(name).InsertMany(ctx, list); err != nil {
					return nil, err
				}
			}
		}
		return nil, nil
	})
	return err
}
