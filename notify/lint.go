package notify

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/notify/render"
)

// Severity is how bad a Finding is.
type Severity string

// An error keeps a policy from being put in force, a warning does not, and a hint is
// worth knowing only to whoever writes the template.
const (
	Wrong   Severity = "error"
	Warning Severity = "warning"
	Hint    Severity = "hint"
)

// Finding is one thing to look at in a template. Code and Args are for who says it
// in another language; Msg and Mend say it in English.
type Finding struct {
	Severity  Severity
	Field     string // "id", "subject", "text"; with Lang, where it is
	Lang      string // empty: of the field in all languages
	Line, Col int    // within that text, from 1, in characters; 0: no place
	Code      string // "fault" of what keeps a template from being read
	Args      map[string]string
	Msg, Mend string
}

// Codes of findings; the first three keep a policy from being put in force.
const (
	LintFault       = "fault"        // what cannot be read, in Msg and Mend; or the Code of a render.Error
	LintDefault     = "default"      // lang: of those whose language a text lacks; it must be there
	LintUnnamed     = "unnamed"      // lang: the text has it, the subject has not
	LintLanguage    = "language"     // lang, fallback: a language of the centre is missing
	LintVariable    = "variable"     // name: the other languages have it
	LintParts       = "parts"        // n, most: too many parts as SMS
	LintWide        = "wide"         // sign, instead: makes SMS dear
	LintNoSubject   = "no_subject"   // mail without one
	LintLongSubject = "long_subject" // n, most
	LintLink        = "link"         // a link with other words where there is none
	LintRest        = "rest"         // what: left over from writing
	LintBlanks      = "blanks"       // at the end of a line
	LintSame        = "same"         // other: the text of another language
)

// LintOptions are what a template is judged by.
type LintOptions struct {
	Languages []string // of the centre
	Fallback  string   // of customers whose language a template lacks
	// Values are what to fill in to see how long a text gets; nil: render.SampleIn.
	Values func(tag string) render.Values
	// Measure says what sending a text as SMS takes; nil: nothing is counted.
	Measure func(text, tag string) channels.Measure
	Parts   int  // of an SMS, at most; 0: 3
	Mail    bool // it may go out as mail
}

// Bounds beyond which a warning is given.
const (
	mostParts   = 3
	mostSubject = 78 // characters of a subject that mail programs show
)

// Lint returns what is wrong with a template, and what may be, in the order of its
// languages and lines. It is pure.
func Lint(t Template, o LintOptions) []Finding {
	if o.Values == nil {
		o.Values = render.SampleIn
	}
	if o.Parts == 0 {
		o.Parts = mostParts
	}
	l := &linter{t: t, o: o, used: map[string][]string{}}
	l.field("subject", t.Subject)
	l.field("text", t.Text)
	l.languages()
	l.variables()
	l.subjects()
	l.same()
	order := append([]string{""}, lang.Supported...)
	slices.SortStableFunc(l.out, func(a, b Finding) int {
		return cmp.Or(slices.Index(order, a.Lang)-slices.Index(order, b.Lang), strings.Compare(a.Field, b.Field), a.Line-b.Line, a.Col-b.Col)
	})
	return l.out
}

type linter struct {
	t    Template
	o    LintOptions
	used map[string][]string // variables of the text, by language that can be read
	out  []Finding
}

func (l *linter) warn(f Finding, mend, format string, args ...any) {
	f.Severity, f.Msg, f.Mend = Warning, fmt.Sprintf(format, args...), mend
	l.out = append(l.out, f)
}

