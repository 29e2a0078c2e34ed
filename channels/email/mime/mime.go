// Package mime reads a mail and always makes something readable of it, however
// it is damaged: headers, text, attachments, whether a machine wrote it, what a
// bounce reports. It does not know mailboxes, cases or our tokens, believes
// nothing that a mail says, and does not make HTML safe to show.
package mime

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"casewire/channels"
)

// Address is one address of a header. Addr has its domain in lower case and in
// letters rather than punycode, and no <>; it is empty when a header only gave a
// name.
type Address struct{ Name, Addr string }

// Limits bound what is read of one mail. What is zero has a default: 64 MB, 16
// levels, 500 parts, 256 KB for each header, 1 MB each for text and HTML, 50 MB
// for each file, and 100 files.
type Limits struct {
	Bytes       int64 // of the whole mail
	Depth       int   // of multiparts within multiparts
	Parts       int
	HeaderBytes int   // of the mail's header and of each part's
	TextBytes   int   // of Text and Quoted together, and of HTML
	FileBytes   int64 // of each attachment, decoded
	Files       int
}

func (l Limits) withDefaults() Limits {
	def(&l.Bytes, 64<<20)
	def(&l.Depth, 16)
	def(&l.Parts, 500)
	def(&l.HeaderBytes, 256<<10)
	def(&l.TextBytes, 1<<20)
	def(&l.FileBytes, 50<<20)
	def(&l.Files, 100)
	return l
}

func def[T int | int64](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// Keeper stores an attachment durably. r yields at most limit bytes; an answer of
// channels.ErrTooLarge leaves the attachment out and is no error of Read.
type Keeper func(name, mediaType string, r io.Reader, limit int64) (channels.File, error)

// Mail is what was read. Every string is valid UTF-8 without NUL.
type Mail struct {
	MessageID  string // ids have no <> and no white space (E5)
	InReplyTo  []string
	References []string
	From       []Address
	ReplyTo    []Address
	Sender     []Address
	To         []Address
	Cc         []Address
	Delivered  []string // Delivered-To, X-Original-To and Envelope-To, in their order
	ReturnPath string
	NullPath   bool // the Return-Path is <>
	Subject    string
	Date       time.Time // zero when missing or unreadable
	Lang       string    // as the sender's program says, BCP 47
	Text       string    // the sender's own words; made from HTML when there is nothing else
	Quoted     string    // the history below them (E17)
	HTML       string    // as received: not safe to show
	Files      []channels.File
	Auto       string   // "", "bounce", "vacation", "auto", "list" or "bulk" (E9)
	Loop       []string // values of X-Casewire-Loop
	Marker     string   // what looks like our markers in header and body, separated by spaces
	Report     *Report  // a delivery status notification (E12)
	Broken     []string // sentences on why it was not read in full, without content
	Digest     string   // of body and Date, and of the sender when there is no Message-ID (E4)
}

// Report is what a delivery status notification says of one recipient: the first
// that failed, or the first when none did. Action is one of "failed", "delayed",
// "delivered", "relayed" and "expanded", in lower case, or what stood there.
type Report struct {
	Recipient, Action, Status, Diagnostic, RemoteMTA string

	OriginalMessageID, OriginalEnvelopeID string

	OriginalTo []string
}

// Read reads a mail to its end and hands each attachment to keep as it comes by,
// so that memory is bounded by Limits.TextBytes and not by the mail. An error is
// one of r, ctx or keep: content is never refused, and what could not be read is
// named in Broken (E3).
func Read(ctx context.Context, r io.Reader, keep Keeper, l Limits) (*Mail, error) {
	l = l.withDefaults()
	p := &parser{src: newSource(ctx, r, l.Bytes), limits: l, keep: keep, hit: none, textLeft: l.TextBytes, htmlLeft: l.TextBytes}
	m := &Mail{}
	h := p.header()
	p.src.body = true
	p.hint = h.contentType().param("charset")
	p.readHeader(m, h)
	body := p.entity(h, place{})
	p.drain()
	if p.fail != nil {
		return nil, p.fail
	}
	if p.src.err != nil {
		return nil, fmt.Errorf("read mail: %w", p.src.err)
	}
	if p.src.over {
		p.breaks("The mail is larger than the limit; only its beginning was read.")
	}
	p.settle(m, h, body)
	return m, nil
}

// readHeader fills in what the mail's own header says.
func (p *parser) readHeader(m *Mail, h header) {
	m.MessageID = firstID(h.get("Message-ID"))
	m.InReplyTo = messageIDs(h.all("In-Reply-To"))
	m.References = messageIDs(h.all("References"))
	m.From = addresses(h.all("From"), p.hint)
	m.ReplyTo = addresses(h.all("Reply-To"), p.hint)
	m.Sender = addresses(h.all("Sender"), p.hint)
	m.To = withAddr(addresses(h.all("To"), p.hint))
	m.Cc = withAddr(addresses(h.all("Cc"), p.hint))
	for _, f := range h {
		switch f.key {
		case "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to":
			for _, a := range withAddr(addresses([]string{f.value}, p.hint)) {
				m.Delivered = append(m.Delivered, a.Addr)
			}
		case "x-casewire-loop":
			m.Loop = append(m.Loop, channels.CleanText(unfold(f.value)))
		}
	}
	m.ReturnPath, m.NullPath = returnPath(h)
	m.Subject = channels.CleanLine(decodeWords(h.get("Subject"), p.hint))
	if short := channels.Cut(m.Subject, maxSubject); short != m.Subject {
		m.Subject = short
		p.breaks("The subject is longer than the limit; only its beginning was kept.")
	}
	m.Date = parseDate(h.get("Date"))
	m.Lang = languageOf(h.get("Content-Language"))
}

const maxSubject = 2000 // bytes

// settle draws the conclusions that need the whole mail.
func (p *parser) settle(m *Mail, h header, body rendition) {
	html := body.html
	text := body.asText()
	if short := channels.Cut(html, p.limits.TextBytes); short != html {
		html = short
		p.breaks(longText)
	}
	if short := channels.Cut(text, p.limits.TextBytes); short != text {
		text = short
		p.breaks(longText)
	}
	m.HTML = html
	m.Text, m.Quoted = fold(text, forwarded(m.Subject))
	m.Files = p.settleFiles(html)
	m.Report = p.settleReport()
	m.Auto = automatic(m, h)
	m.Marker = markers(strings.Join(h.all("X-Casewire"), " "), p.returned, html, text)
	m.Digest = hex.EncodeToString(p.src.digest(digestKey(m, h)))
	m.Broken = p.broken
}

// digestKey is what tells two mails with equal bodies apart. A mail without an id
// is known by its digest alone, so that two people who write the same words must
// not become one.
func digestKey(m *Mail, h header) string {
	date := strings.TrimSpace(unfold(h.get("Date")))
	if !m.Date.IsZero() {
		date = m.Date.UTC().Format(time.RFC3339)
	}
	if m.MessageID != "" || len(m.From) == 0 {
		return date
	}
	return date + "\n" + m.From[0].Addr + "\n" + m.Subject
}
