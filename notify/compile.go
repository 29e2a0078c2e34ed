package notify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/search"
	"casewire/notify/render"
)

// CompileOptions are what notices need of the rest of the policy. Lang is
// required, and Flow is, too; without it Compile still finds the faults of the
// Spec itself, but what it returns must not be used.
type CompileOptions struct {
	Flow   *flow.Flow
	Lang   string                      // of customers whose own language a template lacks
	Centre string                      // name of the centre, as customers read it
	Queue  func(id, tag string) string // name of a queue in a language; nil: its id
	Zone   *time.Location              // of customers whose own is not known; nil: UTC
}

// Fault is one thing wrong in a Spec, or in what a status says of notices. Path
// is where, below the policy ("templates[2].text.ru"); Line and Col are where
// within that text, from 1, or 0; Mend is what to write instead.
type Fault struct {
	Path      string
	Line, Col int
	Msg, Mend string
}

func (f *Fault) Error() string {
	s := f.Path + ": "
	if f.Line > 0 {
		s += fmt.Sprintf("line %d, column %d: ", f.Line, f.Col)
	}
	s += f.Msg
	if f.Mend != "" {
		s += "; " + f.Mend
	}
	return s
}

// eventKinds are what OnEvent may name.
func eventKinds() []string {
	return []string{string(casecore.Opened), string(casecore.Reopened), string(casecore.Claimed), string(casecore.Asked)}
}

// Compile checks the spec and returns every fault, joined, each a *Fault.
func Compile(spec Spec, o CompileOptions) (*Policy, error) {
	c := &compiler{o: o, spec: spec, policy: &Policy{
		templates: map[string]*template{}, events: map[casecore.EventKind][]OnEvent{}, delivery: spec.Delivery, o: o,
	}}
	for i := range spec.Templates {
		c.template(fmt.Sprintf("templates[%d]", i), spec.Templates[i])
	}
	c.events()
	c.manner()
	if o.Flow != nil {
		for i, s := range o.Flow.Spec().Statuses {
			if s.Notice != "" {
				c.known(fmt.Sprintf("statuses[%d].notice", i), s.Notice)
			}
		}
	}
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	return c.policy, nil
}

type compiler struct {
	o      CompileOptions
	spec   Spec
	policy *Policy
	faults []error
}

func (c *compiler) fault(path, mend, format string, args ...any) {
	c.faults = append(c.faults, &Fault{Path: path, Msg: fmt.Sprintf(format, args...), Mend: mend})
}

func (c *compiler) template(at string, t Template) {
	switch {
	case t.ID == "":
		c.fault(at+".id", "name the template, such as \"ready\"", "required")
	case c.policy.templates[t.ID] != nil:
		c.fault(at+".id", "give each template an id of its own", "%q is used twice", t.ID)
	}
	out := &template{text: c.texts(at+".text", t.Text, true), subject: c.texts(at+".subject", t.Subject, false), urgent: t.Urgent}
	if len(t.Subject) > 0 {
		for _, tag := range slices.Sorted(maps.Keys(t.Text)) {
			if !t.Subject.Has(tag) {
				c.fault(at+".subject", fmt.Sprintf("add %s to the subject, or leave the subject out", tag),
					"the text has language %q, the subject has not", tag)
			}
		}
	}
	c.policy.templates[t.ID] = out
}

// texts compiles one text in its languages.
func (c *compiler) texts(at string, t lang.Text, required bool) *render.Template {
	switch {
	case len(t) == 0 && required:
		c.fault(at, "write the text, at least in "+c.o.Lang, "required")
	case len(t) > 0 && !t.Has(c.o.Lang):
		c.fault(at, "add it: it stands in for the languages that are not there", "the default language %q is missing", c.o.Lang)
	}
	for _, tag := range t.Unknown() {
		c.fault(at+"."+tag, "it is one of "+strings.Join(lang.Supported, ", "), "%q is no supported language", tag)
	}
	compiled, err := render.Compile(t)
	for _, e := range split(err) {
		c.faults = append(c.faults, &Fault{Path: at + "." + e.Lang, Line: e.Line, Col: e.Col, Msg: e.Msg, Mend: e.Mend})
	}
	return compiled
}

// split takes the joined error of render.Compile apart.
func split(err error) []*render.Error {
	var out []*render.Error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if f, ok := errors.AsType[*render.Error](e); ok {
				out = append(out, f)
			}
		}
	}
	return out
}

func (c *compiler) events() {
	seen := map[OnEvent]bool{}
	for i, on := range c.spec.Events {
		at := fmt.Sprintf("events[%d]", i)
		if kinds := eventKinds(); !slices.Contains(kinds, on.Event) {
			mend := "it is one of " + strings.Join(kinds, ", ") + "; a status names its template itself, in notice"
			if near := search.Nearest(on.Event, kinds); near != "" {
				mend = fmt.Sprintf("did you mean %q?", near)
			}
			c.fault(at+".event", mend, "no event %q", on.Event)
		}
		c.known(at+".template", on.Template)
		key := OnEvent{Event: on.Event, Template: on.Template}
		if seen[key] {
			c.fault(at, "leave one of them out", "%q is sent twice on %q", on.Template, on.Event)
		}
		seen[key] = true
		kind := casecore.EventKind(on.Event)
		c.policy.events[kind] = append(c.policy.events[kind], on)
	}
}

// known checks a reference to a template.
func (c *compiler) known(path, id string) {
	if c.policy.templates[id] != nil && id != "" {
		return
	}
	ids := make([]string, 0, len(c.spec.Templates))
	for _, t := range c.spec.Templates {
		ids = append(ids, t.ID)
	}
	switch near := search.Nearest(id, ids); {
	case id == "":
		c.fault(path, "name a template", "required")
	case near != "":
		c.fault(path, fmt.Sprintf("did you mean %q?", near), "no template %q", id)
	case len(ids) == 0:
		c.fault(path, "write it below templates", "no template %q", id)
	default:
		c.fault(path, "it is one of "+strings.Join(ids, ", "), "no template %q", id)
	}
}
