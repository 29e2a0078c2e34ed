package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/search"
)

// weekdays are numbered like time.Weekday.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// parseHours reads "09:00-18:00" as minutes of the day.
func parseHours(s string) (from, to int, err error) {
	a, b, ok := strings.Cut(s, "-")
	start, err1 := time.Parse("15:04", strings.TrimSpace(a))
	end, err2 := time.Parse("15:04", strings.TrimSpace(b))
	if !ok || err1 != nil || err2 != nil && strings.TrimSpace(b) != "24:00" {
		return 0, 0, fmt.Errorf("%q is not a span of hours", s)
	}
	from, to = start.Hour()*60+start.Minute(), end.Hour()*60+end.Minute()
	if err2 != nil {
		to = 24 * 60
	}
	if from == to {
		return 0, 0, fmt.Errorf("%q is no time at all", s)
	}
	return from, to, nil
}

func compileValues(m map[string][]string) []values {
	var out []values
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v := values{key: k}
		for _, want := range m[k] {
			switch want = strings.TrimSpace(want); want {
			case "*":
				v.present = true
			case "":
				v.absent = true
			default:
				v.folded = append(v.folded, search.Fold(want))
			}
		}
		v.folded = dedupe(v.folded)
		out = append(out, v)
	}
	return out
}

// notes are what one message brings up; they are used again for the next one.
type notes struct {
	scan   search.Scanner
	words  []token
	seen   []uint32 // pattern → round in which it was found
	round  uint32
	hits   []int32 // patterns found
	folded []byte  // the whole text, once an expression asked for it
	ready  bool    // folded is of this message
	buf    []byte
}

// maxWords bounds what is kept of a message; no rule needs more of it.
const maxWords = 1 << 14

// read walks the words of a text once and notes which patterns occur.
func (n *notes) read(x *index, text string) {
	n.words, n.ready = n.words[:0], false
	for n.scan.Reset(text); n.scan.Next() && len(n.words) < maxWords; {
		t := token{unknown, unknown}
		if id, ok := x.stems[string(n.scan.Stem())]; ok {
			t[0] = id
		}
		if also := n.scan.Also(); len(also) > 0 {
			if id, ok := x.stems[string(also)]; ok {
				t[1] = id
			}
		}
		n.words = append(n.words, t)
	}
	n.find(x)
}

// find notes which patterns occur among the words.
func (n *notes) find(x *index) {
	n.hits = n.hits[:0]
	if n.round++; n.round == 0 {
		clear(n.seen)
		n.round = 1
	}
	for i, t := range n.words {
		for _, s := range t {
			if s == unknown {
				continue
			}
			for _, p := range x.starts[s] {
				if n.seen[p] != n.round && phrase(n.words[i:], x.patterns[p]) {
					n.seen[p] = n.round
					n.hits = append(n.hits, p)
				}
			}
		}
	}
}

func phrase(words, pattern []token) bool {
	if len(words) < len(pattern) {
		return false
	}
	for i, p := range pattern {
		if !p.matches(words[i]) {
			return false
		}
	}
	return true
}

// fact is the key under which rules that ask for this fact are filed. It is
// overwritten by the next one.
func (n *notes) fact(kind byte, key, value string) []byte {
	n.buf = append(append(n.buf[:0], kind), key...)
	n.buf = append(n.buf, 0)
	n.buf = search.AppendFold(n.buf, strings.TrimSpace(value))
	return n.buf
}

// evaluation is one message in front of the rules.
type evaluation struct {
	*Facts
	notes *notes
	local time.Time
}

func (e *evaluation) language() string { return lang.Base(e.Language) }

// holds checks every condition of a rule, the dearest last.
func (e *evaluation) holds(r *rule) bool {
	if len(r.channel) > 0 && !slices.Contains(r.channel, string(e.Kind)) && !slices.Contains(r.channel, e.Channel) {
		return false
	}
	if len(r.language) > 0 && !slices.Contains(r.language, e.language()) {
		return false
	}
	if r.timed && !e.within(r.from, r.to) || r.weekdays != 0 && r.weekdays&(1<<e.local.Weekday()) == 0 {
		return false
	}
	for i := range r.attributes {
		if !e.has(&r.attributes[i], e.Attributes) {
			return false
		}
	}
	for i := range r.customer {
		if !e.has(&r.customer[i], e.Customer) {
			return false
		}
	}
	return (r.text == nil || e.says(r.text)) && (r.not == nil || !e.says(r.not))
}

func (e *evaluation) within(from, to int) bool {
	m := e.local.Hour()*60 + e.local.Minute()
	if from < to {
		return from <= m && m < to
	}
	return m >= from || m < to
}

func (e *evaluation) has(v *values, facts map[string]string) bool {
	is := strings.TrimSpace(facts[v.key])
	if is == "" {
		return v.absent
	}
	if v.present {
		return true
	}
	e.notes.buf = search.AppendFold(e.notes.buf[:0], is)
	for _, want := range v.folded {
		if string(e.notes.buf) == want {
			return true
		}
	}
	return false
}

func (e *evaluation) found(pattern int32) bool { return e.notes.seen[pattern] == e.notes.round }

func (e *evaluation) says(t *text) bool {
	for _, p := range t.all {
		if !e.found(p) {
			return false
		}
	}
	if len(t.any) > 0 && !slices.ContainsFunc(t.any, e.found) {
		return false
	}
	if len(t.regex) == 0 {
		return true
	}
	for _, re := range t.regex {
		if re.Match(e.fold()) {
			return true
		}
	}
	return false
}

func (e *evaluation) fold() []byte {
	if !e.notes.ready {
		e.notes.folded, e.notes.ready = search.AppendFold(e.notes.folded[:0], e.Text), true
	}
	return e.notes.folded
}

// reasons says which conditions of the rule held, in the rule's own words.
func (r *Router) reasons(won *rule, f *Facts, n *notes) []casecore.Reason {
	e := evaluation{Facts: f, notes: n, local: f.At.In(r.location)}
	var out []casecore.Reason
	add := func(condition string, matched ...string) {
		out = append(out, casecore.Reason{Condition: condition, Matched: matched})
	}
	w := won.src.When
	if t := won.text; t != nil {
		var said []string
		for i, p := range t.any {
			if e.found(p) {
				said = append(said, w.Text.Any[i])
			}
		}
		said = append(said, w.Text.All...)
		for i, re := range t.regex {
			if re.Match(e.fold()) {
				said = append(said, w.Text.Regex[i])
			}
		}
		add("text", said...)
	}
	if won.not != nil {
		add("not")
	}
	if len(won.channel) > 0 {
		if slices.Contains(won.channel, f.Channel) {
			add("channel", f.Channel)
		} else {
			add("channel", string(f.Kind))
		}
	}
	if len(won.language) > 0 {
		add("language", e.language())
	}
	if won.timed {
		add("hours", w.Hours)
	}
	if won.weekdays != 0 {
		add("weekdays", weekdays[e.local.Weekday()])
	}
	for _, v := range won.customer {
		add("customer", v.key+"="+strings.TrimSpace(f.Customer[v.key]))
	}
	for _, v := range won.attributes {
		add("attribute", v.key+"="+strings.TrimSpace(f.Attributes[v.key]))
	}
	return out
}
