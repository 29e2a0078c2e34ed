package mongo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// tally is a counter with a record of everybody who counted: what is lost or
// done twice shows in either.
var (
	tallies = &store.Coll{Name: "tally"}
	marks   = &store.Coll{Name: "mark", Indexes: []store.Index{{Name: "who", Unique: true}}, Rekey: noKeys}
)

type tally struct {
	N int `json:"n"`
}

// count adds one to the tally, by who.
func count(ctx context.Context, s store.Store, who string) error {
	return s.Update(ctx, func(tx store.Tx) error {
		d, err := tx.Get(tallies, "n")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		var n tally
		if d.Version > 0 {
			if err := json.Unmarshal(d.Body, &n); err != nil {
				return err
			}
		}
		d.ID, d.Body = "n", fmt.Appendf(nil, `{"n":%d}`, n.N+1)
		if _, err := tx.Put(tallies, d); err != nil {
			return err
		}
		_, err = tx.Put(marks, store.Doc{ID: store.NewID(), Body: fmt.Appendf(nil, `{"who":%q}`, who), Keys: store.Keys{"who": {who}}})
		return err
	})
}

// counted checks that the tally and the record agree and tell n. A view that loses its
// connection half way says so, and is asked again.
func counted(tb testing.TB, s store.Store, least, most int) {
	tb.Helper()
	err := store.ErrUnavailable
	for try := 0; try < 5 && errors.Is(err, store.ErrUnavailable); try++ {
		err = viewCounted(tb, s, least, most)
	}
	if err != nil {
		tb.Errorf("view: %v", err)
	}
}

func viewCounted(tb testing.TB, s store.Store, least, most int) error {
	tb.Helper()
	return s.View(tb.Context(), func(tx store.Tx) error {
		d, err := tx.Get(tallies, "n")
		if err != nil {
			return err
		}
		var n tally
		if err := json.Unmarshal(d.Body, &n); err != nil {
			return err
		}
		records := 0
		for _, err := range tx.Scan(marks, store.Range{Index: "who"}) {
			if err != nil {
				return err
			}
			records++
		}
		if n.N != records || uint64(n.N) != d.Version || n.N < least || n.N > most {
			tb.Errorf("counted %d at version %d with %d records, want %d to %d", n.N, d.Version, records, least, most)
		}
		return nil
	})
}

