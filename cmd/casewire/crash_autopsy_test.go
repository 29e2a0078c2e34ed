package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/gorilla/websocket"

	"casewire/casecore"
	"casewire/channels"
)

// autopsy checks a copy of what the dead program has left, so that the next one
// finds it as it was.
func (w *world) autopsy() {
	w.t.Helper()
	body := filepath.Join(w.t.TempDir(), "body")
	if err := os.CopyFS(body, os.DirFS(w.data)); err != nil {
		w.t.Fatal(err)
	}
	b := openBook(w.t, body)
	b.isKept(w, false)
	b.isInOrder()
	b.isProved()
	b.isSent(w)
	b.isOwed(w)
	w.excuse(b)
	w.waiting = nil
	for number, c := range b.cases {
		if c.OnBoard() {
			w.waiting = append(w.waiting, number)
		}
	}
	slices.Sort(w.waiting)
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// end stops the program in order and checks that nothing is left to be done.
func (w *world) end() {
	w.t.Helper()
	for _, v := range w.visitors {
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		w.play(together("all is read", func(ctx context.Context, _ bool) error { return v.readAll(ctx) }))
		other, err := v.second(ctx)
		cancel()
		if err != nil {
			w.t.Fatal(err)
		}
		if f := append(v.complaints(), other.complaints()...); len(f) > 0 {
			w.t.Fatal(strings.Join(f, "\n"))
		}
		for seq, l := range v.thread {
			if !other.thread[seq].equal(l) || len(other.thread) != len(v.thread) {
				w.t.Errorf("%s sees %+v at %d, was shown %+v before", other.name, other.thread[seq], seq, l)
			}
		}
	}
	told := w.tellAll()
	w.proc.signal(syscall.SIGTERM)
	for _, v := range w.visitors {
		if code, err := v.closed(); err != nil || code != websocket.CloseServiceRestart {
			w.t.Errorf("%s is closed with %d, want 1012: come again (%v)", v.name, code, err)
		}
	}
	if code := w.proc.wait(); code != 0 {
		w.t.Errorf("stopped with %d; stderr:\n%s", code, tail(w.proc.log.String()))
	}
	w.heard()
	b := openBook(w.t, w.data)
	b.isKept(w, true)
	b.isInOrder()
	b.isProved()
	b.isSent(w)
	b.isOwed(w)
	b.isFinished(w)
	b.isAllTold(told)
}

// isKept checks that everything that was acknowledged is there, once (I1, I2, I4).
// In the end that is everything.
func (b *book) isKept(w *world, end bool) {
	b.t.Helper()
	inbound := 0
	for _, m := range b.messages {
		if m.Direction == casecore.In {
			inbound++
		}
	}
	for _, out := range w.messages {
		inbound -= b.keeps(out, end)
	}
	if inbound != 0 {
		b.t.Errorf("I2: %d messages are there that nobody wrote", inbound)
	}
	for _, o := range w.workers {
		for _, d := range o.deeds() {
			b.keepsDeed(o, d)
		}
	}
}

// keeps checks one message of a customer and says in how many it is there: an album
// may have come apart, and a picture comes after its text.
func (b *book) keeps(out *written, end bool) int {
	b.t.Helper()
	var found []*casecore.Message
	for _, m := range b.messages {
		if out.is(m) {
			found = append(found, m)
		}
	}
	a, acked := out.by.promised(out)
	b.keepsFiles(out, found, end)
	told := found[:0:0]
	for _, m := range found {
		b.isInOneEvent(out, m)
		if m.Body.Text == out.text || m.Body.Text == out.final() {
			told = append(told, m)
		}
	}
	switch {
	case len(told) > 1:
		b.t.Errorf("I1: %q is there %d times", out.text, len(told))
	case len(found) > 0 && out.sent == 0:
		b.t.Errorf("I2: %q is there and was never sent", out.text)
	case len(told) == 0 && (acked || end):
		b.t.Errorf("I1: %q was acknowledged as %v and is lost", out.text, a)
	}
	if len(told) != 1 {
		return len(found)
	}
	m := told[0]
	if out.edit != "" && (acked || end) && (m.Body.Text != out.edit || len(m.Versions) != 1 || m.Versions[0].Body.Text != out.text) {
		b.t.Errorf("I1: %q was edited and says %q after %d versions", out.text, m.Body.Text, len(m.Versions))
	}
	if c := b.cases[a.Case]; a.Case != "" && acked && (c == nil || c.ID != m.Case || m.Line != a.Seq) {
		b.t.Errorf("I1: %q was acknowledged as %v and is at %d of case %s", out.text, a, m.Line, m.Case)
	}
	return len(found)
}

// isInOneEvent checks that a message, and an edit of it, caused one event each.
func (b *book) isInOneEvent(out *written, m *casecore.Message) {
	b.t.Helper()
	came, revised, rung := 0, 0, 0
	for _, e := range b.events[m.Case] {
		switch {
		case e.Message != m.ID:
		case e.Kind == casecore.Opened || e.Kind == casecore.Received:
			came++
		case e.Kind == casecore.Revised:
			revised++
		case e.Kind == casecore.CallTaken:
			rung++
		}
	}
	if rung > 1 || out.rung && rung == 0 {
		b.t.Errorf("I1: it is told %d times how the call %s ended, want once", rung, m.ExternalID)
	}
	if came != 1 || revised > 1 || revised == 1 && out.edit == "" {
		b.t.Errorf("I1: %q is in %d case events and %d edits, want 1", out.text, came, revised)
	}
}

// keepsFiles checks that the files of a message are there once each. Those that a
// door fetches afterwards may be missing before the end.
func (b *book) keepsFiles(out *written, found []*casecore.Message, end bool) {
	b.t.Helper()
	var got []channels.File
	for _, m := range found {
		got = append(got, m.Body.Files...)
	}
	later := out.album || out.by.address().Kind == channels.SMS
	if len(got) != len(out.files) && (len(found) > 0 && !later || end || len(got) > len(out.files)) {
		b.t.Errorf("I5: %q came with %d files, want %d", out.text, len(got), len(out.files))
	}
	for _, data := range out.files {
		sum := sha256.Sum256(data)
		blob, n := hex.EncodeToString(sum[:]), 0
		for _, f := range got {
			if f.Blob == blob && f.Size == int64(len(data)) && strings.HasPrefix(f.Type, "text/plain") && b.files[blob] {
				n++
			}
		}
		if n > 1 || n == 0 && (len(found) > 0 && !later || end) {
			b.t.Errorf("I5: a file of %q is there %d times in %+v, want once", out.text, n, got)
		}
	}
}

// keepsDeed checks one acknowledged write of an operator (I4).
func (b *book) keepsDeed(o *worker, d deed) {
	b.t.Helper()
	c := b.cases[d.number]
	if c == nil {
		b.t.Errorf("case %s is lost", d.number)
		return
	}
	if c.Version < d.version {
		b.t.Errorf("I4: %s is at version %d, %s was told %d", d.number, c.Version, o.login, d.version)
	}
	n := 0
	for _, e := range b.events[c.ID] {
		if d.is(e) {
			n++
		}
	}
	if n != 1 {
		b.t.Errorf("I4: %s of %s by %s (%q) is in %d events, want 1", d.verb, d.number, o.login, d.text+d.to, n)
	}
	if d.message == "" {
		return
	}
	same := 0
	for _, m := range b.messages {
		if m.Body.Text == d.text {
			same++
		}
	}
	if m := b.messages[d.message]; same != 1 || m == nil || m.Body.Text != d.text || m.Author != d.by {
		b.t.Errorf("I4: %q of %s is there %d times, want once as %s", d.text, o.login, same, d.message)
	}
}

// is says whether an event is that of the deed.
func (d deed) is(e *casecore.Event) bool {
	if e.Actor != d.by {
		return false
	}
	switch d.verb {
	case "claim":
		return e.Kind == casecore.Claimed && e.ClaimNo == d.claimNo && e.To == d.by
	case "release":
		return e.Kind == casecore.Released && e.ClaimNo == d.claimNo && e.From == d.by
	case "status":
		return e.Kind == casecore.Moved && e.To == d.to
	case "messages":
		return e.Kind == casecore.Answered && e.Message == d.message
	case "notes":
		return e.Kind == casecore.Noted && e.Message == d.message
	}
	return false
}
