package main

import (
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp/kb"
)

// TestDemoPhones: on the sandbox's pages one is the customer of every channel. What
// is written at a device becomes a case on the operator's board, and the operator's
// answer arrives at the device.
func TestDemoPhones(t *testing.T) {
	web := openChromium(t)
	c := openCentre(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *centre, *chromium)
	}{
		{"mail", phonesMail},
		{"telegram", phonesTelegram},
		{"sms", phonesSMS},
		{"without scripts", phonesPlain},
		{"axe", phonesAxe},
		{"pictures", phonesShots},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, c.in(t), web.in(t)) })
	}
}

// customer opens a tab for somebody at one of the sandbox's devices.
func (b *chromium) customer(c *centre, device, me string) *page {
	b.t.Helper()
	p := b.person("the customer", nil)
	p.goes(c.url + "/sandbox/phone/" + device + "?lang=en&me=" + me)
	return p
}

// takes waits for a new card on the board, claims it and returns its number.
func (o *operatorTab) takesNew(than []string) string {
	o.t.Helper()
	fresh := fmt.Sprintf(`$$(".card").map(c => c.dataset.number).find(n => !%s.includes(n))`, jsList(than))
	o.sees(fresh)
	number := reads[string](o.page, fresh)
	o.claims(number)
	return number
}

// board opens the queues and returns the numbers of the cards there.
func (o *operatorTab) board() []string {
	o.t.Helper()
	o.opens("/desk/")
	o.isLive()
	return reads[[]string](o.page, `$$(".card").map(c => c.dataset.number)`)
}

func jsList(list []string) string {
	out := "["
	for _, s := range list {
		out += fmt.Sprintf("%q,", s)
	}
	return out + "]"
}

func phonesMail(t *testing.T, c *centre, web *chromium) {
	const words, answer = "The screen of my tablet flickers since this morning.", "Please bring it in, we have a look while you wait."
	vera := web.operator(c, "vera")
	vera.signsIn()
	before := vera.board()

	daniel := web.customer(c, "email", "daniel@mail.test")
	daniel.hits(`$(".tools .primary")`)
	daniel.sees(`$("[name=to]")?.value === "support@shop.test"`)
	daniel.fills("[name=subject]", "Tablet flickers")
	daniel.fills("#text", words)
	daniel.hits(`$("[name=sample]")`)
	daniel.sees(`$("[name=sample]").checked`)
	daniel.hits(`$(".letter .primary")`)
	daniel.sees(`$(".rows a span")?.textContent === "Tablet flickers"`, `$(".tools [aria-current]").textContent === "Sent"`)

	// The case is on the board, and opens with the words and the picture.
	number := vera.takesNew(before)
	vera.sees(fmt.Sprintf(`$("#talk").textContent.includes(%q)`, words), `$("#talk").innerHTML.includes("crack.jpg")`)
	vera.answers(answer)

	// The answer comes into the inbox by itself, and is read.
	daniel.goes(c.url + "/sandbox/phone/email?lang=en&me=daniel@mail.test")
	// The receipt with the case's number comes first, then the answer.
	daniel.sees(`$$(".rows a span").filter(s => s.textContent.includes("Re: Tablet flickers")).length === 2`)
	mails := reads[int](daniel, `$$(".rows a").length`)
	daniel.hits(`$$(".rows a").find(a => a.textContent.includes("Re: Tablet flickers"))`)
	daniel.sees(fmt.Sprintf(`$(".text")?.textContent.includes(%q)`, answer))

	// A reply carries the history below it and joins the case.
	const reply = "Thank you, I come at five."
	daniel.hits(`$(".acts a")`)
	daniel.sees(fmt.Sprintf(`$("#text")?.value.includes("wrote:\n\n> " + %q)`, answer), `document.activeElement.id === "text"`, `document.readyState === "complete"`)
	daniel.types(reply)
	daniel.sees(fmt.Sprintf(`$("#text").value.startsWith(%q)`, reply))
	daniel.hits(`$(".letter .primary")`)
	daniel.sees(`$(".tools [aria-current]").textContent === "Sent"`)
	vera.opens("/desk/cases/" + number)
	vera.sees(fmt.Sprintf(`$$(".message.is-in .message-text").some(m => m.textContent.trim() === %q)`, reply))

	// The second answer is shown without a reload.
	daniel.goes(c.url + "/sandbox/phone/email?lang=en&me=daniel@mail.test")
	daniel.sees(fmt.Sprintf(`$$(".rows a").length >= %d`, mails))
	mails = reads[int](daniel, `window.neverLeft = true, $$(".rows a").length`)
	vera.isLive()
	vera.answers("See you then.")
	daniel.sees(fmt.Sprintf(`$$(".rows a").length > %d`, mails), `window.neverLeft`)
}

