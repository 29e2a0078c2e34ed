package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"casewire/casecore/blob"
	"casewire/casecore/store"
)

// small is up to which size a content is held in memory while it is checked; a
// larger one is read twice.
const small = 1 << 20

// Write writes everything in from to w, while the store goes on. The engine must
// keep one snapshot for as long as w takes the documents, which for MongoDB is five
// minutes unless its minSnapshotHistoryWindowInSeconds says otherwise. Write needs
// memory for a few chunks and 40 bytes for each content. A content that is damaged
// already is left out and named in the report; any other fault ends Write with an
// error, and what w has got is no archive. m needs Program and At only.
func Write(ctx context.Context, from Book, m Manifest, w io.Writer) (Report, error) {
	colls := ours(from.Colls)
	m.Format, m.Collections = format, names(colls)
	// The snapshot should be short, and attachments are packed already.
	zw, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return Report{}, fmt.Errorf("write a backup: %w", err)
	}
	out := &writer{tar: tar.NewWriter(zw), sum: newDigest(), at: m.At, Contents: Contents{Documents: map[string]int64{}}}
	for _, step := range []func() error{
		func() error { return out.json(manifestName, m) },
		func() error { return from.Store.View(ctx, func(tx store.Tx) error { return out.documents(tx, colls) }) },
		func() error { return out.contents(ctx, from.Blobs) },
		func() error { return out.end() },
		zw.Close,
	} {
		if err := step(); err != nil {
			return Report{}, fmt.Errorf("write a backup: %w", err)
		}
	}
	return Report{Manifest: m, Contents: out.Contents}, nil
}

// ours are the collections without this package's own, in order of their names.
func ours(colls []*store.Coll) []*store.Coll {
	out := slices.DeleteFunc(slices.Clone(colls), func(c *store.Coll) bool { return c.Name == marks.Coll().Name })
	slices.SortFunc(out, func(a, b *store.Coll) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func names(colls []*store.Coll) []string {
	out := make([]string, len(colls))
	for i, c := range colls {
		out[i] = c.Name
	}
	return out
}

// writer is an archive being written.
type writer struct {
	Contents
	tar *tar.Writer
	sum digest
	at  time.Time
}

// entry writes one entry whose data is at hand.
func (w *writer) entry(name string, data []byte) error {
	if err := w.begin(name, int64(len(data))); err != nil {
		return err
	}
	_, err := w.tar.Write(data)
	return err
}

// begin writes an entry's head; size bytes must follow.
func (w *writer) begin(name string, size int64) error {
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: w.at})
}

func (w *writer) json(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return w.summed(name, append(data, '\n'))
}

// summed writes an entry and adds it to the sum.
func (w *writer) summed(name string, data []byte) error {
	w.sum.entry(name, int64(len(data)))
	w.sum.Write(data)
	return w.entry(name, data)
}

func (w *writer) documents(tx store.Tx, colls []*store.Coll) error {
	for _, c := range colls {
		if err := w.collection(tx, c); err != nil {
			return fmt.Errorf("documents of %s: %w", c.Name, err)
		}
	}
	return nil
}

// collection writes the documents of one collection in the order of their ids.
func (w *writer) collection(tx store.Tx, c *store.Coll) error {
	var chunk bytes.Buffer
	no := 0
	flush := func() error {
		if chunk.Len() == 0 {
			return nil
		}
		no++
		err := w.summed(chunkName(c.Name, no), chunk.Bytes())
		chunk.Reset()
		return err
	}
	for d, err := range tx.Scan(c, store.Range{}) {
		if err != nil {
			return err
		}
		if err := appendLine(&chunk, d); err != nil {
			return err
		}
		w.Documents[c.Name]++
		if chunk.Len() >= chunkBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func chunkName(coll string, no int) string {
	return fmt.Sprintf("%s%s/%06d.jsonl", documentsDir, coll, no)
}

// appendLine writes a document as one line, the body as it is.
func appendLine(chunk *bytes.Buffer, d store.Doc) error {
	id, err := json.Marshal(d.ID)
	if err != nil {
		return fmt.Errorf("id %q: %w", d.ID, err)
	}
	if !json.Valid(d.Body) {
		return fmt.Errorf("document %s is not JSON; casewire verify lists what is damaged", d.ID)
	}
	chunk.WriteString(`{"id":`)
	chunk.Write(id)
	chunk.WriteString(`,"body":`)
	if bytes.ContainsAny(d.Body, "\r\n") {
		if err := json.Compact(chunk, d.Body); err != nil {
			return fmt.Errorf("document %s: %w", d.ID, err)
		}
	} else {
		chunk.Write(d.Body)
	}
	chunk.WriteString("}\n")
	return nil
}

// name is a content's hash without its hexadecimal form.
type name struct {
	hash [32]byte
	size int64
}

// contents writes the attachments. They are listed first: a list that is held open
// for as long as it takes to copy them all might be closed by the database.
func (w *writer) contents(ctx context.Context, blobs blob.Store) error {
	var list []name
	err := blobs.Each(ctx, func(hash string, size int64, _ time.Time) error {
		n := name{size: size}
		if _, err := hex.Decode(n.hash[:], []byte(hash)); err != nil {
			return fmt.Errorf("name of an attachment: %w", err)
		}
		list = append(list, n)
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.content(ctx, blobs, n); err != nil {
			return fmt.Errorf("attachment %x: %w", n.hash, err)
		}
	}
	return nil
}

// content writes one attachment, when it is whole.
func (w *writer) content(ctx context.Context, blobs blob.Store, n name) error {
	hash := hex.EncodeToString(n.hash[:])
	r, err := blobs.Open(ctx, hash)
	var size int64
	var data io.Reader
	if err == nil {
		defer r.Close()
		data, size, err = whole(r, n.size)
	}
	switch {
	case errors.Is(err, blob.ErrNotFound): // nothing referred to it, and it was removed since
		return nil
	case errors.Is(err, blob.ErrDamaged):
		if len(w.Unreadable) < maxUnreadable {
			w.Unreadable = append(w.Unreadable, hash)
		}
		return nil
	case err != nil:
		return err
	}
	w.sum.entry(blobsDir+hash, size)
	if err := w.begin(blobsDir+hash, size); err != nil {
		return err
	}
	if _, err := io.Copy(w.tar, data); err != nil {
		return err
	}
	w.Blobs++
	w.BlobBytes += size
	return nil
}

// whole reads a content through, so that a damaged one shows before any of it is
// written, and returns it once more.
func whole(r io.ReadSeeker, size int64) (io.Reader, int64, error) {
	if size <= small {
		data, err := io.ReadAll(io.LimitReader(r, small+1))
		if err != nil || len(data) <= small {
			return bytes.NewReader(data), int64(len(data)), err
		}
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(io.Discard, r)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	return r, n, err
}

// end closes the archive. Only now is it one.
func (w *writer) end() error {
	data, err := json.MarshalIndent(end{w.Contents, w.sum.String()}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", endName, err)
	}
	if err := w.entry(endName, append(data, '\n')); err != nil {
		return err
	}
	return w.tar.Close()
}
