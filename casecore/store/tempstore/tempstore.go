// Package tempstore opens the store that a test works on, and takes everything away
// when the test has ended. The environment says on which engine: the embedded one, or
// MongoDB, where tests with a clock of their own work too. It does not know what is
// kept in it, and judges no engine: storetest does.
package tempstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo/mongotest"
	"casewire/casecore/store/sqlite"
)

// Variable names the environment variable that chooses the engine: "mongodb" is the
// server at MONGODB_URI, nothing is the embedded engine.
const Variable = "CASEWIRE_STORE"

// Pool opens the stores of a package's tests. On MongoDB, where making the indexes takes
// longer than most tests, it hands emptied databases on to the tests that follow, until
// Main drops them. The zero Pool is ready; one that runs without Main drops each
// database after its test. It is safe for concurrent use.
type Pool struct {
	mu    sync.Mutex
	keeps bool
	free  map[string][]*database // by schema
}

// Main is for TestMain: it runs the tests, drops what was kept between them, and returns
// the code to exit with.
func (p *Pool) Main(m *testing.M) int {
	p.mu.Lock()
	p.keeps = true
	p.mu.Unlock()
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), clearing)
	defer cancel()
	if err := p.drop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "drop the databases of the tests:", err)
		return max(code, 1)
	}
	return code
}

// Open returns an empty store of these collections, which is closed after the test. In
// a bubble of synctest use Bubble.
func (p *Pool) Open(tb testing.TB, colls ...*store.Coll) store.Store {
	tb.Helper()
	return p.Place(tb).Open(tb, colls...)
}

// Place returns where a store can be opened, closed and opened again on the same data,
// which are gone after the test.
func (p *Pool) Place(tb testing.TB) *Place {
	tb.Helper()
	at := &Place{pool: p, folder: tb.TempDir()}
	switch engine := os.Getenv(Variable); engine {
	case "":
	case "mongodb":
		if os.Getenv(mongotest.Variable) == "" {
			tb.Fatalf("%s=%s, and %s is not set", Variable, engine, mongotest.Variable)
		}
		at.uri = mongotest.Server(tb)
		tb.Cleanup(func() { at.leave(tb) })
	default:
		tb.Fatalf("%s=%s: it may be mongodb or nothing", Variable, engine)
	}
	return at
}

// Bubble runs a test in a bubble of synctest, in which time passes only when everybody
// waits, with a place whose stores may be used there. Time stands still while MongoDB
// is at work, and each store tells its watchers of its own commits only: how hints come
// from other processes is for storetest and the tests of nodes.
func (p *Pool) Bubble(t *testing.T, test func(t *testing.T, at *Place)) {
	t.Helper()
	at := p.Place(t)
	if at.uri != "" {
		at.ferry = newFerry(t.Context())
		defer at.ferry.close()
	}
	synctest.Test(t, func(t *testing.T) { test(t, at) })
}

// Place is where a store has its data for the length of a test. It is for one goroutine.
type Place struct {
	pool   *Pool
	folder string
	uri    string    // of the server; "" is the embedded engine
	data   *database // from the first Open on
	ferry  *ferry    // into a bubble
}

// Open opens the store for these collections, which are the same each time. It is closed
// after the test tb, if the caller has not closed it before; tb is the one in the bubble
// where there is one.
func (at *Place) Open(tb testing.TB, colls ...*store.Coll) store.Store {
	tb.Helper()
	st, err := at.open(tb, colls)
	if err != nil {
		tb.Fatalf("open the test's store: %v", err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Errorf("close the test's store: %v", err)
		}
	})
	return st
}

func (at *Place) open(tb testing.TB, colls []*store.Coll) (store.Store, error) {
	switch {
	case at.uri == "":
		return sqlite.Open(tb.Context(), filepath.Join(at.folder, "casewire.db"), sqlite.Options{}, colls...)
	case at.ferry == nil:
		return at.store(tb.Context(), colls)
	}
	return at.ferry.open(tb.Context(), colls, func(ctx context.Context) (store.Store, error) { return at.store(ctx, colls) })
}
