package routing

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
)

func queue(id string) Queue { return Queue{ID: id, Name: lang.Text{"en": id}} }

// spec is a small policy whose parts the tests vary.
func spec(rules ...Rule) Spec {
	return Spec{
		Queues: []Queue{queue("phones"), {ID: "general", Name: lang.Text{"en": "General"}, React: flow.Duration(time.Hour)}},
		Rules:  append(rules, Rule{Name: "everything else", Then: Then{Queue: "general"}}),
	}
}

func compile(t *testing.T, s Spec, o Options) *Router {
	t.Helper()
	r, err := Compile(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// monday is at 10:00 in Kyiv.
var monday = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		name  string
		when  When
		holds []Facts
		fails []Facts
	}{
		{
			"any of the words, in every form", When{Text: &Text{Any: []string{"телефон", "смартфон"}}},
			[]Facts{{Text: "Не працює телефону"}, {Text: "telefona"}, {Text: "ТЕЛЕФОНЫ!"}}, []Facts{{Text: "телевизор"}, {}},
		},
		{
			"all of the words", When{Text: &Text{All: []string{"экран", "треснул"}}},
			[]Facts{{Text: "треснули оба экрана"}}, []Facts{{Text: "экран"}, {Text: "треснуло"}},
		},
		{
			"a phrase is in a row", When{Text: &Text{Any: []string{"не включается"}}},
			[]Facts{{Text: "он совсем не включается"}, {Text: "не\nвключался"}}, []Facts{{Text: "включается не всегда"}, {Text: "включается"}},
		},
		{
			"any, all and regex together", When{Text: &Text{Any: []string{"samsung"}, All: []string{"экран"}, Regex: []string{`sm-[a-z]\d+`}}},
			[]Facts{{Text: "Samsung SM-A525: экран"}}, []Facts{{Text: "Samsung: экран"}, {Text: "SM-A525: экран"}, {Text: "Samsung SM-A525"}},
		},
		{
			"an expression whatever the case, ё as е", When{Text: &Text{Regex: []string{`Ёлка\s+\d`}}},
			[]Facts{{Text: "елка 5"}, {Text: "ЁЛКА  7"}}, []Facts{{Text: "елка пять"}},
		},
		{
			"not", When{Text: &Text{Any: []string{"телефон"}}, Not: &Text{Any: []string{"стационарный"}}},
			[]Facts{{Text: "телефон"}}, []Facts{{Text: "стационарного телефона"}, {Text: "ноутбук"}},
		},
		{
			"not alone", When{Not: &Text{Any: []string{"спасибо"}}},
			[]Facts{{Text: "сломался"}, {}}, []Facts{{Text: "спасибо!"}},
		},
		{
			"channel by kind or id", When{Channel: []string{"sms", "webchat:site"}},
			[]Facts{{Kind: "sms", Channel: "sms:main"}, {Kind: "webchat", Channel: "webchat:site"}}, []Facts{{Kind: "webchat", Channel: "webchat:shop"}, {}},
		},
		{
			"language by its base", When{Language: []string{"uk", "RU"}},
			[]Facts{{Language: "uk-UA"}, {Language: "ru"}}, []Facts{{Language: "en"}, {}},
		},
		{
			"hours in the zone, the end not included", When{Hours: "09:00-10:00"},
			[]Facts{{At: monday.Add(-time.Hour)}, {At: monday.Add(-time.Second)}}, []Facts{{At: monday}, {At: monday.Add(-time.Hour - time.Second)}},
		},
		{
			"hours over midnight", When{Hours: "18:00-09:00"},
			[]Facts{{At: monday.Add(8 * time.Hour)}, {At: monday.Add(14 * time.Hour)}, {At: monday.Add(-2 * time.Hour)}}, []Facts{{At: monday}, {At: monday.Add(-time.Hour)}},
		},
		{"until midnight", When{Hours: "22:00-24:00"}, []Facts{{At: monday.Add(13 * time.Hour)}}, []Facts{{At: monday}}},
		{
			"weekdays in the zone", When{Weekdays: []string{"tue"}},
			[]Facts{{At: monday.Add(24 * time.Hour)}, {At: monday.Add(14 * time.Hour)}}, []Facts{{At: monday}},
		},
		{
			"attributes, whatever the case", When{Attributes: map[string][]string{"brand": {"Apple", "samsung"}, "serial": {"*"}, "paid": {""}}},
			[]Facts{{Attributes: map[string]string{"brand": " SAMSUNG", "serial": "1"}}},
			[]Facts{
				{Attributes: map[string]string{"brand": "samsung"}}, {Attributes: map[string]string{"serial": "1"}},
				{Attributes: map[string]string{"brand": "apple", "serial": "1", "paid": "yes"}}, {},
			},
		},
		{
			"attributes of the customer", When{Customer: map[string][]string{"vip": {"yes"}}},
			[]Facts{{Customer: map[string]string{"vip": "yes"}}}, []Facts{{Attributes: map[string]string{"vip": "yes"}}, {}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compile(t, spec(Rule{Name: "it", When: c.when, Then: Then{Queue: "phones"}}), Options{Location: zone(t)})
			for _, f := range c.holds {
				if d := r.Route(f); d.Queue != "phones" {
					t.Errorf("does not hold for %+v", f)
				}
			}
			for _, f := range c.fails {
				if d := r.Route(f); d.Queue != "general" {
					t.Errorf("holds for %+v", f)
				}
			}
			if r.AsksCustomer() != (len(c.when.Customer) > 0) {
				t.Errorf("it asks for the customer: %v", r.AsksCustomer())
			}
		})
	}
}

