package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"casewire/casecore"
	"casewire/casecore/staff"
	"casewire/cmd/casewire/app"
	"casewire/cmd/casewire/demo"
)

// This file is what the browser tests are told with: a repair centre that runs, a
// Chromium, and its pages. The people in front of it are in browser_people_test.go,
// the stories in the other browser_*_test.go files.

// pageWait is how long a page may take to show what it should.
const pageWait = 30 * time.Second

// centre is the program, started in this process as "demo" starts it.
type centre struct {
	t    *testing.T
	app  *app.App
	url  string
	file *demo.File
	said *journal

	world *demo.Counterparts // whom the channels talk to
}

// in is the same centre in a part of the test.
func (c *centre) in(t *testing.T) *centre {
	d := *c
	d.t = t
	return &d
}

// journal keeps what the program logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// openCentre starts the demo on a fresh folder and a free port.
func openCentre(t *testing.T) *centre {
	t.Helper()
	c := &centre{t: t, said: &journal{}}
	p := place{listen: "127.0.0.1:0", data: t.TempDir()}
	conf, err := p.load()
	c.must(err)
	d, err := newShow(conf, p.data)
	c.must(err)
	c.file = d.file
	c.app, err = app.Start(t.Context(), d.options(t.Context(), app.Options{
		Version: "test", Log: slog.New(slog.NewTextHandler(c.said, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}))
	c.world = d.world
	t.Cleanup(func() { c.must(d.close()) })
	c.must(err)
	c.url = c.app.URL()
	t.Cleanup(func() {
		if err := c.app.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop: %v", err)
		}
		if t.Failed() {
			t.Logf("the program's log:\n%s", ending(c.said.String(), 4000))
		}
	})
	return c
}

func (c *centre) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// password is that of one of the demo's operators.
func (c *centre) password(login string) string {
	i := slices.IndexFunc(c.file.Operators, func(o demo.Login) bool { return o.Login == login })
	return c.file.Operators[i].Password
}

// employ adds an operator to those of the demo.
func (c *centre) employ(login, name string, queues ...string) {
	c.t.Helper()
	o := demo.Login{Login: login, Name: name, Password: login + "-walks-to-work", Queues: queues}
	_, err := c.app.Staff().Create(c.t.Context(), staff.Operator{
		Login: login, Name: name, Roles: []string{casecore.RoleOperator}, Queues: queues,
	}, o.Password)
	c.must(err)
	c.file.Operators = append(c.file.Operators, o)
}

func ending(s string, n int) string { return s[max(0, len(s)-n):] }

// chromium is a headless browser with an empty profile.
type chromium struct {
	t   *testing.T
	ctx context.Context
}

// openChromium starts the browser; see chromiumPath.
func openChromium(t *testing.T) *chromium {
	t.Helper()
	path := chromiumPath(t)
	o := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile(t)),
		chromedp.WSURLReadTimeout(pageWait), chromedp.WindowSize(1440, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-US"))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), o...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(cancel)
	// The profile's folder can be removed once the browser has left it.
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) })
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &chromium{t, ctx}
}

// in is the same browser in a part of the test, at whose end its windows close.
func (b *chromium) in(t *testing.T) *chromium { return &chromium{t, b.ctx} }

// page is one tab. Whatever goes wrong in it fails the test: an exception, a
// breach of the content policy, an error on the console, a resource that does not
// load.
type page struct {
	t    *testing.T
	who  string
	ctx  context.Context
	wire *wire // nil: nobody listens in

	profile cdp.BrowserContextID

	mu        sync.Mutex
	forgiven  []string // parts of complaints that belong to the story
	shut      bool     // nobody looks any more
	listening sync.WaitGroup
}

// wire is everything that the server told somebody's pages.
type wire struct {
	mu     sync.Mutex
	frames []string
	bodies []string
}

func (w *wire) add(to *[]string, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*to = append(*to, what)
}

// heard says whether words came in a frame, and whether in a document.
func (w *wire) heard(words string) (inFrame, inBody bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	has := func(s string) bool { return strings.Contains(s, words) }
	return slices.ContainsFunc(w.frames, has), slices.ContainsFunc(w.bodies, has)
}

func (w *wire) counts() (frames, bodies int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.frames), len(w.bodies)
}

// person opens a window with cookies and storage of its own.
func (b *chromium) person(who string, w *wire) *page {
	b.t.Helper()
	profile, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(b.executor())
	if err != nil {
		b.t.Fatalf("%s: %v", who, err)
	}
	b.t.Cleanup(func() { _ = target.DisposeBrowserContext(profile).Do(b.executor()) })
	return b.window(profile, who, w)
}

