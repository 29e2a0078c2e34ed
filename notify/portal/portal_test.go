package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
)

// Whatever is wrong with a link, the answer is the same to the byte: nobody learns
// which cases there are.
func TestAWrongLinkOpensNothing(t *testing.T) {
	h := newHouse(t)
	c, other := h.opens(phone), h.opens(mailbox)
	good := h.path(c)
	h.reads(good).want(t, http.StatusOK, c.CaseNumber())
	token := strings.TrimPrefix(good, "/c/")

	revoked := h.path(other)
	h.update(func(tx store.Tx) error { _, err := h.ledger.RenewPage(tx, olena, other.ID); return err })
	if h.path(other) == revoked {
		t.Fatal("the link is the same as before")
	}
	h.reads(h.path(other)).want(t, http.StatusOK, other.CaseNumber())

	foreign, err := url.Parse(h.with([]byte(strings.Repeat("another key ", 4))).Link(c))
	h.must(err)
	gone := *c
	gone.Number = 4711
	nobody, err := url.Parse(h.portal.Link(&gone))
	h.must(err)
	flip := func(i int) string {
		b := []byte(token)
		b[i] = "AB"[map[bool]int{true: 1}[b[i] == 'A']]
		return "/c/" + string(b)
	}
	nothing := h.reads("/c/x")
	nothing.want(t, http.StatusNotFound, "This link opens nothing")
	wrong := map[string]string{
		"renewed": revoked, "another key": foreign.Path, "no such case": nobody.Path, "truncated": good[:len(good)-1], "first letter": flip(0),
		"middle letter": flip(len(token) / 2), "longer": good + "A", "twice": good + token, "other number": "/c/" + strings.TrimPrefix(h.path(other), "/c/")[:4] + token[4:],
		"empty": "/c/", "a slash": good + "/", "a number": "/c/" + c.CaseNumber(), "very long": "/c/" + strings.Repeat("A", 5000), "padded": good + "=", "not text": "/c/%ff%00",
	}
	for name, path := range wrong {
		h.now = h.now.Add(time.Minute)
		got := h.reads(path)
		if got.code != nothing.code || got.body != nothing.body {
			t.Errorf("%s: %d, and not the page that others get", name, got.code)
		}
		for _, k := range []string{"Cache-Control", "Content-Security-Policy", "Referrer-Policy", "X-Robots-Tag"} {
			if got.header.Get(k) != nothing.header.Get(k) {
				t.Errorf("%s: %s is %q", name, k, got.header.Get(k))
			}
		}
		if got := h.do("POST", path+"/language", url.Values{"lang": {"ru"}}); name != "empty" && name != "a slash" && (got.code != nothing.code || got.body != nothing.body) {
			t.Errorf("POST with %s: %d", name, got.code)
		}
	}
	h.now = h.now.Add(time.Minute)
	h.do("POST", good+"/erase", url.Values{}).want(t, http.StatusNotFound)
	if log := h.said.String(); log != "" {
		t.Errorf("logged: %s", log)
	}
}

// The page is for its reader alone, as far as a browser can be told, and changes
// nothing by being looked at.
func TestHeaders(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	path := h.path(c)
	for _, p := range []page{h.reads(path), h.reads("/c/nothing")} {
		for k, want := range map[string]string{
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store, private", "X-Robots-Tag": "noindex, nofollow, noarchive", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if got := p.header.Get(k); got != want {
				t.Errorf("%s is %q, want %q", k, got, want)
			}
		}
		p.lacks(t, "<script", "style=", "http://", "https://")
	}
	css := regexp.MustCompile(`href="(/c/assets/[^"]+)"`).FindStringSubmatch(h.reads(path).body)[1]
	if got := h.reads(css); got.code != http.StatusOK || !strings.Contains(got.header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(got.header.Get("Content-Type"), "text/css") {
		t.Errorf("style sheet: %d %v", got.code, got.header)
	}
	h.reads("/c/assets/x/other.css").want(t, http.StatusNotFound)
	before, _ := h.get(c.ID)
	h.do("HEAD", path, nil).want(t, http.StatusOK)
	h.reads(path + "?saved=stop&lang=ru")
	if after, _ := h.get(c.ID); after.Version != before.Version {
		t.Error("looking at the page changed the case")
	}
}

