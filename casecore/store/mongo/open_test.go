package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

func TestAddressesThatCannotWork(t *testing.T) {
	for uri, kind := range map[string]error{
		"":                             mongo.ErrURI,
		"postgres://localhost/x":       mongo.ErrURI,
		"mongodb://":                   mongo.ErrURI,
		"mongodb://localhost/a$b":      mongo.ErrURI,
		"mongodb://u:s3cret!@/x":       mongo.ErrURI,
		"mongodb://u:s3cret%zz@host/x": mongo.ErrURI,
		"mongodb://u:s3cret@127.0.0.1:1/x?serverSelectionTimeoutMS=200": mongo.ErrUnreachable,
	} {
		_, err := mongo.Open(t.Context(), uri, mongo.Options{}, tallies)
		var e *mongo.OpenError
		if !errors.Is(err, kind) || !errors.As(err, &e) || e.Mend == "" {
			t.Errorf("open %q: %v, want %v with a mend", uri, err, kind)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestAReplicaSetOfAnotherName(t *testing.T) {
	uri := server(t)
	if !strings.Contains(uri, "replicaSet=") {
		t.Skipf("%s names no replica set to get wrong", serverVariable)
	}
	wrong := strings.Replace(uri, "replicaSet=", "serverSelectionTimeoutMS=500&replicaSet=not", 1)
	if _, err := mongo.Open(t.Context(), wrong, mongo.Options{}, tallies); !errors.Is(err, mongo.ErrUnreachable) {
		t.Errorf("open: %v", err)
	}
}

func TestDatabasesThatAreNotOurs(t *testing.T) {
	name := newDatabase(t)
	db := rawClient(t, server(t)).Database(name)
	if _, err := db.Collection("orders").InsertOne(t.Context(), bson.D{{Key: "total", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := mongo.Open(t.Context(), server(t), mongo.Options{Database: name}, tallies); !errors.Is(err, mongo.ErrForeign) {
		t.Errorf("open a foreign database: %v", err)
	}
	name = newDatabase(t)
	open(t, mongo.Options{Database: name}, tallies, marks)
	meta := rawClient(t, server(t)).Database(name).Collection("casewire.meta")
	for _, step := range []struct {
		version, reads int
		want           error
	}{{2, 1, nil}, {2, 2, mongo.ErrNewer}, {3, 2, mongo.ErrNewer}} {
		_, err := meta.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "format"}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: step.version}, {Key: "reads", Value: step.reads}}}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := mongo.Open(t.Context(), server(t), mongo.Options{Database: name}, tallies, marks)
		if err == nil {
			err = s.Close()
		}
		if !errors.Is(err, step.want) {
			t.Errorf("format %d that %d can work with: %v, want %v", step.version, step.reads, err, step.want)
		}
	}
}

// Everything that is written is asked to be on a majority and in the journal,
// whatever the address says (F5).
func TestEveryWriteIsDurable(t *testing.T) {
	uri := server(t)
	if strings.Contains(uri, "?") {
		uri += "&w=1&journal=false"
	}
	for _, plain := range []bool{false, true} {
		var mu sync.Mutex
		seen := map[string]int{}
		watch := &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
			mu.Lock()
			defer mu.Unlock()
			seen[e.CommandName]++
			switch e.CommandName {
			case "insert", "update", "delete", "bulkWrite", "findAndModify", "create", "createIndexes", "dropIndexes", "commitTransaction", "abortTransaction":
			default:
				return
			}
			_, inTransaction := e.Command.Lookup("txnNumber").AsInt64OK()
			_, auto := e.Command.Lookup("autocommit").BooleanOK()
			if inTransaction && auto && e.CommandName != "commitTransaction" {
				return // what counts is the commit; an abort needs no proof
			}
			w, _ := e.Command.Lookup("writeConcern", "w").StringValueOK()
			j, _ := e.Command.Lookup("writeConcern", "j").BooleanOK()
			if w != "majority" || !j {
				t.Errorf("%s is sent with write concern %v", e.CommandName, e.Command.Lookup("writeConcern"))
			}
		}}
		name := newDatabase(t)
		o := mongo.Options{Database: name, Plain: plain, Monitor: watch}
		for _, colls := range [][]*store.Coll{{tallies, {Name: "mark"}}, {tallies, marks}, {tallies, {Name: "mark"}}} {
			s, err := mongo.Open(t.Context(), uri, o, colls...)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Update(t.Context(), func(tx store.Tx) error {
				id := store.NewID()
				if _, err := tx.Put(tallies, store.Doc{ID: id, Body: []byte(`{}`)}); err != nil {
					return err
				}
				_, err := tx.Put(tallies, store.Doc{ID: "kept", Body: []byte(`{}`)})
				if errors.Is(err, store.ErrExists) {
					err = tx.Delete(tallies, "kept", 1)
				}
				return err
			})
			if err := errors.Join(err, s.Close()); err != nil {
				t.Error(err)
			}
		}
		t.Logf("commands: %v", seen)
		if seen["commitTransaction"] == 0 || seen["createIndexes"] == 0 {
			t.Error("the test has not seen the writes")
		}
	}
}

