package mongotest

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Variable names the environment variable with the address of a server for tests: a
// replica set, of one member or more.
const Variable = "MONGODB_URI"

// dropping is how long removing a database may take.
const dropping = time.Minute

// Server returns the address of the test server, without a database and with a question
// mark. Where there is no server the test is skipped; it fails when
// CASEWIRE_REALSERVERS=required.
func Server(tb testing.TB) string {
	tb.Helper()
	uri := os.Getenv(Variable)
	switch {
	case uri != "":
	case os.Getenv("CASEWIRE_REALSERVERS") == "required":
		tb.Fatalf("%s is not set, and CASEWIRE_REALSERVERS=required", Variable)
	default:
		tb.Skipf("%s is not set: no MongoDB to test with", Variable)
	}
	hosts, query, _ := strings.Cut(uri, "?")
	if !strings.Contains(strings.TrimPrefix(hosts, "mongodb://"), "/") {
		hosts += "/"
	}
	return strings.TrimSuffix(hosts+"?"+query, "&")
}

// NewName returns a name for a database that nobody else has.
func NewName() string { return "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:20] }

// Database returns a new database on the test server, dropped after the test.
func Database(tb testing.TB) *mongo.Database {
	tb.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(Server(tb)).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	db := c.Database(NewName())
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), dropping)
		defer cancel()
		if err := errors.Join(db.Drop(ctx), c.Disconnect(ctx)); err != nil {
			tb.Errorf("drop the test's database: %v", err)
		}
	})
	return db
}
