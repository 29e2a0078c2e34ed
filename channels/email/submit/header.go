package submit

import (
	"encoding/base64"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"
)

// header is the header of a mail or of a part, in the order of its calls. Whatever
// a value holds, it stays one field.
type header struct{ b strings.Builder }

const (
	softLine  = 76  // columns, where a line can be folded
	wordBytes = 45  // of text in one encoded word
	longWord  = 200 // a word without spaces is encoded, because it cannot be folded
)

// raw writes a value that is ours, folded at its spaces.
func (h *header) raw(name, value string) {
	line := name + ":"
	for word := range strings.SplitSeq(clean(value), " ") {
		if len(line)+1+len(word) > softLine && line != name+":" {
			h.b.WriteString(line + "\r\n")
			line = ""
		}
		line += " " + word
	}
	h.b.WriteString(line + "\r\n")
}

// text writes a text that people wrote.
func (h *header) text(name, value string) {
	value = strings.Join(strings.Fields(clean(value)), " ")
	if !isPlain(value) {
		value = encodeWords(value)
	}
	h.raw(name, value)
}

// token writes a value without spaces, and nothing for what is none.
func (h *header) token(name, value string) {
	if value != "" && isPlain(value) && !strings.Contains(value, " ") {
		h.raw(name, value)
	}
}

// ids writes message ids, and nothing without any.
func (h *header) ids(name string, ids ...string) {
	var out []string
	for _, id := range ids {
		if isID(id) {
			out = append(out, "<"+id+">")
		}
	}
	if len(out) > 0 {
		h.raw(name, strings.Join(out, " "))
	}
}

func (h *header) addresses(name string, a Address) {
	spec := "<" + clean(headerAddress(a.Addr)) + ">"
	if phrase := phraseOf(a.Name); phrase != "" {
		spec = phrase + " " + spec
	}
	h.raw(name, spec)
}

// param writes a value with a parameter that people wrote, after RFC 2231.
func (h *header) param(name, value, key, text string) {
	text = strings.Join(strings.Fields(clean(text)), " ")
	switch {
	case text == "":
		h.raw(name, value)
	case fitsQuoted(text):
		h.raw(name, value+"; "+key+"="+quote(text))
	default:
		h.raw(name, value+"; "+continued(key, text))
	}
}

func fitsQuoted(text string) bool { return isPlain(text) && len(text) < longWord }

// oldParam writes it in encoded words, which no standard allows there and old
// programs read.
func (h *header) oldParam(name, value, key, text string) {
	text = strings.Join(strings.Fields(clean(text)), " ")
	if text != "" && !fitsQuoted(text) {
		h.raw(name, value+"; "+key+`="`+encodeWords(text)+`"`)
		return
	}
	h.param(name, value, key, text)
}

// continued writes a parameter in pieces that fit a line.
func continued(key, text string) string {
	var b strings.Builder
	piece, n := "utf-8''", 0
	flush := func() {
		if n > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s*%d*=%s", key, n, piece)
		piece, n = "", n+1
	}
	for _, r := range text {
		escaped := escape(string(r))
		if len(piece)+len(escaped) > 50 {
			flush()
		}
		piece += escaped
	}
	flush()
	return b.String()
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// clean makes text of what may hold line ends, controls or bytes that are none.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// isPlain says whether text can stand in a header as it is.
func isPlain(s string) bool {
	if strings.Contains(s, "=?") {
		return false
	}
	word := 0
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
		if word++; s[i] == ' ' {
			word = 0
		}
		if word > longWord {
			return false
		}
	}
	return true
}

// encodeWords writes text as encoded words (RFC 2047), none of which splits a letter.
func encodeWords(s string) string {
	var words []string
	for len(s) > 0 {
		n := min(len(s), wordBytes)
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

// phraseOf writes a name before an address.
func phraseOf(name string) string {
	name = strings.Join(strings.Fields(clean(name)), " ")
	switch {
	case name == "":
		return ""
	case isPlain(name) && len(name) <= softLine:
		return quote(name)
	}
	return encodeWords(name)
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// mediaType returns a type that may stand in a header, or the one of anything.
func mediaType(s string) string {
	kind, _, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(kind, "/") || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") {
		return "application/octet-stream"
	}
	return kind
}
