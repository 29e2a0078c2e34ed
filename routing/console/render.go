package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"casewire/casecore/lang"
	"casewire/routing/console/words"
)

const languageCookie = "casewire_lang"

// loadVoices reads the words of all languages. The templates are parsed for each
// language when somebody first speaks it, bound to its words: a start need not
// wait for that.
func (c *Console) loadVoices() (map[string]*voice, error) {
	locales, err := words.Load()
	if err != nil {
		return nil, err
	}
	out := map[string]*voice{}
	for tag, l := range locales {
		out[tag] = &voice{Locale: l, pages: sync.OnceValues(func() (*template.Template, error) {
			return template.New("").Funcs(c.funcs(l)).ParseFS(templateFiles, "templates/*.html")
		})}
	}
	return out, nil
}

// voiceFor takes the language somebody chose, else the first one their browser
// asks for that we speak.
func (c *Console) voiceFor(r *http.Request) *voice {
	if k, err := r.Cookie(languageCookie); err == nil {
		if v := c.speak[k.Value]; v != nil {
			return v
		}
	}
	accept := r.Header.Get("Accept-Language")
	tag := lang.Match(accept)
	if tag == "sr" && !strings.Contains(strings.ToLower(accept), "sr-cyrl") {
		tag = words.Latin // as most Serbian programs are
	}
	return c.speak[tag]
}

type language struct{ Tag, Name string }

var languages = []language{
	{"en", "English"}, {"ru", "Русский"}, {"uk", "Українська"}, {"sr", "Српски"}, {words.Latin, "Srpski"},
}

// funcs are the words that templates speak with. Times are shown in the centre's
// zone; a zero time is empty.
func (c *Console) funcs(l *words.Locale) template.FuncMap {
	at := func(show func(time.Time) string) func(time.Time) string {
		return func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return show(t.In(c.o.Location()))
		}
	}
	return template.FuncMap{
		"t": l.T, "n": l.N, "share": share, "took": took(l), "lang": l.Tag, "size": l.Size, "span": l.Span,
		"num":       func(n int) string { return l.Number(int64(n)) },
		"icon":      icon,
		"asset":     c.assets.address,
		"css":       func() []string { return styles },
		"languages": func() []language { return languages },
		"iso":       at(func(t time.Time) string { return t.UTC().Format(time.RFC3339) }),
		"stamp":     at(l.Stamp),
		"clock":     at(l.Clock),
		"exact":     at(exact),
		"short":     at(func(t time.Time) string { return l.Short(t, c.now()) }),
		"date":      l.Date,
		"since":     at(func(t time.Time) string { return l.Span(c.now().Sub(t)) }),
		"brief":     at(func(t time.Time) string { return l.Brief(c.now().Sub(t)) }),
		"due":       func(t time.Time) string { return due(l, "due.late", t, c.now()) },
		"over":      func(t time.Time) string { return due(l, "due.over", t, c.now()) },
		"when":      at(func(t time.Time) string { return when(l, t, c.now()) }),
		"kind":      func(k any) string { return l.Or("kind."+fmt.Sprint(k), fmt.Sprint(k)) },
		"category":  func(s string) string { return category(l, s) },
		"priority":  func(p any) string { return l.T("priority." + fmt.Sprint(p)) },
		"status":    func(id string) string { return l.Policy(c.o.Flow().Status(id).Name) },
		"queue":     func(id string) string { return c.queueName(l, id) },
		"hue":       hue,
		"initials":  initials,
		"wishForm":  newWishForm,
	}
}

// icon draws a symbol of the sprite; the word beside it tells what it means.
func icon(name any) template.HTML {
	s := template.HTMLEscapeString(fmt.Sprint(name))
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="#i-` + s + `"/></svg>`) //nolint:gosec // escaped above
}

// due says how far off t is; late is the key of the words for a time gone by.
func due(l *words.Locale, late string, t, now time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.After(now):
		return l.T("due.in", "span", l.Span(t.Sub(now)))
	}
	return l.T(late, "span", l.Span(now.Sub(t)))
}

// when says at what time something that waits goes out.
func when(l *words.Locale, t, now time.Time) string {
	switch d := t.Sub(now).Round(time.Second); {
	case d <= 0:
		return l.T("hold.now")
	case d < time.Minute:
		return l.T("hold.soon")
	case d < time.Hour:
		return l.T("due.in", "span", l.Span(d))
	}
	y, m, d := now.Date()
	clock := l.Clock(t)
	switch midnight := time.Date(y, m, d, 0, 0, 0, 0, now.Location()); {
	case t.Before(midnight.AddDate(0, 0, 1)):
		return l.T("hold.today", "clock", clock)
	case t.Before(midnight.AddDate(0, 0, 2)):
		return l.T("hold.tomorrow", "clock", clock)
	}
	return l.T("hold.day", "day", l.Short(t, now), "clock", clock)
}

func category(l *words.Locale, s string) string {
	if s == "" {
		return l.T("category.none")
	}
	return l.Or("category."+s, s)
}

func (c *Console) queueName(l *words.Locale, id string) string {
	if q, ok := c.o.Router().Queue(id); ok {
		return l.Policy(q.Name)
	}
	return id
}

// hue gives somebody one of eight colours, always the same.
func hue(id string) int {
	h := fnv.New32a()
	h.Write([]byte(id))
	return int(h.Sum32() % 8)
}

// initials are at most two letters for somebody's avatar.
func initials(name string) string {
	var out []rune
	for _, w := range strings.Fields(name) {
		r, _ := utf8.DecodeRuneInString(w)
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			out = append(out, unicode.ToUpper(r))
		}
	}
	switch {
	case len(out) == 0:
		return "·"
	case len(out) > 2:
		out = []rune{out[0], out[len(out)-1]}
	}
	return string(out)
}

// show renders a page whole before the first byte leaves, so that a fault in it
// never shows half a page.
func (c *Console) show(v *visit, code int, name string, data any) error {
	pages, err := v.pages()
	if err != nil {
		return fmt.Errorf("templates in %s: %w", v.Tag(), err)
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	return reply(v.w, v.r, code, b.Bytes())
}

func reply(w http.ResponseWriter, r *http.Request, code int, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if code == http.StatusOK && r.Method == http.MethodGet {
		tag := etag(body)
		h.Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	w.WriteHeader(code)
	_, err := w.Write(body)
	if err != nil {
		return errGone
	}
	return nil
}

// script returns v as JSON that is safe inside a script element.
func script(v any) (template.JS, error) {
	b, err := json.Marshal(v)
	return template.JS(b), err //nolint:gosec // json.Marshal escapes <, > and &
}
