package dir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"casewire/casecore/blob"
)

// Open implements blob.Store.
func (s *Store) Open(_ context.Context, hash string) (io.ReadSeekCloser, error) {
	if !blob.ValidHash(hash) {
		return nil, blob.ErrNotFound
	}
	f, err := s.root.Open(place(hash))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, blob.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open blob: %w", err), f.Close())
	}
	return &content{f: f, name: hash, size: info.Size(), sum: sha256.New()}, nil
}

// content is an open file that checks itself while it is read from the start.
type content struct {
	f      *os.File
	name   string
	size   int64
	sum    hash.Hash
	summed int64 // the leading bytes that sum covers
	at     int64 // where the next Read begins
}

// Read reads as a file does. It withholds the last bytes of a content that is
// not what its name says.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.f.Read(p)
	if c.at <= c.summed && c.at+int64(n) > c.summed {
		c.sum.Write(p[c.summed-c.at : n])
		c.summed = c.at + int64(n)
	}
	c.at += int64(n)
	if c.at >= c.size && c.summed >= c.size && hex.EncodeToString(c.sum.Sum(nil)) != c.name {
		return 0, fmt.Errorf("blob %s: %w", c.name, blob.ErrDamaged)
	}
	return n, err
}

// Seek moves as in a file.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	at, err := c.f.Seek(offset, whence)
	if err == nil {
		c.at = at
	}
	return at, err
}

// Close closes the file.
func (c *content) Close() error { return c.f.Close() }
