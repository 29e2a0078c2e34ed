package mongo_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
	"casewire/casecore/store/mongo/mongotest"
	"casewire/casecore/store/storetest"
)

const serverVariable = mongotest.Variable

// server returns the address of the test server, without a database.
func server(tb testing.TB) string {
	tb.Helper()
	return mongotest.Server(tb) + "&appName=" + appName
}

// appName tells these tests apart from others on the same server, which faults that
// are made here do not concern.
const appName = "storetest"

// failing is the data of a fail point for these commands of these tests.
func failing(fault bson.D, commands ...string) bson.D {
	return append(bson.D{{Key: "failCommands", Value: commands}, {Key: "appName", Value: appName}}, fault...)
}

// failPoint returns what switches the fault of the server's commands, "off" by a mode or
// for so many "times"; it is off after the test. A server without such faults, as mongod
// is unless it is told otherwise, has the test skipped, or failed where
// CASEWIRE_REALSERVERS=required as in .ci/run, whose servers have them.
func failPoint(t *testing.T) func(mode any, data bson.D) error {
	t.Helper()
	admin := rawClient(t, server(t)).Database("admin")
	set := func(mode any, data bson.D) error {
		return admin.RunCommand(context.WithoutCancel(t.Context()), bson.D{
			{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: mode}, {Key: "data", Value: data},
		}).Err()
	}
	if err := set("off", bson.D{}); err != nil {
		end := t.Skipf
		if os.Getenv("CASEWIRE_REALSERVERS") == "required" {
			end = t.Fatalf
		}
		end("the server at %s has no fail points (mongod: --setParameter enableTestCommands=1): %v", serverVariable, err)
	}
	t.Cleanup(func() {
		if err := set("off", bson.D{}); err != nil {
			t.Errorf("end the fault: %v", err)
		}
	})
	return set
}

// once is the mode of a fault that one command meets.
var once = bson.D{{Key: "times", Value: 1}}

// newDatabase returns a name that nobody else uses, of a database that is
// dropped after the test.
func newDatabase(tb testing.TB) string {
	tb.Helper()
	uri := server(tb)
	name := mongotest.NewName()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), time.Minute)
		defer cancel()
		if err := rawClient(tb, uri).Database(name).Drop(ctx); err != nil {
			tb.Errorf("drop the test's database: %v", err)
		}
	})
	return name
}

// rawClient is a client of the driver, for looking at the database and for
// breaking the server.
func rawClient(tb testing.TB, uri string) *driver.Client {
	tb.Helper()
	c, err := driver.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.Disconnect(context.WithoutCancel(tb.Context())); err != nil {
			tb.Errorf("disconnect: %v", err)
		}
	})
	return c
}

func open(tb testing.TB, o mongo.Options, colls ...*store.Coll) *mongo.Store {
	tb.Helper()
	s, err := mongo.Open(tb.Context(), server(tb), o, colls...)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	for _, plain := range []bool{false, true} {
		var only []string
		if plain { // the commands that write are others, and nothing else
			only = []string{"documents", "versions", "indexes", "model", "transactions", "contention"}
		}
		t.Run(fmt.Sprintf("plain=%v", plain), func(t *testing.T) {
			server(t)
			storetest.Run(t, func(t *testing.T) storetest.Open {
				name := newDatabase(t)
				return func(colls ...*store.Coll) (store.Store, error) {
					return mongo.Open(t.Context(), server(t), mongo.Options{Database: name, Plain: plain}, colls...)
				}
			}, only...)
		})
	}
}
