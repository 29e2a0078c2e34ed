package telegram

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/telegram/sandbox"
)

// met returns an office that has heard from a customer.
func met(t *testing.T) (*office, channels.Address, channels.Inbound) {
	t.Helper()
	o := open(t)
	o.api.Say(customer, "hello")
	m := o.message(1)
	return o, m.From, m
}

// A long text goes out in parts that Telegram takes, in order, once (T6).
func TestLongText(t *testing.T) {
	o, who, _ := met(t)
	text := strings.Repeat("Все готово & <ждёт> вас. 😀 ", 400)
	r := o.send(channels.Outbound{ID: "m1", To: who, Body: channels.Body{Text: text, Buttons: []channels.Button{{Label: "OK", Data: "ok"}}}})
	got := o.texts(customer)
	if len(got) < 3 || letters(strings.Join(got, "")) != letters(text) {
		t.Errorf("%d parts, or something was lost", len(got))
	}
	if len(r.Refs) != len(got)-1 || r.State != channels.Sent {
		t.Errorf("receipt %+v of %d parts", r, len(got))
	}
	bubbles := o.api.Chat(customer)
	if last := bubbles[len(bubbles)-1]; len(last.Buttons) != 1 || len(bubbles[1].Buttons) != 0 {
		t.Error("the buttons belong under the last part")
	}
}

// A message whose sending stopped in the middle goes on with the part that did not
// go out: no part is sent twice, also after a restart.
func TestHalfSentGoesOn(t *testing.T) {
	o, who, _ := met(t)
	m := channels.Outbound{ID: "m1", Channel: channelID, To: who, Body: channels.Body{
		Text:  strings.Repeat("word ", 2000),
		Files: []channels.File{o.kept("act.txt", []byte("the act"))},
	}}
	o.api.Fail(sandbox.Fault{Method: "sendDocument", Code: http.StatusInternalServerError})
	_, err := o.door.Send(o.ctx(), m)
	if e := reason(t, err); e.Reason != channels.Unsure {
		t.Fatalf("%v, want unsure", err)
	}
	before := len(o.texts(customer))
	o.close()
	o.start()
	r := o.send(m)
	if got := o.texts(customer); len(got) != before+1 || before != 3 {
		t.Errorf("%d messages before, %d after", before, len(got))
	}
	if len(r.Refs) != 3 {
		t.Errorf("receipt %+v", r)
	}
	o.send(m)
	if got := o.texts(customer); len(got) != before+1 {
		t.Error("what was sent in full went out again")
	}
}

// The case is bold; what Telegram cannot parse goes out plain (T6).
func TestFallsBackToPlain(t *testing.T) {
	o, who, _ := met(t)
	o.send(channels.Outbound{ID: "m1", To: who, Case: "CW-000123", Body: channels.Body{Text: "CW-000123: 1 < 2 & so on"}})
	calls := o.api.Calls()
	if got := calls[len(calls)-1].Fields["text"]; got != "<b>CW-000123</b>: 1 &lt; 2 &amp; so on" {
		t.Errorf("sent %q", got)
	}
	o.api.Fail(sandbox.Fault{Method: "sendMessage", Code: http.StatusBadRequest, Description: `Bad Request: can't parse entities: Unsupported start tag "secret" at byte offset 3`})
	o.send(channels.Outbound{ID: "m2", To: who, Case: "CW-000123", Body: channels.Body{Text: "CW-000123 is <ready>"}})
	calls = o.api.Calls()
	if last := calls[len(calls)-1]; last.Fields["text"] != "CW-000123 is <ready>" || last.Fields["parse_mode"] != "" {
		t.Errorf("sent %+v", last.Fields)
	}
}

// Photos go as photos, and as documents when Telegram does not like them; a short
// text is their caption, a long one comes first (T8).
func TestFilesOut(t *testing.T) {
	o, who, _ := met(t)
	small, thin, act := picture(t, 20, 10), picture(t, 2000, 10), []byte("%PDF-1.4 act")
	o.send(channels.Outbound{ID: "m1", To: who, Body: channels.Body{Text: "the photo", Files: []channels.File{
		o.kept("a.png", small), o.kept("thin.png", thin), o.kept("../act\".pdf", act),
	}}})
	got := o.api.Chat(customer)[1:]
	if len(got) != 3 || got[0].Kind != "photo" || got[0].Text != "the photo" || got[1].Kind != "document" || got[2].Kind != "document" || got[2].Text != "" {
		t.Fatalf("%+v", got)
	}
	if name := got[2].File.Name; strings.ContainsAny(name, `/"`) {
		t.Errorf("the file is called %q", name)
	}
	for i, want := range [][]byte{small, thin, act} {
		if _, data, ok := o.api.File(got[i].File.ID); !ok || !bytes.Equal(data, want) {
			t.Errorf("file %d arrived damaged", i)
		}
	}
	o.send(channels.Outbound{ID: "m2", To: who, Body: channels.Body{Text: strings.Repeat("long ", 300), Files: []channels.File{o.kept("a.png", small)}}})
	if got := o.api.Chat(customer)[4:]; len(got) != 2 || got[0].File != nil || got[1].Text != "" {
		t.Errorf("%+v", got)
	}
	_, err := o.door.Send(o.ctx(), channels.Outbound{ID: "m3", To: who, Body: channels.Body{Files: []channels.File{{Size: 51 << 20, Blob: "x"}}}})
	if e := reason(t, err); e.Reason != channels.BadContent || e.Code != codeLarge {
		t.Errorf("too large: %v", err)
	}
}

