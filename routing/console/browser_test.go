package console_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"casewire/casecore"
)

// tab is one browser window of one operator.
type tab struct {
	h      *house
	ctx    context.Context
	frames *frames
}

// frames is the text of what came over the live socket, which the browser tells of while
// the test goes on.
type frames struct {
	mu   sync.Mutex
	text strings.Builder
}

func (f *frames) add(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text.WriteString(text)
}

func (f *frames) has(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Contains(f.text.String(), text)
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

// chromium starts a browser that reports every error of a script or of the
// content policy as a failure.
func chromium(t *testing.T, also ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := chromiumPath(t)
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(opts, also...)...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (h *house) tab(browser context.Context, login string) *tab {
	h.t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	h.t.Cleanup(cancel)
	b := &tab{h, ctx, &frames{}}
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			h.t.Errorf("%s: script: %s", login, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
				h.t.Errorf("%s: console: %s", login, e.Entry.Text)
			}
		case *network.EventWebSocketFrameReceived:
			b.frames.add(e.Response.PayloadData)
		}
	})
	b.run(log.Enable(), network.Enable(),
		chromedp.ActionFunc(func(ctx context.Context) error {
			return emulation.SetDeviceMetricsOverride(1440, 900, 1, false).Do(ctx)
		}),
		chromedp.Navigate(h.url+"/desk/sign-in"), chromedp.WaitVisible(`[name="login"]`),
		chromedp.SendKeys(`[name="login"]`, login), chromedp.SendKeys(`[name="password"]`, password+"\r"),
		chromedp.WaitReady(".link-dot.is-live", chromedp.ByQuery))
	return b
}

func (b *tab) run(actions ...chromedp.Action) {
	b.h.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.h.t.Fatal(err)
	}
}

// sees waits until an expression is true in the page.
func (b *tab) sees(expression string) {
	b.h.t.Helper()
	for until := time.Now().Add(15 * time.Second); ; {
		err := chromedp.Run(b.ctx, chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(10*time.Second)))
		if err == nil {
			return
		}
		// A page that goes elsewhere ends the poll: ask the next one.
		if errors.Is(err, chromedp.ErrPollingTimeout) || time.Now().After(until) {
			b.h.t.Fatalf("never saw %s: %v", expression, err)
		}
	}
}

func (b *tab) key(k string) { b.h.t.Helper(); b.run(chromedp.KeyEvent(k)) }

// Two operators at one queue: a case appears to both without a word of what the
// customer wrote, one takes it by keyboard, the other sees it go, and the holder
// answers while the customer writes on.
func TestStory(t *testing.T) {
	const canary = "KANARIENVOGEL"
	browser := chromium(t)
	h := newHouse(t)
	h.operator("anna", "Anna Kovalchuk", operatorRole, "phones", "tv")
	h.operator("boris", "Boris", operatorRole, "phones")
	anna, boris := h.tab(browser, "anna"), h.tab(browser, "boris")
	anna.sees(`!document.getElementById("empty").hidden`)

	c := h.open(ask{who: canary, subject: canary, text: canary, category: "phone", react: time.Hour})
	for _, b := range []*tab{anna, boris} {
		b.sees(`document.querySelector("#card-CW-000001 .card-category").textContent === "Phone"`)
		b.sees(`document.querySelector('.side [data-queue="phones"] [data-count]').textContent === "1"`)
		b.sees(`document.getElementById("empty").hidden && !document.querySelector("[data-next]").disabled`)
		var page string
		b.run(chromedp.OuterHTML("html", &page))
		if strings.Contains(page, canary) || b.frames.has(canary) {
			t.Error("the customer's words reached an operator before the claim")
		}
	}

	anna.key("j")
	anna.sees(`document.activeElement.matches("#card-CW-000001 [data-take]")`)
	anna.key("c")
	anna.sees(`location.pathname === "/desk/cases/CW-000001" && document.body.textContent.includes("` + canary + `")`)
	boris.sees(`document.querySelector("#card-CW-000001")?.classList.contains("is-gone") ?? true`)
	boris.sees(`document.querySelector("#card-CW-000001") === null`)
	boris.sees(`!document.getElementById("empty").hidden`)

	anna.sees(`document.querySelector(".link-dot.is-live")`)
	anna.key("r")
	anna.sees(`document.activeElement.id === "text"`)
	anna.run(chromedp.Evaluate(`document.getElementById("text").value = ""`, nil), chromedp.SendKeys("#text", "Good morning!", chromedp.ByQuery))
	h.says(c, "One more question")
	anna.sees(`document.querySelector('#m-2 .message-text')?.textContent === "One more question"`)
	anna.sees(`!document.getElementById("newer").hidden && document.getElementById("text").value === "Good morning!"`)
	anna.run(chromedp.Click(".send", chromedp.ByQuery))
	anna.sees(`document.querySelector("#m-3.is-out .message-text")?.textContent === "Good morning!" && document.getElementById("text").value === ""`)

	anna.run(chromedp.Evaluate(`document.querySelector('[name="attr.model"]').focus()`, nil))
	anna.key("iPhone 13\r")
	anna.sees(`document.querySelector('.move-ask [value="repaired"]') !== null`)
	anna.run(chromedp.Click(`.move-ask:has([value="repaired"]) summary`, chromedp.ByQuery), chromedp.Click(`.move-ask [value="repaired"]`, chromedp.ByQuery))
	anna.sees(`document.querySelector(".case-line .status").textContent === "Repaired, ready for pickup"`)
	anna.sees(`document.activeElement.dataset.region === "status"`)
	if got := h.read(casecore.System("test"), c.CaseNumber()); got.Status != "repaired" || got.Attributes["model"] != "iPhone 13" {
		t.Errorf("status %s, attributes %v", got.Status, got.Attributes)
	}

	// A draft outlives the page.
	anna.run(chromedp.SendKeys("#text", "Half a sentence", chromedp.ByQuery), chromedp.Reload(), chromedp.WaitReady(".link-dot.is-live", chromedp.ByQuery))
	anna.sees(`document.getElementById("text").value === "Half a sentence"`)
}

// New cases do not move what somebody points at, and a full screen holds enough.
func TestListHoldsStill(t *testing.T) {
	browser := chromium(t)
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	for range 30 {
		h.open(ask{who: "Olena", category: "phone", react: time.Hour})
	}
	h.settled(anna, 30)
	b := h.tab(browser, "anna")
	b.sees(`document.querySelectorAll(".card").length === 30`)
	const visible = `[...document.querySelectorAll(".card")].filter(c => c.getBoundingClientRect().bottom <= innerHeight).length`
	b.sees(visible + ` >= 18`)

	var top float64
	b.run(chromedp.MouseEvent("mouseMoved", 600, 400), chromedp.Evaluate(`document.querySelector("#card-CW-000010").getBoundingClientRect().top`, &top))
	h.open(ask{who: "Olena", category: "phone", priority: casecore.Urgent})
	b.sees(`!document.getElementById("held").hidden && document.getElementById("held").textContent === "1 new case"`)
	var after float64
	b.run(chromedp.Evaluate(`document.querySelector("#card-CW-000010").getBoundingClientRect().top`, &after))
	if after != top {
		t.Errorf("a card moved from %v to %v under the pointer", top, after)
	}
	b.run(chromedp.MouseEvent("mouseMoved", 100, 700))
	b.sees(`document.querySelector('[data-priority="urgent"] .card') && document.getElementById("held").hidden`)
}
