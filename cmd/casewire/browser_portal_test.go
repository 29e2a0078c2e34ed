package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp/kb"

	"casewire/channels/telegram/sandbox"
)

// TestCustomersPage tries the customer's own page in Chromium, as the demo links to
// it: without scripts, by the keyboard alone, judged by axe-core.
func TestCustomersPage(t *testing.T) {
	web := openChromium(t)
	c := &wisher{centre: openCentre(t), phone: "+447700900177", chat: 70010099}
	c.api = caller{t: t, url: c.url, token: c.file.APIToken}
	path := c.repairs()
	t.Run("wishes", func(t *testing.T) { portalWishes(t, c.in(t), web.in(t), path) })
	t.Run("axe", func(t *testing.T) { portalAxe(t, c.in(t), web.in(t), path) })
	t.Run("pictures", func(t *testing.T) { portalShots(t, c.in(t), web.in(t), path) })
}

// repairs brings a case to the point where the customer has heard of it on two
// channels, and returns the path of its page.
func (c *wisher) repairs() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	c.world.Telegram.Join(sandbox.Person{ID: c.chat, First: "Grace", Lang: "en"})
	c.texts(ctx, "The screen of my Galaxy S24 Ultra is cracked")
	c.api.wants(http.StatusOK, http.MethodPost, "/cases/"+c.number+"/claim", nil)
	k := c.api.wants(http.StatusOK, http.MethodGet, "/cases/"+c.number, nil)
	c.api.wants(http.StatusOK, http.MethodPatch, "/cases/"+c.number, map[string]any{"attributes": map[string]string{"brand": "Samsung", "model": "Galaxy S24 Ultra"}}, "If-Match", fmt.Sprint(k["etag"]))
	who := k["customer"].(map[string]any)
	c.api.wants(http.StatusOK, http.MethodPatch, "/customers/"+fmt.Sprint(who["id"]), map[string]any{"addresses": []any{map[string]any{"kind": "email", "handle": "grace.okafor@mail.test"}}})
	link := c.api.wants(http.StatusOK, http.MethodPost, "/cases/"+c.number+"/link", nil)
	u, err := url.Parse(fmt.Sprint(link["url"]))
	c.must(err)
	c.world.Telegram.Start(c.chat, u.Query().Get("start"))
	c.tells(ctx, "now belongs to case "+c.number)
	for _, to := range []string{"diagnosing", "awaiting_approval", "in_repair"} {
		c.moves(to)
	}
	c.tells(ctx, "has begun")
	return c.page()
}

// portalWishes: a customer without scripts and without a mouse chooses another
// channel and stops one.
func portalWishes(t *testing.T, c *centre, web *chromium, path string) {
	grace := web.person("the customer", nil)
	grace.run(emulation.SetScriptExecutionDisabled(true))
	grace.goes(c.url + path + "?lang=en")
	grace.sees(`$("h1").textContent === "In repair"`, `$$(".step.is-done").length >= 3`, `$("[aria-current=step]").textContent.includes("In repair")`)
	focus := func(element string) {
		t.Helper()
		for range 40 {
			grace.press(kb.Tab)
			if reads[bool](grace, `document.activeElement === `+element) {
				return
			}
		}
		t.Fatalf("the keyboard does not come to %s", element)
	}
	focus(`$("[name=at]:checked")`)
	for range 3 {
		if reads[bool](grace, `document.activeElement.parentElement.textContent.includes("SMS +447…77") && document.activeElement.value !== ""`) {
			break
		}
		grace.press(kb.ArrowDown)
	}
	focus(`$("form[action*='/where'] button")`)
	grace.press(kb.Enter)
	grace.sees(`$(".news")?.textContent.includes("The next news comes there")`, `$("[name=at]:checked").parentElement.textContent.includes("SMS +447…77")`)
	focus(`$$("form[action*='/stop'] button").find(b => b.textContent.includes("Email"))`)
	grace.press(kb.Enter)
	grace.sees(`$(".news")?.textContent.includes("We do not write there any more")`, `$(".is-shut strong").textContent === "Email"`)
	focus(`$("form[action*='/again'] button")`)
	grace.press(kb.Enter)
	grace.sees(`$(".news")?.textContent.includes("We write there again")`, `!$(".is-shut")`)

	// One column on a telephone, and nothing sticks out of it.
	for _, wide := range []int64{320, 360, 768, 1440} {
		grace.run(screen(wide, 740))
		grace.sees(`document.documentElement.scrollWidth <= innerWidth`)
	}
}

func portalAxe(t *testing.T, c *centre, web *chromium, path string) {
	axe := fetchAxe(t)
	p := web.person("the customer", nil)
	p.wears("light")
	p.goes(c.url + path + "?saved=where")
	p.passes(axe, "the customer's page")
	p.forgive("answer 404 " + c.url + "/c/nothing")
	p.goes(c.url + "/c/nothing")
	p.passes(axe, "a link that opens nothing")
}

// portalShots takes pictures of the page, for looking at them.
func portalShots(t *testing.T, c *centre, web *chromium, path string) {
	folder := os.Getenv("CASEWIRE_SCREENSHOTS")
	if folder == "" {
		t.Skip("CASEWIRE_SCREENSHOTS names no folder for the pictures")
	}
	c.must(os.MkdirAll(folder, 0o755))
	p := web.person("the customer", nil)
	p.forgive("answer 404 " + c.url + "/c/nothing")
	for _, lang := range []string{"en", "ru"} {
		for _, theme := range []string{"light", "dark"} {
			for _, wide := range []int64{1440, 768, 360} {
				v := view{lang, theme, wide}
				p.looksAs(v)
				p.run(screen(wide, map[int64]int64{1440: 1300, 768: 2000, 360: 2400}[wide]))
				p.goes(c.url + path + "?lang=" + lang + "&saved=language")
				p.saves(folder, fmt.Sprintf("portal-%s", v))
			}
		}
		p.looksAs(view{lang, "light", 360})
		p.goes(c.url + "/c/nothing")
		p.saves(folder, "portal-nothing-"+lang)
		p.run(screen(794, 1123), emulation.SetEmulatedMedia().WithMedia("print"))
		p.goes(c.url + path + "?lang=" + lang)
		p.saves(folder, "portal-print-"+lang)
		p.run(emulation.SetEmulatedMedia())
	}
}
