package routing

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore/lang"
	"casewire/casecore/search"
	"casewire/channels"
)

// naive tries one rule after the other, as the documentation of Rule says. It is
// what the compiled router is judged by.
func naive(rules []Rule, f Facts, loc *time.Location) string {
	words := search.Words(f.Text, "")
	for _, r := range rules {
		if !r.Off && naiveHolds(r.When, f, words, loc) {
			return r.Name
		}
	}
	return ""
}

func naiveHolds(w When, f Facts, words []search.Word, loc *time.Location) bool {
	if w.Text != nil && !naiveSays(*w.Text, f.Text, words) || w.Not != nil && naiveSays(*w.Not, f.Text, words) {
		return false
	}
	if len(w.Channel) > 0 && !slices.Contains(w.Channel, string(f.Kind)) && !slices.Contains(w.Channel, f.Channel) {
		return false
	}
	if len(w.Language) > 0 && !slices.ContainsFunc(w.Language, func(l string) bool { return lang.Base(l) == lang.Base(f.Language) }) {
		return false
	}
	at := f.At.In(loc)
	if w.Hours != "" {
		from, to, _ := strings.Cut(w.Hours, "-")
		now := at.Format("15:04")
		if in := from <= now && now < to; from < to && !in || from > to && now < from && now >= to {
			return false
		}
	}
	if len(w.Weekdays) > 0 && !slices.Contains(w.Weekdays, strings.ToLower(at.Format("Mon"))) {
		return false
	}
	return naiveHas(w.Attributes, f.Attributes) && naiveHas(w.Customer, f.Customer)
}

func naiveHas(want map[string][]string, is map[string]string) bool {
	for k, accepted := range want {
		v := strings.TrimSpace(is[k])
		if !slices.ContainsFunc(accepted, func(a string) bool {
			return a == "*" && v != "" || a != "*" && search.Fold(strings.TrimSpace(a)) == search.Fold(v)
		}) {
			return false
		}
	}
	return true
}

func naiveSays(t Text, text string, words []search.Word) bool {
	occurs := func(item string) bool {
		p := search.Words(item, "")
		for i := 0; i+len(p) <= len(words); i++ {
			if slices.EqualFunc(p, words[i:i+len(p)], search.Word.Matches) {
				return true
			}
		}
		return false
	}
	folded := search.Fold(text)
	if len(t.Any) > 0 && !slices.ContainsFunc(t.Any, occurs) {
		return false
	}
	if slices.ContainsFunc(t.All, func(item string) bool { return !occurs(item) }) {
		return false
	}
	return len(t.Regex) == 0 || slices.ContainsFunc(t.Regex, func(e string) bool {
		return regexp.MustCompile("(?i)" + strings.ReplaceAll(e, "ё", "е")).MatchString(folded)
	})
}

var vocabulary = strings.Fields(`телефон телефона телефону екран экран ремонт батарея батареї wi-fi screen phones
	phone telefon telefona frižider фрижидер не включается вмикається ne radi срочно charging s20 iphone'а тёмный темный
	холодильник пральна машина комп’ютер`)

func some(rnd *rand.Rand, most int) []string {
	out := make([]string, 1+rnd.IntN(most))
	for i := range out {
		out[i] = vocabulary[rnd.IntN(len(vocabulary))]
		if rnd.IntN(3) == 0 {
			out[i] += " " + vocabulary[rnd.IntN(len(vocabulary))]
		}
	}
	return out
}

func pick(rnd *rand.Rand, from ...string) string { return from[rnd.IntN(len(from))] }

func randomText(rnd *rand.Rand) *Text {
	t := &Text{}
	for len(t.Any)+len(t.All)+len(t.Regex) == 0 {
		if rnd.IntN(2) == 0 {
			t.Any = some(rnd, 4)
		}
		if rnd.IntN(4) == 0 {
			t.All = some(rnd, 2)
		}
		if rnd.IntN(8) == 0 {
			t.Regex = []string{pick(rnd, `s\d+`, `тёмн`, `Phone`, `^не `, `\bradi$`)}
		}
	}
	return t
}

