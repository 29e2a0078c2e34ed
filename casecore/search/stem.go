package search

import "unicode/utf8"

// The stemmers cut endings in the order in which they were put on: of case, of
// conjugation, then the vowel that tied them to the stem. Nothing is cut that
// leaves fewer than three letters or no vowel, and more must be left by endings
// that also end many a stem: a rule that takes a harmless word for "smoke" is
// worse than one that misses a form.

const shortest = 3

// cut removes the first of the suffixes that w ends in and that leaves at least
// rest letters, one of them a vowel.
func cut(w []rune, rest int, suffixes ...string) ([]rune, bool) {
	for _, s := range suffixes {
		i := len(w)
		for s != "" && i > 0 {
			r, n := utf8.DecodeLastRuneInString(s)
			if w[i-1] != r {
				break
			}
			i, s = i-1, s[:len(s)-n]
		}
		if s == "" {
			return drop(w, len(w)-i, rest)
		}
	}
	return w, false
}

// drop removes the last n letters if that leaves at least rest of them, one of
// them a vowel.
func drop(w []rune, n, rest int) ([]rune, bool) {
	left := w[:len(w)-n]
	if len(left) < rest {
		return w, false
	}
	for _, r := range left {
		if vowel(r) {
			return left, true
		}
	}
	return w, false
}

func vowel(r rune) bool {
	switch r {
	case 'a', 'e', 'i', 'o', 'u', 'y', 'а', 'е', 'и', 'і', 'о', 'у', 'ы', 'э', 'ю', 'я', 'є', 'ї':
		return true
	}
	return false
}

// appendEastern appends the stem of a Russian or Ukrainian word.
func (s *Scanner) appendEastern(b []byte, word []rune) []byte {
	w := append(s.scratch[:0], word...)
	whole := len(w)
	w = reflexive(w)
	verb := len(w) < whole
	w = alike(w)
	for again := !verb; again; {
		w, again = easternCase(w)
	}
	if n := len(w); verb && n > 4 && (w[n-2] == 'л' || w[n-2] == 'т') && vowel(w[n-1]) {
		w = w[:n-1]
	}
	w = easternVerb(w)
	if n := len(w); n > 4 && vowel(w[n-1]) {
		w, _ = drop(w, 1, 4)
	}
	return appendRunes(b, fleeting(w))
}

// reflexive cuts the ending of verbs like "включается", "включился",
// "вмикалася", but not the -сь of "запись".
func reflexive(w []rune) []rune {
	n := len(w)
	if n < 5 || w[n-2] != 'с' {
		return w
	}
	switch before := w[n-3]; w[n-1] {
	case 'я':
		switch before {
		case 'т', 'ь', 'л', 'в', 'ш', 'м', 'й', 'ю':
			return w[:n-2]
		case 'а', 'о', 'и':
			if w[n-4] == 'л' || w[n-4] == 'т' {
				return w[:n-2]
			}
		}
	case 'ь':
		if before == 'ю' || before == 'у' || w[n-4] == 'л' && (before == 'а' || before == 'о' || before == 'и') {
			return w[:n-2]
		}
	}
	return w
}

// alike writes alike what the two languages and their hasty writers do not: soft
// and hard signs are left out, э and є become е, ї becomes і.
func alike(w []rune) []rune {
	out := w[:0]
	for _, r := range w {
		switch r {
		case 'ь', 'ъ':
			continue
		case 'э', 'є':
			r = 'е'
		case 'ї':
			r = 'і'
		}
		out = append(out, r)
	}
	return out
}

// easternCase cuts an ending of nouns or adjectives.
func easternCase(w []rune) ([]rune, bool) {
	n := len(w)
	if n <= shortest {
		return w, false
	}
	switch last, before := w[n-1], w[n-2]; last {
	case 'а', 'я', 'о', 'е', 'и', 'ы', 'і', 'у', 'ю':
		if w, ok := long(w, last, before); ok {
			return w, ok
		}
		return drop(w, 1, shortest)
	case 'й':
		if vowel(before) {
			if w, ok := cut(w, shortest, "ий", "ый", "ой", "ей", "ій"); ok {
				return w, ok
			}
			return drop(w, 1, shortest)
		}
	case 'м':
		if w, ok := cut(w, 4, "ом", "ем"); ok {
			return w, ok
		}
		return cut(w, shortest, "ам", "ям", "им", "ым", "ім")
	case 'х':
		return cut(w, shortest, "ах", "ях", "их", "ых", "іх")
	case 'в':
		if w, ok := cut(w, 4, "ов", "ев"); ok {
			return w, ok
		}
		return cut(w, shortest, "ів")
	}
	return w, false
}

// long cuts the endings of two or three letters that end in a vowel.
func long(w []rune, last, before rune) ([]rune, bool) {
	switch before {
	case 'г':
		if last == 'о' {
			return cut(w, shortest, "ого", "его")
		}
	case 'м':
		switch last {
		case 'у':
			return cut(w, shortest, "ому", "ему")
		case 'и':
			return cut(w, shortest, "ими", "ыми", "іми", "ами", "ями")
		}
	case 'в':
		if last == 'і' {
			return cut(w, 4, "ові", "еві")
		}
	case 'а', 'я', 'о', 'е', 'и', 'ы', 'у', 'ю':
		switch last {
		case 'я', 'е', 'ю', 'і':
			return cut(w, shortest, "ая", "яя", "ое", "ее", "ие", "ые", "ую", "юю", "ою", "ею", "оі")
		}
	}
	return w, false
}

