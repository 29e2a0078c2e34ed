package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp/kb"
)

// browserKeyboard: Tab reaches everything and shows where it is, Escape closes
// what is open and gives the focus back, and the shortcuts do what "?" says.
func browserKeyboard(t *testing.T, c *centre, web *chromium) {
	c.employ("ira", "Ірина Бондар", "phones", "computers", "appliances", "general")
	ira := web.operator(c, "ira")
	// Without transitions a focus ring is there at once.
	ira.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}))

	ira.opens("/desk/sign-in")
	ira.tabsThrough("the sign-in page")
	ira.signsIn()
	ira.isLive()
	ira.tabsThrough("the board")

	// The map of the keys is a dialog: it keeps the focus and gives it back.
	ira.press("j")
	ira.sees(`(window.chosen = document.activeElement).matches(".card [data-take]")`)
	ira.press("?")
	ira.sees(`$("#help").open`, `$("#help").contains(document.activeElement)`)
	ira.press(kb.Tab, kb.Tab)
	ira.sees(`document.activeElement === document.body || $("#help").contains(document.activeElement)`)
	ira.press(kb.Escape)
	ira.sees(`!$("#help").open`, `document.activeElement === window.chosen`)

	// So does the menu of the signed-in operator.
	reads[bool](ira.page, `$(".me summary").focus() ?? true`)
	ira.press(kb.Enter)
	ira.sees(`$(".me").open`)
	ira.tabsThrough("the board with the menu")
	ira.press(kb.Escape)
	ira.sees(`!$(".me").open`, `document.activeElement === $(".me summary")`)

	// Search, my cases and back to the queues.
	ira.press(kb.Escape, "/")
	ira.sees(`document.activeElement.id === "find"`)
	ira.press(kb.Escape)
	ira.sees(`document.activeElement === document.body`)
	ira.press("g", "m")
	ira.sees(`location.pathname === "/desk/mine"`, `$(".link-dot.is-live")`)
	ira.press("g", "q")
	ira.sees(`location.pathname === "/desk/"`, `$(".link-dot.is-live")`)

	// Take next, read, reply, note.
	ira.press("n")
	ira.sees(`location.pathname.startsWith("/desk/cases/")`, `$(".link-dot.is-live")`)
	ira.press("m")
	ira.sees(`document.activeElement.id === "text"`, `$("[name=kind]:checked").value === "note"`)
	ira.press(kb.Escape, "r")
	ira.sees(`document.activeElement.id === "text"`, `$("[name=kind]:checked").value === "answer"`)
	ira.press(kb.Escape)
	ira.tabsThrough("a case")
	ira.opens("/desk/mine")
	ira.isLive()
	ira.tabsThrough("my cases")
	ira.opens("/desk/settings")
	ira.tabsThrough("the settings")

	// On a telephone the details are a panel of their own.
	ira.run(screen(360, 740))
	ira.opens("/desk/mine")
	ira.clicks(`$(".row a")`)
	ira.sees(`location.pathname.startsWith("/desk/cases/")`, `$(".link-dot.is-live")`)
	ira.press("d")
	ira.sees(`$("[data-panel]").ariaExpanded === "true"`, `$("#details").contains(document.activeElement)`)
	ira.press(kb.Escape)
	ira.sees(`$("[data-panel]").ariaExpanded === "false"`, `document.activeElement === $("[data-panel]")`)

	// The visitor has only a keyboard, too.
	visitor := web.visitor(c, "en")
	visitor.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}))
	visitor.goes(c.url + "/chat/?lang=en")
	visitor.sees(`root`)
	visitor.tabsThrough("the site")
	reads[bool](visitor.page, `root.querySelector("button").focus() ?? true`)
	visitor.press(kb.Enter)
	visitor.sees(`chat?.activeElement?.id === "text"`, `!chat.getElementById("shut").hidden`)
	visitor.press(kb.Escape)
	visitor.sees(`root.querySelector("iframe").hidden`, `root.activeElement === root.querySelector("button")`)
	visitor.goes(c.url + "/chat/frame?lang=en")
	visitor.sees(`!$("#intro").hidden`)
	visitor.tabsThrough("the chat")
	visitor.goes(c.url + "/sandbox/?lang=en")
	visitor.tabsThrough("the sandbox")
}

// tabsThrough presses Tab until it has been everywhere, and says what it did not
// reach, what did not show that it was there, and what was out of sight.
func (p *page) tabsThrough(where string) {
	p.t.Helper()
	n := reads[int](p, `(() => {
		const inside = root ? $$("button", root) : [];
		const all = [...$$("a[href], button, input, select, textarea, summary, iframe, [tabindex]"), ...inside];
		const look = (e) => [e, e.parentElement, e.nextElementSibling, e.closest("label, .card, .composer-box")].filter(Boolean).map((x) => {
			const s = getComputedStyle(x);
			return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.borderColor, s.backgroundColor].join();
		}).join("|");
		document.activeElement?.blur();
		getSelection().removeAllRanges();
		const stops = all.filter((e) => !e.disabled && e.tabIndex >= 0 && e.type !== "hidden" && !(e.type === "radio" && !e.checked)
			&& e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0);
		window.walk = { stops, looks: stops.map(look), look, reached: new Set(), dull: new Set(), lost: new Set() };
		return stops.length;
	})()`)
	for range 2*n + 8 {
		p.press(kb.Tab)
		done := reads[bool](p, `(() => {
			const w = window.walk, at = document.activeElement, e = at?.shadowRoot?.activeElement ?? at;
			const i = w.stops.indexOf(e);
			if (i < 0) return false;
			w.reached.add(i);
			if (e.tagName !== "IFRAME") {
				if (w.look(e) === w.looks[i]) w.dull.add(i); else w.dull.delete(i);
				const r = e.getBoundingClientRect();
				if (r.bottom <= 0 || r.right <= 0 || r.top >= innerHeight || r.left >= innerWidth) w.lost.add(i);
			}
			return w.reached.size === w.stops.length;
		})()`)
		if done {
			break
		}
	}
	for _, fault := range []struct{ what, which string }{
		{"Tab does not reach", `!w.reached.has(i)`},
		{"the focus is not to be seen on", `w.dull.has(i)`},
		{"the focus is out of sight on", `w.lost.has(i)`},
	} {
		on := reads[[]string](p, `(() => { const w = window.walk; return w.stops.filter((e, i) => `+fault.which+`).map((e) => e.cloneNode(false).outerHTML); })()`)
		if len(on) > 0 {
			p.t.Errorf("%s of %d on %s: %s\n%s", fault.what, n, where, fmt.Sprint(len(on)), strings.Join(on, "\n"))
		}
	}
}
