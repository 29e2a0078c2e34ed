package routing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore/lang"
	"casewire/casecore/search"
)

// The benchmarks run a message of 200 letters through 10 to 10,000 rules that all
// are tried, since only the last one holds:
//
//	go test -run '^$' -bench . ./routing
//
// "match" is the decision once the words are known, "route" is all of it with
// folding, stemming and the trace, "words" is folding and stemming alone, "loop"
// is the decision by trying each rule, with everything prepared that can be.

const letter = "Здравствуйте! Вчера уронил телефон Samsung Galaxy A52, разбился экран и не включается. " +
	"Сколько будет стоить ремонт и как быстро сделаете? Аккумулятор тоже быстро садится, заряжаю два раза в день. Спасибо, Ольга"

// benchSpec makes rules of a shape that supervisors write: most ask for some
// words, some for two words together, an attribute, a channel or hours. Many
// share a word with the message and fail by another condition.
func benchSpec(n int) Spec {
	rnd := rand.New(rand.NewPCG(7, 7))
	invented := make([]string, 5000)
	for i := range invented {
		for range 2 + rnd.IntN(3) {
			invented[i] += string([]rune("бвгдклмнпрст")[rnd.IntN(12)]) + string([]rune("аеиоу")[rnd.IntN(5)])
		}
		invented[i] += "щик"
	}
	word := func() string { return invented[rnd.IntN(len(invented))] }
	common := []string{"телефон", "экран", "ремонт", "Samsung", "не включается", "аккумулятор", "быстро"}
	spec := Spec{Queues: []Queue{{ID: "q", Name: lang.Text{"en": "Q"}}}}
	for i := range n - 1 {
		r := Rule{Name: fmt.Sprint("rule ", i), Then: Then{Queue: "q"}}
		switch i % 10 {
		case 0:
			r.When.Attributes = map[string][]string{"product": {word(), word()}}
		case 1:
			r.When.Channel, r.When.Language = []string{"sms"}, []string{"sr", "en"}
		case 2:
			r.When.Text = &Text{All: []string{word(), common[rnd.IntN(len(common))]}}
		case 3: // a common word, but not on this channel
			r.When.Text, r.When.Channel = &Text{Any: []string{common[rnd.IntN(len(common))], word()}}, []string{"email:" + fmt.Sprint(i)}
		default:
			r.When.Text = &Text{Any: []string{word(), word(), word() + " " + word(), word()}}
		}
		spec.Rules = append(spec.Rules, r)
	}
	spec.Rules = append(spec.Rules, Rule{Name: "rest", Then: Then{Queue: "q"}})
	return spec
}

func benchFacts() Facts {
	return Facts{
		Text: string([]rune(letter)[:200]), Kind: "webchat", Channel: "webchat:site", Language: "ru",
		At: time.Unix(1_800_000_000, 0), Attributes: map[string]string{"product": "phone", "brand": "samsung"},
	}
}

var benchSizes = []int{10, 100, 1000, 10000}

func BenchmarkRules(b *testing.B) {
	for _, size := range benchSizes {
		spec, f := benchSpec(size), benchFacts()
		r, err := Compile(spec, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("match/%d", size), func(b *testing.B) {
			n := r.notes.Get().(*notes)
			n.read(&r.index, f.Text)
			b.ReportAllocs()
			for b.Loop() {
				n.find(&r.index)
				if r.first(&f, n) != size-1 {
					b.Fatal("another rule holds")
				}
			}
		})
		b.Run(fmt.Sprintf("route/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r.Route(f).Trace.Skipped != size-1 {
					b.Fatal("another rule holds")
				}
			}
		})
		b.Run(fmt.Sprintf("loop/%d", size), func(b *testing.B) {
			l := newLoop(spec)
			b.ReportAllocs()
			for b.Loop() {
				if l.first(&f) != size-1 {
					b.Fatal("another rule holds")
				}
			}
		})
	}
}

func BenchmarkWords(b *testing.B) {
	r, err := Compile(benchSpec(1000), Options{})
	if err != nil {
		b.Fatal(err)
	}
	n, f := r.notes.Get().(*notes), benchFacts()
	b.ReportAllocs()
	for b.Loop() {
		n.read(&r.index, f.Text)
	}
}

// loop tries one rule after the other, its words stemmed beforehand.
type loop struct {
	rules []Rule
	any   [][][]search.Word
	all   [][][]search.Word
}

func newLoop(spec Spec) *loop {
	l := &loop{rules: spec.Rules, any: make([][][]search.Word, len(spec.Rules)), all: make([][][]search.Word, len(spec.Rules))}
	for i, r := range spec.Rules {
		if r.When.Text != nil {
			for _, w := range r.When.Text.Any {
				l.any[i] = append(l.any[i], search.Words(w, ""))
			}
			for _, w := range r.When.Text.All {
				l.all[i] = append(l.all[i], search.Words(w, ""))
			}
		}
	}
	return l
}

func (l *loop) first(f *Facts) int {
	words := search.Words(f.Text, "")
	stems := map[string][]int{}
	for i, w := range words {
		stems[w.Stem] = append(stems[w.Stem], i)
		if w.Also != "" {
			stems[w.Also] = append(stems[w.Also], i)
		}
	}
	occurs := func(p []search.Word) bool {
		for _, s := range []string{p[0].Stem, p[0].Also} {
			for _, i := range stems[s] {
				if i+len(p) <= len(words) && slices.EqualFunc(p, words[i:i+len(p)], search.Word.Matches) {
					return true
				}
			}
		}
		return false
	}
	for i := range l.rules {
		if w := &l.rules[i].When; len(w.Channel) > 0 && !slices.Contains(w.Channel, string(f.Kind)) && !slices.Contains(w.Channel, f.Channel) ||
			len(w.Language) > 0 && !slices.Contains(w.Language, f.Language) || !plainlyHas(w.Attributes, f.Attributes) {
			continue
		}
		if (len(l.any[i]) == 0 || slices.ContainsFunc(l.any[i], occurs)) && !slices.ContainsFunc(l.all[i], func(p []search.Word) bool { return !occurs(p) }) {
			return i
		}
	}
	return -1
}

func plainlyHas(want map[string][]string, is map[string]string) bool {
	for k, accepted := range want {
		if !slices.ContainsFunc(accepted, func(v string) bool { return strings.EqualFold(v, is[k]) }) {
			return false
		}
	}
	return true
}

// TestMatchingAllocatesNothing holds for a message that all of 1,000 rules are
// tried on, with its folding and stemming.
func TestMatchingAllocatesNothing(t *testing.T) {
	r, err := Compile(benchSpec(1000), Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, n := benchFacts(), r.notes.Get().(*notes)
	n.read(&r.index, f.Text)
	if got := testing.AllocsPerRun(100, func() {
		n.read(&r.index, f.Text)
		r.first(&f, n)
	}); got != 0 {
		t.Errorf("%.0f allocations", got)
	}
}
