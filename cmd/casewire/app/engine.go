package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"casewire/casecore/blob"
	"casewire/casecore/blob/dir"
	"casewire/casecore/blob/gridfs"
	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
	"casewire/casecore/store/sqlite"
	"casewire/config"
)

// engine is the store with the attachments beside it, whichever they are.
type engine struct {
	store store.Store
	blobs blob.Store
	alone bool // no other process can have it open
	stats func() (commits, updates uint64)
	close []closer
}

type closer struct {
	name string
	do   func() error
}

// openEngine opens what the configuration names. fatal is told when the store
// cannot be trusted any more.
func openEngine(ctx context.Context, s config.Static, log *slog.Logger, check func(string) error, fatal func(error)) (*engine, error) {
	if isMongo(s) {
		return openMongo(ctx, s, log, check)
	}
	st, err := sqlite.Open(ctx, storeFile(s), sqlite.Options{Log: log, Check: check, Fatal: fatal}, collections()...)
	if err != nil {
		return nil, err
	}
	e := &engine{store: st, alone: true, close: []closer{{"store", st.Close}}, stats: func() (uint64, uint64) {
		now := st.Stats()
		return now.Commits, now.Updates
	}}
	return e, e.openFolder(s.Folder(), check)
}

func openMongo(ctx context.Context, s config.Static, log *slog.Logger, check func(string) error) (*engine, error) {
	st, err := mongo.Open(ctx, withPassword(s.Store, s.StorePassword.Value()), mongo.Options{Log: log, Check: check}, collections()...)
	if err != nil {
		return nil, err
	}
	e := &engine{store: st, close: []closer{{"store", st.Close}}, stats: func() (uint64, uint64) {
		now := st.Stats()
		return now.Commits, now.Updates
	}}
	if folder := s.Folder(); folder != "" {
		return e, e.openFolder(folder, check)
	}
	if e.blobs, err = gridfs.Open(ctx, st.Database()); err != nil {
		return nil, errors.Join(fmt.Errorf("open attachments: %w", err), st.Close()) //nolint:contextcheck // closing has a deadline of its own
	}
	return e, nil
}

func (e *engine) openFolder(folder string, check func(string) error) error {
	files, err := dir.Open(folder, dir.Options{Check: check})
	if err != nil {
		return errors.Join(err, e.end())
	}
	e.blobs = files
	e.close = append(e.close, closer{"attachments", files.Close})
	return nil
}

// end closes what is open, the last first.
func (e *engine) end() error {
	var errs []error
	for i := len(e.close) - 1; i >= 0; i-- {
		errs = append(errs, e.close[i].do())
	}
	return errors.Join(errs...)
}

// withPassword puts a password beside the user of a store's address. The address
// may name several hosts, which net/url does not read.
func withPassword(address, password string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	user, hosts, named := strings.Cut(rest, "@")
	if password == "" || !ok || !named || strings.Contains(user, ":") {
		return address
	}
	return scheme + "://" + user + ":" + url.QueryEscape(password) + "@" + hosts
}
