package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// The collections of an intake, as one message touches them.
var (
	benchMessages  = &store.Coll{Name: "messages", Indexes: []store.Index{{Name: "origin", Unique: true}, {Name: "case"}}, Rekey: noKeys}
	benchCustomers = &store.Coll{Name: "customers", Indexes: []store.Index{{Name: "address", Multi: true, Unique: true}}, Rekey: noKeys}
	benchCases     = &store.Coll{Name: "cases", Indexes: []store.Index{{Name: "board"}, {Name: "customer"}, {Name: "number", Unique: true}}, Rekey: noKeys}
	benchEvents    = &store.Coll{Name: "events", Indexes: []store.Index{{Name: "case"}, {Name: "pending", Multi: true}}, Rekey: noKeys}
	benchCounters  = &store.Coll{Name: "counters"}
)

func noKeys(string, []byte) (store.Keys, error) { return nil, nil }

func body(size int) []byte {
	return []byte(`{"at":"2026-11-22T10:53:25.123456789Z","n":12,"text":"` + strings.Repeat("a word ", size/7) + `"}`)
}

// intake writes what one inbound message of a new customer writes: five
// documents with eleven keys and the counter that everybody shares, after two
// lookups.
func intake(tx store.Tx, n int64, text, small []byte) error {
	number := store.NumberKey(n)
	for d, err := range tx.Scan(benchCustomers, store.Range{Index: "address", Prefix: "sms " + number, Limit: 1}) {
		return errors.Join(fmt.Errorf("the customer is there: %s", d.ID), err)
	}
	last, err := tx.Get(benchCounters, "case")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if _, err := tx.Put(benchCounters, store.Doc{ID: "case", Version: last.Version, Body: fmt.Appendf(nil, `{"last":%d}`, last.Version+1)}); err != nil {
		return err
	}
	caseNumber := store.NumberKey(int64(last.Version + 1))
	id := store.NewID()
	for _, put := range []struct {
		coll *store.Coll
		doc  store.Doc
	}{
		{benchMessages, store.Doc{Body: text, Keys: store.Keys{"origin": {store.Join("sms", number)}, "case": {store.Join(id, number)}}}},
		{benchCustomers, store.Doc{Body: small, Keys: store.Keys{"address": {"sms " + number}}}},
		{benchCases, store.Doc{ID: id, Body: text, Keys: store.Keys{"board": {store.Join(fmt.Sprint("q", n%5), number)}, "customer": {number}, "number": {caseNumber}}}},
		{benchEvents, store.Doc{Body: small, Keys: store.Keys{"case": {store.Join(id, "1")}, "pending": {"notify", "rules"}}}},
		{benchEvents, store.Doc{Body: small, Keys: store.Keys{"case": {store.Join(id, "2")}, "pending": {"notify"}}}},
	} {
		if put.doc.ID == "" {
			put.doc.ID = store.NewID()
		}
		if _, err := tx.Put(put.coll, put.doc); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkIntake(b *testing.B) {
	for _, producers := range []int{1, 16, 64, 128} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			s := open(b, mongo.Options{Database: newDatabase(b)}, benchMessages, benchCustomers, benchCases, benchEvents, benchCounters)
			text, small := body(600), body(150)
			took := make([]time.Duration, b.N)
			b.ResetTimer()
			produce(b, producers, func(n int64) error {
				began := time.Now()
				defer func() { took[n-1] = time.Since(began) }()
				return s.Update(b.Context(), func(tx store.Tx) error { return intake(tx, n, text, small) })
			})
			st := s.Stats()
			b.ReportMetric(float64(st.Updates)/b.Elapsed().Seconds(), "updates/s")
			b.ReportMetric(float64(st.Updates)/float64(max(st.Commits, 1)), "updates/commit")
			slices.Sort(took)
			b.ReportMetric(float64(took[b.N/2].Microseconds())/1e3, "ms-p50")
			b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1e3, "ms-p99")
			b.Logf("%+v", st)
		})
	}
}

