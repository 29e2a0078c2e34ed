package intake_test

import (
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/intake"
)

// mail is a mail with a name of its own.
func mail(from, id, subject, text string) channels.Inbound {
	m := message(channels.Email, from, id, text)
	m.Refs, m.Topic, m.Body.Subject = []string{id}, subject, subject
	return m
}

// get reads one case by its number.
func (h *house) get(c *casecore.Case) *casecore.Case {
	h.Helper()
	var out *casecore.Case
	h.view(func(tx store.Tx) (err error) {
		out, err = casecore.Cases.Get(tx, c.ID)
		return err
	})
	return out
}

func (h *house) view(fn func(store.Tx) error) {
	h.Helper()
	if err := h.store.View(h.Context(), fn); err != nil {
		h.Fatal(err)
	}
}

func (h *house) update(fn func(store.Tx) error) {
	h.Helper()
	if err := h.store.Update(h.Context(), fn); err != nil {
		h.Fatal(err)
	}
}

// The order and the limits of what a mail may claim (E5, E6, E7).
func TestWhatAMailMayClaim(t *testing.T) {
	const own, stranger = "olena@mail.test", "eve@mail.test"
	tests := []struct {
		name   string
		from   string
		claim  func(m *channels.Inbound, number string)
		joins  bool
		linked bool
	}{
		{"the case's token", own, func(m *channels.Inbound, n string) { m.Case = n }, true, false},
		{"the token in other hands", stranger, func(m *channels.Inbound, n string) { m.Case = n }, false, true},
		{"a token of no case", own, func(m *channels.Inbound, _ string) { m.Case = "CW-999999" }, false, false},
		{"what is no number", own, func(m *channels.Inbound, _ string) { m.Case = "1 OR 1=1" }, false, false},
		{"an answer", own, func(m *channels.Inbound, _ string) { m.Answers = []string{"unknown@x", "first@mail.test"} }, true, false},
		{"an answer under another subject", own, func(m *channels.Inbound, _ string) {
			m.Answers, m.Topic = []string{"first@mail.test"}, "something else"
		}, true, false},
		{"an answer in other hands", stranger, func(m *channels.Inbound, _ string) { m.Answers = []string{"first@mail.test"} }, false, true},
		{"a mention", own, func(m *channels.Inbound, _ string) { m.Mentions = []string{"first@mail.test"} }, true, false},
		{"a mention under another subject", own, func(m *channels.Inbound, _ string) {
			m.Mentions, m.Topic = []string{"first@mail.test"}, "a new matter"
		}, false, false},
		{"a report", "mailer-daemon@mail.test", func(m *channels.Inbound, _ string) {
			m.Answers, m.Report, m.Auto = []string{"first@mail.test"}, true, true
		}, true, false},
		{"nothing", own, func(*channels.Inbound, string) {}, false, false},
		{"a name as long as a book", own, func(m *channels.Inbound, _ string) { m.Answers = []string{string(make([]byte, 100_000))} }, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := open(t)
			first := h.take(mail(own, "first@mail.test", "washing machine", "it leaks")).Case
			second := mail(test.from, "second@mail.test", "washing machine", "well?")
			test.claim(&second, first.CaseNumber())
			res := h.take(second)
			if res.New == test.joins || test.joins && res.Case.ID != first.ID {
				t.Errorf("new case: %v, want %v", res.New, !test.joins)
			}
			if linked := res.Case.Linked == first.CaseNumber(); linked != test.linked {
				t.Errorf("linked to %q, want it linked: %v", res.Case.Linked, test.linked)
			}
			if !test.joins && h.get(first).Messages != 1 {
				t.Error("the claimed case was written to")
			}
		})
	}
}