func TestDecisionSaysWhatAndWhy(t *testing.T) {
	r := compile(t, spec(
		Rule{Name: "off", When: When{Text: &Text{Any: []string{"телефон"}}}, Then: Then{Queue: "phones"}, Off: true},
		Rule{Name: "another", When: When{Text: &Text{Any: []string{"ноутбук"}}}, Then: Then{Queue: "phones"}},
		Rule{
			Name: "broken phones at night",
			When: When{
				Text: &Text{Any: []string{"телефон", "айфон", "разбился экран"}, All: []string{"не включается"}, Regex: []string{`a\d\d`, `b\d\d`}},
				Not:  &Text{Any: []string{"стационарный"}}, Channel: []string{"webchat"}, Language: []string{"ru"}, Hours: "09:00-18:00",
				Weekdays: []string{"mon", "tue"}, Attributes: map[string][]string{"product": {"*"}}, Customer: map[string][]string{"vip": {"yes"}},
			},
			Then: Then{
				Queue: "general", Priority: "urgent", Category: "phone", Reply: "received",
				Attributes: map[string]string{"product": "phone"}, Tags: []string{"night"},
			},
		},
		Rule{Name: "later", When: When{Text: &Text{Any: []string{"телефон"}}}, Then: Then{Queue: "phones"}},
	), Options{Location: zone(t), Revision: 12, Templates: []string{"received"}})
	got := r.Route(Facts{
		Text: "На моём телефоне A52 разбился экран, и он не включается", Kind: "webchat", Channel: "webchat:site", Language: "ru-RU", At: monday,
		Attributes: map[string]string{"product": "samsung"}, Customer: map[string]string{"vip": "Yes"},
	})
	want := Decision{
		Queue: "general", Priority: casecore.Urgent, Category: "phone", Reply: "received", React: time.Hour,
		Attributes: map[string]string{"product": "phone"}, Tags: []string{"night"},
		Trace: casecore.Trace{
			Rule: "broken phones at night", Revision: 12, Skipped: 1,
			Reasons: []casecore.Reason{
				{Condition: "text", Matched: []string{"телефон", "разбился экран", "не включается", `a\d\d`}},
				{Condition: "not"},
				{Condition: "channel", Matched: []string{"webchat"}},
				{Condition: "language", Matched: []string{"ru"}},
				{Condition: "hours", Matched: []string{"09:00-18:00"}},
				{Condition: "weekdays", Matched: []string{"mon"}},
				{Condition: "customer", Matched: []string{"vip=Yes"}},
				{Condition: "attribute", Matched: []string{"product=samsung"}},
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	rest := r.Route(Facts{Text: "привет"})
	if rest.Queue != "general" || rest.Priority != casecore.Normal || rest.Trace.Skipped != 3 || len(rest.Trace.Reasons) != 0 {
		t.Errorf("what nothing took: %+v", rest)
	}
}

func TestDecisionsShareNothing(t *testing.T) {
	r := compile(t, Spec{
		Queues: []Queue{queue("q")},
		Rules:  []Rule{{Name: "all", Then: Then{Queue: "q", Tags: []string{"a"}, Attributes: map[string]string{"k": "v"}}}},
	}, Options{})
	d := r.Route(Facts{})
	d.Tags[0], d.Attributes["k"] = "x", "x"
	r.Queues()[0].ID = "x"
	if d := r.Route(Facts{}); d.Tags[0] != "a" || d.Attributes["k"] != "v" || r.Default().ID != "q" {
		t.Errorf("a decision changed the rules: %+v", d)
	}
}

func TestQueues(t *testing.T) {
	r := compile(t, spec(), Options{})
	if q, ok := r.Queue("phones"); !ok || q.ID != "phones" {
		t.Errorf("got %+v, %v", q, ok)
	}
	if _, ok := r.Queue("nowhere"); ok {
		t.Error("a queue that is not there")
	}
	if q := r.Queues(); len(q) != 2 || q[0].ID != "phones" || r.Default().ID != "general" {
		t.Errorf("got %+v, default %+v", q, r.Default())
	}
}

func TestRouteIsSafeForConcurrentUse(t *testing.T) {
	r := compile(t, benchSpec(200), Options{})
	f := benchFacts()
	want := fmt.Sprint(r.Route(f))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if got := fmt.Sprint(r.Route(f)); got != want {
					t.Errorf("got %s, want %s", got, want)
					return
				}
				r.Route(Facts{Text: "совсем другое: phone 5"})
			}
		})
	}
	wg.Wait()
}