// easternVerb cuts the ending of a past, an infinitive or a third person.
func easternVerb(w []rune) []rune {
	n := len(w)
	if n <= 4 {
		return w
	}
	switch last, before := w[n-1], w[n-2]; last {
	case 'т':
		w, _ = cut(w, 4, "ат", "ят", "ит", "ыт", "ет", "ут", "ют")
	case 'л':
		if before == 'а' || before == 'я' || before == 'и' || before == 'ы' || before == 'у' && w[n-3] == 'н' {
			w, _ = drop(w, 1, 4)
		}
	case 'в':
		if before == 'а' || before == 'я' || before == 'и' || before == 'у' && w[n-3] == 'н' {
			w, _ = drop(w, 1, 4)
		}
	}
	return w
}

// fleeting brings "кнопок" to the stem of "кнопка" and "батареек" to that of
// "батарейка".
func fleeting(w []rune) []rune {
	n := len(w)
	if n < 5 || w[n-1] != 'к' || w[n-2] != 'о' && w[n-2] != 'е' {
		return w
	}
	if vowel(w[n-3]) {
		w[n-2] = 'й'
		return w
	}
	w[n-2] = 'к'
	return w[:n-1]
}

// appendEnglish appends the stem of an English word.
func (s *Scanner) appendEnglish(b []byte, word []rune) []byte {
	w := append(s.scratch[:0], word...)
	for again := true; again; {
		w, again = englishStep(w)
	}
	return appendRunes(b, w)
}

func englishStep(w []rune) ([]rune, bool) {
	n := len(w)
	if n <= shortest {
		return w, false
	}
	switch last, before := w[n-1], w[n-2]; {
	case last == 's' && before != 's' && before != 'u' && before != 'i':
		if w, ok := cut(w, shortest, "ies"); ok {
			return append(w, 'i'), true
		}
		return drop(w, 1, shortest)
	case last == 'y' && !vowel(before):
		w[n-1] = 'i'
		return w, true
	case last == 'e' && before != 'e':
		return drop(w, 1, shortest)
	case last == 'g':
		if w, ok := cut(w, shortest, "ing"); ok {
			return double(w), true
		}
	case last == 'd' && before == 'e' && w[n-3] != 'e':
		if w, ok := cut(w, shortest, "ed"); ok {
			return double(w), true
		}
	}
	return w, false
}

// double turns "stopp" into "stop", but not "swell" into "swel".
func double(w []rune) []rune {
	n := len(w)
	if w[n-1] != w[n-2] || vowel(w[n-1]) {
		return w
	}
	switch w[n-1] {
	case 'l', 's', 'z', 'f':
		return w
	}
	return w[:n-1]
}

// appendSerbian appends the Serbian stem of a folded word in either script, in
// Latin letters without diacritics; đ is dj.
func (s *Scanner) appendSerbian(b []byte, word []rune) []byte {
	w := s.scratch[:0]
	for _, r := range word {
		if i := r - 'а'; i >= 0 && int(i) < len(cyrillicToLatin) && cyrillicToLatin[i][0] != 0 {
			w = append(w, rune(cyrillicToLatin[i][0]))
			r = rune(cyrillicToLatin[i][1])
		}
		if r != 0 {
			w = append(w, r)
		}
	}
	for again := true; again; {
		w, again = serbianCase(w)
	}
	if n := len(w); n > 4 && w[n-1] == 'l' && (w[n-2] == 'a' || w[n-2] == 'i' || w[n-2] == 'u') {
		w = w[:n-1]
	}
	if last := w[len(w)-1]; vowel(last) && last != 'y' {
		w, _ = drop(w, 1, shortest)
	}
	return appendRunes(b, w)
}

// cyrillicToLatin is the Serbian alphabet from а to џ, without diacritics.
var cyrillicToLatin = [0x45f - 0x430 + 1][2]byte{
	0: {'a'}, 'б' - 'а': {'b'}, 'в' - 'а': {'v'}, 'г' - 'а': {'g'}, 'д' - 'а': {'d'},
	'е' - 'а': {'e'}, 'ж' - 'а': {'z'}, 'з' - 'а': {'z'}, 'и' - 'а': {'i'}, 'к' - 'а': {'k'},
	'л' - 'а': {'l'}, 'м' - 'а': {'m'}, 'н' - 'а': {'n'}, 'о' - 'а': {'o'}, 'п' - 'а': {'p'},
	'р' - 'а': {'r'}, 'с' - 'а': {'s'}, 'т' - 'а': {'t'}, 'у' - 'а': {'u'}, 'ф' - 'а': {'f'},
	'х' - 'а': {'h'}, 'ц' - 'а': {'c'}, 'ч' - 'а': {'c'}, 'ш' - 'а': {'s'},
	'ђ' - 'а': {'d', 'j'}, 'ј' - 'а': {'j'}, 'љ' - 'а': {'l', 'j'}, 'њ' - 'а': {'n', 'j'},
	'ћ' - 'а': {'c'}, 'џ' - 'а': {'d', 'z'},
}

// serbianCase cuts an ending of nouns or adjectives, and the vowel of most verbs.
func serbianCase(w []rune) ([]rune, bool) {
	n := len(w)
	if n <= shortest || n > 1 && vowel(w[n-1]) && vowel(w[n-2]) {
		if n > shortest {
			w, _ = drop(w, 1, shortest) // the o of "radio", whose i is cut at the end
		}
		return w, false
	}
	switch w[n-1] {
	case 'a', 'e', 'i', 'o', 'u':
		if w, ok := cut(w, shortest, "oga", "ega", "omu", "ama", "ima"); ok {
			return w, ok
		}
		return drop(w, 1, shortest)
	case 'm':
		return cut(w, 4, "am", "em", "im", "om")
	case 'h':
		return cut(w, shortest, "ih")
	case 'g':
		return cut(w, 4, "og", "eg")
	case 'j':
		return cut(w, 4, "oj")
	case 'v':
		return cut(w, 4, "ov", "ev")
	}
	return w, false
}
