package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"casewire/casecore/blob"
	"casewire/casecore/store"
)

// Check reads an archive through and believes nothing of it: an error says why it
// cannot be restored. colls are those of the store that it is meant for, whose
// documents must all be readable; nil leaves that out.
func Check(ctx context.Context, r io.Reader, colls []*store.Coll) (Report, error) {
	return walk(ctx, r, colls, taker{})
}

// taker is told what an archive holds, in its order. A nil function is not asked.
type taker struct {
	manifest func(Manifest) error
	// documents gets a chunk with the keys made, to keep.
	documents func(c *store.Coll, docs []store.Doc) error
	// content must read r to its end, and check it against the hash.
	content func(hash string, size int64, r io.Reader) error
}

// walk reads an archive in one pass.
func walk(ctx context.Context, r io.Reader, colls []*store.Coll, take taker) (Report, error) {
	src := &source{ctx: ctx, r: r}
	w := &walker{take: take, known: colls != nil, colls: map[string]*store.Coll{}, sum: newDigest()}
	w.Documents = map[string]int64{}
	for _, c := range ours(colls) {
		w.colls[c.Name] = c
	}
	err := w.run(src)
	switch {
	case src.err != nil: // whatever was made of it, it was not the archive's fault
		return Report{}, fmt.Errorf("read the backup: %w", src.err)
	case err != nil:
		return Report{}, err
	}
	return w.Report, nil
}

// source is the bytes of an archive. It tells a failure to read from damage.
type source struct {
	ctx context.Context //nolint:containedctx // io.Reader has no room for it
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// walker is an archive being read.
type walker struct {
	Report
	take  taker
	known bool // colls are all that may be there
	colls map[string]*store.Coll
	sum   digest

	coll  int // place in Collections of the chunk that was read last
	chunk int // its number, from 1; 0: none yet
	blobs bool
	// misfit is the first document that this version cannot read. Whether that is
	// damage shows at the end, so nothing is taken any more but the sum.
	misfit error
}

func (w *walker) run(src io.Reader) error {
	zr, err := gzip.NewReader(bufio.NewReaderSize(src, 64<<10))
	if err != nil {
		return fmt.Errorf("%w: it does not begin as one", ErrForeign)
	}
	tr := tar.NewReader(zr)
	if err := w.begin(tr); err != nil {
		return err
	}
	for {
		h, err := tr.Next()
		if err != nil {
			return damaged("it has no end", err)
		}
		if h.Typeflag != tar.TypeReg {
			return damaged(fmt.Sprintf("%q is no file", h.Name), nil)
		}
		if h.Name == endName {
			return w.finish(tr, zr, h.Size)
		}
		if err := w.entry(tr, h); err != nil {
			return err
		}
	}
}

// damaged is ErrDamaged with what was found.
func damaged(what string, err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %s", ErrDamaged, what)
	}
	return fmt.Errorf("%w: %s (%w)", ErrDamaged, what, err)
}

// begin reads the manifest and refuses what cannot be restored.
func (w *walker) begin(tr *tar.Reader) error {
	h, err := tr.Next()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("it has no manifest", nil)
	}
	if err != nil || h.Name != manifestName || h.Size > maxJSON {
		return fmt.Errorf("%w: it has no manifest", ErrForeign)
	}
	data, err := w.summed(tr, h)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &w.Manifest); err != nil || w.Format < 1 {
		return fmt.Errorf("%w: its manifest cannot be read", ErrForeign)
	}
	if w.Format > format {
		return fmt.Errorf("%w: casewire %s wrote it in format %d, this one knows %d; restore it with that version or a later one",
			ErrNewer, w.Program, w.Format, format)
	}
	if err := w.compare(); err != nil {
		return err
	}
	if w.take.manifest != nil {
		return w.take.manifest(w.Manifest)
	}
	return nil
}

