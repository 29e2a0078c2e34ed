package mime

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

const lineBytes = 32 << 10 // a longer line is read in pieces

// source yields a mail line by line within its limit, and hashes the body.
type source struct {
	r     *bufio.Reader
	limit *boundedReader
	err   error // of the reader or the context, not the end of the mail
	over  bool  // there was more than the limit
	start bool  // the next piece begins a line
	body  bool  // the header is read: hash what follows

	sum   *bufio.Writer
	hash  hash.Hash
	blank int // line feeds that are hashed once another line follows
}

func newSource(ctx context.Context, r io.Reader, limit int64) *source {
	b := &boundedReader{ctx: ctx, r: r, left: limit}
	s := &source{r: bufio.NewReaderSize(b, lineBytes), limit: b, start: true, hash: sha256.New()}
	s.sum = bufio.NewWriterSize(s.hash, 4<<10)
	return s
}

// boundedReader ends after left bytes and remembers that there was more.
type boundedReader struct {
	ctx  context.Context
	r    io.Reader
	left int64
	over bool
	err  error // the first, which stays: bufio's Peek forgets it
}

func (b *boundedReader) Read(p []byte) (n int, err error) {
	if b.err == nil {
		n, b.err = b.read(p)
	}
	return n, b.err
}

func (b *boundedReader) read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		var one [1]byte
		n, err := io.ReadFull(b.r, one[:])
		if n > 0 {
			b.over = true
			err = io.EOF
		}
		return 0, err
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// next returns the next line with its ending, or a piece of a long one, and
// whether the piece begins a line. It is valid until the following call; none is
// the end of the mail or an error.
func (s *source) next() (piece []byte, start bool) {
	if s.err != nil {
		return nil, false
	}
	piece, err := s.r.ReadSlice('\n')
	start = s.start
	s.start = err == nil
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		s.err = err
		return nil, false
	}
	s.over = s.limit.over
	if s.body {
		s.count(piece)
	}
	return piece, start
}

// peek returns up to n bytes of what follows.
func (s *source) peek(n int) []byte {
	b, _ := s.r.Peek(n)
	return b
}

// count hashes a piece of the body. How lines end, and empty lines at the end,
// change on the way and do not count.
func (s *source) count(piece []byte) {
	line, ended := bytes.CutSuffix(piece, []byte("\n"))
	if ended {
		line = bytes.TrimRight(line, "\r")
	}
	if len(line) > 0 {
		for ; s.blank > 0; s.blank-- {
			s.sum.WriteByte('\n') //nolint:errcheck // a hash takes everything
		}
		s.sum.Write(line) //nolint:errcheck // as above
	}
	if ended {
		s.blank++
	}
}

// digest returns the hash of the body and key. It ends the counting.
func (s *source) digest(key string) []byte {
	s.sum.WriteString("\x00" + key) //nolint:errcheck // as above
	s.sum.Flush()                   //nolint:errcheck // as above
	return s.hash.Sum(nil)
}
