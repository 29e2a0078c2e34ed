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
	"casewire/config/policy"
	"casewire/notify"
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
	b.isKept(w)
	b.isInOrder()
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
	b.isKept(w)
	b.isInOrder()
	b.isFinished(w)
}

// isKept checks that everything that was acknowledged is there, once (I1, I2, I4).
func (b *book) isKept(w *world) {
	b.t.Helper()
	inbound := 0
	for _, m := range b.messages {
		if m.Direction == casecore.In {
			inbound++
		}
	}
	for _, out := range w.messages {
		inbound -= b.keeps(out)
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

// keeps checks one message of a visitor and says how often it is there.
func (b *book) keeps(out *written) int {
	b.t.Helper()
	var found []*casecore.Message
	for _, m := range b.messages {
		if strings.HasSuffix(m.ExternalID, "|"+out.id) || m.Direction == casecore.In && m.Body.Text == out.text {
			found = append(found, m)
		}
	}
	a, acked := out.by.acked(out.id)
	switch {
	case len(found) > 1:
		b.t.Errorf("I1: %q is there %d times", out.text, len(found))
		return len(found)
	case len(found) == 1 && out.sent == 0:
		b.t.Errorf("I2: %q is there and was never sent", out.text)
	case len(found) == 0 && acked:
		b.t.Errorf("I1: %q was acknowledged as %v and is lost", out.text, a)
	}
	if len(found) == 0 {
		return 0
	}
	m := found[0]
	told := 0
	for _, e := range b.events[m.Case] {
		if e.Message == m.ID && (e.Kind == casecore.Opened || e.Kind == casecore.Received) {
			told++
		}
	}
	if told != 1 {
		b.t.Errorf("I1: %q is in %d case events, want 1", out.text, told)
	}
	if c := b.cases[a.Case]; acked && (c == nil || c.ID != m.Case || m.Line != a.Seq) {
		b.t.Errorf("I1: %q was acknowledged as %v and is at %d of case %s", out.text, a, m.Line, m.Case)
	}
	b.keepsFile(out, m)
	return 1
}

func (b *book) keepsFile(out *written, m *casecore.Message) {
	b.t.Helper()
	if out.file == nil {
		if len(m.Body.Files) != 0 {
			b.t.Errorf("%q has files that nobody sent", out.text)
		}
		return
	}
	sum := sha256.Sum256(out.file)
	want := channels.File{Name: m.Body.Files[0].Name, Type: "text/plain", Size: int64(len(out.file)), Blob: hex.EncodeToString(sum[:])}
	if len(m.Body.Files) != 1 || m.Body.Files[0] != want || !b.files[want.Blob] {
		b.t.Errorf("I5: %q came with %+v, want %+v", out.text, m.Body.Files, want)
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

// isFinished checks that nothing waits for anything any more: all that was sent
// is acknowledged, all that should be told is told, once, and recorded (I2, I3).
func (b *book) isFinished(w *world) {
	b.t.Helper()
	for _, out := range w.messages {
		if _, ok := out.by.acked(out.id); !ok {
			b.t.Errorf("I2: %q was never acknowledged", out.text)
		}
	}
	for _, c := range b.cases {
		for _, e := range b.events[c.ID] {
			if len(e.Pending) > 0 {
				b.t.Errorf("I3: event %d (%s) of %s still waits for %q", e.Seq, e.Kind, c.CaseNumber(), e.Pending)
			}
			if e.Kind == casecore.Undelivered {
				b.t.Errorf("I3: %s: message %s is undelivered: %s", c.CaseNumber(), e.Message, e.To)
			}
		}
	}
	b.isTold(w)
	notices := map[string]int{}
	for _, n := range b.notices {
		notices[n.Message]++
		if n.State != notify.Read || n.Attempts < 1 {
			b.t.Errorf("I3: notice of %q to %s is %s after %d attempts, want read", n.Template, n.CaseNumber, n.State, n.Attempts)
		}
	}
	for _, m := range b.messages {
		if m.Direction != casecore.Out {
			continue
		}
		if notices[m.ID] != 1 || m.Delivery == nil || m.Delivery.State != channels.Read || len(m.Delivery.Attempts) == 0 {
			b.t.Errorf("I3: message %s has %d notices and %+v, want one that was read", m.ID, notices[m.ID], m.Delivery)
		}
		shown := 0
		for _, v := range w.visitors {
			v.mu.Lock()
			if l, ok := v.thread[m.Line]; ok && l.Text == m.Body.Text && b.cases[l.Case].ID == m.Case {
				shown++
			}
			v.mu.Unlock()
		}
		if shown != 1 {
			b.t.Errorf("I3: message %s at line %d was shown to %d visitors, want 1", m.ID, m.Line, shown)
		}
	}
}

// isTold checks that each event has the notices that the policy asks for (N1).
func (b *book) isTold(w *world) {
	b.t.Helper()
	pol, err := policy.Load("default.yaml", policy.Default(), 1)
	if err != nil {
		b.t.Fatal(err)
	}
	due := 0
	for _, c := range b.cases {
		for _, e := range b.events[c.ID] {
			templates := []string{}
			if e.Kind == casecore.Answered {
				templates = append(templates, "")
			}
			for _, p := range pol.Notify.Plan(e) {
				templates = append(templates, p.Template)
			}
			for _, template := range templates {
				due++
				if b.notices[notify.NoticeID(e.ID, c.To.Key(), template)] == nil {
					b.t.Errorf("I3: event %d (%s %s) of %s has no notice %q", e.Seq, e.Kind, e.To, c.CaseNumber(), template)
				}
			}
		}
	}
	if due != len(b.notices) || due == 0 {
		b.t.Errorf("I3: %d notices for %d that are due", len(b.notices), due)
	}
}
