package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"casewire/casecore/store"
	"casewire/casecore/store/engine"
)

// Options are what Open can be told; the zero value is right for most.
type Options struct {
	Log *slog.Logger // nil: no log
	// Check is called by the writer's goroutine at the named points "store.begin", "store.before-commit"
	// and "store.after-commit", for tests that end the process there. An error
	// at the first two makes the transaction fail; the commit that is done at
	// the third stays done.
	Check func(point string) error
	// Fatal is called once, from the writer's goroutine, after a commit whose
	// outcome on the disk is unknown; the process should end. It must not call
	// the store. Without it every later Update answers ErrFailed.
	Fatal func(error)
	// MaxGroup is how many Updates share a commit at most; 0 means 256.
	MaxGroup int
}

const (
	defaultMaxGroup = 256
	readerCount     = 4
)

// Store is an open file. It implements store.Store.
type Store struct {
	opts    Options
	log     *slog.Logger
	path    string
	lock    *os.File
	tables  map[string]*table
	writer  *writer
	readers chan *conn
	gate    *engine.Gate
	hub     *engine.Hub
	stats   stats
	closing sync.Once
	closed  error
}

var _ store.Store = (*Store)(nil)

// Open opens the database file at path for these collections and makes this
// process the owner of its folder. A missing folder or file is made; a new
// collection or index is made and filled before Open returns. The error is an
// *OpenError when the file or its folder is to blame.
func Open(ctx context.Context, path string, o Options, colls ...*store.Coll) (*Store, error) {
	if o.MaxGroup <= 0 {
		o.MaxGroup = defaultMaxGroup
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opts: o, log: o.Log, path: path,
		tables:  make(map[string]*table, len(colls)),
		readers: make(chan *conn, readerCount),
		gate:    engine.NewGate(),
		hub:     engine.NewHub(),
	}
	for _, c := range colls {
		if err := c.Check(); err != nil {
			return nil, err
		}
		if s.tables[c.Name] != nil {
			return nil, fmt.Errorf("collection %s is declared twice", c.Name)
		}
		t := newTable(c)
		if len(t.single) > maxSingle {
			return nil, fmt.Errorf("collection %s has %d indexes; %d are the most", c.Name, len(t.single), maxSingle)
		}
		s.tables[c.Name] = t
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	go s.writer.run()
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if err := makeFolder(filepath.Dir(s.path)); err != nil {
		return err
	}
	if s.lock, err = lockFolder(filepath.Dir(s.path)); err != nil {
		return err
	}
	fresh, err := prepareFile(s.path)
	if err != nil {
		return err
	}
	if !fresh {
		if err := s.inspect(ctx); err != nil {
			return s.openError(err)
		}
	}
	c, err := newConn(fileURI(s.path), "busy_timeout = 5000")
	if err != nil {
		return s.openError(err)
	}
	s.writer = &writer{s: s, c: c, queue: make(chan *request, s.opts.MaxGroup), stopped: make(chan struct{})}
	if err := setUp(c); err != nil {
		return s.openError(err)
	}
	if err := c.db.BufferLog(); err != nil {
		return s.openError(err)
	}
	for _, t := range s.tables {
		if err := t.prepare(ctx, s, c); err != nil {
			return s.openError(err)
		}
	}
	for range readerCount {
		c, err := newConn(fileURI(s.path), "busy_timeout = 5000", "query_only = 1", "cache_size = -16384")
		if err != nil {
			return s.openError(err)
		}
		s.readers <- c
	}
	return nil
}

// inspect refuses a file that is not ours to write or that is damaged. It reads
// through a connection that cannot write: closing one that can would move the
// log into a file that was just refused.
func (s *Store) inspect(ctx context.Context) (err error) {
	c, err := newConn(readOnlyURI(s.path), "busy_timeout = 5000")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := checkFormat(c, s.path); err != nil {
		return err
	}
	if size(s.path)+size(s.path+logSuffix) > smallFile {
		return nil
	}
	return s.verify(ctx, c)
}

// openError blames the file where SQLite does.
func (s *Store) openError(err error) error {
	var known *OpenError
	switch {
	case errors.As(err, &known):
		return err
	case isDamage(err), errors.Is(err, ErrDamaged), isMisfit(err):
		return damaged(s.path, err)
	case isUnwritable(err):
		return cannotWrite(s.path, err)
	}
	return fmt.Errorf("open %s: %w", s.path, explain(err))
}

// Close implements store.Store. It may be called more than once.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.gate.Close()
		s.hub.Close()
		close(s.writer.queue)
		<-s.writer.stopped
		s.closed = s.release()
	})
	return s.closed
}

// release gives back whatever Open got hold of.
func (s *Store) release() error {
	var errs []error
	close(s.readers)
	for c := range s.readers {
		errs = append(errs, c.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.c.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func (s *Store) check(point string) error {
	if s.opts.Check == nil {
		return nil
	}
	return s.opts.Check(point)
}