// hits clicks on a page whose style is there, so that nothing moves any more.
func (p *page) hits(element string) {
	p.t.Helper()
	p.sees(`document.readyState === "complete"`)
	p.clicks(element)
}

// fills writes into a field.
func (p *page) fills(field, text string) {
	p.t.Helper()
	p.hits(fmt.Sprintf(`$(%q)`, field))
	p.sees(fmt.Sprintf(`document.activeElement === $(%q)`, field))
	p.types(text)
	p.sees(fmt.Sprintf(`$(%q).value.includes(%q)`, field, text))
}

// texts puts text into a phone's composer and sends it by Enter.
func (p *page) texts(text string) {
	p.t.Helper()
	p.fills("#text", text)
	p.press(kb.Enter)
	p.shows(".mine", text)
	p.sees(`$("#text").value === ""`)
}

// shows waits until a bubble of a phone contains these words.
func (p *page) shows(of, words string) {
	p.t.Helper()
	p.sees(fmt.Sprintf(`$$(".bubble%s").some(b => b.textContent.includes(%q))`, of, words))
}

func phonesTelegram(t *testing.T, c *centre, web *chromium) {
	const words, answer = "Televizor se gasi posle pet minuta", "Donesite ga, pogledaćemo danas."
	vera := web.operator(c, "vera")
	vera.signsIn()
	before := vera.board()

	luka := web.customer(c, "telegram", "70010003")
	luka.texts(words)
	number := vera.takesNew(before)
	vera.sees(fmt.Sprintf(`$("#talk").textContent.includes(%q)`, words))
	luka.shows(":not(.mine)", number)
	vera.answers(answer)
	luka.shows(":not(.mine)", answer)

	// An album is one message; a voice and a photo arrive with their bytes.
	luka.hits(`$(".composer summary")`)
	luka.hits(`$("[value=album]")`)
	luka.sees(`$$(".bubble.mine img").length === 2`, `!$(".menu.up").open`)
	vera.sees(`$$("#talk .message.is-in img").length >= 2`)
	luka.hits(`$(".composer summary")`)
	luka.hits(`$("[value=voice]")`)
	luka.sees(`$(".bubble.mine audio")`)

	// An edited message is the same message.
	luka.texts("Model je LG 43")
	luka.hits(`$(".composer summary")`)
	luka.hits(`$("[value=edit]")`)
	luka.sees(`$("#text").value === "Model je LG 43"`)
	luka.types("UP75")
	luka.press(kb.Enter)
	luka.shows(".mine", "LG 43UP75")
	vera.sees(`$("#talk").textContent.includes("LG 43UP75")`)

	// Whoever blocks the bot is not written to.
	luka.hits(`$(".bar summary")`)
	luka.hits(`$("[value=block]")`)
	luka.sees(`$("#standing").textContent.includes("blocked")`, `!$(".composer")`)
	luka.hits(`$(".wide")`)
	luka.sees(`$(".composer")`, `$("#standing").textContent.includes("@")`)
}

func phonesSMS(t *testing.T, c *centre, web *chromium) {
	const words, answer = "My vacuum robot drives in circles again", "Please bring it in, the first look is free."
	vera := web.operator(c, "vera")
	vera.signsIn()
	before := vera.board()

	grace := web.customer(c, "sms", "%2B447700900123")
	grace.texts(words)
	number := vera.takesNew(before)
	vera.sees(fmt.Sprintf(`$("#talk").textContent.includes(%q)`, words))
	grace.shows(":not(.mine)", number)
	vera.answers(answer)
	grace.shows(":not(.mine)", answer)
	grace.shows(":not(.mine)", "parts: 1 · ")

	grace.hits(`$("[value=STOP]")`)
	grace.shows(":not(.mine)", "unsubscribed")
	grace.hits(`$("[value=START]")`)
	grace.shows(":not(.mine)", "re-subscribed")

	// A phone that is switched off never gets the answer, and the page says why.
	off := web.customer(c, "sms", "%2B15005553003")
	off.texts("Is my tablet ready?")
	off.shows(".away", "Never arrived (30003)")
}

