package segment

import (
	"strings"
	"unicode"
)

// shared are the letters that the three languages write alike in Latin; a
// language's own table comes first.
var shared = letters(`а a б b в v г g д d е e ж zh з z и i к k л l м m н n о o п p р r с s
	т t у u ф f х kh ц ts ч ch ш sh щ shch й y ы y э e ю yu я ya ё e
	є ye і i ї yi ґ g ђ dj ј j љ lj њ nj ћ c џ dz č c ć c š s ž z đ dj № No`)

// own are the letters on which a language differs from shared.
var own = map[string]map[rune]string{
	"ru": {},
	"uk": letters("г h и y й i є ie ї i ю iu я ia"),
	"sr": letters("ж z х h ц c ч c ш s ђ dj ћ c џ dz ј j"),
}

// silent are letters without a sound of their own.
const silent = "ъьЪЬ"

// ukStart are Ukrainian letters that are written otherwise where a word begins.
var ukStart = letters("є ye ї yi й y ю yu я ya")

// Transliterate writes Cyrillic, and Serbian Latin with marks, in plain Latin
// letters that GSM-7 has: lang is "ru", "uk" (the rules of 2010) or "sr"; any
// other reads Russian with the letters of all three. What is no letter stays.
func Transliterate(text, lang string) string {
	in := []rune(text)
	var out strings.Builder
	out.Grow(len(text))
	for i, r := range in {
		if dropped(in, i, lang) {
			continue
		}
		latin, ok := latinOf(in, i, lang)
		switch {
		case !ok:
			out.WriteRune(r)
		case !unicode.IsUpper(r):
			out.WriteString(latin)
		case shouted(in, i):
			out.WriteString(strings.ToUpper(latin))
		default:
			out.WriteString(strings.ToUpper(latin[:1]) + latin[1:])
		}
	}
	return out.String()
}

// dropped says that the sign at i is not written: a sign of softness, or the
// apostrophe inside a Ukrainian word.
func dropped(in []rune, i int, lang string) bool {
	if strings.ContainsRune(silent, in[i]) {
		return true
	}
	return lang == "uk" && strings.ContainsRune("'’ʼ", in[i]) &&
		i > 0 && i+1 < len(in) && unicode.Is(unicode.Cyrillic, in[i-1]) && unicode.Is(unicode.Cyrillic, in[i+1])
}

func latinOf(in []rune, i int, lang string) (string, bool) {
	r := unicode.ToLower(in[i])
	if lang == "uk" {
		if s, ok := ukStart[r]; ok && (i == 0 || !unicode.IsLetter(in[i-1]) && !strings.ContainsRune("'’ʼ", in[i-1])) {
			return s, true
		}
		if r == 'г' && i > 0 && unicode.ToLower(in[i-1]) == 'з' {
			return "gh", true // so that "зг" is not read as "ж"
		}
	}
	if s, ok := own[lang][r]; ok {
		return s, true
	}
	s, ok := shared[r]
	return s, ok
}

// shouted says that the capital at i stands among capitals.
func shouted(in []rune, i int) bool {
	if i+1 < len(in) && unicode.IsLetter(in[i+1]) {
		return unicode.IsUpper(in[i+1])
	}
	return i > 0 && unicode.IsUpper(in[i-1])
}

// letters reads a table of pairs.
func letters(table string) map[rune]string {
	f := strings.Fields(table)
	m := make(map[rune]string, len(f)/2)
	for i := 0; i+1 < len(f); i += 2 {
		m[[]rune(f[i])[0]] = f[i+1]
	}
	return m
}
