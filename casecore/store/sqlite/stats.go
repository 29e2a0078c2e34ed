package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"casewire/casecore/store/sqlite/sqlite3"
)

type stats struct{ groups, commits, updates atomic.Uint64 }

// Stats are figures for metrics.
type Stats struct {
	Groups    uint64 // transactions begun by the writer since Open
	Commits   uint64 // of them committed with changes: each one is one fsync
	Updates   uint64 // Update calls since Open that returned nil
	FileBytes int64  // size of the database file
	LogBytes  int64  // size of its write-ahead log
}

// Stats returns the figures as they are now.
func (s *Store) Stats() Stats {
	return Stats{
		Groups: s.stats.groups.Load(), Commits: s.stats.commits.Load(), Updates: s.stats.updates.Load(),
		FileBytes: size(s.path), LogBytes: size(s.path + logSuffix),
	}
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Backup writes a compact copy of the last commit to a new file at path, while
// the store goes on working. The file is complete and durable when it appears.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup to %s: %w", path, errors.Join(fs.ErrExist, err))
	}
	part := path + ".part"
	if err := emptyFile(part); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("backup to %s: %w", path, err)
			_ = os.Remove(part) // the copy is worthless, and so is the reason why it stays
		}
	}()
	c, err := newConn(fileURI(s.path), "busy_timeout = 5000")
	if err != nil {
		return err
	}
	if err := errors.Join(c.scriptUntil(ctx, "VACUUM INTO ?", sqlite3.Text(part)), c.close()); err != nil {
		return explain(err)
	}
	if err := syncFile(part); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// emptyFile makes an empty file that only its owner can read, whatever was there.
func emptyFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
