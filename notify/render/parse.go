package render

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"casewire/casecore/search"
)

// Bounds of one template text.
const (
	maxSource = 20_000 // bytes
	maxDepth  = 8      // sections within sections
	maxErrors = 20     // then the rest is not looked at
)

// node is a piece of a parsed text: words, a variable, or a section.
type node struct {
	text     string // when nothing else is set
	variable *variable
	fallback string // in place of an empty variable
	section  bool   // body is shown when the variable is not empty
	unless   bool   // or, with unless, when it is
	body     []node
}

// parser reads one text from the left to the right. It goes on after an error,
// so that all of them are found at once.
type parser struct {
	src   string
	pos   int
	line  int // of what starts at mark
	mark  int
	bol   int // where that line begins
	vars  map[string]variable
	in    *locale
	open  []*node // sections that are not closed yet
	at    []place // where each of them began
	root  node
	fault []*Error
}

type place struct{ line, col int }

func parse(tag, src string) ([]node, *locale, []*Error) {
	p := &parser{src: src, line: 1, vars: known(), in: localeOf(tag, src)}
	switch {
	case len(src) > maxSource:
		p.errorf("", "the text has %d bytes, at most %d", len(src), maxSource).as("long", "n", strconv.Itoa(len(src)), "most", strconv.Itoa(maxSource))
		return nil, p.in, p.fault
	case !utf8.ValidString(src):
		p.errorf("save the policy as UTF-8", "the text is not valid UTF-8").as("utf8")
		return nil, p.in, p.fault
	}
	for p.pos < len(p.src) && len(p.fault) < maxErrors {
		i := strings.Index(p.src[p.pos:], "{{")
		if i < 0 {
			p.add(node{text: p.src[p.pos:]})
			break
		}
		p.add(node{text: p.src[p.pos : p.pos+i]})
		p.pos += i
		p.tag()
	}
	for i, n := range p.open {
		p.errorAt(p.at[i], fmt.Sprintf("write {{/%s}} where it ends", n.variable.name), "section {{%s}} is not closed", opening(n)).as("section", "open", opening(n), "name", n.variable.name)
	}
	return p.root.body, p.in, p.fault
}

// add appends to the innermost open section.
func (p *parser) add(n node) {
	if n.text == "" && n.variable == nil {
		return
	}
	in := &p.root
	if k := len(p.open); k > 0 {
		in = p.open[k-1]
	}
	in.body = append(in.body, n)
}

// tag reads what stands between "{{" at pos and the next "}}".
func (p *parser) tag() {
	rest := p.src[p.pos+2:]
	end := strings.Index(rest, "}}")
	if next := strings.Index(rest, "{{"); end < 0 || next >= 0 && next < end {
		p.errorf("write }} behind the variable's name", "{{ is not closed").as("unclosed")
		p.pos += 2
		return
	}
	defer func() { p.pos += 2 + end + 2 }()
	inner := strings.TrimSpace(rest[:end])
	if strings.Contains(inner, "\n") {
		p.errorf("keep it on one line", "{{…}} spans lines").as("lines")
		return
	}
	switch {
	case strings.HasPrefix(inner, "#"), strings.HasPrefix(inner, "^"):
		p.begin(strings.TrimSpace(inner[1:]), inner[0] == '^')
	case strings.HasPrefix(inner, "/"):
		p.end(strings.TrimSpace(inner[1:]))
	default:
		p.insert(inner)
	}
}

func (p *parser) insert(inner string) {
	name, fallback, hasFallback := strings.Cut(inner, "|")
	name, shape, hasShape := strings.Cut(name, ":")
	name, shape, fallback = strings.TrimSpace(name), strings.TrimSpace(shape), strings.TrimSpace(fallback)
	v := p.lookup(name)
	if v == nil {
		return
	}
	if hasShape {
		x, err := v.shaped(shape, p.in)
		if err != nil {
			e := p.errorf(err.Mend, "%s", err.Msg)
			e.Code, e.Args = err.Code, err.Args
			return
		}
		v = x
	}
	switch {
	case strings.ContainsAny(fallback, "{}"):
		p.errorf("write words without braces", "a brace stands behind the |").as("braces", "name", name)
	case hasFallback && fallback == "":
		p.errorf(fmt.Sprintf("write {{%s|words}} or put it into {{#%s}}…{{/%s}}", name, name, name), "nothing stands behind the |").as("fallback", "name", name)
	case !hasFallback && v.optional && !p.sure(name):
		p.errorf(fmt.Sprintf("write {{%s|what to say then}} or put it into {{#%s}}…{{/%s}}", name, name, name), "%s may be empty", name).as("maybe", "name", name)
	}
	p.add(node{variable: v, fallback: fallback})
}

