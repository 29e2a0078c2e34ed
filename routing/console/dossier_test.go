package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

// evidence is a case with everything that a dossier may have to tell of.
func (h *house) evidence(anna casecore.Actor) *casecore.Case {
	h.t.Helper()
	ctx := h.t.Context()
	mail := channels.Address{Kind: channels.Email, Handle: "oleksandr.bondarenko.1987@very-long-mail.example.org"}
	house := casecore.System("notify")
	var c *casecore.Case
	attempted := func(m *casecore.Message, a casecore.Attempt) {
		h.put(func(tx store.Tx) error { _, err := h.ledger.Attempted(tx, m.ID, a); return err })
	}
	notice := func(id string, m *casecore.Message, template, state, reason string) {
		h.put(func(tx store.Tx) (err error) { m, err = casecore.Messages.Get(tx, m.ID); return err })
		h.post.Add(desk.Notice{ID: id, Case: c.CaseNumber(), Message: m.ID, Template: template, State: state, Reason: reason, Channel: m.Channel, To: m.To,
			Tries: len(m.Delivery.Attempts), Created: m.At, Done: m.Delivery.At, Proof: m.Proof()})
	}
	h.at(50*time.Hour, func() {
		c = h.open(ask{who: "Олександр Бондаренко", lang: "uk", queue: "phones", category: "phone", kind: channels.SMS, subject: "Samsung S22 не заряджається",
			text: "Добрий день! Телефон не заряджається, кабель міняли.\nIMEI 350123456789012", attrs: map[string]string{"model": "Galaxy S22", "brand": "Samsung", "estimate": "1200"}})
		h.put(func(tx store.Tx) error {
			return casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(mail)}, Address: mail, Customer: c.Customer})
		})
		_, err := h.work.Claim(ctx, anna, c.CaseNumber())
		h.must(err)
	})
	h.at(49*time.Hour, func() {
		m := h.answers(anna, c, "Доброго дня! Принесіть, будь ласка, до майстерні: вул. Млинська, 5.")
		attempted(m, casecore.Attempt{No: 1, Channel: "sms:main", At: h.now(), State: channels.Sending})
		attempted(m, casecore.Attempt{No: 1, Channel: "sms:main", At: h.now(), State: channels.Sent, ProviderID: "SM0a1b2c3d4e5f60718293a4b5c6d7e8f9"})
		h.put(func(tx store.Tx) error {
			_, _, err := h.ledger.Receipted(tx, m.ID, channels.Receipt{State: channels.Delivered, ProviderID: "SM0a1b2c3d4e5f60718293a4b5c6d7e8f9"})
			return err
		})
		notice("1", m, "", "delivered", "")
		_, _, err := h.work.Note(ctx, anna, c.CaseNumber(), "KEEP-INSIDE: клієнт нервує")
		h.must(err)
	})
	h.at(3*time.Hour, func() {
		var told, instead *casecore.Message
		h.put(func(tx store.Tx) (err error) {
			_, told, err = h.ledger.Tell(tx, house, c.ID, casecore.Message{Template: "repaired", Status: "Готово", Body: channels.Body{Text: "Ваш Samsung Galaxy S22 відремонтовано. До сплати 1 200 грн. Чекаємо щодня до 20:00."}})
			return err
		})
		attempted(told, casecore.Attempt{No: 1, Channel: "sms:main", At: h.now(), State: channels.Sending})
		attempted(told, casecore.Attempt{No: 1, Channel: "sms:main", At: h.now(), State: channels.Queued, Reason: "throttled", NextAt: h.now().Add(7 * time.Minute)})
		attempted(told, casecore.Attempt{No: 2, Channel: "sms:main", At: h.now().Add(7 * time.Minute), State: channels.Sent, ProviderID: "SM900"})
		h.put(func(tx store.Tx) error {
			m, _, err := h.ledger.Receipted(tx, told.ID, channels.Receipt{State: channels.Undelivered, ProviderID: "SM900", Code: "30003", Detail: "unreachable handset"})
			if err != nil {
				return err
			}
			if err := h.ledger.Undelivered(tx, house, m, "30003"); err != nil {
				return err
			}
			_, instead, err = h.ledger.Retell(tx, house, m, "email:support", mail)
			return err
		})
		notice("2", told, "repaired", "dead", "30003")
		attempted(instead, casecore.Attempt{No: 1, Channel: "email:support", At: h.now(), State: channels.Sent, ProviderID: "<cw.000001.4711@shop.example>"})
		notice("3", instead, "repaired", "sent", "")
	})
	h.at(time.Hour, func() {
		c = h.says(c, "Дякую, буду о 18:00 <script>alert(1)</script>")
		var back *casecore.Message
		h.put(func(tx store.Tx) (err error) {
			if _, back, err = h.ledger.Tell(tx, house, c.ID, casecore.Message{Template: "waiting", Body: channels.Body{Text: "Чекаємо на деталь."}}); err != nil {
				return err
			}
			_, err = h.ledger.Cancelled(tx, back.ID)
			return err
		})
		notice("4", back, "waiting", "skipped", "taken_back")
		h.post.Add(desk.Notice{ID: "5", Case: c.CaseNumber(), Template: "review", State: "skipped", Reason: "no_address", Created: h.now(), Done: h.now()})
	})
	return c
}