// Every command of a commit fails once in every way (F5): the result is that of a
// run without the fault.
func TestEveryCommandOfACommitMayFail(t *testing.T) {
	fail := failPoint(t)
	transient := bson.A{"TransientTransactionError"}
	faults := map[string]bson.D{
		"not primary":         {{Key: "errorCode", Value: 10107}},
		"shutting down":       {{Key: "errorCode", Value: 91}},
		"connection closed":   {{Key: "closeConnection", Value: true}},
		"write conflict":      {{Key: "errorCode", Value: 112}, {Key: "errorLabels", Value: transient}},
		"no such transaction": {{Key: "errorCode", Value: 251}, {Key: "errorLabels", Value: transient}},
		"slow":                {{Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: 300}},
		"write concern error": {{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 91}, {Key: "errmsg", Value: "shutting down"}}}},
		"answer of majority late": {{Key: "writeConcernError", Value: bson.D{
			{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}}},
	}
	for _, plain := range []bool{false, true} {
		s := open(t, mongo.Options{Database: newDatabase(t), Plain: plain}, tallies, marks)
		n := 0
		add := func(t *testing.T) {
			t.Helper()
			n++
			if err := count(t.Context(), s, fmt.Sprint(n)); err != nil {
				t.Errorf("update: %v", err)
				n--
			}
			counted(t, s, n, n)
		}
		commands := []string{"find", "bulkWrite", "commitTransaction", "abortTransaction"}
		if plain {
			commands = []string{"insert", "update"}
		}
		add(t)
		for _, command := range commands {
			for name, fault := range faults {
				if strings.HasPrefix(name, "write concern") && command != "commitTransaction" || strings.HasPrefix(name, "answer of") && command != "commitTransaction" {
					continue
				}
				t.Run(command+"/"+name, func(t *testing.T) {
					if err := fail(once, failing(fault, command)); err != nil {
						t.Fatalf("set the fail point: %v", err)
					}
					add(t)
					if err := fail("off", bson.D{}); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// The primary steps down under load: nothing acknowledged is lost, nothing is
// done twice, and all goes on by itself.
func TestPrimaryStepsDown(t *testing.T) {
	s := open(t, mongo.Options{Database: newDatabase(t)}, tallies, marks)
	admin := rawClient(t, server(t)).Database("admin")
	underLoad(t, s, func() {
		for range 3 {
			err := admin.RunCommand(t.Context(), bson.D{{Key: "replSetStepDown", Value: 1}, {Key: "force", Value: true}}).Err()
			if err != nil && !strings.Contains(err.Error(), "socket") && !strings.Contains(err.Error(), "connection") {
				t.Logf("step down: %v", err)
			}
			if err := count(t.Context(), s, store.NewID()); err != nil { // waits until it is back
				t.Errorf("after the step-down: %v", err)
			}
		}
	}, 3)
}

// restartVariable names a command that ends the server with SIGKILL and starts it
// again over the same data.
const restartVariable = "CASEWIRE_MONGODB_RESTART"

func TestServerIsKilled(t *testing.T) {
	server(t)
	command := os.Getenv(restartVariable)
	if command == "" {
		t.Skipf("%s is not set: nothing that kills and restarts the server", restartVariable)
	}
	s := open(t, mongo.Options{Database: newDatabase(t)}, tallies, marks)
	underLoad(t, s, func() {
		for range 5 {
			if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", command, err, out)
				return
			}
			if err := count(t.Context(), s, store.NewID()); err != nil {
				t.Errorf("after the restart: %v", err)
			}
		}
	}, 5)
}

// underLoad counts in eight goroutines while disturb works, which counts own
// times itself. Every answer must be true afterwards.
func underLoad(t *testing.T, s *mongo.Store, disturb func(), own int) {
	t.Helper()
	var acknowledged, unknown atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				switch err := count(t.Context(), s, fmt.Sprintf("%d-%d", w, i)); {
				case err == nil:
					acknowledged.Add(1)
				case errors.Is(err, mongo.ErrUnknown):
					unknown.Add(1)
				default:
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	disturb()
	close(stop)
	wg.Wait()
	n := int(acknowledged.Load()) + own
	t.Logf("%d acknowledged, %d unknown, %+v", n, unknown.Load(), s.Stats())
	counted(t, s, n, n+int(unknown.Load()))
}

// Two nodes claim the same cases (F14): each goes to one of them.
func TestTwoNodesOneWinner(t *testing.T) {
	name := newDatabase(t)
	cases := &store.Coll{Name: "cases"}
	nodes := []*mongo.Store{open(t, mongo.Options{Database: name}, cases), open(t, mongo.Options{Database: name}, cases)}
	const n, rivals = 20, 16
	if err := nodes[0].Update(t.Context(), func(tx store.Tx) error {
		for i := range n {
			if _, err := tx.Put(cases, store.Doc{ID: fmt.Sprint(i), Body: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	errHeld := errors.New("held")
	won := make([]atomic.Int32, n)
	var wg sync.WaitGroup
	for r := range rivals {
		wg.Go(func() {
			for i := range n {
				err := nodes[r%2].Update(t.Context(), func(tx store.Tx) error {
					d, err := tx.Get(cases, fmt.Sprint(i))
					if err != nil {
						return err
					}
					if string(d.Body) != `{}` {
						return errHeld
					}
					d.Body = fmt.Appendf(nil, `{"holder":%d}`, r)
					_, err = tx.Put(cases, d)
					return err
				})
				switch {
				case err == nil:
					won[i].Add(1)
				case !errors.Is(err, errHeld):
					t.Errorf("claim: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i := range won {
		if won[i].Load() != 1 {
			t.Errorf("case %d has %d holders", i, won[i].Load())
		}
	}
}

// Two nodes count in one document: nobody is missed.
func TestTwoNodesOneCounter(t *testing.T) {
	name := newDatabase(t)
	nodes := []*mongo.Store{open(t, mongo.Options{Database: name}, tallies, marks), open(t, mongo.Options{Database: name}, tallies, marks)}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 15 {
				if err := count(t.Context(), nodes[w%2], fmt.Sprintf("%d-%d", w, i)); err != nil {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range nodes {
		t.Logf("%+v", s.Stats())
		counted(t, s, 120, 120)
	}
}

// What one node commits wakes the watchers of the other within a moment.
func TestHintsOfAnotherNode(t *testing.T) {
	name := newDatabase(t)
	a, b := open(t, mongo.Options{Database: name}, tallies, marks), open(t, mongo.Options{Database: name}, tallies, marks)
	hints, err := b.Watch(t.Context(), tallies)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := count(t.Context(), a, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		select {
		case h := <-hints:
			if !h.Missed && (len(h.IDs) != 1 || h.IDs[0] != "n") {
				t.Errorf("hint %+v", h)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no hint of the other node's commit")
		}
	}
}
