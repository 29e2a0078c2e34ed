// Package gridfs keeps contents in MongoDB, in the collections and the layout of
// GridFS, so that its tools can read them: a file's name is the SHA-256 of the
// content. It does not know what the contents are or who refers to them.
//
// The pieces of a content are written first and its file document last: what has a
// file document is whole. Everything is written with majority and journal.
package gridfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"casewire/casecore/blob"
)

// pieceSize is what GridFS tools use by default.
const pieceSize = 255 << 10

// unfinished is after how long the pieces of an upload without a file document
// are swept.
const unfinished = 24 * time.Hour

// Store is a bucket of an open database. It implements blob.Store.
type Store struct{ files, pieces *mongo.Collection }

var _ blob.Store = (*Store)(nil)

// file is a content's file document.
type file struct {
	ID       bson.ObjectID `bson:"_id"`
	Length   int64         `bson:"length"`
	Piece    int32         `bson:"chunkSize"`
	Modified time.Time     `bson:"uploadDate"`
	Name     string        `bson:"filename"`
}

type piece struct {
	File bson.ObjectID `bson:"files_id"`
	N    int32         `bson:"n"`
	Data []byte        `bson:"data"`
}

// Open prepares the bucket "blobs" of a database. Several processes may have it
// open. The database's client stays the caller's.
func Open(ctx context.Context, db *mongo.Database) (*Store, error) {
	journal := true
	o := options.Collection().SetReadPreference(readpref.Primary()).
		SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal})
	s := &Store{files: db.Collection("blobs.files", o), pieces: db.Collection("blobs.chunks", o)}
	for c, keys := range map[*mongo.Collection]bson.D{
		s.files:  {{Key: "filename", Value: 1}},
		s.pieces: {{Key: "files_id", Value: 1}, {Key: "n", Value: 1}},
	} {
		if _, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys, Options: options.Index().SetUnique(true)}); err != nil {
			return nil, fmt.Errorf("prepare blobs: %w", err)
		}
	}
	return s, nil
}

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, r io.Reader, limit int64) (blob.Ref, error) {
	id := bson.NewObjectID()
	ref, err := s.upload(ctx, id, io.LimitReader(r, min(limit, math.MaxInt64-1)+1))
	if err == nil && ref.Size > limit {
		err = fmt.Errorf("more than %d bytes: %w", limit, blob.ErrTooLarge)
	}
	needed := false
	if err == nil {
		var kept bool
		kept, err = s.name(ctx, file{ID: id, Length: ref.Size, Piece: pieceSize, Name: ref.Hash})
		needed = kept || err != nil // after an error it may have its name or not
	}
	if !needed {
		// What cannot be removed now is swept later.
		_, _ = s.pieces.DeleteMany(context.WithoutCancel(ctx), bson.D{{Key: "files_id", Value: id}})
	}
	if err != nil {
		return blob.Ref{}, fmt.Errorf("put blob: %w", err)
	}
	return ref, nil
}

// upload writes the pieces of what r yields.
func (s *Store) upload(ctx context.Context, id bson.ObjectID, r io.Reader) (ref blob.Ref, err error) {
	sum, buf := sha256.New(), make([]byte, pieceSize)
	for n := int32(0); ; n++ {
		if err := ctx.Err(); err != nil {
			return ref, err
		}
		k, last, err := fill(r, buf)
		if err != nil {
			return ref, err
		}
		if k > 0 {
			sum.Write(buf[:k])
			ref.Size += int64(k)
			if _, err := s.pieces.InsertOne(ctx, piece{id, n, buf[:k]}); err != nil {
				return ref, err
			}
		}
		if last {
			ref.Hash = hex.EncodeToString(sum.Sum(nil))
			return ref, nil
		}
	}
}

