package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browserShots takes pictures of every page, for looking at them: three widths,
// two themes, two languages. One of them is the README's.
func browserShots(t *testing.T, c *centre, web *chromium) {
	folder := os.Getenv("CASEWIRE_SCREENSHOTS")
	if folder == "" {
		t.Skip("CASEWIRE_SCREENSHOTS names no folder for the pictures")
	}
	c.must(os.MkdirAll(folder, 0o755))
	stranger, vera := web.person("a stranger", nil), web.operator(c, "vera")
	stranger.wears("light")
	vera.wears("light")
	vera.signsIn()
	talk := vera.hasAMorning(web)

	vera.opens("/desk/cases/" + talk.number)
	vera.isLive()
	vera.saves(folder, "screenshot")
	if info, err := os.Stat(filepath.Join(folder, "screenshot.png")); err != nil || info.Size() > 250<<10 {
		t.Errorf("the README's picture: %v, %v", info, err)
	}

	for _, lang := range []string{"en", "ru"} {
		for _, theme := range []string{"light", "dark"} {
			for _, wide := range []int64{1440, 768, 360} {
				view := view{lang, theme, wide}
				shoot := func(p *page, name, path string, ready ...string) {
					p.looksAs(view)
					p.goes(c.url + path)
					if len(ready) > 0 {
						p.sees(ready...)
					}
					p.saves(folder, fmt.Sprintf("%s-%s", name, view))
				}
				shoot(stranger, "sign-in", "/desk/sign-in")
				shoot(stranger, "sandbox", "/sandbox/", `$("iframe").contentDocument?.readyState === "complete"`, `$("iframe").contentDocument.querySelector("#offline")?.hidden`)
				shoot(stranger, "sample", "/chat/", `root`)
				shoot(vera.page, "board", "/desk/", `$(".link-dot.is-live")`)
				shoot(vera.page, "case", "/desk/cases/"+talk.number, `$(".link-dot.is-live")`)
				shoot(vera.page, "mine", "/desk/mine", `$(".link-dot.is-live")`)
				for _, v := range talk.visitors {
					if v.lang == lang {
						v.looksAs(view)
						v.opensChat()
						v.sees(`$$("#lines li", chat).length > 2`)
						v.saves(folder, fmt.Sprintf("widget-%s", view))
					}
				}
			}
		}
	}
}

// morning is what the pictures show.
type morning struct {
	number   string // of the case with the longest conversation
	visitors []*visitorTab
}

// hasAMorning gives an operator work in two languages, told as it happens.
func (o *operatorTab) hasAMorning(web *chromium) (m morning) {
	o.t.Helper()
	for _, s := range []struct {
		lang        string
		says        []string
		answers     []string
		brand, name string
	}{
		{"ru", []string{
			"Здравствуйте! Разбит экран на iPhone 13, сенсор работает. Сколько стоит замена и за какое время сделаете?",
			"Подойдёт, буду сегодня около шести.",
		}, []string{
			"Добрый день! Замена экрана на iPhone 13 стоит 4 900 грн, делаем за два часа при вас. Сохраняем True Tone.",
			"Ждём вас. Возьмите, пожалуйста, документ.",
		}, "Apple", "iPhone 13"},
		{"en", []string{
			"Hi! The screen of my iPhone 13 is cracked. How much is a new one, and how long does it take?",
			"That works for me. I can be there at six, is that too late?",
		}, []string{
			"Hello! A new screen is 4,900 UAH with the work. We fit it in two hours, while you wait.",
			"Six is fine, we are open until eight. Please bring an ID.",
		}, "Apple", "iPhone 13"},
	} {
		v := web.visitor(o.at, s.lang)
		v.opensChat()
		for i, says := range s.says {
			v.writes(says)
			m.number = v.number()
			if i == 0 {
				o.opens("/desk/")
				o.isLive()
				o.sees(`$("#card-` + m.number + `")`)
				o.claims(m.number)
			}
			o.sees(fmt.Sprintf(`$("#talk").textContent.includes(%q)`, says))
			o.answers(s.answers[i])
			v.readsLine(".operator", s.answers[i])
			o.seesRead(s.answers[i])
		}
		for field, value := range map[string]string{"brand": s.brand, "model": s.name} {
			o.clicks(`$("[name='attr.` + field + `']")`)
			o.types(value)
			o.clicks(`$("form[action$='/attributes'] .fields-foot button")`)
			o.sees(fmt.Sprintf(`$("[name='was.attr.%s']").value === %q`, field, value))
		}
		o.clicks(`$(".move-ask:has([value=in_repair]) summary")`)
		o.clicks(`$(".move-ask [value=in_repair]")`)
		o.says(".case-line .status", "In repair")
		v.sees(`$("#lines .status", chat)`)
		m.visitors = append(m.visitors, v)
	}
	return m
}

// view is one way to look at a page.
type view struct {
	lang, theme string
	wide        int64
}

func (v view) String() string { return fmt.Sprintf("%d-%s-%s", v.wide, v.theme, v.lang) }

func (p *page) looksAs(v view) {
	p.t.Helper()
	high := map[int64]int64{1440: 900, 768: 1024, 360: 740}[v.wide]
	p.wears(v.theme)
	p.run(screen(v.wide, high), network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": v.lang}))
}

// saves writes what the window shows.
func (p *page) saves(folder, name string) {
	p.t.Helper()
	var shot []byte
	p.run(chromedp.CaptureScreenshot(&shot))
	if err := os.WriteFile(filepath.Join(folder, name+".png"), shot, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
