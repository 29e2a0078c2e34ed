package gridfs

import (
	"io"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store/mongo/mongotest"
)

// A content whose naming is repeated, because the answer to the first was lost, is
// still its own: its pieces are not those of a twin that is too late.
func TestNamedTwiceIsOne(t *testing.T) {
	s, err := Open(t.Context(), mongotest.Database(t))
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
