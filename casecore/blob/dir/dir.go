// Package dir keeps contents as plain files in a folder, each named by its
// SHA-256, so that sha256sum can check them and any backup tool can copy them.
// It does not know what the contents are or who refers to them.
//
// A content is written to tmp/, synced, renamed to its place in one of 256
// folders (a/b/ab...) and the folder is synced: what has a name is whole.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"casewire/casecore/blob"
)

// Options are what Open can be told.
type Options struct {
	// Check is called at the named points "blob.before-rename" and
	// "blob.after-rename", for tests that end the process there. An error makes
	// Put fail.
	Check func(point string) error
}

// Store is an open folder. It implements blob.Store.
type Store struct {
	root  *os.Root
	check func(point string) error
	// places guards the coming and going of names, so that Sweep cannot remove
	// a content between its being put again and its time being looked at.
	places sync.Mutex

	buffers sync.Pool // of *[pieceSize]byte

	foldersMu sync.Mutex
	folders   map[string]bool // known to be durable
}

var _ blob.Store = (*Store)(nil)

const tmp = "tmp"

// Open opens the folder, makes it if it is missing (but nothing above it) and
// removes what unfinished Puts left behind. One process at a time may have it
// open.
func Open(folder string, o Options) (*Store, error) {
	if err := makeFolder(folder); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	s := &Store{root: root, check: o.Check, folders: make(map[string]bool)}
	if s.check == nil {
		s.check = func(string) error { return nil }
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare blobs in %s: %w", folder, err), root.Close())
	}
	return s, nil
}

func makeFolder(folder string) error {
	err := os.Mkdir(folder, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	above, err := os.Open(filepath.Dir(folder))
	if err != nil {
		return err
	}
	return errors.Join(above.Sync(), above.Close())
}

// Close releases the folder. Contents that are open stay readable.
func (s *Store) Close() error { return s.root.Close() }

// prepare makes an empty tmp.
func (s *Store) prepare() error {
	if err := s.root.RemoveAll(tmp); err != nil {
		return err
	}
	return s.root.Mkdir(tmp, 0o700)
}

// durable makes sure that a folder exists and will after a loss of power. Even
// one that is there already is synced once: whoever made it may not have got so
// far.
func (s *Store) durable(folder string) error {
	s.foldersMu.Lock()
	defer s.foldersMu.Unlock()
	return s.durableLocked(folder)
}

func (s *Store) durableLocked(folder string) error {
	if folder == "." || s.folders[folder] {
		return nil
	}
	above := path.Dir(folder)
	if err := s.durableLocked(above); err != nil {
		return err
	}
	if err := s.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.sync(above); err != nil {
		return err
	}
	s.folders[folder] = true
	return nil
}

// leaves are the folders that hold contents.
func leaves() []string {
	const digits = "0123456789abcdef"
	var list []string
	for _, a := range digits {
		for _, b := range digits {
			list = append(list, string(a)+"/"+string(b))
		}
	}
	return list
}

// place is where the content of a valid hash is.
func place(hash string) string { return hash[:1] + "/" + hash[1:2] + "/" + hash }

// sync makes the entries of a folder durable.
func (s *Store) sync(folder string) error {
	d, err := s.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Delete implements blob.Store.
func (s *Store) Delete(_ context.Context, hash string) error {
	if !blob.ValidHash(hash) {
		return nil
	}
	s.places.Lock()
	defer s.places.Unlock()
	if err := s.root.Remove(place(hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob: %w", err)
	}
	return nil
}

// Each implements blob.Store.
func (s *Store) Each(ctx context.Context, fn func(hash string, size int64, modified time.Time) error) error {
	for _, folder := range leaves() {
		entries, err := fs.ReadDir(s.root.FS(), folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) || (err == nil && (!blob.ValidHash(e.Name()) || !info.Mode().IsRegular())) {
				continue
			}
			if err != nil {
				return fmt.Errorf("list blobs: %w", err)
			}
			if err := fn(e.Name(), info.Size(), info.ModTime()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sweep implements blob.Store.
func (s *Store) Sweep(ctx context.Context, before time.Time, referenced func(hash string) (bool, error)) (removed int, err error) {
	err = s.Each(ctx, func(hash string, _ int64, modified time.Time) error {
		if !modified.Before(before) {
			return nil
		}
		if kept, err := referenced(hash); err != nil || kept {
			return err
		}
		gone, err := s.removeOld(hash, before)
		if gone {
			removed++
		}
		return err
	})
	return removed, err
}

// removeOld removes the content unless it was Put again meanwhile.
func (s *Store) removeOld(hash string, before time.Time) (bool, error) {
	s.places.Lock()
	defer s.places.Unlock()
	info, err := s.root.Lstat(place(hash))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("sweep blobs: %w", err)
	case !info.ModTime().Before(before):
		return false, nil
	}
	if err := s.root.Remove(place(hash)); err != nil {
		return false, fmt.Errorf("sweep blobs: %w", err)
	}
	return true, nil
}