// field looks at one text, language by language.
func (l *linter) field(name string, t lang.Text) {
	for _, tag := range slices.Sorted(maps.Keys(t)) {
		compiled, err := render.Compile(lang.Text{tag: t[tag]})
		for _, e := range split(err) {
			l.out = append(l.out, Finding{Severity: Wrong, Field: name, Lang: tag, Line: e.Line, Col: e.Col,
				Code: cmp.Or(e.Code, LintFault), Args: e.Args, Msg: e.Msg, Mend: e.Mend})
		}
		l.source(name, tag, t[tag])
		if compiled == nil {
			continue
		}
		if name == "text" {
			l.used[tag] = compiled.Names()
			l.sms(tag, t[tag], compiled.Render(tag, l.o.Values(tag)))
		} else if n := utf8.RuneCountInString(compiled.Render(tag, l.o.Values(tag))); n > mostSubject {
			l.warn(Finding{Field: name, Lang: tag, Line: 1, Col: 1, Code: LintLongSubject,
				Args: map[string]string{"n": fmt.Sprint(n), "most": fmt.Sprint(mostSubject)}},
				"shorten it", "the subject gets %d characters long; mail programs show about %d", n, mostSubject)
		}
	}
}

// rests are what people leave behind in a text that is not finished, or write when
// they mean a variable.
var (
	rests     = regexp.MustCompile(`\b(TODO|FIXME|XXX+|TBD|[Ll]orem ipsum)\b`)
	braced    = regexp.MustCompile(`\{[\p{L}_][\p{L}\p{N}_.|:# /-]*\}`)
	tags      = regexp.MustCompile(`\{\{[^{}]*\}\}`)
	worded    = regexp.MustCompile(`\{\{\s*link\s*\|`)
	blankEnds = regexp.MustCompile(`(?m)[ \t]+$`)
)

// source looks at a text as it is written.
func (l *linter) source(name, tag, s string) {
	masked := tags.ReplaceAllStringFunc(s, func(m string) string { return strings.Repeat("\x00", len(m)) })
	found := func(at []int, code string) Finding {
		line, col := placeOf(s, at[0])
		return Finding{Field: name, Lang: tag, Line: line, Col: col, Code: code, Args: map[string]string{"what": strings.TrimSpace(s[at[0]:at[1]])}}
	}
	for _, at := range append(rests.FindAllStringIndex(masked, 9), braced.FindAllStringIndex(masked, 9)...) {
		f := found(at, LintRest)
		mend := "finish it, or take it out"
		if what := f.Args["what"]; what[0] == '{' {
			mend = "a variable has two braces, {" + what + "}"
		}
		l.warn(f, mend, "%q looks left over", f.Args["what"])
	}
	for _, at := range worded.FindAllStringIndex(s, 9) {
		l.warn(found(at, LintLink), "write {{#link}}…{{link}}{{/link}}, which leaves the sentence out",
			"where there is no link, customers read other words in its place")
	}
	if at := blankEnds.FindStringIndex(s); at != nil && strings.TrimSpace(s) != "" {
		l.warn(found(at, LintBlanks), "take them out", "blanks at the end of the line")
	}
}

func placeOf(s string, at int) (line, col int) {
	before := s[:at]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1
}

// plainSign is what may stand in for a sign that editors put in by themselves.
var plainSign = map[rune]string{
	'‘': "'", '’': "'", '‚': "'", '“': `"`, '”': `"`, '„': `"`, '«': `"`, '»': `"`, '–': "-", '—': "-", '−': "-", '‐': "-",
	'…': "...", '•': "*", '·': "*", '\u00a0': " ", '\u202f': " ", '\u2009': " ", '\u200b': "", '\u00ad': "", '`': "'", '´': "'",
}

