package webchat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// languages are those of the widget. Serbian is kept in Cyrillic, from which the
// Latin form follows letter by letter; the other way would not be exact.
var languages = []string{"en", "ru", "uk", "sr"}

const serbianCyrillic = "sr-Cyrl"

// words are the texts of the pages: by language, by key.
type words map[string]map[string]string

// readWords reads the texts of one file.
func readWords(name string) (words, error) {
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return nil, err
	}
	var w words
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	latin := make(map[string]string, len(w[serbianCyrillic]))
	for key, text := range w[serbianCyrillic] {
		latin[key] = toLatin(text)
	}
	w["sr"] = latin
	return w, nil
}

// in returns the texts of a language that chooseLanguage has chosen.
func (w words) in(lang string) map[string]string { return w[lang] }

// pick returns a few texts in every language.
func (w words) pick(keys ...string) map[string]map[string]string {
	out := make(map[string]map[string]string, len(w))
	for lang, texts := range w {
		out[lang] = make(map[string]string, len(keys))
		for _, k := range keys {
			out[lang][k] = texts[k]
		}
	}
	return out
}

// chooseLanguage returns the language of a page: the one asked for, else the
// browser's, else English.
func chooseLanguage(r *http.Request) string {
	asked := r.URL.Query().Get("lang") + "," + r.Header.Get("Accept-Language")
	for part := range strings.SplitSeq(asked, ",") {
		tag, _, _ := strings.Cut(part, ";")
		tag = strings.TrimSpace(tag)
		if strings.EqualFold(tag, serbianCyrillic) {
			return serbianCyrillic
		}
		if b := base(tag); slices.Contains(languages, b) {
			return b
		}
	}
	return "en"
}

// base returns the primary language of a tag: "ru" of "ru-RU".
func base(tag string) string {
	tag = strings.ToLower(tag)
	if i := strings.IndexAny(tag, "-_"); i > 0 {
		tag = tag[:i]
	}
	return tag
}

// toLatin writes Serbian in Latin letters.
func toLatin(s string) string { return serbianLatin.Replace(s) }

var serbianLatin = strings.NewReplacer(
	"а", "a", "б", "b", "в", "v", "г", "g", "д", "d", "ђ", "đ", "е", "e", "ж", "ž", "з", "z", "и", "i",
	"ј", "j", "к", "k", "л", "l", "љ", "lj", "м", "m", "н", "n", "њ", "nj", "о", "o", "п", "p", "р", "r",
	"с", "s", "т", "t", "ћ", "ć", "у", "u", "ф", "f", "х", "h", "ц", "c", "ч", "č", "џ", "dž", "ш", "š",
	"А", "A", "Б", "B", "В", "V", "Г", "G", "Д", "D", "Ђ", "Đ", "Е", "E", "Ж", "Ž", "З", "Z", "И", "I",
	"Ј", "J", "К", "K", "Л", "L", "Љ", "Lj", "М", "M", "Н", "N", "Њ", "Nj", "О", "O", "П", "P", "Р", "R",
	"С", "S", "Т", "T", "Ћ", "Ć", "У", "U", "Ф", "F", "Х", "H", "Ц", "C", "Ч", "Č", "Џ", "Dž", "Ш", "Š",
)
