package mime

import (
	"strings"
	"unicode"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// guess decodes text of one byte to a character of which nobody says, or says
// wrongly, what charset it has. Words all of 8-bit letters are Cyrillic, words in
// which they stand among ASCII are Latin.
func guess(raw []byte) string {
	if pure, mixed := words8bit(raw); pure > mixed {
		return guessCyrillic(raw, nil)
	}
	if centralEuropean(raw) {
		return decodeWith(charmap.Windows1250, raw)
	}
	return decodeWith(charmap.Windows1252, raw)
}

// words8bit counts the 8-bit bytes in words of nothing else and in mixed words.
func words8bit(raw []byte) (pure, mixed int) {
	high, low := 0, 0
	end := func() {
		switch {
		case low > 0:
			mixed += high
		case high > 1:
			pure += high
		}
		high, low = 0, 0
	}
	for _, c := range raw {
		switch {
		case c >= 0x80:
			high++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			low++
		default:
			end()
		}
	}
	end()
	return pure, mixed
}

// centralEuropean finds Serbian in Latin letters: š, ž, č, ć, đ and nothing else,
// of which č, ć and đ tell windows-1250 from windows-1252.
func centralEuropean(raw []byte) bool {
	seen := map[byte]bool{}
	for _, c := range raw {
		switch c {
		case 0x8A, 0x9A, 0x8E, 0x9E, 0xC6, 0xE6, 0xC8, 0xE8, 0xD0, 0xF0:
			seen[c] = true
		default:
			if punctuation := c >= 0x82 && c <= 0x97 || c == 0xA0; c >= 0x80 && !punctuation {
				return false
			}
		}
	}
	strong := seen[0xC6] || seen[0xE6] || seen[0xD0] || seen[0xF0]
	caron := seen[0x8A] || seen[0x9A] || seen[0x8E] || seen[0x9E] || seen[0xC8] || seen[0xE8]
	return strong && caron
}

// What Cyrillic text is met in, the most frequent first.
var cyrillicCharsets = []*charmap.Charmap{charmap.Windows1251, charmap.KOI8U, charmap.CodePage866, charmap.ISO8859_5}

// guessCyrillic decodes Cyrillic text by the charset in which it reads most like
// Russian, Ukrainian or Serbian. labelled, when not nil, is kept unless another
// reads clearly better.
func guessCyrillic(raw []byte, labelled encoding.Encoding) string {
	const margin = 2 // per character; a wrong charset is further away
	best, bestScore, n := encoding.Encoding(nil), 0, 0
	if cm, ok := labelled.(*charmap.Charmap); ok {
		best = cm
		bestScore, n = likeness(raw, cm)
		bestScore += n * margin
	}
	for _, cm := range cyrillicCharsets {
		if s, _ := likeness(raw, cm); best == nil || s > bestScore {
			best, bestScore = cm, s
		}
	}
	return decodeWith(best, raw)
}

// Letters of Russian, Ukrainian and Serbian by how often they are met, and pairs
// that are met much more often than by chance.
const (
	frequentLetters = "оаеинтсрвлікмјдпуяыьзгбчйхєжшїюцщњћљэфёъђџґ"
	frequentPairs   = "ст но то на ен ов ни ра во ко ро не по ре пр ал ли ос го ер ть ол ом ет де ла ес ло ма та от ка ва " +
		"ат ан ел ле ти ри ор ве те ил од за об вы ые ия ие ый ой ая ся ис ме мо со до да ет ут ет ль ки ри ит ам ин " +
		"ня ні ів ми ви пі ці ді її ак ий на ти ає ит сл " +
		"је да се ја ам им ог ма ом ву ај ње че са"
)

var (
	letterWeight = weighLetters()
	pairs        = pairSet()
)

func weighLetters() map[rune]int {
	w := map[rune]int{}
	for i, r := range []rune(frequentLetters) {
		w[r] = 12 - i/3
	}
	return w
}

func pairSet() map[[2]rune]bool {
	set := map[[2]rune]bool{}
	for _, p := range strings.Fields(frequentPairs) {
		r := []rune(p)
		set[[2]rune{r[0], r[1]}] = true
	}
	return set
}

// likeness scores raw, read in cm, and counts its 8-bit characters.
func likeness(raw []byte, cm *charmap.Charmap) (score, n int) {
	const sample = 4 << 10
	prev, prevUpper := ' ', false
	for _, c := range raw[:min(len(raw), sample)] {
		if c < 0x80 {
			prev, prevUpper = ' ', false
			continue
		}
		n++
		r := cm.DecodeByte(c)
		lower := unicode.ToLower(r)
		weight, letter := letterWeight[lower]
		switch {
		case letter:
			score += weight
			if pairs[[2]rune{prev, lower}] {
				score += 8
			}
			upper := lower != r
			// Case changes within a word where a charset is mistaken.
			if upper && prev != ' ' && !prevUpper {
				score -= 15
			}
			prev, prevUpper = lower, upper
			continue
		case strings.ContainsRune("«»—–№…„“”’‘°§©®\u00A0", r):
		default:
			score -= 15
		}
		prev, prevUpper = ' ', false
	}
	return score, n
}
