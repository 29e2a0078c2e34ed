package mime

import (
	"bytes"
	"slices"
	"strings"

	"casewire/channels"
)

// parser walks through a mail once, from its first byte to its last.
type parser struct {
	src    *source
	limits Limits
	keep   Keeper
	fail   error // of keep: ends the reading

	bounds []string // of the multiparts around, the innermost last; "" is not known yet
	hit    int      // which of bounds ended the current part, or none
	final  bool     // it was the closing one

	parts    int
	textLeft int // bytes of text that may still be kept
	htmlLeft int
	hint     string // the charset of the mail's header, for text that names none
	files    []channels.File
	returned string

	status   []byte // the text of a delivery status
	original header // the header of the mail that is reported on

	broken []string
}

const none = -1

// place is where a part stands.
type place struct {
	parent  string // the multipart's type, "" for the mail itself
	depth   int
	digest  bool
	ordinal int // within its multipart
}

// breaks notes, once, why the mail was not read in full.
func (p *parser) breaks(sentence string) {
	if !slices.Contains(p.broken, sentence) {
		p.broken = append(p.broken, sentence)
	}
}

// next returns the next piece of the current part; none is its end.
func (p *parser) next() (piece []byte, start, ok bool) {
	if p.hit != none || p.fail != nil {
		return nil, false, false
	}
	piece, start = p.src.next()
	if len(piece) == 0 {
		return nil, false, false
	}
	if start {
		if p.hit = p.isBoundary(piece); p.hit != none {
			return nil, false, false
		}
	}
	return piece, start, true
}

// isBoundary says which of the boundaries a line is, the innermost first: the end
// of an outer part ends those within it.
func (p *parser) isBoundary(line []byte) int {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return none
	}
	line = bytes.TrimRight(line[2:], " \t\r\n")
	for i := len(p.bounds) - 1; i >= 0; i-- {
		b := p.bounds[i]
		if b == "" {
			continue
		}
		rest, ok := bytes.CutPrefix(line, []byte(b))
		if ok && (len(rest) == 0 || string(rest) == "--") {
			p.final = len(rest) > 0
			return i
		}
	}
	return none
}

// drain reads on to the end of the mail, whatever boundaries follow.
func (p *parser) drain() {
	p.bounds, p.hit = nil, none
	for {
		if _, _, ok := p.next(); !ok {
			return
		}
	}
}

// skip reads on to the end of the current part.
func (p *parser) skip() {
	for {
		if _, _, ok := p.next(); !ok {
			return
		}
	}
}

// entity reads one part, whose header is h, up to its boundary.
func (p *parser) entity(h header, at place) rendition {
	ct := h.contentType()
	switch {
	case ct.value == "" && at.digest:
		ct.value = "message/rfc822"
	case ct.value == "" && at.parent == "" && p.looksMultipart():
		ct.value = "multipart/mixed"
	}
	if strings.HasPrefix(ct.value, "multipart/") {
		if at.depth < p.limits.Depth {
			return p.multipart(ct, at)
		}
		p.breaks("The mail has parts within parts beyond the limit; those were kept as a file.")
		ct.value = "application/octet-stream"
	}
	return p.leaf(h, ct, at)
}

// looksMultipart finds a multipart whose header was lost.
func (p *parser) looksMultipart() bool {
	line, rest, ok := bytes.Cut(p.src.peek(200), []byte("\n"))
	return ok && p.hit == none && bytes.HasPrefix(line, []byte("--")) && isContentField(rest)
}

// contentField is the longest that a field which tells of a part begins, in bytes.
const contentField = 64

// isContentField says that text begins with such a field: its name and the colon.
func isContentField(text []byte) bool {
	const prefix = "Content-"
	if len(text) < len(prefix) || !strings.EqualFold(string(text[:len(prefix)]), prefix) {
		return false
	}
	name, _, ok := bytes.Cut(text[len(prefix):min(len(text), contentField)], []byte(":"))
	return ok && len(name) > 0 && !bytes.ContainsAny(name, "\r\n")
}

const cutOff = "The mail ends before its last part is complete; something may be missing."

// multipart reads the parts between boundaries. Where the boundary is missing or
// another than was announced, the first line that looks like one is taken. When
// there is none at all, everything is text.
func (p *parser) multipart(ct content, at place) rendition {
	me := len(p.bounds)
	p.bounds = append(p.bounds, strings.TrimRight(ct.param("boundary"), " "))
	defer func() { p.bounds = p.bounds[:me] }()
	preamble := p.preamble(me)
	if p.hit != me {
		if p.hit == none {
			p.breaks(cutOff)
		}
		if len(bytes.TrimSpace(preamble)) > 0 {
			p.breaks("The mail announces several parts but has none that can be found; it is shown as text.")
		}
		return rendition{plain: p.decodeBody(preamble, content{value: "text/plain"}, identity{}).text}
	}
	var parts []rendition
	closed, ends := false, 0
	inner := place{parent: ct.value, depth: at.depth + 1, digest: ct.value == "multipart/digest"}
	for p.hit == me {
		p.hit = none
		if p.final {
			closed = true
			if ends++; ends > p.limits.Parts {
				p.leaveOut()
				break
			}
			if text := p.epilogue(); strings.TrimSpace(text) != "" {
				parts = append(parts, rendition{plain: text, late: true})
			}
			continue
		}
		if p.parts++; p.parts > p.limits.Parts {
			p.breaks("The mail has more parts than the limit; the rest was left out.")
			p.leaveOut()
			closed = true
			break
		}
		closed = false
		parts = append(parts, p.entity(p.header(), inner))
		p.skip()
		inner.ordinal++
	}
	if p.hit == none && !closed {
		p.breaks(cutOff)
	}
	return combine(ct.value, parts)
}

// leaveOut reads past everything that follows, to the end of the mail.
func (p *parser) leaveOut() {
	bounds := p.bounds
	p.drain()
	p.bounds = bounds
}

// preamble reads up to the first boundary of multipart me, and returns what it
// passed, within the limit of text.
func (p *parser) preamble(me int) []byte {
	var text []byte
	for {
		piece, start, ok := p.next()
		if !ok {
			return text
		}
		if start && len(piece) > 3 && len(piece) < 200 && bytes.HasPrefix(piece, []byte("--")) {
			guess := string(bytes.TrimRight(piece[2:], " \t\r\n"))
			if guess != "" && isContentField(p.src.peek(contentField)) {
				p.bounds[me], p.hit, p.final = guess, me, false
				return text
			}
		}
		if room := p.textLeft - len(text); room > 0 {
			text = append(text, piece[:min(len(piece), room)]...)
		}
	}
}

// epilogue reads what follows a multipart's end: footers that servers append, and
// parts behind a closing boundary that came too early.
func (p *parser) epilogue() string {
	return p.text(content{value: "text/plain"}, identity{}).text
}
