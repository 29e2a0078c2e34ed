package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"casewire/casecore/store"
)

// keepAnswers is how long a repeat gets the answer of the first request.
const keepAnswers = 24 * time.Hour

// answer is what a request with an idempotency key was told.
type answer struct {
	store.Meta                 // made of who asked and the key
	Request    string          `json:"request"` // fingerprint
	Status     int             `json:"status"`
	ETag       string          `json:"etag,omitempty"`
	Location   string          `json:"location,omitempty"`
	Body       json.RawMessage `json:"body"`
	Until      time.Time       `json:"until"`
}

// Keys of an answer: until, for sweeping.
func (a *answer) Keys() store.Keys {
	k := store.Keys{}
	k.Set("until", store.TimeKey(a.Until))
	return k
}

var answers = store.NewTable[answer]("api_answer", store.Index{Name: "until"})

// errAnswered stops a request whose key has got an answer meanwhile.
var errAnswered = errors.New("answered already")

// keep writes out as the answer, in the transaction that made it true. When a
// twin was faster it is errAnswered, and the change is undone.
type keep[T any] func(tx store.Tx, out *created[T]) error

// once fulfils a request at most once for each key of this actor. do makes the
// change and calls keep in its transaction. The first answer is repeated for the
// same request; another request under the same key is refused. Refusals are not
// kept: asking again may succeed.
func once[T any](ctx context.Context, a *API, c *call, key, subject string, do func(keep keep[T]) (*created[T], error)) (*created[T], error) {
	if key == "" {
		return do(func(store.Tx, *created[T]) error { return nil })
	}
	for _, ch := range key {
		if ch < 0x21 || ch > 0x7e {
			return nil, invalid(parameter("Idempotency-Key", "may have only visible ASCII characters; a UUID is good"))
		}
	}
	id := store.HashID("answer", c.actor.ID, key)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s", c.r.Method, c.r.URL.Path, subject, c.raw))
	print := hex.EncodeToString(sum[:])
	if out, err := replay[T](ctx, a, id, print); out != nil || err != nil {
		return out, err
	}
	out, err := do(func(tx store.Tx, out *created[T]) error {
		return a.keep(tx, id, print, out.Status, out.ETag, out.Location, out.Body)
	})
	if err == nil {
		return out, nil
	}
	// A twin that was faster may also have made the state stale or emptied the
	// queue: whatever went wrong, its answer is this request's, too.
	if twin, other := replay[T](ctx, a, id, print); twin != nil || errors.Is(err, errAnswered) && other != nil {
		return twin, other
	}
	return nil, err
}

func (a *API) keep(tx store.Tx, id, print string, status int, tag, location string, body any) error {
	was, err := answers.Get(tx, id)
	if err == nil && a.o.Now().Before(was.Until) {
		return errAnswered
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	now := &answer{Meta: store.Meta{ID: id}, Request: print, Status: status, ETag: tag, Location: location, Body: raw, Until: a.o.Now().Add(keepAnswers)}
	if was != nil {
		now.Version = was.Version
	}
	return answers.Put(tx, now)
}

// replay returns the kept answer, nil when there is none, or a refusal when it
// was given to another request.
func replay[T any](ctx context.Context, a *API, id, print string) (*created[T], error) {
	var was *answer
	err := a.Store.View(ctx, func(tx store.Tx) (err error) {
		was, err = answers.Get(tx, id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && !a.o.Now().Before(was.Until) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if was.Request != print {
		p := problem("key_reused", "this Idempotency-Key was used for another request; make a new one for each")
		p.Errors = []Fault{parameter("Idempotency-Key", "used before for something else")}
		return nil, p
	}
	out := &created[T]{Status: was.Status, ETag: was.ETag, Location: was.Location, Replayed: "true"}
	if err := json.Unmarshal(was.Body, &out.Body); err != nil {
		return nil, fmt.Errorf("read a kept answer: %w", err)
	}
	return out, nil
}

func sweepAnswers(tx store.Tx, now time.Time, limit int) (int, error) {
	var old []*answer
	for a, err := range answers.Scan(tx, store.Range{Index: "until", To: store.TimeKey(now), Limit: limit}) {
		if err != nil {
			return 0, err
		}
		old = append(old, a)
	}
	for _, a := range old {
		if err := answers.Delete(tx, a); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
