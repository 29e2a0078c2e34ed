package webchat

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"
	"unicode/utf8"

	"casewire/channels"
)

// take answers one frame.
func (s *socket) take(data []byte) {
	r, detail := decode(data)
	if detail != "" {
		s.strike(fault(codeBadFrame, idIn(data), "%s", detail), closeAbuse)
		return
	}
	if (r.T == "hello") == s.greeted {
		detail = "t: something other than hello comes first; say hello, then wait for the welcome"
		if s.greeted {
			detail = "t: a second hello; connect again for another visitor"
		}
		s.strike(fault(codeHelloFirst, r.ID, "%s", detail), closeAbuse)
		return
	}
	ctx, cancel := context.WithTimeout(s.work, storeTime)
	defer cancel()
	switch r.T {
	case "hello":
		s.hello(ctx, r)
	case "send":
		s.send(ctx, r)
	case "choose":
		s.choose(ctx, r)
	case "read":
		s.seen(ctx, r)
	case "history":
		s.history(ctx, r)
	case "ping":
		s.answer(bareFrame{T: "pong"})
	default:
		s.strike(fault(codeUnknownType, r.ID, "unknown t %q; known: %s", short(r.T), knownTypes), closeAbuse)
	}
}

func (s *socket) address() channels.Address {
	return channels.Address{Kind: channels.WebChat, Handle: s.who.visitor.id, Name: s.who.visitor.name}
}

// hello finds out who this is and brings the client up to date (W1, W3).
func (s *socket) hello(ctx context.Context, r request) {
	if r.Channel != "" && r.Channel != s.door.name {
		s.answer(fault(codeNoChannel, r.ID, "channel: %q is not here; write %q or leave it out", short(r.Channel), s.door.name))
		s.end(closeAbuse)
		return
	}
	a, err := s.door.gate.welcome(ctx, r.Token, r.Identity)
	if err != nil {
		s.away(ctx, "visitor cannot be looked up", err)
		return
	}
	if a.expired {
		s.answer(fault(codeExpired, r.ID, "token: unknown, over or revoked; keep the one of the welcome that follows"))
		r.LastSeq = 0
	}
	if a.forged {
		s.answer(fault(codeBadIdentity, r.ID, "identity: over, or not signed with this channel's identity_secret; the visitor is a stranger"))
	}
	s.who, s.lang, s.page = a, cleanLanguage(r.Language), cleanPage(r.Page)
	// First join, then read: a line that comes in between is not missed.
	s.door.hub.join(s)
	w, at, err := s.resume(ctx, r.LastSeq)
	if err != nil {
		s.away(ctx, "thread cannot be read", err)
		return
	}
	s.greeted = true
	s.alive()
	s.queue(w, at, s.door.cfg.Times.Write/2)
}

// away tells a client that the store cannot answer, and to come again.
func (s *socket) away(ctx context.Context, what string, err error) {
	s.door.count.storeErrors.Add(1)
	s.door.log.WarnContext(ctx, "hello not answered", "cause", what, "err", err)
	s.answer(fault(codeTryAgain, "", "the store does not answer; connect again in a moment"))
	s.end(closeTryLater)
}

// resume answers a hello with what a client misses that has everything up to
// last. The welcome carries the first page, the writer sends the rest; of a very
// long thread only the newest lines are sent, and history has the others.
func (s *socket) resume(ctx context.Context, last int64) (welcomeFrame, *position, error) {
	d, to := s.door, s.address()
	w := welcomeFrame{T: "welcome", Token: s.who.token, Messages: []lineFrame{}}
	t, err := d.env.Threads.Thread(ctx, d.env.ID, to, s.lang)
	if err != nil {
		return w, nil, err
	}
	after := max(last, 0)
	if after > t.Seq { // the client has seen a future that is gone
		after, w.Truncated = 0, true
	}
	if t.Seq-after > replayMax {
		after, w.Truncated = t.Seq-replayMax, w.Truncated || after > 0
	}
	lines, err := d.env.Threads.Lines(ctx, d.env.ID, to, after, pageLength)
	if err != nil {
		return w, nil, err
	}
	at := &position{to: to, token: s.who.token, lang: s.lang, seq: after, state: t}
	for _, l := range lines {
		w.Messages = append(w.Messages, frameOf(to.Handle, l))
		at.seq = l.Seq
	}
	w.Case, w.Status, w.Open, w.Seq = t.Case, t.Status, t.Open, max(t.Seq, at.seq)
	return w, at, nil
}

