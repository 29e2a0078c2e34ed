package api

import (
	"context"
	"net/http"
	"strings"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// NewCase is a case to be opened.
type NewCase struct {
	Source     string            `json:"source,omitempty" enum:"walk_in,phone,api" default:"api" doc:"How it came."`
	CustomerID string            `json:"customer_id,omitempty" maxLength:"128" doc:"A known customer; else say who it is in customer."`
	Customer   *Sender           `json:"customer,omitempty" doc:"Who it is, when customer_id is not given."`
	Subject    string            `json:"subject,omitempty" maxLength:"200"`
	Text       string            `json:"text" minLength:"1" maxLength:"20000" doc:"What the customer says."`
	Files      []string          `json:"files,omitempty" maxItems:"10" doc:"Ids of uploads."`
	Queue      string            `json:"queue,omitempty" maxLength:"64" doc:"Empty: the rules decide."`
	Priority   string            `json:"priority,omitempty" enum:"urgent,high,normal,low" doc:"Empty: the rules decide."`
	Category   string            `json:"category,omitempty" maxLength:"60" doc:"Empty: the rules decide."`
	Attributes map[string]string `json:"attributes,omitempty" maxProperties:"50"`
	Tags       []string          `json:"tags,omitempty" maxItems:"20"`
}

// Sender is a customer as they are met the first time.
type Sender struct {
	Name   string        `json:"name" minLength:"1" maxLength:"100"`
	Kind   channels.Kind `json:"kind,omitempty" enum:"email,sms,telegram" doc:"How they can be answered; leave out kind and handle when they cannot."`
	Handle string        `json:"handle,omitempty" maxLength:"254" doc:"Email address, E.164 number or chat id."`
	Lang   string        `json:"lang,omitempty" maxLength:"16" example:"uk"`
}

type openInput struct {
	Creating
	Body NewCase
}

type caseInput struct{ Numbered }

type timelineInput struct {
	Numbered
	Paged
}

func (a *API) caseOperations(r *registrar) {
	register(r, operation{
		id: "open-case", method: http.MethodPost, path: "/cases", tag: "Cases", summary: "Open a case",
		about:  "For what comes in at the counter, on the phone or from another program. The rules choose queue and priority unless they are given. Until you claim it the answer shows no more than its card, unless you may read it anyway.",
		status: http.StatusCreated, body: jsonBody, refuses: []int{404, 409},
		example: map[string]any{
			"source": "walk_in", "customer": map[string]any{"name": "Іван Петренко", "kind": "sms", "handle": "+380501234567", "lang": "uk"},
			"subject": "Cracked screen", "text": "Dropped this morning, touch does not answer.", "attributes": map[string]any{"brand": "Acme", "serial": "X-100"},
		},
	}, a.openCase)
	register(r, operation{
		id: "list-cases", method: http.MethodGet, path: "/cases", tag: "Cases", summary: "List cases",
		about: "Those you may read, the newest first. Filters narrow it down; a page may hold fewer than limit and still not be the last.",
	}, a.listCases)
	register(r, operation{
		id: "get-case", method: http.MethodGet, path: "/cases/{number}", tag: "Cases", summary: "Read a case",
		about: "With its customer and the statuses you may give it. Before somebody has claimed it nobody but supervisors and programs may.", refuses: []int{403, 404},
	}, a.getCase)
	register(r, operation{
		id: "get-timeline", method: http.MethodGet, path: "/cases/{number}/timeline", tag: "Cases", summary: "Read what happened to a case",
		about: "Every event in order, with the message that it is about.", refuses: []int{403, 404},
	}, a.getTimeline)
}

func (a *API) openCase(ctx context.Context, c *call, in *openInput) (*created[Case], error) {
	e, err := a.entry(ctx, c, in)
	if err != nil {
		return nil, err
	}
	return once(ctx, a, c, in.Key, "", func(keep keep[Case]) (*created[Case], error) {
		k, err := a.Opener.Open(ctx, c.actor, *e)
		if err != nil {
			return nil, err
		}
		out := &created[Case]{Status: http.StatusCreated, ETag: etag(k.Version), Location: Prefix + "/cases/" + k.CaseNumber(), Body: openedBy(c.actor, k)}
		// The entry's own key makes a repeat harmless already, so the answer may
		// be kept in a commit of its own.
		return out, a.Store.Update(ctx, func(tx store.Tx) error { return keep(tx, out) })
	})
}

// openedBy is the case as its opener may see it. What was entered can have joined
// a case that waits for somebody else, so without the right to read it is no more
// than a card.
func openedBy(by casecore.Actor, k *casecore.Case) Case {
	if casecore.Authorize(by, casecore.VerbRead, k) == nil {
		return caseOf(k)
	}
	card := &casecore.Case{Meta: k.Meta, Number: k.Number, Queue: k.Queue, Category: k.Category, Priority: k.Priority, Status: k.Status,
		Stage: k.Stage, Received: k.Received, Updated: k.Updated, StatusAt: k.StatusAt, DueAt: k.DueAt}
	card.To.Kind = k.To.Kind
	return caseOf(card)
}

// entry checks what is to be opened. Everything that it refers to is looked up
// within what the actor may see.
func (a *API) entry(ctx context.Context, c *call, in *openInput) (*Entry, error) {
	b := in.Body
	e := &Entry{Key: store.NewID(), Source: b.Source, Subject: strings.TrimSpace(b.Subject), Text: b.Text,
		Queue: b.Queue, Category: b.Category, Attributes: b.Attributes, Tags: b.Tags, Customer: b.CustomerID}
	if in.Key != "" {
		e.Key = store.HashID("entry", c.actor.ID, in.Key, string(c.raw))
	}
	faults := append(checkAttributes(b.Attributes), checkTags(b.Tags)...)
	if strings.TrimSpace(b.Text) == "" {
		faults = append(faults, at("text", "required"))
	}
	if _, ok := a.Router().Queue(b.Queue); b.Queue != "" && !ok {
		faults = append(faults, at("queue", "no such queue in the policy"))
	}
	if b.Priority != "" {
		p, err := casecore.ParsePriority(b.Priority)
		if err != nil {
			faults = append(faults, at("priority", err.Error()))
		}
		e.Priority = p
	}
	faults = append(faults, e.sender(b)...)
	if len(faults) > 0 {
		return nil, invalid(faults...)
	}
	if e.Customer != "" {
		if _, _, err := a.customer(ctx, c.actor, e.Customer, casecore.VerbRead); err != nil {
			return nil, err
		}
	}
	var err error
	e.Files, err = a.attached(ctx, c.actor, b.Files)
	return e, err
}

func (e *Entry) sender(b NewCase) []Fault {
	s := b.Customer
	switch {
	case b.CustomerID != "" && s != nil:
		return []Fault{at("customer", "give either customer_id or customer")}
	case b.CustomerID != "":
		return nil
	case s == nil:
		return []Fault{at("customer", "required, unless customer_id is given")}
	}
	e.Name, e.Lang = strings.TrimSpace(s.Name), s.Lang
	if e.Name == "" {
		return []Fault{at("customer/name", "required")}
	}
	e.Address = channels.Address{Kind: channels.Desk, Name: e.Name}
	if s.Kind == "" && s.Handle == "" {
		return nil
	}
	handle, why := canonical(s.Kind, s.Handle)
	if why != "" {
		return []Fault{at("customer/handle", why)}
	}
	e.Address.Kind, e.Address.Handle = s.Kind, handle
	return nil
}

func (a *API) getCase(ctx context.Context, c *call, _ *caseInput) (*stated[CaseDetail], error) {
	v, err := a.Work.Read(ctx, c.actor, c.number)
	if err != nil {
		return nil, err
	}
	return &stated[CaseDetail]{ETag: etag(v.Case.Version), Body: detailOf(v)}, nil
}

func (a *API) getTimeline(ctx context.Context, c *call, in *timelineInput) (*plain[List[Event]], error) {
	of, err := a.listed(ctx, c, in.Cursor, "timeline", c.number)
	if err != nil {
		return nil, err
	}
	out := &plain[List[Event]]{}
	var (
		k        *casecore.Case
		events   []*casecore.Event
		messages []*casecore.Message // of each event, nil for none
	)
	err = a.Store.View(ctx, func(tx store.Tx) error {
		out.Body.Next, events, messages = "", nil, nil
		var err error
		if k, err = caseByNumber(tx, c.number); err != nil {
			return err
		}
		if err := casecore.Authorize(c.actor, casecore.VerbRead, k); err != nil {
			return err
		}
		last := of.mark
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(k.ID), After: of.mark, Limit: in.Limit + 1}) {
			if err != nil {
				return err
			}
			if len(events) == in.Limit {
				out.Body.Next = of.write(last)
				return nil
			}
			m, err := messageAt(tx, e.Message)
			if err != nil {
				return err
			}
			events, messages = append(events, e), append(messages, m)
			last = store.Mark{Key: e.Keys()["case"][0], ID: e.ID}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Body.Items = make([]Event, len(events))
	for i, e := range events { // after the snapshot: letters take their time
		out.Body.Items[i] = eventOf(k, e, messages[i])
	}
	return out, nil
}

func messageAt(tx store.Tx, id string) (*casecore.Message, error) {
	if id == "" {
		return nil, nil
	}
	return casecore.Messages.Get(tx, id)
}