// compare holds the archive's collections against those of this version.
func (w *walker) compare() error {
	if !slices.IsSorted(w.Collections) || len(slices.Compact(slices.Clone(w.Collections))) != len(w.Collections) {
		return damaged("its list of collections is out of order", nil)
	}
	if !w.known {
		return nil
	}
	var unknown []string
	for _, name := range w.Collections {
		if w.colls[name] == nil {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		return fmt.Errorf("%w: the documents of %s would be lost; casewire %s wrote it, restore it with that version or a later one",
			ErrUnknown, strings.Join(unknown, ", "), w.Program)
	}
	for _, name := range slices.Sorted(maps.Keys(w.colls)) {
		if !slices.Contains(w.Collections, name) {
			w.Lacking = append(w.Lacking, name)
		}
	}
	return nil
}

// summed reads an entry into memory and adds it to the sum.
func (w *walker) summed(tr *tar.Reader, h *tar.Header) ([]byte, error) {
	if h.Size > maxChunk {
		return nil, damaged(fmt.Sprintf("%s has %d bytes", h.Name, h.Size), nil)
	}
	data := make([]byte, h.Size)
	if _, err := io.ReadFull(tr, data); err != nil {
		return nil, damaged("it is cut off in "+h.Name, err)
	}
	w.sum.entry(h.Name, h.Size)
	w.sum.Write(data)
	return data, nil
}

func (w *walker) entry(tr *tar.Reader, h *tar.Header) error {
	if hash, ok := strings.CutPrefix(h.Name, blobsDir); ok && blob.ValidHash(hash) {
		return w.content(tr, hash, h.Size)
	}
	if w.blobs || !w.isNext(h.Name) {
		return damaged(fmt.Sprintf("%q is out of place", h.Name), nil)
	}
	data, err := w.summed(tr, h)
	if err != nil {
		return err
	}
	return w.documents(w.Collections[w.coll], h.Name, data)
}

// isNext says whether a chunk is the next of its collection, or the first of a
// later one.
func (w *walker) isNext(name string) bool {
	for i := w.coll; i < len(w.Collections); i++ {
		no := 1
		if i == w.coll {
			no = w.chunk + 1
		}
		if name == chunkName(w.Collections[i], no) {
			w.coll, w.chunk = i, no
			return true
		}
	}
	return false
}

// documents reads the lines of a chunk.
func (w *walker) documents(name, chunk string, data []byte) error {
	coll := w.colls[name]
	var docs []store.Doc
	for len(data) > 0 {
		text, rest, ended := bytes.Cut(data, []byte("\n"))
		data = rest
		var l line
		if err := json.Unmarshal(text, &l); err != nil || !ended || l.ID == "" {
			return damaged("a line of "+chunk+" is no document", nil)
		}
		w.Documents[name]++
		if coll == nil || w.misfit != nil {
			continue
		}
		var d store.Doc
		if d, w.misfit = document(coll, l); w.misfit != nil {
			w.take = taker{}
		}
		docs = append(docs, d)
	}
	if w.take.documents == nil || coll == nil {
		return nil
	}
	return w.take.documents(coll, docs)
}

// document makes a line one that the store takes.
func document(c *store.Coll, l line) (store.Doc, error) {
	d := store.Doc{ID: l.ID, Body: l.Body}
	if c.Rekey != nil {
		keys, err := c.Rekey(d.ID, d.Body)
		if err != nil {
			return d, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		d.Keys = keys
	}
	if err := c.CheckDoc(d); err != nil {
		return d, fmt.Errorf("%w: document %s of %s: %w", ErrUnknown, d.ID, c.Name, err)
	}
	return d, nil
}

// content reads an attachment and checks that it is what its name says.
func (w *walker) content(tr *tar.Reader, hash string, size int64) error {
	w.blobs = true
	w.sum.entry(blobsDir+hash, size)
	w.Blobs++
	w.BlobBytes += size
	sum := sha256.New()
	r := io.TeeReader(tr, sum)
	if w.take.content != nil {
		if err := w.take.content(hash, size, r); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return damaged("it is cut off in an attachment", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != hash {
		return damaged("attachment "+hash+" is not what it was", nil)
	}
	return nil
}

// finish reads the end and what must follow it: nothing.
func (w *walker) finish(tr *tar.Reader, zr io.Reader, size int64) error {
	if size > maxJSON {
		return damaged("its end is too long", nil)
	}
	var e end
	data, err := io.ReadAll(tr)
	if err != nil {
		return damaged("it is cut off in its end", err)
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return damaged("its end cannot be read", nil)
	}
	if e.SHA256 != w.sum.String() || e.Blobs != w.Blobs || e.BlobBytes != w.BlobBytes || !maps.Equal(e.Documents, w.Documents) {
		return damaged("what it holds is not what its end says", nil)
	}
	if _, err := tr.Next(); !errors.Is(err, io.EOF) {
		return damaged("something follows its end", err)
	}
	if _, err := io.Copy(io.Discard, zr); err != nil { // to the checksum
		return damaged("its last bytes are missing or wrong", err)
	}
	w.Unreadable = e.Unreadable
	return w.misfit
}
