package demo

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"casewire/casecore/lang"
	"casewire/routing"
)

//go:embed assets
var assets embed.FS

// Sandbox is the page on which one is the customer. It shows passwords and is
// for the demo only.
type Sandbox struct {
	logins []Login
	router func() *routing.Router
	page   *template.Template
	words  map[string]map[string]string
}

// NewSandbox returns the page for these operators.
func NewSandbox(logins []Login, router func() *routing.Router) (*Sandbox, error) {
	page, err := template.ParseFS(assets, "assets/sandbox.html")
	if err != nil {
		return nil, fmt.Errorf("sandbox page: %w", err)
	}
	b, err := assets.ReadFile("assets/words.json")
	if err != nil {
		return nil, fmt.Errorf("sandbox words: %w", err)
	}
	s := &Sandbox{logins: logins, router: router, page: page}
	if err := json.Unmarshal(b, &s.words); err != nil {
		return nil, fmt.Errorf("sandbox words: %w", err)
	}
	return s, nil
}

// sample is something to write, and what the rules will make of it.
type sample struct{ Text, Why string }

// samples are in every language whatever the page's: the rules read all four.
var samples = []string{
	"My iPhone does not charge",
	"Телефон упал, экран разбит",
	"Пральна машина тече",
	"Televizor nema sliku",
	"The battery is swelling!",
}

type languageLink struct{ Tag, Name string }

type personView struct{ Login, Password, Name, Queues string }

// ServeHTTP serves the page and its style sheet below /sandbox/.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, "/sandbox/") {
	case "":
		s.show(w, r)
	case "sandbox.css":
		http.ServeFileFS(w, r, assets, "assets/sandbox.css")
	default:
		http.NotFound(w, r)
	}
}

func (s *Sandbox) show(w http.ResponseWriter, r *http.Request) {
	tag := r.URL.Query().Get("lang")
	if !slices.Contains(lang.Supported, tag) {
		tag = lang.Match(r.Header.Get("Accept-Language"))
	}
	data := struct {
		Lang      string
		W         map[string]string
		Languages []languageLink
		Operators []personView
		Samples   []sample
	}{Lang: tag, W: s.words[tag], Languages: []languageLink{
		{"en", "English"}, {"ru", "Русский"}, {"uk", "Українська"}, {"sr", "Srpski"},
	}}
	router := s.router()
	for _, l := range s.logins {
		data.Operators = append(data.Operators, personView{l.Login, l.Password, l.Name, queueNames(router, l.Queues, tag)})
	}
	for _, text := range samples {
		d := router.Route(routing.Facts{Text: text})
		data.Samples = append(data.Samples, sample{text, queueNames(router, []string{d.Queue}, tag)})
	}
	var b bytes.Buffer
	if err := s.page.Execute(&b, data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	_, _ = w.Write(b.Bytes()) // the browser may be gone
}

func queueNames(r *routing.Router, ids []string, tag string) string {
	var names []string
	for _, id := range ids {
		if q, ok := r.Queue(id); ok {
			names = append(names, q.Name.In(tag))
		}
	}
	return strings.Join(names, ", ")
}
