package config

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"casewire/channels"
)

// Live holds the snapshot that the process runs on and replaces it whole. It is
// safe for concurrent use.
type Live struct {
	kinds   channels.Kinds
	over    []Override
	now     func() time.Time
	current atomic.Pointer[Snapshot]
	status  atomic.Pointer[Status]
	mu      sync.Mutex // one reload at a time
}

// Status is what is known of the last reload.
type Status struct {
	File     string    `json:"file,omitempty"`
	Hash     string    `json:"hash"`                 // of the file in force
	LoadedAt time.Time `json:"loaded_at"`            // since when it is in force
	TriedAt  time.Time `json:"tried_at"`             // of the last attempt
	LastErr  string    `json:"last_error,omitempty"` // of the last attempt, empty when it succeeded
}

// NewLive holds a snapshot. Its file is read again on Reload, with the same kinds
// and overrides that it was loaded with.
func NewLive(first *Snapshot, kinds channels.Kinds, now func() time.Time, over ...Override) *Live {
	l := &Live{kinds: kinds, over: over, now: now}
	l.current.Store(first)
	l.status.Store(&Status{File: first.File, Hash: first.Hash, LoadedAt: now(), TriedAt: now()})
	return l
}

// Snapshot returns what is in force.
func (l *Live) Snapshot() *Snapshot { return l.current.Load() }

// Status returns what is known of the last reload.
func (l *Live) Status() Status { return *l.status.Load() }

// Apply prepares the process for a new snapshot. When it answers an error the old
// one stays in force.
type Apply func(ctx context.Context, now, next *Snapshot) error

// Reload reads the file again and, when nothing is wrong with it and apply agrees,
// puts it in force. On any fault nothing changes, and Status tells. Without a file
// there is nothing to read, which is no fault.
func (l *Live) Reload(ctx context.Context, apply Apply) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.current.Load()
	next, err := l.next(ctx, now, apply)
	st := *l.status.Load()
	st.TriedAt, st.LastErr = l.now(), ""
	if err != nil {
		st.LastErr = err.Error()
		l.status.Store(&st)
		return err
	}
	st.LoadedAt, st.Hash = st.TriedAt, next.Hash
	l.current.Store(next)
	l.status.Store(&st)
	return nil
}

func (l *Live) next(ctx context.Context, now *Snapshot, apply Apply) (*Snapshot, error) {
	if now.File == "" {
		return now, nil
	}
	next, err := Load(now.File, l.kinds, l.over...)
	if err != nil {
		return nil, err
	}
	if err := next.restart(now.Static); err != nil {
		return nil, err
	}
	if apply != nil {
		if err := apply(ctx, now, next); err != nil {
			return nil, fmt.Errorf("apply %s: %w", now.File, err)
		}
	}
	return next, nil
}

// restart notes what cannot change while the process runs.
func (s *Snapshot) restart(running Static) error {
	was, is := reflect.ValueOf(running), reflect.ValueOf(s.Static)
	for i := range was.NumField() {
		if !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			s.source.Fault(was.Type().Field(i).Tag.Get("yaml"), "needs a restart to change", "restart casewire, or put the old value back")
		}
	}
	return s.source.Err()
}

// Change is what a new snapshot means for the doors: which to close and which to
// open. A door whose configuration changed is in both; the others keep running.
type Change struct{ Close, Open []Channel }

// Compare returns what leads from one snapshot's doors to another's.
func Compare(now, next *Snapshot) Change {
	var c Change
	same := func(a Channel) func(Channel) bool {
		return func(b Channel) bool { return a.ID == b.ID && reflect.DeepEqual(a.Config, b.Config) }
	}
	for _, ch := range now.Channels {
		if !slices.ContainsFunc(next.Channels, same(ch)) {
			c.Close = append(c.Close, ch)
		}
	}
	for _, ch := range next.Channels {
		if !slices.ContainsFunc(now.Channels, same(ch)) {
			c.Open = append(c.Open, ch)
		}
	}
	return c
}
