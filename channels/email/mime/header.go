package mime

import (
	"bytes"
	"net/mail"
	"strings"
	"time"

	"golang.org/x/text/language"

	"casewire/channels"
)

// field is one header field; key is in lower case, value raw and folded.
type field struct{ key, value string }

// header keeps the fields in their order.
type header []field

// get returns the first field of the name that says something.
func (h header) get(name string) string {
	for _, v := range h.all(name) {
		if strings.TrimSpace(v) != "" {
			return v
		}
	}
	return ""
}

func (h header) all(name string) []string {
	var values []string
	for _, f := range h {
		if strings.EqualFold(f.key, name) {
			values = append(values, f.value)
		}
	}
	return values
}

func (h header) has(name string) bool { return len(h.all(name)) > 0 }

// token returns the first word of a field in lower case: "base64".
func (h header) token(name string) string {
	v := strings.ToLower(stripComments(unfold(h.get(name))))
	v, _, _ = strings.Cut(v, ";")
	return strings.Trim(v, " \t\"'")
}

const longHeader = "A header is longer than the limit; the rest of it was left out."

// header reads a header up to the empty line that ends it. A line that is none is
// taken for the beginning of the body, unless a field follows: then it belongs to
// the field before it, whose line was folded badly.
func (p *parser) header() header {
	var raw []byte
	inLine := false // the rest of a line that was longer than the buffer
	for inLine || !p.bodyFollows(len(raw) == 0) {
		line, _, ok := p.next()
		if !ok || !inLine && len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		inLine = line[len(line)-1] != '\n'
		room := p.limits.HeaderBytes - len(raw)
		if len(line) > room {
			p.breaks(longHeader)
		}
		raw = append(raw, line[:min(len(line), room)]...)
	}
	return fields(raw)
}

// fields splits a header. A line that begins no field belongs to the one above.
func fields(raw []byte) header {
	var (
		h   header
		one []byte
	)
	end := func() {
		if name, value, ok := splitField(one); ok {
			h = append(h, field{name, value})
		}
	}
	for line := range bytes.Lines(raw) {
		if line[0] != ' ' && line[0] != '\t' && isField(line) {
			end()
			one = one[:0]
		} else if line[0] != ' ' && line[0] != '\t' {
			one = append(one, ' ')
		}
		one = append(one, line...)
	}
	end()
	return h
}

// bodyFollows says whether the next line belongs to the body although no empty
// line ends the header. first says that no field was read yet.
func (p *parser) bodyFollows(first bool) bool {
	if p.hit != none {
		return false
	}
	const sight = 1000
	ahead := p.src.peek(sight)
	if len(ahead) == 0 || ahead[0] == ' ' && !first || ahead[0] == '\t' && !first {
		return false
	}
	line, rest, whole := bytes.Cut(ahead, []byte("\n"))
	if len(bytes.TrimRight(line, "\r")) == 0 || isField(line) || p.isBoundary(line) != none {
		return false
	}
	if bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From ")) {
		return false
	}
	return !whole || !isField(rest)
}

// isField says whether a line begins "Name:".
func isField(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return false
	}
	name := bytes.TrimRight(line[:colon], " \t")
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(name) > 0
}

func splitField(raw []byte) (name, value string, ok bool) {
	if !isField(raw) {
		return "", "", false
	}
	n, v, _ := bytes.Cut(raw, []byte(":"))
	return strings.ToLower(string(bytes.TrimSpace(n))), string(bytes.TrimSpace(v)), true
}

// unfold joins the lines of a value.
func unfold(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(s)
}

// stripComments removes (comments) outside of quotes.
func stripComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			if depth == 0 {
				b.WriteString(s[i : i+2])
			}
			i++
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			depth++
			continue
		case c == ')' && !quoted && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Layouts met besides those of RFC 5322, which net/mail reads.
var dateLayouts = []string{
	"Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05", "Mon, 2 Jan 2006 15:04:05 MST",
	"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Mon, 2-Jan-2006 15:04:05 -0700",
	"Mon, 2 January 2006 15:04:05 -0700", "Monday, 2 January 2006 15:04:05 -0700",
	time.RFC3339, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05",
}

// parseDate returns the zero time for what is no date.
func parseDate(s string) time.Time {
	s = strings.Join(strings.Fields(stripComments(unfold(s))), " ")
	s = strings.TrimSuffix(s, " UT")
	if t, err := mail.ParseDate(s); err == nil {
		return sane(t)
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return sane(t)
		}
	}
	return time.Time{}
}

// sane drops years that no store can write down.
func sane(t time.Time) time.Time {
	if t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// languageOf returns the first tag of a Content-Language.
func languageOf(s string) string {
	first, _, _ := strings.Cut(stripComments(unfold(s)), ",")
	const longest = 35 // RFC 5646 section 4.4.1
	tag, err := language.Parse(channels.Cut(strings.TrimSpace(first), longest))
	if err != nil || tag == language.Und {
		return ""
	}
	return tag.String()
}
