package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/routing/desk"
	"casewire/routing/wording"
)

// editing is what the editor of a template shows.
type editing struct {
	draft    wording.Draft
	fresh    bool  // it is not in the policy yet
	revision int64 // from which it is made
	values   url.Values
	lang     string // whose tab is open
	against  *wording.Draft
	faults   []wording.Finding // besides those of the draft
	notice   *notice
	code     int
	part     bool // only what changes while somebody types
}

type templatePage struct {
	shell
	ID, Name, Action string
	New, Urgent      bool
	Revision         int64
	Lang             string // whose tab is open
	Langs            []templateLang
	General          []findingRow // of no language
	Uses             []string
	Vars             []templateVar
	Case, Note       string
	CaseNote         string // why the case cannot be filled in, or whose it is
	CaseBad          bool
	Compared         []compared
}

// templateLang is one language of the editor.
type templateLang struct {
	Tag, Name, Subject, Text string

	Open             bool
	Rows             int
	Errors, Warnings int
	Findings         []findingRow
	Shown            *shownIn // nil when it was not asked for
}

// findingRow is one finding beside its text.
type findingRow struct {
	Error     bool
	Hint      bool   // neither an error nor a warning
	Field     string // id of the field; empty: none
	Line, Col int
	Text      string
	Mend      string
}

// shownIn is a draft as a customer of one language gets it.
type shownIn struct {
	Broken         bool
	Instead        string // name of the language that they get it in
	Subject, Text  string
	Channels       []shownOn
	LangTag, Title string
}

type shownOn struct {
	Kind   channels.Kind
	Text   string
	Count  string // what it costs, where that matters
	Detail string
	Tone   string
}

// templateVar is one variable with what can be inserted.
type templateVar struct {
	Name, Meaning, Example, Insert string

	Optional bool
	Shapes   []string // ready to insert
}

// compared is one text that differs from the one in force.
type compared struct {
	Name  string
	Lines []diffLine
}

// edit shows the editor, or the parts of it that follow the typing.
func (c *Console) edit(v *visit, room wording.Room, book *wording.Book, e editing) error {
	langs := allLanguages(book, e.draft)
	e.lang = firstOf(cmp.Or(e.lang, lang.Base(v.Tag())), langs)
	p := templatePage{ID: e.draft.ID, New: e.fresh, Urgent: e.draft.Urgent, Revision: e.revision, Lang: e.lang, Action: templatesPath, Note: limit(plain(e.values.Get("note")), 200)}
	p.Case = limit(strings.TrimSpace(plain(e.values.Get("case"))), 40)
	if t, ok := book.Find(e.draft.ID); ok && !e.fresh {
		p.Uses, p.Name, p.Action = usesIn(v, t.Uses), templateName(v, t), templatePath(e.draft.ID)
	}
	trial := wording.Trial{Langs: langs, Case: p.Case}
	if e.part {
		trial.Langs = []string{e.lang}
	}
	tried, err := room.Try(v.ctx(), v.by, e.draft, trial)
	if notYours(err) && p.Case != "" {
		p.CaseNote, p.CaseBad = v.T("tpl.case_none", "case", p.Case), true
		trial.Case = ""
		tried, err = room.Try(v.ctx(), v.by, e.draft, trial)
	}
	if err != nil {
		return err
	}
	if tried.Customer != "" {
		p.CaseNote = v.T("tpl.case_of", "name", tried.Customer)
	}
	p.fill(v, book, langs, e, tried)
	if e.part {
		return c.show(v, http.StatusOK, "template-parts", p)
	}
	title := cmp.Or(p.ID, v.T("tpl.new"))
	if e.fresh {
		title = v.T("tpl.new")
	}
	if p.shell, err = c.shell(v, "template", title); err != nil {
		return err
	}
	p.Notice = e.notice
	p.Compared = comparing(v, e, langs)
	for _, x := range book.Variables {
		p.Vars = append(p.Vars, templateVarOf(v, x))
	}
	return c.show(v, cmp.Or(e.code, http.StatusOK), "template", p)
}

func notYours(err error) bool {
	return isMissing(err) || errors.Is(err, casecore.ErrForbidden) || errors.Is(err, desk.ErrBadNumber)
}

// fill puts the languages of a draft side by side, with what was found in them.
func (p *templatePage) fill(v *visit, book *wording.Book, langs []string, e editing, tried *wording.Tried) {
	rows := map[string][]findingRow{}
	bad, hints := map[string]int{}, map[string]int{}
	for _, f := range append(tried.Findings, e.faults...) {
		r := findingIn(v, f)
		if known := f.Lang != "" && slices.Contains(langs, f.Lang); !known {
			p.General = appendFinding(p.General, r)
		} else {
			rows[f.Lang] = appendFinding(rows[f.Lang], r)
		}
	}
	for tag, list := range rows {
		for _, r := range list {
			switch {
			case r.Error:
				bad[tag]++
			case r.Hint:
				hints[tag]++
			}
		}
	}
	for _, tag := range langs {
		l := templateLang{Tag: tag, Name: languageTitle(tag), Subject: e.draft.Subject[tag], Text: e.draft.Text[tag],
			Open: tag == e.lang, Findings: rows[tag], Errors: bad[tag], Warnings: len(rows[tag]) - bad[tag] - hints[tag]}
		l.Rows = min(max(strings.Count(l.Text, "\n")+2, len([]rune(l.Text))/70+2, 5), 16)
		for _, r := range tried.Rendered {
			if r.Lang == tag {
				l.Shown = shownOf(v, r)
			}
		}
		p.Langs = append(p.Langs, l)
	}
}