// TestEveryFaultIsTold compiles specs with mistakes and expects all of them.
func TestEveryFaultIsTold(t *testing.T) {
	when := func(w When) Spec { return spec(Rule{Name: "it", When: w, Then: Then{Queue: "phones"}}) }
	for _, c := range []struct {
		name string
		spec Spec
		want string
	}{
		{"nothing", Spec{}, `
			queues: required; name at least one queue
			rules: required; end with a rule without conditions`},
		{"queues", Spec{
			Queues: []Queue{{}, {ID: "Big One", Name: lang.Text{"ua": "x"}}, queue("q"), queue("q")},
			Rules:  []Rule{{Name: "all", Then: Then{Queue: "q"}}},
		}, `
			queues[0].id: required; give the queue a short name
			queues[0].name: required; write it in at least one language, {en: Phones}
			queues[1].id: "Big One" is not an id; use small letters, digits, - and _
			queues[1].name.ua: "ua" is a country, not a language; did you mean "uk"?
			queues[3].id: "q" is used twice; give each queue its own id`},
		{"then", spec(
			Rule{Name: "a", When: When{Hours: "1:00-2:00"}, Then: Then{Queue: "phone", Priority: "asap", Reply: "recieved", Tags: []string{" "}, Attributes: map[string]string{"": "x"}}},
			Rule{Name: "a", When: When{Hours: "1:00-2:00"}},
			Rule{When: When{Hours: "1:00-2:00"}, Then: Then{Queue: "xyz", Priority: "hihg"}},
		), `
			rules[0].then.queue: no queue "phone"; did you mean "phones"?
			rules[0].then.priority: no priority "asap"; write one of urgent, high, normal, low
			rules[0].then.reply: no template "recieved"; did you mean "received"?
			rules[0].then.tags[0]: an empty tag; write a word
			rules[0].then.attributes: an attribute without a name; name the attribute
			rules[1].name: "a" is the name of rules[0] as well; give each rule its own name
			rules[1].then.queue: required; write one of phones, general
			rules[2].name: required; name it; traces show the name
			rules[2].then.queue: no queue "xyz"; write one of phones, general
			rules[2].then.priority: no priority "hihg"; did you mean "high"?`},
		{"text", when(When{
			Text: &Text{Any: []string{"телефон", "?!", ""}, All: []string{}, Regex: []string{"a(", "x*", "ok"}},
			Not:  &Text{},
		}), `
			rules[0].when.text.any[1]: "?!" has no word in it; write words; signs do not count
			rules[0].when.text.any[2]: "" has no word in it; write words; signs do not count
			rules[0].when.text.all: an empty list never holds; name at least one, or leave the line out
			rules[0].when.text.regex[0]: missing closing ): ~a(~; see the syntax of RE2; put a backslash before a sign that stands for itself
			rules[0].when.text.regex[1]: "x*" matches every message; make some part of it required
			rules[0].when.not: asks for nothing; list words below any or all, or expressions below regex`},
		{"where and when", when(When{
			Channel: []string{"smss", "sms:", "sms:main"}, Language: []string{"ua", "russian", "de"}, Hours: "9-18", Weekdays: []string{"Mon", "saturday"},
			Attributes: map[string][]string{"b": {}, "": {"x"}}, Customer: map[string][]string{"c": nil},
		}), `
			rules[0].when.channel[0]: no kind of channel "smss"; did you mean "sms"?
			rules[0].when.channel[1]: "sms:" names no channel; write the kind alone, or kind:name
			rules[0].when.language[0]: "ua" is a country, not a language; did you mean "uk"?
			rules[0].when.language[1]: no language "russian"; write one of en, ru, uk, sr
			rules[0].when.hours: "9-18" is not a span of hours; write them like "09:00-18:00"
			rules[0].when.weekdays[0]: no weekday "Mon"; did you mean "mon"?
			rules[0].when.weekdays[1]: no weekday "saturday"; did you mean "sat"?
			rules[0].when.customer.c: an empty list never holds; list accepted values; "*" takes any and "" takes none
			rules[0].when.attributes: an attribute without a name; name the attribute
			rules[0].when.attributes.b: an empty list never holds; list accepted values; "*" takes any and "" takes none`},
		{"empty lists", when(When{Channel: []string{}, Language: []string{}, Weekdays: []string{}, Hours: "10:00-10:00"}), `
			rules[0].when.hours: "10:00-10:00" is no time at all; write them like "09:00-18:00"
			rules[0].when.channel: an empty list never holds; name at least one, or leave the line out
			rules[0].when.language: an empty list never holds; name at least one, or leave the line out
			rules[0].when.weekdays: an empty list never holds; name at least one, or leave the line out`},
		{"never reached", spec(Rule{Name: "early", Then: Then{Queue: "phones"}}), `
			rules[1]: never reached: rules[0] takes everything before; give rules[0] a condition, or move it to the end`},
		{"no last rule", Spec{Queues: []Queue{queue("q")}, Rules: []Rule{{Name: "x", When: When{Hours: "1:00-2:00"}, Then: Then{Queue: "q"}}}}, `
			rules[0].when: the last rule must take everything; add a rule without conditions at the end`},
		{"last rule off", Spec{Queues: []Queue{queue("q")}, Rules: []Rule{{Name: "x", Off: true, Then: Then{Queue: "q"}}}}, `
			rules[0].off: the last rule takes what no other did and must be on; remove off`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile(c.spec, Options{Templates: []string{"received"}})
			if err == nil {
				t.Fatal("compiles")
			}
			want := strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(c.want), "\t", ""), "~", "`")
			if got := err.Error(); got != want {
				t.Errorf("got\n%s\n\nwant\n%s", got, want)
			}
			if _, ok := errors.AsType[*Fault](err); !ok {
				t.Error("not a *Fault")
			}
		})
	}
}