// A link that was passed on shows how the repair stands, and nothing of what was
// said, nor to whom.
func TestThePageHoldsNoContent(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	h.also(c, mailbox, true)
	h.also(c, chat, true)
	h.moves(c, "accepted", 5*time.Minute)
	h.moves(c, "diagnosing", time.Hour)
	h.update(func(tx store.Tx) error {
		if _, _, err := h.ledger.Note(tx, olena, c.ID, "NOTE-CANARY"); err != nil {
			return err
		}
		if _, _, err := h.ledger.Answer(tx, olena, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "ANSWER-CANARY"}}); err != nil {
			return err
		}
		// What went to a manager, though it tells of a status, is not for the customer.
		_, m, err := h.ledger.Tell(tx, casecore.System("notify"), c.ID, casecore.Message{
			Template: "overdue", Status: "Diagnosing", Channel: "email:support", To: channels.Address{Kind: channels.Email, Handle: "boss@shop.example"},
			Body: channels.Body{Text: "MANAGER-CANARY"},
		})
		if err != nil {
			return err
		}
		_, err = h.ledger.Attempted(tx, m.ID, casecore.Attempt{No: 1, State: channels.Sent})
		return err
	})
	p := h.reads(h.path(c))
	p.want(t, http.StatusOK, "Diagnosing", "Samsung Galaxy S24", "&#43;380…89", "o…@shop.example", "2 March 2026, 12:19", "your Samsung: Diagnosing")
	p.lacks(t, "CANARY", phone.Handle, mailbox.Handle, chat.Handle, "380670001122", "olga", casecore.IdentityID(phone), c.ID, c.Customer, "help.example.com")
	for _, tag := range []string{"ru", "uk", "sr"} {
		h.reads(h.path(c)+"?lang="+tag).lacks(t, "CANARY", phone.Handle)
	}
	if strings.Count(p.body, "/c/") != strings.Count(p.body, h.path(c))+1 {
		t.Error("the page links to pages of others")
	}
}

// The page reads the same every day, in four languages.
func TestGolden(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	h.also(c, mailbox, false)
	h.also(c, chat, true)
	h.moves(c, "accepted", 7*time.Minute)
	h.moves(c, "diagnosing", time.Hour)
	h.moves(c, "awaiting_approval", 24*time.Hour)
	h.asks(c, "where", url.Values{"at": {h.ref(c, "Telegram")}}).want(t, http.StatusOK, "Saved.")
	h.asks(c, "stop", url.Values{"at": {h.ref(c, "SMS")}}).want(t, http.StatusOK, "Saved.")
	for _, tag := range []string{"en", "ru", "uk", "sr"} {
		p := h.reads(h.path(c) + "?lang=" + tag)
		p.want(t, http.StatusOK)
		got := strings.ReplaceAll(p.body, h.path(c), "/c/TOKEN")
		got = regexp.MustCompile(`assets/[0-9a-f]+`).ReplaceAllString(got, "assets/HASH")
		for i, a := range []channels.Address{phone, mailbox, chat} {
			if ref := h.refTo(c, a); ref != "" {
				got = strings.ReplaceAll(got, ref, fmt.Sprint("REF", i))
			}
		}
		name := filepath.Join("testdata", "page."+tag+".html")
		if *update {
			h.must(os.WriteFile(name, []byte(got), 0o644))
		}
		want, err := os.ReadFile(name)
		h.must(err)
		if got != string(want) {
			t.Errorf("%s is not the page; if it should be: go test ./notify/portal -run Golden -update", name)
		}
	}
}

// refTo is by what pages name an address, if they offer anything to do with it.
func (h *house) refTo(c *casecore.Case, a channels.Address) string {
	h.Helper()
	label := map[channels.Kind]string{channels.SMS: "SMS", channels.Email: "Email", channels.Telegram: "Telegram"}[a.Kind]
	body := h.reads(h.path(c) + "?lang=en").body
	found := regexp.MustCompile(`name="at" value="([\w-]+)">[^<]*<span class="quiet">: ` + label).FindStringSubmatch(body)
	if found == nil {
		return ""
	}
	return found[1]
}

