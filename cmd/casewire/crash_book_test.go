package main

import (
	"io"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"casewire/casecore"
	"casewire/casecore/blob"
	"casewire/casecore/blob/dir"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
	"casewire/config/policy"
	"casewire/notify"
	"casewire/notify/webhook"
	"casewire/routing/api"
)

// book is all that a data folder holds.
type book struct {
	t        *testing.T
	cases    map[string]*casecore.Case // by number
	messages map[string]*casecore.Message
	events   map[string][]*casecore.Event // by case id, in order
	notices  map[string]*notify.Notice
	owed     map[string]*webhook.Delivery // what the subscriber is told, by webhook-id
	files    map[string]bool              // blobs that were found whole
}

// openBook verifies a data folder and reads it (I5).
func openBook(t *testing.T, data string) *book {
	t.Helper()
	colls := slices.Concat(casecore.Collections(), staff.Collections(), policy.Collections(), notify.Collections(), webhook.Collections(), api.Collections())
	st, err := sqlite.Open(t.Context(), filepath.Join(data, "casewire.db"), sqlite.Options{}, colls...)
	if err != nil {
		t.Fatalf("I5: %v", err)
	}
	defer st.Close()
	if err := st.Verify(t.Context()); err != nil {
		t.Errorf("I5: %v", err)
	}
	blobs, err := dir.Open(filepath.Join(data, "blobs"), dir.Options{})
	if err != nil {
		t.Fatalf("I5: %v", err)
	}
	b := readBook(t, st, blobs)
	err = st.View(t.Context(), func(tx store.Tx) (err error) {
		b.owed, err = all(webhook.Deliveries.Scan(tx, store.Range{}), func(d *webhook.Delivery) string { return d.Event.ID })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := blobs.Close(); err != nil {
		t.Error(err)
	}
	return b
}

// readBook reads a store as it is at one moment, and its attachments (I5).
func readBook(t *testing.T, st store.Store, blobs blob.Store) *book {
	t.Helper()
	b := &book{t: t, files: map[string]bool{}}
	err := st.View(t.Context(), func(tx store.Tx) (err error) {
		b.events = map[string][]*casecore.Event{}
		if b.cases, err = all(casecore.Cases.Scan(tx, store.Range{}), func(c *casecore.Case) string { return c.CaseNumber() }); err != nil {
			return err
		}
		if b.messages, err = all(casecore.Messages.Scan(tx, store.Range{}), func(m *casecore.Message) string { return m.ID }); err != nil {
			return err
		}
		if b.notices, err = all(notify.Notices.Scan(tx, store.Range{}), func(n *notify.Notice) string { return n.ID }); err != nil {
			return err
		}
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case"}) {
			if err != nil {
				return err
			}
			b.events[e.Case] = append(b.events[e.Case], e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.openFiles(blobs)
	return b
}

func all[T any](seq iter.Seq2[*T, error], key func(*T) string) (map[string]*T, error) {
	out := map[string]*T{}
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out[key(v)] = v
	}
	return out, nil
}

// openFiles reads every file that a message refers to (I5).
func (b *book) openFiles(blobs blob.Store) {
	b.t.Helper()
	for _, m := range b.messages {
		for _, f := range m.Body.Files {
			r, err := blobs.Open(b.t.Context(), f.Blob)
			if err != nil {
				b.t.Errorf("I5: file %q of message %s: %v", f.Name, m.ID, err)
				continue
			}
			n, err := io.Copy(io.Discard, r)
			if _ = r.Close(); err != nil || n != f.Size {
				b.t.Errorf("I5: file %q of message %s: %d of %d bytes, %v", f.Name, m.ID, n, f.Size, err)
			}
			b.files[f.Blob] = true
		}
	}
}

// isInOrder checks each case against its own timeline: whole, without gaps, with
// claims in a chain and one holder at a time (I4).
func (b *book) isInOrder() {
	b.t.Helper()
	mentioned := map[string]int{}
	for _, c := range b.cases {
		var owner, status string
		var claim int64
		for i, e := range b.events[c.ID] {
			if e.Seq != int64(i)+1 {
				b.t.Errorf("%s: event %d is numbered %d", c.CaseNumber(), i+1, e.Seq)
			}
			switch e.Kind {
			case casecore.Opened, casecore.Received, casecore.Answered, casecore.Told, casecore.Noted:
				mentioned[e.Message]++
			}
			switch e.Kind {
			case casecore.Opened:
				status = "new"
			case casecore.Claimed:
				if owner != "" || e.ClaimNo != claim+1 {
					b.t.Errorf("I4: %s: claim %d after %d, while %q holds it", c.CaseNumber(), e.ClaimNo, claim, owner)
				}
				owner, claim = e.To, e.ClaimNo
			case casecore.Released:
				if owner != e.From || e.ClaimNo != claim {
					b.t.Errorf("I4: %s: released by %q under %d, held by %q under %d", c.CaseNumber(), e.From, e.ClaimNo, owner, claim)
				}
				owner = ""
			case casecore.Moved, casecore.Reopened:
				if e.From != status {
					b.t.Errorf("%s: moved from %s, was %s", c.CaseNumber(), e.From, status)
				}
				status = e.To
				if e.Kind == casecore.Reopened {
					owner = ""
				}
			}
		}
		if c.Owner != owner || c.ClaimNo != claim || c.Status != status || c.Events != int64(len(b.events[c.ID])) {
			b.t.Errorf("I4: %s is held by %q under %d as %s with %d events; its timeline says %q, %d, %s, %d",
				c.CaseNumber(), c.Owner, c.ClaimNo, c.Status, c.Events, owner, claim, status, len(b.events[c.ID]))
		}
	}
	b.isNumbered(mentioned)
}

// isNumbered checks that messages have their places, in the case and in the thread.
func (b *book) isNumbered(mentioned map[string]int) {
	b.t.Helper()
	count, lines := map[string]int64{}, map[string]map[int64]bool{}
	for _, m := range b.messages {
		count[m.Case]++
		if mentioned[m.ID] != 1 {
			b.t.Errorf("message %s (%s) is in %d events, want 1", m.ID, m.Direction, mentioned[m.ID])
		}
		if m.Line == 0 {
			continue
		}
		thread := casecore.ThreadKey(m.Channel, m.Customer())
		if lines[thread] == nil {
			lines[thread] = map[int64]bool{}
		}
		if lines[thread][m.Line] {
			b.t.Errorf("two messages are at line %d of a thread", m.Line)
		}
		lines[thread][m.Line] = true
	}
	for _, thread := range lines {
		for n := range int64(len(thread)) {
			if !thread[n+1] {
				b.t.Errorf("a thread of %d lines has no line %d", len(thread), n+1)
			}
		}
	}
	for _, c := range b.cases {
		if c.Messages != count[c.ID] {
			b.t.Errorf("%s counts %d messages, has %d", c.CaseNumber(), c.Messages, count[c.ID])
		}
	}
}
