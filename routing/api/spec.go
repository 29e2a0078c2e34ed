package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// config is huma's, without its pages: its documentation page loads scripts from
// elsewhere, ours does not.
func (a *API) config() huma.Config {
	c := huma.DefaultConfig("Casewire", a.o.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil // no $schema in answers
	c.Transformers = []huma.Transformer{a.asProblem}
	c.RejectUnknownQueryParameters = true
	c.Info.Description = about
	c.Servers = []*huma.Server{{URL: Prefix}}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "A token of POST /tokens or `casewire token`."},
		"session": {Type: "apiKey", In: "cookie", Name: "__Host-casewire", Description: "The console's session, from POST /sessions; casewire_session over plain http."},
	}
	return c
}

const about = `Everything that operators, supervisors and programs do with cases.

JSON in snake_case, in UTF-8; unknown fields are refused. Times are RFC 3339 in UTC, ids opaque, cases go by their number (CW-000123).
Refusals are RFC 9457 problems: code is stable, errors names each fault by its pointer in the body or by its parameter.
Lists take limit and cursor and answer items and next_cursor.
Changing a case needs If-Match with its ETag, or claim_no in the body: 412 when it has changed since, 409 with the holder when it is somebody else's.
A POST that creates takes an Idempotency-Key: a repeat within 24 hours gets the first answer and changes nothing.`

// finishDoc says what huma cannot know from types.
func (a *API) finishDoc(op *operation) {
	d := op.doc
	if d.Extensions == nil {
		d.Extensions = map[string]any{}
	}
	d.Extensions["x-right"] = op.right.String()
	switch op.body {
	case optionalJSON:
		d.RequestBody.Required = false
	case fileBody:
		d.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
			Type: huma.TypeObject, Required: []string{"file"},
			Properties: map[string]*huma.Schema{"file": {Type: huma.TypeString, Format: "binary", Description: "The file, of at most 10 MB."}},
		}}}}
	case documentBody:
		reg := a.huma.OpenAPI().Components.Schemas
		d.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/yaml": {Schema: &huma.Schema{Type: huma.TypeString, Description: "The policy."}},
			"application/json": {Schema: reg.Schema(reflect.TypeFor[NewPolicy](), true, "NewPolicy")},
		}}
	}
	if op.example != nil && d.RequestBody != nil {
		d.RequestBody.Content["application/json"].Example = op.example
	}
	switch op.id {
	case "get-policy":
		reg := a.huma.OpenAPI().Components.Schemas
		d.Responses["200"].Content = map[string]*huma.MediaType{
			"application/json": {Schema: reg.Schema(reflect.TypeFor[Policy](), true, "Policy")},
			"application/yaml": {Schema: &huma.Schema{Type: huma.TypeString}},
		}
	case "get-file", "get-source":
		d.Responses["200"].Content = map[string]*huma.MediaType{"*/*": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	}
}

// describe serves the OpenAPI document and the page that shows it. Both are made
// once, here, from what is registered.
func (a *API) describe(mux *http.ServeMux) error {
	o := a.huma.OpenAPI()
	a.describeWebhooks(o)
	// huma documents its own errors, which asProblem replaces.
	delete(o.Components.Schemas.Map(), "ErrorModel")
	delete(o.Components.Schemas.Map(), "ErrorDetail")
	raw, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("api: write the OpenAPI document: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("api: write the OpenAPI document: %w", err)
	}
	b.WriteByte('\n')
	a.spec = b.Bytes()
	page, err := docsPage(o)
	if err != nil {
		return fmt.Errorf("api: write the documentation: %w", err)
	}
	mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(a.spec) // whoever has gone needs no answer
	})
	mux.HandleFunc("GET /api/docs", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+docsStyleHash()+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		_, _ = w.Write(page) // likewise
	})
	return nil
}
