package console_test

import (
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/console"
	"casewire/routing/desk"
)

// troubles is a case whose customer is hard to reach, with everything that can be
// in it, and a day's worth of what did not arrive.
func (h *house) troubles(anna casecore.Actor) string {
	anna.Capacity = 0
	ctx := h.t.Context()
	var c, other *casecore.Case
	h.at(5*time.Hour, func() {
		a := ask{who: "Олександр Бондаренко", lang: "uk", queue: "phones", category: "phone", kind: channels.SMS, react: 4 * time.Hour, subject: "Samsung S22 не заряджається", text: "Добрий день! Чи готовий мій телефон?", attrs: map[string]string{"model": "Galaxy S22", "brand": "Samsung", "estimate": "1200"}}
		c = h.open(a)
		a.subject, a.text = "Пральна машина Bosch не зливає воду", "Добрий день!"
		other = h.open(a)
		h.sameCustomer(other, c)
		for _, k := range []*casecore.Case{c, other} {
			_, err := h.work.Claim(ctx, anna, k.CaseNumber())
			h.must(err)
		}
		h.says(c, "І ще: пральна машина тече.")
		h.says(c, "Добрий день! Чи готовий мій телефон?")
	})
	first := h.rewrite(c, 1, func(*casecore.Message) {})
	h.rewrite(c, 3, func(m *casecore.Message) { m.CopyOf, m.Channel, m.From.Kind = first, "email:sales", channels.Email })
	var failed, back, held *casecore.Message
	h.at(2*time.Hour, func() {
		failed = h.answers(anna, c, "Ваш телефон готовий, чекаємо на вас до 20:00.")
		h.deliver(failed, channels.Undelivered, casecore.Attempt{No: 1, Channel: "sms:main", At: h.now(), State: channels.Undelivered, Code: "30003"})
		again := h.answers(anna, c, "Ваш телефон готовий, чекаємо на вас до 20:00.")
		h.rewrite(c, again.Seq, func(m *casecore.Message) {
			m.Instead, m.To.Kind, m.Channel = failed.ID, channels.Email, "email:support"
		})
		h.deliver(again, channels.Failed, casecore.Attempt{No: 1, Channel: "email:support", At: h.now(), State: channels.Failed, Code: "5.1.1"})
		h.must(h.store.Update(ctx, func(tx store.Tx) error {
			return h.ledger.WantCall(tx, casecore.System("notify"), c.ID, "5.1.1", failed.ID)
		}))
		_, err := h.work.Called(ctx, anna, c.CaseNumber(), casecore.CallNoAnswer, "спробувати після 18:00", nil)
		h.must(err)
	})
	h.at(20*time.Minute, func() {
		back = h.answers(anna, c, "Відмовлено в ремонті.")
		h.must(h.store.Update(ctx, func(tx store.Tx) error { _, err := h.ledger.Cancelled(tx, back.ID); return err }))
	})
	held = h.answers(anna, c, "Доброго дня! Samsung Galaxy S22: ремонт завершено, можна забирати. Ми працюємо щодня з 8:30 до 20:00.")
	h.post.Add(desk.Notice{ID: "held", Case: c.CaseNumber(), Message: held.ID, Template: "repaired", State: "held", Held: true, Due: time.Now().Add(8 * time.Minute), To: c.To})
	reasons := []string{"30003", "5.1.1", "blocked", "unsure", "stop", "bad_content"}
	for i, r := range reasons {
		k, to := c, c.To
		if i%3 == 1 {
			k, to = other, channels.Address{Kind: channels.Email, Handle: "oleksandr.bondarenko.1987@very-long-mail.example.org"}
		}
		h.post.Add(desk.Notice{ID: fmt.Sprint("lost", i), Case: k.CaseNumber(), Message: failed.ID, Template: []string{"", "repaired", "opened"}[i%3], State: "dead", Reason: r, Open: true, To: to, Created: time.Now().Add(-time.Duration(30-i*5) * time.Hour)})
	}
	view, err := h.work.Read(ctx, anna, c.CaseNumber())
	h.must(err)
	h.must(h.store.Update(ctx, func(tx store.Tx) error {
		_, _, err := h.ledger.Refile(tx, anna, view.Messages[1].ID, other.ID)
		return err
	}))
	h.told = console.Told{At: time.Now().Add(2*time.Minute + 30*time.Second)}
	return c.CaseNumber()
}
