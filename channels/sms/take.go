package sms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"casewire/channels"
)

// ours says that a message was sent to this channel: to one of its numbers, or
// through its messaging service. A channel that names neither takes all of the
// account's.
func (d *Door) ours(m arrival) bool {
	switch {
	case slices.Contains(d.own, m.to):
		return true
	case d.cfg.MessagingService != "":
		return m.service == d.cfg.MessagingService
	}
	return len(d.own) == 0 && e164(m.to)
}

// take hands a message to the house, or obeys the command it is. nil means that it
// is stored; reply is then to be sent back, unless empty.
func (d *Door) take(ctx context.Context, in channels.Sink, m arrival) (reply string, err error) {
	handle := sender(m.from, d.cfg.DefaultRegion)
	c := command{}
	if m.files == 0 {
		c = commandOf(m.optOut, m.body)
	}
	if c.order == orderYes {
		if c.order, err = d.meant(ctx, handle, m); err != nil {
			return "", err
		}
	}
	switch c.order {
	case orderStop:
		err = d.stopped(ctx, in, handle, m.sid, m.at)
		if !c.known {
			reply = d.cfg.StopReply.in(c.lang)
		}
	case orderStart:
		err = d.started(ctx, in, handle, m.sid, m.at)
	case orderHelp:
		if m.optOut != "" {
			break // Twilio has answered
		}
		if reply = d.cfg.HelpReply.in(c.lang); reply == "" {
			err = d.deliver(ctx, in, handle, m)
		}
	default:
		if reply, err = d.answer(ctx, handle, m); err == nil && reply == "" {
			err = d.deliver(ctx, in, handle, m)
		}
	}
	if err == nil && (m.optOut != "" && c.order != noOrder || c.order == noOrder && reply != "") {
		err = d.noteJudged(ctx, m.sid)
	}
	if err != nil {
		return "", err
	}
	d.seen.add(m.sid)
	return reply, nil
}

// answer returns what the house answers at once to a message, empty for one that is
// to be taken in. What was missed is taken in: its webhook waits for no answer.
func (d *Door) answer(ctx context.Context, handle string, m arrival) (string, error) {
	if d.env.Answer == nil || m.missed || m.files > 0 {
		return "", nil
	}
	body, err := d.env.Answer(ctx, d.inbound(handle, m))
	if err != nil {
		return "", fmt.Errorf("ask for an answer: %w", err)
	}
	if body == nil {
		return "", nil
	}
	d.count.answers.Add(1)
	return d.cfg.write(body.Text, body.Lang), nil
}

// noteJudged remembers that a message was taken for a command: Twilio's list, which
// may bring the message again, does not say so.
func (d *Door) noteJudged(ctx context.Context, sid string) error {
	if err := d.env.State.Save(ctx, "word/"+sid, []byte("done"), remember); err != nil {
		return fmt.Errorf("remember a judged word: %w", err)
	}
	return nil
}

func (d *Door) judged(ctx context.Context, sid string) (bool, error) {
	_, err := d.env.State.Load(ctx, "word/"+sid)
	if err != nil && !errors.Is(err, channels.ErrNotFound) {
		return false, fmt.Errorf("look up a judged word: %w", err)
	}
	return err == nil, nil
}

// meant says what YES means: an opt-in from somebody who has stopped before,
// otherwise an answer to a question of ours. It says the same of a repeat.
func (d *Door) meant(ctx context.Context, handle string, m arrival) (order, error) {
	judged := "yes/" + m.sid
	if _, err := d.env.State.Load(ctx, judged); err == nil {
		return orderStart, nil
	} else if !errors.Is(err, channels.ErrNotFound) {
		return noOrder, fmt.Errorf("look up a judged word: %w", err)
	}
	since, err := d.env.State.Load(ctx, stopKey(handle))
	if errors.Is(err, channels.ErrNotFound) {
		return noOrder, nil
	}
	if err != nil {
		return noOrder, fmt.Errorf("look up an opt-out: %w", err)
	}
	if at, err := time.Parse(time.RFC3339, string(since)); err == nil && m.at.Before(at) {
		return noOrder, nil // written before the STOP
	}
	if err := d.env.State.Save(ctx, judged, []byte("start"), remember); err != nil {
		return noOrder, fmt.Errorf("remember a judged word: %w", err)
	}
	return orderStart, nil
}

