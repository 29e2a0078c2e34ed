package mime

import (
	"regexp"
	"strings"
)

// decodeWords reads the text of a header as it is met: encoded words (RFC 2047)
// with spaces inside, without an end or cut within a character, and raw 8-bit
// text, for which hint names the mail's charset. What is no encoded word stays.
func decodeWords(s, hint string) string {
	s = unfold(s)
	if !strings.Contains(s, "=?") {
		return decodeRaw(s, hint)
	}
	var (
		b    strings.Builder
		run  []word // adjacent words, decoded together once all are known
		text int    // where the text after the last word begins
	)
	flush := func() {
		b.WriteString(decodeRun(run, hint))
		run = run[:0]
	}
	for i := 0; i < len(s); {
		w, n := parseWord(s[i:])
		if n == 0 {
			i++
			continue
		}
		// White space between two words is no text.
		if between := s[text:i]; len(run) == 0 || strings.TrimSpace(between) != "" {
			flush()
			b.WriteString(decodeRaw(between, hint))
		}
		run = append(run, w)
		i += n
		text = i
	}
	flush()
	b.WriteString(decodeRaw(s[text:], hint))
	return b.String()
}

func decodeRaw(s, hint string) string { return decodeText([]byte(s), "", hint).text }

// word is one encoded word; text is still encoded.
type word struct {
	charset string
	base64  bool
	text    string
}

var wordStart = regexp.MustCompile(`=\?[A-Za-z0-9_.:*-]{2,40}\?[bBqQ]\?`)

// parseWord reads the encoded word that s begins with and returns its length, 0
// when there is none.
func parseWord(s string) (word, int) {
	const longest = 8 << 10 // far more than the 75 allowed: some never split
	if !strings.HasPrefix(s, "=?") {
		return word{}, 0
	}
	charset, rest, ok := strings.Cut(s[2:min(len(s), longest)], "?")
	if !ok || len(charset) > 40 || strings.ContainsAny(charset, " \t\"<>@,") || len(rest) < 2 || rest[1] != '?' {
		return word{}, 0
	}
	w := word{charset: charset}
	switch rest[0] {
	case 'b', 'B':
		w.base64 = true
	case 'q', 'Q':
	default:
		return word{}, 0
	}
	w.charset, _, _ = strings.Cut(charset, "*") // RFC 2231: a language
	head := len("=?") + len(charset) + len("?q?")
	body := rest[2:]
	// A Q text may begin with "=", so that its first "?=" is no end.
	end := strings.Index(body, "?=")
	if end < 0 {
		// The end was cut off: what there is belongs to the word.
		end = strings.IndexAny(body, " \t\"<>")
		if end < 0 {
			end = len(body)
		}
		w.text = strings.TrimRight(body[:end], "?=")
		return w, head + end
	}
	if next := wordStart.FindStringIndex(body[:end]); next != nil {
		// This word's own end is missing.
		w.text = body[:next[0]]
		return w, head + next[0]
	}
	w.text = body[:end]
	return w, head + end + 2
}

// decodeRun decodes adjacent words. Those of one charset are joined before they
// are converted, because some programs cut within a character.
func decodeRun(run []word, hint string) string {
	var b strings.Builder
	for len(run) > 0 {
		n := 1
		for n < len(run) && strings.EqualFold(run[n].charset, run[0].charset) {
			n++
		}
		b.WriteString(decodeText(joinWords(run[:n]), run[0].charset, hint).text)
		run = run[n:]
	}
	return b.String()
}

const maxJoined = 3 // words for one group of four characters

func joinWords(run []word) []byte {
	var raw []byte
	for i := 0; i < len(run); i++ {
		if !run[i].base64 {
			raw = append(raw, decodeQ(run[i].text)...)
			continue
		}
		text := run[i].text
		// Cut within four characters of base64: the rest is in the next word.
		for joined := 0; joined < maxJoined && len(strings.TrimSpace(text))%4 != 0 && !strings.Contains(text, "=") &&
			i+1 < len(run) && run[i+1].base64; joined++ {
			i++
			text += run[i].text
		}
		var d base64Decoder
		raw = d.decode(raw, []byte(text))
		raw = d.flush(raw)
	}
	return raw
}

// decodeQ decodes the Q encoding; what is damaged stays as it is.
func decodeQ(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '_':
			b = append(b, ' ')
		case s[i] == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return b
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