// Who writes from one address and has answers sent to the customer's is not the
// customer, whatever thread they know (E7, E8); who always writes so, is.
func TestAReplyToIsNoSender(t *testing.T) {
	const own, eve = "olena@mail.test", "eve@mail.test"
	written := func(writer, id string) channels.Inbound {
		m := mail(own, id, "washing machine", "text")
		if writer != "" {
			m.Writer = channels.Address{Kind: channels.Email, Handle: writer}
		}
		return m
	}
	for _, test := range []struct {
		name          string
		first, second string
		joins         bool
	}{
		{"a stranger in the customer's thread", "", eve, false},
		{"another stranger than the one before", "form@partner.test", eve, false},
		{"the customer's other mail program", "Olena@phone.test", "olena@phone.test", true},
		{"the customer after a form", "form@partner.test", "", true},
		{"another address of the customer", "", "office@mail.test", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := open(t)
			first := h.take(written(test.first, "1@mail")).Case
			h.update(func(tx store.Tx) error {
				a := channels.Address{Kind: channels.Email, Handle: "office@mail.test"}
				return casecore.Identities.Put(tx, &casecore.Identity{
					Meta: store.Meta{ID: casecore.IdentityID(a)}, Address: a, Customer: first.Customer,
				})
			})
			for i, claim := range []func(*channels.Inbound){
				func(m *channels.Inbound) { m.Case = first.CaseNumber() },
				func(m *channels.Inbound) { m.Answers = []string{"1@mail"} },
				func(m *channels.Inbound) { m.Mentions = []string{"1@mail"} },
			} {
				m := written(test.second, string(rune('a'+i))+"@mail")
				claim(&m)
				res := h.take(m)
				if res.New == test.joins {
					t.Errorf("claim %d: new case: %v", i, res.New)
				}
				if !test.joins && res.Case.Linked != first.CaseNumber() {
					t.Errorf("claim %d: linked to %q", i, res.Case.Linked)
				}
			}
		})
	}
}

// Mail programs write one address in more than one way.
func TestLettersInCapitalsAreTheSameSender(t *testing.T) {
	h := open(t)
	first := h.take(mail("Olena.K@mail.test", "1@mail", "x", "hello")).Case
	reply := mail("olena.k@mail.test", "2@mail", "x", "and?")
	reply.Answers = []string{"1@mail"}
	if res := h.take(reply); res.New || res.Case.Customer != first.Customer {
		t.Errorf("the customer's own answer opened %s", res.Case.CaseNumber())
	}
	if first.To.Handle != "Olena.K@mail.test" {
		t.Errorf("answers go to %q", first.To.Handle)
	}
}

// A message that fits the limits of its parts fits the store, too: the door would
// otherwise offer it again and again.
func TestWhatIsLongInTheStoreIsTaken(t *testing.T) {
	for name, fill := range map[string]string{"quotes": `"`, "controls": "\x01", "separators": "\u2028", "markup": "<"} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			m := mail("olena@mail.test", "1@mail", "x", strings.Repeat(fill, 199_000/len(fill))+".")
			m.Body.Quoted = strings.Repeat(fill, 199_000/len(fill))
			m.Body.HTML = strings.Repeat(fill, 299_000/len(fill))
			res := h.take(m)
			if res.Message.Body.Text == "" || res.Message.Broken == "" && res.Message.Body.HTML == "" {
				t.Errorf("text of %d bytes, broken %q", len(res.Message.Body.Text), res.Message.Broken)
			}
		})
	}
}

// A customer with two addresses may answer from either.
func TestACustomersOtherAddressMayAnswer(t *testing.T) {
	h := open(t)
	first := h.take(mail("a@mail.test", "1@mail", "x", "hello"))
	h.update(func(tx store.Tx) error {
		a := channels.Address{Kind: channels.Email, Handle: "b@work.test"}
		return casecore.Identities.Put(tx, &casecore.Identity{
			Meta: store.Meta{ID: casecore.IdentityID(a)}, Address: a, Customer: first.Case.Customer,
		})
	})
	reply := mail("b@work.test", "2@mail", "x", "from the office")
	reply.Answers = []string{"1@mail"}
	if res := h.take(reply); res.New || res.Case.ID != first.Case.ID {
		t.Errorf("the customer's own answer opened %s", res.Case.CaseNumber())
	}
}

// A message with somebody's message id does not take its place (E4).
func TestAStolenNameDoesNotLeadAnswersAstray(t *testing.T) {
	h := open(t)
	h.take(mail("eve@mail.test", "1@mail", "x", "I was first"))
	own := mail("olena@mail.test", "1@mail", "x", "hello")
	own.ExternalID = "other content"
	first := h.take(own).Case
	reply := mail("olena@mail.test", "2@mail", "x", "again")
	reply.Answers = []string{"1@mail"}
	if res := h.take(reply); res.Case.ID != first.ID {
		t.Errorf("the answer went to %s, want %s", res.Case.CaseNumber(), first.CaseNumber())
	}
}

