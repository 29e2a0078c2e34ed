package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is the body of every refusal (RFC 9457).
type Problem struct {
	Type    string   `json:"type" doc:"Where the code is explained." example:"/api/docs#stale"`
	Title   string   `json:"title" doc:"What kind of problem it is; the same for each code."`
	Status  int      `json:"status" doc:"HTTP status."`
	Code    string   `json:"code" doc:"Stable name of the problem, for programs." example:"stale"`
	Detail  string   `json:"detail" doc:"What is wrong here, and how to mend it, for people."`
	Errors  []Fault  `json:"errors,omitempty" doc:"Every fault in the request."`
	Holder  *Person  `json:"holder,omitempty" doc:"Who holds the case."`
	Version uint64   `json:"version,omitempty" doc:"Version of the state as it is now."`
	ClaimNo int64    `json:"claim_no,omitempty" doc:"Claim number of the case as it is now."`
	In      string   `json:"case_status,omitempty" doc:"Status of the case as it is now."`
	Missing []string `json:"missing,omitempty" doc:"Attributes to fill in first."`
	Request string   `json:"request_id,omitempty" doc:"To quote when asking for help."`

	header http.Header
}

// Fault is one thing wrong in a request: Pointer is its place in the body (RFC
// 6901, as a fragment), Parameter the name of a parameter outside the body.
type Fault struct {
	Pointer   string `json:"pointer,omitempty" doc:"Place in the body." example:"#/subject"`
	Parameter string `json:"parameter,omitempty" doc:"Name of the path, query or header parameter." example:"limit"`
	Detail    string `json:"detail" doc:"What is wrong, and how to mend it."`
}

// Person is somebody who works here.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status (huma.StatusError).
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are headers to send along (huma.HeadersError).
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType is that of RFC 9457 (huma.ContentTypeFilter).
func (p *Problem) ContentType(string) string { return problemJSON }

const problemJSON = "application/problem+json"

// codes are the problems there are: the status and the title of each.
var codes = map[string]struct {
	status int
	title  string
}{
	"malformed":              {400, "The request cannot be read"},
	"not_signed_in":          {401, "Sign in first"},
	"bad_login":              {401, "Login or password is wrong"},
	"forbidden":              {403, "Not permitted"},
	"not_found":              {404, "Not found"},
	"nothing_waiting":        {404, "Nothing waits in the queue"},
	"method_not_allowed":     {405, "Method not allowed"},
	"timeout":                {408, "The request took too long to arrive"},
	"taken":                  {409, "Somebody else holds the case"},
	"not_claimed":            {409, "Claim the case first"},
	"capacity":               {409, "Enough cases in hand"},
	"late":                   {409, "Too late for that"},
	"wish":                   {409, "The customer does not want it"},
	"no_link":                {409, "No channel has such links"},
	"no_page":                {409, "Customers have no pages"},
	"shut":                   {409, "Nothing may be sent to that address"},
	"calling":                {409, "The customer is being called already"},
	"no_call":                {409, "The call could not be made"},
	"no_phone":               {422, "You have no phone number here"},
	"no_number":              {422, "The customer has no phone number here"},
	"conflict":               {409, "Changed by somebody else at the same moment"},
	"stale":                  {412, "Changed since it was read"},
	"too_large":              {413, "Too large"},
	"unsupported_media_type": {415, "Unsupported media type"},
	"invalid":                {422, "Some of it cannot be accepted"},
	"key_reused":             {422, "The idempotency key belongs to another request"},
	"role":                   {422, "Another role moves cases there"},
	"required":               {422, "Something must be filled in first"},
	"not_next":               {422, "This status does not follow"},
	"unknown_status":         {422, "Unknown status"},
	"no_address":             {422, "The customer cannot be written to"},
	"in_use":                 {409, "Something still needs it"},
	"by_hand":                {409, "Change the document itself"},
	"policy":                 {422, "The policy has faults"},
	"match_required":         {428, "Say which state is to be changed"},
	"too_many":               {429, "Too many attempts"},
	"internal":               {500, "Something went wrong here"},
	"unavailable":            {503, "Not available at the moment"},
}

var refusalText = map[int]string{
	400: "The request cannot be read.", 401: "Not signed in.", 403: "Not permitted.",
	404: "Not there, or not for you to see.", 409: "Somebody else holds it, or it changed at the same moment.",
	408: "The request took too long to arrive.", 412: "Changed since it was read; the answer has its version now.", 413: "Too large.",
	415: "Unsupported media type.", 422: "Some of it cannot be accepted; each fault is named.",
	428: "If-Match or claim_no is missing.", 429: "Too many attempts; try again later.",
	500: "Something went wrong here.", 503: "Not available at the moment; try again.",
}

func problem(code, detail string, faults ...Fault) *Problem {
	c, ok := codes[code]
	if !ok {
		c = codes["internal"]
	}
	return &Problem{
		Type: "/api/docs#" + code, Title: c.title, Status: c.status, Code: code, Detail: detail, Errors: faults,
		header: http.Header{},
	}
}

