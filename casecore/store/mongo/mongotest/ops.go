package mongotest

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// EndSessions ends the transactions that processes on this database have left, because
// they were killed in the middle of one. The server keeps them for a minute, and dropping
// the database waits for them. No process works on it any more.
func EndSessions(ctx context.Context, db *mongo.Database) error {
	cur, err := db.Collection("casewire.nodes").Find(ctx, bson.D{{Key: "session", Value: bson.D{{Key: "$exists", Value: true}}}})
	if err != nil {
		return fmt.Errorf("sessions of dead processes: %w", err)
	}
	var nodes []struct {
		Session bson.Binary `bson:"session"`
	}
	if err := cur.All(ctx, &nodes); err != nil || len(nodes) == 0 {
		return err
	}
	var list bson.A
	for _, n := range nodes {
		list = append(list, bson.D{{Key: "id", Value: n.Session}})
	}
	return db.Client().Database("admin").RunCommand(ctx, bson.D{{Key: "killSessions", Value: list}}).Err()
}

// Doing is what the server says it does, with its open transactions, for people.
func Doing(ctx context.Context, db *mongo.Database) (string, error) {
	cur, err := db.Client().Database("admin").Aggregate(ctx, mongo.Pipeline{
		{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}, {Key: "idleSessions", Value: true}}}},
	})
	if err != nil {
		return "", err
	}
	var ops []bson.Raw
	err = cur.All(ctx, &ops)
	var out strings.Builder
	for _, op := range ops {
		fmt.Fprintln(&out, op)
	}
	return out.String(), err
}
