package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord is how many letters of a word count.
const maxWord = 64

// script says whose letters a word has.
type script uint8

const (
	none     script = iota
	latin           // of English, Serbian, or neither
	cyrillic        // of Russian, Ukrainian or Serbian
	other
)

// Letters that only some languages of a script have.
const (
	serbian = 1 << iota // ђ ј љ њ ћ џ, č ć š ž đ
	eastern             // й щ ъ ы ь э ю я ё і ї є ґ
	digit
)

// Scanner walks through the words of a text without allocating, but for texts
// that have to be normalised first. The zero value has no words. It is for one
// goroutine.
type Scanner struct {
	text    string
	at      int
	script  script
	letters int
	word    [maxWord + 2]rune // folded
	size    int
	stem    []byte
	also    []byte
	scratch [2*maxWord + 4]rune
}

// Reset begins a text.
func (s *Scanner) Reset(text string) {
	s.text, s.at = text, 0
	if !normal(text) {
		s.text = normalise(text)
	}
}

// normal says that normalising the text would not change its words.
func normal(text string) bool {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c < utf8.RuneSelf:
			i++
		case c == 0xd0 || c == 0xd1: // the common Cyrillic letters
			i += 2
		default:
			r, n := utf8.DecodeRuneInString(text[i:])
			if !simple(r) {
				return false
			}
			i += n
		}
	}
	return true
}

// normalise brings a text to NFKC, but for № which would become the word "no".
func normalise(text string) string { return norm.NFKC.String(strings.ReplaceAll(text, "№", " ")) }

// simple says that NFKC leaves the letter alone, or that it is in no word.
func simple(r rune) bool {
	switch {
	case r < 0xc0:
		return r != 0xaa && r != 0xb2 && r != 0xb3 && r != 0xb5 && (r < 0xb9 || r > 0xbe || r == 0xbb)
	case r <= 0x17e:
		return r != 0x132 && r != 0x133 && r != 0x13f && r != 0x140 && r != 0x149
	case r >= 0x400 && r <= 0x4ff:
		return r < 0x483 || r > 0x489
	}
	return r == 0x2bc || r >= 0x200b && r <= 0x2027 || r == 0x2060 || r == 0x2116 || r == 0xfe0f || r >= 0x1f300 && r <= 0x1faff
}

// Next goes to the next word and says whether there is one.
func (s *Scanner) Next() bool {
	s.script, s.letters, s.size = none, 0, 0
	for s.at < len(s.text) {
		r, n := rune(s.text[s.at]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s.text[s.at:])
		}
		of := scriptOf(r)
		switch {
		case of != none && (s.script == none || s.script == of):
			s.script = of
			s.add(r)
		case of != none: // another script: another word
			return s.finish()
		case '0' <= r && r <= '9' || r > utf8.RuneSelf && unicode.IsDigit(r):
			s.letters |= digit
			s.put(r)
		case s.size == 0 || joins(r):
		case apostrophe(r):
			if skip, joined := s.apostrophe(s.at + n); !joined {
				s.at += skip
				return s.finish()
			}
		default:
			s.at += n
			return s.finish()
		}
		s.at += n
	}
	return s.finish()
}

// joins says that a sign may stand inside a word and means nothing there: soft
// hyphens, joiners, marks that no letter took up.
func joins(r rune) bool {
	return r == 0xad || r == 0x200c || r == 0x200d || r == 0x2060 || r == 0xfeff || r >= 0x300 && unicode.Is(unicode.Mn, r)
}

func apostrophe(r rune) bool {
	return r == '\'' || r == '`' || r == 0x2019 || r == 0x2018 || r == 0x2bc || r == 0x2032
}

// apostrophe decides on the one before position next: it joins letters of one
// script, but for the English 's, which is skipped.
func (s *Scanner) apostrophe(next int) (skip int, joined bool) {
	r, n := utf8.DecodeRuneInString(s.text[next:])
	of := scriptOf(r)
	if of == none || of != s.script {
		return next - s.at, false
	}
	if r == 's' || r == 'S' {
		if after, _ := utf8.DecodeRuneInString(s.text[next+n:]); next+n == len(s.text) || !unicode.IsLetter(after) && !unicode.IsDigit(after) {
			return next + n - s.at, false
		}
	}
	return 0, true
}

func scriptOf(r rune) script {
	switch {
	case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
		return latin
	case r < 0xaa:
		return none
	case r >= 0x400 && r <= 0x52f:
		if r >= 0x482 && r <= 0x489 {
			return none
		}
		return cyrillic
	case !unicode.IsLetter(r) || apostrophe(r):
		return none
	case r <= 0x24f || r >= 0x1e00 && r <= 0x1eff:
		return latin
	}
	return other
}

