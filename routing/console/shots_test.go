package console_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// TestShots takes pictures of every page into the folder that CASEWIRE_SCREENSHOTS
// names, for people to look at. It checks nothing but that scripts run without an
// error; the other tests do.
func TestShots(t *testing.T) {
	folder := os.Getenv("CASEWIRE_SCREENSHOTS")
	if folder == "" {
		t.Skip("CASEWIRE_SCREENSHOTS names no folder for the pictures")
	}
	h := newHouse(t)
	anna := h.operator("anna", "Anna Kovalchuk", []string{"operator"}, "phones", "computers", "appliances", "tv", "general")
	h.operator("idle", "Марко Петровић", []string{"operator"}, "tv")
	number := furnish(h, anna)
	mail := h.correspondence(anna)
	trouble := h.troubles(anna)
	h.settled(anna, 43)

	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromiumPath(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("hide-scrollbars", false))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("script: %s", e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
				t.Errorf("console: %s %s", e.Entry.Text, e.Entry.URL)
			}
		}
	})
	shot := func(name, path, lang, theme string, width, height int64, also ...chromedp.Action) {
		var data []byte
		actions := []chromedp.Action{
			log.Enable(),
			chromedp.ActionFunc(func(ctx context.Context) error {
				return emulation.SetDeviceMetricsOverride(width, height, 1, width < 500).Do(ctx)
			}),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}),
			chromedp.Evaluate(fmt.Sprintf("document.cookie = 'casewire_lang=%s; path=/desk/'", lang), nil),
			chromedp.Navigate(h.url + path),
			chromedp.WaitReady("body"),
			chromedp.Sleep(350 * time.Millisecond),
		}
		actions = append(append(actions, also...), chromedp.CaptureScreenshot(&data))
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		h.must(os.WriteFile(filepath.Join(folder, name+".png"), data, 0o600))
	}
	if err := chromedp.Run(ctx, chromedp.Navigate(h.url+"/desk/")); err != nil {
		t.Fatal(err)
	}
	shot("signin-1440-light", "/desk/sign-in", "en", "light", 1440, 900)
	shot("signin-360-dark", "/desk/sign-in", "ru", "dark", 360, 740)
	if err := chromedp.Run(ctx,
		chromedp.SendKeys(`[name="login"]`, "anna"), chromedp.SendKeys(`[name="password"]`, password+"\r"),
		chromedp.WaitVisible("#cards")); err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		width, height int64
		lang, theme   string
	}{{1440, 900, "en", "light"}, {1440, 900, "ru", "dark"}, {768, 1024, "ru", "light"}, {768, 1024, "en", "dark"}, {360, 740, "ru", "light"}, {360, 740, "en", "dark"}} {
		as := fmt.Sprintf("-%d-%s-%s", v.width, v.lang, v.theme)
		shot("board"+as, "/desk/", v.lang, v.theme, v.width, v.height)
		shot("mine"+as, "/desk/mine", v.lang, v.theme, v.width, v.height)
		shot("case"+as, "/desk/cases/"+number, v.lang, v.theme, v.width, v.height)
		shot("lost"+as, "/desk/notices", v.lang, v.theme, v.width, v.height)
		shot("trouble"+as, "/desk/cases/"+trouble, v.lang, v.theme, v.width, v.height, chromedp.Sleep(300*time.Millisecond))
		shot("told"+as, "/desk/cases/"+trouble, v.lang, v.theme, v.width, v.height, chromedp.Evaluate(`document.querySelector("[data-panel]").click(); document.querySelector(".move-ask").open = true`, nil), chromedp.Sleep(400*time.Millisecond))
		shot("invite"+as, "/desk/cases/"+trouble, v.lang, v.theme, v.width, v.height, chromedp.Evaluate(`document.querySelector("[data-panel]").click(); document.querySelector("form[action$='/link'] button").click()`, nil), chromedp.Sleep(600*time.Millisecond), chromedp.Evaluate(`document.querySelector(".invite").scrollIntoView()`, nil), chromedp.Sleep(200*time.Millisecond))
		shot("mail"+as, "/desk/cases/"+mail, v.lang, v.theme, v.width, v.height, chromedp.Sleep(200*time.Millisecond))
		for _, fold := range []string{"#m-1 .letter", "#m-3 .fold"} {
			name := map[string]string{"#m-1 .letter": "letter", "#m-3 .fold": "quoted"}[fold]
			shot(name+as, "/desk/cases/"+mail, v.lang, v.theme, v.width, v.height,
				chromedp.Evaluate(`for (const d of document.querySelectorAll("`+fold+`")) d.open = true; document.querySelector("`+fold+`").scrollIntoView({block: "start"})`, nil), chromedp.Sleep(600*time.Millisecond))
		}
		if v.width < 1024 {
			shot("details"+as, "/desk/cases/"+number, v.lang, v.theme, v.width, v.height, chromedp.Click("[data-panel]"), chromedp.Sleep(350*time.Millisecond))
		}
	}
	shot("address-1440-ru-light", "/desk/cases/"+mail, "ru", "light", 1440, 900, chromedp.Evaluate(`document.querySelector("#p-customer").scrollIntoView()`, nil), chromedp.Sleep(200*time.Millisecond))
	shot("claim-1440-en-light", "/desk/cases/CW-000012", "en", "light", 1440, 900)
	shot("queue-1440-sr-light", "/desk/?queue=phones", "sr-Latn", "light", 1440, 900, chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.Sleep(200*time.Millisecond))
	shot("help-1440-uk-dark", "/desk/", "uk", "dark", 1440, 900, chromedp.KeyEvent("?"), chromedp.Sleep(200*time.Millisecond))
	shot("menu-1440-en-light", "/desk/mine", "en", "light", 1440, 900, chromedp.Click(".me > summary"), chromedp.Sleep(200*time.Millisecond))
	shot("note-1440-ru-light", "/desk/cases/"+number, "ru", "light", 1440, 900, chromedp.KeyEvent("m"), chromedp.SendKeys("#text", "Проверить шлейф перед выдачей.\nКлиент просил позвонить."), chromedp.Sleep(200*time.Millisecond))
	shot("missing-1440-en-light", "/desk/cases/CW-999999", "en", "light", 1440, 900)
	shot("compact-1440-en-light", "/desk/", "en", "light", 1440, 900, chromedp.Evaluate("document.documentElement.dataset.density='compact'", nil))
	shot("empty-1440-en-light", "/desk/?queue=tv", "en", "light", 1440, 900)
}

