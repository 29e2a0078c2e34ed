package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
)

// Collections of this package; their dots keep them apart from others.
const (
	metaName  = "casewire.meta"
	nodesName = "casewire.nodes"
)

// The format of the database. A version of the code works with databases of its
// own format, of the one before, which it raises, and of the one after when that
// says so in its field reads.
const formatVersion = 1

// staleNode is after how long the trace of a process that did not end in order is
// removed.
const staleNode = 7 * 24 * time.Hour

type format struct {
	Version int `bson:"version"`
	Reads   int `bson:"reads"` // the oldest version that may work with it
}

// prepare makes the database ready for the declared collections.
func (s *Store) prepare(ctx context.Context) error {
	names, err := s.db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return err
	}
	have := make(map[string]bool, len(names))
	for _, name := range names {
		have[name] = true
	}
	if err := s.checkFormat(ctx, have); err != nil {
		return err
	}
	for _, name := range []string{metaName, nodesName} {
		if err := s.create(ctx, name, have); err != nil {
			return err
		}
	}
	if _, err := s.nodes.DeleteMany(ctx, bson.D{{Key: "at", Value: bson.D{{Key: "$lt", Value: time.Now().Add(-staleNode)}}}}); err != nil {
		return err
	}
	if err := s.register(ctx); err != nil {
		return err
	}
	peers, err := s.peers(ctx)
	if err != nil {
		return err
	}
	for _, t := range s.tables {
		if err := s.create(ctx, t.coll.Name, have); err != nil {
			return err
		}
		if err := s.prepareTable(ctx, t, declaredByOthers(peers, t.coll.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) create(ctx context.Context, name string, have map[string]bool) error {
	if have[name] {
		return nil
	}
	err := s.db.CreateCollection(ctx, name)
	const namespaceExists = 48
	if hasCode(err, namespaceExists) { // another process was quicker
		return nil
	}
	return err
}

// checkFormat refuses a database that is not ours to write.
func (s *Store) checkFormat(ctx context.Context, have map[string]bool) error {
	meta := s.db.Collection(metaName)
	var f format
	err := meta.FindOne(ctx, byName("format")).Decode(&f)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		for name := range have {
			if !strings.HasPrefix(name, "system.") && name != metaName && name != nodesName && !strings.Contains(name, "blobs.") {
				return s.openError(ErrForeign, fmt.Errorf("it has a collection %s but no mark of Casewire", name),
					"name another database at the end of the address")
			}
		}
		_, err := meta.UpdateOne(ctx, byName("format"), bson.D{{Key: "$setOnInsert", Value: bson.D{
			{Key: "version", Value: formatVersion}, {Key: "reads", Value: formatVersion},
		}}}, options.UpdateOne().SetUpsert(true))
		return err
	case err != nil:
		return err
	case f.Version > formatVersion && f.Reads > formatVersion:
		return s.openError(ErrNewer, fmt.Errorf("its format is %d, this version knows %d", f.Version, formatVersion),
			"run the newer version of Casewire on every node, or restore a backup made by this one")
	}
	return nil
}

func byName(name string) bson.D { return bson.D{{Key: "_id", Value: name}} }

// made is what casewire.meta says of the indexes of a collection: those that hold
// every document, by the name of their kind.
type made struct {
	Complete []string `bson:"complete"`
}

// prepareTable makes the declared indexes hold every document. Those that only others
// declare stay as they are: the others complete what this process will write.
func (s *Store) prepareTable(ctx context.Context, t *table, others map[string]bool) error {
	meta, id := s.db.Collection(metaName), byName("indexes of "+t.coll.Name)
	var m made
	if err := meta.FindOne(ctx, id).Decode(&m); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return err
	}
	complete := make(map[string]bool)
	for _, name := range m.Complete {
		complete[name] = true
	}
	var missing []store.Index
	var names []string
	for _, ix := range t.coll.Indexes {
		names = append(names, kindName(ix))
		if !complete[kindName(ix)] {
			missing = append(missing, ix)
		}
	}
	foreign := slices.DeleteFunc(slices.Clone(m.Complete), func(kind string) bool { return slices.Contains(names, kind) || !others[kind] })
	if len(missing) == 0 && len(names)+len(foreign) == len(m.Complete) {
		return nil
	}
	// What nobody declares is not kept up from now on.
	kept := slices.Clone(foreign)
	for _, name := range names {
		if complete[name] {
			kept = append(kept, name)
		}
	}
	if err := setMade(ctx, meta, id, kept); err != nil {
		return err
	}
	if err := t.fill(ctx, missing); err != nil {
		return fmt.Errorf("fill indexes of %s: %w", t.coll.Name, err)
	}
	for _, ix := range missing {
		if err := t.build(ctx, ix); err != nil {
			return err
		}
	}
	if err := t.dropOthers(ctx, others); err != nil {
		return err
	}
	return setMade(ctx, meta, id, append(names, foreign...))
}

