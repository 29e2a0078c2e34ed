package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsHTML string

//go:embed docs.css
var docsCSS string

// docsStyleHash lets the page's own style through its policy and nothing else.
func docsStyleHash() string {
	sum := sha256.Sum256([]byte(docsCSS))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// What the page shows.
type (
	docsView struct {
		Title, Version string
		About          []string
		Groups         []docsGroup
		Codes          []docsCode
		Style          template.CSS
	}
	docsGroup struct {
		Name string
		Ops  []docsOp
	}
	docsOp struct {
		ID, Method, Path, Summary, About, Right string
		Params                                  []docsField
		Bodies                                  []docsBody
		Example                                 string
		Answers                                 []docsAnswer
	}
	docsField struct {
		Name, In, Type, About string
		Required              bool
	}
	docsBody struct {
		Type   string
		Fields []docsField
	}
	docsAnswer struct {
		Status, About string
		Bodies        []docsBody
		Refusal       bool
	}
	docsCode struct {
		Code, Title string
		Status      int
	}
)

// docsPage renders the OpenAPI document as one page without scripts.
func docsPage(o *huma.OpenAPI) ([]byte, error) {
	t, err := template.New("docs").Parse(docsHTML)
	if err != nil {
		return nil, err
	}
	v := docsView{Title: o.Info.Title, Version: o.Info.Version, About: strings.Split(o.Info.Description, "\n"), Style: template.CSS(docsCSS)}
	reg := o.Components.Schemas
	groups := map[string]int{}
	for _, path := range slices.Sorted(maps.Keys(o.Paths)) {
		for _, op := range operationsOf(o.Paths[path]) {
			i, known := groups[op.Tags[0]]
			if !known {
				i = len(v.Groups)
				groups[op.Tags[0]] = i
				v.Groups = append(v.Groups, docsGroup{Name: op.Tags[0]})
			}
			v.Groups[i].Ops = append(v.Groups[i].Ops, docsOperation(reg, op))
		}
	}
	slices.SortFunc(v.Groups, func(a, b docsGroup) int { return cmp.Compare(groupOrder(a.Name), groupOrder(b.Name)) })
	for code, c := range codes {
		v.Codes = append(v.Codes, docsCode{Code: code, Title: c.title, Status: c.status})
	}
	slices.SortFunc(v.Codes, func(a, b docsCode) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code))
	})
	var b bytes.Buffer
	err = t.Execute(&b, v)
	return b.Bytes(), err
}

// groupOrder is the order in which somebody new wants to read.
func groupOrder(name string) int {
	return slices.Index([]string{"Sessions", "Queues", "Cases", "Work", "Files", "Customers", "Operators", "Tokens", "Policy", "Channels", "Webhooks"}, name)
}

func operationsOf(p *huma.PathItem) []*huma.Operation {
	return slices.DeleteFunc([]*huma.Operation{p.Get, p.Post, p.Put, p.Patch, p.Delete}, func(op *huma.Operation) bool { return op == nil })
}

func docsOperation(reg huma.Registry, op *huma.Operation) docsOp {
	right, _ := op.Extensions["x-right"].(string)
	out := docsOp{ID: op.OperationID, Method: op.Method, Path: Prefix + op.Path, Summary: op.Summary, About: op.Description, Right: right}
	for _, p := range op.Parameters {
		out.Params = append(out.Params, docsField{Name: p.Name, In: p.In, Type: typeName(reg, p.Schema), About: p.Description, Required: p.Required})
	}
	if op.RequestBody != nil {
		out.Bodies = docsBodies(reg, op.RequestBody.Content)
		if m := op.RequestBody.Content["application/json"]; m != nil && m.Example != nil {
			if raw, err := json.MarshalIndent(m.Example, "", "  "); err == nil {
				out.Example = string(raw)
			}
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		a := docsAnswer{Status: status, About: r.Description, Refusal: status >= "400"}
		if !a.Refusal {
			a.Bodies = docsBodies(reg, r.Content)
		}
		out.Answers = append(out.Answers, a)
	}
	return out
}

func docsBodies(reg huma.Registry, content map[string]*huma.MediaType) []docsBody {
	var out []docsBody
	for _, kind := range slices.Sorted(maps.Keys(content)) {
		b := docsBody{Type: kind}
		s := resolve(reg, content[kind].Schema)
		if s == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[name]
			b.Fields = append(b.Fields, docsField{Name: name, Type: typeName(reg, p), About: p.Description, Required: slices.Contains(s.Required, name)})
		}
		out = append(out, b)
	}
	return out
}

func resolve(reg huma.Registry, s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = reg.SchemaFromRef(s.Ref)
	}
	return s
}

// typeName is a schema in a word or two.
func typeName(reg huma.Registry, s *huma.Schema) string {
	if s == nil {
		return ""
	}
	if s.Ref != "" {
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	}
	switch {
	case len(s.Enum) > 0:
		var all []string
		for _, e := range s.Enum {
			if text, ok := e.(string); ok {
				all = append(all, text)
			}
		}
		return strings.Join(all, " | ")
	case s.Type == huma.TypeArray:
		return "list of " + typeName(reg, s.Items)
	case s.Type == huma.TypeObject:
		if of, ok := s.AdditionalProperties.(*huma.Schema); ok {
			return "map of " + typeName(reg, of)
		}
		return "object"
	case s.Format == "date-time":
		return "time"
	}
	return s.Type
}
