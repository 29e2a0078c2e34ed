package sms

import (
	"errors"
	"strings"
	"testing"
	"time"

	"casewire/channels"
)

// Every code that is known means something in every language, in that language's
// own letters, and says what follows.
func TestEveryCodeHasItsWords(t *testing.T) {
	for c, texts := range causes {
		for i, s := range texts {
			if !strings.HasSuffix(s, ".") || len(s) < 10 {
				t.Errorf("%q in %s: %q", c, languages[i], s)
			}
			if cyrillic := strings.ContainsAny(s, "аеиоу"); cyrillic != (i == 1 || i == 2) {
				t.Errorf("%q in %s: %q", c, languages[i], s)
			}
		}
	}
	for _, code := range append(Codes(), "99999", "") {
		seen := map[string]bool{}
		for _, lang := range languages {
			text := Meaning(code, lang)
			if strings.Count(text, ".") < 2 || seen[text] {
				t.Errorf("%s in %s: %q", code, lang, text)
			}
			seen[text] = true
		}
	}
	for code, r := range rulings {
		if _, ok := causes[r.cause]; !ok {
			t.Errorf("%s: no words for %q", code, r.cause)
		}
		if _, ok := consequences[r.reason]; !ok {
			t.Errorf("%s: no words for %s", code, r.reason)
		}
	}
	if got, want := Meaning("21610", "xx"), Meaning("21610", "en"); got != want {
		t.Errorf("another language: %q", got)
	}
}

// S6: what follows from each code.
func TestRulings(t *testing.T) {
	for reason, codes := range map[channels.Reason]string{
		channels.BadAddress:  "21211 21614 30005 30006",
		channels.Blocked:     "21610 30004",
		channels.Misset:      "21408 21606 30002 30034 20003",
		channels.Throttled:   "30001 20429 63018",
		channels.Unreachable: "30003 30008",
		channels.BadContent:  "21602 21617 30007",
	} {
		for code := range strings.FieldsSeq(codes) {
			r := rulings[code]
			retry := reason == channels.Misset || reason == channels.Throttled || reason == channels.Unreachable
			if r.reason != reason || r.retry != retry {
				t.Errorf("%s: %+v", code, r)
			}
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, v := range []struct {
		name   string
		err    error
		reason channels.Reason
		retry  bool
	}{
		{"never connected", &refusal{err: errors.New("refused")}, channels.Unreachable, true},
		{"no answer", &refusal{doubt: true, err: errors.New("reset")}, channels.Unsure, true},
		{"500", &refusal{status: 500, code: 20500, doubt: true}, channels.Unsure, true},
		{"429 without a code", &refusal{status: 429}, channels.Throttled, true},
		{"400 with a code of tomorrow", &refusal{status: 400, code: 29999}, channels.BadContent, false},
		{"401", &refusal{status: 401}, channels.Misset, true},
		{"404", &refusal{status: 404}, channels.Misset, true},
		{"a redirect", &refusal{status: 302}, channels.Misset, true},
		{"201 that cannot be read", &refusal{status: 201, doubt: true, err: errors.New("json")}, channels.Unsure, true},
		{"another error", errors.New("x"), channels.Unreachable, true},
	} {
		if e := verdict(v.err); e.Reason != v.reason || e.Retry != v.retry || e.Err == nil || e.Error() == "" {
			t.Errorf("%s: %+v", v.name, e)
		}
	}
	if e := verdict(&refusal{status: 429, after: time.Minute}); e.RetryAfter != time.Minute {
		t.Errorf("patience: %+v", e)
	}
}

func TestNumbers(t *testing.T) {
	for _, v := range []struct {
		raw, region, want string
		ok                bool
	}{
		{"+381601234567", "", "+381601234567", true},
		{"060 123 4567", "RS", "+381601234567", true},
		{"060/123-4567", "RS", "+381601234567", true},
		{"00381 60 123 4567", "RS", "+381601234567", true},
		{"8 (912) 345-67-89", "RU", "+79123456789", true},
		{"067 123 45 67", "UA", "+380671234567", true},
		{"060 123 4567", "", "", false},
		{"nobody", "RS", "", false},
		{"", "RS", "", false},
		{"+0123456789", "", "", false},
		{"12", "RS", "", false},
		{"+381601234567 ext. 5", "RS", "", false},
	} {
		if got, ok := Canonical(v.raw, v.region); got != v.want || ok != v.ok {
			t.Errorf("%q in %q: %q %t", v.raw, v.region, got, ok)
		}
	}
	for raw, want := range map[string]string{
		"+381601234567": "+381601234567", "0601234567": "+381601234567",
		"12345": "12345", "YETTEL": "YETTEL", " +381601234567 ": "+381601234567",
	} {
		if got := sender(raw, "RS"); got != want {
			t.Errorf("sender %q: %q, want %q", raw, got, want)
		}
	}
}
