// Package segment says how a text travels as SMS: in which alphabet, in how many
// parts, and what makes it dear (S7). It changes texts only when asked to, and
// knows neither prices nor providers.
package segment

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is the alphabet a text travels in.
type Encoding string

// The alphabets. One character outside GSM-7 makes the whole text UCS-2.
const (
	GSM7 Encoding = "GSM-7"
	UCS2 Encoding = "UCS-2"
)

// What providers take as one message. MaxRunes is Twilio's limit in characters.
const (
	MaxSegments = 10
	MaxRunes    = 1600
)

// Room of one part in units: alone, and as one of several.
const (
	gsmAlone, gsmPart = 160, 153
	ucsAlone, ucsPart = 70, 67
)

const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)

// maxCulprits is how many characters Info names.
const maxCulprits = 8

// Info is what sending a text takes.
type Info struct {
	Encoding Encoding
	Runes    int    // characters, as people and Twilio's limit count them
	Units    int    // septets of GSM-7, 16-bit units of UCS-2
	Segments int    // parts that are sent and paid; 0 for an empty text
	Left     int    // units that still fit into the last part
	Culprits []rune // the first characters that made the text UCS-2, each once
}

// TooLong says that a provider would refuse or cut the text.
func (i Info) TooLong() bool { return i.Segments > MaxSegments || i.Runes > MaxRunes }

// Count returns what sending text takes. Bytes that are no UTF-8 count as the
// replacement character they would be sent as.
func Count(text string) Info {
	info := Info{Encoding: GSM7, Runes: utf8.RuneCountInString(text)}
	for _, r := range text {
		if gsmUnits(r) == 0 {
			info.Encoding = UCS2
			info.Culprits = appendNew(info.Culprits, r)
		}
	}
	size, alone, part := gsmUnits, gsmAlone, gsmPart
	if info.Encoding == UCS2 {
		size, alone, part = ucsUnits, ucsAlone, ucsPart
	}
	for _, r := range text {
		info.Units += size(r)
	}
	switch {
	case info.Units == 0:
		info.Left = alone
	case info.Units <= alone:
		info.Segments, info.Left = 1, alone-info.Units
	default:
		info.Segments, info.Left = parts(text, size, part)
	}
	return info
}

// parts lays text out in parts. A character of two units is never split: where
// only one unit is left, it goes to the next part.
func parts(text string, size func(rune) int, room int) (n, left int) {
	for _, r := range text {
		s := size(r)
		if left < s {
			n, left = n+1, room
		}
		left -= s
	}
	return n, left
}

// gsmUnits returns the septets of a character, 0 when GSM-7 has no such one.
func gsmUnits(r rune) int {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == ' ':
		return 1
	case strings.ContainsRune(gsmExtended, r):
		return 2
	case strings.ContainsRune(gsmBasic, r):
		return 1
	}
	return 0
}

func ucsUnits(r rune) int { return max(utf16.RuneLen(r), 1) }

func appendNew(list []rune, r rune) []rune {
	if len(list) == maxCulprits || strings.ContainsRune(string(list), r) {
		return list
	}
	return append(list, r)
}

// typography maps characters that editors put in by themselves to what GSM-7 has.
var typography = strings.NewReplacer(
	"‘", "'", "’", "'", "‚", "'", "‛", "'", "′", "'", "`", "'", "´", "'", "ʼ", "'",
	"“", `"`, "”", `"`, "„", `"`, "‟", `"`, "″", `"`, "«", `"`, "»", `"`,
	"‹", "'", "›", "'",
	"‐", "-", "‑", "-", "‒", "-", "–", "-", "—", "-", "―", "-", "−", "-",
	"…", "...", "•", "*", "·", "*", "×", "x",
	"\u00a0", " ", "\u2002", " ", "\u2003", " ", "\u2007", " ", "\u2008", " ",
	"\u2009", " ", "\u200a", " ", "\u202f", " ", "\t", " ",
	"\u00ad", "", "\u200b", "", "\u2060", "", "\ufeff", "", "\u200e", "", "\u200f", "",
	"\r\n", "\n", "\u2028", "\n", "\u2029", "\n",
)

// Normalise replaces typographic quotes, dashes, dots, spaces and invisible signs
// by their plain forms. The words stay as they are.
func Normalise(text string) string { return typography.Replace(text) }
