package email

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"casewire/channels"
	"casewire/channels/email/inbox"
	"casewire/channels/email/mime"
)

// take makes of a fetched mail what is handed over. Every mail becomes an Inbound:
// one that cannot be read is handed over flagged, with its raw form (E3, F16). An
// error is one of the house, and the mail comes again.
func (d *Door) take(ctx context.Context, m *inbox.Mail, in channels.Sink) (inbox.Parcel, error) {
	mail, why, err := d.parse(ctx, m)
	if err != nil {
		return inbox.Parcel{}, err
	}
	if mail != nil && d.isRoundTrip(mail.MessageID) {
		return inbox.Parcel{}, nil
	}
	var msg channels.Inbound
	var receipt *channels.Receipt
	if mail == nil {
		if msg, err = d.unread(m, why); err != nil {
			return inbox.Parcel{}, err
		}
	} else {
		msg = d.inbound(mail, m)
		receipt = d.receipt(mail, &msg)
	}
	msg.Received = d.env.Now()
	if !m.Arrived.IsZero() && m.Arrived.Before(msg.Received) {
		msg.Received = m.Arrived
	}
	if m.Fetched {
		msg.Source = m.Open
	}
	p := &parcel{d: d, in: in, msg: msg, receipt: receipt}
	return inbox.Parcel{Key: msg.From.Handle, Deliver: p.deliver}, nil
}

// errKeep is an attachment that the house did not take.
var errKeep = errors.New("keep attachment")

// parse reads a mail under a deadline. Without a mail it says why, in words; an
// error is one of the house.
func (d *Door) parse(ctx context.Context, m *inbox.Mail) (mail *mime.Mail, why string, err error) {
	switch {
	case !m.Fetched:
		return nil, m.Fault, nil
	case m.Suspect:
		return nil, "casewire ended several times while it read this mail", nil
	}
	reading, cancel := context.WithTimeout(ctx, d.cfg.Limits.ReadTime)
	defer cancel()
	type result struct {
		mail *mime.Mail
		err  error
	}
	done := make(chan result, 1)
	// A reader that hangs cannot be stopped, only left behind: the next mail matters
	// more than the goroutine.
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{err: errPanic}
			}
			done <- r
		}()
		r.mail, r.err = d.read(reading, m, d.keeper(reading), d.limits())
	}()
	var r result
	select {
	case r = <-done:
	case <-reading.Done():
		select { // one that obeys its context is waited for
		case r = <-done:
		case <-time.After(time.Second):
			r.err = context.DeadlineExceeded
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case r.err == nil:
		return r.mail, "", nil
	case reading.Err() != nil:
		return nil, "reading it took too long", nil
	case errors.Is(r.err, errKeep):
		return nil, "", r.err
	case errors.Is(r.err, errPanic):
		return nil, "it made the program stumble", nil
	}
	d.log.WarnContext(ctx, "a mail could not be read", "err", r.err)
	return nil, "it could not be read", nil
}

var errPanic = errors.New("panic while reading")

func readMail(ctx context.Context, raw *inbox.Mail, keep mime.Keeper, l mime.Limits) (*mime.Mail, error) {
	r, err := raw.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return mime.Read(ctx, r, keep, l)
}

// keeper stores attachments in the house.
func (d *Door) keeper(ctx context.Context) mime.Keeper {
	return func(name, _ string, r io.Reader, limit int64) (channels.File, error) {
		f, err := d.env.Files.Put(ctx, name, r, limit)
		if err != nil && !errors.Is(err, channels.ErrTooLarge) {
			return f, fmt.Errorf("%w: %w", errKeep, err)
		}
		return f, err
	}
}

func (d *Door) limits() mime.Limits {
	l := d.cfg.Limits
	return mime.Limits{
		Bytes: l.MailBytes, Depth: l.Depth, Parts: l.Parts, HeaderBytes: l.HeaderBytes, TextBytes: l.TextBytes,
		FileBytes: l.FileBytes, Files: l.Files,
	}
}

