package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"casewire/casecore/store/sqlite/sqlite3"
)

// The file names its application and the version of its layout in the header
// fields that SQLite has for that.
const (
	applicationID = 0x43415345 // "CASE"
	formatVersion = 1
)

const (
	magic      = "SQLite format 3\x00"
	headerSize = 100
)

// makeFolder makes the data folder, but not the folders above it: a path that is
// wrong further up is more likely a mistake.
func makeFolder(folder string) error {
	err := os.Mkdir(folder, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		info, err := os.Stat(folder)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return &OpenError{Path: folder, Kind: ErrUnwritable, Err: errors.New("it is not a folder"),
				Mend: "name a folder for the data"}
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &OpenError{Path: folder, Kind: ErrUnwritable, Err: err, Mend: "make the folder above it first, or correct the path"}
	case err != nil:
		return cannotWrite(folder, err)
	}
	return syncFolder(filepath.Dir(folder))
}

// prepareFile makes an empty file, which SQLite takes for a new database, or
// looks whether the one that is there can be one and is whole.
func prepareFile(path string) (fresh bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, cannotWrite(path, err)
	}
	head := make([]byte, headerSize)
	n, err := io.ReadFull(f, head)
	length, seekErr := f.Seek(0, io.SeekEnd)
	if err := errors.Join(ignoreEOF(err), seekErr, f.Close()); err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	switch {
	case n == 0:
		return true, newFile(path)
	case !bytes.HasPrefix(head, []byte(magic)):
		return false, foreign(path, errors.New("it is not an SQLite file"))
	case n < headerSize:
		return false, damaged(path, fmt.Errorf("it ends after %d bytes", n))
	}
	return false, checkLength(path, head, length)
}

// newFile makes the entry of an empty file durable. A log beside it tells that
// it has not always been empty.
func newFile(path string) error {
	if found, err := readLog(path + logSuffix); err != nil || len(found.pages) > 0 {
		return damaged(path, errors.Join(errors.New("it is empty but its log is not"), err))
	}
	return syncFolder(filepath.Dir(path))
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// syncFolder makes the entries of a folder durable.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkFormat refuses a file that is not ours to write.
func checkFormat(c *conn, path string) error {
	var app, version, objects int
	for _, field := range []struct {
		dest  *int
		query string
	}{
		{&app, "PRAGMA application_id"},
		{&version, "PRAGMA user_version"},
		{&objects, "SELECT count(*) FROM sqlite_schema"},
	} {
		n, err := c.number(field.query)
		if err != nil {
			return err
		}
		*field.dest = n
	}
	switch {
	case app == 0 && version == 0 && objects == 0: // cut off before it got its marks
		return nil
	case app != applicationID:
		return foreign(path, errors.New("it belongs to another application"))
	case version > formatVersion:
		return &OpenError{Path: path, Kind: ErrNewer,
			Err:  fmt.Errorf("its format is %d, this version knows %d", version, formatVersion),
			Mend: "run the newer version of Casewire, or restore a backup made by this one"}
	}
	return checkNames(c, path)
}

// checkNames refuses a schema whose entries do not fit together. SQLite goes by
// the text of an entry and the engine by its name: were they different, it would
// mend what is not missing.
func checkNames(c *conn, path string) error {
	return c.each(func(row *sqlite3.Stmt) error {
		name, table, text := row.Text(0), row.Text(1), row.Text(2)
		if !strings.Contains(text, name) || !strings.Contains(text, table) {
			return damaged(path, fmt.Errorf("its schema has %q on %q in the place of another", name, table))
		}
		return nil
	}, "SELECT name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
}

// setUp prepares the writing connection and gives the file its marks.
func setUp(c *conn) error {
	if err := walMode(c); err != nil {
		return err
	}
	for _, p := range []string{"synchronous = FULL", "fullfsync = 1", "wal_autocheckpoint = 4000", "cache_size = -65536", "temp_store = MEMORY"} {
		if err := c.script("PRAGMA " + p); err != nil {
			return err
		}
	}
	app, err := c.number("PRAGMA application_id")
	if err != nil || app == applicationID {
		return err
	}
	return atomically(c, fmt.Sprintf("PRAGMA application_id = %d", applicationID), fmt.Sprintf("PRAGMA user_version = %d", formatVersion))
}

func walMode(c *conn) error {
	mode, err := c.text("PRAGMA journal_mode = WAL")
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not support a write-ahead log (journal mode is %s)", mode)
	}
	return nil
}

func foreign(path string, err error) error {
	return &OpenError{Path: path, Kind: ErrForeign, Err: err, Mend: "use another data folder, or move that file away"}
}

func damaged(path string, err error) error {
	return &OpenError{Path: path, Kind: ErrDamaged, Err: err,
		Mend: "keep a copy of the folder, then restore the latest backup"}
}
