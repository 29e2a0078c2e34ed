package console_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

// What an operator does about a customer who is hard to reach shows at once, on the
// page they have before them.
func TestReachingInTheBrowser(t *testing.T) {
	browser := chromium(t)
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", kind: channels.SMS, text: "My screen"})
	_, err := h.work.Claim(t.Context(), anna, c.CaseNumber())
	h.must(err)
	h.says(c, "And my television")
	m := h.answers(anna, c, "It is ready")
	h.post.Add(desk.Notice{ID: "held", Case: c.CaseNumber(), Message: m.ID, State: "held", Held: true, Due: time.Now().Add(2 * time.Minute), To: c.To})
	h.post.Add(desk.Notice{ID: "lost", Case: c.CaseNumber(), Message: m.ID, State: "dead", Reason: "30003", Open: true, To: c.To})
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		return h.ledger.WantCall(tx, casecore.System("notify"), c.ID, "30003", m.ID)
	}))
	b := h.tab(browser, "anna")
	click := func(selector string) {
		t.Helper()
		b.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Click(selector, chromedp.ByQuery))
	}
	b.run(chromedp.Navigate(h.url+"/desk/cases/"+c.CaseNumber()), chromedp.WaitReady(".link-dot.is-live", chromedp.ByQuery), chromedp.Evaluate("window.same = true", nil))

	b.sees(`/^in 1:\d\d$/.test(document.querySelector("#m-3 .waits time").textContent)`)
	click(`#m-3 form[action$="/cancel"] button`)
	b.sees(`document.querySelector("#m-3.is-cancelled .delivery")?.textContent === "Not sent: stopped by a person"`)
	b.sees(`document.activeElement.id === "m-3"`) // the keyboard goes on where it was

	b.run(chromedp.Evaluate(`document.querySelector("#m-2 .move-to").open = true`, nil))
	click(`#m-2 .move-form button`)
	b.sees(`!document.querySelector("#m-2") && document.querySelector(".undo button")`)
	click(`.undo button`)
	b.sees(`[...document.querySelectorAll(".message-text")].some(e => e.textContent === "And my television") && !document.querySelector(".undo")`)

	click(`.invite form button`)
	b.sees(`document.querySelector(".invite-code path")?.getAttribute("d").length > 500`)
	b.run(chromedp.SendKeys("#call-note", "picks it up", chromedp.ByQuery))
	click(`.call-form [value="reached"]`)
	b.sees(`!document.querySelector(".call") && document.querySelector("#talk").textContent.includes("picks it up")`)
	b.sees(`document.querySelector("#invite-url")?.value.startsWith("https://t.me/")`) // other parts are read anew, the link stays
	b.sees(`window.same === true`)
	if k := h.read(anna, c.CaseNumber()); k.Call != nil {
		t.Errorf("still to be called: %+v", k.Call)
	}

	b.key("g")
	b.key("u")
	b.sees(`location.pathname === "/desk/notices"`)
	click(`form[action$="/resend"] button`)
	b.sees(`document.querySelector(".notice.is-green")?.textContent.includes("sent again") && document.querySelector(".empty h3")`)
	if n := h.post.Get("lost+"); n.State != "pending" {
		t.Errorf("nothing was sent again: %+v", n)
	}
	if b.frames.has("start=") {
		t.Error("the live feed has the link")
	}
}