func randomWhen(rnd *rand.Rand) When {
	var w When
	for w.always() {
		if rnd.IntN(3) > 0 {
			w.Text = randomText(rnd)
		}
		if rnd.IntN(6) == 0 {
			w.Not = randomText(rnd)
		}
		if rnd.IntN(6) == 0 {
			w.Channel = []string{pick(rnd, "sms", "webchat", "sms:main", "webchat:site")}
		}
		if rnd.IntN(6) == 0 {
			w.Language = []string{pick(rnd, "ru", "uk", "sr"), "en"}
		}
		if rnd.IntN(8) == 0 {
			w.Hours = pick(rnd, "09:00-18:00", "18:00-09:00", "00:00-12:30")
		}
		if rnd.IntN(8) == 0 {
			w.Weekdays = []string{pick(rnd, "mon", "sat"), "sun"}
		}
		if rnd.IntN(5) == 0 {
			w.Attributes = map[string][]string{pick(rnd, "product", "brand"): {pick(rnd, "phone", "ТВ", "*", ""), "laptop"}}
		}
		if rnd.IntN(8) == 0 {
			w.Customer = map[string][]string{"vip": {pick(rnd, "yes", "*", "")}}
		}
	}
	return w
}

func randomFacts(rnd *rand.Rand) Facts {
	kind := channels.Kind(pick(rnd, "sms", "webchat", "email"))
	f := Facts{
		Text: strings.Join(some(rnd, 8), pick(rnd, " ", ", ", "\n")), Kind: kind, Channel: string(kind) + pick(rnd, ":main", ":site"),
		Language: pick(rnd, "ru", "uk-UA", "SR", "en", "de", ""), At: time.Unix(rnd.Int64N(1<<31), 0),
		Attributes: map[string]string{}, Customer: map[string]string{},
	}
	if rnd.IntN(2) == 0 {
		f.Attributes[pick(rnd, "product", "brand")] = pick(rnd, "Phone", "тв", "laptop ", "")
	}
	if rnd.IntN(3) == 0 {
		f.Customer["vip"] = pick(rnd, "YES", "no", " ")
	}
	return f
}

func randomSpec(rnd *rand.Rand, rules int) Spec {
	spec := Spec{Queues: []Queue{{ID: "q", Name: lang.Text{"en": "Q"}}}}
	for i := range rules {
		spec.Rules = append(spec.Rules, Rule{
			Name: fmt.Sprint("rule ", i), When: randomWhen(rnd), Then: Then{Queue: "q"}, Off: rnd.IntN(10) == 0,
		})
	}
	spec.Rules = append(spec.Rules, Rule{Name: "rest", Then: Then{Queue: "q"}})
	return spec
}

func zone(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Kyiv")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// TestCompiledDecidesLikeOneByOne compares the index with trying every rule.
func TestCompiledDecidesLikeOneByOne(t *testing.T) {
	loc := zone(t)
	decided := map[bool]int{}
	for seed := range uint64(80) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		spec := randomSpec(rnd, 1+rnd.IntN(60))
		r, err := Compile(spec, Options{Location: loc})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for range 60 {
			f := randomFacts(rnd)
			want, d := naive(spec.Rules, f, loc), r.Route(f)
			if d.Trace.Rule != want {
				t.Fatalf("seed %d: %+v goes by %q, one by one by %q", seed, f, d.Trace.Rule, want)
			}
			decided[want != "rest"]++
			if again := r.Route(f); fmt.Sprint(again) != fmt.Sprint(d) {
				t.Fatalf("seed %d: %v then %v", seed, d, again)
			}
		}
	}
	if decided[true] < 1000 || decided[false] < 250 {
		t.Errorf("the random facts are too much alike: %v", decided)
	}
}
