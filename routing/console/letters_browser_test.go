package console_test

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// elsewhere is somebody else's server. It notes every request.
type elsewhere struct {
	*httptest.Server

	mu   sync.Mutex
	seen []*http.Request
	came chan struct{}
}

func newElsewhere(t *testing.T, secure bool) *elsewhere {
	e := &elsewhere{came: make(chan struct{}, 1)}
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.seen = append(e.seen, r)
		e.mu.Unlock()
		select {
		case e.came <- struct{}{}:
		default:
		}
		if r.URL.Path == "/page" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<script>fetch("/opened?by=" + (window.opener === null ? "nobody" : "console"))</script>`)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(plane(green)) // a browser that has gone needs none
	})
	if e.Server = httptest.NewUnstartedServer(serve); secure {
		e.StartTLS()
	} else {
		e.Start()
	}
	t.Cleanup(e.Close)
	return e
}

func (e *elsewhere) requests(path string) (out []*http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.seen {
		if strings.HasPrefix(r.URL.Path, path) {
			out = append(out, r)
		}
	}
	return out
}

// waits until so many requests for path have come.
func (e *elsewhere) waits(t *testing.T, path string, n int) []*http.Request {
	t.Helper()
	late := time.After(15 * time.Second)
	for {
		if got := e.requests(path); len(got) >= n {
			return got
		}
		select {
		case <-e.came:
		case <-late:
			t.Fatalf("%d requests for %s; want %d", len(e.requests(path)), path, n)
		}
	}
}

// shows waits until the window has a good part of a colour.
func (b *tab) shows(c color.RGBA) {
	b.h.t.Helper()
	for until := time.Now().Add(15 * time.Second); ; {
		n := b.dots(c)
		if n > 1000 {
			return
		}
		if time.Now().After(until) {
			b.h.t.Fatalf("only %d dots of %v are shown", n, c)
		}
	}
}

// finds is sees for pages whose scripts are switched off.
func (b *tab) finds(expression string) {
	b.h.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(15 * time.Second)
	for ok := false; !ok; {
		b.run(chromedp.Evaluate(expression, &ok))
		select {
		case <-tick.C:
		case <-late:
			b.h.t.Fatalf("never found %s", expression)
		}
	}
}

func (b *tab) dots(c color.RGBA) (n int) {
	b.h.t.Helper()
	var shot []byte
	b.run(chromedp.CaptureScreenshot(&shot))
	img, err := png.Decode(bytes.NewReader(shot))
	b.h.must(err)
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if r, g, bl, _ := img.At(x, y).RGBA(); near(r, c.R) && near(g, c.G) && near(bl, c.B) {
				n++
			}
		}
	}
	return n
}

func near(got uint32, want uint8) bool {
	d := int(got>>8) - int(want)
	return d > -12 && d < 12
}

// at is where the middle of an element is.
func (b *tab) at(expression string) (x, y float64) {
	b.h.t.Helper()
	var spot []float64
	b.run(chromedp.Evaluate(`(() => { const r = `+expression+`.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, r.x, r.y] })()`, &spot))
	return spot[0], spot[1]
}

func (b *tab) clicks(expression string) {
	b.h.t.Helper()
	b.run(chromedp.Evaluate(expression+`.scrollIntoView({block: "center"})`, nil))
	x, y := b.at(expression)
	b.run(chromedp.MouseClickXY(x, y))
}

// A letter in a real browser: nothing of it loads until it is opened, pictures that
// came with it are shown, those from elsewhere when they are asked for and without
// telling who asks, links open in a tab of their own, and a change of the page does
// not load it again. So it is without scripts.
func TestLetterInABrowser(t *testing.T) {
	browser := chromium(t, chromedp.Flag("ignore-certificate-errors", true))
	outside := newElsewhere(t, true)
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", kind: channels.Email, files: []channels.File{h.keep("logo.png", "logo", plane(blue))}})
	h.says(c, "Text of the mail")
	h.rewrite(c, 1, func(m *casecore.Message) { m.Body.Files[0].Type = "application/octet-stream" }) // so that only the frame shows it
	h.rewrite(c, 2, func(m *casecore.Message) {
		f := h.keep("photo.png", "photo", plane(red))
		f.Type = "application/octet-stream"
		m.Body.Files = []channels.File{f}
		m.Body.HTML = `<a href="` + outside.URL + `/page" style="display:block;height:40px">link</a><img src="cid:photo"> <img src="cid:logo">
			<img width=80 height=60 src="` + outside.URL + `/a.png"><img width=1 height=1 src="` + outside.URL + `/open.gif">`
	})
	boxes := func(b *tab) {
		b.finds(`document.querySelector("#m-2 .letter") !== null`)
		if b.dots(red)+b.dots(blue)+b.dots(green) > 1000 {
			t.Error("pictures are shown before the letter is opened")
		}
		b.clicks(`document.querySelector("#m-2 .letter summary")`)
		b.run(chromedp.Evaluate(`document.querySelector("#m-2 iframe").scrollIntoView({block: "center"})`, nil))
		b.shows(red)
		b.shows(blue)
	}
	b := h.tab(browser, "anna")
	b.run(chromedp.Navigate(h.url+"/desk/cases/"+c.CaseNumber()), chromedp.WaitReady(`.button.primary`))
	b.clicks(`document.querySelector('form[action$="/claim"] button, form[action$="/claim"]')`)
	b.sees(`document.querySelector("#m-2") && document.querySelector(".link-dot.is-live")`)
	b.sees(`performance.getEntriesByType("resource").every((e) => !e.name.endsWith("/html"))`)
	boxes(b)
	b.sees(`performance.getEntriesByType("resource").some((e) => e.name.endsWith("/html"))`)
	if n := len(outside.requests("/")); n != 0 {
		t.Fatalf("%d requests went elsewhere unasked", n)
	}

	b.clicks(`document.querySelector("#m-2 .letter-remote button")`)
	for _, r := range append(outside.waits(t, "/a.png", 1), outside.waits(t, "/open.gif", 1)...) {
		if r.Header.Get("Referer") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("%s tells who asks: %v", r.URL, r.Header)
		}
	}
	b.shows(green)

	// The page changes under it; the frame stays as it is.
	h.says(c, "One more")
	b.sees(`document.querySelector("#m-3")`)
	b.run(chromedp.Evaluate(`document.querySelector("#m-2 iframe").scrollIntoView({block: "center"})`, nil))
	b.shows(green)
	b.sees(`document.querySelector("#m-2 .letter").open`)
	if n := len(outside.requests("/a.png")); n != 1 {
		t.Errorf("the picture was loaded %d times", n)
	}

	var spot []float64
	b.run(chromedp.Evaluate(`(() => { const r = document.querySelector("#m-2 iframe").getBoundingClientRect(); return [r.x + 60, r.y + 30] })()`, &spot))
	b.run(chromedp.MouseClickXY(spot[0], spot[1]))
	if r := outside.waits(t, "/page", 1)[0]; r.Header.Get("Referer") != "" {
		t.Errorf("a link tells where it was: %s", r.Header.Get("Referer"))
	}
	if r := outside.waits(t, "/opened", 1)[0]; r.FormValue("by") != "nobody" {
		t.Error("the page that a link opens can reach the console")
	}
	b.sees(`location.pathname === "/desk/cases/` + c.CaseNumber() + `"`)

	// Without scripts.
	b.run(page.BringToFront(), emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(h.url+"/desk/cases/"+c.CaseNumber()))
	b.finds(`!document.documentElement.classList.contains("js")`)
	boxes(b)
	b.clicks(`document.querySelector("#m-2 .letter-remote button")`)
	outside.waits(t, "/a.png", 2)
	b.finds(`location.pathname === "/desk/cases/` + c.CaseNumber() + `"`)
}

// Everything that comes from outside is hostile (E16): whatever is sent as text,
// letter, subject, name, file name, tag or attribute, nothing of it runs, asks
// anybody for anything, or breaks a page.
func TestNothingHostileActsInABrowser(t *testing.T) {
	// In one process with the page, so that what its frames complain of is heard.
	browser := chromium(t, chromedp.Flag("disable-features", "IsolateSandboxedIframes,site-per-process,Translate"))
	outside := newElsewhere(t, false)
	raw, err := os.ReadFile("../letter/testdata/hostile.txt")
	h := newHouse(t)
	h.must(err)
	h.operator("anna", "Anna", operatorRole, "phones")
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(raw), "EVIL", outside.URL+"/evil")), "\n")
	if len(lines) < 40 {
		t.Fatalf("%d hostile texts; want 40", len(lines))
	}
	all := strings.Join(lines, " ")
	c := h.open(ask{who: all, subject: all, text: all, category: lines[0], kind: channels.Email, tags: lines})
	photo := h.keep("photo.png", "photo", plane(blue))
	for range lines {
		h.says(c, "x")
	}
	h.spoil(c, all, lines, photo)
	b := h.tab(browser, "anna")
	chromedp.ListenTarget(b.ctx, func(e any) {
		if d, ok := e.(*page.EventJavascriptDialogOpening); ok {
			t.Errorf("a dialogue opened: %s", d.Message)
		}
	})
	number := c.CaseNumber()
	b.run(chromedp.Navigate(h.url+"/desk/cases/"+number), chromedp.WaitReady(`.button.primary`))
	b.clicks(`document.querySelector('form[action$="/claim"] button')`)
	frames := fmt.Sprintf(`document.querySelectorAll(".letter iframe").length === %d`, len(lines))
	b.sees(frames + ` && document.querySelector(".link-dot.is-live")`)

	var loaded int
	b.run(chromedp.Evaluate(`(async () => {
		for (const d of document.querySelectorAll("details")) d.open = true;
		const frames = [...document.querySelectorAll(".letter iframe")];
		const once = (f) => new Promise((done) => { f.onload = done; f.loading = "eager"; f.src = f.src; });
		await Promise.all(frames.map(once));
		await Promise.all([...document.querySelectorAll(".letter-remote")].map((f) => {
			const frame = document.getElementsByName(f.target)[0];
			return new Promise((done) => { frame.onload = done; f.requestSubmit(); });
		}));
		for (const e of document.querySelectorAll("#main *")) {
			for (const kind of ["mouseover", "focus", "click"]) if (!e.closest("a, button, input, label, summary, form")) e.dispatchEvent(new Event(kind));
		}
		return frames.length;
	})()`, &loaded, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if loaded != len(lines) {
		t.Errorf("%d letters were opened; want %d", loaded, len(lines))
	}
	// The feed has the same words, and other pages too.
	h.says(c, all)
	b.sees(fmt.Sprintf(`document.querySelector("#m-%d")`, len(lines)+2))
	b.harmless(outside)
	for _, path := range []string{"/desk/mine", "/desk/", "/desk/find?q=" + number, "/desk/cases/" + number + "?all=1"} {
		b.run(chromedp.Navigate(h.url+path), chromedp.WaitReady("#main"))
		b.harmless(outside)
	}
}

// spoil puts hostile words wherever a customer's end up.
func (h *house) spoil(c *casecore.Case, all string, lines []string, photo channels.File) {
	h.t.Helper()
	for i, line := range lines {
		h.rewrite(c, int64(i+2), func(m *casecore.Message) {
			m.From.Name, m.Broken, m.Status = line, line, line
			m.Body = channels.Body{Subject: line, Text: line, Quoted: line, HTML: line, Lang: line}
			photo.Name = line
			m.Body.Files = []channels.File{photo, {Name: line, Type: line, Size: 1, Blob: photo.Blob, CID: line}}
			m.Body.Buttons = []channels.Button{{Label: line, Data: line}}
			m.Source = photo.Blob
			m.Versions = []casecore.Version{{ExternalID: line, Body: m.Body, At: m.At}}
		})
	}
	h.must(h.store.Update(context.WithoutCancel(h.t.Context()), func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		k.Attributes = map[string]string{}
		for _, line := range lines {
			k.Attributes[line] = line
		}
		k.Linked = all
		if err := casecore.Cases.Put(tx, k); err != nil {
			return err
		}
		i, err := casecore.Identities.Get(tx, casecore.IdentityID(c.To))
		if err != nil {
			return err
		}
		i.Shut = &casecore.Shut{Reason: channels.Blocked, Code: all, Channel: all}
		return casecore.Identities.Put(tx, i)
	}))
}

// harmless says that nothing has acted: the page is the console's, with none but its
// own scripts and frames, and nobody elsewhere has been asked.
func (b *tab) harmless(outside *elsewhere) {
	b.h.t.Helper()
	var found []string
	b.run(chromedp.Evaluate(`[
		window.hit !== undefined && "a script ran",
		...[...document.scripts].filter((s) => !s.src.startsWith(location.origin + "/desk/assets/") && s.type !== "application/json").map((s) => s.outerHTML),
		...[...document.querySelectorAll("iframe, frame, object, embed, base, meta[http-equiv], style, svg foreignObject, svg a, math")].filter((e) => !e.matches(".letter iframe[sandbox]")).map((e) => e.outerHTML),
		...[...document.querySelectorAll("*")].flatMap((e) => [...e.attributes].filter((a) => /^on|^style$|^srcset$|^srcdoc$/i.test(a.name)).map((a) => e.outerHTML)),
		...[...document.querySelectorAll("#main a")].filter((a) => !/^(https?|mailto):/.test(a.protocol)).map((a) => a.outerHTML),
		...[...document.querySelectorAll("#main img, iframe")].filter((e) => !e.src.startsWith(location.origin + "/desk/")).map((e) => e.outerHTML),
	].filter(Boolean)`, &found))
	for _, f := range found {
		b.h.t.Errorf("on the page: %.300s", f)
	}
	for _, r := range outside.requests("/") {
		b.h.t.Errorf("somebody elsewhere was asked for %s", r.URL)
	}
}
