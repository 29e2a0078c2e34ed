package mime

import (
	"bytes"
	"html"
	"io"
	"regexp"
	"strings"

	"casewire/channels"
)

// rendition is what a part has to say, in the forms it says it.
type rendition struct {
	plain string
	html  string
	late  bool // stood behind the end of a multipart
}

// asText returns the plain text, or the HTML's when there is none.
func (r rendition) asText() string {
	if strings.TrimSpace(r.plain) != "" || r.html == "" {
		return r.plain
	}
	return htmlText(r.html)
}

func (r rendition) empty() bool { return r.html == "" && strings.TrimSpace(r.plain) == "" }

// combine makes one rendition of a multipart's parts: of alternatives the last of
// each form, of others all, one below the other (E14).
func combine(multipart string, parts []rendition) rendition {
	var some []rendition
	for _, r := range parts {
		if !r.empty() {
			some = append(some, r)
		}
	}
	if multipart != "multipart/alternative" {
		return stack(some)
	}
	var best rendition
	var late []rendition
	for _, r := range some {
		if r.late {
			late = append(late, r)
			continue
		}
		if strings.TrimSpace(r.plain) != "" {
			best.plain = r.plain
		}
		if r.html != "" {
			best.html = r.html
		}
	}
	if len(late) == 0 {
		return best
	}
	return stack(append([]rendition{best}, late...))
}

// stack puts the parts below each other. The HTML only exists when a part has
// some, and then holds the others as text.
func stack(parts []rendition) rendition {
	switch len(parts) {
	case 0:
		return rendition{}
	case 1:
		return rendition{plain: parts[0].plain, html: parts[0].html}
	}
	var plain, markup []string
	rich := false
	for _, r := range parts {
		rich = rich || r.html != ""
	}
	for _, r := range parts {
		plain = append(plain, strings.Trim(r.asText(), "\n"))
		if rich && r.html != "" {
			markup = append(markup, r.html)
		} else if rich {
			markup = append(markup, "<div>"+strings.ReplaceAll(html.EscapeString(strings.Trim(r.plain, "\n")), "\n", "<br>\n")+"</div>")
		}
	}
	return rendition{plain: strings.Join(plain, "\n\n"), html: strings.Join(markup, "\n")}
}

const longText = "The text is longer than the limit; only its beginning was kept."

// leaf reads a part that has no parts.
func (p *parser) leaf(h header, ct content, at place) rendition {
	dec, known := transferDecoder(h.token("Content-Transfer-Encoding"))
	if !known {
		p.breaks("A part has a transfer encoding that is not known; it was kept as it stands.")
	}
	disposition := parseContent(h.get("Content-Disposition"))
	switch {
	case p.isReportPart(ct.value, at):
		return p.readStatus(dec)
	case at.parent == "multipart/alternative" && skipped[ct.value]:
		p.skip()
		return rendition{}
	case isBody(ct, disposition, at):
		return p.words(ct, dec)
	}
	p.noteSealed(ct, at)
	p.attach(h, ct, disposition, at, dec)
	return rendition{}
}

// skipped are alternatives made for other devices from the same text.
var skipped = map[string]bool{"text/x-amp-html": true, "text/watch-html": true}

// isBody says whether a part is text to read rather than a file.
func isBody(ct, disposition content, at place) bool {
	switch ct.value {
	case "", "text/plain", "text/html":
	case "text/enriched", "text/richtext", "text/markdown", "text/unknown":
		if at.parent != "" {
			return false
		}
	default:
		return false
	}
	if at.parent == "" {
		return true // there is nothing else to read
	}
	if disposition.value == "attachment" {
		return false
	}
	named := fileName(ct, disposition) != ""
	// Some programs name the body itself.
	return !named || at.ordinal == 0 && disposition.value == "" || at.parent == "multipart/alternative"
}

var documentStart = regexp.MustCompile(`(?i)^\s*(<!doctype\s+html|<html[\s>])`)

// words reads a text part.
func (p *parser) words(ct content, dec decoder) rendition {
	t := p.text(ct, dec)
	if ct.value == "text/html" || ct.value == "" && documentStart.MatchString(t.text) {
		return rendition{html: t.text}
	}
	if strings.EqualFold(ct.param("format"), "flowed") {
		t.text = unflow(t.text, strings.EqualFold(ct.param("delsp"), "yes"))
	}
	return rendition{plain: t.text}
}

// text reads the rest of the part as text, within the limit, and decodes it.
func (p *parser) text(ct content, dec decoder) decoded {
	// Encoded, a character takes up to three times its bytes.
	room := int64(3**p.left(ct)) + 1024
	raw, err := io.ReadAll(io.LimitReader(p.part(identity{}), room))
	if err == nil && int64(len(raw)) == room {
		p.breaks(longText)
	}
	p.skip()
	return p.decodeBody(raw, ct, dec)
}

// left is how much more text may be read: of HTML, and of all other text.
func (p *parser) left(ct content) *int {
	if ct.value == "text/html" {
		return &p.htmlLeft
	}
	return &p.textLeft
}

// decodeBody undoes transfer encoding and charset.
func (p *parser) decodeBody(raw []byte, ct content, dec decoder) decoded {
	if _, is := dec.(*base64Decoder); is && !looksBase64(raw) {
		p.breaks("A text is not encoded as it says; it is shown as it stands.")
		dec = identity{}
	}
	if _, same := dec.(identity); !same {
		raw = decodeAll(raw, dec)
		if dec.damaged() {
			p.breaks("The encoding of a text is damaged; what could be read was kept.")
		}
	}
	label := ct.param("charset")
	if label == "" && ct.value == "text/html" {
		label = metaCharset(raw)
	}
	d := decodeText(raw, label, p.hint)
	if d.unknown {
		p.breaks("The character set of a text is not known; some characters may be wrong.")
	}
	if d.lossy {
		p.breaks("Some characters of a text could not be read.")
	}
	d.text = channels.CleanText(d.text)
	left := p.left(ct)
	if short := channels.Cut(d.text, *left); short != d.text {
		if strings.TrimSpace(d.text[len(short):]) != "" {
			p.breaks(longText)
		}
		d.text = short
	}
	*left -= len(d.text)
	return d
}

func decodeAll(raw []byte, dec decoder) []byte {
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		start := 0
		if startsLine(raw) {
			start = bytes.IndexByte(raw, '\n') + 1
		}
		n := len(raw)
		if i := bytes.IndexByte(raw[start:], '\n'); i >= 0 {
			n = start + i
			if i > 0 && raw[n-1] == '\r' {
				n--
			}
		}
		out = dec.decode(out, raw[:n])
		raw = raw[n:]
	}
	return dec.flush(out)
}

var charsetOfMeta = regexp.MustCompile(`(?i)<meta[^>]{0,200}charset\s*=\s*["']?\s*([a-z0-9_:.-]{2,40})`)

// metaCharset reads the charset that an HTML document gives itself.
func metaCharset(raw []byte) string {
	if m := charsetOfMeta.FindSubmatch(raw[:min(len(raw), 4<<10)]); m != nil {
		return string(m[1])
	}
	return ""
}
