package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/routing/desk"
	"casewire/routing/wording"
)

// TemplateText is a template as it is written.
type TemplateText struct {
	Subject lang.Text `json:"subject,omitempty" doc:"By language; for channels that have one."`
	Text    lang.Text `json:"text" doc:"By language: en, ru, uk, sr."`
	Urgent  bool      `json:"urgent,omitempty" doc:"Goes out in quiet hours, too."`
}

// Template is one that customers are told with.
type Template struct {
	ID string `json:"id" example:"ready"`
	TemplateText
	Uses     []TemplateUse     `json:"uses" doc:"What sends it."`
	Findings []TemplateFinding `json:"findings" doc:"What to look at."`
}

// TemplateUse is one place of the policy that sends a template.
type TemplateUse struct {
	Kind string `json:"kind" enum:"status,event,rule,reminder"`
	Name string `json:"name" doc:"Id of the status, kind of event, name of the rule."`
}

// TemplateFinding is one thing to look at in a template.
type TemplateFinding struct {
	Severity string            `json:"severity" enum:"error,warning,hint" doc:"An error keeps it from being saved."`
	Field    string            `json:"field,omitempty" doc:"subject or text."`
	Language string            `json:"language,omitempty"`
	Line     int               `json:"line,omitempty" doc:"Within that text, from 1."`
	Column   int               `json:"column,omitempty" doc:"In characters, from 1."`
	Code     string            `json:"code" example:"wide"`
	Args     map[string]string `json:"args,omitempty" doc:"What the code is about."`
	Detail   string            `json:"detail"`
	Mend     string            `json:"mend,omitempty" doc:"What to write instead."`
}

// TemplateVariable is one variable that a template may use.
type TemplateVariable struct {
	Name     string    `json:"name" example:"case"`
	Meaning  lang.Text `json:"meaning"`
	Example  string    `json:"example"`
	Optional bool      `json:"optional,omitempty" doc:"May be empty, so a template must say what happens then."`
	Shapes   []string  `json:"shapes,omitempty" doc:"Ways to write it, behind a colon; the first needs none, and an empty one is the usual."`
}

// Templates is all of them.
type Templates struct {
	Revision  int64              `json:"revision" doc:"Of the policy."`
	Languages []string           `json:"languages" doc:"Of the centre."`
	Fallback  string             `json:"fallback" doc:"Language of customers whose own a template lacks."`
	Templates []Template         `json:"templates"`
	Variables []TemplateVariable `json:"variables"`
}

// NewTemplate is a template to be put in force.
type NewTemplate struct {
	TemplateText
	Note string `json:"note,omitempty" maxLength:"200" doc:"What changes and why, for the history."`
}

// TemplateTrial is a template to be tried.
type TemplateTrial struct {
	ID string `json:"id,omitempty" maxLength:"64" doc:"Of the one that it is to be; its status is filled in."`
	TemplateText
	Languages []string `json:"languages,omitempty" maxItems:"8" doc:"To show it in; left out: those of the centre."`
	Case      string   `json:"case,omitempty" maxLength:"40" doc:"Number of a case that you may read, to fill in; left out: made-up values."`
}

// TemplatePreview is what a template looks like, and what is wrong with it.
type TemplatePreview struct {
	Findings []TemplateFinding  `json:"findings"`
	Previews []TemplateRendered `json:"previews"`
}

// TemplateRendered is a template as a customer gets it.
type TemplateRendered struct {
	Language string          `json:"language" doc:"That the customer reads."`
	In       string          `json:"in,omitempty" doc:"That they get it in."`
	Broken   bool            `json:"broken,omitempty" doc:"It has errors and cannot be shown."`
	Subject  string          `json:"subject,omitempty"`
	Text     string          `json:"text,omitempty"`
	Channels []TemplateShown `json:"channels" doc:"As it is sent on each kind of channel that there is."`
}

// TemplateShown is a text on one kind of channel.
type TemplateShown struct {
	Kind string       `json:"kind" example:"sms"`
	Text string       `json:"text" doc:"As it is sent."`
	Cost *MessageCost `json:"cost,omitempty" doc:"Where messages are paid by their length."`
}

// MessageCost is what sending a text takes.
type MessageCost struct {
	Parts      int    `json:"parts" doc:"Messages that are sent and paid."`
	Characters int    `json:"characters"`
	Left       int    `json:"left" doc:"Characters that still fit into the last part."`
	Encoding   string `json:"encoding" enum:"GSM-7,UCS-2"`
	Signs      string `json:"signs,omitempty" doc:"The first characters that made it UCS-2."`
	TooLong    bool   `json:"too_long,omitempty" doc:"More than the provider takes."`
}