// sure says that an open section shows this place only when name is not empty.
func (p *parser) sure(name string) bool {
	return slices.ContainsFunc(p.open, func(n *node) bool { return n.variable.name == name && !n.unless })
}

func (p *parser) begin(name string, unless bool) {
	v := p.lookup(name)
	if v == nil {
		v = &variable{name: name, optional: true, of: func(*Values, *locale) string { return "" }}
	} else if !v.optional {
		p.errorf(fmt.Sprintf("leave the section out and write {{%s}}", name), "%s is never empty", name).as("never", "name", name)
	}
	if len(p.open) == maxDepth {
		p.errorf("", "more than %d sections within each other", maxDepth).as("deep", "n", strconv.Itoa(maxDepth))
	}
	p.at = append(p.at, p.here())
	p.open = append(p.open, &node{variable: v, section: true, unless: unless})
}

func (p *parser) end(name string) {
	k := len(p.open)
	if k == 0 {
		p.errorf(fmt.Sprintf("write {{#%s}} where it begins", name), "no section is open here").as("closing", "name", name)
		return
	}
	n := p.open[k-1]
	if n.variable.name != name {
		p.errorf(fmt.Sprintf("write {{/%s}}", n.variable.name), "{{/%s}} closes nothing; the open section is {{%s}}", name, opening(n)).as("crossed", "name", name, "open", n.variable.name)
		if !slices.ContainsFunc(p.open, func(o *node) bool { return o.variable.name == name }) {
			return
		}
	}
	p.open, p.at = p.open[:k-1], p.at[:k-1]
	p.add(*n)
}

func opening(n *node) string {
	if n.unless {
		return "^" + n.variable.name
	}
	return "#" + n.variable.name
}

// lookup returns the variable of that name, or nil after having complained.
func (p *parser) lookup(name string) *variable {
	if v, ok := p.vars[name]; ok {
		return &v
	}
	if key, ok := strings.CutPrefix(name, attrPrefix); ok && isKey(key) {
		v := attribute(name)
		return &v
	}
	if name == "" {
		p.errorf("write a variable's name, such as {{case}}", "nothing stands between the braces").as("nothing")
		return nil
	}
	names := slices.Sorted(maps.Keys(p.vars))
	list := strings.Join(names, ", ") + ", attr.*"
	mend := "it is one of " + strings.Join(names, ", ") + " or attr.…"
	near := search.Nearest(short(name), names)
	if near != "" {
		mend = fmt.Sprintf("did you mean {{%s}}?", near)
	}
	p.errorf(mend, "no variable %q", short(name)).as("unknown", "name", short(name), "near", near, "list", list)
	return nil
}

func isKey(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.-", r)
	}) < 0
}

func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// here is the place of pos, in lines and characters from 1.
func (p *parser) here() place {
	for i := p.mark; i < p.pos; i++ {
		if p.src[i] == '\n' {
			p.line++
			p.bol = i + 1
		}
	}
	p.mark = p.pos
	return place{p.line, utf8.RuneCountInString(p.src[p.bol:p.pos]) + 1}
}

func (p *parser) errorf(mend, format string, args ...any) *Error {
	return p.errorAt(p.here(), mend, format, args...)
}

func (p *parser) errorAt(at place, mend, format string, args ...any) *Error {
	e := &Error{Line: at.line, Col: at.col, Msg: fmt.Sprintf(format, args...), Mend: mend}
	p.fault = append(p.fault, e)
	return e
}
