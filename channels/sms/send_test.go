package sms

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/sms/sandbox"
)

func (r *rig) states(id string) (out []channels.State) {
	for _, x := range r.house.Book.Receipts() {
		if x.OutboundID == id {
			out = append(out, x.State)
		}
	}
	return out
}

func (r *rig) reached(id string, s channels.State) {
	r.Helper()
	r.wait(string(s), func() bool {
		for _, got := range r.states(id) {
			if got == s {
				return true
			}
		}
		return false
	})
}

func TestAMessageIsSentAndDelivered(t *testing.T) {
	for name, o := range map[string]sandbox.Options{"in order": {}, "in disorder, twice": {Disorder: true}} {
		t.Run(name, func(t *testing.T) {
			r := start(t, o, nil)
			got, err := r.door.Send(t.Context(), r.outbound("case 1/note?&", customer, "Ваш ремонт готов"))
			if err != nil || got.State != channels.Sent || got.ProviderID == "" || got.OutboundID != "case 1/note?&" {
				t.Fatalf("%+v, %v", got, err)
			}
			r.reached("case 1/note?&", channels.Delivered)
			if b := r.twilio.Phone(customer); len(b) != 1 || b[0].Text != "Ваш ремонт готов" || b[0].Peer != ourNumber {
				t.Errorf("the phone shows %+v", b)
			}
		})
	}
}

// S6: what callbacks say of failures comes with what follows from it.
func TestLaterFailures(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	for to, want := range map[string]channels.Receipt{
		"+15005553003": {State: channels.Undelivered, Code: "30003", Reason: channels.Unreachable},
		"+15005553005": {State: channels.Undelivered, Code: "30005", Reason: channels.BadAddress},
		"+15005553006": {State: channels.Undelivered, Code: "30006", Reason: channels.BadAddress},
		"+15005553007": {State: channels.Undelivered, Code: "30007", Reason: channels.BadContent},
		"+15005551610": {State: channels.Failed, Code: "21610", Reason: channels.Blocked},
	} {
		if _, err := r.door.Send(t.Context(), r.outbound(to, to, "x")); err != nil {
			t.Fatal(err)
		}
		r.reached(to, want.State)
		for _, got := range r.house.Book.Receipts() {
			if got.OutboundID == to && got.State == want.State && (got.Code != want.Code || got.Reason != want.Reason) {
				t.Errorf("%s: %+v", to, got)
			}
		}
	}
	r.wait("the opt-out that only a callback told", func() bool { return len(r.house.Book.Standings()) == 1 })
	if s := r.house.Book.Standings()[0]; s.Open || s.Reason != channels.Blocked || s.Address.Handle != "+15005551610" {
		t.Errorf("%+v", s)
	}
}

func TestRefusalForOptOutShutsTheAddress(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	_, err := r.door.Send(t.Context(), r.outbound("o1", "+15005550004", "x"))
	if e := channels.AsSendError(err); e.Reason != channels.Blocked || e.Code != "21610" {
		t.Errorf("%v", err)
	}
	if s := r.house.Book.Standings(); len(s) != 1 || s[0].Open || s[0].Address.Handle != "+15005550004" {
		t.Errorf("%+v", s)
	}
}

