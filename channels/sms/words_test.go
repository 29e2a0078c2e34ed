package sms

import (
	"strings"
	"testing"

	"casewire/channels"
	"casewire/channels/sms/sandbox"
)

// S5: only a body that is nothing but the word is a command.
func TestCommands(t *testing.T) {
	for _, v := range []struct {
		optOut, body string
		want         order
	}{
		{"", "STOP", orderStop}, {"", "stop", orderStop}, {"", " Stop. ", orderStop}, {"", "\u200bSTOP!\n", orderStop},
		{"", "stop all", orderStop}, {"", "StopAll", orderStop}, {"", "UNSUBSCRIBE", orderStop}, {"", "cancel", orderStop},
		{"", "end", orderStop}, {"", "quit", orderStop}, {"", "СТОП", orderStop}, {"", "стоп!!!", orderStop},
		{"", "Отписаться", orderStop}, {"", "Відписка", orderStop}, {"", "ОДЈАВА", orderStop}, {"", "Odjavi me", orderStop},
		{"", "stop, the screen is broken", noOrder}, {"", "please stop", noOrder}, {"", "стоп экран разбит", noOrder},
		{"", "STOP 👍", noOrder}, {"", "", noOrder}, {"", "...", noOrder}, {"", "отмена", noOrder},
		{"", strings.Repeat(" ", 70) + "stop", noOrder},
		{"", "start", orderStart}, {"", "UNSTOP", orderStart}, {"", "Старт", orderStart}, {"", "Prijavi me", orderStart},
		{"", "Yes!", orderYes}, {"", "да", orderYes}, {"", "Так", orderYes}, {"", "DA", orderYes},
		{"", "help", orderHelp}, {"", "INFO", orderHelp}, {"", "Допомога", orderHelp}, {"", "помоћ", orderHelp},
		{"STOP", "leave me alone", orderStop}, {"start", "ok again", orderStart}, {"HELP", "??", orderHelp}, {"START", "yes", orderStart},
	} {
		if got := commandOf(v.optOut, v.body); got.order != v.want {
			t.Errorf("%q %q: %d, want %d", v.optOut, v.body, got.order, v.want)
		}
	}
}

func TestCommandLanguage(t *testing.T) {
	for body, want := range map[string]string{"STOP": "en", "СТОП": "ru", "відписка": "uk", "odjava": "sr", "помоћ": "sr"} {
		if c := commandIn(body); c.lang != want || c.known != (want == "en") {
			t.Errorf("%q: %+v, want %s", body, c, want)
		}
	}
}

// A STOP shuts the address and opens no case; START opens it again; in between
// nothing is sent, and YES is an opt-in. Before and after, YES is an answer.
func TestStopAndStart(t *testing.T) {
	r := start(t, sandbox.Options{}, func(c *Config) {
		c.StopReply = Text{"en": "You will get no more.", "ru": "Больше не пришлём."}
	})
	type word struct {
		say, phone, standing string // what the phone then shows, and the house then knows
		message              bool
	}
	for i, w := range []word{
		{say: "yes", message: true},
		{say: "stop", phone: "unsubscribed", standing: "stop"},
		{say: "Yes", phone: "re-subscribed", standing: "start"},
		{say: "YES", message: true},
		{say: "СТОП", phone: "Больше не пришлём.", standing: "stop"},
		{say: "старт", standing: "start"},
		{say: "stop, it is broken", message: true},
	} {
		messages, standings := len(r.house.Book.Messages()), len(r.house.Book.Standings())
		id := r.text(w.say)
		if got := len(r.house.Book.Messages()) - messages; (got == 1) != w.message {
			t.Errorf("%d %q: %d messages", i, w.say, got)
		}
		all := r.house.Book.Standings()
		if got := len(all) - standings; (got == 1) != (w.standing != "") {
			t.Fatalf("%d %q: %d standings", i, w.say, got)
		}
		if w.standing != "" {
			s := all[len(all)-1]
			if s.Code != w.standing || s.Open != (w.standing == "start") || s.ExternalID != id || s.Address.Handle != customer || (s.Reason == channels.Blocked) == s.Open {
				t.Errorf("%d %q: %+v", i, w.say, s)
			}
		}
		if w.phone != "" {
			if err := r.twilio.Received(r.ctx(), customer, w.phone, 1); err != nil {
				t.Errorf("%d %q: the phone never showed %q", i, w.say, w.phone)
			}
		}
		if status, err := r.twilio.Again(t.Context(), id); err != nil || status != 200 {
			t.Errorf("%d %q repeated: %d, %v", i, w.say, status, err)
		}
		if got := len(r.house.Book.Messages()) - messages; got > 1 {
			t.Errorf("%d %q: a repeat made %d messages", i, w.say, got)
		}
	}
}

func TestHelpIsAnsweredOrHandedOver(t *testing.T) {
	r := start(t, sandbox.Options{}, func(c *Config) { c.HelpReply = Text{"en": "Mill Street <Repairs> & Co", "uk": "Сервіс"} })
	r.text("Допомога")
	if err := r.twilio.Received(r.ctx(), customer, "Сервіс", 1); err != nil {
		t.Error("no answer in the word's language")
	}
	r.text("help")
	if err := r.twilio.Received(r.ctx(), customer, "Mill Street <Repairs> & Co", 1); err != nil {
		t.Error("no answer, or not escaped")
	}
	if n := len(r.house.Book.Messages()); n != 0 {
		t.Errorf("%d messages", n)
	}
	r = start(t, sandbox.Options{}, nil)
	r.text("help")
	if n := len(r.house.Book.Messages()); n != 1 {
		t.Errorf("without an answer configured: %d messages, want 1", n)
	}
}

// Where Twilio's Advanced Opt-Out has judged a message, its word counts.
func TestAdvancedOptOut(t *testing.T) {
	r := start(t, sandbox.Options{}, func(c *Config) { c.HelpReply = Text{"en": "ours"} })
	for i, word := range []string{"STOP", "START", "HELP"} {
		f := r.inbound(sid(i+1), "arrêt")
		f.Set("OptOutType", word)
		if got := r.post(r.url, f); got != 200 {
			t.Errorf("%s: %d", word, got)
		}
	}
	got := r.house.Book.Standings()
	if len(got) != 2 || got[0].Open || !got[1].Open || len(r.house.Book.Messages()) != 0 {
		t.Errorf("standings %+v, %d messages", got, len(r.house.Book.Messages()))
	}
}

// What Advanced Opt-Out has judged stays a command when the list, which does not
// tell of it, brings it again after a restart.
func TestAdvancedOptOutOutlivesARestart(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	r.twilio.Point(ourNumber, "")
	id, err := r.twilio.Text(customer, ourNumber, "arrêt")
	if err != nil {
		t.Fatal(err)
	}
	f := r.inbound(id, "arrêt")
	f.Set("OptOutType", "STOP")
	if got := r.post(r.url, f); got != 200 {
		t.Fatalf("%d", got)
	}
	r.close()
	d := r.closed()
	if err := d.catchUp(t.Context(), r.house.Book); err != nil {
		t.Fatal(err)
	}
	if m, s := r.house.Book.Messages(), r.house.Book.Standings(); len(m) != 0 || len(s) != 1 {
		t.Errorf("%d messages, %d standings", len(m), len(s))
	}
}
