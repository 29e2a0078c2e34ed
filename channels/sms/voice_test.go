package sms

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"casewire/channels"
	"casewire/channels/sms/sandbox"
)

// rings has somebody call us, and returns how it went when it is over.
func (r *rig) rings(from string) sandbox.Rung {
	r.Helper()
	sid, err := r.twilio.Call(from, ourNumber)
	if err != nil {
		r.Fatal(err)
	}
	got, err := r.twilio.AwaitCall(r.ctx(), sid)
	if err != nil {
		r.Fatal(err)
	}
	return got
}

// listening starts a rig at which calls are announced.
func listening(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	r := start(t, sandbox.Options{}, change)
	r.twilio.PointVoice(ourNumber, r.door.VoiceURL(), r.door.VoiceURL()+"/status")
	return r
}

func TestACallIsAMessageOfTheCaller(t *testing.T) {
	r := listening(t, func(c *Config) { c.Voice.Dial = []string{shopPhone} })
	r.text("Dobar dan")
	got := r.rings(customer)
	all := r.house.Book.Messages()
	if len(all) != 2 {
		t.Fatalf("%d messages", len(all))
	}
	m := all[1]
	switch {
	case m.ExternalID != got.SID || m.Channel != channelID || !slices.Equal(m.Refs, []string{got.SID}):
		t.Errorf("%q on %q, refs %q", m.ExternalID, m.Channel, m.Refs)
	case m.From != all[0].From:
		t.Errorf("the caller is %+v, who texts %+v", m.From, all[0].From)
	case m.Body.Text != "Dolazni poziv" || m.Body.Lang != "" || m.Auto || m.Broken != "":
		t.Errorf("%+v", m)
	case m.Facts["call"] != "inbound" || m.Facts["number"] != ourNumber || m.Facts["country"] != "RS" || m.Facts["withheld"] != "":
		t.Errorf("facts %v", m.Facts)
	}
	if len(r.house.Book.Standings()) != 0 {
		t.Error("a number that is shown is shut")
	}
	if n := r.door.Counts()["calls_in"]; n != 1 {
		t.Errorf("%d calls counted", n)
	}
}

// What the caller hears, whose phone rings, and what the house learns of it.
func TestWhatBecomesOfACall(t *testing.T) {
	const absent, busy, second = "+15005554480", "+15005554486", "+381112222222"
	say := Text{"en": "Hello", "sr": "Dobar dan"}
	for name, v := range map[string]struct {
		from   string
		dial   []string
		say    Text
		heard  string
		rang   int
		state  channels.State
		code   string
		by     string
		reject bool
	}{
		"answered":            {customer, []string{shopPhone}, say, "sr-RS: Dobar dan", 1, channels.Delivered, "", shopPhone, false},
		"the second answers":  {customer, []string{absent, second}, nil, "", 2, channels.Delivered, "", second, false},
		"nobody answers":      {customer, []string{absent}, say, "sr-RS: Dobar dan", 1, channels.Undelivered, channels.CallNoAnswer, "", false},
		"all busy":            {customer, []string{busy}, nil, "", 1, channels.Undelivered, channels.CallBusy, "", false},
		"the caller hangs up": {"+15005554481", []string{shopPhone}, nil, "", 1, channels.Undelivered, channels.CallCanceled, "", false},
		"only a text":         {customer, nil, say, "sr-RS: Dobar dan", 0, channels.Undelivered, channels.CallNoAnswer, "", false},
		"another language":    {"+493012345678", nil, Text{"uk": "Добрий день"}, "uk-UA: Добрий день", 0, channels.Undelivered, channels.CallNoAnswer, "", false},
		"the channel's own":   {"+493012345678", nil, say, "en-US: Hello", 0, channels.Undelivered, channels.CallNoAnswer, "", false},
		"no configuration":    {customer, nil, nil, "", 0, channels.Undelivered, channels.CallNoAnswer, "", true},
	} {
		r := listening(t, func(c *Config) { c.Voice.Dial, c.Voice.Say = v.dial, v.say })
		got := r.rings(v.from)
		if !got.Taken || strings.Join(got.Heard, ", ") != v.heard || len(got.Rang) != v.rang || got.By != v.by || got.Rejected != v.reject {
			t.Errorf("%s: %+v", name, got)
		}
		all := r.house.Book.Receipts()
		if len(all) == 0 {
			t.Errorf("%s: nobody told", name)
			continue
		}
		x := all[0]
		if x.State != v.state || x.Code != v.code || x.ProviderID != got.SID || x.OutboundID != "" || x.Talk == nil || !x.Talk.Incoming || x.Talk.By != v.by {
			t.Errorf("%s: %+v, %+v", name, x, x.Talk)
		}
		if spoke := x.Talk.Length > 0; spoke != (v.state == channels.Delivered) {
			t.Errorf("%s: they spoke for %s", name, x.Talk.Length)
		}
		for _, secret := range []string{customer, shopPhone} {
			if strings.Contains(x.Detail, secret) || strings.Contains(r.log.String(), secret) {
				t.Errorf("%s: a number is told", name)
			}
		}
	}
}

