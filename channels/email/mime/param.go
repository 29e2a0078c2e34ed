package mime

import (
	"sort"
	"strconv"
	"strings"
)

// content is a Content-Type or Content-Disposition: its value in lower case and
// the parameters as they are met.
type content struct {
	value  string
	params map[string]string
}

func (c content) param(name string) string { return c.params[name] }

func (h header) contentType() content {
	c := parseContent(h.get("Content-Type"))
	if v, ok := knownType(c.value); ok {
		c.value = v
	}
	return c
}

// knownType completes what some programs shorten, and drops what is no type.
func knownType(v string) (string, bool) {
	switch v {
	case "text", "plain":
		return "text/plain", true
	case "html":
		return "text/html", true
	}
	major, minor, ok := strings.Cut(v, "/")
	if !ok || major == "" || minor == "" || strings.ContainsFunc(v, notInType) {
		return "", true
	}
	return "", false
}

func notInType(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"<>,;`, r) }

// parseContent reads "value; name=value; ..." with whatever is wrong with it:
// missing semicolons and quotes, spaces in values, encoded words where RFC 2231
// wants percent signs.
func parseContent(s string) content {
	const longest = 16 << 10
	s = stripComments(unfold(s[:min(len(s), longest)]))
	value, rest, _ := cutParam(s)
	// "text/html charset=x": the semicolon is missing.
	if v, more, ok := strings.Cut(strings.TrimSpace(value), " "); ok && strings.Contains(more, "=") {
		value, rest = v, more+";"+rest
	}
	c := content{value: strings.ToLower(strings.TrimSpace(value)), params: map[string]string{}}
	split := map[string][]piece{}
	for rest != "" {
		var param string
		param, rest, _ = cutParam(rest)
		name, v, ok := strings.Cut(param, "=")
		if !ok {
			continue
		}
		name = strings.ToLower(strings.TrimSpace(name))
		v = unquote(strings.TrimSpace(v))
		base, n, extended, parted := splitName(name)
		if !extended && !parted {
			if _, twice := c.params[name]; !twice {
				c.params[name] = v
			}
			continue
		}
		if len(split[base]) < maxPieces {
			split[base] = append(split[base], piece{n, extended, v})
		}
	}
	for base, pieces := range split {
		c.params[base] = joinPieces(pieces)
	}
	return c
}

const maxPieces = 200

// piece is one of "filename*0*=", "filename*1=", ... (RFC 2231).
type piece struct {
	n        int
	extended bool
	value    string
}

// splitName reads the stars of a parameter's name.
func splitName(name string) (base string, n int, extended, parted bool) {
	base, stars, ok := strings.Cut(name, "*")
	if !ok {
		return name, 0, false, false
	}
	stars, extended = strings.CutSuffix(stars, "*")
	if stars == "" {
		return base, 0, true, false
	}
	n, err := strconv.Atoi(stars)
	if err != nil {
		return name, 0, false, false
	}
	return base, n, extended, true
}

// joinPieces puts the pieces together before they are decoded: a character may be
// cut between two.
func joinPieces(pieces []piece) string {
	sort.SliceStable(pieces, func(i, j int) bool { return pieces[i].n < pieces[j].n })
	var (
		raw     []byte
		charset string
		encoded bool
	)
	for i, p := range pieces {
		v := p.value
		if p.extended {
			if i == 0 {
				if parts := strings.SplitN(v, "'", 3); len(parts) == 3 {
					charset, v = parts[0], parts[2]
				}
			}
			encoded = true
			raw = append(raw, percentDecode(v)...)
			continue
		}
		raw = append(raw, v...)
	}
	if !encoded {
		return string(raw)
	}
	return decodeText(raw, charset, "").text
}

func percentDecode(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return b
}

// cutParam cuts s at the first semicolon outside of quotes. A quote that is never
// closed is none.
func cutParam(s string) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case ';':
			if !quoted {
				return s[:i], s[i+1:], true
			}
		}
	}
	if quoted {
		return strings.Cut(s, ";")
	}
	return s, "", false
}

// unquote removes quotes. A backslash only escapes quotes and itself, because
// some programs write C:\folder\file.txt.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' {
		s = strings.TrimSuffix(s[1:], `"`)
		return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s)
	}
	return strings.Trim(s, `"`)
}
