package main

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// browserPlain: with scripts switched off, an operator signs in, takes a case,
// answers it, moves it, gives it back and takes the next, by plain forms.
func browserPlain(t *testing.T, c *centre, web *chromium) {
	marko := web.operator(c, "marko")
	marko.run(emulation.SetScriptExecutionDisabled(true))

	// The language is chosen before the sign-in.
	marko.opens("/desk/sign-in")
	marko.clicks(`$("button[lang=ru]")`)
	marko.sees(`document.documentElement.lang === "ru"`)
	marko.clicks(`$("button[lang=en]")`)
	marko.sees(`document.documentElement.lang === "en"`)
	marko.signsIn()
	marko.sees(`!document.documentElement.classList.contains("js")`)
	marko.hasNoDeadControls()

	first := reads[string](marko.page, `$(".card").dataset.number`)
	marko.clicks(`$(".card [data-take]")`)
	marko.sees(`location.pathname === "/desk/cases/`+first+`"`, `$(".message.is-in .message-text").textContent`)
	marko.hasNoDeadControls()

	const answer, note = "Добрий день! Майстер буде у вас до обіду.", "Ключ від підвалу в охорони."
	marko.clicks(`$("#text")`)
	marko.types(answer)
	marko.clicks(`$(".send")`)
	marko.sees(`$$(".message.is-out .message-text").at(-1)?.textContent === "` + answer + `"`)

	marko.clicks(`$("[name=kind][value=note]").closest("label")`)
	marko.clicks(`$("#text")`)
	marko.types(note)
	marko.clicks(`$(".send")`)
	marko.sees(`$$(".message.is-note .message-text").at(-1)?.textContent === "` + note + `"`)

	marko.clicks(`$("[name='attr.brand']")`)
	marko.types("Indesit")
	marko.clicks(`$("form[action$='/attributes'] .fields-foot button")`)
	marko.sees(`$("[name='was.attr.brand']").value === "Indesit"`)

	marko.isOffered(c.moves("accepted"))
	marko.clicks(`$(".move-ask:has([value=diagnosing]) summary")`)
	marko.clicks(`$(".move-ask [value=diagnosing]")`)
	marko.says(".case-line .status", "Diagnosing")

	marko.clicks(`$("form[action$='/release'] button")`)
	marko.sees(`location.pathname === "/desk/"`, `$("#card-`+first+`")`, `$(".notice")`)
	marko.clicks(`$(".take-next button")`)
	marko.sees(`location.pathname.startsWith("/desk/cases/")`, `$(".message.is-in")`)

	marko.clicks(`$(".me summary")`)
	marko.clicks(`$("form[action='/desk/sign-out'] button")`)
	marko.says("h1", "Sign in")
}

// hasNoDeadControls says that everything one could press does something.
func (o *operatorTab) hasNoDeadControls() {
	o.t.Helper()
	dead := reads[[]string](o.page, `$$("button[type=button], [role=button], a[href='#']").filter(e => e.checkVisibility()).map(e => e.outerHTML)`)
	if len(dead) > 0 {
		o.t.Errorf("without scripts these do nothing at %s: %q", reads[string](o.page, `location.pathname`), dead)
	}
}
