package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"sync"
)

// Meta is embedded in every stored type. Version belongs to the engine and is
// not part of the body.
type Meta struct {
	ID      string `json:"id"`
	Version uint64 `json:"-"`
}

func (m *Meta) meta() *Meta { return m } //nolint:unused // Table calls it through Record

// Record is a pointer to a type that embeds Meta and names its own keys.
type Record[T any] interface {
	*T
	meta() *Meta
	// Keys returns the index keys of the record as it is now. It is called on
	// every Put and must depend on nothing but the record.
	Keys() Keys
}

// Table is a typed view of a collection.
type Table[T any, P Record[T]] struct {
	coll     *Coll
	encoders sync.Pool // of *encoder
}

// NewTable declares a collection of T.
func NewTable[T any, P Record[T]](name string, indexes ...Index) *Table[T, P] {
	t := &Table[T, P]{coll: &Coll{Name: name, Indexes: indexes}}
	t.coll.Rekey = func(id string, body []byte) (Keys, error) {
		p, err := t.decode(Doc{ID: id, Body: body})
		if err != nil {
			return nil, err
		}
		return p.Keys(), nil
	}
	return t
}

// Coll returns the collection, for opening an engine and for Watch.
func (t *Table[T, P]) Coll() *Coll { return t.coll }

// Get returns the record with this id, or ErrNotFound.
func (t *Table[T, P]) Get(tx Tx, id string) (P, error) {
	d, err := tx.Get(t.coll, id)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", t.coll.Name, id, err)
	}
	return t.decode(d)
}

// ByID is what Get reads, for Tx.Expect.
func (t *Table[T, P]) ByID(id string) Read { return Read{Coll: t.coll, Key: id} }

// ByKey is what Find reads in a Unique index, for Tx.Expect.
func (t *Table[T, P]) ByKey(index, key string) Read {
	return Read{Coll: t.coll, Index: index, Key: key}
}

// Put writes p and sets its new version. A record without an id gets one.
func (t *Table[T, P]) Put(tx Tx, p P) error {
	m := p.meta()
	if m.ID == "" {
		m.ID = NewID()
	}
	body, err := t.encode(p)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", t.coll.Name, m.ID, err)
	}
	v, err := tx.Put(t.coll, Doc{ID: m.ID, Version: m.Version, Body: body, Keys: p.Keys()})
	if err != nil {
		return fmt.Errorf("%s %s: %w", t.coll.Name, m.ID, err)
	}
	m.Version = v
	return nil
}

// Delete removes p, which must not have changed since it was read.
func (t *Table[T, P]) Delete(tx Tx, p P) error {
	m := p.meta()
	if err := tx.Delete(t.coll, m.ID, m.Version); err != nil {
		return fmt.Errorf("%s %s: %w", t.coll.Name, m.ID, err)
	}
	return nil
}

// Scan yields records in the order of r; an error ends it.
func (t *Table[T, P]) Scan(tx Tx, r Range) iter.Seq2[P, error] {
	return t.ScanSome(tx, r, func(string) bool { return true })
}

// ScanSome is Scan without the records whose id is not wanted, which are not decoded.
func (t *Table[T, P]) ScanSome(tx Tx, r Range, wanted func(id string) bool) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		for d, err := range tx.Scan(t.coll, r) {
			if err != nil {
				yield(nil, fmt.Errorf("scan %s: %w", t.coll.Name, err))
				return
			}
			if !wanted(d.ID) {
				continue
			}
			p, err := t.decode(d)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// First returns the first record of r, or ErrNotFound.
func (t *Table[T, P]) First(tx Tx, r Range) (P, error) {
	r.Limit = 1
	for p, err := range t.Scan(tx, r) {
		return p, err
	}
	// Without the key, which may be somebody's address and end up in a log.
	return nil, fmt.Errorf("%s by %s: %w", t.coll.Name, r.Index, ErrNotFound)
}

// Find returns the record whose key in this index is exactly key, or
// ErrNotFound. Nothing has an empty key.
func (t *Table[T, P]) Find(tx Tx, index, key string) (P, error) {
	r := Range{Index: index, From: key, To: key + "\x00"}
	if ix, _ := t.coll.Index(index); ix.Multi {
		if key == "" {
			return nil, fmt.Errorf("%s by %s: %w", t.coll.Name, index, ErrNotFound)
		}
		r = Range{Index: index, Prefix: key}
	}
	return t.First(tx, r)
}

// encoder writes JSON for people and tools to read: without the escapes that only
// pages need, which make a text of angle brackets six times as long.
type encoder struct {
	json *json.Encoder
	out  bytes.Buffer
}

// keptOut is how large a buffer may be to be kept for the next record.
const keptOut = 16 << 10

func (t *Table[T, P]) encode(p P) ([]byte, error) {
	e, _ := t.encoders.Get().(*encoder)
	if e == nil {
		e = new(encoder)
		e.json = json.NewEncoder(&e.out)
		e.json.SetEscapeHTML(false)
	}
	e.out.Reset()
	if err := e.json.Encode(p); err != nil {
		return nil, err // an encoder that has failed is not used again
	}
	body := bytes.Clone(bytes.TrimSuffix(e.out.Bytes(), []byte("\n")))
	if e.out.Cap() <= keptOut {
		t.encoders.Put(e)
	}
	return body, nil
}

func (t *Table[T, P]) decode(d Doc) (P, error) {
	p := P(new(T))
	if err := json.Unmarshal(d.Body, p); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", t.coll.Name, d.ID, err)
	}
	*p.meta() = Meta{ID: d.ID, Version: d.Version}
	return p, nil
}