// produce runs fn for the numbers 1 to b.N in so many goroutines.
func produce(b *testing.B, producers int, fn func(n int64) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range producers {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := fn(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

// BenchmarkBareDriver is what the engine is compared with: the same documents by
// the driver alone, as many to a transaction, after the same lookups made at
// once, with nothing between.
func BenchmarkBareDriver(b *testing.B) {
	for _, batch := range []int{1, 16, 64, 128} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			name := newDatabase(b)
			s := open(b, mongo.Options{Database: name}, benchMessages, benchCustomers, benchCases, benchEvents, benchCounters)
			_ = s
			journal := true
			c := rawClient(b, server(b))
			db := c.Database(name)
			durable := &writeconcern.WriteConcern{W: "majority", Journal: &journal}
			text, small := bsonBody(b, body(600)), bsonBody(b, body(150))
			b.ResetTimer()
			for at := 0; at < b.N; at += batch {
				size := min(batch, b.N-at)
				if err := bareLookups(b.Context(), c, db, at, size); err != nil {
					b.Fatal(err)
				}
				if err := bareBatch(b.Context(), c, db, durable, at, size, text, small); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

func bsonBody(b *testing.B, body []byte) bson.Raw {
	var d bson.D
	if err := bson.UnmarshalExtJSON(body, false, &d); err != nil {
		b.Fatal(err)
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// bareLookups makes the two lookups of each message, all at the same time.
func bareLookups(ctx context.Context, c *driver.Client, db *driver.Database, at, size int) error {
	var wg sync.WaitGroup
	errs := make([]error, size)
	for i := range size {
		wg.Go(func() {
			sess, err := c.StartSession()
			if err != nil {
				errs[i] = err
				return
			}
			defer sess.EndSession(ctx)
			_, errs[i] = sess.WithTransaction(ctx, func(ctx context.Context) (any, error) {
				n, err := db.Collection("customers").Find(ctx, bson.D{{Key: "k.address", Value: "sms " + store.NumberKey(int64(at+i))}})
				if err != nil {
					return nil, err
				}
				err = db.Collection("counters").FindOne(ctx, bson.D{{Key: "_id", Value: "case"}}).Err()
				if errors.Is(err, driver.ErrNoDocuments) {
					err = nil
				}
				return n, err
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func bareBatch(ctx context.Context, c *driver.Client, db *driver.Database, durable *writeconcern.WriteConcern, at, size int, text, small bson.Raw) error {
	var writes []driver.ClientBulkWrite
	insert := func(coll string, body bson.Raw, keys bson.D) {
		writes = append(writes, driver.ClientBulkWrite{Database: db.Name(), Collection: coll, Model: driver.NewClientInsertOneModel().SetDocument(
			bson.D{{Key: "_id", Value: store.NewID()}, {Key: "v", Value: int64(1)}, {Key: "k", Value: keys}, {Key: "b", Value: body}})})
	}
	for i := range size {
		number, id := store.NumberKey(int64(at+i)), store.NewID()
		insert("messages", text, bson.D{{Key: "origin", Value: store.Join("sms", number)}, {Key: "case", Value: store.Join(id, number)}})
		insert("customers", small, bson.D{{Key: "address", Value: bson.A{"sms " + number}}})
		insert("cases", text, bson.D{{Key: "board", Value: store.Join("q", number)}, {Key: "customer", Value: number}, {Key: "number", Value: number}})
		insert("events", small, bson.D{{Key: "case", Value: store.Join(id, "1")}, {Key: "pending", Value: bson.A{"notify", "rules"}}})
		insert("events", small, bson.D{{Key: "case", Value: store.Join(id, "2")}, {Key: "pending", Value: bson.A{"notify"}}})
	}
	writes = append(writes, driver.ClientBulkWrite{Database: db.Name(), Collection: "counters", Model: driver.NewClientUpdateOneModel().
		SetFilter(bson.D{{Key: "_id", Value: "case"}}).SetUpdate(bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: size}}}}).SetUpsert(true)})
	sess, err := c.StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return err
	}
	defer sess.EndSession(ctx)
	_, err = sess.WithTransaction(ctx, func(ctx context.Context) (any, error) { return c.BulkWrite(ctx, writes) },
		options.Transaction().SetWriteConcern(durable))
	return err
}

// BenchmarkFeed is how long a watcher of one node waits for another node's commit
// at a hundred changes a second.
func BenchmarkFeed(b *testing.B) {
	name := newDatabase(b)
	a, other := open(b, mongo.Options{Database: name}, benchCounters), open(b, mongo.Options{Database: name}, benchCounters)
	hints, err := other.Watch(b.Context(), benchCounters)
	if err != nil {
		b.Fatal(err)
	}
	took := make([]time.Duration, 0, b.N)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	b.ResetTimer()
	for range b.N {
		<-tick.C
		id := store.NewID()
		if err := a.Update(b.Context(), func(tx store.Tx) error {
			_, err := tx.Put(benchCounters, store.Doc{ID: id, Body: []byte(`{}`)})
			return err
		}); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for h := range hints {
			if slices.Contains(h.IDs, id) || h.Missed {
				break
			}
		}
		took = append(took, time.Since(began))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Microseconds())/1e3, "ms-p50")
	b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1e3, "ms-p99")
}