// The customer chooses among addresses that are theirs; each change is one event,
// and a form that is sent twice changes nothing more.
func TestWishes(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	h.also(c, chat, true)
	h.also(c, mailbox, false) // typed by an operator
	sms, telegram, mail := h.ref(c, "SMS"), h.ref(c, "Telegram"), h.ref(c, "Email")
	for range 2 {
		h.asks(c, "language", url.Values{"lang": {"uk"}}).want(t, http.StatusOK, "Збережено.", `lang="uk"`)
		h.asks(c, "where", url.Values{"at": {telegram}}).want(t, http.StatusOK, "Збережено. Наступна новина")
		h.asks(c, "stop", url.Values{"at": {sms}}).want(t, http.StatusOK, "Збережено. Більше туди не пишемо.")
	}
	if _, who := h.get(c.ID); who.Lang != "uk" || !who.LangSet || who.Preferred != chat.Key() {
		t.Errorf("customer %+v", who)
	}
	if k, who := h.get(c.ID); who.Reads(k) != "uk" {
		t.Errorf("the case is told of in %q", who.Reads(k))
	}
	if s := h.shut(phone); s == nil || s.Code != casecore.StopCode || s.By != "system:page" || s.Channel != "page" {
		t.Errorf("the phone is %+v", s)
	}
	h.asks(c, "again", url.Values{"at": {sms}}).want(t, http.StatusOK, "Збережено. Знову")
	h.asks(c, "again", url.Values{"at": {sms}}).want(t, http.StatusOK)
	h.asks(c, "where", url.Values{"at": {""}}).want(t, http.StatusOK)
	want := []string{
		"language >uk  system:page", "preferred >telegram  system:page", "opted_out >sms +380…89 system:page",
		"opted_in >sms +380…89 system:page", "preferred telegram>  system:page",
	}
	if got := h.kinds(c); !slices.Equal(got, want) {
		t.Errorf("events\n%q, want\n%q", got, want)
	}
	if h.shut(phone) != nil {
		t.Error("the phone is shut")
	}

	h.asks(c, "language", url.Values{"lang": {""}}).want(t, http.StatusOK)
	if k, who := h.get(c.ID); who.LangSet || who.Reads(k) != "en" {
		t.Errorf("they chose the language that they write in, and read %q", who.Reads(k))
	}

	// Not theirs to choose: an address that nobody wrote from, one of somebody else,
	// one that is shut, a language that nobody writes.
	stranger := h.opens(channels.Address{Kind: channels.Email, Handle: "else@shop.example"})
	foreign := h.ref(stranger, "Email")
	h.asks(c, "stop", url.Values{"at": {mail}}).want(t, http.StatusOK)
	n := len(h.kinds(c))
	for name, try := range map[string][2]string{
		"unproven": {"where", mail}, "somebody else's": {"where", foreign}, "their id": {"where", casecore.IdentityID(phone)},
		"stop somebody else": {"stop", foreign}, "stop nothing": {"stop", ""}, "again somebody else": {"again", foreign}, "garbage": {"stop", "\x00%"},
	} {
		if got := h.asks(c, try[0], url.Values{"at": {try[1]}}); got.code != http.StatusConflict {
			t.Errorf("%s: %d", name, got.code)
		}
	}
	h.asks(c, "language", url.Values{"lang": {"xx"}}).want(t, http.StatusConflict)
	for _, wish := range []string{"language", "where", "stop", "again"} {
		h.asks(c, wish, url.Values{}).want(t, http.StatusConflict)
	}
	h.asks(c, "language", url.Values{"lang": {strings.Repeat("x", 8000)}}).want(t, http.StatusConflict)
	if got := h.kinds(c); len(got) != n {
		t.Errorf("refused, and yet %q", got[n:])
	}
	if h.shut(stranger.To) != nil {
		t.Error("a stranger's address was shut")
	}
}

