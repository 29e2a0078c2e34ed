package telegram

import (
	"path"
	"strings"
	"unicode"
)

// clean makes one line of what a stranger wrote, at most so many characters: no
// controls, and nothing that turns the direction of what stands after it.
func clean(s string, limit int) string {
	s = strings.Join(strings.Fields(strings.Map(visible, strings.ToValidUTF8(s, "�"))), " ")
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit])
	}
	return s
}

func visible(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f', r == '\ufeff':
		return -1
	}
	return r
}

// maxText is how much text of one message is kept, in bytes: Telegram takes
// 4096 characters.
const maxText = 64 << 10

// cleanText keeps lines and drops what no text has.
func cleanText(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
}

// fileName makes a name of a file without a path.
func fileName(s, otherwise string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, clean(s, 120))
	s = strings.TrimLeft(s, ". ")
	if s == "" {
		return otherwise
	}
	return s
}

// extension returns the ending of a path, ".jpg", or the other one.
func extension(p, otherwise string) string {
	if e := path.Ext(p); len(e) > 1 && len(e) < 8 {
		return e
	}
	return otherwise
}
