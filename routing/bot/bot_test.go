package bot_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/blob/dir"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/bot"
	"casewire/routing/intake"
)

// house is a bot over a real store.
type house struct {
	*testing.T
	store  store.Store
	ledger *casecore.Ledger
	intake *intake.Intake
	bot    *bot.Bot
	now    time.Time
	sent   int
}

func open(t *testing.T) *house {
	t.Helper()
	st := stores.Open(t, casecore.Collections()...)
	blobs, err := dir.Open(t.TempDir(), dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := flow.Compile(flow.Spec{Initial: "new", Reopen: "new", Statuses: []flow.Status{
		{ID: "new", Name: lang.Text{"en": "New"}, Customer: lang.Text{"en": "Received", "uk": "Прийнято"}, Category: flow.New, Next: []string{"issued"}},
		{ID: "issued", Name: lang.Text{"en": "Issued"}, Category: flow.Closed},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := routing.Compile(routing.Spec{
		Queues: []routing.Queue{{ID: "general", Name: lang.Text{"en": "General"}}},
		Rules:  []routing.Rule{{Name: "rest", Then: routing.Then{Queue: "general"}}},
	}, routing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, store: st, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return h.now }
	h.ledger = &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: now}
	h.intake = intake.New(st, h.ledger, func() *routing.Router { return r }, blobs, intake.Options{})
	h.bot, err = bot.New(st, h.ledger, h.intake, bot.Options{Now: now, Centre: func() string { return "Mill Street Repairs" }})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// from is a message as a door hands it over.
func (h *house) from(kind channels.Kind, who, text string, facts map[string]string) channels.Inbound {
	h.sent++
	return channels.Inbound{
		Channel: string(kind) + ":main", ExternalID: time.Unix(int64(h.sent), 0).String(), Facts: facts,
		From: channels.Address{Kind: kind, Handle: who}, Body: channels.Body{Text: text, Lang: "en"},
	}
}

func (h *house) ask(m channels.Inbound) *channels.Body {
	h.Helper()
	out, err := h.bot.Answer(h.Context(), m)
	if err != nil {
		h.Fatal(err)
	}
	return out
}

func (h *house) command(who, text string) *channels.Body {
	h.Helper()
	return h.ask(h.from(channels.Telegram, who, text, nil))
}

func (h *house) press(who, data string) *channels.Body {
	h.Helper()
	return h.ask(h.from(channels.Telegram, who, "label", map[string]string{"button": data}))
}

// write takes a message in, as a door does when the bot has no answer.
func (h *house) write(who, text string) *intake.Result {
	h.Helper()
	res, err := h.intake.Take(h.Context(), h.from(channels.Telegram, who, text, nil))
	if err != nil {
		h.Fatal(err)
	}
	return res
}

func (h *house) get(id string) *casecore.Case {
	h.Helper()
	var c *casecore.Case
	err := h.store.View(h.Context(), func(tx store.Tx) (err error) {
		c, err = casecore.Cases.Get(tx, id)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return c
}

// asked returns the choices that a case's latest question offers.
func (h *house) asked(c *casecore.Case) []casecore.Choice {
	h.Helper()
	var out []casecore.Choice
	err := h.store.View(h.Context(), func(tx store.Tx) error {
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			if e.Kind == casecore.Asked {
				out = e.Choices
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return out
}

func TestWhatIsACommand(t *testing.T) {
	h := open(t)
	c := h.write("42", "My phone is broken").Case
	for _, tc := range []struct {
		kind channels.Kind
		text string
		want string // part of the answer; "" for none
	}{
		{channels.Telegram, "/start", "Welcome to Mill Street Repairs"},
		{channels.Telegram, "/repairs@shopbot", c.CaseNumber()},
		{channels.Telegram, "  Статус! ", c.CaseNumber()},
		{channels.Telegram, strings.ToLower(c.CaseNumber()), "Status: Received, since 02.03.2026"},
		{channels.Telegram, "CW-999999", "no repair of yours"},
		{channels.Telegram, "the status of my phone?", ""},
		{channels.Telegram, "/settings", "Welcome to Mill Street Repairs"},
		{channels.Telegram, "/unknown", ""},
		{channels.Telegram, "stop", ""},
		{channels.Telegram, "2", ""},
		{channels.Telegram, "", ""},
		{channels.SMS, "status", "no repair of yours"},
		{channels.SMS, "new", ""},
		{channels.SMS, "HELP", ""},
	} {
		got := h.ask(h.from(tc.kind, "42", tc.text, nil))
		if (got == nil) != (tc.want == "") || got != nil && !strings.Contains(got.Text, tc.want) {
			t.Errorf("%s %q: %+v, want %q", tc.kind, tc.text, got, tc.want)
		}
	}
	if h.get(c.ID).Messages != 1 {
		t.Error("a command was stored as a message")
	}
}

// Nobody learns of a stranger's case, not even whether it exists.
func TestAStrangersCaseIsNotThere(t *testing.T) {
	h := open(t)
	c := h.write("42", "My phone is broken").Case
	there, nowhere := h.command("666", c.CaseNumber()), h.command("666", "CW-999999")
	if there.Text != nowhere.Text {
		t.Errorf("%q and %q tell a stranger which numbers exist", there.Text, nowhere.Text)
	}
	if got := h.press("666", "case|"+c.CaseNumber()); got.Text != nowhere.Text {
		t.Errorf("a forged button told %q", got.Text)
	}
}

// Two devices in one chat never get mixed up.
func TestTwoDevicesInOneChat(t *testing.T) {
	h := open(t)
	phone := h.write("42", "My phone is broken").Case
	h.command("42", "/new")
	washer := h.write("42", "And the washing machine leaks").Case
	if washer.ID == phone.ID {
		t.Fatal("a wished new case was not opened")
	}
	if res := h.write("42", "it is the big one"); res.Case.ID != washer.ID || h.asked(washer) != nil {
		t.Fatal("a customer in the middle of a sentence was asked, or misfiled")
	}
	if res := h.write("42", "about "+strings.ToLower(phone.CaseNumber())+": is it ready?"); res.Case.ID != phone.ID {
		t.Error("a message that names its case went elsewhere")
	}
	h.now = h.now.Add(time.Hour)
	res := h.write("42", "when is it ready?")
	offer := h.asked(res.Case)
	if len(offer) != 3 || !strings.HasPrefix(offer[1].Label, phone.CaseNumber()) && !strings.HasPrefix(offer[0].Label, phone.CaseNumber()) {
		t.Fatalf("the customer was offered %+v", offer)
	}
	i := slices.IndexFunc(offer, func(c casecore.Choice) bool { return strings.HasSuffix(c.Data, phone.CaseNumber()) })
	for range 2 { // pressed twice
		if got := h.press("42", offer[i].Data); !strings.Contains(got.Text, phone.CaseNumber()) {
			t.Errorf("the choice was answered %q", got.Text)
		}
	}
	if n := h.get(phone.ID).Messages; n != 3 {
		t.Errorf("the chosen case has %d messages, want 3", n)
	}
	var third string
	for range 2 {
		got := h.press("42", offer[2].Data).Text
		if third != "" && got != third {
			t.Errorf("pressed again it made another case: %q, then %q", third, got)
		}
		third = got
	}
	if h.press("666", offer[i].Data).Text != "That choice is not open any more. Just write here." {
		t.Error("a stranger moved a customer's message")
	}
}

func TestSerialNumberNamesItsCase(t *testing.T) {
	h := open(t)
	phone := h.write("42", "My phone is broken").Case
	err := h.store.Update(t.Context(), func(tx store.Tx) error {
		c, err := casecore.Cases.Get(tx, phone.ID)
		if err != nil {
			return err
		}
		c.Attributes = map[string]string{"serial": "F2LX9Q1"}
		return casecore.Cases.Put(tx, c)
	})
	if err != nil {
		t.Fatal(err)
	}
	h.command("42", "/new")
	h.write("42", "another one")
	if res := h.write("42", "s/n f2lx9q1 please hurry"); res.Case.ID != phone.ID {
		t.Error("a message with the serial number went elsewhere")
	}
}

// Where there are no buttons, the number of the choice is the answer.
func TestChoicesByNumber(t *testing.T) {
	h := open(t)
	sms := func(text string) channels.Inbound { return h.from(channels.SMS, "+380", text, nil) }
	res, err := h.intake.Take(t.Context(), sms("broken"))
	if err != nil {
		t.Fatal(err)
	}
	err = h.store.Update(t.Context(), func(tx store.Tx) error {
		_, _, err := h.ledger.Tell(tx, casecore.System("test"), res.Case.ID, casecore.Message{Body: channels.Body{
			Text: "which?", Buttons: []channels.Button{{Label: "a", Data: "my"}, {Label: "b", Data: "file|" + res.Message.ID + "|new"}},
		}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.ask(sms("3")); got != nil {
		t.Errorf("a number that was not offered was answered %q", got.Text)
	}
	if got := h.ask(sms(" 1 ")); got == nil || !strings.Contains(got.Text, res.Case.CaseNumber()) {
		t.Errorf("the first choice: %+v", got)
	}
	h.now = h.now.Add(25 * time.Hour)
	if got := h.ask(sms("1")); got != nil {
		t.Error("a question of yesterday was still open")
	}
}

func TestLanguage(t *testing.T) {
	h := open(t)
	c := h.write("42", "broken").Case
	if got := h.command("42", "/language"); len(got.Buttons) != 4 {
		t.Errorf("%d languages are offered", len(got.Buttons))
	}
	if got := h.press("42", "lang|uk"); !strings.Contains(got.Text, "українською") {
		t.Errorf("answered %q", got.Text)
	}
	if who, _ := h.customer(h.get(c.ID)); who.Reads(h.get(c.ID)) != "uk" || !strings.Contains(h.command("42", "/status").Text, "Прийнято") {
		t.Error("the wish was not kept")
	}
	if got := h.press("42", "lang|xx"); len(got.Buttons) != 4 {
		t.Errorf("an unknown language was answered %q", got.Text)
	}
}

// T4: the link on the receipt ties a chat to its customer, once.
func TestLink(t *testing.T) {
	h := open(t)
	res, err := h.intake.Take(t.Context(), h.from(channels.Email, "olena@mail.test", "broken", nil))
	if err != nil {
		t.Fatal(err)
	}
	var token string
	err = h.store.Update(t.Context(), func(tx store.Tx) (err error) {
		token, err = h.ledger.Tie(tx, casecore.System("test"), res.Case.ID)
		return err
	})
	if err != nil || !regexp.MustCompile(`^[A-Za-z0-9_-]{16,64}$`).MatchString(token) {
		t.Fatalf("token %q, %v: not a payload that the provider takes", token, err)
	}
	start := func(who, token string) string {
		t.Helper()
		return h.ask(h.from(channels.Telegram, who, "/start", map[string]string{"start": token})).Text
	}
	earlier := h.write("42", "is anybody there?").Case
	for range 2 {
		if got := start("42", token); !strings.Contains(got, res.Case.CaseNumber()) {
			t.Fatalf("the link was answered %q", got)
		}
	}
	if h.get(earlier.ID).Customer != res.Case.Customer {
		t.Error("what was written before the link is another customer's")
	}
	h.now = h.now.Add(time.Hour)
	if got := h.command("42", "/repairs").Text; !strings.Contains(got, res.Case.CaseNumber()) || !strings.Contains(got, earlier.CaseNumber()) {
		t.Errorf("the chat knows of %q", got)
	}
	for _, bad := range []string{token, "", "made-up"} {
		if bad == "" {
			continue
		}
		if got := start("666", bad); !strings.Contains(got, "not valid") {
			t.Errorf("a used or made-up link was answered %q", got)
		}
	}
	err = h.store.Update(t.Context(), func(tx store.Tx) (err error) {
		token, err = h.ledger.Tie(tx, casecore.System("test"), res.Case.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(31 * 24 * time.Hour)
	if got := start("7", token); !strings.Contains(got, "not valid") {
		t.Errorf("a link of last month was answered %q", got)
	}
}

// Every text is there in every language, with the same places to fill.
func TestWordsAreWhole(t *testing.T) {
	words := bot.Words(t)
	place := regexp.MustCompile(`\{[a-z]+\}`)
	want := slices.Sorted(maps.Keys(words["en"]))
	for _, tag := range lang.Supported {
		if got := slices.Sorted(maps.Keys(words[tag])); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", tag, got, want)
		}
		for key, text := range words[tag] {
			got, want := place.FindAllString(text, -1), place.FindAllString(words["en"][key], -1)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s %s fills %v, English fills %v", tag, key, got, want)
			}
		}
	}
}
