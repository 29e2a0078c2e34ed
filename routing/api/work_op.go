package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Why is the reason of a step, for the timeline.
type Why struct {
	Reason  string `json:"reason,omitempty" maxLength:"500" doc:"For colleagues, on the timeline."`
	ClaimNo int64  `json:"claim_no,omitempty" minimum:"1" doc:"Instead of If-Match: the claim under which you hold it."`
}

// Transfer names the queue a case goes to.
type Transfer struct {
	Queue string `json:"queue" minLength:"1" maxLength:"64" example:"computers"`
	Why
}

// Assignment names the operator who gets a case.
type Assignment struct {
	Operator string `json:"operator" minLength:"1" maxLength:"128" doc:"Id or login." example:"olena"`
	Why
}

// NewStatus names the status a case gets.
type NewStatus struct {
	To      string `json:"to" minLength:"1" maxLength:"64" example:"ready"`
	From    string `json:"from,omitempty" maxLength:"64" doc:"Instead of If-Match: the status that it must be in. For programs that know what they change, and not which version." example:"in_repair"`
	ClaimNo int64  `json:"claim_no,omitempty" minimum:"1" doc:"Instead of If-Match: the claim under which you hold it."`
}

// NewMessage is an answer to the customer.
type NewMessage struct {
	Text    string   `json:"text" maxLength:"20000"`
	Files   []string `json:"files,omitempty" maxItems:"10" doc:"Ids of uploads."`
	ClaimNo int64    `json:"claim_no,omitempty" minimum:"1" doc:"Instead of If-Match: the claim under which you hold it."`
}

// NewNote is a text for colleagues.
type NewNote struct {
	Text string `json:"text" minLength:"1" maxLength:"20000"`
}

// CaseEdit is what to change of what is known about a case; what is left out stays.
type CaseEdit struct {
	Subject    *string           `json:"subject,omitempty" maxLength:"200"`
	Priority   *string           `json:"priority,omitempty" enum:"urgent,high,normal,low"`
	Category   *string           `json:"category,omitempty" maxLength:"60"`
	Attributes map[string]string `json:"attributes,omitempty" maxProperties:"50" doc:"Only those to change; an empty value removes one."`
	Tags       []string          `json:"tags,omitempty" maxItems:"20" doc:"All of them."`
	ClaimNo    int64             `json:"claim_no,omitempty" minimum:"1" doc:"Instead of If-Match: the claim under which you hold it."`
}

// Written is a message that was written, and the case after it.
type Written struct {
	Message Message `json:"message"`
	Case    Case    `json:"case"`
}

type (
	releaseInput struct {
		Numbered
		Matching
		Body Why `required:"false"`
	}
	transferInput struct {
		Numbered
		Matching
		Body Transfer
	}
	assignInput struct {
		Numbered
		Matching
		Body Assignment
	}
	moveInput struct {
		Numbered
		Matching
		Creating
		Body NewStatus
	}
	answerInput struct {
		Numbered
		Matching
		Creating
		Body NewMessage
	}
	noteInput struct {
		Numbered
		Creating
		Body NewNote
	}
	editInput struct {
		Numbered
		Matching
		Body CaseEdit
	}
)