func TestOneMailToTwoAddressesIsOneCase(t *testing.T) {
	h := open(t)
	m := mail("olena@mail.test", "1@mail", "x", "hello")
	m.Copy = "sum"
	first := h.take(m)
	m.Channel = "email:sales"
	res := h.take(m)
	if res.New || res.Case.ID != first.Case.ID || res.Message.CopyOf != first.Message.ID {
		t.Fatalf("the copy: %+v of case %s", res.Message, res.Case.CaseNumber())
	}
	if again := h.take(m); !again.Repeat {
		t.Error("the copy's repeat was stored again")
	}
	other := mail("eve@mail.test", "1@mail", "x", "hello")
	other.Channel, other.Copy = "email:third", "sum"
	if res := h.take(other); !res.New {
		t.Error("another sender's copy joined the case")
	}
}

// T5: an edit is a version, whichever of the two comes first, and once.
func TestEditsAreVersions(t *testing.T) {
	original := message(channels.Telegram, "42", "bot|42|7", "my phone")
	original.Refs = []string{"bot|42|7"}
	edit := message(channels.Telegram, "42", "bot|42|7|e1", "my phone, an iPhone")
	edit.Replaces = "bot|42|7"
	for name, order := range map[string][]channels.Inbound{
		"in order":           {original, edit, edit, original},
		"the edit first":     {edit, original, edit, original},
		"the edit repeated":  {edit, edit, original},
		"nothing but repeat": {original, original, edit, edit},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			var res *intake.Result
			for _, m := range order {
				res = h.take(m)
			}
			if n := h.count(casecore.Messages.Coll()); n != 1 {
				t.Fatalf("%d messages, want 1", n)
			}
			var m *casecore.Message
			h.view(func(tx store.Tx) (err error) {
				m, err = casecore.Messages.Get(tx, res.Message.ID)
				return err
			})
			if m.Body.Text != edit.Body.Text || len(m.Versions) != 1 || m.Versions[0].Body.Text != original.Body.Text {
				t.Errorf("text %q, versions %+v", m.Body.Text, m.Versions)
			}
			reply := message(channels.Telegram, "42", "bot|42|9", "and?")
			reply.Answers = []string{"bot|42|7"}
			if r := h.take(reply); r.New || r.Case.ID != res.Case.ID {
				t.Error("an answer to the edited message opened another case")
			}
		})
	}
	t.Run("by somebody else", func(t *testing.T) {
		h := open(t)
		h.take(original)
		forged := edit
		forged.From.Handle = "666"
		if res := h.take(forged); !res.New {
			t.Error("a stranger edited a message")
		}
	})
}

// S5, T7: a block is remembered, with the customer's own wish above all.
func TestStanding(t *testing.T) {
	h := open(t)
	a := channels.Address{Kind: channels.SMS, Handle: "+380501112233"}
	shut := func() *casecore.Shut {
		t.Helper()
		var i *casecore.Identity
		h.view(func(tx store.Tx) (err error) {
			i, err = casecore.Identities.Get(tx, casecore.IdentityID(a))
			return err
		})
		return i.Shut
	}
	say := func(open bool, code string, at time.Time) {
		t.Helper()
		err := h.intake.Standing(t.Context(), channels.Standing{
			Channel: "sms:main", Address: a, Open: open, Reason: channels.Blocked, Code: code, At: at, Cursor: []byte("7"),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	say(false, casecore.StopCode, h.now)
	if s := shut(); s == nil || s.Code != casecore.StopCode {
		t.Fatalf("a stranger's STOP was forgotten: %+v", s)
	}
	c := h.take(message(channels.SMS, a.Handle, "SM1", "hello")).Case
	if shut() == nil {
		t.Error("a message took back a STOP, which only START may")
	}
	say(true, "start", h.now.Add(time.Minute))
	if shut() != nil {
		t.Error("START did not open the address again")
	}
	say(false, casecore.StopCode, h.now) // redelivered late
	if shut() != nil {
		t.Error("an older STOP overrode a later START")
	}
	say(true, "start", h.now.Add(90*time.Second)) // changes nothing, and counts
	say(false, casecore.StopCode, h.now.Add(80*time.Second))
	if shut() != nil {
		t.Error("an older STOP overrode a START that changed nothing")
	}
	say(false, "bot_blocked", h.now.Add(2*time.Minute))
	before := h.get(c).Events
	say(false, "bot_blocked", h.now.Add(3*time.Minute))
	if h.get(c).Events != before {
		t.Error("the same word twice is two entries of the timeline")
	}
	h.now = h.now.Add(4 * time.Minute)
	h.take(message(channels.SMS, a.Handle, "SM2", "me again"))
	if shut() != nil {
		t.Error("whoever writes again can be written to again")
	}
	if err := h.intake.Standing(t.Context(), channels.Standing{}); err == nil {
		t.Error("a word about nobody was taken")
	}
}
