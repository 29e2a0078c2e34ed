package mongo

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"casewire/casecore/store"
)

// How long the server may keep a question for news, and how long without an
// answer the connection counts as dead.
const (
	streamAwait = time.Second
	streamDead  = 10 * time.Second
)

// stream follows the commits of the other processes and wakes the watchers. Each
// commit writes what it changed into the document of its process, so that the server
// has one small thing to tell of it, whatever its size. While the stream is broken the
// watchers are told to look for themselves, every Options.Poll.
type stream struct {
	s       *Store
	cs      *mongo.ChangeStream
	token   bson.Raw      // where it goes on
	stopped chan struct{} // closed when run has ended; nil: it was never begun
}

// open opens the stream where it broke off, or now.
func (st *stream) open(ctx context.Context) error {
	pipeline := mongo.Pipeline{
		{{Key: "$match", Value: bson.D{
			{Key: "operationType", Value: bson.D{{Key: "$in", Value: bson.A{"insert", "replace", "update"}}}},
			{Key: "documentKey._id", Value: bson.D{{Key: "$ne", Value: st.s.node}}},
		}}},
		{{Key: "$project", Value: bson.D{{Key: "documentKey", Value: 1}, {Key: "fullDocument", Value: 1}, {Key: "updateDescription", Value: 1}}}},
	}
	o := options.ChangeStream().SetMaxAwaitTime(streamAwait)
	if st.token != nil {
		o.SetResumeAfter(st.token)
	}
	cs, err := st.s.nodes.Watch(ctx, pipeline, o)
	if err != nil {
		return fmt.Errorf("open a change stream: %w", err)
	}
	st.cs = cs
	if st.token == nil {
		st.token = cs.ResumeToken()
	}
	return nil
}

// start has the stream followed until ctx is done.
func (st *stream) start(ctx context.Context) {
	st.stopped = make(chan struct{})
	go st.run(ctx)
}

func (st *stream) run(ctx context.Context) {
	defer close(st.stopped)
	for {
		began := time.Now()
		err := st.follow(ctx)
		st.close(ctx)
		if ctx.Err() != nil {
			return
		}
		st.s.log.Warn("the change stream broke; watchers look for themselves until it is back", "err", err)
		if !st.reopen(ctx, st.s.opts.Poll-time.Since(began)) {
			return
		}
		st.s.log.Info("the change stream is back")
	}
}

// wait waits until nobody follows the stream any more. Its context must be done.
func (st *stream) wait() {
	if st.stopped != nil {
		<-st.stopped
	}
}

func (st *stream) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	_ = st.cs.Close(ctx) // the server forgets it by itself
}

// reopen tries until the stream is open again, first after wait: one that breaks as soon
// as it is open is no more work than one that cannot be opened. What it did not bring
// meanwhile shows to those who look.
func (st *stream) reopen(ctx context.Context, wait time.Duration) bool {
	poll := time.NewTimer(max(0, wait))
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-poll.C:
		}
		st.s.stats.missed.Add(1)
		st.s.hub.Missed()
		err := st.openSoon(ctx)
		if err == nil {
			st.s.hub.Missed()
			return true
		}
		if st.token != nil && isLost(err) {
			st.s.log.Warn("the history of changes is lost; the change stream begins anew", "err", err)
			st.token = nil
			poll.Reset(0)
			continue
		}
		poll.Reset(st.s.opts.Poll)
	}
}

func (st *stream) openSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, streamDead)
	defer cancel()
	return st.open(ctx)
}

// isLost reports whether a stream cannot go on from its token.
func isLost(err error) bool {
	const invalidResumeToken, streamFatal, historyLost, optimeGone = 260, 280, 286, 136
	return hasLabel(err, "NonResumableChangeStreamError") || hasCode(err, invalidResumeToken, streamFatal, historyLost, optimeGone)
}

// follow wakes watchers until the stream breaks.
func (st *stream) follow(ctx context.Context) error {
	for {
		batch := make(map[*table][]string)
		if err := st.next(ctx, batch); err != nil {
			return err
		}
		for st.cs.RemainingBatchLength() > 0 {
			if err := st.next(ctx, batch); err != nil {
				return err
			}
		}
		for t, ids := range batch {
			t.recent.add(ids)
			st.s.hub.Tell(t.coll.Name, store.Hint{IDs: ids})
		}
	}
}

// next waits for one change, a while.
func (st *stream) next(ctx context.Context, batch map[*table][]string) error {
	ctx, cancel := context.WithTimeout(ctx, streamDead)
	defer cancel()
	if !st.cs.TryNext(ctx) {
		if err := st.cs.Err(); err != nil {
			return err
		}
		if st.cs.ID() == 0 {
			st.token = nil // what it followed was dropped: there is nothing to go on from
			return fmt.Errorf("the server ended it: %w", mongo.ErrClientDisconnected)
		}
		st.token = st.cs.ResumeToken()
		return nil
	}
	st.token = st.cs.ResumeToken()
	var event struct {
		Key struct {
			ID string `bson:"_id"`
		} `bson:"documentKey"`
		Whole  marked `bson:"fullDocument"`
		Change struct {
			Fields marked `bson:"updatedFields"`
		} `bson:"updateDescription"`
	}
	if err := st.cs.Decode(&event); err != nil {
		return err
	}
	news := event.Change.Fields
	if news.Round == 0 {
		news = event.Whole
	}
	if news.Round != 0 {
		st.told(event.Key.ID, news.Changed, batch)
	}
	return nil
}

// marked is what a commit writes into the document of its process.
type marked struct {
	Round   int64    `bson:"round"`
	Changed bson.Raw `bson:"changed"`
}

// told takes over what a commit of another process changed. A process of an older
// version does not say.
func (st *stream) told(node string, changed bson.Raw, batch map[*table][]string) {
	if changed == nil {
		st.s.hub.Missed()
		st.s.refill.tell(node, nil)
		return
	}
	own := make(map[*table][]string)
	err := elements(changed, func(e element) error {
		t := st.s.tables[e.name]
		if t == nil {
			return nil
		}
		err := elements(e.data, func(e element) error {
			own[t] = append(own[t], stringOf(e))
			return nil
		})
		if len(own[t]) == 0 {
			st.s.hub.Tell(t.coll.Name, store.Hint{Missed: true})
		}
		return err
	})
	if err != nil {
		st.s.hub.Missed()
	}
	for t, ids := range own {
		batch[t] = append(batch[t], ids...)
	}
	st.s.refill.tell(node, own)
}