// remember is how long it is known what became of single messages.
const remember = 7 * 24 * time.Hour

// stopKey is where an opt-out is remembered, without the number itself.
func stopKey(handle string) string {
	sum := sha256.Sum256([]byte(handle))
	return "stop/" + hex.EncodeToString(sum[:16])
}

// stopped shuts an address (S5). name tells repeats of the same word.
func (d *Door) stopped(ctx context.Context, in channels.Sink, handle, name string, at time.Time) error {
	err := in.Standing(ctx, channels.Standing{
		Channel: d.env.ID, ExternalID: name, Address: channels.Address{Kind: channels.SMS, Handle: handle},
		Reason: channels.Blocked, Code: "stop", At: at,
	})
	if err != nil {
		return fmt.Errorf("report an opt-out: %w", err)
	}
	if err := d.env.State.Save(ctx, stopKey(handle), []byte(at.UTC().Format(time.RFC3339)), 0); err != nil {
		return fmt.Errorf("remember an opt-out: %w", err)
	}
	d.count.stops.Add(1)
	return nil
}

// started opens an address again.
func (d *Door) started(ctx context.Context, in channels.Sink, handle, name string, at time.Time) error {
	err := in.Standing(ctx, channels.Standing{
		Channel: d.env.ID, ExternalID: name, Address: channels.Address{Kind: channels.SMS, Handle: handle},
		Open: true, Code: "start", At: at,
	})
	if err != nil {
		return fmt.Errorf("report an opt-in: %w", err)
	}
	if err := d.env.State.Forget(ctx, stopKey(handle)); err != nil && !errors.Is(err, channels.ErrNotFound) {
		return fmt.Errorf("forget an opt-out: %w", err)
	}
	d.count.starts.Add(1)
	return nil
}

// deliver hands a message over. Its files are written down first, so that they
// are not forgotten when the process ends in between.
func (d *Door) deliver(ctx context.Context, in channels.Sink, handle string, m arrival) error {
	if m.files > 0 {
		if err := d.media.add(ctx, job{SID: m.sid, From: handle, To: m.to, URLs: m.media, At: m.at}); err != nil {
			return err
		}
		d.check("sms.media_noted")
	}
	if err := in.Message(ctx, d.inbound(handle, m)); err != nil {
		return fmt.Errorf("hand over a message: %w", err)
	}
	if m.files > 0 {
		d.media.rouse()
	}
	d.count.messages.Add(1)
	return nil
}

func (d *Door) inbound(handle string, m arrival) channels.Inbound {
	msg := channels.Inbound{
		Channel: d.env.ID, ExternalID: m.sid, From: channels.Address{Kind: channels.SMS, Handle: handle},
		To:   []channels.Address{{Kind: channels.SMS, Handle: m.to}},
		Body: channels.Body{Text: clean(m.body)}, Facts: facts(m, handle), SentAt: m.at, Received: d.env.Now(),
	}
	if m.files > 0 {
		msg.Refs = []string{m.sid} // they come as a message that answers this one; nothing else does
	}
	return msg
}

// facts are what is known of a message besides: the number it was sent to, the
// country of its writer, how many files follow, and the sender as it came (S8).
func facts(m arrival, handle string) map[string]string {
	f := map[string]string{"number": m.to}
	if m.country != "" {
		f["country"] = m.country
	}
	if m.files > 0 {
		f["files"] = strconv.Itoa(m.files)
	}
	if handle != m.from {
		f["from_raw"] = clean(m.from)
	}
	return f
}

// clean makes text fit to be stored: valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "")
}

// seenRoom is how many messages are known to have come by webhook.
const seenRoom = 8192

// seen remembers the latest messages that were taken, so that the search for
// missed ones need not hand them over again. Forgetting costs a repeat.
type seen struct {
	mu    sync.Mutex
	known map[string]bool
	ring  []string
	next  int
}

func (s *seen) add(sid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[sid] {
		return
	}
	if s.known == nil {
		s.known, s.ring = make(map[string]bool), make([]string, seenRoom)
	}
	delete(s.known, s.ring[s.next])
	s.ring[s.next], s.known[sid] = sid, true
	s.next = (s.next + 1) % seenRoom
}

func (s *seen) has(sid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[sid]
}