// Who withholds their number is somebody new at each call, and cannot be written to:
// that is known before the message is there.
func TestWithheldNumbers(t *testing.T) {
	for _, from := range []string{"+266696687", "+1266696687", "+7378742833", "+17378742833", "+2562533", "+8656696", "+86282452253", "anonymous", "Restricted", "", "sip:someone@example.org"} {
		r := listening(t, nil)
		var shutFirst bool
		r.house.Book.Before = func(context.Context, channels.Inbound) error {
			shutFirst = len(r.house.Book.Standings())%2 == 1
			return nil
		}
		first := r.rings(from)
		if !shutFirst {
			t.Errorf("%q: the message was there before the address was shut", from)
		}
		r.house.Book.Before = nil
		r.rings(from)
		all := r.house.Book.Messages()
		if len(all) != 2 || all[0].From.Key() == all[1].From.Key() {
			t.Errorf("%q: %d messages of one customer", from, len(all))
			continue
		}
		m := all[0]
		if m.From.Kind != channels.Voice || m.From.Handle != first.SID || m.From.Name != "Number withheld" || m.Facts["withheld"] != "yes" || m.Body.Text == "" {
			t.Errorf("%q: %+v, %v", from, m.From, m.Facts)
		}
		for i, s := range r.house.Book.Standings() {
			if s.Open || s.Address.Key() != all[i].From.Key() || s.Reason != channels.BadAddress {
				t.Errorf("%q: %+v", from, s)
			}
		}
		if err := sendTo(r, m.From); channels.AsSendError(err).Reason != channels.BadAddress {
			t.Errorf("%q can be written to: %v", from, err)
		}
	}
}

func sendTo(r *rig, a channels.Address) error {
	m := r.outbound("o1", customer, "x")
	m.To = a
	_, err := r.door.Send(r.Context(), m)
	return err
}