// send takes a visitor's message.
func (s *socket) send(ctx context.Context, r request) {
	id, ok := s.mayWrite(r)
	if !ok {
		return
	}
	text, limits := cleanText(r.Text), s.door.cfg.Limits
	n := utf8.RuneCountInString(text)
	switch {
	case n > limits.TextRunes:
		s.answer(fault(codeTooLarge, r.ID, "text: %d characters; at most %d", n, limits.TextRunes))
		return
	case len(r.Files) > limits.Files:
		s.answer(fault(codeBadFile, r.ID, "files: %d; at most %d", len(r.Files), limits.Files))
		return
	case n == 0 && len(r.Files) == 0:
		s.answer(fault(codeEmpty, r.ID, "text, files: both are empty; write one"))
		return
	}
	if s.repeated(ctx, id, r.ID) {
		return
	}
	files, err := s.files(ctx, r.Files)
	switch {
	case errors.Is(err, channels.ErrNotFound):
		s.answer(fault(codeBadFile, r.ID, "files[%d]: no upload of this visitor; POST the file to %sfiles, it waits %.0f h", len(files), s.door.cfg.Path, uploadKeep.Hours()))
		return
	case err != nil:
		s.notStored(ctx, r.ID, err)
		return
	}
	m := s.inbound(id)
	m.Body.Text, m.Body.Files = text, files
	s.deliver(ctx, m, r.ID)
}

// choose takes the press of a button: a message that says what the button said.
func (s *socket) choose(ctx context.Context, r request) {
	id, ok := s.mayWrite(r)
	if !ok || s.repeated(ctx, id, r.ID) {
		return
	}
	d := s.door
	lines, err := d.env.Threads.Lines(ctx, d.env.ID, s.address(), r.Message-1, 1)
	if err != nil {
		s.notStored(ctx, r.ID, err)
		return
	}
	for _, l := range lines {
		if l.Seq != r.Message || l.In {
			break
		}
		for i, b := range l.Body.Buttons {
			if buttonID(i) != r.Button {
				continue
			}
			m := s.inbound(id)
			m.Body.Text = b.Label
			m.Answers = []string{l.ID}
			m.Facts["button"] = b.Data
			s.deliver(ctx, m, r.ID)
			return
		}
	}
	s.answer(fault(codeBadChoice, r.ID, "message, button: message %d has no button %q; take both from a message frame", r.Message, short(r.Button)))
}

// mayWrite checks the id and the pace of visitor and network address.
func (s *socket) mayWrite(r request) (id string, ok bool) {
	id, ok = canonicalID(r.ID)
	if !ok {
		s.strike(fault(codeBadID, r.ID, "id: not a UUID; make one for each message"), closeAbuse)
		return "", false
	}
	over, ok := s.door.messages.take(s.who.visitor.id, s.from, s.door.env.Now())
	if !ok {
		s.door.count.rateLimited.Add(1)
		f := fault(codeRateLimited, r.ID, "%s", over.detail("messages"))
		f.After = max(over.wait.Round(100*time.Millisecond), 100*time.Millisecond).Seconds()
		s.answer(f)
	}
	return id, ok
}

// externalID names a message for ever: whatever a client sends again under the
// same id is the same message, and ids of different visitors never meet (W2).
func (s *socket) externalID(id string) string { return s.who.visitor.id + "|" + id }

// repeated answers a message that is stored already with the same ack as before.
func (s *socket) repeated(ctx context.Context, id, as string) bool {
	line, err := s.door.env.Threads.Find(ctx, s.door.env.ID, s.externalID(id))
	if errors.Is(err, channels.ErrNotFound) {
		return false
	}
	if err != nil {
		s.notStored(ctx, as, err)
		return true
	}
	s.door.count.repeats.Add(1)
	s.answer(ackFrame{T: "ack", ID: as, Seq: line.Seq, Case: line.Case})
	return true
}

