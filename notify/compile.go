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
	// Currency is that of sums, ISO 4217; empty: sums are written without one.
	Currency string
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

// eventKinds are what OnEvent may name. That a promised date was moved is not among
// them: cases have no promised date yet.
func eventKinds() []string {
	return []string{
		string(casecore.Opened), string(casecore.Reopened), string(casecore.Claimed), string(casecore.Asked), string(waiting), string(overdue),
	}
}

// ofHouse are those of which the house alone is told this way.
const ofHouse = string(casecore.Moved)

// Compile checks the spec and returns every fault, joined, each a *Fault.
func Compile(spec Spec, o CompileOptions) (*Policy, error) {
	c := &compiler{o: o, spec: spec, policy: &Policy{
		templates: map[string]*template{}, events: map[casecore.EventKind][]told{}, reminders: map[string][]Remind{},
		delivery: spec.Delivery, o: o,
	}}
	for i := range spec.Templates {
		c.template(fmt.Sprintf("templates[%d]", i), spec.Templates[i])
	}
	c.events()
	c.manner()
	c.reminders()
	c.contradictions()
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
	type key struct {
		event, status, template string
		to                      target
	}
	type moment struct {
		event, status string
		after         flow.Duration
		to            target
	}
	seen, taken := map[key]bool{}, map[moment]int{}
	for i, on := range c.spec.Events {
		at := fmt.Sprintf("events[%d]", i)
		to := c.recipient(at+".to", on.To)
		if kinds := eventKinds(); !slices.Contains(kinds, on.Event) && (on.Event != ofHouse || on.To == nil) {
			mend := "it is one of " + strings.Join(kinds, ", ") + "; a status names its template itself, in notice"
			if near := search.Nearest(on.Event, kinds); near != "" {
				mend = fmt.Sprintf("did you mean %q?", near)
			}
			c.fault(at+".event", mend, "no event %q", on.Event)
		}
		c.known(at+".template", on.Template)
		c.when(at, on)
		k := key{on.Event, on.Status, on.Template, to}
		same := moment{on.Event, on.Status, on.After, to}
		switch first, twice := taken[same]; {
		case on.To != nil && to == target{}: // a fault already
		case seen[k]:
			c.fault(at, "leave one of them out", "%q is sent twice on %q", on.Template, on.Event)
		case twice:
			c.fault(at, "leave one of them out, or put both into one template", "events[%d] tells the same recipient of %q already", first, on.Event)
		default:
			taken[same] = i
		}
		seen[k] = true
		kind := casecore.EventKind(on.Event)
		c.policy.events[kind] = append(c.policy.events[kind], told{on, to})
	}
}

// when checks that the event can happen as it is written.
func (c *compiler) when(at string, on OnEvent) {
	entered := on.Event == ofHouse || on.Event == string(casecore.Reopened)
	switch {
	case on.Status == "":
	case !entered:
		c.fault(at+".status", "leave it out", "a case gets no status by %q", on.Event)
	default:
		c.status(at+".status", on.Status)
	}
	if on.Event == string(casecore.Opened) && on.Every > 0 {
		c.fault(at+".every", "leave it out", "a case is opened once")
	}
	c.wait(at, on)
}

// wait checks for how long nothing must have happened.
func (c *compiler) wait(at string, on OnEvent) {
	late := on.Event == string(waiting) || on.Event == string(overdue)
	switch {
	case on.Event == string(waiting) && on.After == 0:
		c.fault(at+".after", "write how long the customer has waited then, 30m", "required")
	case on.Event == string(waiting) && on.After < flow.Duration(time.Minute):
		c.fault(at+".after", "write a time in which somebody could have answered, 30m", "%s is no time to have answered in", on.After)
	case on.Event == string(overdue) && on.After != 0:
		c.fault(at+".after", "leave it out: the queue says when, in react", "a case is overdue at its due time")
	case !late && on.After != 0:
		c.fault(at+".after", "leave it out, or tell of waiting", "%q is told when it happens", on.Event)
	}
	if late && on.Every > 0 {
		c.fault(at+".every", "leave it out", "%q is told once", on.Event)
	}
	if on.Event == string(overdue) && on.To == nil {
		c.fault(at+".to", "name who is to see to it, to: {role: supervisor}", "required: it is nothing for the customer")
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
