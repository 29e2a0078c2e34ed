package policy

import (
	"errors"
	"fmt"
	"time"

	"casewire/casecore/store"
)

// Revision is one published text of the policy. Revisions are only ever added; the
// one with the greatest number is in force.
type Revision struct {
	store.Meta
	Number int64     `json:"number"`
	Author string    `json:"author"` // operator's id, or who else
	At     time.Time `json:"at"`
	Note   string    `json:"note,omitempty"` // what was changed and why
	Text   string    `json:"text"`           // the YAML document
}

// Keys of a revision: none; its id is its number.
func (*Revision) Keys() store.Keys { return store.Keys{} }

// Revisions is the table of revisions.
var Revisions = store.NewTable[Revision]("policy")

// Collections lists what this room keeps in the store.
func Collections() []*store.Coll { return []*store.Coll{Revisions.Coll()} }

// Newest returns the revision in force, or store.ErrNotFound in a fresh store.
func Newest(tx store.Tx) (*Revision, error) {
	return Revisions.First(tx, store.Range{Reverse: true})
}

// At returns the revision of that number, or store.ErrNotFound.
func At(tx store.Tx, number int64) (*Revision, error) {
	return Revisions.Get(tx, store.NumberKey(number))
}

// History returns at most limit revisions before a number, newest first; before 0
// begins with the newest.
func History(tx store.Tx, before int64, limit int) ([]*Revision, error) {
	r := store.Range{Reverse: true, Limit: limit}
	if before > 0 {
		r.To = store.NumberKey(before)
	}
	var out []*Revision
	for rev, err := range Revisions.Scan(tx, r) {
		if err != nil {
			return nil, err
		}
		out = append(out, rev)
	}
	return out, nil
}

// Stale is the refusal to publish over a revision that the author has not seen.
type Stale struct{ Expected, Newest int64 }

func (s *Stale) Error() string {
	return fmt.Sprintf("revision %d was published meanwhile, and this was made from %d; look at the difference and publish again", s.Newest, s.Expected)
}

// Unwrap makes it a store.ErrConflict.
func (*Stale) Unwrap() error { return store.ErrConflict }

// add writes the next revision if expect is the newest one.
func add(tx store.Tx, rev *Revision, expect int64) error {
	var newest int64
	switch now, err := Newest(tx); {
	case err == nil:
		newest = now.Number
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if newest != expect {
		return &Stale{Expected: expect, Newest: newest}
	}
	rev.Number = expect + 1
	rev.Meta = store.Meta{ID: store.NumberKey(rev.Number)}
	return Revisions.Put(tx, rev)
}
