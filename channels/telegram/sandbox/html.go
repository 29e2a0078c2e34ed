package sandbox

import (
	"html"
	"strings"
	"unicode/utf16"
)

// tags are those that parse_mode HTML knows.
var tags = map[string]bool{
	"b": true, "strong": true, "i": true, "em": true, "u": true, "ins": true, "s": true, "strike": true,
	"del": true, "span": true, "tg-spoiler": true, "a": true, "tg-emoji": true, "code": true, "pre": true, "blockquote": true,
}

// parseHTML returns the text without its tags, or why it cannot be parsed.
func parseHTML(src string) (string, *fault) {
	var out strings.Builder
	var open []string
	for i := 0; i < len(src); {
		switch src[i] {
		case '<':
			end := strings.IndexByte(src[i:], '>')
			if end < 0 {
				return "", bad("can't parse entities: Unclosed start tag at byte offset %d", i)
			}
			inner := src[i+1 : i+end]
			if name, ok := strings.CutPrefix(inner, "/"); ok {
				if len(open) == 0 {
					return "", bad("can't parse entities: Unexpected end tag at byte offset %d", i)
				}
				last := open[len(open)-1]
				if name != "" && name != last {
					return "", bad("can't parse entities: Unmatched end tag at byte offset %d, expected \"</%s>\", found \"</%s>\"", i, last, name)
				}
				open = open[:len(open)-1]
			} else {
				name, _, _ := strings.Cut(inner, " ")
				if !tags[strings.ToLower(name)] {
					return "", bad("can't parse entities: Unsupported start tag %q at byte offset %d", name, i)
				}
				open = append(open, strings.ToLower(name))
			}
			i += end + 1
		case '&':
			end := strings.IndexByte(src[i:], ';')
			if end > 0 && end < 10 {
				if text, ok := entity(src[i : i+end+1]); ok {
					out.WriteString(text)
					i += end + 1
					continue
				}
			}
			out.WriteByte('&')
			i++
		default:
			out.WriteByte(src[i])
			i++
		}
	}
	if len(open) > 0 {
		return "", bad("can't parse entities: Can't find end tag corresponding to start tag %q", open[len(open)-1])
	}
	return out.String(), nil
}

// entity decodes the four named entities that Telegram knows, and numbers.
func entity(s string) (string, bool) {
	switch s {
	case "&lt;", "&gt;", "&amp;", "&quot;":
		return html.UnescapeString(s), true
	}
	if strings.HasPrefix(s, "&#") {
		return html.UnescapeString(s), true
	}
	return "", false
}

// units is the length of a text as Telegram counts it.
func units(s string) int { return len(utf16.Encode([]rune(s))) }
