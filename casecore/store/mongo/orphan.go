package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A process that is killed between the writes of a transaction and its commit leaves
// the transaction behind. The server keeps it for a minute
// (transactionLifetimeLimitSeconds), and refuses whoever is to write the same
// documents all that time: the counters, so everybody. Therefore each process names
// the session of its commits before it uses it, and one that is refused again and
// again ends the sessions of the others. For one that lives that is a commit that did
// not happen, which it tries again.

// refusedLong is how long an Update finds others in its way before their sessions are
// ended. A commit takes milliseconds.
const refusedLong = 1500 * time.Millisecond

// open returns the session of all commits. It is named in the process's document.
func (w *writer) open(ctx context.Context) (*mongo.Session, error) {
	if w.sess != nil {
		return w.sess, nil
	}
	sess, err := w.s.client.StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return nil, err
	}
	_, id, ok := sess.ID().Lookup("id").BinaryOK()
	if !ok {
		sess.EndSession(ctx)
		return nil, errors.New("a session without an id")
	}
	_, err = w.s.nodes.UpdateOne(ctx, bson.D{{Key: "_id", Value: w.s.node}}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "session", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}}, {Key: "at", Value: time.Now()},
	}}}, options.UpdateOne().SetUpsert(true))
	if err != nil {
		sess.EndSession(ctx)
		return nil, fmt.Errorf("name the session: %w", err)
	}
	w.sess = sess
	return sess, nil
}

// endSession gives the session back, when there is one.
func (w *writer) endSession() {
	if w.sess == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.s.base), endTimeout)
	defer cancel()
	w.sess.EndSession(ctx)
}

// blocked is told that an Update found another transaction in its way, since when, and
// ends the sessions of the other processes when that lasts.
func (w *writer) blocked(since time.Time) {
	if time.Since(since) < refusedLong {
		return
	}
	w.ending.Lock()
	defer w.ending.Unlock()
	if time.Since(w.ended) < refusedLong { // just done, for another Update
		return
	}
	ctx, cancel := context.WithTimeout(w.s.base, endTimeout)
	defer cancel()
	n, err := w.endOthers(ctx)
	w.ended = time.Now()
	w.s.log.Warn("a change could not be committed for a while: a transaction of another process may be left over; their sessions were ended",
		"sessions", n, "err", err)
}

func (w *writer) endOthers(ctx context.Context) (int, error) {
	cur, err := w.s.nodes.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$ne", Value: w.s.node}}}, {Key: "session", Value: bson.D{{Key: "$exists", Value: true}}}},
		options.Find().SetSort(bson.D{{Key: "at", Value: -1}}).SetLimit(1000))
	if err != nil {
		return 0, err
	}
	var nodes []struct {
		Session bson.Binary `bson:"session"`
	}
	if err := cur.All(ctx, &nodes); err != nil || len(nodes) == 0 {
		return 0, err
	}
	list := make(bson.A, len(nodes))
	for i, n := range nodes {
		list[i] = bson.D{{Key: "id", Value: n.Session}}
	}
	return len(nodes), w.s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "killSessions", Value: list}}).Err()
}
