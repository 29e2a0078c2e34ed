package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"casewire/channels"
)

// Cursor is how far mail of an account is stored, as it is kept under
// Memory("cursor") and handed over with every mail (E1, E2).
type Cursor struct {
	Account string              `json:"a"` // hash of the user
	Folders map[string]Position `json:"f"`
}

// Position is how far mail of a folder is stored.
type Position struct {
	Validity uint32 `json:"v"`           // UIDVALIDITY that UIDs belong to
	UID      uint32 `json:"u"`           // all mail up to it is stored
	Horizon  uint32 `json:"z,omitempty"` // mail below it may be older than the first start
	Hand     *Hand  `json:"h,omitempty"` // written before mail is touched, void once UID reaches it
}

// Hand is what was in hand. A process that finds one at its start died with it:
// it takes that mail one by one and counts, so that a mail on which it dies every
// time is known (F16).
type Hand struct {
	Upto  uint32 `json:"t"`           // last UID of the batch
	One   uint32 `json:"o,omitempty"` // the mail taken alone
	Tries int    `json:"n,omitempty"` // how often it was
}

// base is what a folder was like when it was first seen. It has a key of its own,
// written once, so that no late commit of a cursor can undo it.
type base struct {
	Validity uint32   `json:"v"`
	Next     uint32   `json:"n"`           // UIDNEXT
	Since    int64    `json:"s,omitempty"` // seconds; mail that the server got before is not ours; 0: all is
	Edge     []string `json:"e,omitempty"` // hashes of the mail of that very second which is not ours either
}

const cursorKey = "cursor"

// ledger keeps the positions of all folders. It is safe for concurrent use.
type ledger struct {
	state   channels.Memory
	account string

	mu     sync.Mutex
	at     map[string]Position
	found  map[string]Position // as they were at the start
	flight int                 // deliveries on their way to the store
	lone   bool                // the delivery on its way has had no company
	stale  bool                // what the store holds may lag behind
}

func newLedger(state channels.Memory, user string) *ledger {
	sum := sha256.Sum256([]byte(user))
	return &ledger{state: state, account: hex.EncodeToString(sum[:8]), at: map[string]Position{}, found: map[string]Position{}}
}

func (l *ledger) load(ctx context.Context) error {
	raw, err := l.state.Load(ctx, cursorKey)
	if errors.Is(err, channels.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load cursor: %w", err)
	}
	var c Cursor
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("decode cursor: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Account == l.account { // another account's positions mean nothing here
		for name, p := range c.Folders {
			l.at[name], l.found[name] = p, p
		}
	}
	return nil
}

// suspect returns what an earlier process died with, or nil.
func (l *ledger) suspect(folder string, validity uint32) *Hand {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.found[folder]; p.Validity == validity {
		return p.Hand
	}
	return nil
}

func (l *ledger) get(folder string) (Position, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.at[folder]
	return p, ok
}

// set changes a folder's position and saves it.
func (l *ledger) set(ctx context.Context, folder string, p Position) error {
	l.mu.Lock()
	l.at[folder] = p
	l.mu.Unlock()
	return l.save(ctx)
}

// save writes all positions. Deliveries on their way may overwrite them with older
// ones, which repeats mail and loses none.
func (l *ledger) save(ctx context.Context) error {
	l.mu.Lock()
	raw := l.encode()
	if l.stale = l.flight > 0; l.stale {
		l.lone = false
	}
	l.mu.Unlock()
	if err := l.state.Save(ctx, cursorKey, raw, 0); err != nil {
		l.mu.Lock()
		l.stale = true
		l.mu.Unlock()
		return fmt.Errorf("save cursor: %w", err)
	}
	return nil
}

// flush saves what the last deliveries could not carry. The caller's folder has
// none on its way.
func (l *ledger) flush(ctx context.Context) error {
	l.mu.Lock()
	stale := l.stale
	l.mu.Unlock()
	if !stale {
		return nil
	}
	return l.save(ctx)
}

// release forgets what is in hand when the process stops in good order, so that
// its mail is not suspected. It must not hold up the stop.
func (l *ledger) release(ctx context.Context) {
	l.mu.Lock()
	var held bool
	for name, p := range l.at {
		if p.Hand != nil && p.Hand.Upto > p.UID {
			held = true
			p.Hand = nil
			l.at[name] = p
		}
	}
	held = held || l.stale
	l.mu.Unlock()
	if !held {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 300*time.Millisecond)
	defer cancel()
	_ = l.save(ctx) // a store that is away costs a careful start, no more
}

// depart returns the cursor to store with a mail of a folder: with it, mail up to
// uid is stored.
func (l *ledger) depart(folder string, uid uint32) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flight++
	l.lone = l.flight == 1
	now := l.at[folder]
	then := now
	then.UID = max(then.UID, uid)
	l.at[folder] = then
	raw := l.encode()
	l.at[folder] = now
	return raw
}

// arrive ends a delivery. upto is how far mail of the folder is stored now, carried
// how far its cursor said.
func (l *ledger) arrive(folder string, upto, carried uint32, stored bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flight--
	p := l.at[folder]
	p.UID = max(p.UID, upto)
	l.at[folder] = p
	l.stale = !stored || !l.lone || carried != p.UID
	if l.flight > 0 {
		l.lone = false
	}
}

// pass moves a folder's position over what is not to be taken.
func (l *ledger) pass(folder string, uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.at[folder]; p.UID < uid {
		p.UID = uid
		l.at[folder] = p
		l.stale = true
	}
}

// encode returns the cursor. The caller holds mu.
func (l *ledger) encode() []byte {
	c := Cursor{Account: l.account, Folders: make(map[string]Position, len(l.at))}
	for name, p := range l.at {
		if p.Hand != nil && p.Hand.Upto <= p.UID {
			p.Hand = nil
		}
		c.Folders[name] = p
	}
	raw, err := json.Marshal(c)
	if err != nil { // a map of plain structs: cannot be
		return nil
	}
	return raw
}

func (l *ledger) baseKey(folder string) string {
	sum := sha256.Sum256([]byte(l.account + "\x00" + folder))
	return "start:" + hex.EncodeToString(sum[:8])
}

// base returns what the folder was like when first seen; nil when it never was.
func (l *ledger) base(ctx context.Context, folder string) (*base, error) {
	raw, err := l.state.Load(ctx, l.baseKey(folder))
	if errors.Is(err, channels.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load start: %w", err)
	}
	var b base
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("decode start: %w", err)
	}
	return &b, nil
}

func (l *ledger) setBase(ctx context.Context, folder string, b *base) error {
	raw, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode start: %w", err)
	}
	if err := l.state.Save(ctx, l.baseKey(folder), raw, 0); err != nil {
		return fmt.Errorf("save start: %w", err)
	}
	return nil
}
