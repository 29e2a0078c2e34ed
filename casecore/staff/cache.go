package staff

import (
	"context"
	"errors"
	"sync"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// CheckEvery is how long an answer about a session is believed, and how often an
// open socket's is asked again: a revocation on another node takes hold within
// two of them.
const CheckEvery = 400 * time.Millisecond

// cache remembers for a moment who is behind a secret's hash, so that a page of
// forty requests asks the store once.
type cache struct {
	now func() time.Time

	mu      sync.Mutex
	epoch   int64 // grows with each clear; an answer read before one is not kept
	entries map[string]entry
}

type entry struct {
	actor   casecore.Actor
	session Session
	at      time.Time
}

const maxCached = 4096

func newCache(now func() time.Time) *cache { return &cache{now: now, entries: map[string]entry{}} }

func (c *cache) get(id string) (e entry, epoch int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok = c.entries[id]
	if age := c.now().Sub(e.at); !ok || age < 0 || age >= CheckEvery {
		return entry{}, c.epoch, false
	}
	return e, c.epoch, true
}

func (c *cache) put(id string, e entry, epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch {
		return
	}
	if len(c.entries) >= maxCached {
		clear(c.entries)
	}
	c.entries[id] = e
}

func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, id)
	c.epoch++
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.epoch++
}

// who returns the actor and session behind id, remembered or read.
func (d *Directory) who(ctx context.Context, id string, read func(store.Tx, string) (casecore.Actor, *Session, error)) (casecore.Actor, *Session, error) {
	e, epoch, ok := d.seen.get(id)
	if !ok {
		e.at = d.o.Now()
		err := d.store.View(ctx, func(tx store.Tx) error {
			a, s, err := read(tx, id)
			if err != nil {
				return err
			}
			e.actor, e.session = a, *s
			return nil
		})
		if errors.Is(err, store.ErrNotFound) {
			return casecore.Actor{}, nil, ErrNotSignedIn
		}
		if err != nil {
			return casecore.Actor{}, nil, err
		}
		d.seen.put(id, e, epoch)
	}
	s := e.session
	return e.actor, &s, nil
}
