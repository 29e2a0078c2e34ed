package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"
)

// TestTemplatesInTheBrowser tries the editor of what customers are told as a
// supervisor meets it: in Chromium, against the whole program.
func TestTemplatesInTheBrowser(t *testing.T) {
	web := openChromium(t)
	c := openCentre(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *centre, *chromium)
	}{
		{"story", templateStory},
		{"plain forms", templatePlain},
		{"keyboard", templateKeyboard},
		{"axe", templateAxe},
		{"pictures", templateShots},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, c.in(t), web.in(t)) })
	}
}

// templateStory: Vera writes, sees what it becomes on each channel and what it
// costs, mends what is wrong, saves, and takes it back.
func templateStory(t *testing.T, c *centre, web *chromium) {
	vera := web.operator(c, "vera")
	vera.signsIn()
	vera.clicks(`$('.nav[href="/desk/policy/templates"]')`)
	vera.clicks(`$('a[href="/desk/policy/templates/ready"]')`)
	vera.sees(`location.pathname === "/desk/policy/templates/ready"`)
	vera.sees(`$("#tpl-tab-en").ariaSelected === "true"`, `$("#tpl-shown-en").textContent.includes("ready for pickup")`,
		`!$("#tpl-lang-ru").checkVisibility()`, `$$("#tpl-shown-en .tpl-channel").length === 4`)
	before := reads[string](vera.page, `$("[name='text.ru']").value`)

	// The preview follows the typing, with the cost as SMS and why.
	vera.clicks(`$("[name='text.en']")`)
	vera.strikes("a", input.ModifierCtrl)
	reads[bool](vera.page, `$("[name='text.en']").select() ?? true`)
	vera.types("It’s ready: {{csae}}")
	vera.sees(`$("#tpl-findings-en").textContent.includes("case")`, `$("#tpl-badge-en").classList.contains("is-wrong")`, `$("#tpl-shown-en .tpl-broken")`)
	vera.clicks(`$("#tpl-findings-en .is-wrong .tpl-place")`)
	vera.sees(`document.activeElement.name === "text.en"`, `document.activeElement.selectionStart === "It’s ready: ".length`)
	reads[bool](vera.page, `$("[name='text.en']").select() ?? true`)
	vera.types("It’s ready: ")
	vera.clicks(`$(".tpl-vars summary")`)
	vera.clicks(`$("[data-insert='{{case}}']")`)
	vera.sees(`$("[name='text.en']").value === "It’s ready: {{case}}"`, `!$("#tpl-badge-en").classList.contains("is-wrong")`,
		`$("#tpl-shown-en .is-email .tpl-words").textContent === "It’s ready: CW-000123"`, `$("#tpl-findings-en").textContent.includes("“’”")`,
		`$("#tpl-shown-en .is-sms figcaption b").textContent === "1 SMS"`)

	// A keystroke's preview is there within a tenth of a second, and none is late.
	reads[bool](vera.page, `(window.took = 0, (async () => {
		const body = new URLSearchParams(new FormData($("#tpl-form"))), all = [];
		for (let i = 0; i < 15; i++) {
			const begun = performance.now();
			await (await fetch("/desk/policy/preview", { method: "POST", body, headers: { "X-Part": "1" } })).text();
			all.push(performance.now() - begun);
		}
		window.took = all.sort((a, b) => a - b)[7];
	})(), true)`)
	vera.sees(`window.took > 0`)
	took := reads[float64](vera.page, `window.took`)
	if took > 100 {
		t.Errorf("the preview of a keystroke takes %.0f ms; it must be there within 100", took)
	}
	t.Logf("the preview of a keystroke: %.1f ms, the middle of 15", took)

	// A case can be filled in, if it can be seen.
	vera.clicks(`$("#tpl-case")`)
	vera.types("CW-999999")
	vera.sees(`$("#tpl-case-note").textContent.includes("CW-999999 is not there")`)

	// Another language, then save.
	vera.clicks(`$("#tpl-tab-ru")`)
	vera.sees(`$("#tpl-lang-ru").checkVisibility()`, `!$("#tpl-lang-en").checkVisibility()`, `$("#tpl-shown-ru").checkVisibility()`)
	vera.clicks(`$("#tpl-note")`)
	vera.types("shorter")
	vera.strikes("s", input.ModifierCtrl)
	vera.sees(`$(".notice.is-green")`, `$("[name='text.en']").value === "It’s ready: {{case}}"`, `$("#tpl-tab-ru").ariaSelected === "true"`)
	if now := reads[string](vera.page, `$("[name='text.ru']").value`); now != before {
		t.Errorf("what was not touched has changed: %q", now)
	}
	if doc := c.policyText(t); !strings.Contains(doc, "# The policy of a repair centre") || !strings.Contains(doc, "It’s ready: {{case}}") {
		t.Error("the policy has lost its remarks or not got the text")
	}

	// The history shows the change and takes it back.
	vera.opens("/desk/policy")
	vera.clicks(`$(".rev-number")`)
	vera.sees(`$$(".diff ins").some(e => e.textContent.includes("It’s ready: {{case}}"))`, `$(".stats").textContent.includes("shorter")`)
	vera.opens("/desk/policy/revisions/1")
	vera.clicks(`$(".rev-restore .button")`)
	vera.sees(`location.pathname === "/desk/policy"`, `$(".notice.is-green")`)
	vera.opens("/desk/policy/templates/ready")
	vera.sees(`$("[name='text.en']").value.includes("Good news")`)

	// An operator is not led here, and cannot come.
	c.employ("lena", "Лена Мороз", "phones")
	lena := web.operator(c, "lena")
	lena.signsIn()
	lena.sees(`!$('[href^="/desk/policy"]')`)
	lena.forgive("answer 403 " + c.url + "/desk/policy/templates")
	lena.opens("/desk/policy/templates")
	lena.sees(`$("h1").textContent && !$(".tpl-row")`)
}

