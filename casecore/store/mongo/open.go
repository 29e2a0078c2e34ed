package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
	"casewire/casecore/store/engine"
)

// Options are what Open can be told; the zero value is right for most.
type Options struct {
	Log *slog.Logger // nil: no log
	// Database is the name of the database when the address has none; "" means
	// casewire.
	Database string
	// Check is called, perhaps from two goroutines at once, at the named points "store.begin",
	// "store.before-commit" and "store.after-commit", for tests that end the
	// process there. An error at the first two makes the transaction fail; the
	// commit that is done at the third stays done.
	Check func(point string) error
	// Patience is how long an Update, and the first reading of a View, waits for
	// a server that is away; 0 means 30 s. A caller's context may end it earlier.
	Patience time.Duration
	// Poll is how often watchers are told to look for themselves while the change
	// stream is broken; 0 means 2 s.
	Poll time.Duration
	// Refill is how often is looked for processes of an older version, whose documents
	// lack the keys of new indexes; 0 means 15 s.
	Refill time.Duration
	// MaxGroup is how many Updates share a commit at most; 0 means 256.
	MaxGroup int
	// Plain avoids commands that MongoDB has only since 8.0, as is done on an
	// older server anyway.
	Plain bool
	// Monitor, when not nil, hears of every command to the server.
	Monitor *CommandMonitor
}

const (
	defaultMaxGroup = 256
	defaultPatience = 30 * time.Second
	defaultPoll     = 2 * time.Second
	defaultRefill   = 15 * time.Second
	endTimeout      = 3 * time.Second
)

// Store is an open database. It implements store.Store.
type Store struct {
	opts       Options
	log        *slog.Logger
	base       context.Context // of what outlives its caller; it ends with the store
	cancel     context.CancelFunc
	target     target
	client     *mongo.Client
	db         *mongo.Database
	nodes      *mongo.Collection
	node       string
	bulk       bool // the server knows bulkWrite over collections
	tables     map[string]*table
	history    *history
	contended  contended
	writer     *writer
	gate       *engine.Gate
	hub        *engine.Hub
	stream     *stream
	refill     *refill
	registered bool // in casewire.nodes
	moments    *moments
	inside     atomic.Int32   // Updates and Views
	updating   atomic.Int32   // Updates
	ending     sync.WaitGroup // what serves snapshots and lets them go
	stats      stats
	closing    sync.Once
	closed     error
}

var _ store.Store = (*Store)(nil)

// Open opens the database that uri names (mongodb://host1,host2/name?options) for
// these collections. A new collection or index is made and filled before Open
// returns, while other processes go on. The error is an *OpenError when the
// address, the server or the database is to blame; it never holds the password.
func Open(ctx context.Context, uri string, o Options, colls ...*store.Coll) (_ *Store, err error) {
	o = o.withDefaults()
	s := &Store{
		opts: o, log: o.Log, node: store.NewID(),
		tables:  make(map[string]*table, len(colls)),
		history: &history{active: make(map[uint64]int)},
		gate:    engine.NewGate(),
		hub:     engine.NewHub(),
	}
	s.moments = &moments{s: s}
	s.base, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() { //nolint:contextcheck // what is given back must be, when ctx is done too
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	var client *options.ClientOptions
	if s.target, client, err = parseURI(uri, o); err != nil {
		return nil, err
	}
	if s.client, err = mongo.Connect(client); err != nil {
		return nil, s.openError(ErrURI, err, "see the manual page of connection strings, and its example in config/deploy")
	}
	s.db = s.client.Database(s.target.database)
	s.nodes = s.db.Collection(nodesName)
	if err := s.inspect(ctx); err != nil {
		return nil, err
	}
	for _, c := range colls {
		if err := c.Check(); err != nil {
			return nil, err
		}
		if s.tables[c.Name] != nil {
			return nil, fmt.Errorf("collection %s is declared twice", c.Name)
		}
		s.tables[c.Name] = newTable(c, s.db.Collection(c.Name))
	}
	if err := s.prepare(ctx); err != nil {
		return nil, s.blame(err)
	}
	s.refill = newRefill(s)
	s.stream = &stream{s: s}
	if err := s.stream.open(ctx); err != nil {
		return nil, s.blame(err)
	}
	s.stream.start(s.base) //nolint:contextcheck // it outlives ctx
	s.refill.stopped = make(chan struct{})
	go s.refill.run(s.base) //nolint:contextcheck // it outlives ctx
	s.writer = &writer{s: s, queue: make(chan *request, o.MaxGroup), stopped: make(chan struct{})}
	go s.writer.run() //nolint:contextcheck // it outlives ctx
	return s, nil
}

// Database returns the open database, for keeping attachments beside the
// documents. It is closed with the store.
func (s *Store) Database() *mongo.Database { return s.db }

func (o Options) withDefaults() Options {
	if o.MaxGroup <= 0 {
		o.MaxGroup = defaultMaxGroup
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.Refill <= 0 {
		o.Refill = defaultRefill
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

const mendOldServer = "upgrade it to MongoDB 7.0 or 8.0"

// inspect refuses a server that cannot keep the promises.
func (s *Store) inspect(ctx context.Context) error {
	var hello struct {
		SetName        string `bson:"setName"`
		Msg            string `bson:"msg"`
		MaxWireVersion int    `bson:"maxWireVersion"`
	}
	err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	if err != nil {
		return s.blame(err)
	}
	const wire70, wire80 = 21, 25
	switch {
	case hello.MaxWireVersion < wire70:
		return s.openError(ErrOldServer, nil, mendOldServer)
	case hello.SetName == "" && hello.Msg != "isdbgrid":
		return s.openError(ErrNoReplicaSet, nil,
			"transactions need one: start mongod with --replSet rs0 and run rs.initiate() once, a set of one member will do")
	}
	s.bulk = hello.MaxWireVersion >= wire80 && !s.opts.Plain
	return nil
}

// blame turns an error of the server into one that says what to do.
func (s *Store) blame(err error) error {
	var known *OpenError
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, store.ErrExists), errors.Is(err, context.Canceled):
		return err
	case hasCode(err, codeAuthenticationFail), isHandshake(err):
		return s.openError(ErrRights, errors.New("the login was refused"),
			"check user, password and authSource of the address")
	case isRights(err):
		return s.openError(ErrRights, err, "give the user the role readWrite on the database "+s.target.database)
	case strings.Contains(err.Error(), "but this version of the Go driver requires"): // it has no type of its own
		return s.openError(ErrOldServer, nil, mendOldServer)
	case isAway(err), errors.Is(err, context.DeadlineExceeded):
		return s.openError(ErrUnreachable, err,
			"check that the hosts of the address are running, reachable from here, and members of the replica set that it names")
	}
	return fmt.Errorf("open %s: %w", s.target, err)
}

func (s *Store) openError(kind, err error, mend string) error {
	return &OpenError{Database: s.target.String(), Kind: kind, Err: err, Mend: mend}
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
	s.ending.Wait()
	s.cancel()
	if s.stream != nil {
		s.stream.wait()
	}
	if s.refill != nil && s.refill.stopped != nil {
		<-s.refill.stopped
	}
	if s.client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.base), endTimeout)
	defer cancel()
	if s.registered {
		// Who cannot say goodbye is forgotten after staleNode.
		_, _ = s.nodes.DeleteOne(ctx, bson.D{{Key: "_id", Value: s.node}})
	}
	return s.client.Disconnect(ctx)
}

func (s *Store) check(point string) error {
	if s.opts.Check == nil {
		return nil
	}
	return s.opts.Check(point)
}