// What the customer told their provider, only they can take back there; an address
// that was given up is not opened by a click; both say what helps.
func TestShutElsewhere(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	h.also(c, chat, true)
	h.also(c, mailbox, true)
	refs := []string{h.ref(c, "SMS"), h.ref(c, "Telegram"), h.ref(c, "Email")}
	for _, s := range []channels.Standing{
		{Channel: "sms:main", Address: phone, Reason: channels.Blocked, Code: casecore.StopCode},
		{Channel: "telegram:bot", Address: chat, Reason: channels.Blocked, Code: "bot_blocked"},
		{Channel: "email:support", Address: mailbox, Reason: channels.BadAddress, Code: "5.1.1"},
	} {
		h.update(func(tx store.Tx) error { return h.ledger.Stand(tx, casecore.System("intake"), s) })
	}
	h.reads(h.path(c)).want(t, http.StatusOK, "Send us START from this phone", "Unblock it", "do not arrive there", "When it matters, we call")
	for _, ref := range refs {
		h.asks(c, "again", url.Values{"at": {ref}}).want(t, http.StatusConflict)
		h.asks(c, "where", url.Values{"at": {ref}}).want(t, http.StatusConflict)
	}
	for _, a := range []channels.Address{phone, chat, mailbox} {
		if h.shut(a) == nil {
			t.Errorf("%s was opened", a.Kind)
		}
	}
	// STOP after a wish on the page is the stronger word; START opens again.
	h.update(func(tx store.Tx) error {
		h.now = h.now.Add(time.Minute)
		return h.ledger.Stand(tx, casecore.System("intake"), channels.Standing{Channel: "sms:main", Address: phone, Open: true, Code: "start"})
	})
	h.asks(c, "stop", url.Values{"at": {refs[0]}}).want(t, http.StatusOK)
	h.update(func(tx store.Tx) error {
		h.now = h.now.Add(time.Minute)
		return h.ledger.Stand(tx, casecore.System("intake"), channels.Standing{Channel: "sms:main", Address: phone, Reason: channels.Blocked, Code: casecore.StopCode})
	})
	h.asks(c, "again", url.Values{"at": {refs[0]}}).want(t, http.StatusConflict)
}

// A channel that the centre has removed is said to be away, and is not offered.
func TestRemovedChannel(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	h.also(c, chat, true)
	telegram := h.ref(c, "Telegram")
	h.asks(c, "where", url.Values{"at": {telegram}}).want(t, http.StatusOK)
	delete(h.open, channels.Telegram)
	h.reads(h.path(c)).want(t, http.StatusOK, "We cannot write there at the moment.", `value="`+telegram+`" checked`)
	h.asks(c, "where", url.Values{"at": {""}}).want(t, http.StatusOK)
	h.reads(h.path(c)).lacks(t, `type="radio" name="at" value="`+telegram)
}

// A form of another site's page is refused; a browser that calls our own page
// "null", for want of a referrer, is not.
func TestFormsOfOtherSites(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	for _, tc := range []struct {
		site, origin string
		code         int
	}{
		{"same-origin", "null", 303}, {"", "null", 303}, {"", "", 303}, {"", h.url, 303}, {"", "https://help.example.com", 303}, {"none", "", 303},
		{"cross-site", "null", 403}, {"same-site", "https://help.example.com", 403}, {"", "https://evil.example", 403}, {"", "https://help.example.com.evil.example", 403},
	} {
		h.now = h.now.Add(time.Minute)
		got := h.do("POST", h.path(c)+"/language", url.Values{"lang": {"ru"}}, "Sec-Fetch-Site", tc.site, "Origin", tc.origin)
		if got.code != tc.code {
			t.Errorf("%q from %q: %d, want %d", tc.site, tc.origin, got.code, tc.code)
		}
	}
}

// One address may not ask without end, and others are not held up by it.
func TestRate(t *testing.T) {
	h := newHouse(t)
	path := h.path(h.opens(phone))
	h.remote = "2001:db8::1"
	for range 30 {
		h.reads(path).want(t, http.StatusOK)
	}
	h.remote = "2001:db8::2" // of the same network
	got := h.reads(path)
	got.want(t, http.StatusTooManyRequests, "A little slower")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
	}
	h.remote = "2001:db8:0:1::1"
	h.reads(path).want(t, http.StatusOK)
	h.remote = "2001:db8::1"
	h.now = h.now.Add(time.Second)
	h.reads(path).want(t, http.StatusOK)
}