// A user who may log in but not write is told which role is missing.
func TestRightsThatAreMissing(t *testing.T) {
	fail := failPoint(t)
	for _, command := range []string{"listCollections", "create", "update", "createIndexes", "aggregate"} {
		if err := fail(bson.D{{Key: "times", Value: 1}}, failing(bson.D{{Key: "errorCode", Value: 13}}, command)); err != nil {
			t.Fatal(err)
		}
		s, err := mongo.Open(t.Context(), server(t), mongo.Options{Database: newDatabase(t)}, tallies, marks)
		if !errors.Is(err, mongo.ErrRights) || !strings.Contains(err.Error(), "readWrite on the database") {
			t.Errorf("%s is refused: %v", command, err)
		}
		if err == nil {
			err = s.Close()
			t.Errorf("it was opened: %v", err)
		}
	}
	if err := fail("off", bson.D{}); err != nil {
		t.Error(err)
	}
}

// While one node fills a new index others go on writing; nothing of that is
// missing afterwards.
func TestIndexIsFilledWhileOthersWrite(t *testing.T) {
	name := newDatabase(t)
	indexed := &store.Coll{Name: "mark", Indexes: []store.Index{{Name: "who"}}, Rekey: func(id string, _ []byte) (store.Keys, error) {
		return store.Keys{"who": {id}}, nil
	}}
	old := open(t, mongo.Options{Database: name}, &store.Coll{Name: "mark"})
	put := func(s *mongo.Store, c *store.Coll, id string, keys store.Keys) error {
		return s.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.Put(c, store.Doc{ID: id, Body: []byte(`{}`), Keys: keys})
			return err
		})
	}
	err := old.Update(t.Context(), func(tx store.Tx) error {
		for i := range 1200 {
			if _, err := tx.Put(&store.Coll{Name: "mark"}, store.Doc{ID: fmt.Sprintf("%05d", i), Body: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	first := open(t, mongo.Options{Database: name}, indexed)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 20 {
			id := fmt.Sprintf("new %02d", i)
			if err := put(first, indexed, id, store.Keys{"who": {id}}); err != nil {
				t.Errorf("write while another node opens: %v", err)
			}
		}
	})
	second := open(t, mongo.Options{Database: name}, indexed)
	wg.Wait()
	err = second.View(t.Context(), func(tx store.Tx) error {
		n := 0
		for _, err := range tx.Scan(indexed, store.Range{Index: "who"}) {
			if err != nil {
				return err
			}
			n++
		}
		if n != 1220 {
			t.Errorf("%d documents by the new index, want 1220", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// When the change stream breaks, watchers look for themselves; then it goes on,
// also when its history is lost.
func TestChangeStreamBreaks(t *testing.T) {
	fail := failPoint(t)
	name := newDatabase(t)
	a := open(t, mongo.Options{Database: name}, tallies, marks)
	b := open(t, mongo.Options{Database: name, Poll: 50 * time.Millisecond}, tallies, marks)
	hints, err := b.Watch(t.Context(), tallies)
	if err != nil {
		t.Fatal(err)
	}
	await := func(what string, ok func(store.Hint) bool) {
		t.Helper()
		late := time.After(20 * time.Second)
		for {
			select {
			case h := <-hints:
				if ok(h) {
					return
				}
			case <-late:
				t.Fatalf("no %s", what)
			}
		}
	}
	missed := func(h store.Hint) bool { return h.Missed }
	n := 0
	for what, code := range map[string]int{"history lost": 286, "cursor gone": 43, "shutting down": 91} {
		t.Run(what, func(t *testing.T) {
			before := b.Stats().Missed
			if err := fail(bson.D{{Key: "times", Value: 4}}, failing(bson.D{{Key: "errorCode", Value: code}}, "getMore", "aggregate")); err != nil {
				t.Fatal(err)
			}
			if code != 43 { // that one the driver mends by itself
				await("word that hints were missed", missed)
			}
			if err := fail("off", bson.D{}); err != nil {
				t.Fatal(err)
			}
			n++
			if err := count(t.Context(), a, fmt.Sprint(what, n)); err != nil {
				t.Fatal(err)
			}
			await("hint after the break", func(h store.Hint) bool { return len(h.IDs) > 0 || h.Missed })
			t.Logf("missed %d times", b.Stats().Missed-before)
		})
	}
}

// Somebody drops the collection that the stream follows: it is followed anew.
func TestTheNodesAreDropped(t *testing.T) {
	const poll = 100 * time.Millisecond
	name := newDatabase(t)
	a := open(t, mongo.Options{Database: name}, tallies, marks)
	b := open(t, mongo.Options{Database: name, Poll: poll}, tallies, marks)
	hints, err := b.Watch(t.Context(), tallies)
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	// told reports whether a write is told of by its id.
	told := func(wait time.Duration) bool {
		t.Helper()
		written++
		if err := count(t.Context(), a, fmt.Sprint("write", written)); err != nil {
			t.Fatal(err)
		}
		select {
		case h := <-hints:
			return len(h.IDs) > 0 && !h.Missed
		case <-time.After(wait):
			return false
		}
	}
	if !told(20 * time.Second) {
		t.Fatal("the stream does not tell")
	}
	if err := rawClient(t, server(t)).Database(name).Collection("casewire.nodes").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h := <-hints; !h.Missed {
		t.Fatalf("heard %v, want word that hints were missed", h)
	}
	for late := time.Now().Add(20 * time.Second); !told(poll); {
		if time.Now().After(late) {
			t.Fatal("it is not followed anew")
		}
	}
}

// A stream that breaks each time it is open is opened once in a while, not in a rush.
func TestAStreamThatBreaksAtOnce(t *testing.T) {
	fail := failPoint(t)
	const poll, times = 50 * time.Millisecond, 5
	s := open(t, mongo.Options{Database: newDatabase(t), Poll: poll}, tallies, marks)
	hints, err := s.Watch(t.Context(), tallies)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := fail("alwaysOn", failing(bson.D{{Key: "errorCode", Value: 286}}, "getMore")); err != nil {
		t.Fatal(err)
	}
	for s.Stats().Missed < times {
		<-hints
	}
	if took, least := time.Since(began), (times-2)*poll; took < least {
		t.Errorf("opened %d times in %v, want %v at least", times, took, least)
	}
}

// The address of a server that asks for a login, for the tests of rights.
const authVariable = "CASEWIRE_MONGODB_AUTH_URI"

func TestLoginsAreRefusedInWords(t *testing.T) {
	uri := os.Getenv(authVariable)
	if uri == "" {
		t.Skipf("%s is not set: no server that asks for a login", authVariable)
	}
	c := options.Client().ApplyURI(uri)
	wrong := strings.Replace(uri, c.Auth.Password+"@", "wr0ng@", 1)
	nobody := strings.Replace(uri, c.Auth.Username+":"+c.Auth.Password+"@", "", 1)
	for what, uri := range map[string]string{"wrong password": wrong, "no login": nobody} {
		_, err := mongo.Open(t.Context(), uri, mongo.Options{Database: "test_rights"}, tallies)
		if !errors.Is(err, mongo.ErrRights) || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
