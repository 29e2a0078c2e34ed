package gridfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"casewire/casecore/blob"
)

// Open implements blob.Store. The context holds for the reading too.
func (s *Store) Open(ctx context.Context, hash string) (io.ReadSeekCloser, error) {
	if !blob.ValidHash(hash) {
		return nil, blob.ErrNotFound
	}
	var f file
	err := s.files.FindOne(ctx, bson.D{{Key: "filename", Value: hash}}).Decode(&f)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, blob.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	if f.Piece <= 0 || f.Length < 0 {
		return nil, fmt.Errorf("open blob %s: %w", hash, blob.ErrDamaged)
	}
	return &content{ctx: ctx, s: s, f: f, n: -1, sum: sha256.New()}, nil
}

// content is an open file that checks itself while it is read from the start.
type content struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no room for it
	s      *Store
	f      file
	n      int32  // the piece at hand
	data   []byte // its bytes
	at     int64  // where the next Read begins
	sum    hash.Hash
	summed int64 // the leading bytes that sum covers
}

// Read reads as a file does. It withholds the last bytes of a content that is not
// what its name says.
func (c *content) Read(p []byte) (int, error) {
	if c.at >= c.f.Length {
		if c.f.Length == 0 && !c.right() {
			return 0, c.damaged()
		}
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.load(int32(c.at / int64(c.f.Piece))); err != nil {
		return 0, err
	}
	k := copy(p, c.data[c.at%int64(c.f.Piece):])
	if c.at <= c.summed && c.at+int64(k) > c.summed {
		c.sum.Write(p[c.summed-c.at : k])
		c.summed = c.at + int64(k)
	}
	c.at += int64(k)
	if c.at >= c.f.Length && c.summed >= c.f.Length && !c.right() {
		return 0, c.damaged()
	}
	return k, nil
}

func (c *content) right() bool { return hex.EncodeToString(c.sum.Sum(nil)) == c.f.Name }

func (c *content) damaged() error { return fmt.Errorf("blob %s: %w", c.f.Name, blob.ErrDamaged) }

// load fetches a piece.
func (c *content) load(n int32) error {
	if c.n == n {
		return nil
	}
	var p piece
	err := c.s.pieces.FindOne(c.ctx, bson.D{{Key: "files_id", Value: c.f.ID}, {Key: "n", Value: n}}).Decode(&p)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return c.damaged()
	}
	if err != nil {
		return fmt.Errorf("read blob %s: %w", c.f.Name, err)
	}
	if want := min(int64(c.f.Piece), c.f.Length-int64(n)*int64(c.f.Piece)); int64(len(p.Data)) != want {
		return c.damaged()
	}
	c.n, c.data = n, p.Data
	return nil
}

// Seek moves as in a file.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.f.Length
	}
	if offset < 0 {
		return c.at, errors.New("seek before the start of a blob")
	}
	c.at = offset
	return offset, nil
}

// Close lets the content go.
func (c *content) Close() error {
	c.data = nil
	return nil
}
