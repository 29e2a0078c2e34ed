package portal_test

import (
	"bytes"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/portal"
)

var update = flag.Bool("update", false, "write the golden pages anew")

// house is the pages over a real store, with a clock that the test moves.
type house struct {
	*testing.T
	store  store.Store
	ledger *casecore.Ledger
	portal *portal.Portal
	url    string
	now    time.Time
	said   bytes.Buffer // what is logged
	open   map[channels.Kind]string
	hold   time.Duration
	remote string
}

var olena = casecore.Actor{ID: "op1", Name: "OPERATOR-CANARY", Roles: []string{casecore.RoleAdmin}}

func text(en, ru, uk, sr string) lang.Text {
	return lang.Text{"en": en, "ru": ru, "uk": uk, "sr": sr}
}

var spec = flow.Spec{
	Initial: "new", Taken: "accepted", Reopen: "accepted", ReopenWithin: flow.Duration(14 * 24 * time.Hour),
	Statuses: []flow.Status{
		{ID: "new", Name: text("New", "Новое", "Нове", "Novo"), Customer: text("Received", "Получено", "Отримано", "Primljeno"), Category: flow.New, Next: []string{"accepted", "cancelled"}},
		{ID: "accepted", Name: text("Accepted", "Принято", "Прийнято", "Prihvaćeno"), Customer: text("In hand", "В работе", "В роботі", "U radu"), Category: flow.Open, Next: []string{"diagnosing", "cancelled"}},
		{ID: "diagnosing", Name: text("Diagnosing", "Диагностика", "Діагностика", "Dijagnostika"), Category: flow.Open, Notice: "told", Next: []string{"awaiting_approval", "in_repair", "no_repair"}},
		{ID: "awaiting_approval", Name: text("Awaiting approval", "Ждём согласования", "Чекаємо на погодження", "Čeka se odobrenje"), Customer: text("Waiting for your approval", "Ждём вашего согласия", "Чекаємо на вашу згоду", "Čekamo vaše odobrenje"), Category: flow.Waiting, Notice: "told", Next: []string{"in_repair", "awaiting_parts"}},
		{ID: "awaiting_parts", Name: text("Awaiting parts", "Ждём запчасти", "Чекаємо на запчастини", "Čekaju se delovi"), Category: flow.Waiting, Next: []string{"in_repair"}},
		{ID: "in_repair", Name: text("In repair", "В ремонте", "У ремонті", "Na popravci"), Category: flow.Open, Notice: "told", Next: []string{"ready", "awaiting_parts", "awaiting_approval"}},
		{ID: "ready", Name: text("Repaired, ready for pickup", "Отремонтировано, можно забирать", "Відремонтовано, можна забирати", "Popravljeno, spremno za preuzimanje"), Category: flow.Done, Notice: "told", Next: []string{"issued", "in_repair"}},
		{ID: "no_repair", Name: text("Not repairable", "Ремонт невозможен", "Ремонт неможливий", "Nije moguće popraviti"), Category: flow.Done, Next: []string{"issued"}},
		{ID: "issued", Name: text("Issued", "Выдано", "Видано", "Izdato"), Customer: text("Returned to you", "Выдано вам", "Видано вам", "Vraćeno vama"), Category: flow.Closed, Next: []string{"accepted"}},
		{ID: "cancelled", Name: text("Cancelled", "Отменено", "Скасовано", "Otkazano"), Category: flow.Closed, Next: []string{"accepted"}},
	},
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{
		T: t, now: time.Date(2026, 3, 2, 9, 14, 0, 0, time.UTC), hold: 2 * time.Minute, remote: "192.0.2.7",
		open: map[channels.Kind]string{channels.SMS: "sms:main", channels.Email: "email:support", channels.Telegram: "telegram:bot", channels.WebChat: "webchat:site"},
	}
	h.store = stores.Open(t, slices.Concat(casecore.Collections(), notify.Collections())...)
	f, err := flow.Compile(spec)
	h.must(err)
	h.ledger = &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: func() time.Time { return h.now }}
	h.portal = h.with([]byte("0123456789abcdef0123456789abcdef"))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.portal.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

// with is the pages with another key.
func (h *house) with(key []byte) *portal.Portal {
	h.Helper()
	kiev, err := time.LoadLocation("Europe/Kyiv")
	h.must(err)
	p, err := portal.New(portal.Options{
		Store: h.store, Ledger: h.ledger, Key: key, URL: "https://help.example.com",
		Reach: notify.Reach{
			Channel: func(k channels.Kind) (string, bool) { id, ok := h.open[k]; return id, ok },
			Serves: func(id string) bool {
				for _, open := range h.open {
					if open == id {
						return true
					}
				}
				return false
			},
		},
		Centre: func() string { return "Mill Street Repairs" },
		Contact: func() lang.Text {
			return text("12 Mill Street\nMon to Sat, 8:30 to 20:00", "Мельничная, 12\nпн–сб с 8:30 до 20:00", "Млинова, 12\nпн–сб з 8:30 до 20:00", "Mlinska 12\npon–sub 8.30–20.00")
		},
		Zone: func() *time.Location { return kiev }, Hold: func() time.Duration { return h.hold },
		Remote: func(*http.Request) string { return h.remote },
		Log:    slog.New(slog.NewTextHandler(&h.said, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:    func() time.Time { return h.now },
	})
	h.must(err)
	return p
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) update(fn func(tx store.Tx) error) {
	h.Helper()
	h.must(h.store.Update(h.Context(), fn))
}

var (
	phone   = channels.Address{Kind: channels.SMS, Handle: "+380501234589"}
	mailbox = channels.Address{Kind: channels.Email, Handle: "olga.canary@shop.example", Name: "NAME-CANARY"}
	chat    = channels.Address{Kind: channels.Telegram, Handle: "7700112233", Name: "NAME-CANARY"}
)

// opens makes a case of a message from an address of a new customer.
func (h *house) opens(from channels.Address) *casecore.Case {
	h.Helper()
	var c *casecore.Case
	h.update(func(tx store.Tx) (err error) {
		who := &casecore.Customer{Name: "NAME-CANARY", Lang: "en"}
		if err := casecore.Customers.Put(tx, who); err != nil {
			return err
		}
		if err := casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(from)}, Address: from, Customer: who.ID}); err != nil {
			return err
		}
		c, _, err = h.ledger.Open(tx, casecore.System("intake"), casecore.Draft{
			Customer: who.ID, Channel: h.open[from.Kind], To: from, Lang: "en", Subject: "SUBJECT-CANARY", Queue: "phones", Priority: casecore.Normal,
			Attributes: map[string]string{"brand": "Samsung", "model": "Galaxy S24", "phone": "+380670001122", "secret": "ATTRIBUTE-CANARY"},
		}, casecore.Message{
			Direction: casecore.In, Channel: h.open[from.Kind], ExternalID: store.NewID(), From: from,
			Body: channels.Body{Text: "MESSAGE-CANARY", Subject: "SUBJECT-CANARY"},
		})
		return err
	})
	return c
}