func (s *Scanner) put(r rune) {
	if s.size < maxWord {
		s.word[s.size] = r
		s.size++
	}
}

// add folds a letter into the word.
func (s *Scanner) add(r rune) {
	switch s.script {
	case latin:
		s.addLatin(r)
	case cyrillic:
		r = lowerCyrillic(r)
		switch r {
		case 'ё':
			s.letters |= eastern
			r = 'е'
		case 'ґ':
			s.letters |= eastern
			r = 'г'
		case 'й', 'щ', 'ъ', 'ы', 'ь', 'э', 'ю', 'я', 'і', 'ї', 'є':
			s.letters |= eastern
		case 'ђ', 'ј', 'љ', 'њ', 'ћ', 'џ':
			s.letters |= serbian
		}
		s.put(r)
	default:
		s.put(unicode.ToLower(r))
	}
}

func lowerCyrillic(r rune) rune {
	switch {
	case r >= 'а' && r <= 'я':
		return r
	case r >= 'А' && r <= 'Я':
		return r + 'а' - 'А'
	case r >= 'Ѐ' && r <= 'Џ':
		return r + 'ѐ' - 'Ѐ'
	}
	return unicode.ToLower(r)
}

func (s *Scanner) addLatin(r rune) {
	if r < utf8.RuneSelf {
		if r <= 'Z' {
			r += 'a' - 'A'
		}
		s.put(r)
		return
	}
	switch r = unicode.ToLower(r); r {
	case 'č', 'ć', 'š', 'ž':
		s.letters |= serbian
		s.put(map[rune]rune{'č': 'c', 'ć': 'c', 'š': 's', 'ž': 'z'}[r])
	case 'đ':
		s.letters |= serbian
		s.put('d')
		s.put('j')
	case 'ß':
		s.put('s')
		s.put('s')
	case 'æ':
		s.put('a')
		s.put('e')
	case 'ø':
		s.put('o')
	case 'ł':
		s.put('l')
	case 'ı':
		s.put('i')
	default:
		s.put(base(r))
	}
}

// base is a letter without its diacritics.
func base(r rune) rune {
	var buf [8]byte
	var in [utf8.UTFMax]byte
	b, _ := utf8.DecodeRune(norm.NFD.Append(buf[:0], in[:utf8.EncodeRune(in[:], r)]...))
	return b
}

// finish stems what was gathered and says whether it is a word.
func (s *Scanner) finish() bool {
	if s.size == 0 {
		return false
	}
	w := s.word[:s.size]
	s.stem, s.also = s.stem[:0], s.also[:0]
	switch {
	case s.letters&digit != 0 || s.script == other || s.script == none:
		s.stem = appendRunes(s.stem, w)
	case s.script == latin && s.letters&serbian != 0:
		s.stem = s.appendSerbian(s.stem, w)
	case s.script == latin:
		s.stem = s.appendEnglish(s.stem, w)
		s.also = s.appendSerbian(s.also, w)
	case s.letters&serbian != 0:
		s.stem = s.appendSerbian(s.stem, w)
	case s.letters&eastern != 0:
		s.stem = s.appendEastern(s.stem, w)
	default:
		s.stem = s.appendEastern(s.stem, w)
		s.also = s.appendSerbian(s.also, w)
	}
	if string(s.also) == string(s.stem) {
		s.also = s.also[:0]
	}
	return true
}

// Text returns the word, folded, in its own script.
func (s *Scanner) Text() string { return string(s.word[:s.size]) }

// Stem returns the word's stem. It is overwritten by Next.
func (s *Scanner) Stem() []byte { return s.stem }

// Also returns the stem in the other language that the word may be of, or nothing.
// It is overwritten by Next.
func (s *Scanner) Also() []byte { return s.also }

func appendRunes(b []byte, w []rune) []byte {
	for _, r := range w {
		b = utf8.AppendRune(b, r)
	}
	return b
}

// AppendFold appends what Fold returns to b.
func AppendFold(b []byte, text string) []byte {
	if !normal(text) {
		text = normalise(text)
	}
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf:
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			b = append(b, byte(r))
			continue
		case r >= 0x400 && r <= 0x4ff:
			if r = lowerCyrillic(r); r == 'ё' {
				r = 'е'
			}
		default:
			r = unicode.ToLower(r)
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}
