package letter_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"casewire/channels"
	"casewire/routing/letter"
)

const elsewhere = "https://elsewhere.example/x"

// hostile are the letters that nobody should be able to send; see there.
func hostile(t testing.TB) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(raw), "EVIL", elsewhere)), "\n")
	if len(lines) < 40 {
		t.Fatalf("%d hostile letters; want 40", len(lines))
	}
	return lines
}

func picture(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, raw string, remote bool) *letter.Letter {
	t.Helper()
	l, err := letter.Read(raw, remote)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return l
}

func written(t testing.TB, l *letter.Letter, find func(string) (letter.Picture, bool)) string {
	t.Helper()
	var b strings.Builder
	if err := l.Render(&b, find); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func none(string) (letter.Picture, bool) { return letter.Picture{}, false }

var (
	elements = strings.Fields(`a abbr address article aside b big blockquote br caption center cite code col colgroup dd del dfn div dl
		dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small span
		strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr html head body`)
	attributes = strings.Fields(`align alt bgcolor border cellpadding cellspacing color colspan dir face height href hspace lang rel rowspan
		size span src start style target title type valign value vspace width`)
	sources  = regexp.MustCompile(`^(?:data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*|cid:.*)$`)
	unstyled = regexp.MustCompile(`(?i)url\(|expression\(|\\|@|/\*|position:|behavior:|binding:`)
)

// fault says what is wrong with HTML that is to be shown, read as a browser does.
func fault(out string, remote bool) string {
	doc, err := html.ParseWithOptions(strings.NewReader(out), html.ParseOptionEnableScripting(false))
	if err != nil {
		return err.Error()
	}
	for n := range doc.Descendants() {
		switch {
		case n.Type == html.CommentNode || n.Type == html.DoctypeNode:
			return "a comment"
		case n.Type != html.ElementNode:
			continue
		case n.Namespace != "" || !slices.Contains(elements, n.Data):
			return "element " + n.Namespace + " " + n.Data
		}
		for _, a := range n.Attr {
			switch {
			case !slices.Contains(attributes, a.Key):
				return "attribute " + a.Key
			case a.Key == "src" && !sources.MatchString(a.Val) && (!remote || !strings.HasPrefix(a.Val, "https://")):
				return "source " + a.Val
			case a.Key == "href" && !regexp.MustCompile(`^(?i)(https?|mailto|tel):`).MatchString(a.Val):
				return "link " + a.Val
			case a.Key == "target" && a.Val != "_blank":
				return "target " + a.Val
			case a.Key == "style" && unstyled.MatchString(a.Val):
				return "style " + a.Val
			}
		}
	}
	return ""
}

// Nothing of what could act, load or hide is left of a hostile letter (E16).
func TestHostileLettersAreHarmless(t *testing.T) {
	lines := hostile(t)
	for _, raw := range append(lines, strings.Join(lines, "\n"), "<p>before</p>"+strings.Join(lines[:20], "")) {
		for _, remote := range []bool{false, true} {
			l := read(t, raw, remote)
			for _, out := range []string{l.String(), written(t, l, none)} {
				if f := fault(out, remote); f != "" {
					t.Errorf("%s\nleaves %s:\n%s", raw, f, out)
				}
				if again := read(t, out, remote).String(); !remote && fault(again, remote) != "" {
					t.Errorf("%s: read again it is %s", raw, again)
				}
			}
			if n, err := letter.Remote(raw); err != nil || n != l.Remote {
				t.Errorf("%s: %d remote pictures (%v), read %d", raw, n, err, l.Remote)
			}
		}
	}
}

// What makes a mail readable stays.
func TestWhatStays(t *testing.T) {
	for _, tt := range []struct{ name, raw, want string }{
		{"a table with colours", `<table bgcolor="#eeeeee" cellpadding=4 width="100%"><tr><td align=right style="color: #333; padding: 4px">5 400 грн</td></tr></table>`,
			`<table bgcolor="#eeeeee" cellpadding="4" width="100%"><tbody><tr><td align="right" style="color: #333; padding: 4px">5 400 грн</td></tr></tbody></table>`},
		{"the colour of the page", `<html><head><title>no</title></head><body bgcolor=#ffeedd text=navy dir=rtl><p>yes</p></body></html>`,
			`<div dir="rtl" style="background-color: #ffeedd; color: navy"><p>yes</p></div>`},
		{"nothing of a style with escapes", `<body style="color:\72 ed"><p style="color:\72 ed">yes</p>`, `<div><p>yes</p></div>`},
		{"links open elsewhere and tell nothing", `<a href="https://orbita.example/p?a=1&amp;b=2">price</a>`,
			`<div><a href="https://orbita.example/p?a=1&amp;b=2" rel="nofollow noreferrer noopener" target="_blank">price</a></div>`},
		{"a mail address", `<a href="MAILTO:a@b.example">write</a>`, `<div><a href="mailto:a@b.example" rel="nofollow noreferrer">write</a></div>`},
		{"text behind what is never closed", `<object><title><p>still here</p>`, `<div></div>`},
		{"text of forms", `<form><p>Name</p><button>Go</button></form>`, `<div><p>Name</p>Go</div>`},
		{"text for those without scripts", `<p>Hi</p><noscript>Hello &lt;b&gt;</noscript>`, `<p>Hi</p><div>Hello &lt;b&gt;</div>`},
		{"Outlook's own", `<p class=MsoNormal style="mso-margin-top-alt:auto;margin:0cm">Text<o:p>&nbsp;</o:p></p><!--[if !mso]><!-->more<!--<![endif]-->`,
			"<div><p style=\"margin: 0cm\">Text\u00a0</p>more</div>"},
		{"a picture that is not there", `<img alt="Logo" width=80 height=20 src="https://a.example/logo.png">`, `<div><img alt="Logo" width="80" height="20"/></div>`},
		{"nothing of a pixel", `Hi<img width=1 height=1 src="https://a.example/open.gif">`, `<div>Hi</div>`},
		{"nothing of nothing", ``, `<div></div>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, tt.raw, false).String(); !strings.Contains(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRemotePicturesAreCountedAndAskedFor(t *testing.T) {
	const raw = `<img src="http://a.example/1.png"><img src=" HTTPS://a.example/2.png"><img src="//a.example/3.png"><img width=1 src="https://a.example/pixel">
		<img src="cid:4"><img src="/desk/sign-out"><img src="x.png"><img src="ftp://a.example/5.png">`
	l := read(t, raw, false)
	if l.Remote != 4 || strings.Contains(l.String(), "a.example") {
		t.Errorf("%d remote pictures in %s", l.Remote, l)
	}
	out := read(t, raw, true).String()
	for _, want := range []string{"https://a.example/1.png", "https://a.example/2.png", "https://a.example/3.png", "https://a.example/pixel"} {
		if !strings.Contains(out, `src="`+want+`"`) {
			t.Errorf("%s is missing in %s", want, out)
		}
	}
	if strings.Contains(out, "desk") || strings.Contains(out, "ftp") || strings.Contains(out, "x.png") {
		t.Errorf("our own address or another scheme is loaded: %s", out)
	}
}

// Pictures come with the letter, within bounds; one whose file is gone, too large or
// not a picture leaves its place.
func TestPicturesAreWrittenInPlace(t *testing.T) {
	data := picture(t)
	asked, open := []string{}, 0
	find := func(cid string) (letter.Picture, bool) {
		asked = append(asked, cid)
		if cid == "gone" {
			return letter.Picture{}, false
		}
		open++
		p := letter.Picture{Type: "image/png", Size: int64(len(data)), Data: closing{bytes.NewReader(data), &open}}
		if cid == "large" {
			p.Size = letter.MaxPicture + 1
		}
		return p, true
	}
	l := read(t, `<p>a<img src="CID:part%201@x" alt="one">b<img src="cid:gone" alt="two">c<img src="cid:<large>" alt="three">d<img src="cid:part 1@x" alt="four"></p>`, false)
	want := `src="data:image/png;base64,` + base64.StdEncoding.EncodeToString(data) + `"`
	out := written(t, l, find)
	if strings.Count(out, want) != 2 || strings.Count(out, "src=") != 2 || fault(out, false) != "" || open != 0 {
		t.Errorf("%d left open; got %s", open, out)
	}
	if !slices.Equal(asked, []string{"part 1@x", "gone", "large", "part 1@x"}) {
		t.Errorf("asked for %q", asked)
	}
	if s := l.String(); !strings.Contains(s, `src="cid:part 1@x"`) || !strings.Contains(s, `src="cid:large"`) {
		t.Errorf("programs get %s", s)
	}
	if n := strings.Count(written(t, read(t, strings.Repeat(`<img src="cid:x">`, 30), false), func(string) (letter.Picture, bool) {
		return letter.Picture{Type: "image/png", Size: letter.MaxPicture, Data: io.NopCloser(bytes.NewReader(data))}, true
	}), "base64"); n != letter.MaxPictures/letter.MaxPicture {
		t.Errorf("%d of 30 large pictures are written", n)
	}
}

type closing struct {
	io.Reader
	open *int
}

func (c closing) Close() error { *c.open--; return nil }

// A picture within the letter is judged by its bytes, as files are.
func TestEmbeddedPictures(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(picture(t))
	out := read(t, `<img src="data:image/gif;base64,`+good[:20]+"\r\n"+good[20:]+`">`, false)
	if want := `src="data:image/png;base64,` + good + `"`; !strings.Contains(out.String(), want) || !strings.Contains(written(t, out, none), want) {
		t.Errorf("got %s", out)
	}
	for _, bad := range []string{"data:image/png;base64,AAAA", "data:image/png," + good, "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte("<svg/>")), "data:;base64,%%%"} {
		if s := read(t, `<img src="`+bad+`">`, false).String(); strings.Contains(s, "src") {
			t.Errorf("%s is shown: %s", bad, s)
		}
	}
}

func TestWhatIsTooMuchIsRefused(t *testing.T) {
	for name, raw := range map[string]string{"long": strings.Repeat("x", letter.MaxBytes+1), "deep": strings.Repeat("<div>", 600), "wide": strings.Repeat("<b>x</b>", letter.MaxClean/8+1)} {
		if _, err := letter.Read(raw, false); !errors.Is(err, letter.ErrUnshowable) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "wide" {
			continue // counting does not go so far
		}
		if _, err := letter.Remote(raw); !errors.Is(err, letter.ErrUnshowable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFileIsTheNearestWithItsName(t *testing.T) {
	own := []channels.File{{Name: "page.pdf"}, {Name: "new", CID: "<Logo@x>"}}
	older := []channels.File{{Name: "old", CID: "logo@X"}, {Name: "scan", CID: "scan"}}
	for cid, want := range map[string]string{"logo@x": "new", "<scan>": "scan", "none": "", "": ""} {
		if f, ok := letter.File(cid, own, older); f.Name != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", cid, f.Name, ok)
		}
	}
}

// Whatever is in a letter, what is shown of it is on the list and is read without a
// fault of ours.
func FuzzRead(f *testing.F) {
	for _, s := range hostile(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		l, err := letter.Read(raw, false)
		if err != nil {
			if !errors.Is(err, letter.ErrUnshowable) {
				t.Fatal(err)
			}
			return
		}
		for _, out := range []string{l.String(), written(t, l, none)} {
			if bad := fault(out, false); bad != "" && !strings.Contains(bad, "512") {
				t.Errorf("%s left in %q", bad, out)
			}
		}
		if n, err := letter.Remote(raw); err != nil || n != l.Remote {
			t.Errorf("%d remote pictures (%v), read %d", n, err, l.Remote)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	row := `<tr><td style="padding:8px;font:14px Arial,sans-serif;color:#333"><a href="https://a.example/x?y=1">Estimate</a> <b>5 400</b><img src="cid:a" width=20></td></tr>`
	for name, n := range map[string]int{"20KB": 120, "1MB": 6200} {
		raw := "<table>" + strings.Repeat(row, n) + "</table>"
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := letter.Read(raw, false); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(filepath.Join(name, "count"), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := letter.Remote(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
