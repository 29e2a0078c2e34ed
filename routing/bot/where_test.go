package bot_test

import (
	"slices"
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// also gives the customer of a case one more address.
func (h *house) also(c *casecore.Case, a channels.Address, verified bool) {
	h.Helper()
	err := h.store.Update(h.Context(), func(tx store.Tx) error {
		return casecore.Identities.Put(tx, &casecore.Identity{
			Meta: store.Meta{ID: casecore.IdentityID(a)}, Address: a, Customer: c.Customer, Verified: verified,
		})
	})
	if err != nil {
		h.Fatal(err)
	}
}

// customer returns a case's customer, and the events that tell of their wishes.
func (h *house) customer(c *casecore.Case) (who *casecore.Customer, events []string) {
	h.Helper()
	err := h.store.View(h.Context(), func(tx store.Tx) (err error) {
		if who, err = casecore.Customers.Get(tx, c.Customer); err != nil {
			return err
		}
		events = nil
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			if e.Kind == casecore.Preferred || e.Kind == casecore.LangChosen {
				events = append(events, string(e.Kind)+" "+e.From+">"+e.To+" "+e.ToName+" "+e.Actor)
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return who, events
}

func labels(b *channels.Body) (out []string) {
	for _, o := range b.Buttons {
		out = append(out, o.Label)
	}
	return out
}

// /stop is a wish: what the customer writes afterwards does not take it back, /start
// does.
func TestStopAndStart(t *testing.T) {
	h := open(t)
	c := h.write("42", "My phone is broken").Case
	shut := func() *casecore.Shut {
		t.Helper()
		var i *casecore.Identity
		err := h.store.View(t.Context(), func(tx store.Tx) (err error) {
			i, err = casecore.Identities.Get(tx, casecore.IdentityID(c.To))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return i.Shut
	}
	for range 2 {
		if got := h.command("42", "/stop@shopbot"); !strings.Contains(got.Text, "/start") {
			t.Errorf("answered %q", got.Text)
		}
	}
	h.write("42", "Is it ready?")
	if s := shut(); s == nil || s.Code != casecore.StopCode {
		t.Fatalf("after /stop: %+v", s)
	}
	h.command("42", "/start")
	if s := shut(); s != nil {
		t.Errorf("after /start: %+v", s)
	}
	if got := h.command("stranger", "/stop"); got == nil {
		t.Error("a stranger was not answered")
	}
}

// The customer chooses where they are told among the addresses that are known to be
// theirs, is told in words what was chosen, and each change is one event.
func TestWhereToWrite(t *testing.T) {
	h := open(t)
	if got := h.command("42", "/channel"); len(got.Buttons) != 0 {
		t.Errorf("a stranger is offered %q", labels(got))
	}
	c := h.write("42", "My phone is broken").Case
	if got := h.command("42", "/channel"); len(got.Buttons) != 0 || !strings.Contains(got.Text, "only address") {
		t.Errorf("with one address: %q %q", got.Text, labels(got))
	}
	phone := channels.Address{Kind: channels.SMS, Handle: "+380501234589"}
	typed := channels.Address{Kind: channels.Email, Handle: "typed@shop.example"}
	h.also(c, phone, true)
	h.also(c, typed, false)
	asked := h.command("42", "Channel")
	got := labels(asked)
	slices.Sort(got)
	if want := []string{"SMS +380…89", "Telegram (here)", "where you last wrote"}; !slices.Equal(got, want) {
		t.Fatalf("choices %q, want %q", got, want)
	}
	if strings.Contains(asked.Text, phone.Handle) {
		t.Errorf("the whole number is shown: %q", asked.Text)
	}
	for range 2 {
		if got := h.press("42", "where|"+casecore.IdentityID(phone)); got.Text != "From now on we write to you here first: SMS +380…89." {
			t.Errorf("answered %q", got.Text)
		}
	}
	who, events := h.customer(c)
	if want := []string{"preferred >sms +380…89 system:bot"}; who.Preferred != phone.Key() || !slices.Equal(events, want) {
		t.Errorf("preferred %q, events %q", who.Preferred, events)
	}

	// Nothing but their own: not what an operator typed, nor somebody else's.
	stranger := h.write("99", "Mine, too").Case
	for _, id := range []string{casecore.IdentityID(typed), casecore.IdentityID(stranger.To), "nothing", "|", strings.Repeat("x", 2000)} {
		if got := h.press("42", "where|"+id); len(got.Buttons) != 3 {
			t.Errorf("%.40s: %q %q", id, got.Text, labels(got))
		}
	}
	if who, events = h.customer(c); who.Preferred != phone.Key() || len(events) != 1 {
		t.Errorf("preferred %q, events %q", who.Preferred, events)
	}

	// By number, where there are no buttons, and in the customer's language.
	h.press("42", "lang|uk")
	sms := h.from(channels.SMS, phone.Handle, "/channel", nil)
	sms.Body.Lang = "uk"
	asked = h.ask(sms)
	n := slices.Index(labels(asked), "Telegram") + 1
	if n == 0 || !strings.Contains(asked.Text, "SMS +380…89 (тут)") || !strings.HasSuffix(asked.Text, "Надішліть /channel і номер.") {
		t.Fatalf("asked %q with %q", asked.Text, labels(asked))
	}
	sms.Body.Text = "/channel " + string(rune('0'+n))
	if got := h.ask(sms); got.Text != "Відтепер насамперед пишемо сюди: Telegram." {
		t.Errorf("answered %q", got.Text)
	}
	if got := h.press("42", "where|last"); got.Text != "Відтепер пишемо туди, звідки ви писали востаннє." {
		t.Errorf("answered %q", got.Text)
	}
	who, events = h.customer(c)
	want := []string{
		"preferred >sms +380…89 system:bot", "language >uk  system:bot", "preferred sms>telegram  system:bot", "preferred telegram>  system:bot",
	}
	if who.Preferred != "" || !who.LangSet || !slices.Equal(events, want) {
		t.Errorf("customer %+v, events %q", who, events)
	}
	sms.Body.Text = "channel 2"
	if got := h.ask(sms); got != nil {
		t.Errorf("what may be about a television is answered: %q", got.Text)
	}
	sms.Body.Text = "/new 2"
	if got := h.ask(sms); got != nil {
		t.Errorf("a number behind what offers no choice is answered: %q", got.Text)
	}
}

// A language that was chosen wins over the one that a later message is written in.
func TestChosenLanguageWins(t *testing.T) {
	h := open(t)
	c := h.write("42", "My phone is broken").Case
	if who, _ := h.customer(c); who.LangSet {
		t.Error("a language was chosen by writing")
	}
	h.press("42", "lang|uk")
	h.press("42", "new")
	later := h.write("42", "Another one, written in English").Case
	who, _ := h.customer(c)
	if got := who.Reads(later); later.ID == c.ID || got != "uk" {
		t.Errorf("the next case is in %q", got)
	}
	if got := who.Reads(h.get(c.ID)); got != "uk" {
		t.Errorf("the first case is in %q", got)
	}
}