// A mistaken status tells nobody, the page included: while it can be taken back it
// is not there, and taken back it never was.
func TestASlipIsNotShown(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	h.moves(c, "accepted", 5*time.Minute)
	h.moves(c, "diagnosing", time.Hour)
	h.moves(c, "in_repair", time.Hour)
	h.now = h.now.Add(time.Hour)
	var moved *casecore.Event
	h.update(func(tx store.Tx) error {
		if _, err := h.ledger.Move(tx, olena, c.ID, "ready", casecore.Guard{}); err != nil {
			return err
		}
		e, err := casecore.Events.First(tx, store.Range{Index: "case", Prefix: store.Under(c.ID), Reverse: true})
		if err != nil {
			return err
		}
		moved = e
		return notify.Notices.Put(tx, &notify.Notice{Meta: store.Meta{ID: "n"}, Event: e.ID, Case: c.ID, State: notify.Held, NextAt: h.now.Add(10 * time.Hour), Created: h.now})
	})
	h.now = moved.At.Add(h.hold - time.Second)
	const heading, ready = `<h1 id="status">`, "Repaired, ready for pickup"
	h.reads(h.path(c)).want(t, http.StatusOK, heading+"In repair")
	h.now = moved.At.Add(h.hold)
	h.reads(h.path(c)).want(t, http.StatusOK, heading+ready) // only the quiet hours hold it
	h.now = moved.At.Add(h.hold - time.Second)
	h.update(func(tx store.Tx) error {
		_, err := h.ledger.Move(tx, olena, c.ID, "in_repair", casecore.Guard{})
		return err
	})
	h.now = h.now.Add(time.Hour)
	p := h.reads(h.path(c))
	p.want(t, http.StatusOK, heading+"In repair")
	p.lacks(t, ready+`<span class="quiet"> (done)`)
	h.moves(c, "ready", time.Hour)
	h.moves(c, "in_repair", time.Hour) // no slip: it was ready for an hour
	h.reads(h.path(c)).want(t, http.StatusOK, ready+`<span class="quiet"> (done)`)
}

// What did not arrive and was told once more elsewhere stands there once, where it
// was told.
func TestToldOnce(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	h.also(c, mailbox, true)
	h.moves(c, "accepted", time.Minute)
	h.moves(c, "diagnosing", time.Hour)
	h.update(func(tx store.Tx) error {
		m, err := casecore.Messages.First(tx, store.Range{Index: "case", Prefix: store.Under(c.ID), Reverse: true})
		if err != nil {
			return err
		}
		_, again, err := h.ledger.Retell(tx, casecore.System("notify"), m, "email:support", mailbox)
		if err != nil {
			return err
		}
		_, err = h.ledger.Attempted(tx, again.ID, casecore.Attempt{No: 1, State: channels.Sent})
		return err
	})
	p := h.reads(h.path(c))
	p.want(t, http.StatusOK, "by email")
	p.lacks(t, "by SMS")
}

// Before the first news, and after the end, the page has something to say.
func TestFirstAndLast(t *testing.T) {
	h := newHouse(t)
	c := h.opens(mailbox)
	p := h.reads(h.path(c))
	p.want(t, http.StatusOK, `<h1 id="status">Received`, "No news yet", "just answer where you wrote: Email o…@shop.example", "In hand", "Returned to you")
	p.lacks(t, "Where we write first", "Cancelled")
	for _, to := range []string{"accepted", "diagnosing", "no_repair", "issued"} {
		h.moves(c, to, time.Hour)
	}
	p = h.reads(h.path(c))
	p.want(t, http.StatusOK, `<h1 id="status">Returned to you`)
	p.lacks(t, "usually next")
	h.update(func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		k.To, k.Channel, k.Status = channels.Address{Kind: channels.Desk, Handle: "entry-1"}, "desk:walk_in", "of an older policy"
		return casecore.Cases.Put(tx, k)
	})
	h.reads(h.path(c)).want(t, http.StatusOK, "Your case was taken at our desk.")
}
