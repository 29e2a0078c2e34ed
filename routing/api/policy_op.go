package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"casewire/casecore"
)

// Policies reads and changes what supervisors decide. The house wires it.
type Policies interface {
	// Current returns the revision in force.
	Current(ctx context.Context) (PolicyRevision, error)
	// Apply checks the document and makes it the next revision, if the one in
	// force is still this one; else it is *PolicyMoved. Faults of the document
	// are *PolicyFaults, all of them.
	Apply(ctx context.Context, by casecore.Actor, document []byte, note string, revision int64) (PolicyRevision, error)
}

// PolicyRevision is one numbered state of the policy.
type PolicyRevision struct {
	Revision int64
	Document []byte // YAML
	Author   string
	Note     string
	At       time.Time
}

// PolicyMoved is the refusal of a change made against an older revision.
type PolicyMoved struct{ Revision int64 }

func (p *PolicyMoved) Error() string {
	return fmt.Sprintf("the policy is at revision %d now", p.Revision)
}

// PolicyFaults is everything wrong in a document.
type PolicyFaults []PolicyFault

// PolicyFault is one thing wrong: where it stands, what it is and how to mend it.
type PolicyFault struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path,omitempty"`
	Detail string `json:"detail"`
}

func (p PolicyFaults) Error() string { return fmt.Sprintf("%d faults in the policy", len(p)) }

// Policy is the policy as it is in force.
type Policy struct {
	Revision int64     `json:"revision"`
	Author   string    `json:"author,omitempty"`
	Note     string    `json:"note,omitempty"`
	At       time.Time `json:"at"`
	Document string    `json:"document" doc:"The whole of it, as YAML."`
}

// NewPolicy is a policy to be put in force, as JSON around the YAML.
type NewPolicy struct {
	Document string `json:"document"`
	Note     string `json:"note,omitempty"`
}

type policyInput struct {
	Accept string `header:"Accept" doc:"application/yaml for the bare document."`
}

type newPolicyInput struct {
	Matching
	Note string `query:"note" maxLength:"200" doc:"Why, for the history; when the body is YAML."`
}

type policyOutput struct {
	ETag string `header:"ETag" doc:"Revision, for If-Match."`
	Body func(huma.Context)
}

func (a *API) policyOperations(r *registrar) {
	register(r, operation{id: "get-policy", method: http.MethodGet, path: "/policy", tag: "Policy", summary: "Read the policy",
		about: "Queues, rules, statuses and templates. JSON with the YAML in it, or the bare YAML for Accept: application/yaml."}, a.getPolicy)
	register(r, operation{id: "put-policy", method: http.MethodPut, path: "/policy", tag: "Policy", summary: "Put a policy in force",
		about: "The body is the YAML itself (application/yaml), or JSON with document and note. Needs If-Match. Any fault changes nothing, and all of them are named by line and column.",
		body:  documentBody, refuses: []int{412, 428}}, a.putPolicy)
}

func revisionTag(n int64) string { return fmt.Sprintf(`"r%d"`, n) }

func policyOf(p PolicyRevision) Policy {
	return Policy{Revision: p.Revision, Author: p.Author, Note: p.Note, At: p.At.UTC(), Document: string(p.Document)}
}

func (a *API) getPolicy(ctx context.Context, _ *call, in *policyInput) (*policyOutput, error) {
	p, err := a.Policies.Current(ctx)
	if err != nil {
		return nil, err
	}
	return &policyOutput{ETag: revisionTag(p.Revision), Body: func(ctx huma.Context) {
		kind, body := "application/json", []byte(nil)
		if strings.Contains(in.Accept, "yaml") {
			kind, body = "application/yaml", p.Document
		} else if body, err = json.Marshal(policyOf(p)); err != nil {
			a.o.Log.Error("policy cannot be shown", "error", err)
		}
		ctx.SetHeader("Content-Type", kind)
		ctx.SetHeader("Vary", "Accept")
		_, _ = ctx.BodyWriter().Write(body) // whoever has gone needs no answer
	}}, nil
}

func (a *API) putPolicy(ctx context.Context, c *call, in *newPolicyInput) (*stated[Policy], error) {
	if in.Match == "" {
		return nil, problem("match_required", "send If-Match with the ETag of the policy that you changed")
	}
	revision, p := parseTag(in.Match, "r")
	if p != nil {
		return nil, p
	}
	n := NewPolicy{Document: string(c.raw), Note: in.Note}
	if c.isJSON() {
		n = NewPolicy{}
		dec := json.NewDecoder(bytes.NewReader(c.raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&n); err != nil {
			return nil, invalid(Fault{Pointer: "#", Detail: "must have document (the YAML as a text) and may have note; " + err.Error()})
		}
	}
	if strings.TrimSpace(n.Document) == "" {
		return nil, invalid(at("document", "required"))
	}
	if why := badText(n.Document, multiLine); why != "" {
		return nil, problem("malformed", "the document "+why)
	}
	out, err := a.Policies.Apply(ctx, c.actor, []byte(n.Document), n.Note, int64(revision))
	if moved, ok := errors.AsType[*PolicyMoved](err); ok {
		p := problem("stale", moved.Error()+"; read it again and repeat the change")
		p.Version = uint64(max(0, moved.Revision))
		p.header.Set("ETag", revisionTag(moved.Revision))
		return nil, p
	}
	if faults, ok := errors.AsType[PolicyFaults](err); ok {
		p := problem("policy", faults.Error()+"; nothing has changed")
		for _, f := range faults {
			where := fmt.Sprintf("line %d, column %d", f.Line, f.Column)
			if f.Path != "" {
				where += ": " + f.Path
			}
			p.Errors = append(p.Errors, Fault{Pointer: "#/document", Detail: where + ": " + f.Detail})
		}
		return nil, p
	}
	if err != nil {
		return nil, err
	}
	return &stated[Policy]{ETag: revisionTag(out.Revision), Body: policyOf(out)}, nil
}