func setMade(ctx context.Context, meta *mongo.Collection, id bson.D, names []string) error {
	if names == nil {
		names = []string{}
	}
	_, err := meta.UpdateOne(ctx, id, bson.D{{Key: "$set", Value: made{names}}}, options.UpdateOne().SetUpsert(true))
	return err
}

func (t *table) build(ctx context.Context, ix store.Index) error {
	_, err := t.c.Indexes().CreateOne(ctx, model(ix))
	if hasCode(err, codeIndexConflict, codeIndexKeyConflict) {
		if e := t.c.Indexes().DropOne(ctx, indexName(ix)); e != nil {
			return e
		}
		_, err = t.c.Indexes().CreateOne(ctx, model(ix))
	}
	if isDuplicate(err) {
		return fmt.Errorf("index %s of %s cannot be unique, two documents have the same key: %w", ix.Name, t.coll.Name, store.ErrExists)
	}
	return err
}

// dropOthers removes the indexes of this package that nobody declares: neither this
// process nor, by their kinds, the others.
func (t *table) dropOthers(ctx context.Context, others map[string]bool) error {
	specs, err := t.c.Indexes().ListSpecifications(ctx)
	if err != nil {
		return err
	}
	keep := make(map[string]bool)
	for _, ix := range t.coll.Indexes {
		keep[indexName(ix)] = true
	}
	for _, spec := range specs {
		if keep[spec.Name] || !strings.HasPrefix(spec.Name, "k_") || others[spec.Name] || others[spec.Name+"_m"] {
			continue
		}
		if err := t.c.Indexes().DropOne(ctx, spec.Name); err != nil && !hasCode(err, codeIndexNotFound, codeNamespaceNotFound) {
			return err
		}
	}
	return nil
}

// fillBatch is how many documents get their new keys at a time.
const fillBatch = 500

// fill makes the keys of the missing indexes from the stored bodies, while others
// write. It may be cut off at any point and starts again at the next open.
func (t *table) fill(ctx context.Context, missing []store.Index) error {
	if len(missing) == 0 {
		return nil
	}
	for after, more := "", true; more; {
		var err error
		if after, more, err = t.fillSome(ctx, missing, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}}, fillBatch); err != nil {
			return err
		}
	}
	return nil
}

// fillSome does those that the filter on the id finds, so many at most, and returns
// the id that it ended with.
func (t *table) fillSome(ctx context.Context, missing []store.Index, filter bson.D, limit int64) (last string, more bool, err error) {
	cur, err := t.c.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(limit).SetHint("_id_"))
	if err != nil {
		return "", false, err
	}
	defer cur.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what it read is read
	var writes []mongo.WriteModel
	n := 0
	for ; cur.Next(ctx); n++ {
		d, err := parse(cur.Current)
		if err != nil {
			return "", false, err
		}
		last = d.id
		w, err := t.rekey(d, missing)
		if err != nil {
			return "", false, fmt.Errorf("%s: %w", d.id, err)
		}
		if w != nil {
			writes = append(writes, w)
		}
	}
	if err := cur.Err(); err != nil {
		return "", false, err
	}
	if len(writes) > 0 {
		if _, err := t.c.BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false)); err != nil {
			if isDuplicate(err) {
				err = fmt.Errorf("two documents have the same unique key: %w", store.ErrExists)
			}
			return "", false, err
		}
	}
	return last, limit > 0 && int64(n) == limit, nil
}

// rekey is the write that gives a document its keys in the missing indexes. It
// does nothing to a document that has changed meanwhile: whoever changed it has
// written its keys.
func (t *table) rekey(d *stored, missing []store.Index) (mongo.WriteModel, error) {
	keys, err := t.coll.Rekey(d.id, d.body)
	if err != nil {
		return nil, err
	}
	if err := t.coll.CheckKeys(keys); err != nil {
		return nil, err
	}
	now := keysOf(t.coll, keys)
	var set, unset bson.D
	for _, ix := range missing {
		had := d.keys[ix.Name]
		switch list := now[ix.Name]; {
		case slices.Equal(list.keys, had.keys) && (list.multi == had.multi || len(had.keys) == 0):
		case len(list.keys) == 0:
			unset = append(unset, bson.E{Key: field(ix), Value: ""})
		case ix.Multi:
			set = append(set, bson.E{Key: field(ix), Value: list.keys})
		default:
			set = append(set, bson.E{Key: field(ix), Value: list.keys[0]})
		}
	}
	var update bson.D
	if len(set) > 0 {
		update = append(update, bson.E{Key: "$set", Value: set})
	}
	if len(unset) > 0 {
		update = append(update, bson.E{Key: "$unset", Value: unset})
	}
	if len(update) == 0 {
		return nil, nil
	}
	return mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: d.id}, {Key: "v", Value: int64(d.version)}}).SetUpdate(update), nil
}