// another opens a second window of the same person.
func (b *chromium) another(p *page) *page {
	b.t.Helper()
	return b.window(p.profile, p.who, p.wire)
}

func (b *chromium) executor() context.Context {
	return cdp.WithExecutor(b.ctx, chromedp.FromContext(b.ctx).Browser)
}

func (b *chromium) window(profile cdp.BrowserContextID, who string, w *wire) *page {
	b.t.Helper()
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(b.executor())
	if err != nil {
		b.t.Fatalf("%s: open a window: %v", who, err)
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(cancel)
	p := &page{t: b.t, who: who, ctx: ctx, profile: profile, wire: w}
	b.t.Cleanup(p.closes)
	chromedp.ListenTarget(ctx, p.notice)
	// The first run attaches to the window for as long as its context lives.
	if err := chromedp.Run(ctx, network.Enable(), log.Enable(), focused(), screen(1440, 900)); err != nil {
		b.t.Fatalf("%s: %v", who, err)
	}
	if w != nil {
		p.run(fetch.Enable().WithPatterns([]*fetch.RequestPattern{
			{URLPattern: "*", ResourceType: network.ResourceTypeDocument, RequestStage: fetch.RequestStageResponse},
			{URLPattern: "*", ResourceType: network.ResourceTypeFetch, RequestStage: fetch.RequestStageResponse},
			{URLPattern: "*", ResourceType: network.ResourceTypeXHR, RequestStage: fetch.RequestStageResponse},
		}))
	}
	return p
}

// closes ends the listening; the window goes with its context.
func (p *page) closes() {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	p.listening.Wait()
}

// notice is told every event of the tab.
func (p *page) notice(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complain("exception: " + e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			p.complain(fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
			p.complain(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			p.complain(fmt.Sprintf("answer %d %s", e.Response.Status, e.Response.URL))
		}
	case *network.EventLoadingFailed:
		// What a page that is being left still asks for is cancelled.
		if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" {
			p.complain(fmt.Sprintf("load %s: %s %s", e.Type, e.ErrorText, e.BlockedReason))
		}
	case *network.EventWebSocketFrameError:
		p.complain("socket: " + e.ErrorMessage)
	case *network.EventWebSocketFrameReceived:
		if p.wire != nil {
			p.wire.add(&p.wire.frames, e.Response.PayloadData)
		}
	case *fetch.EventRequestPaused:
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.shut {
			p.listening.Go(func() { p.overhear(e) })
		}
	}
}

// overhear reads an answer before the page gets it: a page that moves on would
// take it along. A redirect has no body to read, and what the page has given up
// meanwhile can be neither read nor passed on.
func (p *page) overhear(e *fetch.EventRequestPaused) {
	ctx, cancel := context.WithTimeout(p.ctx, pageWait)
	defer cancel()
	ctx = cdp.WithExecutor(ctx, chromedp.FromContext(p.ctx).Target)
	var body []byte
	var unread error
	if e.ResponseStatusCode/100 != 3 {
		body, unread = fetch.GetResponseBody(e.RequestID).Do(ctx)
	}
	p.wire.add(&p.wire.bodies, string(body))
	if fetch.ContinueRequest(e.RequestID).Do(ctx) == nil && unread != nil {
		p.complain(fmt.Sprintf("the answer of %s was not overheard: %v", e.Request.URL, unread))
	}
}

// complain fails the test unless the story expects this.
func (p *page) complain(about string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	belongs := func(part string) bool { return strings.Contains(about, part) }
	if p.shut || slices.ContainsFunc(p.forgiven, belongs) {
		return
	}
	p.t.Errorf("%s's browser complains: %s", p.who, about)
}

// forgive lets complaints pass that belong to the story.
func (p *page) forgive(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgiven = append(p.forgiven, part)
}

func (p *page) run(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageWait)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.who, err)
	}
}

// goes opens an address and waits for the page.
func (p *page) goes(to string) {
	p.t.Helper()
	p.run(chromedp.Navigate(to))
}

// js evaluates an expression. In it $ and $$ find elements of the page, root is
// the chat's launcher and chat the document in its frame.
func (p *page) js(expression string, result any) error {
	return chromedp.Run(p.ctx, chromedp.Evaluate(`(() => {
		const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
		const root = document.getElementById("casewire")?.shadowRoot, chat = root?.querySelector("iframe")?.contentDocument;
		return `+expression+` })()`, result))
}

// reads returns the value of an expression.
func reads[T any](p *page, expression string) T {
	p.t.Helper()
	var v T
	if err := p.js(expression, &v); err != nil {
		p.t.Fatalf("%s: %s: %v", p.who, expression, err)
	}
	return v
}

