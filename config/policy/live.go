package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/config/internal/strict"
)

// LiveOptions are what a Live needs besides the store.
type LiveOptions struct {
	Log     *slog.Logger     // nil: silent
	Now     func() time.Time // nil: time.Now
	Changed func(p *Policy)  // called after p came into force; must not block or call the Live
	First   []byte           // the policy of a fresh store; nil: Default
}

// Live holds the policy in force and replaces it whole when a new revision is
// published, here or by another node. It is safe for concurrent use.
type Live struct {
	store   store.Store
	log     *slog.Logger
	now     func() time.Time
	changed func(*Policy)
	first   []byte
	current atomic.Pointer[Policy]
	mu      sync.Mutex
	status  Status
}

// Status is what is known of the policy.
type Status struct {
	Revision int64     `json:"revision"` // in force here
	Since    time.Time `json:"since"`
	Newest   int64     `json:"newest"`               // in the store; another one when it could not be used
	LastErr  string    `json:"last_error,omitempty"` // why not
}

// Draft is a text to publish. Expect is the number of the revision it was made
// from, 0 for the first.
type Draft struct {
	Author, Note, Text string
	Expect             int64
}

// lookEvery is how often Run looks for a new revision without being woken.
const lookEvery = time.Minute

// retry is how long Run waits after the store failed.
const retry = 5 * time.Second

// Open reads the policy in force. A fresh store gets First as its revision 1. When the newest revision cannot be used by this program, the newest
// one that can is taken instead, and Status says so.
func Open(ctx context.Context, st store.Store, o LiveOptions) (*Live, error) {
	l := &Live{store: st, log: o.Log, now: o.Now, changed: o.Changed, first: o.First}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.now == nil {
		l.now = time.Now
	}
	note := "as given"
	if l.first == nil {
		l.first, note = defaultYAML, "default policy"
	}
	err := l.refresh(ctx)
	if errors.Is(err, store.ErrNotFound) {
		if err = l.begin(ctx, note); err == nil {
			err = l.refresh(ctx)
		}
	}
	if err != nil && l.Current() == nil {
		err = errors.Join(err, l.fallBack(ctx))
	}
	if l.Current() == nil {
		return nil, fmt.Errorf("open policy: %w", err)
	}
	return l, nil
}

// Current returns the policy in force. Whoever works with it keeps to the one it
// began with.
func (l *Live) Current() *Policy { return l.current.Load() }

