package policy

import (
	"fmt"

	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/config/internal/strict"
	"casewire/notify"
)

// Use is one place of a policy that sends a template.
type Use struct {
	Kind string    // "status", "event", "rule", "reminder"
	Name string    // id of the status, kind of event, name of the rule
	Text lang.Text // of a status, as operators read it
}

// Uses returns where a template is sent.
func (d *Document) Uses(template string) []Use {
	var out []Use
	names := map[string]lang.Text{}
	for _, s := range d.Cases.Statuses {
		names[s.ID] = s.Name
		if s.Notice == template {
			out = append(out, Use{Kind: "status", Name: s.ID, Text: s.Name})
		}
	}
	for _, e := range d.Notices.Events {
		if e.Template == template {
			out = append(out, Use{Kind: "event", Name: e.Event})
		}
	}
	for _, r := range d.Notices.Reminders {
		if r.Template == template {
			out = append(out, Use{Kind: "reminder", Name: r.Status, Text: names[r.Status]})
		}
	}
	for _, r := range d.Rules {
		if r.Then.Reply == template {
			out = append(out, Use{Kind: "rule", Name: r.Name})
		}
	}
	return out
}

// Warnings are what may be wrong with the templates of a policy that is none the
// less one, each at its place in the document. measure says what a text takes as
// SMS; nil: nothing is counted.
func (p *Policy) Warnings(measure func(text, tag string) channels.Measure) strict.Errors {
	var out strict.Errors
	for i, t := range p.Document.Notices.Templates {
		for _, f := range notify.Lint(t, notify.LintOptions{Languages: p.Notify.Languages(), Fallback: p.Notify.Fallback(), Measure: measure}) {
			if f.Severity != notify.Warning {
				continue
			}
			path := fmt.Sprintf("templates[%d].%s", i, f.Field)
			if f.Lang != "" {
				path += "." + f.Lang
			}
			src := p.Document.source
			if src == nil {
				src = strict.Read("", nil)
			}
			out = append(out, src.LocateIn(path, f.Line, f.Col, f.Msg, f.Mend))
		}
	}
	return out
}
