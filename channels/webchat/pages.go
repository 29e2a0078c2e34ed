package webchat

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// pages are the door's documents, made once when it is opened.
type pages struct {
	door    *Door
	version string // hash of all assets: part of their address, so that they cache for ever
	files   map[string]asset
	words   words // of the widget
	page    words // of the sample page
	tmpl    *template.Template
	loader  asset
	colours asset
}

type asset struct {
	kind, tag string
	body      []byte
}

func newAsset(name string, body []byte) asset {
	kinds := map[string]string{
		".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	}
	sum := sha256.Sum256(body)
	return asset{kind: kinds[path.Ext(name)], tag: strconv.Quote(hex.EncodeToString(sum[:12])), body: body}
}

// slim drops indentation and the lines that are only comment. Lines keep their
// numbers, so that errors can be looked up in the source.
func slim(js []byte) []byte {
	var out bytes.Buffer
	block := false
	for line := range bytes.Lines(js) {
		line = bytes.TrimSpace(line)
		block = block || bytes.HasPrefix(line, []byte("/**"))
		if !block && !bytes.HasPrefix(line, []byte("//")) {
			out.Write(line)
		}
		block = block && !bytes.HasSuffix(line, []byte("*/"))
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func newPages(d *Door) (*pages, error) {
	p := &pages{door: d, files: make(map[string]asset)}
	all := sha256.New()
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		body, err := assets.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, err
		}
		all.Write(body)
		if strings.HasSuffix(e.Name(), ".js") {
			body = slim(body)
		}
		if a := newAsset(e.Name(), body); a.kind != "" {
			p.files[e.Name()] = a
		}
	}
	p.version = hex.EncodeToString(all.Sum(nil)[:6])
	if p.words, err = readWords("words.json"); err != nil {
		return nil, err
	}
	if p.page, err = readWords("sample.json"); err != nil {
		return nil, err
	}
	if p.tmpl, err = template.ParseFS(assets, "assets/*.html"); err != nil {
		return nil, err
	}
	accent := d.cfg.Accent
	p.colours = newAsset("theme.css", fmt.Appendf(nil, ":root{--accent:%s}\n", accent))
	set, err := json.Marshal(struct {
		Accent string                       `json:"accent"`
		Title  Text                         `json:"title"`
		Words  map[string]map[string]string `json:"words"`
	}{accent, d.cfg.Title, p.words.pick("open", "close", "unread")})
	if err != nil {
		return nil, err
	}
	body := bytes.Replace(p.files["widget.js"].body, []byte("/*SETTINGS*/ null"), set, 1)
	p.loader = newAsset("widget.js", body)
	return p, nil
}

// embedders is the frame-ancestors list: sites that may show the chat (W6). The
// policy's grammar has no IPv6 addresses.
func (p *pages) embedders() string {
	list := []string{"'self'"}
	for _, o := range p.door.origins.all() {
		if !strings.Contains(o, "[") {
			list = append(list, o)
		}
	}
	return strings.Join(list, " ")
}

// frame is the document in the widget's iframe.
func (p *pages) frame(w http.ResponseWriter, r *http.Request) {
	d := p.door
	lang := chooseLanguage(r)
	sockets := ""
	if len(d.origins.own) > 0 { // browsers that do not count sockets under 'self'
		sockets = " ws" + strings.TrimPrefix(d.origins.own[0], "http")
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
		"img-src 'self' blob: data:; connect-src 'self'"+sockets+"; base-uri 'none'; form-action 'none'; "+
		"require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors "+p.embedders())
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	c := d.cfg
	p.render(w, r, "frame.html", struct {
		Lang, Title, Version string
		W                    map[string]string
		Topics               []string
		Settings             settings
	}{lang, c.Title.in(lang), p.version, p.words.in(lang), []string{"topic_phone", "topic_computer", "topic_home", "topic_tv"}, settings{
		Channel: d.name, Lang: lang, Origins: d.origins.all(), Title: c.Title.in(lang),
		Greeting: c.Greeting.in(lang), Answer: c.Answer.in(lang), Hours: c.Hours.in(lang),
		Text: c.Limits.TextRunes, FileBytes: c.Limits.FileBytes, Files: c.Limits.Files,
		Types: c.Limits.FileTypes, Words: p.words.in(lang),
	}})
}

// settings are what the widget's script must know.
type settings struct {
	Channel   string            `json:"channel"`
	Lang      string            `json:"lang"`
	Origins   []string          `json:"origins"`
	Title     string            `json:"title"`
	Greeting  string            `json:"greeting"`
	Answer    string            `json:"answer"`
	Hours     string            `json:"hours"`
	Text      int               `json:"text"`
	FileBytes int64             `json:"fileBytes"`
	Files     int               `json:"files"`
	Types     []string          `json:"types"`
	Words     map[string]string `json:"words"`
}

// sample is a page of a repair centre with the widget on it.
func (p *pages) sample(w http.ResponseWriter, r *http.Request) {
	lang := chooseLanguage(r)
	c := p.door.cfg
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
		"img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	p.render(w, r, "sample.html", struct {
		Lang, Title, Version, Channel, Hours, Answer string
		Languages                                    []language
		W                                            map[string]string
	}{
		lang, c.Title.in(lang), p.version, p.door.name, c.Hours.in(lang), c.Answer.in(lang),
		[]language{{"en", "English"}, {"ru", "Русский"}, {"uk", "Українська"}, {"sr", "Srpski"}},
		p.page.in(lang),
	})
}

type language struct{ Tag, Name string }

func (p *pages) render(w http.ResponseWriter, r *http.Request, name string, data any) {
	var b bytes.Buffer
	if err := p.tmpl.ExecuteTemplate(&b, name, data); err != nil {
		p.door.log.ErrorContext(r.Context(), "page cannot be made", "page", name, "err", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Language")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(b.Bytes())
}

// widget is the script that a site embeds.
func (p *pages) widget(w http.ResponseWriter, r *http.Request) {
	p.serve(w, r, p.loader, "public, max-age=3600")
}

// theme is the configured colour.
func (p *pages) theme(w http.ResponseWriter, r *http.Request) {
	p.serve(w, r, p.colours, "no-cache")
}

// asset serves a file of the widget. Under the current version it never changes;
// a page from before an upgrade gets the new file, but does not keep it.
func (p *pages) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	keep := "no-cache"
	if r.PathValue("version") == p.version {
		keep = "public, max-age=31536000, immutable"
	}
	p.serve(w, r, a, keep)
}

func (p *pages) serve(w http.ResponseWriter, r *http.Request, a asset, keep string) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", keep)
	h.Set("ETag", a.tag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if strings.Contains(r.Header.Get("If-None-Match"), a.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(a.body)
}
