package gridfs

import (
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
)

// A content whose naming is repeated, because the answer to the first was lost, is
// still its own: its pieces are not those of a twin that is too late.
func TestNamedTwiceIsOne(t *testing.T) {
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
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := errors.Join(db.Drop(ctx), c.Disconnect(ctx)); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	id := bson.NewObjectID()
	ref, err := s.upload(t.Context(), id, strings.NewReader("a photo"))
	if err != nil {
		t.Fatal(err)
	}
	f := file{ID: id, Length: ref.Size, Piece: pieceSize, Name: ref.Hash}
	for range 2 {
		if kept, err := s.name(t.Context(), f); err != nil || !kept {
			t.Fatalf("kept: %v, %v", kept, err)
		}
	}
	if again, err := s.Put(t.Context(), strings.NewReader("a photo"), 100); err != nil || again != ref {
		t.Errorf("a twin is %+v, %v", again, err)
	}
	r, err := s.Open(t.Context(), ref.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "a photo" {
		t.Errorf("read %q, %v", b, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