// sees waits until all expressions hold at once. A page that is being left has no
// answer, and the next one is asked.
func (p *page) sees(expressions ...string) {
	p.t.Helper()
	look := time.NewTicker(25 * time.Millisecond)
	defer look.Stop()
	late := time.After(pageWait)
	for {
		var ok bool
		err := p.js("!!(("+strings.Join(expressions, ") && (")+"))", &ok)
		if ok {
			return
		}
		select {
		case <-look.C:
		case <-late:
			var shown string
			_ = p.js(`location.href + "\n" + (chat ?? document).body.innerText`, &shown)
			missing := slices.DeleteFunc(expressions, func(e string) bool { ok = false; return p.js("!!("+e+")", &ok) == nil && ok })
			p.t.Fatalf("%s never saw %s (%v); the page says:\n%s", p.who, strings.Join(missing, " && "), err, ending(shown, 3000))
		case <-p.ctx.Done():
			p.t.Fatalf("%s waits for %s: %v", p.who, expressions, p.ctx.Err())
		}
	}
}

// says waits until an element has exactly this text.
func (p *page) says(selector, text string) {
	p.t.Helper()
	p.sees(fmt.Sprintf("$(%q)?.textContent.trim() === %q", selector, text))
}

// html is the whole document as it stands.
func (p *page) html() string {
	p.t.Helper()
	return reads[string](p, "document.documentElement.outerHTML")
}

// press presses keys one by one: characters, kb.Escape and their like. A key is
// one event with its character in it, so that a page which takes the key for
// itself also keeps the character from being typed.
func (p *page) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.strikes(k, 0)
	}
}

func (p *page) strikes(key string, with input.Modifier) {
	p.t.Helper()
	r := []rune(key)[0]
	k, ok := kb.Keys[r]
	if !ok {
		p.t.Fatalf("no key for %q", key)
	}
	if k.Shift {
		with |= input.ModifierShift
	}
	event := func(kind input.KeyType) *input.DispatchKeyEventParams {
		return input.DispatchKeyEvent(kind).WithKey(k.Key).WithCode(k.Code).WithModifiers(with).WithWindowsVirtualKeyCode(k.Windows)
	}
	p.run(event(input.KeyDown).WithText(k.Text), event(input.KeyUp))
}

// types puts text where the cursor is, as a keyboard of any language would.
func (p *page) types(text string) {
	p.t.Helper()
	p.run(input.InsertText(text))
}

// clicks puts the mouse on the middle of an element, given by an expression, and
// presses. It waits until nothing lies over it.
func (p *page) clicks(element string) {
	p.t.Helper()
	p.sees(element, `(() => { const e = `+element+`; e.scrollIntoView({ block: "nearest", behavior: "instant" });
		const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
		const f = e.ownerDocument.defaultView.frameElement?.getBoundingClientRect() ?? { x: 0, y: 0 };
		window.aim = [f.x + x, f.y + y];
		return e.contains(e.getRootNode().elementFromPoint(x, y)); })()`)
	at := reads[[2]float64](p, `window.aim`)
	p.run(chromedp.MouseClickXY(at[0], at[1]))
}

// goesOffline cuts the tab from the network, comesBack joins it again.
func (p *page) goesOffline() {
	p.t.Helper()
	p.forgive("net::ERR_INTERNET_DISCONNECTED")
	p.network(true)
}

func (p *page) comesBack() { p.t.Helper(); p.network(false) }

func (p *page) network(offline bool) {
	p.t.Helper()
	everything := []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: -1}}
	p.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := network.EmulateNetworkConditionsByRule(offline, everything).Do(ctx)
		return err
	}), network.OverrideNetworkState(offline, 0, -1, -1))
}

// focused makes the tab believe that somebody looks at it.
func focused() chromedp.Action { return emulation.SetFocusEmulationEnabled(true) }

// screen is how large the window is; narrow ones are telephones.
func screen(width, height int64) chromedp.Action {
	return emulation.SetDeviceMetricsOverride(width, height, 1, width < 500)
}

// chromiumPath is the browser that CHROMIUM or the path names. Without one the test
// is skipped, or fails when CASEWIRE_BROWSER=required.
func chromiumPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium"))
	if err == nil {
		return path
	}
	const say = "no Chromium (%v): the pages are not tried in a browser; install it, or name it in CHROMIUM (CASEWIRE_BROWSER=required makes this a failure)"
	if os.Getenv("CASEWIRE_BROWSER") == "required" {
		t.Fatalf(say, err)
	}
	t.Skipf(say, err)
	return ""
}

// profile is a folder for the browser's own files. Its processes may still write
// there while they end, so that it is removed as far as it goes and no further.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "casewire-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
