package render

import (
	"strings"
	"unicode"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"casewire/casecore/lang"
)

// locale is how one text writes numbers and dates. It is made when the text is
// compiled.
type locale struct {
	base string // primary language: "sr"
	tag  language.Tag
	days *calendar // nil: dates are written as 2026-03-12
}

// localeOf reads off the text itself in which letters it is written: Serbian has
// two alphabets under one language.
func localeOf(tag, text string) *locale {
	l := &locale{base: lang.Base(tag), tag: language.Make(tag)}
	l.days = calendars[l.base]
	if l.base == "sr" {
		l.tag, l.days = language.SerbianLatin, calendars["sr"]
		if mostlyCyrillic(text) {
			l.tag, l.days = language.Serbian, calendars["sr-Cyrl"]
		}
	}
	return l
}

func mostlyCyrillic(s string) bool {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Cyrillic, r):
			n++
		case unicode.Is(unicode.Latin, r):
			n-- // variables' names are Latin, too: a text of nothing else stays so
		}
	}
	return n > 0
}

// formOrder is the order in which forms are written in a template.
var formOrder = []plural.Form{plural.Zero, plural.One, plural.Two, plural.Few, plural.Many, plural.Other}

// formsOf lists the forms that whole numbers take in a language. Plural rules look
// at the last two digits, so two hundred numbers show all of them.
func formsOf(tag language.Tag) []plural.Form {
	seen := map[plural.Form]bool{}
	for n := range 200 {
		seen[formOf(tag, n)] = true
	}
	var out []plural.Form
	for _, f := range formOrder {
		if seen[f] {
			out = append(out, f)
		}
	}
	return out
}

func formOf(tag language.Tag, n int) plural.Form {
	return plural.Cardinal.MatchPlural(tag, n, 0, 0, 0, 0)
}

// choose returns the form that n asks for, of as many as the language has.
func (l *locale) choose(n int, forms []string) string {
	want := formOf(l.tag, n)
	for i, f := range formsOf(l.tag) {
		if f == want && i < len(forms) {
			return forms[i]
		}
	}
	return forms[len(forms)-1]
}

// formNames says in examples which numbers each form is for: "1, 2–4, 5".
func (l *locale) formNames() string {
	var out []string
	for _, f := range formsOf(l.tag) {
		for n := 1; n < 200; n++ {
			if formOf(l.tag, n) == f {
				out = append(out, number(n))
				break
			}
		}
	}
	return strings.Join(out, ", ")
}