// furnish fills the house with a working day and returns the number of the case
// that has the longest conversation.
func furnish(h *house, anna casecore.Actor) string {
	subjects := []struct{ who, lang, queue, category, subject, text string }{
		{"Олена Шевченко-Добровольська", "uk", "phones", "phone", "Розбитий екран iPhone 13, чи можна сьогодні?", "Добрий день! Вчора впав телефон."},
		{"James O’Connor", "en", "computers", "computer", "Laptop shuts down after ten minutes", "Hello, it gets very hot."},
		{"Милица Ђорђевић", "sr", "appliances", "appliance", "Веш машина не избацује воду", "Добар дан."},
		{"Константин Константинопольский-Задунайский", "ru", "phones", "phone", "Не заряжается Samsung Galaxy S22 после замены аккумулятора в другом сервисе", "Здравствуйте!"},
		{"Ірина", "uk", "general", "", "Питання про гарантію", "Чи діє гарантія?"},
		{"Tom", "en", "phones", "phone", "Battery", "My battery drains."},
	}
	kinds := []channels.Kind{channels.WebChat, channels.Email, channels.Telegram, channels.SMS}
	ages := []time.Duration{3, 9, 14, 21, 33, 48, 55, 70, 95, 130}
	for i := range 43 {
		s := subjects[i%len(subjects)]
		a := ask{who: s.who, lang: s.lang, queue: s.queue, category: s.category, subject: s.subject, text: s.text, kind: kinds[i%4]}
		switch {
		case i%11 == 0:
			a.priority = casecore.Urgent
		case i%5 == 0:
			a.priority = casecore.High
		case i%13 == 0:
			a.priority = casecore.Low
		}
		if i%3 != 2 {
			a.react = 75 * time.Minute
		}
		h.at(ages[i%len(ages)]*time.Minute+time.Duration(i)*17*time.Second, func() { h.open(a) })
	}
	for i := range 5 {
		s := subjects[(i+1)%len(subjects)]
		h.at(time.Duration(5-i)*time.Hour, func() {
			c := h.open(ask{who: s.who, lang: s.lang, queue: s.queue, category: s.category, subject: s.subject, text: s.text, kind: kinds[i%4], react: 6 * time.Hour})
			_, err := h.work.Claim(h.t.Context(), anna, c.CaseNumber())
			h.must(err)
			if i%2 == 1 {
				_, _, err := h.work.Answer(h.t.Context(), anna, c.CaseNumber(), channels.Body{Text: "Здравствуйте! Смотрим."}, casecore.Guard{})
				h.must(err)
			}
			if i == 3 {
				_, err := h.work.Move(h.t.Context(), anna, c.CaseNumber(), "awaiting", casecore.Guard{})
				h.must(err)
			}
		})
	}
	return h.conversation(anna)
}

