package mime

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean removes what may not be stored or shown: invalid UTF-8 becomes the
// replacement character, controls vanish, every line ends in \n (E13).
func clean(s string) string {
	if isClean(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.NewReplacer("\r\r\n", "\n", "\r\n", "\n").Replace(s)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return '\n'
		case unicode.IsControl(r) || r == '\uFEFF':
			return -1
		}
		return r
	}, s)
}

// isClean finds the common case fast: printable ASCII and line feeds.
func isClean(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// cleanLine makes one line of s that reads as it is stored: no breaks, no marks
// that turn the reading direction (E16).
func cleanLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case turns(r):
			return -1
		}
		return r
	}, clean(s))
	return strings.Join(strings.Fields(s), " ")
}

// turns says whether r is an invisible mark by which text can be made to read
// other than it is.
func turns(r rune) bool {
	return r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' ||
		r >= '\u200B' && r <= '\u200F' && r != '\u200C' && r != '\u200D' || r == '\u061C' || r == '\u2060'
}

// cut returns at most n bytes of s, and no half character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

const maxName = 120 // characters of a file's name

// cleanName makes a file's name safe to show and to save: one line, no folders,
// nothing that hides the extension. A long one keeps its extension.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, cleanLine(s))
	s = strings.Trim(s, " .")
	if r := []rune(s); len(r) > maxName {
		s = string(r[:maxName-10]) + "…" + string(r[len(r)-9:])
	}
	return s
}