// policyText is the policy in force.
func (c *centre) policyText(t *testing.T) string {
	t.Helper()
	api := caller{t: t, url: c.url, token: c.file.APIToken}
	return fmt.Sprint(api.wants(200, "GET", "/policy", nil)["document"])
}

// templatePlain: with scripts switched off, the same by plain forms.
func templatePlain(t *testing.T, c *centre, web *chromium) {
	vera := web.operator(c, "vera")
	vera.run(emulation.SetScriptExecutionDisabled(true))
	vera.opens("/desk/policy/templates")
	vera.sees(`$("[name=login]")`)
	vera.clicks(`$("[name=login]")`)
	vera.types("vera")
	vera.press(kb.Tab)
	vera.types(c.password("vera"))
	vera.press(kb.Enter)
	vera.sees(`location.pathname === "/desk/policy/templates"`)
	vera.opens("/desk/policy/new-template")
	vera.hasNoDeadControls()
	vera.clicks(`$("[name=id]")`)
	vera.types("plain")
	vera.sees(`$$(".tpl-lang").every(e => e.checkVisibility())`)
	vera.clicks(`$("[name='text.en']")`)
	vera.types("Hello {{case}} {{")
	vera.clicks(`$("[formaction='/desk/policy/preview']")`)
	vera.sees(`location.pathname === "/desk/policy/preview"`, `$("[name=id]").value === "plain"`, `$("#tpl-findings-en").textContent.includes("{{ is not closed")`)
	vera.hasNoDeadControls()
	vera.clicks(`$("[name='text.en']")`)
	vera.strikes("a", input.ModifierCtrl)
	reads[bool](vera.page, `$("[name='text.en']").select() ?? true`)
	vera.types("Hello {{case}}")
	vera.clicks(`$("[data-save]")`)
	vera.sees(`location.pathname === "/desk/policy/templates/plain"`, `$(".notice.is-green")`, `$("#tpl-shown-en .is-telegram .tpl-words").textContent === "Hello CW-000123"`)
	vera.clicks(`$(".tpl-drop .button")`)
	vera.sees(`location.pathname === "/desk/policy/templates"`, `$(".notice.is-green")`, `!$('[href$="/plain"]')`)
}