type (
	templateInput struct {
		ID string `path:"id" maxLength:"64" doc:"Id of the template." example:"ready"`
	}
	putTemplateInput struct {
		Matching
		ID   string `path:"id" maxLength:"64" doc:"Id of the template." example:"ready"`
		Body NewTemplate
	}
	dropTemplateInput struct {
		Matching
		ID   string `path:"id" maxLength:"64" doc:"Id of the template." example:"ready"`
		Note string `query:"note" maxLength:"200" doc:"Why, for the history."`
	}
	trialInput   struct{ Body TemplateTrial }
	droppedState struct {
		ETag string `header:"ETag" doc:"Revision of the policy, for If-Match."`
	}
)

func (a *API) templateOperations(r *registrar) {
	text := map[string]any{"text": map[string]string{"en": "Case {{case}} is ready."}}
	register(r, operation{id: "list-templates", method: http.MethodGet, path: "/policy/templates", tag: "Policy", summary: "List templates",
		about: "What customers are told, where each is sent, what to look at in it, and the variables that there are. The ETag is that of the policy."}, a.listTemplates)
	register(r, operation{id: "get-template", method: http.MethodGet, path: "/policy/templates/{id}", tag: "Policy", summary: "Read a template",
		about: "The ETag is that of the policy.", refuses: []int{404}}, a.getTemplate)
	register(r, operation{id: "put-template", method: http.MethodPut, path: "/policy/templates/{id}", tag: "Policy", summary: "Put a template in force",
		about: "Makes the next revision of the policy, in which nothing else changes: its comments and all the rest stay as they are. Needs If-Match with the ETag of the policy. There need not be one of that id yet. Errors change nothing; warnings are in the answer.",
		body:  jsonBody, refuses: []int{409, 412, 428}, example: text}, a.putTemplate)
	register(r, operation{id: "delete-template", method: http.MethodDelete, path: "/policy/templates/{id}", tag: "Policy", summary: "Take a template out of the policy",
		about: "Refused while something sends it (409 in_use). Needs If-Match with the ETag of the policy.", refuses: []int{404, 409, 412, 428}}, a.dropTemplate)
	register(r, operation{id: "preview-template", method: http.MethodPost, path: "/policy/templates/preview", tag: "Policy", summary: "Try a template",
		about: "What customers would read on each kind of channel and in each language, what it costs, and what is wrong with it. Changes nothing.",
		body:  jsonBody, refuses: []int{404}, example: text}, a.tryTemplate)
}

func (a *API) listTemplates(ctx context.Context, c *call, _ *struct{}) (*stated[Templates], error) {
	b, err := a.Wording.Book(ctx, c.actor)
	if err != nil {
		return nil, err
	}
	out := Templates{Revision: b.Revision, Languages: b.Languages, Fallback: b.Fallback, Templates: []Template{}, Variables: []TemplateVariable{}}
	for i := range b.Templates {
		out.Templates = append(out.Templates, templateOf(&b.Templates[i]))
	}
	for _, v := range b.Variables {
		out.Variables = append(out.Variables, TemplateVariable(v))
	}
	return &stated[Templates]{ETag: revisionTag(b.Revision), Body: out}, nil
}

func templateOf(t *wording.Template) Template {
	out := Template{ID: t.ID, TemplateText: TemplateText{Subject: t.Subject, Text: t.Text, Urgent: t.Urgent}, Uses: usesOf(t.Uses), Findings: findingsOf(t.Findings)}
	return out
}

func usesOf(list []wording.Use) []TemplateUse {
	out := []TemplateUse{}
	for _, u := range list {
		out = append(out, TemplateUse{Kind: u.Kind, Name: u.Name})
	}
	return out
}

func findingsOf(list []wording.Finding) []TemplateFinding {
	out := []TemplateFinding{}
	for _, f := range list {
		severity := "warning"
		switch {
		case f.Error:
			severity = "error"
		case f.Hint:
			severity = "hint"
		}
		out = append(out, TemplateFinding{Severity: severity, Field: f.Field, Language: f.Lang, Line: f.Line, Column: f.Col,
			Code: f.Code, Args: f.Args, Detail: f.Detail, Mend: f.Mend})
	}
	return out
}

func (a *API) getTemplate(ctx context.Context, c *call, in *templateInput) (*stated[Template], error) {
	b, err := a.Wording.Book(ctx, c.actor)
	if err != nil {
		return nil, err
	}
	t, ok := b.Find(in.ID)
	if !ok {
		return nil, notFound()
	}
	return &stated[Template]{ETag: revisionTag(b.Revision), Body: templateOf(t)}, nil
}

// revisionIn reads the If-Match of a change of the policy, which must be there.
func revisionIn(match string) (int64, *Problem) {
	if match == "" {
		return 0, problem("match_required", "send If-Match with the ETag of the policy that you changed")
	}
	n, p := parseTag(match, "r")
	return int64(n), p
}