// appendFinding leaves out what was said already.
func appendFinding(list []findingRow, r findingRow) []findingRow {
	for _, x := range list {
		if x == r {
			return list
		}
	}
	return append(list, r)
}

// findingIn says a finding in the reader's language, as far as we have the words;
// what is wrong with the signs of a template itself is said in English.
func findingIn(v *visit, f wording.Finding) findingRow {
	r := findingRow{Error: f.Error, Hint: f.Hint, Line: f.Line, Col: f.Col, Text: f.Detail, Mend: f.Mend}
	if f.Lang != "" && f.Field != "" {
		r.Field = f.Field + "." + f.Lang
	}
	key := "lint." + f.Code
	if _, ok := v.Phrase(key); !ok {
		return r
	}
	var args []any
	for k, s := range f.Args {
		if k == "lang" || k == "fallback" || k == "other" {
			s = languageTitle(s)
		}
		args = append(args, k, s)
	}
	do := key + "_do"
	if f.Code == "wide" && f.Args["instead"] == "" {
		do = "lint.wide_leave"
	}
	if f.Code == "unknown" && f.Args["near"] != "" {
		do = "lint.unknown_near"
	}
	if f.Code == "rest" && strings.HasPrefix(f.Args["what"], "{") {
		do = "lint.rest_braces"
	}
	r.Text, r.Mend = v.T(key, args...), ""
	if _, ok := v.Phrase(do); ok {
		r.Mend = v.T(do, args...)
	}
	return r
}

func shownOf(v *visit, r wording.Rendered) *shownIn {
	s := &shownIn{Broken: r.Broken, Subject: r.Subject, Text: r.Text, LangTag: r.In, Title: languageTitle(r.Lang)}
	if r.In != "" && r.In != r.Lang {
		s.Instead = languageTitle(r.In)
	}
	for _, on := range r.Shown {
		x := shownOn{Kind: on.Kind, Text: on.Text}
		if m := on.Measure; m != nil {
			x.measure(v, m)
		}
		s.Channels = append(s.Channels, x)
	}
	return s
}

// measure says what an SMS takes, and why (S7).
func (x *shownOn) measure(v *visit, m *channels.Measure) {
	x.Count = v.N("tpl.sms", m.Parts)
	encoding := "GSM-7"
	if m.Wide {
		encoding = "UCS-2"
	}
	x.Detail = encoding + " · " + v.N("tpl.signs", m.Runes) + " · " + v.N("tpl.left", m.Left)
	if n := len([]rune(m.Signs)); m.Wide && n > 0 && n <= 3 { // more are an alphabet
		x.Detail += " · " + v.T("tpl.because", "signs", strings.Join(strings.Split(m.Signs, ""), " "))
	}
	switch {
	case m.Long:
		x.Tone = "red"
		x.Detail = v.T("measure.long") + " · " + x.Detail
	case m.Parts > 3:
		x.Tone = "amber"
	}
}

// comparing shows what is in force beside what was typed.
func comparing(v *visit, e editing, langs []string) []compared {
	if e.against == nil {
		return nil
	}
	var out []compared
	for _, tag := range langs {
		for _, field := range []struct {
			name        string
			theirs, own lang.Text
		}{{"tpl.subject", e.against.Subject, e.draft.Subject}, {"tpl.text", e.against.Text, e.draft.Text}} {
			if a, b := field.theirs[tag], field.own[tag]; a != b {
				out = append(out, compared{Name: languageTitle(tag) + " · " + v.T(field.name), Lines: difference(a, b, -1)})
			}
		}
	}
	return out
}

func templateVarOf(v *visit, x wording.Variable) templateVar {
	name := strings.TrimSuffix(x.Name, "*")
	out := templateVar{Name: x.Name, Meaning: v.Policy(x.Meaning), Example: x.Example, Optional: x.Optional, Insert: "{{" + name + "}}"}
	if name != x.Name {
		name += "model" // an attribute that the default policy has
	}
	if x.Optional {
		out.Insert = "{{#" + name + "}}{{" + name + "}}{{/" + name + "}}"
	}
	for _, s := range x.Shapes {
		if s != "" {
			out.Shapes = append(out.Shapes, "{{"+name+":"+s+"}}")
		}
	}
	return out
}

// Place writes where in a text something is: "3:12".
func (r findingRow) Place() string {
	if r.Line == 0 {
		return ""
	}
	return strconv.Itoa(r.Line) + ":" + strconv.Itoa(r.Col)
}