// sms looks at what a text costs as SMS: in how many parts it goes, and which signs
// alone make every part hold less than half.
func (l *linter) sms(tag, source, text string) {
	if l.o.Measure == nil {
		return
	}
	m := l.o.Measure(text, tag)
	if m.Parts > l.o.Parts {
		l.warn(Finding{Field: "text", Lang: tag, Code: LintParts, Args: map[string]string{"n": fmt.Sprint(m.Parts), "most": fmt.Sprint(l.o.Parts)}},
			"shorten it, if it goes out as SMS", "as SMS it is %d messages, each of them paid", m.Parts)
	}
	if !m.Wide {
		return
	}
	dear := map[rune]bool{}
	for _, r := range text {
		if _, seen := dear[r]; !seen {
			dear[r] = l.o.Measure(string(r), tag).Wide
		}
		if dear[r] && unicode.IsLetter(r) {
			return // its alphabet is what makes it so
		}
	}
	told := map[rune]bool{}
	for i, r := range source {
		if !dear[r] || told[r] {
			continue
		}
		told[r] = true
		line, col := placeOf(source, i)
		instead, known := plainSign[r]
		mend := fmt.Sprintf("write %q", instead)
		if !known || instead == "" {
			mend = "leave it out"
		}
		l.warn(Finding{Field: "text", Lang: tag, Line: line, Col: col, Code: LintWide, Args: map[string]string{"sign": string(r), "instead": instead}},
			mend, "%q makes an SMS hold 70 characters instead of 160", string(r))
	}
}

// languages finds those of the centre that the text lacks.
func (l *linter) languages() {
	for name, t := range map[string]lang.Text{"subject": l.t.Subject, "text": l.t.Text} {
		if !t.Has(l.o.Fallback) && (name == "text" || len(t) > 0) {
			l.out = append(l.out, Finding{Severity: Wrong, Field: name, Lang: l.o.Fallback, Code: LintDefault, Args: map[string]string{"lang": l.o.Fallback},
				Msg: fmt.Sprintf("the default language %q is missing", l.o.Fallback), Mend: "add it: it stands in for the languages that are not there"})
		}
	}
	for tag := range l.t.Text {
		if len(l.t.Subject) > 0 && !l.t.Subject.Has(tag) && tag != l.o.Fallback {
			l.out = append(l.out, Finding{Severity: Wrong, Field: "subject", Lang: tag, Code: LintUnnamed, Args: map[string]string{"lang": tag},
				Msg: fmt.Sprintf("the text has language %q, the subject has not", tag), Mend: fmt.Sprintf("add %s to the subject, or leave the subject out", tag)})
		}
	}
	for _, tag := range l.o.Languages {
		if len(l.t.Text) == 0 || l.t.Text.Has(tag) || tag == l.o.Fallback {
			continue
		}
		in := reads(l.t.Text, tag, l.o.Fallback)
		l.warn(Finding{Field: "text", Lang: tag, Code: LintLanguage, Args: map[string]string{"lang": tag, "fallback": in}},
			"add it", "there is no %s; who reads it gets %s", tag, in)
	}
}

// variables finds languages that leave out what most others tell.
func (l *linter) variables() {
	count := map[string]int{}
	for _, names := range l.used {
		for _, n := range names {
			count[n]++
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(l.used)) {
		for _, name := range slices.Sorted(maps.Keys(count)) {
			others := len(l.used) - 1
			if slices.Contains(l.used[tag], name) || others == 0 || 2*count[name] <= others {
				continue
			}
			l.warn(Finding{Field: "text", Lang: tag, Code: LintVariable, Args: map[string]string{"name": name}},
				fmt.Sprintf("say {{%s}} here, too", name), "{{%s}} is in the other languages, but not in this one", name)
		}
	}
}

func (l *linter) subjects() {
	if l.o.Mail && len(l.t.Subject) == 0 && len(l.t.Text) > 0 {
		l.out = append(l.out, Finding{Severity: Hint, Field: "subject", Code: LintNoSubject,
			Msg: "mail goes out with the subject of the case", Mend: "write one if it is to be news of its own"})
	}
}

// same finds languages that nobody has translated.
func (l *linter) same() {
	first := map[string]string{}
	for _, tag := range append([]string{l.o.Fallback}, lang.Supported...) {
		s := strings.Join(strings.Fields(l.t.Text[tag]), " ")
		if s == "" {
			continue
		}
		other, seen := first[s]
		if !seen {
			first[s] = tag
		} else if other != tag {
			l.warn(Finding{Field: "text", Lang: tag, Code: LintSame, Args: map[string]string{"other": other}},
				"translate it", "the text is that of %s", other)
		}
	}
}
