package words_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore/lang"
	"casewire/routing/console/words"
)

func load(t *testing.T) map[string]*words.Locale {
	t.Helper()
	all, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

// Every language says everything that English says, with the same values in it.
func TestCatalogsAreComplete(t *testing.T) {
	all := load(t)
	en := all["en"]
	for _, tag := range lang.Supported {
		l := all[tag]
		if !slices.Equal(l.Keys(), en.Keys()) {
			t.Errorf("%s has other keys than en", tag)
		}
		for _, key := range l.Keys() {
			p, _ := l.Phrase(key)
			e, _ := en.Phrase(key)
			if (len(p) > 1) != (len(e) > 1) {
				t.Errorf("%s %s: plural in one language only", tag, key)
			}
			if len(p) > 1 {
				for _, form := range words.Forms(tag) {
					if p[form] == "" {
						t.Errorf("%s %s: no form %q", tag, key, form)
					}
				}
				if len(p) != len(words.Forms(tag)) {
					t.Errorf("%s %s: forms %v; want %v", tag, key, p, words.Forms(tag))
				}
			}
			for form, s := range p {
				if strings.TrimSpace(s) == "" {
					t.Errorf("%s %s is empty", tag, key)
				}
				if got, want := values(s), values(e["other"]); !slices.Equal(got, want) {
					t.Errorf("%s %s (%s) has values %v; en has %v", tag, key, form, got, want)
				}
			}
		}
	}
}

func values(s string) []string {
	out := placeholder.FindAllString(s, -1)
	slices.Sort(out)
	return out
}

func TestPlural(t *testing.T) {
	for _, c := range []struct {
		tag  string
		n    int
		want string
	}{
		{"en", 1, "one"}, {"en", 0, "other"}, {"en", 21, "other"},
		{"ru", 1, "one"}, {"ru", 21, "one"}, {"ru", 11, "many"}, {"ru", 2, "few"}, {"ru", 24, "few"}, {"ru", 12, "many"}, {"ru", 0, "many"}, {"ru", 111, "many"}, {"ru", 101, "one"},
		{"uk", 3, "few"}, {"uk", 14, "many"}, {"uk", 5, "many"},
		{"sr", 1, "one"}, {"sr", 2, "few"}, {"sr", 5, "other"}, {"sr", 12, "other"}, {"sr-Latn", 22, "few"},
	} {
		if got := words.Plural(c.tag, c.n); got != c.want {
			t.Errorf("%s %d: %s, want %s", c.tag, c.n, got, c.want)
		}
	}
	if got := load(t)["ru"].N("js.new_cards", 5); got != "5 новых заявок" {
		t.Errorf("got %q", got)
	}
	if got := load(t)[words.Latin].N("js.new_cards", 3); got != "3 nova slučaja" {
		t.Errorf("got %q", got)
	}
}

func TestTimes(t *testing.T) {
	all := load(t)
	at := time.Date(2026, time.March, 8, 9, 5, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{all["en"].Span(30 * time.Second), "just now"},
		{all["en"].Span(59*time.Minute + 59*time.Second), "59 min"},
		{all["ru"].Span(130 * time.Minute), "2 ч 10 мин"},
		{all["uk"].Span(48 * time.Hour), "2 дн."},
		{all["en"].Span(-5 * time.Minute), "5 min"},
		{all["ru"].Day(at, at.AddDate(0, 0, 5)), "воскресенье, 8 марта"},
		{all["sr"].Day(at, at.AddDate(1, 0, 5)), "недеља, 8. март 2026."},
		{all[words.Latin].Day(at, at), "Danas"},
		{all["uk"].Day(at, at.AddDate(0, 0, 1)), "Учора"},
		{all["en"].Stamp(at), "8 March 2026, 09:05"},
		{all["ru"].Size(1_240_000), "1,2 МБ"},
		{all["en"].Size(999), "999 B"},
		{all["ru"].Number(1234567), "1\u00a0234\u00a0567"},
		{all["en"].Number(-12345), "-12,345"},
		{all["sr"].Number(9999), "9999"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// What the catalog does not know is shown as it came, never as nothing.
func TestUnknown(t *testing.T) {
	en := load(t)["en"]
	if got := en.T("no.such"); got != "no.such" {
		t.Errorf("got %q", got)
	}
	if got := en.Or("category.boat", "boat"); got != "boat" {
		t.Errorf("got %q", got)
	}
	if got := en.T("card.taken_by", "name", "{case}"); got != "Taken by {case}" {
		t.Errorf("a value was read as a placeholder: %q", got)
	}
}