// templateKeyboard: Tab reaches everything, and tabs move by arrows.
func templateKeyboard(t *testing.T, c *centre, web *chromium) {
	vera := web.operator(c, "vera")
	vera.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}))
	vera.signsIn()
	vera.isLive()
	vera.press("g", "t")
	vera.sees(`location.pathname === "/desk/policy/templates"`, `$(".link-dot.is-live")`)
	vera.tabsThrough("the templates")
	vera.opens("/desk/policy/templates/opened")
	vera.sees(`!$("#tpl-lang-ru").checkVisibility()`, `$(".link-dot.is-live")`)
	vera.tabsThrough("the editor")
	reads[bool](vera.page, `$("#tpl-tab-en").focus() ?? true`)
	vera.press(kb.ArrowRight)
	vera.sees(`document.activeElement.id === "tpl-tab-ru"`, `$("#tpl-lang-ru").checkVisibility()`)
	vera.press(kb.End)
	vera.sees(`document.activeElement.id === "tpl-tab-sr"`)
	vera.press(kb.ArrowRight)
	vera.sees(`document.activeElement.id === "tpl-tab-en"`)
	vera.opens("/desk/policy/revisions/1")
	vera.tabsThrough("a revision")
}

func templateAxe(t *testing.T, c *centre, web *chromium) {
	axe := fetchAxe(t)
	vera := web.operator(c, "vera")
	vera.wears("light")
	vera.signsIn()
	for path, where := range map[string]string{"/desk/policy/templates": "the templates", "/desk/policy": "the history", "/desk/policy/revisions/2": "a revision"} {
		vera.opens(path)
		vera.passes(axe, where)
	}
	vera.opens("/desk/policy/templates/ready")
	vera.clicks(`$(".tpl-vars summary")`)
	vera.clicks(`$("[name='text.en']")`)
	vera.types("TODO {{x}}")
	vera.sees(`$("#tpl-findings-en .is-wrong")`)
	vera.passes(axe, "the editor")
	reads[bool](vera.page, `$("#tpl-form").reset() ?? true`)
}

// templateShots takes pictures of the pages, for looking at them.
func templateShots(t *testing.T, c *centre, web *chromium) {
	folder := os.Getenv("CASEWIRE_SCREENSHOTS")
	if folder == "" {
		t.Skip("CASEWIRE_SCREENSHOTS names no folder for the pictures")
	}
	c.must(os.MkdirAll(folder, 0o755))
	vera := web.operator(c, "vera")
	vera.wears("light")
	vera.signsIn()
	for _, lang := range []string{"en", "ru"} {
		for _, theme := range []string{"light", "dark"} {
			for _, wide := range []int64{1440, 768, 360} {
				v := view{lang, theme, wide}
				for _, p := range []struct{ name, path string }{
					{"templates", "/desk/policy/templates"}, {"template", "/desk/policy/templates/ready"},
					{"policy", "/desk/policy"}, {"revision", "/desk/policy/revisions/2"},
				} {
					vera.looksAs(v)
					vera.opens(p.path)
					vera.isLive()
					if p.name == "template" {
						vera.clicks(`$("[name='text.` + lang + `']")`)
						vera.types("– {{x}} TODO ")
						vera.sees(`$("#tpl-findings-` + lang + ` .is-wrong")`)
						reads[bool](vera.page, `$("#tpl-tab-uk").click() ?? true`)
						vera.sees(`$("#tpl-shown-uk .tpl-channel")`)
					}
					vera.saves(folder, fmt.Sprintf("%s-%s", p.name, v))
					if p.name == "template" {
						reads[bool](vera.page, `$("#tpl-tab-`+lang+`").click() ?? true`)
						vera.sees(`$("#tpl-lang-` + lang + ` .is-wrong")`)
						reads[bool](vera.page, `$(".tpl-vars").open = true`)
						vera.saves(folder, fmt.Sprintf("template-wrong-%s", v))
						reads[bool](vera.page, `$("#tpl-form").reset() ?? true`)
					}
				}
			}
		}
	}
}
