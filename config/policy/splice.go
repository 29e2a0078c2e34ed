package policy

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"casewire/casecore/lang"
	"casewire/notify"
)

// ErrUnspliceable says that the document is written in a way in which one template
// cannot be changed without touching the rest.
var ErrUnspliceable = errors.New("the policy is written in a way in which one template cannot be changed alone; change the document itself")

// SetTemplate returns the document with t in place of the template of its id, or
// with t added behind the others. Every byte outside of the template stays, and
// within it what did not change: comments, order and style of the rest. Blanks at
// the ends of lines and empty lines around a text are not kept. It does not say
// whether the result compiles.
func SetTemplate(document []byte, t notify.Template) ([]byte, error) {
	t = tidied(t)
	old, err := Parse("policy.yaml", document)
	if err != nil {
		return nil, err
	}
	want := slices.Clone(old.Notices.Templates)
	i := slices.IndexFunc(want, func(o notify.Template) bool { return o.ID == t.ID })
	if i >= 0 {
		keep := want[i] // what else a template has
		keep.Subject, keep.Text, keep.Urgent = t.Subject, t.Text, t.Urgent
		want[i] = keep
		if reflect.DeepEqual(keep, old.Notices.Templates[i]) {
			return document, nil
		}
	} else {
		want = append(want, t)
	}
	p, err := newPage(document)
	if err != nil {
		return nil, err
	}
	if i >= 0 {
		err = p.change(i, want[i], old.Notices.Templates[i])
	} else {
		err = p.append(t)
	}
	if err != nil {
		return nil, err
	}
	return p.checked(old, want)
}

// DropTemplate returns the document without the template of that id, and otherwise
// as it was. There must be one.
func DropTemplate(document []byte, id string) ([]byte, error) {
	old, err := Parse("policy.yaml", document)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(old.Notices.Templates, func(o notify.Template) bool { return o.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("no template %q", id)
	}
	p, err := newPage(document)
	if err != nil {
		return nil, err
	}
	if err := p.drop(i); err != nil {
		return nil, err
	}
	return p.checked(old, slices.Delete(slices.Clone(old.Notices.Templates), i, i+1))
}

// checked reads the changed document again: it must say what the old one says, but
// for its templates, which must be as wanted.
func (p *page) checked(old *Document, want []notify.Template) ([]byte, error) {
	out := p.bytes()
	now, err := Parse("policy.yaml", out)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrUnspliceable, err)
	}
	a, b := *old, *now
	a.source, b.source = nil, nil
	a.Notices.Templates, b.Notices.Templates = nil, nil
	same := len(want) == len(now.Notices.Templates) && reflect.DeepEqual(a, b)
	for i := range want {
		same = same && reflect.DeepEqual(full(want[i]), full(now.Notices.Templates[i]))
	}
	if !same {
		return nil, ErrUnspliceable
	}
	return out, nil
}

// full makes a template comparable: no text and an empty one are the same.
func full(t notify.Template) notify.Template {
	if len(t.Subject) == 0 {
		t.Subject = nil
	}
	if len(t.Text) == 0 {
		t.Text = nil
	}
	return t
}

// tidied is t as a document can keep it: no blanks that nobody sees, and no
// language without words.
func tidied(t notify.Template) notify.Template {
	clean := func(in lang.Text, one bool) lang.Text {
		out := lang.Text{}
		for tag, s := range in {
			s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ").Replace(s)
			if one {
				s = strings.Join(strings.Fields(s), " ")
			}
			lines := strings.Split(s, "\n")
			for i := range lines {
				lines[i] = strings.TrimRightFunc(lines[i], unicode.IsSpace)
			}
			if s = strings.Trim(strings.Join(lines, "\n"), "\n"); s != "" {
				out[tag] = s
			}
		}
		return out
	}
	t.Subject, t.Text = clean(t.Subject, true), clean(t.Text, false)
	return t
}

// tags are the languages of a text, ours first and in our order.
func tags(t lang.Text) []string {
	out := slices.DeleteFunc(slices.Clone(lang.Supported), func(l string) bool { return !t.Has(l) })
	for _, l := range slices.Sorted(maps.Keys(t)) {
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}