// The page has every word and every state with its times, seals and meaning; what
// was for colleagues only is not on it.
func TestDossierPage(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c := h.evidence(anna)
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.get(path).want(t, http.StatusOK, `href="`+path+`/dossier"`)
	a := b.get(path + "/dossier")
	a.want(t, http.StatusOK,
		"Dossier of case "+c.CaseNumber(), "Verified: all ", "Олександр Бондаренко", "oleksandr.bondarenko.1987@very-long-mail.example.org",
		"До сплати 1 200 грн.", "SM0a1b2c3d4e5f60718293a4b5c6d7e8f9", "Delivered", "the provider’s report",
		"30003", "the phone is off or out of reach", "the provider asked to slow down", "&lt;cw.000001.4711@shop.example&gt;",
		"the status was taken back before it went out", "the customer has no address here", "Дякую, буду о 18:00 &lt;script&gt;", "Made: ", "Anna",
		"A note for colleagues; its text is not shown here")
	a.lacks(t, "KEEP-INSIDE", "<script>alert")
	h.put(func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		a.want(t, http.StatusOK, `<dd class="seal">`+k.Head)
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			if !strings.Contains(a.body, e.Hash) {
				t.Errorf("event %d has no seal on the page", e.Seq)
			}
		}
		return nil
	})
	h.operator("clara", "Clara", operatorRole, "tv")
	h.signIn("clara").get(path+"/dossier").want(t, http.StatusNotFound)
}

// What was changed behind the back stands at the top, in words and by number.
func TestDossierPageTellsOfChanges(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c := h.evidence(anna)
	h.rewrite(c, 1, func(m *casecore.Message) { m.Body.Text = "I never wrote." })
	a := h.signIn("anna").get("/desk/cases/" + c.CaseNumber() + "/dossier")
	a.want(t, http.StatusOK, "Not as it was written: 1 fault.", "Message 1</strong>: does not say what was sealed")
	a.lacks(t, "Verified")
}

// A case that is older than the chain says so.
func TestDossierPageOfAnOldCase(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", kind: channels.SMS})
	h.put(func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		e, err := casecore.Events.First(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)})
		if err != nil {
			return err
		}
		k.Head, e.Hash, e.Words, e.Place = "", "", "", 0
		if err := casecore.Cases.Put(tx, k); err != nil {
			return err
		}
		return casecore.Events.Put(tx, e)
	})
	boss := h.operator("boss", "Boss", []string{casecore.RoleSupervisor})
	b := h.signIn("boss")
	path := "/desk/cases/" + c.CaseNumber() + "/dossier"
	b.get(path).want(t, http.StatusOK, "from before entries were sealed")
	_, err := h.work.Assign(t.Context(), boss, c.CaseNumber(), anna.ID, "", casecore.Guard{})
	h.must(err)
	a := b.get(path)
	a.want(t, http.StatusOK, "Verified: ", "Only from event 2 on")
}
