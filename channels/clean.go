package channels

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanText makes a text from outside fit to be stored and shown: valid UTF-8, no
// controls but line breaks and tabs, each line ended by \n, and none of the marks
// that turn the reading direction (E13, W6). Cleaning twice is cleaning once.
func CleanText(s string) string {
	if isPlain(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = lineEnds.Replace(s)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return '\n'
		case unicode.IsControl(r) || r == '\uFEFF' || embeds(r):
			return -1
		}
		return r
	}, s)
}

var lineEnds = strings.NewReplacer("\r\r\n", "\n", "\r\n", "\n")

// CleanLine makes one line of s that reads as it is stored: white space is single
// blanks, and nothing in it is invisible (E16).
func CleanLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if Invisible(r) {
			return -1
		}
		return r
	}, CleanText(s))
	return strings.Join(strings.Fields(s), " ")
}

// maxFileName is how many characters of a file's name are kept.
const maxFileName = 120

// CleanName makes a file's name safe to show and to save: one line, no folders,
// nothing that hides the extension. A long one keeps its extension; of one that
// has nothing in it, nothing is left.
func CleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, CleanLine(s))
	s = strings.Trim(s, " .")
	if r := []rune(s); len(r) > maxFileName {
		s = string(r[:maxFileName-10]) + "…" + string(r[len(r)-9:])
	}
	return s
}

// Cut returns at most n bytes of s, and no half character.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Invisible says whether r is a mark that is not seen and by which text can be
// made to read other than it is. The joiners that some scripts need are none.
func Invisible(r rune) bool {
	return embeds(r) || r >= '\u200B' && r <= '\u200F' && r != '\u200C' && r != '\u200D' || r == '\u061C' || r == '\u2060'
}

// embeds says whether r turns the direction of all that follows it.
func embeds(r rune) bool {
	return r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069'
}

// isPlain finds the common case fast: nothing that CleanText could change.
func isPlain(s string) bool {
	for _, r := range s {
		switch {
		case r >= ' ' && r < 0x7f, r == '\n', r == '\t', r >= 0xA0 && r < '\u2028':
		case r <= '\u2029', r == '\uFEFF', r == utf8.RuneError, embeds(r):
			return false
		}
	}
	return true
}