// S3: whatever becomes of the answer, the customer gets the message once.
func TestUncertainSendsAreResolved(t *testing.T) {
	for _, v := range []struct {
		name, to string
		taken    bool
	}{
		{"taken, then 503", "+15005550503", true},
		{"taken, then cut", "+15005550498", true},
		{"taken, then silence", "+15005550408", true},
		{"cut before it was taken", "+15005550499", false},
		{"500", "+15005550500", false},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, sandbox.Options{}, func(c *Config) { c.Limits.Call = time.Second })
			got, err := r.door.Send(t.Context(), r.outbound("o1", v.to, "ready"))
			if v.taken {
				if err != nil || got.State == "" || got.ProviderID != r.twilio.Sent()[0].SID {
					t.Errorf("%+v, %v", got, err)
				}
				if again, err := r.door.Send(t.Context(), r.doubted("o1", v.to, "ready")); err != nil || again.ProviderID != got.ProviderID {
					t.Errorf("again: %+v, %v", again, err)
				}
				if n := len(r.twilio.Sent()); n != 1 {
					t.Errorf("sent %d times", n)
				}
				return
			}
			if e := channels.AsSendError(err); e.Reason != channels.Unsure || !e.Retry || e.RetryAfter < time.Second {
				t.Errorf("%v", err)
			}
			if n := len(r.twilio.Sent()); n != 0 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

// Two messages of the same words are not taken for each other.
func TestSameWordsTwice(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	first, err := r.door.Send(t.Context(), r.outbound("o1", customer, "ok"))
	if err != nil {
		t.Fatal(err)
	}
	undo := r.twilio.Fail(sandbox.Fault{Op: "create", Cut: true})
	if _, err := r.door.Send(t.Context(), r.outbound("o2", customer, "ok")); channels.AsSendError(err).Reason != channels.Unsure {
		t.Fatalf("the first was taken for the second: %v", err)
	}
	undo()
	second, err := r.door.Send(t.Context(), r.doubted("o2", customer, "ok"))
	if err != nil || second.ProviderID == first.ProviderID || len(r.twilio.Sent()) != 2 {
		t.Errorf("%+v and %+v (%v), sent %d", first, second, err, len(r.twilio.Sent()))
	}
	for id, want := range map[string]string{"o1": first.ProviderID, "o2": second.ProviderID} {
		if got, err := r.door.Send(t.Context(), r.doubted(id, customer, "ok")); err != nil || got.ProviderID != want {
			t.Errorf("%s again: %+v, %v", id, got, err)
		}
	}
}

// F1, F9: a process that ends between the request and its record has sent once.
func TestKilledAfterThePost(t *testing.T) {
	for _, point := range []string{"sms.posting", "sms.posted"} {
		t.Run(point, func(t *testing.T) {
			r := assemble(t, sandbox.Options{})
			type killed struct{}
			armed := true
			r.check = func(p string) {
				if p == point && armed {
					armed = false
					panic(killed{})
				}
			}
			r.open(nil)
			func() {
				defer func() {
					if p := recover(); p != (killed{}) {
						t.Errorf("recovered %v", p)
					}
				}()
				_, _ = r.door.Send(t.Context(), r.outbound("o1", customer, "once"))
			}()
			r.close()
			r.open(nil)
			if _, err := r.door.Send(t.Context(), r.doubted("o1", customer, "once")); err != nil {
				t.Fatal(err)
			}
			if n := len(r.twilio.Sent()); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	r := start(t, sandbox.Options{}, func(c *Config) { c.Limits.Call = time.Minute })
	r.twilio.Fail(sandbox.Fault{Op: "create", Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := r.door.Send(ctx, r.outbound("o1", customer, "x"))
	if e := channels.AsSendError(err); e.Reason != channels.Unsure || time.Since(begun) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
}

// S7: what is sent is as cheap as the configuration lets it be, and no cheaper.
func TestTextsAreMadeCheaper(t *testing.T) {
	long := "“Готово” — " + strings.Repeat("приходите за телефоном ", 4)
	for _, v := range []struct {
		name            string
		quotes, latin   bool
		lang, in, want  string
		segmentsAtSight int
	}{
		{"one curly quote makes two parts", true, false, "en", strings.Repeat("a", 80) + "’", strings.Repeat("a", 80) + "'", 1},
		{"kept when not wanted", false, false, "en", strings.Repeat("a", 80) + "’", strings.Repeat("a", 80) + "’", 2},
		{"kept when it saves nothing", true, true, "en", "it’s", "it’s", 1},
		{"latin letters", true, true, "ru", long, `"Gotovo" - ` + strings.TrimSpace(strings.Repeat("prikhodite za telefonom ", 4)), 1},
	} {
		r := start(t, sandbox.Options{Manual: true}, func(c *Config) { c.PlainQuotes, c.Transliterate = v.quotes, v.latin })
		shown, info := r.door.Preview(v.in, v.lang)
		m := r.outbound("o1", customer, v.in)
		m.Body.Lang = v.lang
		if _, err := r.door.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := r.twilio.Sent()[0].Body; got != v.want || shown != v.want || info.Segments != v.segmentsAtSight {
			t.Errorf("%s: sent %q, preview %q in %d", v.name, got, shown, info.Segments)
		}
	}
}

func TestSenders(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"service": func(c *Config) { c.From, c.MessagingService = "", service },
		"name":    func(c *Config) { c.From = "MillStreet" },
		"both":    func(c *Config) { c.MessagingService = service },
	} {
		r := start(t, sandbox.Options{Service: service}, change)
		if _, err := r.door.Send(t.Context(), r.outbound("o1", "060 123 4567", "x")); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sent := r.twilio.Sent()[0]
		if sent.To != customer || !strings.HasPrefix(sent.Callback, r.url+"/status?id=o1") {
			t.Errorf("%s: %+v", name, sent)
		}
		if name == "name" && (sent.From != "MillStreet" || !strings.Contains(r.door.Health().Text, "nobody can answer")) {
			t.Errorf("%s: from %q, health %q", name, sent.From, r.door.Health().Text)
		}
	}
}

func TestHealthTellsOfTheAccount(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	if h := r.door.Health(); !h.OK {
		t.Errorf("at first: %+v", h)
	}
	undo := r.twilio.Fail(sandbox.Fault{Status: http.StatusUnauthorized, Code: 20003})
	_, err := r.door.Send(t.Context(), r.outbound("o1", customer, "x"))
	if h := r.door.Health(); err == nil || h.OK || !strings.Contains(h.Text, "does not accept") {
		t.Errorf("%v: %+v", err, h)
	}
	undo()
	if _, err := r.door.Send(t.Context(), r.outbound("o1", customer, "x")); err != nil {
		t.Fatal(err)
	}
	if h := r.door.Health(); !h.OK {
		t.Errorf("afterwards: %+v", h)
	}
}

func TestErrorsHoldNoAddressAndNoText(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	for _, to := range []string{"+15005550001", "+15005550500", "+15005550499", "+15005550003", "+15005550429"} {
		_, err := r.door.Send(t.Context(), r.outbound("o"+to[8:], to, "canary-text"))
		for _, secret := range []string{to, "canary", r.twilio.AuthToken(), "To="} {
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", to, err)
			}
		}
	}
}

// A wrong sender stays a fault although Twilio answers everything else.
func TestHealthKeepsFaultsApart(t *testing.T) {
	r := assemble(t, sandbox.Options{})
	d := r.closed()
	d.state.heard(sending, &refusal{status: 400, code: 21606})
	d.state.heard(listing, nil)
	if h := d.Health(); h.OK || !strings.Contains(h.Text, "sender") {
		t.Errorf("%+v", h)
	}
	d.state.heard(sending, nil)
	d.state.heard(listing, &refusal{err: errors.New("refused")})
	if h := d.Health(); h.OK || h.Text != away {
		t.Errorf("%+v", h)
	}
	d.state.heard(asking, nil)
	if h := d.Health(); !h.OK {
		t.Errorf("Twilio answers, and yet: %+v", h)
	}
}
