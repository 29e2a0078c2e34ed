package webchat

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a page in a headless Chromium.
type tab struct {
	t     *testing.T
	ctx   context.Context
	quiet bool // complaints of the browser are expected
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

// browser returns a tab with an empty profile. What the page throws or breaks of
// its own policy fails the test.
func browser(t *testing.T) *tab {
	t.Helper()
	path := chromiumPath(t)
	profile, err := os.MkdirTemp("", "casewire-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	// A helper of the browser may still be writing; what is left is temporary.
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	whole := ctx
	t.Cleanup(func() { _ = chromedp.Cancel(whole) }) // waits for the browser to leave its profile
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page threw: %v", e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if !b.quiet {
				t.Errorf("the browser complains: %s %s", e.Entry.Text, e.Entry.URL)
			}
		}
	})
	return b
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// js evaluates an expression in which chat is the document in the iframe and
// root the loader's own part of the page.
func (b *tab) js(expression string, result any) {
	b.t.Helper()
	b.run(chromedp.Evaluate(`(() => { const root = document.getElementById('casewire')?.shadowRoot;
		const chat = root?.querySelector('iframe')?.contentDocument; return `+expression+` })()`, result))
}

// until waits for an expression to hold.
func (b *tab) until(expression string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(15 * time.Second); ; {
		var ok bool
		b.js("!!("+expression+")", &ok)
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			var page string
			b.js("chat?.body.innerText ?? document.body.innerText", &page)
			b.t.Fatalf("never: %s\nthe page says:\n%s", expression, page)
		}
	}
}

// visit opens the sample page with the chat on it.
func (b *tab) visit(url string) {
	b.t.Helper()
	b.run(chromedp.Navigate(url))
	b.until(`root`)
}

func (b *tab) lines() []string {
	b.t.Helper()
	var lines []string
	b.js(`[...chat.querySelectorAll('#lines p')].map((p) => p.textContent)`, &lines)
	return lines
}

// TestWidget is a visitor's story, told by a browser and a keyboard.
func TestWidget(t *testing.T) {
	s, b := open(t), browser(t)
	b.visit(s.house.URL + "/chat/?lang=en")

	// With the keyboard alone: the button opens the chat, the cursor is in it.
	b.js(`root.querySelector('button').focus()`, nil)
	b.run(chromedp.KeyEvent(kb.Enter))
	b.until(`chat?.activeElement?.id === 'text'`)
	b.run(chromedp.KeyEvent("My phone is broken"), chromedp.KeyEvent(kb.Enter))
	b.until(`chat.querySelector('.mine .tick') && chat.getElementById('case').textContent === 'CW-000001'`)
	to := s.visitorOf("My phone is broken")

	s.reply(to, "m1", "Which day suits you?", channels.Button{Label: "Today", Data: "d1"}, channels.Button{Label: "Tomorrow", Data: "d2"})
	b.until(`chat.querySelectorAll('.buttons button').length === 2`)
	if err := s.house.Book.Wait(b.ctx, func() bool { return len(s.house.Book.Receipts()) == 1 }); err != nil {
		t.Fatal("the open chat did not report the answer as read")
	}
	b.js(`chat.querySelectorAll('.buttons button')[1].click()`, nil)
	b.until(`chat.querySelector('.buttons [aria-pressed]')?.textContent === 'Tomorrow'`)

	// Esc closes, the focus goes back to the button, and the badge counts.
	b.js(`chat.getElementById('text').focus()`, nil)
	b.js(`chat.defaultView.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))`, nil)
	b.until(`root.querySelector('iframe').hidden && root.activeElement === root.querySelector('button')`)
	s.reply(to, "m2", "Until tomorrow, then.")
	b.until(`root.querySelector('b').textContent === '1' && root.querySelector('button').ariaLabel.includes('New messages: 1')`)

	// After a reload the badge is still there, and the conversation once.
	b.visit(s.house.URL + "/chat/?lang=en")
	b.until(`root.querySelector('b').textContent === '1'`)
	b.js(`Casewire.open('and one more thing')`, nil)
	b.until(`chat.querySelectorAll('#lines li').length === 4 && chat.getElementById('text').value === 'and one more thing'`)
	if got := strings.Join(b.lines(), "|"); got != "My phone is broken|Which day suits you?|Tomorrow|Until tomorrow, then." {
		t.Errorf("after a reload: %s", got)
	}
	b.until(`chat.querySelector('.buttons [aria-pressed]') && root.querySelector('b').hidden`)
}

