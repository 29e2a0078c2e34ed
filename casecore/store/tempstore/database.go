package tempstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
	"casewire/casecore/store/mongo/mongotest"
)

// clearing is how long emptying or dropping a database may take.
const clearing = time.Minute

// database is one on the server, for one test at a time.
type database struct {
	uri, schema string
	db          *driver.Database
}

// store opens the place's database, which it takes at the first time.
func (at *Place) store(ctx context.Context, colls []*store.Coll) (store.Store, error) {
	if at.data == nil {
		d, err := at.pool.take(at.uri, schemaOf(colls))
		if err != nil {
			return nil, err
		}
		at.data = d
	}
	return mongo.Open(ctx, at.data.uri, mongo.Options{Database: at.data.db.Name()}, colls...)
}

// leave gives the database of a test back.
func (at *Place) leave(tb testing.TB) {
	if at.data == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), clearing)
	defer cancel()
	if err := at.pool.giveBack(ctx, at.data, tb.Failed()); err != nil {
		tb.Errorf("put the test's database away: %v", err)
	}
}

// take returns an empty database of the schema, or a new one.
func (p *Pool) take(uri, schema string) (*database, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if list := p.free[schema]; len(list) > 0 {
		p.free[schema] = list[:len(list)-1]
		return list[len(list)-1], nil
	}
	c, err := driver.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		return nil, err
	}
	return &database{uri, schema, c.Database(mongotest.NewName())}, nil
}

// giveBack keeps the database for the next test, emptied. That of a failed test, in
// which somebody may still be writing, is dropped.
func (p *Pool) giveBack(ctx context.Context, d *database, failed bool) error {
	p.mu.Lock()
	keeps := p.keeps
	p.mu.Unlock()
	if failed || !keeps {
		return d.drop(ctx)
	}
	if err := d.empty(ctx); err != nil {
		return errors.Join(err, d.drop(ctx))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free == nil {
		p.free = make(map[string][]*database)
	}
	p.free[d.schema] = append(p.free[d.schema], d)
	return nil
}

// empty removes the documents and leaves the collections with their indexes.
func (d *database) empty(ctx context.Context) error {
	names, err := d.db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "casewire.") {
			continue // which indexes are complete, and who is there
		}
		if _, err := d.db.Collection(name).DeleteMany(ctx, bson.D{}); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) drop(ctx context.Context) error {
	return errors.Join(d.db.Drop(ctx), d.db.Client().Disconnect(ctx))
}

// drop removes what is kept for tests that do not come any more.
func (p *Pool) drop(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var faults []error
	for _, list := range p.free {
		for _, d := range list {
			faults = append(faults, d.drop(ctx))
		}
	}
	p.free = nil
	return errors.Join(faults...)
}

// schemaOf is the same for collections that are declared alike.
func schemaOf(colls []*store.Coll) string {
	var b strings.Builder
	for _, c := range colls {
		fmt.Fprintf(&b, "%s%v\n", c.Name, c.Indexes)
	}
	return b.String()
}