func (a *API) workOperations(r *registrar) {
	step := func(op operation) operation {
		op.tag, op.refuses = "Work", append(op.refuses, 403, 404, 409)
		return op
	}
	guarded := func(op operation) operation {
		op = step(op)
		op.refuses = append(op.refuses, 412, 428)
		op.about += " Needs If-Match or claim_no."
		return op
	}
	register(r, step(operation{id: "claim-case", method: http.MethodPost, path: "/cases/{number}/claim", summary: "Claim a waiting case",
		about: "At most one operator holds a case: the others get 409 with the holder. Whoever holds it already gets it again."}), a.claimCase)
	register(r, guarded(operation{id: "release-case", method: http.MethodPost, path: "/cases/{number}/release", summary: "Put a case back into its queue",
		about: "It keeps its place.", body: optionalJSON}), a.releaseCase)
	register(r, guarded(operation{id: "transfer-case", method: http.MethodPost, path: "/cases/{number}/transfer", summary: "Send a case to another queue",
		about: "It waits there to be claimed.", body: jsonBody, example: map[string]any{"queue": "computers", "reason": "a laptop after all"}}), a.transferCase)
	register(r, guarded(operation{id: "assign-case", method: http.MethodPost, path: "/cases/{number}/assign", summary: "Give a case to an operator",
		about: "Whether or not somebody holds it.", body: jsonBody, example: map[string]any{"operator": "olena"}}), a.assignCase)
	register(r, step(operation{id: "move-case", method: http.MethodPost, path: "/cases/{number}/status", summary: "Give a case another status", refuses: []int{412, 428},
		about: "The customer is told what the policy says. Needs If-Match, claim_no or from. A workshop's program names the status it comes from and sends an Idempotency-Key: however often it asks, the case moves once and the customer is told once; 412 says that it is in another status. A status set by mistake can be taken back to the one before, whatever may follow it, while its notice is held.",
		body:  jsonBody, example: map[string]any{"from": "in_repair", "to": "ready"}}), a.moveCase)
	register(r, guarded(operation{id: "answer-case", method: http.MethodPost, path: "/cases/{number}/messages", summary: "Write to the customer",
		about: "Through the channel on which they last wrote.", status: http.StatusCreated, body: jsonBody,
		example: map[string]any{"text": "Good day! We have looked at it: the screen has to be replaced.", "claim_no": 3}}), a.answerCase)
	register(r, step(operation{id: "note-case", method: http.MethodPost, path: "/cases/{number}/notes", summary: "Leave a note for colleagues",
		about: "The customer never sees it.", status: http.StatusCreated, body: jsonBody, example: map[string]any{"text": "Called twice, no answer."}}), a.noteCase)
	register(r, guarded(operation{id: "edit-case", method: http.MethodPatch, path: "/cases/{number}", summary: "Change what is known about a case",
		about: "What is left out stays.", body: jsonBody, example: map[string]any{"priority": "high", "attributes": map[string]any{"serial": "X-100"}}}), a.editCase)
}

func stateOf(k *casecore.Case, err error) (*stated[Case], error) {
	if err != nil {
		return nil, err
	}
	return &stated[Case]{ETag: etag(k.Version), Body: caseOf(k)}, nil
}

func (a *API) claimCase(ctx context.Context, c *call, _ *caseInput) (*stated[Case], error) {
	return stateOf(a.Work.Claim(ctx, c.actor, c.number))
}

func (a *API) releaseCase(ctx context.Context, c *call, in *releaseInput) (*stated[Case], error) {
	g, err := guard(in.Match, in.Body.ClaimNo)
	if err != nil {
		return nil, err
	}
	return stateOf(a.Work.Release(ctx, c.actor, c.number, in.Body.Reason, g))
}

func (a *API) transferCase(ctx context.Context, c *call, in *transferInput) (*stated[Case], error) {
	g, err := guard(in.Match, in.Body.ClaimNo)
	if err != nil {
		return nil, err
	}
	if _, ok := a.Router().Queue(in.Body.Queue); !ok {
		return nil, invalid(at("queue", "no such queue in the policy"))
	}
	return stateOf(a.Work.Transfer(ctx, c.actor, c.number, in.Body.Queue, in.Body.Reason, g))
}

func (a *API) assignCase(ctx context.Context, c *call, in *assignInput) (*stated[Case], error) {
	g, err := guard(in.Match, in.Body.ClaimNo)
	if err != nil {
		return nil, err
	}
	o, err := a.Staff.Find(ctx, in.Body.Operator)
	if err == nil && o.Disabled {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, a.unknown(err, at("operator", "no such operator, or disabled"))
	}
	return stateOf(a.Work.Assign(ctx, c.actor, c.number, o.ID, in.Body.Reason, g))
}

func (a *API) moveCase(ctx context.Context, c *call, in *moveInput) (*created[Case], error) {
	var g casecore.Guard
	if in.Match != "" || in.Body.ClaimNo != 0 || in.Body.From == "" {
		var err error
		if g, err = guard(in.Match, in.Body.ClaimNo); err != nil {
			return nil, err
		}
	}
	g.Status = in.Body.From
	return once(ctx, a, c, in.Key, in.Match, func(keep keep[Case]) (*created[Case], error) {
		var out *created[Case]
		_, err := a.Work.Also(func(tx store.Tx, k *casecore.Case, _ *casecore.Message) error {
			out = &created[Case]{Status: http.StatusOK, ETag: etag(k.Version), Body: caseOf(k)}
			return keep(tx, out)
		}).Move(ctx, c.actor, c.number, in.Body.To, g)
		if err != nil {
			return nil, err
		}
		return out, nil
	})
}