// FuzzRules promises that any rule either is refused or decides like one tried by
// itself, and never panics.
func FuzzRules(f *testing.F) {
	f.Add("телефон", "не включается", `s\d+`, "18:00-09:00", "sms", "ua", "Телефону s20 не включается", int64(1_800_000_000))
	f.Fuzz(func(t *testing.T, words, phrase, expr, hours, channel, language, text string, at int64) {
		if len(expr) > 200 || len(text) > 1000 {
			return // keeps the expression engine's legitimate work small
		}
		w := When{Text: &Text{Any: strings.Split(words, "|")}, Hours: hours}
		if phrase != "" {
			w.Text.All = []string{phrase}
		}
		if expr != "" {
			w.Text.Regex = []string{expr}
		}
		if channel != "" {
			w.Channel = []string{channel}
		}
		if language != "" {
			w.Language = []string{language}
		}
		r, err := Compile(spec(Rule{Name: "it", When: w, Then: Then{Queue: "phones"}}), Options{})
		if err != nil {
			if fault, ok := errors.AsType[*Fault](err); !ok || fault.Path == "" || fault.Msg == "" || fault.Mend == "" {
				t.Fatalf("a fault without place or mend: %v", err)
			}
			return
		}
		facts := Facts{Text: text, Kind: "sms", Channel: "sms:main", Language: language, At: time.Unix(at%(1<<33), 0)}
		d := r.Route(facts)
		if (d.Trace.Rule == "it") != (len(d.Trace.Reasons) > 0) {
			t.Fatalf("decided without a reason: %+v", d)
		}
		if strings.ContainsAny(expr, "ёЁ") || len(hours) != 0 && len(hours) != 11 || strings.Contains(hours, "24") {
			return // the reference reads only what is written in full
		}
		if want := naive([]Rule{{Name: "it", When: w}, {Name: "everything else"}}, facts, time.UTC); want != d.Trace.Rule {
			t.Fatalf("got %q, want %q", d.Trace.Rule, want)
		}
	})
}
