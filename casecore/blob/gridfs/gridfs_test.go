package gridfs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/blob"
	"casewire/casecore/blob/blobtest"
	"casewire/casecore/blob/gridfs"
)

// database is one of a random name on the server at MONGODB_URI, dropped after
// the test.
func database(t *testing.T) *mongo.Database {
	t.Helper()
	uri := os.Getenv("MONGODB_URI")
	switch {
	case uri != "":
	case os.Getenv("CASEWIRE_REALSERVERS") == "required":
		t.Fatal("MONGODB_URI is not set, and CASEWIRE_REALSERVERS=required")
	default:
		t.Skip("MONGODB_URI is not set: no MongoDB to test with")
	}
	c, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	db := c.Database("test_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:20])
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := errors.Join(db.Drop(ctx), c.Disconnect(ctx)); err != nil {
			t.Error(err)
		}
	})
	return db
}

func open(t *testing.T, db *mongo.Database) *gridfs.Store {
	t.Helper()
	s, err := gridfs.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) func() blob.Store {
		db := database(t)
		return func() blob.Store { return open(t, db) }
	})
}

func TestDamageIsNeverServedWhole(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 40<<10)
	for name, damage := range map[string]func(*mongo.Collection) error{
		"a lost piece": func(c *mongo.Collection) error {
			_, err := c.DeleteOne(t.Context(), bson.D{{Key: "n", Value: 1}})
			return err
		},
		"a changed piece": func(c *mongo.Collection) error {
			_, err := c.UpdateOne(t.Context(), bson.D{{Key: "n", Value: 0}}, bson.D{{Key: "$set", Value: bson.D{{Key: "data", Value: bytes.Repeat([]byte("x"), 255<<10)}}}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := database(t)
			s := open(t, db)
			ref, err := s.Put(t.Context(), bytes.NewReader(content), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(db.Collection("blobs.chunks")); err != nil {
				t.Fatal(err)
			}
			r, err := s.Open(t.Context(), ref.Hash)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if !errors.Is(err, blob.ErrDamaged) || len(got) >= len(content) {
				t.Errorf("%d bytes of %d were served, %v", len(got), len(content), err)
			}
		})
	}
}

func TestContentsAreGridFSFiles(t *testing.T) {
	db := database(t)
	ref, err := open(t, db).Put(t.Context(), strings.NewReader(strings.Repeat("plain ", 100_000)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	r, err := db.GridFSBucket(options.GridFSBucket().SetName("blobs")).OpenDownloadStreamByName(t.Context(), ref.Hash)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || len(got) != 600_000 {
		t.Errorf("GridFS reads %d bytes, %v", len(got), err)
	}
}
