package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"casewire/casecore/store"
)

// List is one page of a list. Without a next_cursor it is the last one; a page
// may hold fewer items than asked for and still not be the last.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor,omitempty" doc:"Cursor of the next page; absent on the last."`
}

// listing is where a page begins, and who writes the cursors of its list. Cursors
// are sealed: the record behind which a page ends is one that was looked at, not
// always one that the actor may see.
type listing struct {
	mark store.Mark
	of   string // the list and its filters: elsewhere a cursor would mean another place
	by   string // actor's id: a cursor is of use to nobody else
	seal cipher.AEAD
}

// listed reads the cursor of a list with these filters; an empty one is the start.
func (a *API) listed(ctx context.Context, c *call, s string, parts ...string) (*listing, error) {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	seal, err := a.cursors(ctx)
	if err != nil {
		return nil, err
	}
	p := &listing{of: hex.EncodeToString(sum[:6]), by: c.actor.ID, seal: seal}
	if s != "" {
		p.mark, err = p.read(s)
	}
	return p, err
}

// cursorBlock hides the length of a key, which may be a name.
const cursorBlock = 64

// write makes the cursor behind a mark; the zero mark has none.
func (p *listing) write(m store.Mark) string {
	if m == (store.Mark{}) {
		return ""
	}
	text := []byte(p.of + "\x00" + m.ID + "\x00" + m.Key)
	for len(text)%cursorBlock != 0 {
		text = append(text, 0)
	}
	return base64.RawURLEncoding.EncodeToString(p.seal.Seal(nil, nil, text, []byte(p.by)))
}

func (p *listing) read(s string) (store.Mark, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		raw, err = p.seal.Open(nil, nil, raw, []byte(p.by))
	}
	parts := strings.SplitN(strings.TrimRight(string(raw), "\x00"), "\x00", 3)
	if err != nil || len(parts) < 2 {
		return store.Mark{}, invalid(parameter("cursor", "is none of yours; take next_cursor of the page before, or leave it out"))
	}
	if parts[0] != p.of {
		return store.Mark{}, invalid(parameter("cursor", "belongs to a list with other filters; leave it out to begin anew"))
	}
	m := store.Mark{ID: parts[1]}
	if len(parts) == 3 {
		m.Key = parts[2]
	}
	return m, nil
}

// secret is a key that all nodes share and that outlives them.
type secret struct {
	store.Meta        // what it is for
	Key        []byte `json:"key"`
}

// Keys of a secret: none.
func (s *secret) Keys() store.Keys { return store.Keys{} }

var secrets = store.NewTable[secret]("api_secret")

// cursors returns what seals the cursors of lists. Its key is made by whoever
// asks first, on any node, and read once by each.
func (a *API) cursors(ctx context.Context) (cipher.AEAD, error) {
	a.sealing.Lock()
	defer a.sealing.Unlock()
	if a.seal != nil {
		return a.seal, nil
	}
	var key []byte
	read := func(tx store.Tx) error {
		s, err := secrets.Get(tx, "cursor")
		if err == nil {
			key = s.Key
		}
		return err
	}
	err := a.Store.View(ctx, read)
	if errors.Is(err, store.ErrNotFound) {
		err = a.Store.Update(ctx, func(tx store.Tx) error {
			err := read(tx)
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
			key = make([]byte, 32)
			if _, err := rand.Read(key); err != nil {
				return err
			}
			return secrets.Put(tx, &secret{Meta: store.Meta{ID: "cursor"}, Key: key})
		})
	}
	if errors.Is(err, store.ErrExists) { // another node was faster
		err = a.Store.View(ctx, read)
	}
	if err != nil {
		return nil, fmt.Errorf("key of cursors: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err == nil {
		a.seal, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		return nil, fmt.Errorf("key of cursors: %w", err)
	}
	return a.seal, nil
}
