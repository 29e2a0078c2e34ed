package main

import (
	"fmt"
	"net/url"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"
)

// operatorTab is somebody at the console.
type operatorTab struct {
	*page
	at    *centre
	login string
}

// operator opens a tab for an operator and listens in on all that it is told.
func (b *chromium) operator(c *centre, login string) *operatorTab {
	b.t.Helper()
	return &operatorTab{b.person(login, &wire{}), c, login}
}

// signsIn goes to the sign-in page and waits for the board.
func (o *operatorTab) signsIn() {
	o.t.Helper()
	o.opens("/desk/")
	o.sees(`$("[name=login]") === document.activeElement`)
	o.types(o.login)
	o.press(kb.Tab)
	o.types(o.at.password(o.login))
	o.press(kb.Enter)
	o.sees(`location.pathname === "/desk/"`)
}

// isLive waits until the page hears the feed.
func (o *operatorTab) isLive() { o.t.Helper(); o.sees(`$(".link-dot.is-live")`) }

// opens goes to an address of the console.
func (o *operatorTab) opens(path string) { o.t.Helper(); o.goes(o.at.url + path) }

// claims takes a case by the keyboard: j until its card is chosen, then c.
func (o *operatorTab) claims(number string) {
	o.t.Helper()
	for range reads[int](o.page, `$$(".card").length`) {
		o.press("j")
		if reads[bool](o.page, `document.activeElement.closest(".card")?.dataset.number === "`+number+`"`) {
			break
		}
	}
	o.press("c")
	o.sees(`location.pathname === "/desk/cases/` + number + `"`)
	o.isLive()
}

// answers writes to the customer by the keyboard alone.
func (o *operatorTab) answers(text string) {
	o.t.Helper()
	if !reads[bool](o.page, `document.activeElement.id === "text"`) {
		o.press("r")
		o.sees(`document.activeElement.id === "text"`)
	}
	o.types(text)
	o.strikes(kb.Enter, input.ModifierCtrl)
	o.sees(fmt.Sprintf(`$$(".message.is-out .message-text").some(m => m.textContent === %q)`, text), `$("#text").value === ""`)
}

// visitorTab is a customer with a telephone's worth of patience.
type visitorTab struct {
	*page
	at   *centre
	lang string
}

// visitor opens a tab for somebody who comes to the site.
func (b *chromium) visitor(c *centre, lang string) *visitorTab {
	b.t.Helper()
	return &visitorTab{b.person("the visitor", nil), c, lang}
}

// opensChat goes to the site, or loads it again, and presses the chat's button.
func (v *visitorTab) opensChat() {
	v.t.Helper()
	v.goes(v.at.url + "/chat/?lang=" + url.QueryEscape(v.lang))
	v.clicks(`root?.querySelector("button")`)
	v.sees(`chat?.readyState === "complete"`, `chat.activeElement?.id === "text"`, `chat.getElementById("offline").hidden`)
}

// writes sends a message; it may still be on its way afterwards.
func (v *visitorTab) writes(text string) {
	v.t.Helper()
	v.types(text)
	v.press(kb.Enter)
	v.sees(`chat.getElementById("text").value === ""`, fmt.Sprintf(`$$("#lines .mine p", chat).some(p => p.textContent === %q)`, text))
}

// number is that of the visitor's case, once the chat shows it.
func (v *visitorTab) number() string {
	v.t.Helper()
	v.sees(`chat.getElementById("case").textContent`)
	return reads[string](v.page, `chat.getElementById("case").textContent`)
}

// lines are what the conversation shows, oldest first.
func (v *visitorTab) lines() []string {
	v.t.Helper()
	return reads[[]string](v.page, `$$("#lines li", chat).map(l => l.querySelector("p").textContent)`)
}

// readsLine waits until a line of the conversation contains these words.
func (v *visitorTab) readsLine(of, words string) {
	v.t.Helper()
	v.sees(fmt.Sprintf(`$$("#lines li%s p", chat).some(p => p.textContent.includes(%q))`, of, words))
}
