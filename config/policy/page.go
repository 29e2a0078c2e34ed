package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"casewire/casecore/lang"
	"casewire/notify"
)

// page is a document as lines, with what the parser knows of where things stand.
// Edits replace whole lines and are collected, so that the places stay true.
type page struct {
	lines []string // without their ends
	eol   string
	words []bool // lines that belong to a block text and are neither keys nor comments
	root  ast.MapNode
	list  *ast.SequenceNode // of templates; nil: none
	key   ast.Node          // of that list; nil: none
	edits []edit
}

// edit puts lines in place of those from a up to b.
type edit struct {
	a, b  int
	lines []string
}

func newPage(document []byte) (*page, error) {
	p := &page{eol: "\n"}
	if bytes.Contains(document, []byte("\r\n")) {
		p.eol = "\r\n"
		document = bytes.ReplaceAll(document, []byte("\r\n"), []byte("\n"))
	}
	if bytes.ContainsRune(document, '\r') {
		return nil, ErrUnspliceable
	}
	p.lines = strings.Split(string(document), "\n")
	f, err := parser.ParseBytes(bytes.TrimPrefix(document, []byte("\ufeff")), 0)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrUnspliceable, err)
	}
	for _, d := range f.Docs {
		if m, ok := d.Body.(ast.MapNode); ok {
			p.root = m
		}
	}
	if p.root != nil {
		k, v := entry(p.root, "templates")
		p.key = k
		p.list, _ = v.(*ast.SequenceNode)
	}
	p.words = contents(p.lines)
	return p, nil
}

func entry(m ast.MapNode, name string) (key, value ast.Node) {
	for it := m.MapRange(); it.Next(); {
		if t := it.Key().GetToken(); t != nil && t.Value == name {
			return it.Key(), it.Value()
		}
	}
	return nil, nil
}

var header = regexp.MustCompile(`^(\s*)((?:- +)*)(?:[^#'"]*?: +)?[|>][-+]?([1-9]?)[-+]?\s*(?:#.*)?$`)

// contents tells which lines are words of a block text.
func contents(lines []string) []bool {
	out := make([]bool, len(lines))
	for i := 0; i < len(lines); i++ {
		m := header.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		parent, first := len(m[1])+len(m[2]), -1
		if m[3] != "" {
			first = parent + int(m[3][0]-'0')
		}
		for i+1 < len(lines) {
			next := lines[i+1]
			if strings.TrimSpace(next) != "" {
				in := indent(next)
				if first < 0 && in > parent {
					first = in
				}
				if first < 0 || in < first {
					break
				}
				out[i+1] = true
			}
			i++
		}
	}
	return out
}

func indent(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }

// idle says that line i is blank or a comment.
func (p *page) idle(i int) bool {
	s := strings.TrimSpace(p.lines[i])
	return !p.words[i] && (s == "" || s[0] == '#')
}

// end is behind the last line of what begins on line a at a column and reaches
// over everything that is further in; within a list, beyond its own dashes.
func (p *page) end(a, column int, list bool) int {
	b := a + 1
	for i := a + 1; i < len(p.lines); i++ {
		if p.idle(i) {
			continue
		}
		in := indent(p.lines[i])
		mine := list && in == column && strings.HasPrefix(p.lines[i][in:], "-")
		if in <= column && !mine && !p.words[i] {
			break
		}
		b = i + 1
	}
	return b
}

// at is the line and the column of a node, from 0.
func at(n ast.Node) (line, column int) {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return 0, 0
	}
	return t.Position.Line - 1, t.Position.Column - 1
}

// item is the span of lines of the i-th template, and the column of its dash.
func (p *page) item(i int) (a, b, dash int, err error) {
	if p.list == nil || p.list.IsFlowStyle || i >= len(p.list.Values) {
		return 0, 0, 0, ErrUnspliceable
	}
	a, _ = at(p.list.Values[i])
	for ; a >= 0; a-- {
		if s := strings.TrimLeft(p.lines[a], " "); strings.HasPrefix(s, "- ") || s == "-" {
			dash = indent(p.lines[a])
			return a, p.end(a, dash, false), dash, nil
		}
	}
	return 0, 0, 0, ErrUnspliceable
}

func (p *page) replace(a, b int, lines ...string) { p.edits = append(p.edits, edit{a, b, lines}) }

