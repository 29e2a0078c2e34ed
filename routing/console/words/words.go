// Package words says things in the operator's language: the console's own texts
// with their plural forms, and times, dates and sizes as that language writes
// them. It does not know what a case is, nor the policy's names for statuses.
package words

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"casewire/casecore/lang"
)

//go:embed catalog/*.json
var catalogFiles embed.FS

// Latin is the tag of Serbian in Latin letters. It has no catalog of its own: its
// letters are made from the Cyrillic ones, one for one.
const Latin = "sr-Latn"

// Tags lists the languages of the console in the order they are offered.
var Tags = []string{"en", "ru", "uk", "sr", Latin}

// Phrase is one text of a catalog, with its plural forms by CLDR name. A text
// without plurals has the form "other" alone.
type Phrase map[string]string

// UnmarshalJSON reads a string, or an object of plural forms.
func (p *Phrase) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*p = Phrase{"other": s}
		return nil
	}
	forms := map[string]string{}
	if err := json.Unmarshal(b, &forms); err != nil {
		return err
	}
	*p = forms
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (p Phrase) MarshalJSON() ([]byte, error) {
	if len(p) == 1 {
		return json.Marshal(p["other"])
	}
	return json.Marshal(map[string]string(p))
}

// Locale is one language of the console, immutable and safe for concurrent use.
type Locale struct {
	tag     string
	phrases map[string]Phrase
}

// Load reads every catalog; the map is by tag.
func Load() (map[string]*Locale, error) {
	out := map[string]*Locale{}
	var errs []error
	for _, tag := range lang.Supported {
		data, err := catalogFiles.ReadFile(path.Join("catalog", tag+".json"))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l := &Locale{tag: tag}
		if err := json.Unmarshal(data, &l.phrases); err != nil {
			errs = append(errs, fmt.Errorf("catalog %s: %w", tag, err))
		}
		out[tag] = l
	}
	if sr := out["sr"]; sr != nil {
		out[Latin] = sr.latin()
	}
	return out, errors.Join(errs...)
}

func (l *Locale) latin() *Locale {
	out := &Locale{tag: Latin, phrases: make(map[string]Phrase, len(l.phrases))}
	for k, p := range l.phrases {
		q := make(Phrase, len(p))
		for form, s := range p {
			q[form] = ToLatin(s)
		}
		out.phrases[k] = q
	}
	return out
}

// Tag is the locale's BCP 47 tag, fit for an HTML lang attribute.
func (l *Locale) Tag() string { return l.tag }

// Keys lists the keys of the catalog in order.
func (l *Locale) Keys() []string { return slices.Sorted(maps.Keys(l.phrases)) }

// Phrase returns the text under key with its forms.
func (l *Locale) Phrase(key string) (Phrase, bool) { p, ok := l.phrases[key]; return p, ok }

// T returns the text under key with {name} replaced by the values given as
// name, value, name, value. An unknown key comes back as itself.
func (l *Locale) T(key string, args ...any) string {
	p, ok := l.phrases[key]
	if !ok {
		return key
	}
	return fill(p["other"], args)
}

// N is T in the plural form that count asks for; {n} is the count.
func (l *Locale) N(key string, count int, args ...any) string {
	p, ok := l.phrases[key]
	if !ok {
		return key
	}
	s, ok := p[Plural(l.tag, count)]
	if !ok {
		s = p["other"]
	}
	return fill(s, append([]any{"n", l.Number(int64(count))}, args...))
}

// Or returns the text under key, or else when there is none: for names that come
// from the policy and may or may not be ours.
func (l *Locale) Or(key, otherwise string) string {
	if _, ok := l.phrases[key]; ok {
		return l.T(key)
	}
	return otherwise
}

// Policy returns a text of the policy in this language.
func (l *Locale) Policy(t lang.Text) string {
	s := t.In(l.tag)
	if l.tag == Latin {
		return ToLatin(s)
	}
	return s
}

// Number writes n with the language's thousands separator.
func (l *Locale) Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	if n < 10000 && n > -10000 {
		return s
	}
	sep := "\u00a0"
	switch lang.Base(l.tag) {
	case "en":
		sep = ","
	case "sr":
		sep = "."
	}
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + sep + s[i:]
	}
	return s
}

// Size writes a number of bytes as people read it.
func (l *Locale) Size(bytes int64) string {
	switch {
	case bytes < 1000:
		return l.T("size.b", "n", bytes)
	case bytes < 1000*1000:
		return l.T("size.kb", "n", (bytes+500)/1000)
	}
	s := strconv.FormatFloat(float64(bytes)/1e6, 'f', 1, 64)
	if l.tag != "en" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return l.T("size.mb", "n", s)
}

func fill(s string, args []any) string {
	if len(args) == 0 || !strings.Contains(s, "{") {
		return s
	}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		pairs = append(pairs, fmt.Sprintf("{%v}", args[i]), fmt.Sprint(args[i+1]))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}
