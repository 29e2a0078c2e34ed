// Package search cuts texts into words and brings the words of the four languages
// to a common form, so that "телефону", "телефонів" and "telefona" are found by
// "телефон" or "telefon". Rules and full-text search use the same words. It knows
// neither an index nor a rule.
//
// A customer's language is never certain, so the form is chosen by the letters of
// each word, not by the language of its text. Letters are folded first: case,
// NFKC, ё to е, diacritics away, apostrophes away. Then endings are cut off by
// light stemmers, one each for English, Serbian, and Russian together with
// Ukrainian, whose endings hardly contradict each other. A word that could be of
// two languages ("telefon" English or Serbian, "телефон" Russian or Serbian) has
// two stems, and two words match when they share one. Serbian stems are in Latin
// letters whichever script the word was in.
//
// The stemmers know endings and no words: most forms of a word agree, some rare
// ones do not, and now and then two short words do.
package search

import "casewire/casecore/lang"

// Word is one word of a text.
type Word struct {
	Text string // folded, in its own script
	Stem string
	Also string // the stem in the other language that the word may be of, or ""
}

// Matches says whether two words may be forms of the same one.
func (w Word) Matches(v Word) bool {
	return w.Stem == v.Stem || w.Also != "" && (w.Also == v.Stem || w.Also == v.Also) || v.Also != "" && w.Stem == v.Also
}

// Words returns the words of a text in order. With tag, a language the text is
// known to be in, words have only the stem of that language where it fits their
// letters; with "" they have all.
func Words(text, tag string) []Word {
	var out []Word
	s := Scanner{}
	s.Reset(text)
	tag = lang.Base(tag)
	for s.Next() {
		w := Word{Text: s.Text(), Stem: string(s.Stem()), Also: string(s.Also())}
		if w.Also != "" && tag != "" {
			if tag == "sr" {
				w.Stem = w.Also
			}
			w.Also = ""
		}
		out = append(out, w)
	}
	return out
}

// Fold returns the text in lower case, normalised (NFKC) and with ё written as е:
// what regular expressions of rules look at.
func Fold(text string) string { return string(AppendFold(nil, text)) }