// change writes what differs between two states of the i-th template.
func (p *page) change(i int, t, old notify.Template) error {
	if p.list != nil && p.list.IsFlowStyle {
		return ErrUnspliceable
	}
	a, b, dash, err := p.item(i)
	if err != nil {
		return err
	}
	m, ok := p.list.Values[i].(ast.MapNode)
	if flow, is := p.list.Values[i].(*ast.MappingNode); !ok || is && flow.IsFlowStyle {
		if !plainTemplate(old) {
			return ErrUnspliceable
		}
		p.replace(a, b, written(t, dash)...)
		return nil
	}
	_, column := at(p.list.Values[i])
	textKey, _ := entry(m, "text")
	if textKey == nil {
		return ErrUnspliceable
	}
	line, _ := at(textKey)
	before := line // where new keys go: in front of the text, or behind it where the item begins with it
	if strings.TrimSpace(p.begun(line, column)) != "" {
		before = p.end(line, column, false)
	}
	// In this order: what is put in at one place stays in it.
	if err := p.text(m, "text", before, t.Text, old.Text); err != nil {
		return err
	}
	if err := p.text(m, "subject", before, t.Subject, old.Subject); err != nil {
		return err
	}
	if t.Urgent == old.Urgent {
		return nil
	}
	key, _ := entry(m, "urgent")
	if key == nil {
		p.replace(before, before, strings.Repeat(" ", column)+"urgent: true")
		return nil
	}
	line, c := at(key)
	p.replace(line, p.end(line, c, false), p.begun(line, c)+fmt.Sprintf("urgent: %t", t.Urgent))
	return nil
}

// begun is what stands on a line before a column: blanks, and the dash of an item
// that begins there.
func (p *page) begun(line, column int) string { return p.lines[line][:column] }

// plainTemplate says that a template has nothing but what written writes.
func plainTemplate(t notify.Template) bool {
	rest := t
	rest.ID, rest.Subject, rest.Text, rest.Urgent = "", nil, nil, false
	return fmt.Sprint(rest) == fmt.Sprint(notify.Template{})
}

// text writes what differs between two states of a text, language by language.
func (p *page) text(m ast.MapNode, name string, before int, t, old lang.Text) error {
	if sameText(t, old) {
		return nil
	}
	key, value := entry(m, name)
	if key == nil {
		textKey, _ := entry(m, "text")
		_, column := at(textKey)
		p.replace(before, before, inLanguages(name, column, t)...)
		return nil
	}
	line, c := at(key)
	langs, block := value.(ast.MapNode)
	if flow, is := value.(*ast.MappingNode); is && flow.IsFlowStyle {
		block = false
	}
	if len(t) == 0 || !block {
		whole := inLanguages(name, c, t)
		if begun := p.begun(line, c); len(whole) > 0 {
			whole[0] = begun + whole[0][c:]
		} else if strings.TrimSpace(begun) != "" {
			return ErrUnspliceable
		}
		p.replace(line, p.end(line, c, false), whole...)
		return nil
	}
	tail := line + 1 // behind the last language that stays
	inner := c + 2
	for it := langs.MapRange(); it.Next(); {
		tag := it.Key().GetToken().Value
		from, in := at(it.Key())
		to := p.end(from, in, false)
		inner = in
		switch s, kept := t[tag]; {
		case !kept:
			p.replace(from, to)
		case s != old[tag]:
			_, literal := it.Value().(*ast.LiteralNode)
			p.replace(from, to, inLanguage(tag, s, in, literal)...)
		}
		tail = max(tail, to)
	}
	var more []string
	for _, tag := range tags(t) {
		if _, had := old[tag]; !had {
			more = append(more, inLanguage(tag, t[tag], inner, name == "text")...)
		}
	}
	if len(more) > 0 {
		p.replace(tail, tail, more...)
	}
	return nil
}

func sameText(a, b lang.Text) bool {
	return slices.Equal(tags(a), tags(b)) && !slices.ContainsFunc(tags(a), func(l string) bool { return a[l] != b[l] })
}

// append puts a template behind the others.
func (p *page) append(t notify.Template) error {
	switch {
	case p.list != nil && len(p.list.Values) > 0:
		_, b, dash, err := p.item(len(p.list.Values) - 1)
		if err != nil {
			return err
		}
		p.replace(b, b, append([]string{""}, written(t, dash)...)...)
	case p.key != nil:
		line, c := at(p.key)
		p.replace(line, p.end(line, c, true), append([]string{"templates:"}, written(t, 2)...)...)
	default:
		b := len(p.lines)
		for b > 0 && strings.TrimSpace(p.lines[b-1]) == "" {
			b--
		}
		p.replace(b, b, append([]string{"", "templates:"}, written(t, 2)...)...)
	}
	return nil
}

// drop takes out the i-th template and the empty line behind it.
func (p *page) drop(i int) error {
	a, b, _, err := p.item(i)
	if err != nil {
		return err
	}
	if b < len(p.lines)-1 && strings.TrimSpace(p.lines[b]) == "" && a > 0 && strings.TrimSpace(p.lines[a-1]) == "" {
		b++
	}
	p.replace(a, b)
	return nil
}

// bytes is the document with all edits.
func (p *page) bytes() []byte {
	slices.SortStableFunc(p.edits, func(x, y edit) int { return cmp.Or(x.a-y.a, x.b-y.b) })
	var out []string
	from := 0
	for _, e := range p.edits {
		out = append(append(out, p.lines[from:e.a]...), e.lines...)
		from = e.b
	}
	out = append(out, p.lines[from:]...)
	return []byte(strings.Join(out, p.eol))
}
