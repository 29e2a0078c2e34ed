package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/cmd/casewire/demo"
)

// browserHold: a status can be taken back before its customer is told, sent at once
// by who is sure, and undone with all it would have said. What did not arrive is sent
// again when the address is back.
func browserHold(t *testing.T, c *centre, web *chromium) {
	api := caller{t: t, url: c.url, token: c.file.APIToken}
	api.holds("20m")
	defer api.holds(demo.Hold)
	olena, visitor := web.operator(c, "olena"), web.visitor(c, "en")
	olena.signsIn()

	visitor.opensChat()
	visitor.writes("My laptop does not start any more")
	number := visitor.number()
	olena.opens("/desk/")
	olena.isLive()
	olena.sees(`$("#card-` + number + `")`)
	olena.claims(number)

	// The dialog says what the customer will read, and when.
	olena.clicks(`$(".move-ask:has([value=diagnosing]) summary")`)
	olena.sees(`$(".move-ask[open] .move-text").textContent.includes("looking for the fault")`,
		`$(".move-ask[open] .move-how").textContent.includes("unless taken back")`)
	olena.moves("diagnosing", "Diagnosing")
	olena.waits(true)
	olena.clicks(`$(".waits form[action$='/cancel'] button")`)
	olena.waits(false)
	olena.sees(`$$(".message.is-out .delivery").at(-1).textContent.trim() === "Not sent: stopped by a person"`)

	// One that is sent now arrives now.
	olena.clicks(`$(".move-ask:has([value=awaiting_approval]) summary")`)
	olena.moves("awaiting_approval", "Awaiting approval")
	olena.waits(true)
	olena.clicks(`$(".waits form[action$='/send'] button")`)
	visitor.readsLine(".status", "tell us whether we may go ahead")
	olena.waits(false)

	// A slip is undone by the status before, and nobody hears of either.
	olena.clicks(`$(".move-ask:has([value=in_repair]) summary")`)
	olena.moves("in_repair", "In repair")
	olena.waits(true)
	const back = `$(".move-ask:has([value=awaiting_approval])`
	olena.clicks(back + ` summary")`)
	olena.sees(back + ` .move-full").textContent.includes("Takes back what waits to be sent")`)
	olena.moves("awaiting_approval", "Awaiting approval")
	olena.waits(false)
	const answer = "Is the afternoon all right for you?"
	olena.answers(answer)
	visitor.readsLine(".operator", answer)
	if lines := strings.Join(visitor.lines(), "\n"); strings.Contains(lines, "looking for the fault") || strings.Contains(lines, "has begun") {
		t.Errorf("the customer was told what had been taken back:\n%s", lines)
	}

	resent(t, c, olena)
}

// resent: the customer has blocked the bot, is on the list of those who were not
// reached, and is sent the same again when they are back.
func resent(t *testing.T, c *centre, olena *operatorTab) {
	const me, answer = "70010003", "Your watch can be fetched from noon on."
	before := olena.board()
	acts(t, c.url, "telegram", url.Values{"me": {me}, "do": {"say"}, "text": {"My watch has stopped"}})
	number := olena.takesNew(before)
	acts(t, c.url, "telegram", url.Values{"me": {me}, "do": {"block"}})
	olena.answers(answer)
	olena.sees(`$$(".message.is-out .delivery").at(-1)?.textContent.includes("refuses messages")`)
	acts(t, c.url, "telegram", url.Values{"me": {me}, "do": {"unblock"}})
	row := fmt.Sprintf(`$$(".lost-row").find(r => r.textContent.includes(%q))`, number)
	again := row + `?.querySelector("form[action$='/resend'] button")`
	end := time.Now().Add(pageWait)
	for olena.opens("/desk/notices"); !reads[bool](olena.page, `!!`+again); olena.opens("/desk/notices") {
		if time.Now().After(end) {
			t.Fatalf("the address is not open again; the page says %s", reads[string](olena.page, `document.body.innerText`))
		}
	}
	olena.clicks(again)
	olena.sees(`!` + row)
	if !eventually(func() bool {
		return strings.Contains(body(t, c.url+"/sandbox/phone/telegram?me="+me), answer)
	}) {
		t.Error("what was sent again has not arrived")
	}
}

// eventually asks until the answer is yes.
func eventually(ok func() bool) bool {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	late := time.After(pageWait)
	for !ok() {
		select {
		case <-look.C:
		case <-late:
			return false
		}
	}
	return true
}

// holds publishes the policy with another hold.
func (c caller) holds(hold string) {
	c.t.Helper()
	pol := c.wants(http.StatusOK, http.MethodGet, "/policy", nil)
	lines := strings.Split(fmt.Sprint(pol["document"]), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "  hold: ") })
	if i < 0 {
		c.t.Fatal("the policy has no hold")
	}
	lines[i] = "  hold: " + hold
	c.wants(http.StatusOK, http.MethodPut, "/policy", map[string]any{"document": strings.Join(lines, "\n")}, "If-Match", fmt.Sprint(pol["etag"]))
}

// moves presses the button of an opened status dialog and waits for the status.
func (o *operatorTab) moves(to, name string) {
	o.t.Helper()
	o.clicks(`$(".move-ask[open] [value=` + to + `]")`)
	o.says(".case-line .status", name)
}

// waits says that a message of the case waits to go out, or that none does.
func (o *operatorTab) waits(yes bool) {
	o.t.Helper()
	if yes {
		o.sees(`$(".waits form[action$='/send'] button")`, `$(".waits form[action$='/cancel'] button")`, `$(".waits time").textContent.trim() !== ""`)
		return
	}
	o.sees(`!$(".waits form")`)
}
