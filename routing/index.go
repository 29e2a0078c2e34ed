package routing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/search"
)

// token is one word of a pattern or of a message: the numbers of its stems, or
// unknown for a stem that no rule asks for.
type token [2]int32

const unknown = -1

// matches says whether two words share a known stem.
func (t token) matches(u token) bool {
	return t[0] != unknown && (t[0] == u[0] || t[0] == u[1]) || t[1] != unknown && (t[1] == u[0] || t[1] == u[1])
}

// index finds the rules that may hold without trying them all.
type index struct {
	stems     map[string]int32
	patterns  [][]token          // words in a row
	ids       map[string]int32   // patterns by their printed form
	starts    [][]int32          // stem → patterns that begin with it
	byPattern [][]int32          // pattern → rules, in order
	byFact    map[string][]int32 // see notes.fact
	loose     []int32            // rules that nothing announces
}

// rule is a compiled Rule.
type rule struct {
	src        Rule
	priority   casecore.Priority
	text, not  *text
	attributes []values
	customer   []values
	channel    []string
	language   []string
	timed      bool
	from, to   int // minutes of the day; from after to spans midnight
	weekdays   uint8
}

// text is a compiled Text; any and all are patterns in the order of their words.
type text struct {
	any, all []int32
	regex    []*regexp.Regexp
}

// values is a condition on one attribute.
type values struct {
	key     string
	folded  []string
	present bool // "*" is accepted
	absent  bool // "" is accepted
}

func (x *index) compile(src Rule) rule {
	w := src.When
	r := rule{
		src: src, text: x.text(w.Text), not: x.text(w.Not),
		attributes: compileValues(w.Attributes), customer: compileValues(w.Customer), channel: w.Channel,
	}
	r.priority, _ = casecore.ParsePriority(src.Then.Priority)
	for _, l := range w.Language {
		r.language = append(r.language, lang.Base(l))
	}
	if w.Hours != "" {
		r.timed = true
		r.from, r.to, _ = parseHours(w.Hours)
	}
	for _, d := range w.Weekdays {
		r.weekdays |= 1 << slices.Index(weekdays, d)
	}
	return r
}

func (x *index) text(t *Text) *text {
	if t == nil {
		return nil
	}
	out := &text{}
	for _, item := range t.Any {
		out.any = append(out.any, x.pattern(item))
	}
	for _, item := range t.All {
		out.all = append(out.all, x.pattern(item))
	}
	for _, expr := range t.Regex {
		if re, err := compileRegex(expr); err == nil {
			out.regex = append(out.regex, re)
		}
	}
	return out
}

// compileRegex makes an expression fit the folded text it is run over.
func compileRegex(expr string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expr); err != nil {
		return nil, err // in the rule's own words
	}
	return regexp.Compile("(?i)" + strings.NewReplacer("ё", "е", "Ё", "Е").Replace(expr))
}

// pattern returns the number of a word or phrase. Forms of the same words share it.
func (x *index) pattern(item string) int32 {
	if x.stems == nil {
		x.stems, x.ids = map[string]int32{}, map[string]int32{}
	}
	var p []token
	for _, w := range search.Words(item, "") {
		t := token{x.stem(w.Stem), unknown}
		if w.Also != "" {
			t[1] = x.stem(w.Also)
		}
		p = append(p, t)
	}
	key := fmt.Sprint(p)
	if id, ok := x.ids[key]; ok {
		return id
	}
	id := int32(len(x.patterns))
	x.ids[key] = id
	x.patterns = append(x.patterns, p)
	x.byPattern = append(x.byPattern, nil)
	for _, s := range p[0] {
		if s != unknown {
			x.starts[s] = append(x.starts[s], id)
		}
	}
	return id
}

func (x *index) stem(s string) int32 {
	id, ok := x.stems[s]
	if !ok {
		id = int32(len(x.stems))
		x.stems[s] = id
		x.starts = append(x.starts, nil)
	}
	return id
}

// Kinds of facts that rules are filed under.
const (
	attribute = 'a'
	customer  = 'c'
	channel   = 'k'
	language  = 'l'
)

// file puts rule i where its first indispensable condition is found.
func (x *index) file(i int32, r *rule) {
	if x.byFact == nil {
		x.byFact = map[string][]int32{}
	}
	n := &notes{}
	facts := func(kind byte, key string, folded ...string) {
		for _, v := range folded {
			k := string(n.fact(kind, key, v))
			x.byFact[k] = append(x.byFact[k], i)
		}
	}
	filed := func(kind byte, conditions []values) bool {
		for _, c := range conditions {
			if !c.present && !c.absent {
				facts(kind, c.key, c.folded...)
				return true
			}
		}
		return false
	}
	switch {
	case r.text != nil && len(r.text.all) > 0:
		x.filePatterns(i, r.text.all[:1])
	case r.text != nil && len(r.text.any) > 0:
		x.filePatterns(i, r.text.any)
	case filed(attribute, r.attributes), filed(customer, r.customer):
	case len(r.channel) > 0:
		for _, c := range dedupe(r.channel) {
			facts(channel, c, "")
		}
	case len(r.language) > 0:
		for _, l := range dedupe(r.language) {
			facts(language, l, "")
		}
	default:
		x.loose = append(x.loose, i)
	}
}

func (x *index) filePatterns(i int32, patterns []int32) {
	for _, p := range dedupe(patterns) {
		x.byPattern[p] = append(x.byPattern[p], i)
	}
}

func dedupe[T comparable](in []T) []T {
	var out []T
	for _, v := range in {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
