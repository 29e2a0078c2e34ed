package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"casewire/channels"
)

// albums puts the parts of an album together (T5). Telegram brings each as a
// message of its own and never says which is the last, so the parts are kept in
// the door's memory, each before its update is confirmed, and become one message
// when there is none for a while. What a restart interrupts goes on from there.
//
// An album is open while parts may come, then sealed, then handed over, then done.
// Its name is fixed when it is sealed, so that handing it over twice is a repeat.
type albums struct {
	d     *Door
	quiet time.Duration

	mu      sync.Mutex
	put     func(chat int64, do func(context.Context)) // into the lanes; nil while Run is not running
	in      channels.Sink
	pending map[string]*time.Timer // by key
}

// album is what the memory holds of one.
type album struct {
	Parts []part `json:"parts"`
	Last  int64  `json:"last"`           // when the last part came, in Unix milliseconds
	Name  string `json:"name,omitempty"` // ExternalID, once it is sealed
	Done  bool   `json:"done,omitempty"`
}

type part struct {
	ID  int64           `json:"id"`
	Raw json.RawMessage `json:"raw"`
}

const (
	albumIndex = "albums" // the keys of those that are not done
	keepAlbum  = 72 * time.Hour
	albumParts = 20 // twice what Telegram allows
)

func albumKey(chat int64, group string) string {
	return "album/" + strconv.FormatInt(chat, 10) + "/" + clean(group, 64)
}

func albumChat(key string) int64 {
	parts := strings.SplitN(key, "/", 3)
	if len(parts) < 2 {
		return 0
	}
	chat, _ := strconv.ParseInt(parts[1], 10, 64)
	return chat
}

// start takes up what was left by the last Run.
func (a *albums) start(work context.Context, in channels.Sink) error {
	a.mu.Lock()
	a.in = in
	a.put = func(chat int64, do func(context.Context)) { a.d.lanes.put(work, chat, do) }
	a.mu.Unlock()
	keys, _, err := a.index(work)
	if err != nil {
		return err
	}
	for _, key := range keys {
		a.schedule(key, a.quiet)
	}
	return nil
}

// stop forgets the timers; the memory has everything.
func (a *albums) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put = nil
	for _, t := range a.pending {
		t.Stop()
	}
	a.pending = nil
}

// schedule has an album finished by the lane of its chat.
func (a *albums) schedule(key string, after time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	put := a.put
	if put == nil {
		return
	}
	if t := a.pending[key]; t != nil {
		t.Stop()
	}
	if a.pending == nil {
		a.pending = map[string]*time.Timer{}
	}
	a.pending[key] = time.AfterFunc(after, func() {
		put(albumChat(key), func(ctx context.Context) {
			err := a.emit(ctx, key, false)
			switch {
			case err == nil:
				a.d.health.store(nil)
			case ctx.Err() == nil:
				a.d.storeFailed(ctx, err)
				a.schedule(key, a.d.waits.storeMost)
			}
		})
	})
}

// settled takes an album off the list.
func (a *albums) settled(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.pending[key]; t != nil {
		t.Stop()
		delete(a.pending, key)
	}
}

// finish hands over the open albums of a chat, because something else came after
// them.
func (a *albums) finish(ctx context.Context, chat int64) error {
	a.mu.Lock()
	var keys []string
	for key := range a.pending {
		if albumChat(key) == chat {
			keys = append(keys, key)
		}
	}
	a.mu.Unlock()
	for _, key := range slices.Sorted(slices.Values(keys)) {
		if err := a.emit(ctx, key, true); err != nil {
			return err
		}
	}
	return nil
}

// add keeps a part. It says false for a part that comes after its album was
// handed over: that is a message of its own.
func (a *albums) add(ctx context.Context, m *message) (taken bool, err error) {
	key := albumKey(m.Chat.ID, m.Group)
	for {
		old, al, err := a.load(ctx, key)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(al.Parts, func(p part) bool { return p.ID == m.ID }) {
			return true, nil // a repeat
		}
		if al.Name != "" || len(al.Parts) >= albumParts {
			return false, nil
		}
		if err := a.list(ctx, key, true); err != nil {
			return false, err
		}
		al.Parts = append(al.Parts, part{m.ID, m.raw})
		al.Last = a.d.env.Now().UnixMilli()
		if ok, err := a.swap(ctx, key, old, al); err != nil || ok {
			a.schedule(key, a.quiet)
			return err == nil, err
		}
	}
}

