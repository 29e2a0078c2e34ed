package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"casewire/casecore/store/sqlite/sqlite3"
)

// maxFaults is how many faults a verification lists.
const maxFaults = 20

// smallFile is up to which size Open verifies the whole file. A larger one
// would make the start too slow: its documents are checked as they are read,
// and Verify checks the rest.
const smallFile = 16 << 20

// Verify reads everything and returns an *OpenError of kind ErrDamaged with a
// list of what is wrong: with the structure of the file, with the order and
// completeness of its indexes, and with documents that are not what was stored.
// It works on the last commit while the store goes on, and takes about a second
// for 100 MB.
func (s *Store) Verify(ctx context.Context) (err error) {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	c, err := newConn(fileURI(s.path), "busy_timeout = 5000", "query_only = 1")
	if err != nil {
		return s.openError(err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	return s.verify(ctx, c)
}

func (s *Store) verify(ctx context.Context, c *conn) error {
	if err := s.verifyStructure(ctx, c); err != nil {
		return err
	}
	return s.verifyDocuments(ctx, c)
}

func (s *Store) verifyStructure(ctx context.Context, c *conn) error {
	var faults []error
	err := c.eachUntil(ctx, func(row *sqlite3.Stmt) error {
		if fault := row.Text(0); fault != "ok" {
			faults = append(faults, errors.New(fault))
		}
		return nil
	}, fmt.Sprintf("PRAGMA integrity_check(%d)", maxFaults))
	if isDamage(err) {
		faults, err = append(faults, err), nil
	}
	return s.verdict(faults, err)
}

func (s *Store) verifyDocuments(ctx context.Context, c *conn) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		t := s.tables[name]
		if have, err := t.stored(c); err != nil || have[name] == "" { // a new collection
			if err != nil {
				return s.verdict(faults, err)
			}
			continue
		}
		err := c.eachUntil(ctx, func(row *sqlite3.Stmt) error {
			if _, err := readDoc(t, row); errors.Is(err, ErrDamaged) && len(faults) < maxFaults {
				faults = append(faults, err)
			} else if err != nil {
				return err
			}
			return nil
		}, t.scanSQL(byID, shape{}))
		if err != nil {
			return s.verdict(faults, err)
		}
	}
	return s.verdict(faults, nil)
}

func (s *Store) verdict(faults []error, err error) error {
	switch {
	case len(faults) > 0:
		return damaged(s.path, errors.Join(faults...))
	case err != nil:
		return s.openError(err)
	}
	return nil
}
