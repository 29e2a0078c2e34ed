package mime

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"casewire/channels"
)

// htmlText renders HTML as text to read: paragraphs and lists as lines, quotes
// behind "> ", links with where they lead. Scripts, styles, the head and what is
// hidden are dropped. It reads any bytes in time in proportion to their length.
func htmlText(s string) string {
	w := htmlWriter{hides: true}
	w.render(s)
	if text := w.text(); text != "" && w.skip == 0 {
		return text
	}
	// What was to be dropped has no end, or was all there is: show it.
	w = htmlWriter{}
	w.render(s)
	return w.text()
}

// htmlWriter writes text with the white space that HTML means.
type htmlWriter struct {
	b      strings.Builder
	hides  bool      // drop what a browser would not show
	skip   atom.Atom // what is dropped until its end tag
	within int       // elements of that name within it
	feeds  int       // line feeds to write before the next text
	space  bool      // a space is due before the next word
	inLine bool      // the line has text
	pre    int
	quote  int
	quoted int   // quote, as of the last text
	lists  []int // the next number of each list around, 0 for bullets
	href   string
	anchor strings.Builder
	first  bool // the next text is the first cell of its row
}

func (w *htmlWriter) render(s string) {
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.TextToken:
			w.write(string(z.Text()))
		case html.StartTagToken:
			w.open(z.Token())
		case html.SelfClosingTagToken:
			t := z.Token()
			w.open(t)
			w.close(t.DataAtom)
		case html.EndTagToken:
			w.close(z.Token().DataAtom)
		}
	}
}

const maxNesting = 20 // of quotes and lists

var (
	// Their content is no text.
	scripts = map[atom.Atom]bool{atom.Script: true, atom.Style: true, atom.Title: true}
	// Their content is not shown in a mail.
	unseen = map[atom.Atom]bool{
		atom.Template: true, atom.Noscript: true, atom.Svg: true, atom.Math: true, atom.Object: true,
		atom.Iframe: true, atom.Textarea: true, atom.Select: true,
	}
	// They have no end tag.
	void = map[atom.Atom]bool{atom.Img: true, atom.Br: true, atom.Hr: true, atom.Input: true, atom.Meta: true, atom.Link: true, atom.Col: true}
)

// drops says whether an element's content is left out.
func (w *htmlWriter) drops(t html.Token) bool {
	a := t.DataAtom
	if scripts[a] || w.hides && unseen[a] {
		return true
	}
	if !w.hides || a == 0 || void[a] || a == atom.Body || a == atom.Html {
		return false
	}
	for _, attr := range t.Attr {
		if attr.Key == "hidden" || attr.Key == "style" && hidingStyle.MatchString(attr.Val) {
			return true
		}
	}
	return false
}

var hidingStyle = regexp.MustCompile(`(?i)(^|[;\s])display\s*:\s*none`)

var paragraphs = map[atom.Atom]bool{
	atom.P: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true,
	atom.Ul: true, atom.Ol: true, atom.Dl: true, atom.Table: true, atom.Blockquote: true, atom.Pre: true, atom.Hr: true,
}

var lines = map[atom.Atom]bool{
	atom.Div: true, atom.Tr: true, atom.Li: true, atom.Dt: true, atom.Dd: true, atom.Address: true, atom.Article: true,
	atom.Section: true, atom.Header: true, atom.Footer: true, atom.Center: true, atom.Form: true, atom.Fieldset: true,
	atom.Caption: true, atom.Body: true, atom.Thead: true, atom.Tbody: true, atom.Figure: true, atom.Option: true,
}

func (w *htmlWriter) open(t html.Token) {
	a := t.DataAtom
	if w.skip != 0 {
		if a == w.skip {
			w.within++
		}
		return
	}
	if w.drops(t) {
		w.skip, w.within = a, 0
		return
	}
	w.breakFor(a)
	switch a {
	case atom.Br:
		w.feeds++
		w.space = false
	case atom.Hr:
		w.write("----------")
		w.breakFor(a)
	case atom.Pre:
		w.pre++
	case atom.Blockquote:
		w.quote = min(w.quote+1, maxNesting)
	case atom.Ul, atom.Ol:
		w.openList(a)
	case atom.Li:
		w.write(w.bullet())
	case atom.Tr:
		w.first = true
	case atom.Td, atom.Th:
		if !w.first && w.inLine {
			w.space = true
		}
		w.first = false
	case atom.A:
		w.closeLink()
		w.href = link(attribute(t, "href"))
		w.anchor.Reset()
	case atom.Img:
		if alt := attribute(t, "alt"); strings.TrimSpace(alt) != "" && len(alt) < 200 {
			w.write("[" + strings.TrimSpace(alt) + "]")
		}
	}
}

