package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"casewire/casecore"
	"casewire/casecore/staff"
)

// right says who may ask for an operation at all. Which cases it then reaches is
// the book's decision.
type right struct {
	anybody bool     // without signing in
	roles   []string // one of these; none: everybody who is signed in
}

var (
	anyone     = right{anybody: true}
	signedIn   = right{}
	admin      = right{roles: []string{casecore.RoleAdmin}}
	supervises = right{roles: []string{casecore.RoleSupervisor, casecore.RoleAdmin}}
	integrates = right{roles: []string{casecore.RoleAdmin, casecore.RoleIntegrator}}
	readPolicy = right{roles: []string{casecore.RoleSupervisor, casecore.RoleAdmin, casecore.RoleIntegrator}}
)

// rights is the table of who may ask for what. What is not in it is denied: New
// refuses an operation without an entry.
var rights = map[string]right{
	"sign-in": anyone, "sign-out": signedIn, "me": signedIn,
	"open-case": signedIn, "list-cases": signedIn, "get-case": signedIn, "get-timeline": signedIn, "get-dossier": signedIn,
	"claim-case": signedIn, "release-case": signedIn, "transfer-case": signedIn, "assign-case": signedIn,
	"move-case": signedIn, "answer-case": signedIn, "note-case": signedIn, "edit-case": signedIn,
	"call-customer": signedIn, "called-customer": signedIn, "refile-message": signedIn, "link-customer": signedIn, "reopen-address": signedIn,
	"opt-out-address": signedIn, "opt-in-address": signedIn, "get-page": signedIn, "renew-page": signedIn,
	"list-notices": signedIn, "send-notice": signedIn, "cancel-notice": signedIn, "resend-notice": signedIn, "handle-notice": signedIn,
	"report-notices": supervises,
	"upload-file":    signedIn, "get-file": signedIn, "get-source": signedIn,
	"list-queues": signedIn, "list-cards": signedIn, "take-next": signedIn,
	"list-customers": signedIn, "create-customer": signedIn, "get-customer": signedIn, "change-customer": signedIn,
	"list-operators": signedIn, "create-operator": admin, "change-operator": admin, "link-operator": admin,
	"list-tokens": admin, "create-token": admin, "revoke-token": admin,
	"get-policy": readPolicy, "put-policy": supervises,
	"list-templates": supervises, "get-template": supervises, "put-template": supervises, "delete-template": supervises, "preview-template": supervises,
	"list-channels": supervises, "examine-channel": admin,
	"list-webhooks": integrates, "list-webhook-deliveries": integrates, "replay-webhook-delivery": integrates, "replay-webhook": integrates, "test-webhook": integrates,
}

func (r right) allows(a casecore.Actor) bool { return len(r.roles) == 0 || a.Is(r.roles...) }

// payload says what an operation takes in its body.
type payload int

const (
	noBody payload = iota
	jsonBody
	optionalJSON
	documentBody // YAML, or JSON around it
	fileBody     // multipart/form-data
)

// operation is one entry of the API.
type operation struct {
	id, method, path string
	tag, summary     string
	about            string
	status           int // of success; 0: 200, or 204 without a body
	body             payload
	limit            int64 // bytes of the body; 0: Options.MaxBody
	refuses          []int // besides what its kind always may
	example          any   // of the body

	right right
	doc   *huma.Operation
}

type registrar struct {
	api  *API
	errs []error
}

