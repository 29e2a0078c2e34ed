// Package lang holds texts in the languages that Casewire speaks and chooses among
// them. It is a leaf: every room that shows words to people may use it.
package lang

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Supported lists the languages of the pages and of the default policy.
var Supported = []string{"en", "ru", "uk", "sr"}

// Fallback is the language taken when nothing better is known.
const Fallback = "en"

// Text is one text in several languages, by BCP 47 primary tag.
type Text map[string]string

// In returns the text in tag's language, else in the fallback language, else in
// whichever there is.
func (t Text) In(tag string) string {
	for _, l := range []string{Base(tag), Fallback} {
		if s, ok := t[l]; ok {
			return s
		}
	}
	keys := make([]string, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return ""
	}
	sort.Strings(keys)
	return t[keys[0]]
}

// Has says whether the text exists in tag's very language.
func (t Text) Has(tag string) bool { _, ok := t[Base(tag)]; return ok }

// Unknown returns the keys that are not supported languages, in order.
func (t Text) Unknown() []string {
	var out []string
	for k := range t {
		if !slices.Contains(Supported, k) {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}

// Base returns the primary language of a tag: "ru" of "ru-RU".
func Base(tag string) string {
	tag = strings.ToLower(strings.TrimSpace(tag))
	if i := strings.IndexAny(tag, "-_"); i > 0 {
		tag = tag[:i]
	}
	return tag
}

// Match returns the first supported language of a list such as a browser's
// Accept-Language, or Fallback. Weights are taken in the order they stand.
func Match(accept string) string {
	for part := range strings.SplitSeq(accept, ",") {
		tag, _, _ := strings.Cut(part, ";")
		if b := Base(tag); slices.Contains(Supported, b) {
			return b
		}
	}
	return Fallback
}

// CaseNumber writes a case's number as people see it: CW-000123.
func CaseNumber(n int64) string { return fmt.Sprintf("CW-%06d", n) }

// ParseCaseNumber reads what CaseNumber writes, whatever its case and the blanks
// around it.
func ParseCaseNumber(s string) (n int64, ok bool) {
	digits, ok := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(s)), "CW-")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, ok && err == nil && n > 0
}
