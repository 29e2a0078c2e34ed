package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"casewire/casecore"
	"casewire/casecore/blob"
	"casewire/casecore/store"
	"casewire/notify"
)

// Finding is one line of a verification. Fault is empty for lines that tell how far
// it has come; the last line has a Summary.
type Finding struct {
	At      string         `json:"at"`              // what was looked at: "documents of case", "case CW-000123"
	Fault   string         `json:"fault,omitempty"` // what is wrong with it
	Done    int64          `json:"done,omitempty"`  // how many of it so far
	Summary *VerifySummary `json:"summary,omitempty"`
}

// VerifySummary counts what a verification has looked at.
type VerifySummary struct {
	Documents   int64 `json:"documents"`
	Cases       int64 `json:"cases"`
	Sealed      int64 `json:"sealed"`   // events in chains
	Unsealed    int64 `json:"unsealed"` // events from before there were chains
	Attachments int64 `json:"attachments"`
	Bytes       int64 `json:"bytes"` // of attachments
	Faults      int64 `json:"faults"`
}

const (
	verifyPage = 500     // documents of one view
	seenMost   = 1 << 18 // attachments remembered as whole
	tellEvery  = 2 * time.Second
)

// verification looks at everything that is stored, while the process goes on.
type verification struct {
	*engine
	say  func(Finding) error
	sum  VerifySummary
	seen map[string]bool // attachments, and whether they are whole
	told time.Time       // when it was last said how far it has come
}

// verify answers with a line of JSON for everything that is found, as it is found.
func (a *App) verify(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	out := newSteady(w)
	lines := json.NewEncoder(out)
	v := &verification{engine: a.engine, seen: map[string]bool{}, say: func(f Finding) error {
		if err := lines.Encode(f); err != nil {
			return err
		}
		return out.c.Flush()
	}}
	if err := v.run(r.Context()); err != nil {
		a.o.Log.Error("verification failed", "error", err)
		out.abort()
		return
	}
	a.o.Log.Info("store verified", "documents", v.sum.Documents, "attachments", v.sum.Attachments, "faults", v.sum.Faults)
}

func (v *verification) run(ctx context.Context) error {
	if err := v.say(Finding{At: "store"}); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{v.ofEngine, v.documents, v.timelines, v.attachments} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return v.say(Finding{At: "store", Summary: &v.sum})
}

// fault says that something is wrong.
func (v *verification) fault(at, format string, args ...any) error {
	v.sum.Faults++
	return v.say(Finding{At: at, Fault: fmt.Sprintf(format, args...)})
}

// progress says how far it has come, from time to time.
func (v *verification) progress(at string, done int64) error {
	if time.Since(v.told) < tellEvery {
		return nil
	}
	v.told = time.Now()
	return v.say(Finding{At: at, Done: done})
}

// ofEngine asks the engine, if it can tell.
func (v *verification) ofEngine(ctx context.Context) error {
	e, ok := v.store.(interface{ Verify(context.Context) error })
	if !ok {
		return nil
	}
	err := e.Verify(ctx)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return v.fault("store", "%v", err)
}

