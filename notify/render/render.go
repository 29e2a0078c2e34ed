// Package render turns templates into the words a customer reads. A template is
// checked and compiled when it is saved, so that rendering cannot fail and never
// leaves a blank (N2). It knows neither cases nor doors: Values tell it all.
//
// # Templates
//
//	{{case}}                          a variable; Variables lists them
//	{{device|your device}}            words in place of a variable that is empty
//	{{#operator}}…{{/operator}}       shown only when there is an operator
//	{{^operator}}…{{/operator}}       shown only when there is none
//	{{#attr.model}}{{attr.model}}…    any attribute of the case
//	{{opened:short}}                  a variable in one of its shapes, behind a colon
//	{{since:short|today}}             shape first, then the words in its place
//
// Shapes follow the language of the text (CLDR): moments are written as a date,
// "12 March 2026"; short, "12.03.2026"; day, "Thursday, 12 March"; time, "14:05".
// A language without a calendar of its own gets 2026-03-12. Attributes can be
// money, in the policy's currency, a number, or, written as 2026-03-12, a date; one
// that is nothing of the kind stays as it is. A count comes with its noun in the
// form that the number asks for, {{days}} "5 дней", alone as {{days:number}}, or
// with words of your own, one for each form that the language has:
//
//	{{days:# working day/# working days}}
//	{{days:прошёл/прошло/прошло}} {{days:# день/# дня/# дней}}
//
// A variable that may be empty must have words to stand in for it or be in its
// own section. What a variable stands for is never read as a template.
package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"casewire/casecore/lang"
)

// Error is one fault in a template: where, what, and what to write instead.
type Error struct {
	Lang      string // of the text it is in
	Line, Col int    // within that text, from 1, in characters
	Msg, Mend string

	// Code and Args are for who says it in another language than English.
	Code string
	Args map[string]string
}

// as gives the error its code, with name, value, name, value.
func (e *Error) as(code string, pairs ...string) {
	e.Code, e.Args = code, map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.Args[pairs[i]] = pairs[i+1]
	}
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s, line %d, column %d: %s", e.Lang, e.Line, e.Col, e.Msg)
	if e.Mend != "" {
		s += "; " + e.Mend
	}
	return s
}

// Template is a compiled text in several languages, immutable and safe for
// concurrent use.
type Template struct {
	langs lang.Text // each language under its own name, to choose among them
	texts map[string]compiled
}

// compiled is the text of one language.
type compiled struct {
	nodes []node
	in    *locale
}

// Compile reads a text in all its languages and returns every fault, joined,
// each an *Error. A text without any language is an empty template.
func Compile(t lang.Text) (*Template, error) {
	out := &Template{langs: lang.Text{}, texts: map[string]compiled{}}
	var errs []error
	for _, tag := range slices.Sorted(maps.Keys(t)) {
		nodes, in, faults := parse(tag, t[tag])
		if len(faults) == 0 && !slices.ContainsFunc(nodes, speaks) {
			faults = append(faults, &Error{Line: 1, Col: 1, Code: "silent", Msg: "the text can end up empty",
				Mend: "write some words outside of all sections"})
		}
		for _, f := range faults {
			f.Lang = tag
			errs = append(errs, f)
		}
		out.langs[tag], out.texts[tag] = tag, compiled{nodes, in}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// speaks says that the node puts something into every rendered text.
func speaks(n node) bool {
	return !n.section && (n.variable != nil || strings.TrimSpace(n.text) != "")
}

// Lang returns the language that a reader of tag gets: theirs, else fallback,
// else what lang.Text.In takes. It is empty for an empty template.
func (t *Template) Lang(tag, fallback string) string {
	if !t.langs.Has(tag) && t.langs.Has(fallback) {
		tag = fallback
	}
	return t.langs.In(tag)
}

// Has says whether there is a text in tag's very language.
func (t *Template) Has(tag string) bool { return t.langs.Has(tag) }

// Render fills in the text of exactly this language, as returned by Lang.
func (t *Template) Render(tag string, v Values) string {
	text := t.texts[tag]
	var b strings.Builder
	fill(&b, text.nodes, &v, text.in)
	return tidy(b.String())
}

// Names returns the variables that the template uses, sorted.
func (t *Template) Names() []string {
	seen := map[string]bool{}
	for _, text := range t.texts {
		collect(text.nodes, seen)
	}
	return slices.Sorted(maps.Keys(seen))
}

func collect(nodes []node, into map[string]bool) {
	for _, n := range nodes {
		if n.variable != nil {
			into[n.variable.name] = true
		}
		collect(n.body, into)
	}
}

func fill(b *strings.Builder, nodes []node, v *Values, in *locale) {
	for i := range nodes {
		n := &nodes[i]
		if n.variable == nil {
			b.WriteString(n.text)
			continue
		}
		s := n.variable.of(v, in)
		switch {
		case n.section && (s == "") == n.unless:
			fill(b, n.body, v, in)
		case n.section:
		case s == "":
			b.WriteString(n.fallback)
		default:
			b.WriteString(s)
		}
	}
}

// tidy takes out what sections that were left out leave behind: blanks at the
// ends of lines and more than one empty line.
func tidy(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	out := lines[:0]
	for _, l := range lines {
		l = strings.TrimRight(l, " \t\r")
		if l == "" && len(out) > 0 && out[len(out)-1] == "" {
			continue
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}
