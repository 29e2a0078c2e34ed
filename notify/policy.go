// Package notify is the post room: it turns events of the book into notices, in
// the customer's words and through the customer's channel. It reads and writes
// the book and sends through doors; it never meets routing.
package notify

import (
	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/notify/render"
)

// Spec is the part of the policy that tells people things.
type Spec struct {
	Templates []Template `yaml:"templates" json:"templates"`
	Events    []OnEvent  `yaml:"events" json:"events"`
	Delivery  Manner     `yaml:"delivery" json:"delivery"`
}

// Template is one text in several languages, with variables in double braces;
// package render describes them.
type Template struct {
	ID      string    `yaml:"id" json:"id"`
	Subject lang.Text `yaml:"subject" json:"subject,omitempty"` // for channels that have one
	Text    lang.Text `yaml:"text" json:"text"`
	Urgent  bool      `yaml:"urgent" json:"urgent,omitempty"` // goes out in quiet hours, too
}

// OnEvent tells the customer when something other than a status happens.
type OnEvent struct {
	Event    string        `yaml:"event" json:"event"` // "opened", "reopened", "claimed", "asked"
	Template string        `yaml:"template" json:"template"`
	Every    flow.Duration `yaml:"every" json:"every,omitempty"` // at most once in so long per case
}

// Policy is a compiled Spec, immutable and safe for concurrent use.
type Policy struct {
	templates map[string]*template
	events    map[casecore.EventKind][]OnEvent
	delivery  Manner
	quiet     *span
	o         CompileOptions
}

// template is a compiled Template.
type template struct {
	subject, text *render.Template
	urgent        bool
}

// Planned is a notice that an event asks for.
type Planned struct {
	Template string
	Every    flow.Duration // not when the case had one of this template within so long; 0: always
}

// Plan returns what the customer is to be told of an event. It is pure. A case is
// answered by its rule's own template, if it has one, else by what the policy
// says of "opened"; a status tells what its template says, unless the policy says
// something of "reopened" when that is how it was entered. A machine is told
// nothing (E9).
func (p *Policy) Plan(e *casecore.Event) []Planned {
	switch e.Kind {
	case casecore.Opened:
		if e.Auto {
			return nil
		}
		if p.Has(e.Template) {
			return []Planned{{Template: e.Template}}
		}
		return p.on(e.Kind, p.o.Flow.Spec().Initial)
	case casecore.Moved, casecore.Reopened:
		return p.on(e.Kind, e.To)
	case casecore.Claimed, casecore.Asked:
		return p.on(e.Kind, "")
	}
	return nil
}

// on returns what the policy says of this kind of event, else what the status
// says that the case got by it.
func (p *Policy) on(kind casecore.EventKind, status string) []Planned {
	var out []Planned
	for _, on := range p.events[kind] {
		out = append(out, Planned{Template: on.Template, Every: on.Every})
	}
	if t := p.o.Flow.Status(status).Notice; len(out) == 0 && status != "" && p.Has(t) {
		out = append(out, Planned{Template: t})
	}
	return out
}

// Has says whether the policy has a template of that id.
func (p *Policy) Has(id string) bool { return p.templates[id] != nil }

// Render writes the notice that template makes of an event, in the customer's
// language. Link is the address of the case's own page, or empty. The template
// must be one that the policy has.
func (p *Policy) Render(id string, e *casecore.Event, c *casecore.Case, who *casecore.Customer, link string) casecore.Message {
	t := p.templates[id]
	want := c.Lang
	if want == "" {
		want = who.Lang
	}
	tag := t.text.Lang(want, p.o.Lang)
	v := p.values(tag, e, c, who)
	v.Link = link
	m := casecore.Message{Template: id, Body: channels.Body{Lang: tag, Text: t.text.Render(tag, v)}}
	m.Body.Subject = t.subject.Render(t.subject.Lang(tag, p.o.Lang), v)
	if e.Kind == casecore.Moved || e.Kind == casecore.Reopened {
		m.Status = v.Status
	}
	return m
}

// Centre is the name that notices are signed with.
func (p *Policy) Centre() string { return p.o.Centre }

// values are those of the case, but with the status that the event tells of: the
// case may have moved on since.
func (p *Policy) values(tag string, e *casecore.Event, c *casecore.Case, who *casecore.Customer) render.Values {
	status := c.Status
	if e.Kind == casecore.Moved || e.Kind == casecore.Reopened {
		status = e.To
	}
	v := render.Values{
		Case: c.CaseNumber(), Status: p.o.Flow.Status(status).Label(tag), Centre: p.o.Centre,
		Queue: c.Queue, Customer: who.Name, Operator: c.OwnerName, Subject: c.Subject,
		Device: device(c.Attributes), Attr: c.Attributes,
	}
	if p.o.Queue != nil {
		v.Queue = p.o.Queue(c.Queue, tag)
	}
	if e.Kind == casecore.Claimed {
		v.Operator = e.ToName
	}
	return v
}

// device names what is repaired: brand and model, else the product.
func device(attributes map[string]string) string {
	brand, model := attributes["brand"], attributes["model"]
	switch {
	case brand != "" && model != "":
		return brand + " " + model
	case brand+model != "":
		return brand + model
	}
	return "" // the product is the policy's word, not the customer's language
}
