package casecore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
)

// memo is one thing a door remembers.
type memo struct {
	store.Meta
	Channel string    `json:"channel"`
	Key     string    `json:"key"`
	Value   []byte    `json:"value"`
	Until   time.Time `json:"until,omitzero"`
}

// Keys of a memo: until, for sweeping.
func (m *memo) Keys() store.Keys {
	k := store.Keys{}
	if !m.Until.IsZero() {
		k.Set("until", store.TimeKey(m.Until))
	}
	return k
}

var memos = store.NewTable[memo]("memory", store.Index{Name: "until"})

// Memory is the durable memory of one channel (channels.Memory).
type Memory struct {
	Store   store.Store
	Channel string
	Now     func() time.Time
}

var _ channels.Memory = (*Memory)(nil)

// cursorKey is where a channel's cursor is kept.
const cursorKey = "cursor"

// SaveCursor writes a channel's cursor in the caller's transaction.
func SaveCursor(tx store.Tx, channel string, cursor []byte) error {
	m, err := loadMemo(tx, channel, cursorKey)
	if err != nil {
		return err
	}
	m.Value = cursor
	return memos.Put(tx, m)
}

// loadMemo reads a memo, or makes a new one.
func loadMemo(tx store.Tx, channel, key string) (*memo, error) {
	id := store.HashID("memory", channel, key)
	m, err := memos.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return &memo{Meta: store.Meta{ID: id}, Channel: channel, Key: key}, nil
	}
	return m, err
}

// Load returns the value of key, or channels.ErrNotFound when there is none or
// its time is over.
func (d *Memory) Load(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := d.Store.View(ctx, func(tx store.Tx) error {
		m, err := loadMemo(tx, d.Channel, key)
		if err != nil {
			return err
		}
		if m.Version == 0 || d.over(m) {
			return fmt.Errorf("memory of %s: %w", d.Channel, channels.ErrNotFound)
		}
		value = m.Value
		return nil
	})
	return value, err
}

// Save writes value under key, to be kept for at least so long.
func (d *Memory) Save(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return d.Store.Update(ctx, func(tx store.Tx) error {
		m, err := loadMemo(tx, d.Channel, key)
		if err != nil {
			return err
		}
		m.Value, m.Until = value, time.Time{}
		if keep > 0 {
			m.Until = d.Now().Add(keep)
		}
		return memos.Put(tx, m)
	})
}

// Swap writes value when key holds old, and says whether it did.
func (d *Memory) Swap(ctx context.Context, key string, old, value []byte) (bool, error) {
	var done bool
	err := d.Store.Update(ctx, func(tx store.Tx) error {
		done = false
		m, err := loadMemo(tx, d.Channel, key)
		if err != nil {
			return err
		}
		holds := m.Value
		if m.Version == 0 || d.over(m) {
			holds = nil
		}
		if (holds == nil) != (old == nil) || !bytes.Equal(holds, old) {
			return nil
		}
		done, m.Value, m.Until = true, value, time.Time{}
		return memos.Put(tx, m)
	})
	return done, err
}

// Forget removes key; removing what is not there is no error.
func (d *Memory) Forget(ctx context.Context, key string) error {
	return d.Store.Update(ctx, func(tx store.Tx) error {
		m, err := loadMemo(tx, d.Channel, key)
		if err != nil || m.Version == 0 {
			return err
		}
		return memos.Delete(tx, m)
	})
}

func (d *Memory) over(m *memo) bool { return !m.Until.IsZero() && !d.Now().Before(m.Until) }

// SweepMemory removes at most limit memos whose time is over and says how many.
func SweepMemory(tx store.Tx, now time.Time, limit int) (int, error) {
	var old []*memo
	for m, err := range memos.Scan(tx, store.Range{Index: "until", To: store.TimeKey(now) + "\x00", Limit: limit}) {
		if err != nil {
			return 0, err
		}
		old = append(old, m)
	}
	for _, m := range old {
		if err := memos.Delete(tx, m); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