func (a *API) putTemplate(ctx context.Context, c *call, in *putTemplateInput) (*stated[Template], error) {
	revision, p := revisionIn(in.Match)
	if p != nil {
		return nil, p
	}
	d, p := draftOf(in.ID, in.Body.TemplateText)
	if p != nil {
		return nil, p
	}
	b, err := a.Wording.Book(ctx, c.actor)
	if err != nil {
		return nil, err
	}
	_, there := b.Find(in.ID)
	now, err := a.Wording.Save(ctx, c.actor, d, wording.Change{Note: in.Body.Note, Expect: revision, New: !there})
	if err != nil {
		return nil, refuseWording(err)
	}
	if b, err = a.Wording.Book(ctx, c.actor); err != nil {
		return nil, err
	}
	out, ok := b.Find(in.ID)
	if !ok { // somebody has taken it out since
		out = &wording.Template{Draft: d}
	}
	return &stated[Template]{ETag: revisionTag(now), Body: templateOf(out)}, nil
}

// draftOf checks what cannot be in any text.
func draftOf(id string, t TemplateText) (wording.Draft, *Problem) {
	var faults []Fault
	for name, text := range map[string]lang.Text{"subject": t.Subject, "text": t.Text} {
		for _, l := range text.Unknown() {
			faults = append(faults, at(name+"/"+l, "is no language of ours; there are "+strings.Join(lang.Supported, ", ")))
		}
		for l, s := range text {
			if why := badText(s, multiLine); why != "" {
				faults = append(faults, at(name+"/"+l, why))
			}
		}
	}
	if len(faults) > 0 {
		return wording.Draft{}, invalid(faults...)
	}
	return wording.Draft{ID: id, Subject: t.Subject, Text: t.Text, Urgent: t.Urgent}, nil
}

// refuseWording says in HTTP why a template is not changed.
func refuseWording(err error) error {
	if moved, ok := errors.AsType[*wording.Moved](err); ok {
		p := problem("stale", moved.Error()+"; read it again and repeat the change")
		p.Version = uint64(max(0, moved.Newest))
		p.header.Set("ETag", revisionTag(moved.Newest))
		return p
	}
	if bad, ok := errors.AsType[*wording.Invalid](err); ok {
		p := problem("policy", bad.Error()+"; nothing has changed")
		for _, f := range bad.Findings {
			where, detail := "#", f.Detail
			if f.Field != "" {
				where += "/" + f.Field
			}
			if f.Field != "" && f.Lang != "" {
				where += "/" + f.Lang
			}
			if f.Line > 0 {
				detail = fmt.Sprintf("line %d, column %d: %s", f.Line, f.Col, detail)
			}
			if f.Mend != "" {
				detail += "; " + f.Mend
			}
			p.Errors = append(p.Errors, Fault{Pointer: where, Detail: detail})
		}
		return p
	}
	if used, ok := errors.AsType[*wording.Used](err); ok {
		var names []string
		for _, u := range used.Uses {
			names = append(names, u.Kind+" "+u.Name)
		}
		return problem("in_use", "it is sent by "+strings.Join(names, ", ")+"; change that first")
	}
	if taken, ok := errors.AsType[*wording.Taken](err); ok {
		return problem("conflict", taken.Error())
	}
	if errors.Is(err, wording.ErrByHand) {
		return problem("by_hand", wording.ErrByHand.Error())
	}
	return err
}

func (a *API) dropTemplate(ctx context.Context, c *call, in *dropTemplateInput) (*droppedState, error) {
	revision, p := revisionIn(in.Match)
	if p != nil {
		return nil, p
	}
	now, err := a.Wording.Drop(ctx, c.actor, in.ID, wording.Change{Note: in.Note, Expect: revision})
	if err != nil {
		return nil, refuseWording(err)
	}
	return &droppedState{ETag: revisionTag(now)}, nil
}

func (a *API) tryTemplate(ctx context.Context, c *call, in *trialInput) (*plain[TemplatePreview], error) {
	d, p := draftOf(in.Body.ID, in.Body.TemplateText)
	if p != nil {
		return nil, p
	}
	tried, err := a.Wording.Try(ctx, c.actor, d, wording.Trial{Langs: in.Body.Languages, Case: in.Body.Case})
	if errors.Is(err, casecore.ErrForbidden) || errors.Is(err, desk.ErrBadNumber) {
		return nil, notFound() // the case, for who may use the operation at all
	}
	if err != nil {
		return nil, err
	}
	out := TemplatePreview{Findings: findingsOf(tried.Findings), Previews: []TemplateRendered{}}
	for _, r := range tried.Rendered {
		x := TemplateRendered{Language: r.Lang, In: r.In, Broken: r.Broken, Subject: r.Subject, Text: r.Text, Channels: []TemplateShown{}}
		for _, s := range r.Shown {
			on := TemplateShown{Kind: string(s.Kind), Text: s.Text}
			if m := s.Measure; m != nil {
				on.Cost = &MessageCost{Parts: m.Parts, Characters: m.Runes, Left: m.Left, Encoding: "GSM-7", Signs: m.Signs, TooLong: m.Long}
				if m.Wide {
					on.Cost.Encoding = "UCS-2"
				}
			}
			x.Channels = append(x.Channels, on)
		}
		out.Previews = append(out.Previews, x)
	}
	return &plain[TemplatePreview]{Body: out}, nil
}
