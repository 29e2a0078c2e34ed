package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"
)

// sumOfPlain is the hash of the attachment "plain".
const sumOfPlain = "a116c9ed46d6207734a43317d30fd88f52ac8634c37d904bbf4e41d865f90475"

// rewrite packs an archive anew with one entry changed, or left out when change is
// nil: every checksum but the archive's own is right.
func rewrite(t *testing.T, data []byte, name string, change func([]byte) []byte) []byte {
	t.Helper()
	return repack(t, data, func(h *tar.Header, b []byte) []byte {
		switch {
		case h.Name != name:
			return b
		case change == nil:
			return nil
		}
		return change(b)
	})
}

// rewriteNames packs an archive anew with one entry under another name.
func rewriteNames(t *testing.T, data []byte, from, to string) []byte {
	t.Helper()
	return repack(t, data, func(h *tar.Header, b []byte) []byte {
		if h.Name == from {
			h.Name = to
		}
		return b
	})
}

func repack(t *testing.T, data []byte, change func(*tar.Header, []byte) []byte) []byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tr, tw := tar.NewReader(zr), tar.NewWriter(zw)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if b = change(h, append(make([]byte, 0, len(b)+1), b...)); b == nil {
			continue
		}
		h.Size = int64(len(b))
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