// Twilio may ask twice, and tell everything twice and in any order: one message, and
// one end by the house's rule that the first word on it counts.
func TestRepeatsOfCalls(t *testing.T) {
	r := listening(t, func(c *Config) { c.Voice.Dial = []string{shopPhone, "+381112222222"} })
	got := r.rings(customer)
	if status, err := r.twilio.CallAgain(r.ctx(), got.SID); err != nil || status != http.StatusOK {
		t.Errorf("the same call again: %d, %v", status, err)
	}
	if n := len(r.house.Book.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
	at := r.door.VoiceURL() + "/status"
	words := map[string]url.Values{
		"answered": r.told("CallStatus", "in-progress", "ParentCallSid", callID(1), "CallSid", callID(2), "To", shopPhone),
		"over":     r.told("CallStatus", "in-progress", "CallSid", callID(1), "DialCallStatus", "completed", "DialCallDuration", "42"),
		"whole":    r.told("CallStatus", "completed", "CallSid", callID(1), "CallDuration", "50"),
	}
	for _, order := range sequences([]string{"answered", "over", "whole"}, 4) {
		if err := r.house.Memory.Forget(t.Context(), "call/"+callID(1)); err != nil && !errors.Is(err, channels.ErrNotFound) {
			t.Fatal(err)
		}
		before := len(r.house.Book.Receipts())
		for _, w := range order {
			if status := r.post(at, words[w]); status != http.StatusOK {
				t.Fatalf("%v: %s is answered %d", order, w, status)
			}
		}
		all := r.house.Book.Receipts()[before:]
		over := slices.Index(order, "over")
		if (over >= 0) != (len(all) > 0) {
			t.Errorf("%v: %d receipts", order, len(all))
		}
		for _, x := range all {
			if x.State != channels.Delivered || x.Talk.Length.Seconds() != 42 {
				t.Errorf("%v: %+v", order, x)
			}
		}
		if i := slices.Index(order, "answered"); over >= 0 && i >= 0 && i < over && all[0].Talk.By != shopPhone {
			t.Errorf("%v: answered by %q", order, all[0].Talk.By)
		}
	}
}

// told is a form about a call.
func (r *rig) told(pairs ...string) url.Values {
	f := url.Values{"AccountSid": {r.twilio.AccountSID()}, "From": {customer}, "To": {ourNumber}, "Direction": {"inbound"}}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return f
}

func callID(n int) string { return "CA" + sid(n)[2:] }

// Whatever is wrong with an announced call, it is refused without effect.
func TestBadCalls(t *testing.T) {
	r := listening(t, func(c *Config) { c.Voice.Dial = []string{shopPhone} })
	at := r.door.VoiceURL()
	good := r.told("CallSid", callID(1), "CallStatus", "ringing")
	signed := func(address string, f url.Values) string { return sandbox.Sign(r.twilio.AuthToken(), address, f) }
	with := func(pairs ...string) url.Values {
		return r.told(append([]string{"CallSid", callID(1), "CallStatus", "ringing"}, pairs...)...)
	}
	for _, v := range []struct {
		name, address, signature string
		form                     url.Values
		status                   int
		count                    string
	}{
		{"no signature", at, "", good, 403, "unsigned"},
		{"another URL", at, signed(at+"/status", good), good, 403, "forged"},
		{"replayed from the path of messages", at, signed(r.url, good), good, 403, "forged"},
		{"another token", at, sandbox.Sign(nextToken, at, good), good, 403, "forged"},
		{"another account", at, signed(at, with("AccountSid", "AC"+strings.Repeat("1", 32))), with("AccountSid", "AC"+strings.Repeat("1", 32)), 403, "foreign_account"},
		{"a number that is not ours", at, signed(at, with("To", "+15005559999")), with("To", "+15005559999"), 404, "unknown_number"},
		{"no call", at, signed(at, with("CallSid", "CA1")), with("CallSid", "CA1"), 400, "mangled"},
		{"a message's id", at, signed(at, with("CallSid", sid(1))), with("CallSid", sid(1)), 400, "mangled"},
		{"a status of no call", at + "/status", signed(at+"/status", with("CallSid", "x")), with("CallSid", "x"), 400, "mangled"},
		{"a status without one", at + "/status", signed(at+"/status", with("CallStatus", "")), with("CallStatus", ""), 400, "mangled"},
	} {
		before := r.door.Counts()[v.count]
		if got := r.send(v.address, v.signature, v.form.Encode()); got != v.status {
			t.Errorf("%s: %d, want %d", v.name, got, v.status)
		}
		if n := r.door.Counts()[v.count]; n != before+1 {
			t.Errorf("%s: %s counted %d times", v.name, v.count, n-before)
		}
	}
	if len(r.house.Book.Messages())+len(r.house.Book.Receipts())+len(r.house.Book.Standings()) != 0 {
		t.Error("something came of it")
	}
	if got := r.send(at+"/other", "x", ""); got != http.StatusNotFound {
		t.Errorf("another path: %d", got)
	}
}

// A call is answered only once it is stored (S1): a store that is away has Twilio
// come again.
func TestACallIsStoredBeforeItIsAnswered(t *testing.T) {
	r := listening(t, func(c *Config) { c.Voice.Say = Text{"en": "Hello"} })
	fails := 2
	r.house.Book.Before = func(context.Context, channels.Inbound) error {
		if fails--; fails >= 0 {
			return errors.New("the store is away")
		}
		return nil
	}
	got := r.rings(customer)
	if !got.Taken || len(got.Heard) != 1 || len(r.house.Book.Messages()) != 1 || r.door.Counts()["store_errors"] != 2 {
		t.Errorf("%+v, %d messages, counts %v", got, len(r.house.Book.Messages()), r.door.Counts())
	}
}

func TestAnswersEscapeWhatTheyAreGiven(t *testing.T) {
	v := Voice{Dial: []string{`+1"><Play/>`}, Say: Text{"en": `</Say><Play>x</Play>`}, Language: "en"}
	got := v.answer("en", "https://a.example/x?id=a&b")
	if strings.Contains(got, "<Play") || !strings.Contains(got, "id=a&amp;b") || xml.Unmarshal([]byte(got), new(struct{})) != nil {
		t.Error(got)
	}
}
