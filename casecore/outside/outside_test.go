package outside_test

import (
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/outside"
	"casewire/casecore/store"
	"casewire/channels"
)

func TestTypesAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, typ := range outside.Types() {
		group, what, ok := strings.Cut(typ.Name, ".")
		if seen[typ.Name] || !ok || group == "" || what == "" || !strings.HasSuffix(typ.About, ".") {
			t.Errorf("%q: %q", typ.Name, typ.About)
		}
		seen[typ.Name] = true
		for _, entry := range []string{typ.Name, group + ".*", "*"} {
			if msg, _ := outside.Fault(entry); msg != "" || !(outside.Selector{"x", entry}).Takes(typ.Name) {
				t.Errorf("%s does not select %s: %s", entry, typ.Name, msg)
			}
		}
		if (outside.Selector{"x.*", group, group + "." + what + "s"}).Takes(typ.Name) {
			t.Errorf("%s is selected by another name", typ.Name)
		}
	}
	for _, bad := range []string{"", ".*", "case", "case.", "case.*.*", "**", outside.Ping} {
		if msg, mend := outside.Fault(bad); msg == "" || mend == "" {
			t.Errorf("%q is taken for a type", bad)
		}
	}
}

// What people wrote, names and addresses are in no event, whatever its kind: here
// each field of the book holds them.
func TestEventsHoldNoContent(t *testing.T) {
	const canary = "zq-canary"
	c := &casecore.Case{
		Number: 7, Customer: canary, Channel: "sms:main", To: channels.Address{Kind: channels.SMS, Handle: canary, Name: canary}, Subject: canary,
		Status: "ready", Stage: "done", Queue: "phones", Owner: canary, OwnerName: canary, Attributes: map[string]string{canary: canary}, Tags: []string{canary},
	}
	told := 0
	for _, kind := range []casecore.EventKind{
		casecore.Opened, casecore.Received, casecore.Answered, casecore.Told, casecore.Noted, casecore.Claimed, casecore.Released, casecore.Transferred,
		casecore.Assigned, casecore.Moved, casecore.Reopened, casecore.Edited, casecore.Undelivered, casecore.Revised, casecore.Refiled, casecore.Asked,
		casecore.CallWanted, casecore.Calling, casecore.CallMade, casecore.CallTaken, casecore.Bound, casecore.ShutOff, casecore.ShutOver,
	} {
		e := &casecore.Event{Meta: store.Meta{ID: "e1"}, Kind: kind, Seq: 3, ActorName: canary, ToName: canary, Reason: canary, Choices: []casecore.Choice{{Label: canary}}}
		if kind == casecore.Calling {
			e.To = canary // the number
		}
		out, ok := outside.Of(casecore.Happening{Case: c, Event: e}, time.Now())
		if !ok {
			if kind != casecore.Noted {
				t.Errorf("%s is not told", kind)
			}
			continue
		}
		told++
		body, err := out.Body()
		if err != nil || strings.Contains(string(body), canary) {
			t.Errorf("%s: %s, %v", kind, body, err)
		}
	}
	if told < 20 {
		t.Errorf("only %d kinds are told", told)
	}
	m := &casecore.Message{Direction: casecore.Out, To: c.To, AuthorName: canary, Body: channels.Body{Text: canary, Subject: canary}, Delivery: &casecore.Delivery{State: channels.Delivered, Attempts: []casecore.Attempt{{Detail: canary, ProviderID: canary}}}}
	out, ok := outside.Of(casecore.Happening{Case: c, Message: m}, time.Now())
	body, err := out.Body()
	if !ok || err != nil || strings.Contains(string(body), canary) {
		t.Errorf("%s, %v", body, err)
	}
	m.Direction = casecore.Note
	if _, ok := outside.Of(casecore.Happening{Case: c, Message: m}, time.Now()); ok {
		t.Error("a notice to a colleague is told")
	}
}

func TestBody(t *testing.T) {
	c := &casecore.Case{Number: 123, Status: "ready", Stage: "done", Queue: "phones", Priority: casecore.High, Channel: "sms:main"}
	at := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	e := &casecore.Event{Meta: store.Meta{ID: "0190b0c2"}, Kind: casecore.Moved, Seq: 4, At: at, Actor: "token:1", From: "in_repair", To: "ready"}
	out, _ := outside.Of(casecore.Happening{Case: c, Event: e}, at)
	body, err := out.Body()
	const want = `{"id":"0190b0c2","type":"case.status","timestamp":"2026-03-01T08:30:00Z","data":{"case":{"number":"CW-000123","status":"ready","stage":"done","queue":"phones","priority":"high","channel":"sms:main"},"seq":4,"actor":"token:1","from":"in_repair","to":"ready"}}`
	if err != nil || string(body) != want {
		t.Errorf("%s\n%v", body, err)
	}
}

// A link to the customer's page is a key, which no subscriber gets; other words and
// links they get as they are.
func TestContentHasNoPageLink(t *testing.T) {
	const token = "eAC6c1LzQy2mQ_pn-Wv" // as short as one can be
	for was, is := range map[string]string{
		"Ready.\nAll of it: https://help.example.com/c/" + token + "\nBye.": "Ready.\nAll of it: …\nBye.",
		"See https://help.example.com/c/" + token + "ab?lang=uk.":           "See ….",
		"(http://localhost:8080/c/" + token + "), and":                      "(…), and",
		"https://ремонт.example/desk/c/" + token + "/stop":                  "…",
		"help.example.com/c/" + token:                                       "…",
		"https://a.example/x https://help.example.com/c/" + token:           "https://a.example/x …",
		"https://shop.example/c/phones and https://shop.example/abc/":       "https://shop.example/c/phones and https://shop.example/abc/",
	} {
		c := &casecore.Case{Subject: was, Attributes: map[string]string{"page": was}}
		got := outside.Content(c, &casecore.Message{Direction: casecore.Out, Body: channels.Body{Text: was}})
		if strings.Contains(got.Text, token) || got.Text != is || got.Subject != is || got.Attributes["page"] != is {
			t.Errorf("%q: %+v, want %q", was, got, is)
		}
		if c.Attributes["page"] != was {
			t.Error("the case itself was changed")
		}
	}
}