// fill reads until buf is full or r ends. Unlike io.ReadFull it tells an end from
// a failure that calls itself one.
func fill(r io.Reader, buf []byte) (n int, last bool, err error) {
	for n < len(buf) {
		k, err := r.Read(buf[n:])
		n += k
		if err == io.EOF { //nolint:errorlint // a reader ends with io.EOF itself
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// name makes the content known. It keeps what another Put has made known before,
// and renews its time.
func (s *Store) name(ctx context.Context, f file) (kept bool, err error) {
	for {
		f.Modified = time.Now()
		_, err := s.files.InsertOne(ctx, f)
		if err == nil {
			return true, nil
		}
		if !mongo.IsDuplicateKeyError(err) {
			return false, err
		}
		own, whole, err := s.whole(ctx, f)
		if own || err != nil {
			return own, err
		}
		if whole {
			res, err := s.files.UpdateOne(ctx, bson.D{{Key: "filename", Value: f.Name}},
				bson.D{{Key: "$max", Value: bson.D{{Key: "uploadDate", Value: time.Now()}}}})
			if err != nil || res.MatchedCount > 0 {
				return false, err
			}
			continue // deleted between the two
		}
		if err := s.Delete(ctx, f.Name); err != nil {
			return false, err
		}
	}
}

// whole reports whether a content that has the name of f is as long as f: what
// lost pieces is mended by putting it again. It is our own when the answer to its
// naming was lost and it was named a second time.
func (s *Store) whole(ctx context.Context, f file) (own, whole bool, err error) {
	var there file
	err = s.files.FindOne(ctx, bson.D{{Key: "filename", Value: f.Name}}).Decode(&there)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, true, nil // gone again: the update will not find it either
	}
	if err != nil {
		return false, false, err
	}
	if there.ID == f.ID {
		return true, true, nil
	}
	n, err := s.pieces.CountDocuments(ctx, bson.D{{Key: "files_id", Value: there.ID}})
	return false, there.Length == f.Length && n == count(there), err
}

func count(f file) int64 { return (f.Length + int64(f.Piece) - 1) / int64(max(f.Piece, 1)) }

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, hash string) error {
	if !blob.ValidHash(hash) {
		return nil
	}
	_, err := s.remove(ctx, bson.D{{Key: "filename", Value: hash}})
	if err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	return nil
}

// remove takes the file document that fits the filter away, then its pieces.
func (s *Store) remove(ctx context.Context, filter bson.D) (bool, error) {
	var f file
	err := s.files.FindOneAndDelete(ctx, filter).Decode(&f)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = s.pieces.DeleteMany(ctx, bson.D{{Key: "files_id", Value: f.ID}})
	return true, err
}

// Each implements blob.Store.
func (s *Store) Each(ctx context.Context, fn func(hash string, size int64, modified time.Time) error) (err error) {
	cur, err := s.files.Find(ctx, bson.D{})
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	defer cur.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what it read is read
	for cur.Next(ctx) {
		var f file
		if err := cur.Decode(&f); err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		if !blob.ValidHash(f.Name) {
			continue
		}
		if err := fn(f.Name, f.Length, f.Modified); err != nil {
			return err
		}
	}
	if err := cur.Err(); err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	return nil
}

// Sweep implements blob.Store. It removes the pieces of unfinished uploads too.
func (s *Store) Sweep(ctx context.Context, before time.Time, referenced func(hash string) (bool, error)) (removed int, err error) {
	err = s.Each(ctx, func(hash string, _ int64, modified time.Time) error {
		if !modified.Before(before) {
			return nil
		}
		if kept, err := referenced(hash); err != nil || kept {
			return err
		}
		gone, err := s.remove(ctx, bson.D{{Key: "filename", Value: hash}, {Key: "uploadDate", Value: bson.D{{Key: "$lt", Value: before}}}})
		if gone {
			removed++
		}
		return err
	})
	if err != nil {
		return removed, err
	}
	return removed, s.sweepPieces(ctx)
}

// sweepPieces removes the pieces of uploads that never came to an end: those whose
// first piece is old and has no file document.
func (s *Store) sweepPieces(ctx context.Context) error {
	old := bson.NewObjectIDFromTimestamp(time.Now().Add(-unfinished))
	cur, err := s.pieces.Find(ctx, bson.D{{Key: "files_id", Value: bson.D{{Key: "$lt", Value: old}}}, {Key: "n", Value: 0}},
		options.Find().SetProjection(bson.D{{Key: "files_id", Value: 1}}))
	if err != nil {
		return fmt.Errorf("sweep blobs: %w", err)
	}
	defer cur.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what it read is read
	for cur.Next(ctx) {
		var p piece
		if err := cur.Decode(&p); err != nil {
			return fmt.Errorf("sweep blobs: %w", err)
		}
		err := s.files.FindOne(ctx, bson.D{{Key: "_id", Value: p.File}}).Err()
		if errors.Is(err, mongo.ErrNoDocuments) {
			_, err = s.pieces.DeleteMany(ctx, bson.D{{Key: "files_id", Value: p.File}})
		}
		if err != nil {
			return fmt.Errorf("sweep blobs: %w", err)
		}
	}
	return cur.Err()
}
