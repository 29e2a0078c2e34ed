package dir

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"

	"casewire/casecore/blob"
)

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, r io.Reader, limit int64) (blob.Ref, error) {
	name := tmp + "/" + rand.Text()
	ref, err := s.write(ctx, name, r, limit)
	if err == nil {
		err = s.adopt(name, ref.Hash)
	}
	if err != nil {
		// What cannot be removed now is removed when the folder is next opened.
		_ = s.root.Remove(name)
		return blob.Ref{}, fmt.Errorf("put blob: %w", err)
	}
	return ref, nil
}

// write makes a durable file of what r yields.
func (s *Store) write(ctx context.Context, name string, r io.Reader, limit int64) (blob.Ref, error) {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return blob.Ref{}, err
	}
	hash := sha256.New()
	// One byte more than allowed tells too large from just fitting.
	n, err := s.pour(f, hash, io.LimitReader(&untilDone{ctx, r}, min(limit, math.MaxInt64-1)+1))
	if err == nil && n > limit {
		err = fmt.Errorf("more than %d bytes: %w", limit, blob.ErrTooLarge)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return blob.Ref{}, err
	}
	return blob.Ref{Hash: hex.EncodeToString(hash.Sum(nil)), Size: n}, nil
}

// pour writes r to both in large pieces: mail comes in small ones, and each write
// to a file costs a call.
func (s *Store) pour(f io.Writer, hash io.Writer, r io.Reader) (n int64, err error) {
	buf, ok := s.buffers.Get().(*[pieceSize]byte)
	if !ok {
		buf = new([pieceSize]byte)
	}
	defer s.buffers.Put(buf)
	for {
		got, end := fill(r, buf[:])
		n += int64(got)
		if _, err := hash.Write(buf[:got]); err != nil {
			return n, err
		}
		if _, err := f.Write(buf[:got]); err != nil {
			return n, err
		}
		switch {
		case errors.Is(end, io.EOF):
			return n, nil
		case end != nil:
			return n, end
		}
	}
}

// fill reads until buf is full or r ends, and says how it ended.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var got int
		got, err = r.Read(buf[n:])
		n += got
	}
	return n, err
}

const pieceSize = 64 << 10

// adopt gives the file its lasting name. A content of that name is replaced by
// its equal: that also renews its time, and mends it if it was damaged.
func (s *Store) adopt(name, hash string) error {
	if err := s.check("blob.before-rename"); err != nil {
		return err
	}
	folder := path.Dir(place(hash))
	if err := s.durable(folder); err != nil {
		return err
	}
	s.places.Lock()
	err := s.root.Rename(name, place(hash))
	s.places.Unlock()
	if err != nil {
		return err
	}
	if err := s.sync(folder); err != nil {
		return err
	}
	return s.check("blob.after-rename")
}

// untilDone is a reader that stops when ctx is done.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
