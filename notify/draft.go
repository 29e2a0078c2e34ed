package notify

import (
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/notify/render"
)

// Draft is a template that is being written. Each language of it is read alone, so
// that a fault in one does not hide the others.
type Draft struct {
	Template
	fallback      string
	subject, text map[string]*render.Template // that can be read
}

// Draft reads a template against this policy, whatever is wrong with it.
func (p *Policy) Draft(t Template) *Draft {
	d := &Draft{Template: t, fallback: p.o.Lang, subject: map[string]*render.Template{}, text: map[string]*render.Template{}}
	alone(t.Subject, d.subject)
	alone(t.Text, d.text)
	return d
}

func alone(t lang.Text, into map[string]*render.Template) {
	for tag, s := range t {
		if compiled, err := render.Compile(lang.Text{tag: s}); err == nil {
			into[tag] = compiled
		}
	}
}

// Lang is the language in which a customer who reads tag gets the notice.
func (d *Draft) Lang(tag string) string { return reads(d.Text, tag, d.fallback) }

func reads(t lang.Text, tag, fallback string) string {
	switch {
	case t.Has(tag):
		return lang.Base(tag)
	case t.Has(fallback):
		return fallback
	}
	langs := lang.Text{}
	for l := range t {
		langs[l] = l
	}
	return langs.In(tag)
}

// Render writes the notice as a customer who reads tag would get it; ok is false
// when its text cannot be read.
func (d *Draft) Render(tag string, v render.Values) (subject, text string, ok bool) {
	in := d.Lang(tag)
	t := d.text[in]
	if t == nil {
		return "", "", false
	}
	if s := d.subject[reads(d.Subject, in, d.fallback)]; s != nil {
		subject = s.Render(reads(d.Subject, in, d.fallback), v)
	}
	return subject, t.Render(in, v), true
}

// Languages are those that the policy speaks in: of its texts, ours first.
func (p *Policy) Languages() []string {
	seen := map[string]bool{p.o.Lang: true}
	for _, t := range p.templates {
		for _, l := range lang.Supported {
			seen[l] = seen[l] || t.text.Has(l)
		}
	}
	var out []string
	for _, l := range lang.Supported {
		if seen[l] {
			out = append(out, l)
		}
	}
	return out
}

// Fallback is the language of customers whose own a template lacks.
func (p *Policy) Fallback() string { return p.o.Lang }

// Trial is what to try a template with. Without a Case the values are made up.
type Trial struct {
	Case     *casecore.Case
	Customer *casecore.Customer // of the case
	Link     string             // to the case's own page
	At       time.Time          // when it would be told
}

// Sample are values for a template of that id, as a customer who reads tag might
// get them. The status is the first that tells this template, else the case's own.
func (p *Policy) Sample(id, tag string, t Trial) render.Values {
	told := ""
	for _, s := range p.o.Flow.Spec().Statuses {
		if s.Notice == id && told == "" {
			told = s.ID
		}
	}
	if t.Case != nil {
		e := &casecore.Event{At: t.At}
		if told != "" && told != t.Case.Status {
			e.Kind, e.To = casecore.Moved, told
		}
		v := p.values(tag, e, t.Case, t.Customer)
		v.Link = t.Link
		return v
	}
	v := render.SampleIn(tag)
	v.Centre, v.Currency = p.o.Centre, p.o.Currency
	if told == "" {
		told = p.o.Flow.Spec().Initial
	}
	v.Status = p.o.Flow.Status(told).Label(tag)
	return v
}