// conversation is one long case with everything that can be in it.
func (h *house) conversation(anna casecore.Actor) string {
	ctx := h.t.Context()
	photo, err := h.files.Put(ctx, "экран.png", bytes.NewReader(picture()), 1<<20)
	h.must(err)
	act, err := h.files.Put(ctx, "Акт приёмки № 4471 от 21 ноября, копия для клиента.pdf", bytes.NewReader([]byte("%PDF-1.7 ...")), 1<<20)
	h.must(err)
	var c *casecore.Case
	var m *casecore.Message
	answer := func(text string, state channels.State, a ...casecore.Attempt) {
		var err error
		c, m, err = h.work.Answer(ctx, anna, c.CaseNumber(), channels.Body{Text: text}, casecore.Guard{})
		h.must(err)
		h.deliver(m, state, a...)
	}
	try := func(no int, s channels.State, code string) casecore.Attempt {
		return casecore.Attempt{No: no, Channel: "webchat:site", At: h.now(), State: s, Reason: code, ProviderID: "SM9f2c71d04be54"}
	}
	h.at(27*time.Hour, func() {
		c = h.open(ask{who: "Олександра Коваленко", lang: "ru", queue: "phones", category: "phone", kind: channels.WebChat, priority: casecore.High, react: time.Hour,
			subject: "iPhone 13: разбит экран, не работает сенсор в нижней половине", text: "Здравствуйте! Вчера уронила телефон, теперь экран в трещинах и нижняя половина не реагирует. Сколько будет стоить замена и можно ли сделать сегодня? Фото прилагаю.",
			files: []channels.File{photo}, tags: []string{"экран", "срочно"}, attrs: map[string]string{"brand": "Apple", "product": "Смартфон", "page": "/remont-iphone"}})
	})
	h.at(26*time.Hour+40*time.Minute, func() {
		_, err := h.work.Claim(ctx, anna, c.CaseNumber())
		h.must(err)
		answer("Здравствуйте, Олександра! Да, дисплей для iPhone 13 есть в наличии. Замена с сохранением True Tone — 5 400 грн, занимает около двух часов. https://orbita.example/price?m=iphone13", channels.Read, try(1, channels.Read, ""))
	})
	h.at(26*time.Hour+10*time.Minute, func() {
		h.says(c, "Отлично! А стекло оригинальное?")
		h.says(c, "И ещё: данные на телефоне сохранятся?")
	})
	h.at(26*time.Hour, func() {
		answer("Дисплей оригинальный, снятый. Данные не трогаем, телефон не сбрасываем.", channels.Delivered, try(1, channels.Delivered, ""))
		_, _, err := h.work.Note(ctx, anna, c.CaseNumber(), "Клиентка постоянная, в прошлом году меняли аккумулятор. Скидка 5 % согласована с Игорем.")
		h.must(err)
	})
	h.at(25*time.Hour, func() {
		_, err := h.work.Edit(ctx, anna, c.CaseNumber(), casecore.Edit{Attributes: map[string]string{"serial": "F2LMQ0XYPQ"}}, casecore.Guard{})
		h.must(err)
		_, err = h.work.Move(ctx, anna, c.CaseNumber(), "awaiting", casecore.Guard{})
		h.must(err)
		_, err = h.work.Move(ctx, anna, c.CaseNumber(), "in_work", casecore.Guard{})
		h.must(err)
	})
	h.at(3*time.Hour, func() {
		h.says(c, "Я принесла телефон, отдала на стойке. Акт мне выдали.")
		_, m, err := h.work.Answer(ctx, anna, c.CaseNumber(), channels.Body{Text: "Да, телефон у мастера. Копия акта во вложении.", Files: []channels.File{act}}, casecore.Guard{})
		h.must(err)
		h.deliver(m, channels.Sent, try(1, channels.Sent, ""))
	})
	h.at(2*time.Hour, func() {
		answer("Мастер начал работу, ориентировочно будет готово к 17:30.", channels.Failed, try(1, channels.Failed, "unreachable"), try(2, channels.Failed, "blocked"))
	})
	h.at(80*time.Minute, func() {
		h.must(h.store.Update(ctx, func(tx store.Tx) error {
			_, told, err := h.ledger.Tell(tx, casecore.System("notices"), c.ID, casecore.Message{Status: "В работе", Template: "in_work", Body: channels.Body{Text: "Ваш телефон в работе. Номер заявки " + c.CaseNumber() + "."}})
			if err == nil {
				told.Delivery = &casecore.Delivery{State: channels.Delivered, At: h.now(), Attempts: []casecore.Attempt{try(1, channels.Delivered, "")}}
				err = casecore.Messages.Put(tx, told)
			}
			return err
		}))
	})
	h.at(12*time.Minute, func() {
		h.says(c, "Хорошо, спасибо! Тогда заеду после работы, часов в шесть. Подскажите, можно оплатить картой?")
	})
	return c.CaseNumber()
}

// picture is a photograph's stand-in.
func picture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 320, 240))
	for y := range 240 {
		for x := range 320 {
			img.Set(x, y, color.RGBA{uint8(60 + x/3), uint8(70 + y/3), uint8(120 + (x^y)/6), 255})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) //nolint:errcheck // into memory
	return b.Bytes()
}
