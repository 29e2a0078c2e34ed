package telegram

import (
	"path"
	"strings"

	"casewire/channels"
)

// clean makes one line of what a stranger wrote, at most so many characters.
func clean(s string, limit int) string {
	s = channels.CleanLine(s)
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit])
	}
	return s
}

// maxText is how much text of one message is kept, in bytes: Telegram takes
// 4096 characters.
const maxText = 64 << 10

// cleanText keeps what a person can have meant, without blank margins.
func cleanText(s string) string {
	return strings.TrimSpace(channels.CleanText(channels.Cut(s, maxText)))
}

// fileName makes a name of a file without a path.
func fileName(s, otherwise string) string {
	if s = channels.CleanName(s); s != "" {
		return s
	}
	return otherwise
}

// extension returns the ending of a path, ".jpg", or the other one.
func extension(p, otherwise string) string {
	if e := path.Ext(p); len(e) > 1 && len(e) < 8 {
		return e
	}
	return otherwise
}
