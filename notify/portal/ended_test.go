package portal_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// ended is what the page says when its link has.
var ended = map[string][]string{
	"en": {"This link has ended", "for 180 days", "How to reach us", "12 Mill Street"},
	"ru": {"Срок ссылки истёк", "180 дней", "Как с нами связаться", "Мельничная, 12"},
	"uk": {"Термін посилання минув", "180 днів", "Як з нами зв’язатися", "Млинова, 12"},
	"sr": {"Ovaj link više ne važi", "180 dana", "Kako do nas", "Mlinska 12"},
}

// The links of a closed case end after half a year, in the customer's language and
// with how to reach the centre; one that the house sends after that opens the page
// again. A case that still waits for its customer has its page.
func TestLinksEnd(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	for _, to := range []string{"accepted", "diagnosing", "in_repair", "ready"} {
		h.moves(c, to, time.Hour)
	}
	old, stop := h.path(c), url.Values{"at": {h.ref(c, "SMS")}}
	const days = 24 * time.Hour
	h.now = h.now.Add(400 * days)
	h.reads(old).want(t, http.StatusOK)
	h.moves(c, "issued", time.Hour)
	h.now = h.now.Add(180*days - time.Second)
	if h.path(c) != old {
		t.Error("the link changed before it ended")
	}
	h.reads(old).want(t, http.StatusOK)
	h.now = h.now.Add(time.Second)
	for _, tag := range []string{"en", "ru", "uk", "sr"} {
		h.now = h.now.Add(time.Minute)
		h.update(func(tx store.Tx) error {
			who, err := casecore.Customers.Get(tx, c.Customer)
			if err != nil {
				return err
			}
			return h.ledger.PreferFor(tx, olena, who, casecore.Wish{Lang: &tag})
		})
		p := h.reads(old)
		p.want(t, http.StatusGone, ended[tag]...)
		p.lacks(t, "CANARY", "Samsung", c.CaseNumber(), "380")
	}
	h.do("POST", old+"/stop", stop).want(t, http.StatusGone)
	if h.shut(phone) != nil {
		t.Error("the old link still changes things")
	}

	fresh := h.path(c)
	h.reads(fresh).want(t, http.StatusOK, "Vraćeno vama")
	h.reads(old).want(t, http.StatusGone)
	h.now = h.now.Add(179 * days)
	h.reads(fresh).want(t, http.StatusOK)
	h.now = h.now.Add(days)
	h.reads(fresh).want(t, http.StatusGone)

	h.update(func(tx store.Tx) error {
		_, err := h.ledger.Move(tx, olena, c.ID, "accepted", casecore.Guard{})
		return err
	})
	h.reads(old).want(t, http.StatusOK) // it is no history any more
}