func (w *htmlWriter) close(a atom.Atom) {
	if w.skip != 0 {
		if a != w.skip {
			return
		}
		if w.within > 0 {
			w.within--
			return
		}
		w.skip = 0
		return
	}
	switch a {
	case atom.A:
		w.closeLink()
	case atom.Pre:
		w.pre = max(0, w.pre-1)
	case atom.Ul, atom.Ol:
		if len(w.lists) > 0 {
			w.lists = w.lists[:len(w.lists)-1]
		}
	}
	w.breakFor(a)
	if a == atom.Blockquote {
		w.quote = max(0, w.quote-1)
	}
}

// breakFor ends the line where a block begins or ends. Lists within lists and
// cells do not get empty lines.
func (w *htmlWriter) breakFor(a atom.Atom) {
	switch {
	case paragraphs[a] && (len(w.lists) == 0 || a == atom.Blockquote):
		w.need(2)
	case paragraphs[a], lines[a]:
		w.need(1)
	}
}

// need has at least n line feeds written before the next text.
func (w *htmlWriter) need(n int) {
	w.space = false
	w.feeds = max(w.feeds, n)
}

func (w *htmlWriter) openList(a atom.Atom) {
	if len(w.lists) >= maxNesting {
		return
	}
	next := 0
	if a == atom.Ol {
		next = 1
	}
	w.lists = append(w.lists, next)
}

func (w *htmlWriter) bullet() string {
	n := len(w.lists)
	if n == 0 {
		return "- "
	}
	if w.lists[n-1] == 0 {
		return "- "
	}
	w.lists[n-1]++
	return strconv.Itoa(w.lists[n-1]-1) + ". "
}

// closeLink writes where a link leads unless its text says so.
func (w *htmlWriter) closeLink() {
	href := w.href
	w.href = ""
	if href == "" {
		return
	}
	shown := strings.TrimSpace(w.anchor.String())
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(href, "mailto:"), "https://"), "http://"), "/")
	if shown == "" || strings.Contains(shown, bare) {
		return
	}
	w.write(" <" + href + ">")
}

// link returns what is worth showing of a link's target.
func link(href string) string {
	href = channels.CleanLine(href)
	u, err := url.Parse(href)
	if err != nil || len(href) > 2000 {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "mailto", "tel", "ftp":
		return href
	}
	return ""
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// write writes text, its white space folded unless preformatted.
func (w *htmlWriter) write(s string) {
	if w.skip != 0 {
		return
	}
	for _, r := range s {
		switch {
		case r == '\n' && w.pre > 0:
			w.feeds++
			w.space = false
		case w.pre == 0 && (r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f'):
			w.space = true
		case r == '\u00AD' || r == '\u200B' || r == '\uFEFF' || r == '\u034F':
			// Marks of where a word may break, and padding that hides text.
		case r == '\u00A0' && !w.inLine || unicode.IsControl(r) && r != '\t':
			w.space = w.space || r == '\u00A0'
		default:
			w.rune(r)
		}
	}
}

func (w *htmlWriter) rune(r rune) {
	const mostFeeds = 3
	if w.feeds > 0 || w.b.Len() == 0 {
		if w.b.Len() > 0 {
			for range min(w.feeds, mostFeeds) - 1 {
				w.b.WriteString("\n" + strings.TrimSuffix(strings.Repeat("> ", min(w.quote, w.quoted)), " "))
			}
			w.b.WriteByte('\n')
		}
		w.b.WriteString(strings.Repeat("> ", w.quote))
		if n := len(w.lists); n > 1 {
			w.b.WriteString(strings.Repeat("  ", n-1))
		}
		w.feeds, w.inLine, w.space, w.quoted = 0, false, false, w.quote
	}
	if w.space && w.inLine {
		w.b.WriteByte(' ')
		w.anchor.WriteByte(' ')
	}
	w.space = false
	w.inLine = true
	w.b.WriteRune(r)
	if w.href != "" {
		w.anchor.WriteRune(r)
	}
}

func (w *htmlWriter) text() string {
	w.closeLink()
	return channels.CleanText(strings.TrimSpace(w.b.String()))
}