func (s *socket) inbound(id string) channels.Inbound {
	now := s.door.env.Now()
	m := channels.Inbound{
		Channel: s.door.env.ID, ExternalID: s.externalID(id), From: s.address(),
		SentAt: now, Received: now, Facts: map[string]string{},
	}
	m.Body.Lang = s.lang
	if s.page != "" {
		m.Facts["page"] = s.page
	}
	return m
}

// deliver hands a message to the house and acknowledges it once it is durable
// (W4). The ack is read from the store, so that a repeat gets the same.
func (s *socket) deliver(ctx context.Context, m channels.Inbound, as string) {
	d := s.door
	if !s.who.wrote {
		if err := d.gate.wrote(ctx, s.who.token); err != nil {
			s.notStored(ctx, as, err)
			return
		}
		s.who.wrote = true
	}
	if err := s.in.Message(ctx, m); err != nil {
		s.notStored(ctx, as, err)
		return
	}
	d.check("webchat.after-sink")
	line, err := d.env.Threads.Find(ctx, d.env.ID, m.ExternalID)
	if err != nil && !errors.Is(err, channels.ErrNotFound) {
		s.notStored(ctx, as, err)
		return
	}
	d.check("webchat.before-ack")
	d.count.messages.Add(1)
	// A message that was put aside has no line yet: it is stored all the same.
	s.answer(ackFrame{T: "ack", ID: as, Seq: line.Seq, Case: line.Case})
	d.hub.wake([]channels.Address{m.From})
}

// notStored asks the client to send its message again.
func (s *socket) notStored(ctx context.Context, id string, err error) {
	s.door.count.storeErrors.Add(1)
	s.door.log.WarnContext(ctx, "message not taken", "err", err)
	s.answer(fault(codeTryAgain, id, "not stored; send it again under the same id"))
}

// seen tells the house what the visitor has seen, and the visitor's other tabs (W4, W7).
func (s *socket) seen(ctx context.Context, r request) {
	d := s.door
	for s.readTo < r.Seq {
		lines, err := d.env.Threads.Lines(ctx, d.env.ID, s.address(), s.readTo, pageLength)
		if err != nil {
			s.notStored(ctx, r.ID, err)
			return
		}
		if len(lines) == 0 {
			break
		}
		for _, l := range lines {
			if l.Seq > r.Seq {
				break
			}
			if !l.In && !l.Read {
				err = s.in.Receipt(ctx, channels.Receipt{
					Channel: d.env.ID, OutboundID: l.ID, ProviderID: l.ID, State: channels.Read, At: d.env.Now(),
				})
			}
			if err != nil {
				s.notStored(ctx, r.ID, err)
				return
			}
			s.readTo = l.Seq
		}
		if lines[len(lines)-1].Seq > r.Seq {
			break
		}
	}
	note := readFrame{T: "read", Seq: s.readTo}
	d.hub.each(s.who.visitor.id, func(other *socket) {
		if other != s {
			other.offer(note)
		}
	})
}

// history sends the lines before one that the client has.
func (s *socket) history(ctx context.Context, r request) {
	d, h := s.door, historyFrame{T: "history", Messages: []lineFrame{}}
	if n := min(r.Before-1, pageLength); n > 0 {
		lines, err := d.env.Threads.Lines(ctx, d.env.ID, s.address(), r.Before-1-n, int(n))
		if err != nil {
			s.notStored(ctx, r.ID, err)
			return
		}
		for _, l := range lines {
			h.Messages = append(h.Messages, frameOf(s.who.visitor.id, l))
		}
	}
	s.answer(h)
}

// files returns the uploads with these ids, up to the first that cannot be had.
// Only the visitor's own can be found: the key names the visitor.
func (s *socket) files(ctx context.Context, ids []string) ([]channels.File, error) {
	var out []channels.File
	for _, id := range ids {
		b, err := s.door.env.State.Load(ctx, uploadKey(s.who.visitor.id, id))
		if err != nil {
			return out, err
		}
		var f channels.File
		if err := json.Unmarshal(b, &f); err != nil {
			return out, err
		}
		out = append(out, f)
	}
	return out, nil
}

// cleanPage keeps where a page is and drops what it was asked with: queries carry
// tokens and search words.
func cleanPage(s string) string {
	u, err := url.Parse(s)
	if err != nil || len(s) > 2048 || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return channels.Cut(cleanText((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()), 512)
}
