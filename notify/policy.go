// Package notify is the post room: it turns events of the book into notices, in
// the customer's words and through the customer's channel. It reads and writes
// the book and sends through doors; it never meets routing.
package notify

import (
	"time"

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
	Reminders []Remind   `yaml:"reminders" json:"reminders"`
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

// OnEvent tells somebody when something happens, or when nothing does: "waiting" is
// told once when a customer's word has had no answer for so long, "overdue" when
// their case was not answered by its due time. What the customer is told of a status,
// the status says itself.
type OnEvent struct {
	Event    string        `yaml:"event" json:"event"`             // "opened", "reopened", "claimed", "asked", "waiting"; with to, also "status" and "overdue"
	Status   string        `yaml:"status" json:"status,omitempty"` // only when the case enters it; empty: any
	Template string        `yaml:"template" json:"template"`
	After    flow.Duration `yaml:"after" json:"after,omitempty"` // of waiting: for so long
	Every    flow.Duration `yaml:"every" json:"every,omitempty"` // at most once in so long per case
	To       *Recipient    `yaml:"to" json:"to,omitempty"`       // nil: the customer
}

// Policy is a compiled Spec, immutable and safe for concurrent use.
type Policy struct {
	templates map[string]*template
	events    map[casecore.EventKind][]told
	reminders map[string][]Remind // by status
	delivery  Manner
	quiet     *span
	o         CompileOptions
}

// template is a compiled Template.
type template struct {
	subject, text *render.Template
	urgent        bool
}

// told is a compiled OnEvent.
type told struct {
	OnEvent
	to target
}

// plan is the notice that it asks for.
func (on told) plan() Planned {
	return Planned{Template: on.Template, Every: on.Every, To: on.to.at, Role: on.to.role, Attribute: on.to.attribute}
}

// Planned is a notice that an event asks for.
type Planned struct {
	Template string
	Every    flow.Duration    // not when the case had one of this template within so long; 0: always
	To       channels.Address // of somebody of the house; without it, Role and Attribute it is for the customer
	Reminder int              // which one it is, from 1; 0: none

	Role      string             // it is for everybody of the house who has it
	Attribute string             // it is for the contact person whose address the case has there
	Late      casecore.EventKind // what it tells of that did not follow the event; empty: of the event
}

func (n Planned) name() string { return noticeName(n.Template, n.Reminder, n.Late) }

// timed says that the notice is told when its time comes, and not when something
// happens.
func (n Planned) timed() bool { return n.Reminder > 0 || n.Late != "" }

// Plan returns what is to be told of an event, the customer first. It is pure. A
// case is answered by its rule's own template, if it has one, else by what the
// policy says of "opened"; a status tells what its template says, unless the policy
// says something of "reopened" when that is how it was entered. Of a machine's
// letter nobody is told (E9).
func (p *Policy) Plan(e *casecore.Event) []Planned {
	switch e.Kind {
	case casecore.Opened:
		if e.Auto {
			return nil
		}
		return p.on(e.Kind, p.o.Flow.Spec().Initial, e.Template)
	case casecore.Moved, casecore.Reopened:
		return p.on(e.Kind, e.To, "")
	case casecore.Claimed, casecore.Asked:
		return p.on(e.Kind, "", "")
	}
	return nil
}

// on returns what is told of this kind of event, and of the status that the case
// got by it. The customer is told in the words of reply, else in those that the
// policy has for the event, else in the status's own.
func (p *Policy) on(kind casecore.EventKind, status, reply string) []Planned {
	var customer, house []Planned
	for _, on := range p.events[kind] {
		switch plan := on.plan(); {
		case on.Status != "" && on.Status != status:
		case plan.aside():
			house = append(house, plan)
		default:
			customer = append(customer, plan)
		}
	}
	own := ""
	if status != "" {
		own = p.o.Flow.Status(status).Notice
	}
	switch {
	case p.Has(reply):
		customer = []Planned{{Template: reply}}
	case len(customer) == 0 && p.Has(own):
		customer = []Planned{{Template: own}}
	}
	return append(customer, house...)
}

// Has says whether the policy has a template of that id.
func (p *Policy) Has(id string) bool { return p.templates[id] != nil }

// Render writes the notice that template makes of an event, in the customer's
// language. Link is the address of the case's own page, or empty. The template
// must be one that the policy has.
func (p *Policy) Render(id string, e *casecore.Event, c *casecore.Case, who *casecore.Customer, link string) casecore.Message {
	t := p.templates[id]
	tag := t.text.Lang(who.Reads(c), p.o.Lang)
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
	zone := p.zone(who)
	since := c.StatusAt
	if e.Kind == casecore.Moved || e.Kind == casecore.Reopened {
		since = e.At
	}
	v := render.Values{
		Case: c.CaseNumber(), Status: p.o.Flow.Status(status).Label(tag), Centre: p.o.Centre,
		Queue: c.Queue, Customer: who.Name, Operator: c.OwnerName, Subject: c.Subject,
		Device: device(c.Attributes), Attr: c.Attributes, Currency: p.o.Currency,
		Opened: c.Received.In(zone), Since: since.In(zone), Days: days(since, e.At),
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

// days are the whole days from one time to another.
func days(from, to time.Time) int {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return max(0, int(to.Sub(from)/(24*time.Hour)))
}