// An answer is shown under what it answers, when that is a message of this chat.
func TestAnswersOut(t *testing.T) {
	o, who, m := met(t)
	o.send(channels.Outbound{ID: "m1", To: who, Answers: []string{"4242|9|9", "out-7", m.ExternalID}, Body: channels.Body{Text: "yes"}})
	if b := o.api.Chat(customer); b[1].ReplyTo != b[0].ID {
		t.Errorf("answers %d, want %d", b[1].ReplyTo, b[0].ID)
	}
	o.send(channels.Outbound{ID: "m2", To: who, Answers: []string{o.door.names.message(customer, 999)}, Body: channels.Body{Text: "gone"}})
	if b := o.api.Chat(customer); len(b) != 3 || b[2].ReplyTo != 0 {
		t.Errorf("%+v", b)
	}
}

// What was asked of the bot is waited for, by everybody (T7).
func TestThrottledOut(t *testing.T) {
	o, who, _ := met(t)
	o.api.Fail(sandbox.Fault{Method: "sendMessage", Code: http.StatusTooManyRequests, RetryAfter: 1})
	m := channels.Outbound{ID: "m1", Channel: channelID, To: who, Body: channels.Body{Text: "x"}}
	begun := time.Now()
	_, err := o.door.Send(o.ctx(), m)
	if e := reason(t, err); e.Reason != channels.Throttled || e.RetryAfter != time.Second {
		t.Fatalf("%v", err)
	}
	o.send(m)
	if waited := time.Since(begun); waited < time.Second {
		t.Errorf("the next message went out after %s", waited)
	}
}

// A refusal's text shows nothing of the message.
func TestErrorsQuoteNothing(t *testing.T) {
	o, who, _ := met(t)
	o.api.Fail(sandbox.Fault{Method: "sendMessage", Code: http.StatusBadRequest, Description: `Bad Request: wrong "my secret diagnosis" in it`})
	_, err := o.door.Send(o.ctx(), channels.Outbound{ID: "m1", To: who, Body: channels.Body{Text: "my secret diagnosis"}})
	if e := reason(t, err); e.Reason != channels.BadContent || strings.Contains(e.Error(), "diagnosis") || e.Code != "400" {
		t.Errorf("%v", err)
	}
}

// The memory being away sends nothing: it could not be known what went out before.
func TestMemoryAwayOut(t *testing.T) {
	o, who, _ := met(t)
	o.troubled(func(_, op string) error {
		if strings.HasPrefix(op, "load sent/") {
			return channeltest.ErrStore
		}
		return nil
	})
	_, err := o.door.Send(o.ctx(), channels.Outbound{ID: "m1", To: who, Body: channels.Body{Text: "x"}})
	if e := reason(t, err); e.Reason != channels.Unreachable || !e.Retry || len(o.texts(customer)) != 0 {
		t.Errorf("%v", err)
	}
}

// A request that did not go out whole was certainly not carried out; one that did
// may have been (T7).
func TestUnsureOnlyWhenItMayHaveArrived(t *testing.T) {
	for _, test := range []struct {
		name string
		r    refusal
		want channels.Reason
	}{
		{"not connected", refusal{err: io.EOF}, channels.Unreachable},
		{"no answer", refusal{wrote: true, err: io.EOF}, channels.Unsure},
		{"502 of a proxy", refusal{wrote: true, foreign: true, code: 502}, channels.Unsure},
		{"a page of somebody else", refusal{wrote: true, foreign: true, code: 200}, channels.Misset},
		{"deactivated", refusal{code: 403, text: "Forbidden: user is deactivated"}, channels.Blocked},
		{"cannot begin", refusal{code: 403, text: "Forbidden: bot can't initiate conversation with a user"}, channels.Blocked},
		{"no rights", refusal{code: 400, text: "Bad Request: have no rights to send a message"}, channels.Blocked},
		{"topic gone", refusal{code: 400, text: "Bad Request: message thread not found"}, channels.BadAddress},
		{"too large", refusal{code: 413}, channels.BadContent},
	} {
		if e := test.r.sendError(); e.Reason != test.want {
			t.Errorf("%s: %s, want %s", test.name, e.Reason, test.want)
		}
	}
}

// Typing shows on the phone, and no more often than the phone needs.
func TestTyping(t *testing.T) {
	o, who, _ := met(t)
	for range 5 {
		if err := o.door.Typing(o.ctx(), who); err != nil {
			t.Fatal(err)
		}
	}
	if !o.api.Typing(customer) {
		t.Error("the phone shows nothing")
	}
	n := 0
	for _, c := range o.api.Calls() {
		if c.Method == "sendChatAction" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d requests", n)
	}
	if err := o.door.Typing(o.ctx(), channels.Address{Kind: channels.SMS, Handle: "1"}); err == nil {
		t.Error("typing to a phone number went well")
	}
}