func invalid(faults ...Fault) *Problem {
	slices.SortFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Parameter, b.Parameter), cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Detail, b.Detail))
	})
	detail := "one field or parameter cannot be accepted"
	if n := len(faults); n > 1 {
		detail = strconv.Itoa(n) + " fields or parameters cannot be accepted"
	}
	return problem("invalid", detail, faults...)
}

// at is a fault of a field of the body: at("addresses/0/handle", "...").
func at(path, detail string) Fault { return Fault{Pointer: "#/" + path, Detail: detail} }

func parameter(name, detail string) Fault { return Fault{Parameter: name, Detail: detail} }

// after asks to come back later, in whole seconds.
func (p *Problem) after(d time.Duration) *Problem {
	p.header.Set("Retry-After", strconv.Itoa(max(1, int((d+time.Second-1)/time.Second))))
	return p
}

// write answers a request that no handler saw.
func (p *Problem) write(w http.ResponseWriter) {
	for k, v := range p.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", problemJSON)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // whoever has gone needs no answer
}

// asProblem turns huma's own refusals into ours. It is a transformer of this one
// API: replacing huma.NewError instead would change every API of the process.
func (a *API) asProblem(ctx huma.Context, status string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		if p, ok := v.(*Problem); ok && p.Request == "" {
			p.Request = requestID(ctx.Context())
		}
		return v, nil
	}
	var p *Problem
	switch e.Status {
	case http.StatusUnprocessableEntity:
		p = invalid(a.faults(ctx, e)...)
	case http.StatusBadRequest:
		p = problem("malformed", "the body cannot be read", a.faults(ctx, e)...)
		if len(e.Errors) == 0 {
			p.Detail = e.Detail
		}
	default:
		a.o.Log.Error("unexpected refusal", "operation", ctx.Operation().OperationID, "status", status, "detail", e.Detail)
		p = problem("internal", "the fault is ours; it has been logged")
		p.Status = e.Status
	}
	p.Request = requestID(ctx.Context())
	return p, nil
}

// faults translates huma's details. The offending value is not repeated: it may
// be long, or somebody's secret in the wrong field.
func (a *API) faults(ctx huma.Context, e *huma.ErrorModel) []Fault {
	var out []Fault
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		place, rest, _ := strings.Cut(d.Location, ".")
		f := Fault{Detail: inWords(d.Message)}
		if place == "body" || strings.HasPrefix(place, "body[") {
			f.Pointer = pointer(strings.TrimPrefix(d.Location, "body"))
			if d.Message == "unexpected property" {
				f.Detail = "unknown field; leave it out" + a.fieldsOf(ctx, rest)
			}
		} else {
			f.Parameter = rest
		}
		out = append(out, f)
	}
	return out
}

// fieldsOf lists the fields of the body, as a hint beside an unknown one.
func (a *API) fieldsOf(ctx huma.Context, path string) string {
	op := ctx.Operation()
	if strings.Contains(path, ".") || op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil {
		return ""
	}
	s := op.RequestBody.Content["application/json"].Schema
	for s != nil && s.Ref != "" {
		s = a.huma.OpenAPI().Components.Schemas.SchemaFromRef(s.Ref)
	}
	if s == nil || len(s.Properties) == 0 {
		return ""
	}
	names := make([]string, 0, len(s.Properties))
	for n := range s.Properties {
		names = append(names, n)
	}
	slices.Sort(names)
	return " or take one of " + strings.Join(names, ", ")
}

// pointer writes huma's ".items[3].name" as "#/items/3/name".
func pointer(path string) string {
	path = strings.NewReplacer("[", ".", "]", "").Replace(path)
	var b strings.Builder
	b.WriteString("#")
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
		if part != "" {
			b.WriteString("/" + escapePointer(part))
		}
	}
	return b.String()
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func escapePointer(s string) string { return pointerEscapes.Replace(s) }

// inWords makes huma's sentences ones that tell what to do.
func inWords(msg string) string {
	for _, w := range []struct{ from, to string }{
		{"expected required property ", "required: "}, {"required query parameter is missing", "required"},
		{"expected length <= ", "too long; characters at most: "}, {"expected length >= ", "too short; characters at least: "},
		{"expected array length <= ", "too many; at most: "}, {"expected array length >= ", "too few; at least: "},
		{"expected object with at most ", "too many entries; at most "},
		{"unknown query parameter", "unknown parameter; leave it out"},
		{"expected string to be RFC ", "must be an RFC "}, {"expected string to be ", "must be "}, {"expected string to match ", "must match "},
		{"expected value to be ", "must be "}, {"expected value to ", "must "}, {"expected array items to be unique", "must not name anything twice"},
		{"expected boolean", "must be true or false"}, {"expected string", "must be a string"}, {"expected number", "must be a number"},
		{"expected integer", "must be an integer"}, {"expected array", "must be an array"}, {"expected object", "must be an object"},
		{"expected ", "must be "},
	} {
		if rest, ok := strings.CutPrefix(msg, w.from); ok {
			return strings.TrimSuffix(w.to+rest, " to be present")
		}
	}
	return msg
}
