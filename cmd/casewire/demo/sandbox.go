package demo

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"casewire/casecore/lang"
	"casewire/routing"
)

//go:embed assets
var assets embed.FS

// Sandbox is the pages on which one is the customer, at four devices. They show
// passwords and are for the demo only.
type Sandbox struct {
	ctx    context.Context // of the answers that go on; see NewSandbox
	logins []Login
	world  *Counterparts
	router func() *routing.Router
	pages  *template.Template
	words  map[string]map[string]string
	mux    *http.ServeMux
}

// NewSandbox returns the pages below /sandbox/ for these operators and providers.
// Live answers end when ctx does.
func NewSandbox(ctx context.Context, logins []Login, world *Counterparts, router func() *routing.Router) (*Sandbox, error) {
	pages, err := template.New("").Funcs(template.FuncMap{"linked": linked}).ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("sandbox pages: %w", err)
	}
	b, err := assets.ReadFile("assets/words.json")
	if err != nil {
		return nil, fmt.Errorf("sandbox words: %w", err)
	}
	s := &Sandbox{ctx: ctx, logins: logins, world: world, router: router, pages: pages, mux: http.NewServeMux()}
	if err := json.Unmarshal(b, &s.words); err != nil {
		return nil, fmt.Errorf("sandbox words: %w", err)
	}
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /sandbox/{$}":                 s.overview,
		"GET /sandbox/{device}":            s.overview,
		"GET /sandbox/assets/{name}":       asset,
		"GET /sandbox/phone/email":         s.mail,
		"POST /sandbox/phone/email":        s.sendMail,
		"GET /sandbox/phone/email/file":    s.mailFile,
		"GET /sandbox/phone/email/live":    s.mailLive,
		"GET /sandbox/phone/telegram":      s.telegram,
		"POST /sandbox/phone/telegram":     s.useTelegram,
		"GET /sandbox/phone/telegram/file": s.telegramFile,
		"GET /sandbox/phone/telegram/live": s.telegramLive,
		"GET /sandbox/phone/sms":           s.sms,
		"POST /sandbox/phone/sms":          s.useSMS,
		"GET /sandbox/phone/sms/file":      s.smsFile,
		"GET /sandbox/phone/sms/live":      s.smsLive,
	} {
		s.mux.HandleFunc(pattern, h)
	}
	return s, nil
}

// ServeHTTP serves everything below /sandbox/.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// served are the assets that a browser may ask for.
var served = []string{"tokens.css", "sandbox.css", "device.css", "device.js", "icon.svg", "crack.jpg", "label.jpg"}

func asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !slices.Contains(served, name) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, assets, "assets/"+name)
}

// view is what every page knows.
type view struct {
	Lang      string
	W         map[string]string
	Languages []languageLink
	Path      string // of this page
	Me        person
	People    []person
	Error     string // in words, when the last thing could not be done
}

type languageLink struct{ Tag, Name string }

// languages are those of the pages, by their own names.
var languages = []languageLink{{"en", "English"}, {"ru", "Русский"}, {"uk", "Українська"}, {"sr", "Srpski"}}

// view reads what a request says in its address or its form.
func (s *Sandbox) view(r *http.Request, people []person) view {
	tag := r.FormValue("lang")
	if !slices.Contains(lang.Supported, tag) {
		tag = lang.Match(r.Header.Get("Accept-Language"))
	}
	v := view{Lang: tag, W: s.words[tag], Languages: languages, Path: r.URL.Path, People: people}
	if len(people) > 0 {
		v.Me = among(people, r.FormValue("me"))
	}
	if key := "error_" + r.FormValue("error"); s.words[tag][key] != "" {
		v.Error = s.words[tag][key]
	}
	return v
}

// To is the address of a page in the same language and for the same customer; pairs
// of a key and a value follow the path.
func (v view) To(path string, pairs ...string) string {
	q := url.Values{"lang": {v.Lang}}
	if v.Me.ID != "" {
		q.Set("me", v.Me.ID)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + q.Encode()
}

// Note is what is special about somebody's device.
func (v view) Note(p person) string { return v.W[p.Note] }

// show writes a page. framed says whether our own pages may show it in a frame;
// only devices have scripts.
func (s *Sandbox) show(w http.ResponseWriter, name string, framed bool, data any) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	policy := "default-src 'none'; style-src 'self'; frame-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if framed {
		policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; media-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
	}
	h.Set("Content-Security-Policy", policy)
	_, _ = w.Write(b.Bytes()) // the browser may be gone
}

var address = regexp.MustCompile(`https?://[^\s<>"']*[^\s<>"'.,;:!?)]`)

// linked is a text in which addresses can be clicked, as devices show it.
func linked(text string) template.HTML {
	var b strings.Builder
	for {
		at := address.FindStringIndex(text)
		if at == nil {
			b.WriteString(html.EscapeString(text))
			return template.HTML(b.String())
		}
		to := html.EscapeString(text[at[0]:at[1]])
		b.WriteString(html.EscapeString(text[:at[0]]) + `<a href="` + to + `" target="_blank" rel="noreferrer">` + to + `</a>`)
		text = text[at[1]:]
	}
}

// maxUpload is the largest form: a mail with its attachments.
const maxUpload = 30 << 20

// form reads the form of a request; when it cannot be read the answer is given.
func form(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	err := r.ParseForm()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		err = r.ParseMultipartForm(8 << 20)
	}
	if err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return false
	}
	return true
}

// back answers a form with the page to look at next.
func (v view) back(w http.ResponseWriter, r *http.Request, fault string, pairs ...string) {
	if fault != "" {
		pairs = append(pairs, "error", fault)
	}
	http.Redirect(w, r, v.To(v.Path, pairs...), http.StatusSeeOther)
}

// uploads are the files of a form's field, of which most are read.
func uploads(r *http.Request, field string, most int) ([]attachment, error) {
	if r.MultipartForm == nil {
		return nil, nil
	}
	var out []attachment
	for _, h := range r.MultipartForm.File[field] {
		if h.Size == 0 && h.Filename == "" {
			continue
		}
		if len(out) == most {
			break
		}
		a, err := upload(h)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}