// emit seals an album, hands it over and marks it done. Unless force is set it
// waits until no part has come for a while.
func (a *albums) emit(ctx context.Context, key string, force bool) error {
	old, al, err := a.load(ctx, key)
	if err != nil {
		return err
	}
	if len(al.Parts) == 0 || al.Done {
		a.settled(key)
		return a.list(ctx, key, false)
	}
	if al.Name == "" {
		// The clock may have been set back, and then nothing would ever be quiet.
		since := a.d.env.Now().Sub(time.UnixMilli(al.Last))
		if !force && since >= 0 && since < a.quiet {
			a.schedule(key, a.quiet-since)
			return nil
		}
		slices.SortFunc(al.Parts, func(x, y part) int { return int(x.ID - y.ID) })
		al.Name = a.d.names.message(albumChat(key), al.Parts[0].ID)
		if ok, err := a.swap(ctx, key, old, al); err != nil || !ok {
			a.schedule(key, a.quiet)
			return err
		}
	}
	a.d.check("telegram.sealed")
	p, err := a.whole(ctx, al)
	if err != nil {
		return err
	}
	a.mu.Lock()
	in := a.in
	a.mu.Unlock()
	if err := a.d.hand(ctx, p, nil, in); err != nil {
		return err
	}
	a.d.count.albums.Add(1)
	al.Done = true
	if err := a.save(ctx, key, al); err != nil {
		return err
	}
	a.settled(key)
	return a.list(ctx, key, false)
}

// whole makes one message of the parts.
func (a *albums) whole(ctx context.Context, al album) (parcel, error) {
	var p parcel
	for i, raw := range al.Parts {
		m := readMessage(raw.Raw)
		if !m.private() {
			var err error
			if m.origin, err = a.d.origin(ctx, m.Chat.ID); err != nil {
				return p, err
			}
		}
		next := a.d.translate(m)
		if i == 0 {
			p = next
			p.in.ExternalID = al.Name
			continue
		}
		if next.in.Body.Text != "" {
			p.line("%s", next.in.Body.Text)
		}
		p.wanted = append(p.wanted, next.wanted...)
		p.in.Refs = append(p.in.Refs, next.in.Refs...)
		maps.Copy(p.in.Facts, next.in.Facts)
	}
	p.in.Source = source(al.raw())
	return p, nil
}

// raw is the form in which the album came.
func (al album) raw() json.RawMessage {
	var all []json.RawMessage
	for _, p := range al.Parts {
		all = append(all, p.Raw)
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return b
}

// edit takes a new version of a part. known says that the album is one of ours;
// the message is then its new version, or nil while it has not been handed over.
func (a *albums) edit(ctx context.Context, m *message) (p *parcel, known bool, err error) {
	key := albumKey(m.Chat.ID, m.Group)
	for {
		old, al, err := a.load(ctx, key)
		if err != nil {
			return nil, false, err
		}
		i := slices.IndexFunc(al.Parts, func(p part) bool { return p.ID == m.ID })
		if i < 0 {
			return nil, false, nil
		}
		al.Parts = slices.Clone(al.Parts)
		al.Parts[i].Raw = m.raw
		if al.Name == "" {
			if ok, err := a.swap(ctx, key, old, al); err != nil || ok {
				return nil, true, err
			}
			continue
		}
		if al.Done {
			if err := a.save(ctx, key, al); err != nil {
				return nil, true, err
			}
		}
		whole, err := a.whole(ctx, al)
		if err != nil {
			return nil, true, err
		}
		version(&whole, m, al.Name)
		return &whole, true, nil
	}
}

func (a *albums) load(ctx context.Context, key string) (old []byte, al album, err error) {
	old, err = a.d.env.State.Load(ctx, key)
	if errors.Is(err, channels.ErrNotFound) {
		return nil, album{}, nil
	}
	if err != nil {
		return nil, album{}, wrap("load an album", err)
	}
	if err := json.Unmarshal(old, &al); err != nil {
		return nil, album{}, wrap("load an album", err)
	}
	return old, al, nil
}

func (a *albums) swap(ctx context.Context, key string, old []byte, al album) (bool, error) {
	b, err := json.Marshal(al)
	if err != nil {
		return false, wrap("keep an album", err)
	}
	ok, err := a.d.env.State.Swap(ctx, key, old, b)
	return ok, wrap("keep an album", err)
}

// save keeps an album that is done for as long as its parts may be repeated or
// edited.
func (a *albums) save(ctx context.Context, key string, al album) error {
	b, err := json.Marshal(al)
	if err != nil {
		return wrap("keep an album", err)
	}
	return wrap("keep an album", a.d.env.State.Save(ctx, key, b, keepAlbum))
}

func (a *albums) index(ctx context.Context) (keys []string, old []byte, err error) {
	old, err = a.d.env.State.Load(ctx, albumIndex)
	if errors.Is(err, channels.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, wrap("list albums", err)
	}
	return keys, old, wrap("list albums", json.Unmarshal(old, &keys))
}

// list puts an album on the list of those that are not done, or takes it off.
func (a *albums) list(ctx context.Context, key string, on bool) error {
	for {
		keys, old, err := a.index(ctx)
		if err != nil {
			return err
		}
		i := slices.Index(keys, key)
		if on == (i >= 0) {
			return nil
		}
		if on {
			keys = append(keys, key)
		} else {
			keys = slices.Delete(keys, i, i+1)
		}
		b, err := json.Marshal(append([]string{}, keys...))
		if err != nil {
			return fmt.Errorf("list albums: %w", err)
		}
		if ok, err := a.d.env.State.Swap(ctx, albumIndex, old, b); err != nil || ok {
			return wrap("list albums", err)
		}
	}
}
