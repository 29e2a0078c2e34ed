package gridfs_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/blob"
	"casewire/casecore/blob/blobtest"
	"casewire/casecore/blob/gridfs"
	"casewire/casecore/store/mongo/mongotest"
)

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
		db := mongotest.Database(t)
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
			db := mongotest.Database(t)
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
	db := mongotest.Database(t)
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