// phonesPlain: the pages work by plain forms alone.
func phonesPlain(t *testing.T, c *centre, web *chromium) {
	p := web.customer(c, "telegram", "70010004")
	p.run(emulation.SetScriptExecutionDisabled(true))
	p.goes(c.url + "/sandbox/phone/telegram?lang=en&me=70010004")
	p.fills("#text", "Do you repair coffee machines?")
	p.hits(`$(".send")`)
	p.shows(".mine", "Do you repair coffee machines?")
	// Its end is in view without a script that scrolls.
	p.sees(`(r => r.bottom <= innerHeight)($$(".bubble").at(-1).getBoundingClientRect())`)
	p.goes(c.url + "/sandbox/email?lang=en")
	p.sees(`$("iframe").src.includes("/sandbox/phone/email")`)
}

func phonesAxe(t *testing.T, c *centre, web *chromium) {
	axe := fetchAxe(t)
	p := web.person("a stranger", nil)
	p.wears("light")
	for _, path := range []string{
		"/sandbox/", "/sandbox/email", "/sandbox/phone/email", "/sandbox/phone/email?write=new", "/sandbox/phone/email?me=daniel@mail.test&id=INBOX+1",
		"/sandbox/phone/telegram", "/sandbox/phone/sms", "/sandbox/phone/sms?me=%2B15005553003",
	} {
		p.goes(c.url + path)
		p.passes(axe, path)
	}
}

// phonesShots takes pictures of the sandbox's pages, for looking at them.
func phonesShots(t *testing.T, c *centre, web *chromium) {
	folder := os.Getenv("CASEWIRE_SCREENSHOTS")
	if folder == "" {
		t.Skip("CASEWIRE_SCREENSHOTS names no folder for the pictures")
	}
	c.must(os.MkdirAll(folder, 0o755))
	c.offersButtons("70010002")
	p := web.person("a stranger", nil)
	for _, lang := range []string{"en", "ru"} {
		for _, theme := range []string{"light", "dark"} {
			for _, wide := range []int64{1440, 768, 360} {
				v := view{lang, theme, wide}
				for _, shot := range []struct{ name, path string }{
					{"sandbox-chat", "/sandbox/"}, {"sandbox-email", "/sandbox/email"},
					{"sandbox-telegram", "/sandbox/telegram"}, {"sandbox-sms", "/sandbox/sms"},
					{"phone-email", "/sandbox/phone/email?me=daniel@mail.test"}, {"phone-email-open", "/sandbox/phone/email?me=daniel@mail.test&id=INBOX+1"},
					{"phone-email-write", "/sandbox/phone/email?me=daniel@mail.test&id=INBOX+1&write=reply"},
					{"phone-telegram", "/sandbox/phone/telegram?me=70010003"}, {"phone-sms", "/sandbox/phone/sms?me=%2B447700900123"},
					{"phone-telegram-buttons", "/sandbox/phone/telegram?me=70010002"}, {"phone-telegram-empty", "/sandbox/phone/telegram?me=70010004"}, {"phone-sms-off", "/sandbox/phone/sms?me=%2B15005553003"},
				} {
					p.looksAs(v)
					p.goes(c.url + shot.path)
					p.sees(`document.readyState === "complete"`, `!$("iframe") || $("iframe").contentDocument?.readyState === "complete"`)
					if shot.name == "phone-telegram" {
						p.clicks(`$(".composer summary")`)
					}
					p.saves(folder, fmt.Sprintf("%s-%s", shot.name, v))
				}
			}
		}
	}
}

// offersButtons has the bot ask something that is answered by pressing.
func (c *centre) offersButtons(chat string) {
	c.t.Helper()
	res, err := once.PostForm(c.world.Telegram.URL()+"/bot"+c.world.Telegram.Token()+"/sendMessage", url.Values{
		"chat_id": {chat}, "text": {"Замена дисплея и чистка после воды: 4 900 грн, два дня. Делаем?"},
		"reply_markup": {`{"inline_keyboard":[[{"text":"Да, делайте","callback_data":"yes"},{"text":"Нет","callback_data":"no"}],[{"text":"Позвоните мне","callback_data":"call"}]]}`},
	})
	c.must(err)
	c.must(res.Body.Close())
}