// Status returns what is known of the policy.
func (l *Live) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Run follows new revisions until ctx is done, and then returns nil. A revision
// that cannot be used changes nothing; Status and the log tell.
func (l *Live) Run(ctx context.Context) error {
	hints, err := l.store.Watch(ctx, Revisions.Coll())
	if err != nil {
		return fmt.Errorf("follow policy: %w", err)
	}
	for ctx.Err() == nil {
		var again <-chan time.Time
		if err := l.refresh(ctx); err != nil && ctx.Err() == nil {
			again = time.After(retry)
			if _, bad := errors.AsType[strict.Errors](err); bad {
				again = nil // reading it once more makes it no better
			}
			l.log.Error("policy kept as it was", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-again:
		case <-time.After(lookEvery): // hints may be lost
		case _, open := <-hints:
			if !open {
				return nil
			}
		}
	}
	return nil
}

// Publish checks a draft, makes it the next revision and puts it in force. The
// error is config.Errors for faults of the text, among them a queue that would
// vanish with open cases in it, or *Stale when somebody else published meanwhile.
func (l *Live) Publish(ctx context.Context, d Draft) (*Revision, error) {
	doc := parse("policy.yaml", []byte(d.Text))
	p, err := Compile(doc, d.Expect+1)
	if err != nil {
		return nil, err
	}
	gone := vanishing(l.Current(), p)
	if len(gone) > 0 {
		err := l.store.View(ctx, func(tx store.Tx) error { return refuseOpen(tx, doc, gone, openCases) })
		if err != nil {
			return nil, err
		}
	}
	rev := &Revision{Author: d.Author, Note: d.Note, Text: d.Text, At: l.now()}
	err = l.store.Update(ctx, func(tx store.Tx) error {
		fresh := *rev
		if err := refuseOpen(tx, doc, gone, waitingCases); err != nil {
			return err
		}
		if err := add(tx, &fresh, d.Expect); err != nil {
			return err
		}
		*rev = fresh
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("publish policy: %w", err)
	}
	l.put(p, rev.Number, nil)
	return rev, nil
}

// begin publishes the policy of a fresh store; another node may be quicker.
func (l *Live) begin(ctx context.Context, note string) error {
	err := l.store.Update(ctx, func(tx store.Tx) error {
		return add(tx, &Revision{Author: "casewire", Note: note, Text: string(l.first), At: l.now()}, 0)
	})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// refresh puts the newest revision in force, unless it is already.
func (l *Live) refresh(ctx context.Context) error {
	var rev *Revision
	err := l.store.View(ctx, func(tx store.Tx) (err error) {
		rev, err = Newest(tx)
		return err
	})
	if err != nil {
		return err
	}
	if p := l.Current(); p != nil && p.Revision == rev.Number {
		return nil
	}
	p, err := Load(fmt.Sprintf("revision %d", rev.Number), []byte(rev.Text), rev.Number)
	l.put(p, rev.Number, err)
	return err
}

// put swaps the policy in unless a newer one is in force already.
func (l *Live) put(p *Policy, newest int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Newest = max(l.status.Newest, newest)
	if err != nil {
		l.status.LastErr = err.Error()
		return
	}
	if now := l.Current(); now == nil || now.Revision < p.Revision {
		l.current.Store(p)
		l.status.Revision, l.status.Since = p.Revision, l.now()
		if l.changed != nil {
			l.changed(p)
		}
	}
	if l.status.Revision == l.status.Newest {
		l.status.LastErr = ""
	}
}

// fallBack takes the newest revision that this program can use.
func (l *Live) fallBack(ctx context.Context) error {
	const page = 50
	for before := int64(0); ; {
		var revs []*Revision
		err := l.store.View(ctx, func(tx store.Tx) (err error) {
			revs, err = History(tx, before, page)
			return err
		})
		if err != nil || len(revs) == 0 {
			return err
		}
		for _, rev := range revs {
			if p, err := Load(fmt.Sprintf("revision %d", rev.Number), []byte(rev.Text), rev.Number); err == nil {
				l.put(p, rev.Number, nil)
				return nil
			}
			before = rev.Number
		}
	}
}

// vanishing returns the queues that next no longer has.
func vanishing(now, next *Policy) []string {
	var out []string
	for _, q := range now.Router.Queues() {
		if _, kept := next.Router.Queue(q.ID); !kept {
			out = append(out, q.ID)
		}
	}
	return out
}

// refuseOpen answers with faults for queues that count says are not empty.
func refuseOpen(tx store.Tx, doc *Document, queues []string, count func(store.Tx, []string) (map[string]int, error)) error {
	if len(queues) == 0 {
		return nil
	}
	open, err := count(tx, queues)
	if err != nil {
		return err
	}
	var errs strict.Errors
	for _, q := range queues {
		if n := open[q]; n > 0 {
			errs = append(errs, doc.source.Locate("queues", fmt.Sprintf("queue %q would vanish with open cases in it: %d", q, n), "keep it, or transfer its cases first"))
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// waitingCases counts the unclaimed cases of each queue: a short walk, fit for a
// transaction that writes.
func waitingCases(tx store.Tx, queues []string) (map[string]int, error) {
	out := map[string]int{}
	for _, q := range queues {
		for _, err := range casecore.Cases.Scan(tx, store.Range{Index: "board", Prefix: store.Under(q)}) {
			if err != nil {
				return nil, err
			}
			out[q]++
		}
	}
	return out, nil
}

// openCases counts all cases of each queue that are in hand or waiting, claimed
// ones too: a walk over all open cases.
func openCases(tx store.Tx, queues []string) (map[string]int, error) {
	out := map[string]int{}
	for _, c := range flow.Categories {
		if !c.Active() {
			continue
		}
		for found, err := range casecore.Cases.Scan(tx, store.Range{Index: "stage", Prefix: store.Under(string(c))}) {
			if err != nil {
				return nil, err
			}
			if slices.Contains(queues, found.Queue) {
				out[found.Queue]++
			}
		}
	}
	return out, nil
}