// W6: nothing that anybody writes becomes markup, a script or a dangerous link.
func TestWidgetShowsTextAsText(t *testing.T) {
	s, b := open(t), browser(t)
	hostile := []string{
		`<script>top.hacked=1</script>`, `<img src=x onerror="top.hacked=1">`, `"><svg onload=top.hacked=1>`,
		`javascript:top.hacked=1`, `[x](javascript:top.hacked=1)`, `data:text/html,<script>top.hacked=1</script>`,
		`{{constructor.constructor('top.hacked=1')()}}`, `https://ok.example/"onmouseover="top.hacked=1`, "`${top.hacked=1}`",
		"<a href='javascript:top.hacked=1'>x</a>", "JaVaScRiPt:top.hacked=1 http://ok.example/<b>", "vbscript:x mail@ok.example +381 11 123 4567",
	}
	c := s.visitor()
	c.say("<b onclick=top.hacked=1>me</b>")
	for _, text := range hostile {
		c.say(text)
	}
	to := s.visitorOf(hostile[0])
	for i, text := range hostile {
		s.reply(to, fmt.Sprint("m", i), text, channels.Button{Label: text, Data: text})
	}
	file, err := s.house.Files.Put(t.Context(), `"><img src=x onerror=top.hacked=1>.txt`, strings.NewReader("x"), 10)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.door.Send(t.Context(), channels.Outbound{
		ID: "status", Channel: channelID, To: to, Status: hostile[1], Body: channels.Body{Text: hostile[2], Files: []channels.File{file}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.run(chromedp.Navigate(s.house.URL+"/chat/"),
		chromedp.Evaluate(`localStorage.setItem('casewire.site.token', '`+c.token+`'); Casewire.open('<img src=x onerror=top.hacked=1>')`, nil))
	b.until(`chat?.querySelectorAll('#lines li').length === ` + fmt.Sprint(2*len(hostile)+2))
	want := append(append([]string{"<b onclick=top.hacked=1>me</b>"}, hostile...), append(hostile, hostile[2])...)
	if got := b.lines(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("shown:\n%s", strings.Join(got, "\n"))
	}
	b.until(`chat.getElementById('status').textContent === ` + fmt.Sprintf("%q", hostile[1]))
	var found []string
	b.js(`[...chat.querySelectorAll('#lines *')].flatMap((e) => [...e.attributes].filter((a) => a.name.startsWith('on')
		|| a.name === 'href' && !/^(https?:|mailto:|tel:|#i-)/.test(a.value)
		|| a.name === 'rel' && !/noopener.*nofollow/.test(a.value)).map((a) => a.name + '=' + a.value))`, &found)
	if len(found) > 0 {
		t.Errorf("attributes %q", found)
	}
	var hacked bool
	b.js(`!!(window.hacked || chat.defaultView.hacked || chat.querySelector('#lines script, #lines svg[onload]'))`, &hacked)
	if hacked {
		t.Error("a text was run")
	}
}

// W2, W3: an outage, a reload with unsent words, a restart: every word arrives,
// once.
func TestWidgetSurvives(t *testing.T) {
	s, b := open(t), browser(t)
	b.quiet = true // refused connections are what this is about
	b.visit(s.house.URL + "/chat/?lang=en")
	b.js(`Casewire.open()`, nil)
	write := func(text string) {
		t.Helper()
		b.js(fmt.Sprintf(`(chat.getElementById('text').value = %q, chat.getElementById('text').dispatchEvent(new Event('input')), chat.getElementById('composer').requestSubmit())`, text), nil)
	}
	b.until(`chat?.getElementById('offline')?.hidden && chat.readyState === 'complete'`)
	write("first")
	b.until(`chat.querySelectorAll('.tick').length === 1`)

	s.close()
	b.until(`!chat.getElementById('offline').hidden`)
	write("while away")
	write("and another")
	b.until(`chat.querySelectorAll('#lines li').length === 3 && chat.body.innerText.includes('Will be sent')`)
	s.house.Book.Before = func(context.Context, channels.Inbound) error { return channeltest.ErrStore }
	s.start()
	b.until(`chat.getElementById('offline').hidden`)

	// The store refuses; the page is left with its words unsent and opened again.
	b.visit(s.house.URL + "/chat/?lang=en")
	b.js(`Casewire.open()`, nil)
	b.until(`chat?.querySelectorAll('#lines li').length === 3`)
	s.close()
	s.house.Book.Before = nil
	s.start()
	b.until(`chat.querySelectorAll('.tick').length === 3 && chat.querySelectorAll('#lines li').length === 3`)
	var got []string
	for _, m := range s.house.Book.Messages() {
		got = append(got, m.Body.Text)
	}
	if strings.Join(got, "|") != "first|while away|and another" {
		t.Errorf("stored %q", got)
	}
	if shown := b.lines(); strings.Join(shown, "|") != strings.Join(got, "|") {
		t.Errorf("shown %q", shown)
	}
}

// W6: a listed site embeds the chat, another does not.
func TestWidgetEmbedded(t *testing.T) {
	s := open(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><html lang="ru"><title>shop</title><link rel="icon" href="data:,"><h1>Shop</h1><script src="%s/chat/widget.js" data-channel="site" async></script>`, s.house.URL)
	})
	listed, other := httptest.NewServer(page), httptest.NewServer(page)
	t.Cleanup(listed.Close)
	t.Cleanup(other.Close)
	s.close()
	s.cfg.Origins = []string{listed.URL}
	s.start()
	b := browser(t)
	b.quiet = true // a refused frame is what this is about
	b.visit(other.URL)
	b.js(`Casewire.open()`, nil)
	b.visit(listed.URL)
	var label string
	b.js(`root.querySelector('button').ariaLabel`, &label)
	if label != "Написать нам" {
		t.Errorf("the button says %q", label)
	}
	b.js(`Casewire.open()`, nil)
	s.eventually(func() bool { return s.door.Stats().Connected == 1 })
	if n := s.door.Stats().Connections; n != 1 {
		t.Errorf("%d connections, want only that of the listed site", n)
	}
}