// also gives the customer of a case one more address.
func (h *house) also(c *casecore.Case, a channels.Address, verified bool) {
	h.Helper()
	h.update(func(tx store.Tx) error {
		return casecore.Identities.Put(tx, &casecore.Identity{
			Meta: store.Meta{ID: casecore.IdentityID(a)}, Address: a, Customer: c.Customer, Verified: verified,
		})
	})
}

// moves gives a case a status some time later and tells the customer so.
func (h *house) moves(c *casecore.Case, to string, after time.Duration) {
	h.Helper()
	h.now = h.now.Add(after)
	h.update(func(tx store.Tx) error {
		k, err := h.ledger.Move(tx, olena, c.ID, to, casecore.Guard{})
		if err != nil {
			return err
		}
		s := h.ledger.Flow().Status(to)
		if s.Notice == "" {
			return nil
		}
		_, m, err := h.ledger.Tell(tx, casecore.System("notify"), c.ID, casecore.Message{
			Template: s.Notice, Status: s.Label(k.Lang),
			Body: channels.Body{Text: "NAME-CANARY, your Samsung: " + s.Label(k.Lang) + ". SUBJECT-CANARY\nAll of it: " + h.portal.Link(k) + "\nCall +380670001122."},
		})
		if err != nil {
			return err
		}
		_, err = h.ledger.Attempted(tx, m.ID, casecore.Attempt{No: 1, State: channels.Sent})
		return err
	})
}

func (h *house) get(id string) (c *casecore.Case, who *casecore.Customer) {
	h.Helper()
	h.must(h.store.View(h.Context(), func(tx store.Tx) (err error) {
		if c, err = casecore.Cases.Get(tx, id); err != nil {
			return err
		}
		who, err = casecore.Customers.Get(tx, c.Customer)
		return err
	}))
	return c, who
}

func (h *house) shut(a channels.Address) (s *casecore.Shut) {
	h.Helper()
	h.must(h.store.View(h.Context(), func(tx store.Tx) error {
		i, err := casecore.Identities.Get(tx, casecore.IdentityID(a))
		s = i.Shut
		return err
	}))
	return s
}

// kinds lists what happened to a case since it was opened.
func (h *house) kinds(c *casecore.Case) (out []string) {
	h.Helper()
	h.must(h.store.View(h.Context(), func(tx store.Tx) error {
		out = nil
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			if e.Kind != casecore.Opened {
				out = append(out, strings.TrimSpace(strings.Join([]string{string(e.Kind), e.From + ">" + e.To, e.ToName, e.Actor}, " ")))
			}
		}
		return nil
	}))
	return out
}

// path is that of a case's page.
func (h *house) path(c *casecore.Case) string {
	h.Helper()
	k, _ := h.get(c.ID)
	u, err := url.Parse(h.portal.Link(k))
	h.must(err)
	return u.Path
}

// page is an answer.
type page struct {
	code   int
	body   string
	header http.Header
}

func (h *house) do(method, path string, form url.Values, header ...string) page {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.url+path, strings.NewReader(form.Encode()))
	h.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	h.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	h.must(err)
	return page{resp.StatusCode, string(b), resp.Header}
}

func (h *house) reads(path string) page { h.Helper(); return h.do("GET", path, nil) }

// asks posts a wish and follows to the page that shows it.
func (h *house) asks(c *casecore.Case, wish string, form url.Values) page {
	h.Helper()
	h.now = h.now.Add(time.Minute) // no hurry
	got := h.do("POST", h.path(c)+"/"+wish, form)
	if got.code == http.StatusSeeOther {
		return h.reads(got.header.Get("Location"))
	}
	return got
}

// ref is by what the page names an address, found by how it shows it.
func (h *house) ref(c *casecore.Case, label string) string {
	h.Helper()
	body := h.reads(h.path(c)).body
	found := regexp.MustCompile(`name="at" value="([\w-]+)">[^<]*<span class="quiet">: ` + regexp.QuoteMeta(label)).FindStringSubmatch(body)
	if found == nil {
		h.Fatalf("the page has no address %q", label)
	}
	return found[1]
}

func (p page) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if p.code != code {
		t.Errorf("%d, want %d", p.code, code)
	}
	for _, s := range texts {
		if !strings.Contains(p.body, s) {
			t.Errorf("the page lacks %q", s)
		}
	}
}

func (p page) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if strings.Contains(p.body, s) {
			t.Errorf("the page has %q", s)
		}
	}
}
