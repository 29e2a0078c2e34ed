package channeltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"casewire/channels"
)

// Memory is a channels.Memory in memory. It is safe for concurrent use.
type Memory struct {
	Now func() time.Time // nil: time.Now
	// Fail, when set, is asked before each call and may refuse it.
	Fail func(op, key string) error

	mu     sync.Mutex
	values map[string]memo
}

type memo struct {
	value []byte
	until time.Time // zero: for ever
}

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

func (m *Memory) begin(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.Fail != nil {
		return m.Fail(op, key)
	}
	return nil
}

// get returns what key holds now. The caller holds mu.
func (m *Memory) get(key string) ([]byte, bool) {
	v, ok := m.values[key]
	if !ok || !v.until.IsZero() && !m.now().Before(v.until) {
		return nil, false
	}
	return v.value, true
}

func (m *Memory) set(key string, value []byte, until time.Time) {
	if m.values == nil {
		m.values = make(map[string]memo)
	}
	m.values[key] = memo{bytes.Clone(value), until}
}

// Load returns a copy of what key holds.
func (m *Memory) Load(ctx context.Context, key string) ([]byte, error) {
	if err := m.begin(ctx, "load", key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.get(key)
	if !ok {
		return nil, channels.ErrNotFound
	}
	return bytes.Clone(v), nil
}

// Save writes value and forgets it after keep, unless keep is 0.
func (m *Memory) Save(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if err := m.begin(ctx, "save", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var until time.Time
	if keep > 0 {
		until = m.now().Add(keep)
	}
	m.set(key, value, until)
	return nil
}

// Swap writes value when key holds old.
func (m *Memory) Swap(ctx context.Context, key string, old, value []byte) (bool, error) {
	if err := m.begin(ctx, "swap", key); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.get(key)
	if ok != (old != nil) || !bytes.Equal(v, old) {
		return false, nil
	}
	m.set(key, value, m.values[key].until)
	return true, nil
}

// Forget removes key.
func (m *Memory) Forget(ctx context.Context, key string) error {
	if err := m.begin(ctx, "forget", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	return nil
}

// Dump returns everything that is kept, keys and values, to search it for what
// must not be there.
func (m *Memory) Dump() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b bytes.Buffer
	for k, v := range m.values {
		b.WriteString(k + "=")
		b.Write(v.value)
		b.WriteByte('\n')
	}
	return b.String()
}

// Files is a channels.Files in memory. It is safe for concurrent use.
type Files struct {
	// Fail, when set, is asked before each call and may refuse it.
	Fail func(op string) error

	mu    sync.Mutex
	blobs map[string][]byte
}

// Put keeps the bytes of r under their hash.
func (f *Files) Put(ctx context.Context, name string, r io.Reader, limit int64) (channels.File, error) {
	if f.Fail != nil {
		if err := f.Fail("put"); err != nil {
			return channels.File{}, err
		}
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return channels.File{}, err
	case int64(len(b)) > limit:
		return channels.File{}, channels.ErrTooLarge
	case ctx.Err() != nil:
		return channels.File{}, ctx.Err()
	}
	sum := sha256.Sum256(b)
	blob := hex.EncodeToString(sum[:])
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blobs == nil {
		f.blobs = make(map[string][]byte)
	}
	f.blobs[blob] = b
	return channels.File{Name: name, Type: http.DetectContentType(b), Size: int64(len(b)), Blob: blob}, nil
}

// Open returns the bytes kept under blob.
func (f *Files) Open(ctx context.Context, blob string) (io.ReadSeekCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.Fail != nil {
		if err := f.Fail("open"); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.blobs[blob]
	if !ok {
		return nil, channels.ErrNotFound
	}
	return nopCloser{bytes.NewReader(b)}, nil
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

var (
	_ channels.Memory = (*Memory)(nil)
	_ channels.Files  = (*Files)(nil)
)

// ErrStore is what the fakes answer when a test has them fail.
var ErrStore = errors.New("the store is away")
