package words

import (
	"strings"

	"casewire/casecore/lang"
)

// Plural names the CLDR plural form of a whole number in the language of tag.
func Plural(tag string, n int) string {
	if n < 0 {
		n = -n
	}
	ten, hundred := n%10, n%100
	teen := hundred >= 11 && hundred <= 14
	switch lang.Base(tag) {
	case "ru", "uk":
		switch {
		case ten == 1 && !teen:
			return "one"
		case ten >= 2 && ten <= 4 && !teen:
			return "few"
		}
		return "many"
	case "sr":
		switch {
		case ten == 1 && !teen:
			return "one"
		case ten >= 2 && ten <= 4 && !teen:
			return "few"
		}
		return "other"
	}
	if n == 1 {
		return "one"
	}
	return "other"
}

// Forms lists the plural forms that whole numbers need in the language of tag.
func Forms(tag string) []string {
	switch lang.Base(tag) {
	case "ru", "uk":
		return []string{"one", "few", "many"}
	case "sr":
		return []string{"one", "few", "other"}
	}
	return []string{"one", "other"}
}

// ToLatin writes Serbian Cyrillic in Latin letters. Other letters stay.
func ToLatin(s string) string { return serbian.Replace(s) }

var serbian = strings.NewReplacer(
	"А", "A", "Б", "B", "В", "V", "Г", "G", "Д", "D", "Ђ", "Đ", "Е", "E", "Ж", "Ž", "З", "Z", "И", "I",
	"Ј", "J", "К", "K", "Л", "L", "Љ", "Lj", "М", "M", "Н", "N", "Њ", "Nj", "О", "O", "П", "P", "Р", "R",
	"С", "S", "Т", "T", "Ћ", "Ć", "У", "U", "Ф", "F", "Х", "H", "Ц", "C", "Ч", "Č", "Џ", "Dž", "Ш", "Š",
	"а", "a", "б", "b", "в", "v", "г", "g", "д", "d", "ђ", "đ", "е", "e", "ж", "ž", "з", "z", "и", "i",
	"ј", "j", "к", "k", "л", "l", "љ", "lj", "м", "m", "н", "n", "њ", "nj", "о", "o", "п", "p", "р", "r",
	"с", "s", "т", "t", "ћ", "ć", "у", "u", "ф", "f", "х", "h", "ц", "c", "ч", "č", "џ", "dž", "ш", "š",
)