// register adds an operation to the API.
func register[I, O any](r *registrar, op operation, h func(context.Context, *call, *I) (*O, error)) {
	a := r.api
	var known bool
	if op.right, known = rights[op.id]; !known {
		r.errs = append(r.errs, fmt.Errorf("api: operation %s declares no right", op.id))
		return
	}
	op.limit = cmp.Or(op.limit, a.o.MaxBody)
	doc := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Tags: []string{op.tag},
		Summary: op.summary, Description: op.about, DefaultStatus: op.status,
		MaxBodyBytes: op.limit + 1, BodyReadTimeout: -1, // the body has been read by then
		RejectUnknownQueryParameters: true,
		Responses:                    a.refusals(&op),
	}
	if !op.right.anybody {
		doc.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	huma.Register(a.huma, doc, func(ctx context.Context, in *I) (*O, error) {
		c, ok := ctx.Value(callKey{}).(*call)
		if !ok {
			return nil, fmt.Errorf("operation %s was reached past the gate", op.id)
		}
		out, err := h(ctx, c, in)
		if err != nil {
			return nil, a.refuse(ctx, c, err)
		}
		return out, nil
	})
	op.doc = operationAt(a.huma.OpenAPI(), op.method, op.path)
	a.finishDoc(&op)
	a.ops[op.id] = &op
}

// unused reports entries of the table that no operation has.
func (r *registrar) unused() error {
	for id := range rights {
		if r.api.ops[id] == nil && len(r.errs) == 0 {
			return fmt.Errorf("api: the table of rights names %s, which is no operation", id)
		}
	}
	return nil
}

func operationAt(o *huma.OpenAPI, method, path string) *huma.Operation {
	item := o.Paths[path]
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[method]
}

// refusals documents the errors of an operation.
func (a *API) refusals(op *operation) map[string]*huma.Response {
	codes := append([]int{http.StatusInternalServerError, http.StatusServiceUnavailable}, op.refuses...)
	if !op.right.anybody {
		codes = append(codes, http.StatusUnauthorized)
	}
	if len(op.right.roles) > 0 {
		codes = append(codes, http.StatusForbidden)
	}
	switch op.body {
	case jsonBody, optionalJSON, documentBody, fileBody:
		codes = append(codes, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity)
	default:
		codes = append(codes, http.StatusBadRequest, http.StatusUnprocessableEntity)
	}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	out := map[string]*huma.Response{}
	for _, code := range codes {
		out[strconv.Itoa(code)] = &huma.Response{
			Description: refusalText[code],
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
		if code == http.StatusTooManyRequests {
			out[strconv.Itoa(code)].Headers = map[string]*huma.Param{"Retry-After": {
				Description: "Seconds to wait.", Schema: &huma.Schema{Type: huma.TypeInteger},
			}}
		}
	}
	return out
}

// call is one request on its way to a handler.
type call struct {
	op      *operation
	actor   casecore.Actor
	session *staff.Session
	r       *http.Request
	w       http.ResponseWriter
	raw     []byte // the body, for operations that take one
	number  string // of the case, for operations on one
	id      string // of the request, for logs
}

type callKey struct{}

// Numbered is the part of an input that names a case.
type Numbered struct {
	Number string `path:"number" maxLength:"40" doc:"Number of the case." example:"CW-000123"`
}

// Creating is the part of an input that makes a repeat harmless.
type Creating struct {
	Key string `header:"Idempotency-Key" maxLength:"200" doc:"Any unique text. A repeat with the same key within 24 hours changes nothing and gets the same answer." example:"5f0c7e9e-7f0c-4a55-9f2e-1d0a3c2b4e6f"`
}

// Matching is the part of an input that says which state is to be changed.
type Matching struct {
	Match string `header:"If-Match" maxLength:"64" doc:"ETag of the state this change was made against." example:"\"v12\""`
}

// Paged is the part of an input that asks for one page of a list.
type Paged struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"1000" doc:"next_cursor of the page before."`
}

// created is the answer of an operation that made something.
type created[T any] struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Replayed string `header:"Idempotent-Replayed" doc:"\"true\" when this is the answer to an earlier request with the same key."`
	Body     T
}

// stated is an answer with the version of what it shows.
type stated[T any] struct {
	ETag string `header:"ETag" doc:"Version of the state, for If-Match."`
	Body T
}

// plain is an answer of which only the body matters.
type plain[T any] struct{ Body T }

func (r right) String() string {
	switch {
	case r.anybody:
		return "anybody"
	case len(r.roles) == 0:
		return "everybody signed in"
	}
	roles := slices.Clone(r.roles)
	slices.Sort(roles)
	return fmt.Sprint(roles)
}
