package console_test

import (
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// correspondence is a case by mail with everything that can be in it.
func (h *house) correspondence(anna casecore.Actor) string {
	ctx := h.t.Context()
	logo := h.keep("logo.png", "logo@firm", plane(blue))
	photo := h.keep("IMG_4471.png", "photo@phone", picture())
	photo.CID = "photo@phone"
	var c *casecore.Case
	h.at(26*time.Hour, func() {
		c = h.open(ask{who: "Олена Шевченко-Добровольська", lang: "uk", queue: "computers", category: "computer", kind: channels.Email, react: 4 * time.Hour,
			subject: "Ноутбук Lenovo ThinkPad не вмикається після оновлення", text: "Добрий день!\n\nПісля вчорашнього оновлення ноутбук не вмикається. Фото екрана додаю.\n\nЗ повагою,\nОлена", files: []channels.File{photo}})
	})
	raw := h.keep("raw", "", []byte("Subject: test\r\n\r\n"))
	h.rewrite(c, 1, func(m *casecore.Message) {
		m.Source = raw.Blob
		m.Body.HTML = `<div style="font-family:Arial;font-size:14px"><p>Добрий день!</p><p>Після вчорашнього оновлення ноутбук <b>не вмикається</b>. Фото екрана:</p>
			<p><img src="cid:photo@phone" width="240"></p><table cellpadding="6" style="border-collapse:collapse"><tr><td style="background:#0b5394;color:#fff">Модель</td><td style="border:1px solid #ccc">ThinkPad T14</td></tr>
			<tr><td style="background:#0b5394;color:#fff">Серійний №</td><td style="border:1px solid #ccc">PF-3A4471</td></tr></table><p>З повагою,<br>Олена</p>
			<img src="https://firm.example/banner.png" width="468" height="60" alt="Banner"><img src="https://firm.example/open.gif" width="1" height="1"></div>`
	})
	h.at(25*time.Hour, func() {
		_, err := h.work.Claim(ctx, anna, c.CaseNumber())
		h.must(err)
		_, m, err := h.work.Answer(ctx, anna, c.CaseNumber(), channels.Body{Text: "Добрий день, Олено! Принесіть, будь ласка, ноутбук разом із зарядним пристроєм. Діагностика безкоштовна."}, casecore.Guard{})
		h.must(err)
		h.deliver(m, channels.Sent)
	})
	h.at(90*time.Minute, func() {
		h.says(c, "Дякую, буду сьогодні після 16:00.\nЧи можна залишити зарядний пристрій у вас?")
	})
	h.rewrite(c, 3, func(m *casecore.Message) {
		m.Source = raw.Blob
		m.Body.Quoted = "пн, 23 лист. 2026 р. о 10:12 Orbita Service <support@orbita.example> пише:\n> Добрий день, Олено! Принесіть, будь ласка, ноутбук разом із зарядним пристроєм.\n> Діагностика безкоштовна."
		m.Body.HTML = "<p>Дякую!</p><img src='cid:logo@firm'>"
		m.Body.Files = []channels.File{logo}
		m.Versions = []casecore.Version{{ExternalID: "1", Body: channels.Body{Text: "Дякую, буду завтра."}, At: m.At}}
	})
	h.at(40*time.Minute, func() {
		h.says(c, "Я у відпустці до 5 грудня. Відповім після повернення.")
	})
	h.rewrite(c, 4, func(m *casecore.Message) { m.Auto, m.Source = true, raw.Blob })
	h.at(20*time.Minute, func() { h.says(c, "Текст до пошкодженої частини"+strings.Repeat(" …", 3)) })
	h.rewrite(c, 5, func(m *casecore.Message) {
		m.Source, m.Broken = raw.Blob, "the last boundary is missing; the part “scan.pdf” is not complete"
	})
	h.must(h.store.Update(ctx, func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		k.Linked = "CW-000003"
		if err := casecore.Cases.Put(tx, k); err != nil {
			return err
		}
		i, err := casecore.Identities.Get(tx, casecore.IdentityID(c.To))
		if err != nil {
			return err
		}
		i.Shut = &casecore.Shut{Reason: channels.BadAddress, Code: "5.1.1", Channel: "email:main", At: h.now()}
		return casecore.Identities.Put(tx, i)
	}))
	return c.CaseNumber()
}