func (a *API) answerCase(ctx context.Context, c *call, in *answerInput) (*created[Written], error) {
	g, err := guard(in.Match, in.Body.ClaimNo)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(in.Body.Text) == "" && len(in.Body.Files) == 0 {
		return nil, invalid(at("text", "write something, or attach a file"))
	}
	files, err := a.attached(ctx, c.actor, in.Body.Files)
	if err != nil {
		return nil, err
	}
	return a.written(ctx, c, in.Key, func(also func(store.Tx, *casecore.Case, *casecore.Message) error) error {
		_, _, err := a.Work.Also(also).Answer(ctx, c.actor, c.number, channels.Body{Text: in.Body.Text, Files: files}, g)
		return err
	})
}

func (a *API) noteCase(ctx context.Context, c *call, in *noteInput) (*created[Written], error) {
	if strings.TrimSpace(in.Body.Text) == "" {
		return nil, invalid(at("text", "required"))
	}
	return a.written(ctx, c, in.Key, func(also func(store.Tx, *casecore.Case, *casecore.Message) error) error {
		_, _, err := a.Work.Also(also).Note(ctx, c.actor, c.number, in.Body.Text)
		return err
	})
}

// written does a verb that writes a message, at most once for each key.
func (a *API) written(ctx context.Context, c *call, key string, verb func(also func(store.Tx, *casecore.Case, *casecore.Message) error) error) (*created[Written], error) {
	return once(ctx, a, c, key, "", func(keep keep[Written]) (*created[Written], error) {
		var out *created[Written]
		err := verb(func(tx store.Tx, k *casecore.Case, m *casecore.Message) error {
			out = &created[Written]{
				Status: http.StatusCreated, ETag: etag(k.Version),
				Location: fmt.Sprintf("%s/cases/%s/timeline", Prefix, k.CaseNumber()),
				Body:     Written{Message: messageOf(k, m), Case: caseOf(k)},
			}
			return keep(tx, out)
		})
		return out, err
	})
}

func (a *API) editCase(ctx context.Context, c *call, in *editInput) (*stated[Case], error) {
	g, err := guard(in.Match, in.Body.ClaimNo)
	if err != nil {
		return nil, err
	}
	faults := append(checkAttributes(in.Body.Attributes), checkTags(in.Body.Tags)...)
	e := casecore.Edit{Subject: in.Body.Subject, Category: in.Body.Category, Attributes: in.Body.Attributes, Tags: in.Body.Tags}
	if in.Body.Priority != nil {
		p, err := casecore.ParsePriority(*in.Body.Priority)
		if err != nil {
			faults = append(faults, at("priority", err.Error()))
		}
		e.Priority = &p
	}
	if len(faults) > 0 {
		return nil, invalid(faults...)
	}
	return stateOf(a.Work.Edit(ctx, c.actor, c.number, e, g))
}

// Limits of what people add to a case.
const (
	maxAttributeName  = 60 // characters
	maxAttributeValue = 500
	maxTag            = 40
)

func checkAttributes(m map[string]string) []Fault {
	var faults []Fault
	for k, v := range m {
		path := "attributes/" + escapePointer(k)
		if n := utf8.RuneCountInString(k); n == 0 || n > maxAttributeName || strings.TrimSpace(k) != k {
			faults = append(faults, at(path, fmt.Sprintf("a name has 1 to %d characters and no blanks around it", maxAttributeName)))
		}
		if utf8.RuneCountInString(v) > maxAttributeValue {
			faults = append(faults, at(path, fmt.Sprintf("too long; characters at most: %d", maxAttributeValue)))
		}
	}
	return faults
}

func checkTags(tags []string) []Fault {
	var faults []Fault
	for i, t := range tags {
		if n := utf8.RuneCountInString(t); n == 0 || n > maxTag || strings.TrimSpace(t) != t {
			faults = append(faults, at(fmt.Sprintf("tags/%d", i), fmt.Sprintf("a tag has 1 to %d characters and no blanks around it", maxTag)))
		}
	}
	return faults
}

// unknown is a fault of the request when what it names is not there.
func (a *API) unknown(err error, f Fault) error {
	if errors.Is(err, store.ErrNotFound) {
		return invalid(f)
	}
	return err
}