// unread is the Inbound of a mail of which there is the raw form at most.
func (d *Door) unread(m *inbox.Mail, why string) (channels.Inbound, error) {
	d.count.broken.Add(1)
	id := fmt.Sprintf("%s\x00%d\x00%d", m.Folder, m.Validity, m.UID)
	var g glimpse
	if m.Fetched {
		sum := sha256.New()
		r, err := m.Open()
		if err != nil {
			return channels.Inbound{}, err
		}
		defer r.Close()
		head := &first{room: glimpseBytes}
		if _, err := io.Copy(io.MultiWriter(sum, head), r); err != nil {
			return channels.Inbound{}, fmt.Errorf("read mail again: %w", err)
		}
		id = "raw\x00" + hex.EncodeToString(sum.Sum(nil))
		g = look(head.b)
	}
	msg := channels.Inbound{
		Channel: d.env.ID, ExternalID: d.name(id), Copy: nameOf("", id), From: channels.Address{Kind: channels.Email, Handle: g.from, Name: g.name},
		Topic: mime.Canonical(g.subject), Broken: why,
		Body: channels.Body{
			Subject: g.subject,
			Text:    "This mail could not be read: " + strings.TrimSuffix(why, ".") + ".",
		},
	}
	if !m.Fetched {
		msg.Copy = ""
	}
	if g.id != "" {
		msg.Refs = []string{g.id}
	}
	if g.from == "" {
		msg.From.Handle = nobody(msg.ExternalID)
	}
	if d.ours[plainAddress(g.from)] {
		msg.Auto, msg.Facts = true, map[string]string{factAuto: "loop"}
	}
	return msg, nil
}

// nobody is the sender of a mail that names none: an address that cannot be written
// to, and another one for each mail, so that strangers do not become one customer.
func nobody(externalID string) string { return "unknown-" + externalID[:12] + nowhere }

// nowhere is no domain of anybody's, and never will be (RFC 2606).
const nowhere = "@invalid"

func isNobody(addr string) bool { return strings.HasSuffix(strings.ToLower(addr), nowhere) }

// name is how a mail is known on this channel (E4): in whichever folder it lies.
func (d *Door) name(id string) string { return nameOf(strings.ToLower(d.cfg.Address), id) }

func nameOf(mailbox, id string) string {
	sum := sha256.Sum256([]byte(mailbox + "\x00" + id))
	return hex.EncodeToString(sum[:20])
}

// parcel is a mail on its way to the house.
type parcel struct {
	d       *Door
	in      channels.Sink
	msg     channels.Inbound
	receipt *channels.Receipt
	fails   int
}

// patience is how often the house may refuse a mail while it takes other things,
// before the mail is handed over reduced to what cannot be refused.
const patience = 12

// deliver reports a bounce and then stores the mail with the cursor.
func (p *parcel) deliver(ctx context.Context, cursor []byte) error {
	d := p.d
	if p.receipt != nil {
		if err := p.in.Receipt(ctx, *p.receipt); err != nil {
			if p.refused(ctx) {
				p.receipt = nil // the mail itself still says it
			}
			return fmt.Errorf("report a bounce: %w", err)
		}
	}
	d.check("email.before-store")
	p.msg.Cursor = cursor
	if err := p.in.Message(ctx, p.msg); err != nil {
		if p.refused(ctx) {
			p.reduce()
		}
		return err
	}
	d.check("email.after-store")
	d.count.messages.Add(1)
	if p.msg.Auto {
		d.count.automatic.Add(1)
	}
	if p.receipt != nil {
		d.count.bounces.Add(1)
	}
	return nil
}

// refused counts a refusal and says whether it must be the mail's own fault.
func (p *parcel) refused(ctx context.Context) bool {
	p.fails++
	return p.fails >= p.d.patience && ctx.Err() == nil && p.d.env.State.Save(ctx, "alive", []byte("1"), time.Hour) == nil
}

// reduce leaves of a mail, which the house refuses time and again while it takes
// other things, who wrote it and its raw form.
func (p *parcel) reduce() {
	if p.msg.Broken != "" && p.msg.Body.HTML == "" && p.msg.Body.Files == nil && p.msg.Body.Quoted == "" {
		return
	}
	p.d.count.reduced.Add(1)
	p.msg.Broken = strings.TrimSpace(p.msg.Broken + " It could not be stored as it is.")
	p.msg.Body = channels.Body{Subject: clip(p.msg.Body.Subject, 200), Text: clip(p.msg.Body.Text, 2000)}
	if p.msg.Body.Text == "" {
		p.msg.Body.Text = "This mail could not be stored as it is."
	}
	p.msg.To = nil
	if auto := p.msg.Facts[factAuto]; auto != "" {
		p.msg.Facts = map[string]string{factAuto: auto}
	}
}
