package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/currency"
	"golang.org/x/text/message"
	xnumber "golang.org/x/text/number"
)

// kind is what sort of value a variable has, which decides how it may be written.
type kind int

const (
	words kind = iota
	moment
	count
	free // an attribute: words that may be a number or a date
)

// shapes are the ways to write a value of each kind, the usual one first; forms of
// a count are written out in the template instead.
var shapes = map[kind][]string{
	moment: {"date", "short", "day", "time"},
	count:  {"number"},
	free:   {"money", "number", "date", "short", "day"},
}

// shaped returns the variable written in a way of its kind. The error says what is
// wrong and how to mend it.
func (x *variable) shaped(shape string, l *locale) (*variable, *Error) {
	out := *x
	known := slices.Contains(shapes[x.kind], shape)
	switch {
	case x.kind == words:
		e := &Error{Msg: x.name + " is written in one way only", Mend: fmt.Sprintf("write {{%s}}", x.name)}
		e.as("one_way", "name", x.name)
		return nil, e
	case known && x.kind == moment:
		out.of = func(v *Values, l *locale) string { return l.moment(x.at(v), shape) }
	case known && x.kind == count:
		out.of = func(v *Values, _ *locale) string { return positive(x.n(v)) }
	case known:
		out.of = func(v *Values, l *locale) string { return l.free(x.of(v, l), shape, v.Currency) }
	case x.kind == count && strings.ContainsAny(shape, "/#"):
		forms := strings.Split(shape, "/")
		blank := func(s string) bool { return strings.TrimSpace(s) == "" }
		if n := len(formsOf(l.tag)); len(forms) != n || slices.ContainsFunc(forms, blank) {
			forms = slices.DeleteFunc(forms, blank)
			e := &Error{Msg: fmt.Sprintf("%d forms, and the language counts in %d", len(forms), n),
				Mend: fmt.Sprintf("write one each for %s, such as {{%s:%s}}", l.formNames(), x.name, exampleForms(l))}
			e.as("forms", "n", number(len(forms)), "want", number(n), "numbers", l.formNames(), "name", x.name, "example", exampleForms(l))
			return nil, e
		}
		out.of = func(v *Values, l *locale) string {
			if x.n(v) <= 0 {
				return ""
			}
			return strings.ReplaceAll(strings.TrimSpace(l.choose(x.n(v), forms)), "#", number(x.n(v)))
		}
	default:
		list := strings.Join(shapes[x.kind], ", ")
		mend := "write one of " + list
		if x.kind == count {
			mend += ", or the words for " + l.formNames() + ": " + exampleForms(l)
			list += ", " + exampleForms(l)
		}
		e := &Error{Msg: fmt.Sprintf("%s is not written as %q", x.name, short(shape)), Mend: mend}
		e.as("shape", "name", x.name, "shape", short(shape), "list", list)
		return nil, e
	}
	return &out, nil
}

func exampleForms(l *locale) string {
	forms := []string{"# day", "# days"}
	if l.days != nil {
		forms = nil
		for _, f := range l.days.day {
			forms = append(forms, "# "+f)
		}
	}
	return strings.Join(forms, "/")
}

// counted writes how many days.
func (l *locale) counted(n int) string {
	if n <= 0 {
		return ""
	}
	if l.days == nil {
		return number(n)
	}
	return number(n) + " " + l.choose(n, l.days.day)
}

func number(n int) string { return strconv.Itoa(n) }

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return number(n)
}

// free writes an attribute as a sum, a number or a date. What cannot be read as
// one stays as somebody wrote it: a price must never be guessed.
func (l *locale) free(s, shape, unit string) string {
	switch shape {
	case "money", "number":
		f, scale, ok := plainNumber(s)
		if !ok {
			return s
		}
		if shape == "money" {
			return l.money(f, unit)
		}
		return message.NewPrinter(l.tag).Sprint(xnumber.Decimal(f, xnumber.Scale(scale)))
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s
	}
	return l.moment(t, shape)
}

// plainNumber reads "4500", "4 500", "4500.5" and "4500,50". A separator before
// three digits could be either and is not read.
func plainNumber(s string) (f float64, scale int, ok bool) {
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", ",", ".").Replace(s)
	whole, part, cut := strings.Cut(s, ".")
	if digits := strings.TrimPrefix(whole, "-"); digits == "" || len(digits) > 12 || !allDigits(digits) ||
		cut && (len(part) < 1 || len(part) > 2 || !allDigits(part)) {
		return 0, 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, len(part), err == nil
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// money writes a sum as the language does. x/text knows the signs, the separators
// and the places of a currency, but not on which side of the sum its sign stands.
func (l *locale) money(f float64, code string) string {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	p := message.NewPrinter(l.tag)
	scale, _ := currency.Standard.Rounding(unit)
	sum, sign := p.Sprint(xnumber.Decimal(f, xnumber.Scale(scale))), p.Sprint(currency.Symbol(unit))
	if sign == code && l.base != "en" {
		sign = p.Sprint(currency.NarrowSymbol(unit)) // Ukrainian has EUR for what everybody there writes €
	}
	switch {
	case l.base != "en":
		return sum + "\u00a0" + sign
	case sign == code:
		return sign + "\u00a0" + sum
	}
	return sign + sum
}