// documents reads every document and makes its keys.
func (v *verification) documents(ctx context.Context) error {
	for _, c := range collections() {
		at, done := "documents of "+c.Name, int64(0)
		err := v.pages(ctx, c, func(_ store.Tx, d store.Doc) error {
			done++
			v.sum.Documents++
			if !json.Valid(d.Body) {
				return v.fault(at, "%s is not JSON", d.ID)
			}
			keys, err := c.Rekey(d.ID, d.Body)
			if err == nil {
				err = c.CheckKeys(keys)
			}
			if err != nil {
				return v.fault(at, "%s: %v", d.ID, err)
			}
			return v.progress(at, done)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pages calls fn for every document of a collection, in views that are short. What
// the engine cannot read is a fault, behind which the collection is left.
func (v *verification) pages(ctx context.Context, c *store.Coll, fn func(tx store.Tx, d store.Doc) error) error {
	var after store.Mark
	for more := true; more; {
		var stop, broken error
		err := v.store.View(ctx, func(tx store.Tx) error {
			n := 0
			for d, err := range tx.Scan(c, store.Range{After: after, Limit: verifyPage}) {
				if err != nil {
					broken = err
					return nil
				}
				n++
				after = store.Mark{Key: d.ID, ID: d.ID}
				if stop = fn(tx, d); stop != nil {
					return nil
				}
			}
			more = n == verifyPage
			return nil
		})
		switch {
		case stop != nil:
			return stop
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("read %s: %w", c.Name, err)
		case broken != nil:
			return v.fault("documents of "+c.Name, "what comes after %q cannot be read: %v", after.ID, broken)
		}
	}
	return nil
}

// timelines holds every case against its events (I4), and those and its messages
// against their seals (I6).
func (v *verification) timelines(ctx context.Context) error {
	return v.pages(ctx, casecore.Cases.Coll(), func(tx store.Tx, d store.Doc) error {
		v.sum.Cases++
		c, err := casecore.Cases.Get(tx, d.ID)
		if err != nil {
			return nil //nolint:nilerr // told with the documents
		}
		t, err := timelineOf(tx, c)
		if err != nil {
			return v.fault("case "+c.CaseNumber(), "its events cannot be read: %v", err)
		}
		proof := casecore.Prove(c, t.events, t.messages, t.outside)
		v.sum.Sealed += proof.Events
		v.sum.Unsealed += int64(len(t.events)) - proof.Events
		faults := t.claims(c)
		for _, f := range proof.Faults {
			faults = append(faults, f.String())
		}
		for _, f := range faults {
			if err := v.fault("case "+c.CaseNumber(), "%s", f); err != nil {
				return err
			}
		}
		return v.progress("cases", v.sum.Cases)
	})
}

// timeline is what is chained of a case.
type timeline struct {
	events   []*casecore.Event
	messages []*casecore.Message
	outside  map[string][]string // seals of deliveries that notices keep, by message
}

func timelineOf(tx store.Tx, c *casecore.Case) (timeline, error) {
	t := timeline{outside: map[string][]string{}}
	under := store.Range{Index: "case", Prefix: store.Under(c.ID)}
	for e, err := range casecore.Events.Scan(tx, under) {
		if err != nil {
			return t, err
		}
		t.events = append(t.events, e)
	}
	for m, err := range casecore.Messages.Scan(tx, under) {
		if err != nil {
			return t, err
		}
		t.messages = append(t.messages, m)
	}
	for n, err := range notify.Notices.Scan(tx, under) {
		if err != nil {
			return t, err
		}
		if n.Proof != "" {
			t.outside[n.Message] = append(t.outside[n.Message], n.Proof)
		}
	}
	return t, nil
}

// claims lists what is wrong with the claims of a case: they form a chain, and one
// operator holds it at a time.
func (t timeline) claims(c *casecore.Case) []string {
	var faults []string
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var claim int64
	var owner string
	for _, e := range t.events {
		switch e.Kind {
		case casecore.Claimed, casecore.Assigned:
			if e.ClaimNo != claim+1 {
				wrong("claim %d follows claim %d", e.ClaimNo, claim)
			}
			if e.Kind == casecore.Claimed && owner != "" {
				wrong("claim %d was given while another held it", e.ClaimNo)
			}
			owner, claim = e.To, e.ClaimNo
		case casecore.Released, casecore.Transferred, casecore.Reopened:
			owner = ""
		}
	}
	if claim != c.ClaimNo || owner != c.Owner {
		wrong("it says claim %d of %q, its events say claim %d of %q", c.ClaimNo, c.Owner, claim, owner)
	}
	return faults
}

// reference is an attachment that a message names.
type reference struct{ message, hash, what string }

// attachments reads every content that a message refers to, outside of the views.
func (v *verification) attachments(ctx context.Context) error {
	var refs []reference
	flush := func() error {
		for _, r := range refs {
			if err := v.attachment(ctx, r); err != nil {
				return err
			}
		}
		refs = refs[:0]
		return nil
	}
	var after store.Mark
	for more := true; more; {
		err := v.store.View(ctx, func(tx store.Tx) error {
			n := 0
			for m, err := range casecore.Messages.Scan(tx, store.Range{After: after, Limit: verifyPage}) {
				if err != nil {
					more = false
					return nil //nolint:nilerr // told with the documents
				}
				n++
				after = store.Mark{Key: m.ID, ID: m.ID}
				refs = append(refs, references(m)...)
			}
			more = n == verifyPage
			return nil
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// references lists what a message refers to: its raw form, and the files of all its
// versions.
func references(m *casecore.Message) []reference {
	var out []reference
	if m.Source != "" {
		out = append(out, reference{m.ID, m.Source, "its raw form"})
	}
	for _, f := range m.Body.Files {
		out = append(out, reference{m.ID, f.Blob, "an attachment"})
	}
	for _, old := range m.Versions {
		for _, f := range old.Body.Files {
			out = append(out, reference{m.ID, f.Blob, "an attachment of an earlier version"})
		}
	}
	return out
}

// attachment reads a content through, once.
func (v *verification) attachment(ctx context.Context, r reference) error {
	if r.hash == "" {
		return nil
	}
	whole, known := v.seen[r.hash]
	if !known {
		n, err := v.read(ctx, r.hash)
		switch {
		case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrDamaged):
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return v.fault(v.place(ctx, r.message), "%s, %s, cannot be read: %v", r.what, r.hash, err)
		default:
			whole = true
			v.sum.Attachments++
			v.sum.Bytes += n
		}
		if len(v.seen) >= seenMost {
			clear(v.seen)
		}
		v.seen[r.hash] = whole
	}
	if !whole {
		return v.fault(v.place(ctx, r.message), "%s, %s, is missing or damaged", r.what, r.hash)
	}
	return v.progress("attachments", v.sum.Attachments)
}

// place says where people find a message.
func (v *verification) place(ctx context.Context, message string) string {
	at := "message " + message
	_ = v.store.View(ctx, func(tx store.Tx) error { // without it the id must do
		m, err := casecore.Messages.Get(tx, message)
		if err != nil {
			return err
		}
		c, err := casecore.Cases.Get(tx, m.Case)
		if err != nil {
			return err
		}
		at = fmt.Sprintf("case %s, message %d", c.CaseNumber(), m.Seq)
		return nil
	})
	return at
}

func (v *verification) read(ctx context.Context, hash string) (int64, error) {
	r, err := v.blobs.Open(ctx, hash)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(io.Discard, r)
}
