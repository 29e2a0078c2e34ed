package telegram

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Most UTF-16 units of a text and of a caption, once entities are parsed (T6).
const (
	textUnits    = 4096
	captionUnits = 1024
)

// units is the length of a text as Telegram counts it.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += width(r)
	}
	return n
}

func width(r rune) int {
	if r > 0xffff {
		return 2 // a surrogate pair
	}
	return 1
}

// segments cuts a text into parts of at most limit units: after a paragraph where
// it can, else after a line, a sentence or a word, and through a word only when it
// is longer than a part. A mark that belongs to the character before it stays
// there. Spaces at the cuts are dropped; a blank text has no parts.
func segments(text string, limit int) []string {
	var out []string
	for text = strings.TrimSpace(text); text != ""; {
		head := prefix(text, limit)
		if len(head) < len(text) {
			head = head[:cutAt(head, text[len(head):])]
		}
		out = append(out, strings.TrimRightFunc(head, unicode.IsSpace))
		text = strings.TrimLeftFunc(text[len(head):], unicode.IsSpace)
	}
	return out
}

// prefix returns the longest beginning of at most limit units.
func prefix(s string, limit int) string {
	n := 0
	for i, r := range s {
		if n += width(r); n > limit {
			return s[:i]
		}
	}
	return s
}

// cutAt returns where to cut a head that rest follows.
func cutAt(head, rest string) int {
	for _, sep := range []string{"\n\n", "\n", ". ", "! ", "? "} {
		if i := strings.LastIndex(head, sep); i >= len(head)/2 {
			return i + len(sep)
		}
	}
	next, _ := utf8.DecodeRuneInString(rest)
	if unicode.IsSpace(next) {
		return len(head)
	}
	if i := strings.LastIndexFunc(head, unicode.IsSpace); i > 0 {
		return i
	}
	return whole(head, next)
}

// whole returns the last place in head that is not inside a character made of
// several: an accent, a flag, a family joined by zero-width joiners.
func whole(head string, next rune) int {
	const most = 64 // bytes to look back
	for i := len(head); i > 0 && i > len(head)-most; {
		r, size := utf8.DecodeLastRuneInString(head[:i])
		if together := clings(next) || r == joiner || ofFlag(next) && ofFlag(r); !together {
			return i
		}
		next, i = r, i-size
	}
	return len(head)
}

const joiner = '\u200d'

// clings says that a rune is drawn with the one before it.
func clings(r rune) bool {
	return r == joiner || unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc) || r >= 0x1f3fb && r <= 0x1f3ff
}

func ofFlag(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// markup returns text in Telegram's HTML with each mention of what is bold
// marked, as long as that is at most a hundred times (Telegram reads no more).
func markup(text, bold string) string {
	if bold == "" {
		return escape.Replace(text)
	}
	var b strings.Builder
	for n := 0; ; n++ {
		before, after, found := strings.Cut(text, bold)
		b.WriteString(escape.Replace(before))
		if !found {
			return b.String()
		}
		if n < 100 {
			b.WriteString("<b>" + escape.Replace(bold) + "</b>")
		} else {
			b.WriteString(escape.Replace(bold))
		}
		text = after
	}
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
