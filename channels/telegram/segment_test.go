package telegram

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

func TestSegments(t *testing.T) {
	for _, test := range []struct {
		name, text string
		limit      int
		want       []string
	}{
		{"short", "hello", 10, []string{"hello"}},
		{"blank", " \n\t ", 10, nil},
		{"exact", "0123456789", 10, []string{"0123456789"}},
		{"at a word", "one two three", 8, []string{"one two", "three"}},
		{"word ends at the limit", "seven77 more", 7, []string{"seven77", "more"}},
		{"at a paragraph", "first part\n\nsecond part here", 20, []string{"first part", "second part here"}},
		{"at a line", "first line\nsecond line", 16, []string{"first line", "second line"}},
		{"at a sentence", "It is ready. Come by soon", 20, []string{"It is ready.", "Come by soon"}},
		{"a paragraph too early is no reason", "a\n\nbb cc dd ee ff", 12, []string{"a\n\nbb cc dd", "ee ff"}},
		{"one long word", "abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		{"surrogate pairs count two", "😀😀😀", 4, []string{"😀😀", "😀"}},
		{"no half a pair", "a😀😀", 4, []string{"a😀", "😀"}},
		{"an accent stays", "abe\u0301cd", 3, []string{"ab", "e\u0301c", "d"}},
		{"a family stays", "x👩‍👧y", 5, []string{"x", "👩‍👧", "y"}},
		{"a flag stays", "xx🇺🇦", 5, []string{"xx", "🇺🇦"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := segments(test.text, test.limit)
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// checkSegments holds a cut text to what T6 asks.
func checkSegments(t *testing.T, text string, limit int) {
	t.Helper()
	parts := segments(text, limit)
	for i, p := range parts {
		n := len(utf16.Encode([]rune(p)))
		switch {
		case n > limit:
			t.Errorf("part %d has %d units of %d", i, n, limit)
		case n != units(p):
			t.Errorf("part %d has %d units, counted as %d", i, n, units(p))
		case strings.TrimSpace(p) == "":
			t.Errorf("part %d is blank, which Telegram refuses", i)
		case !utf8.ValidString(p):
			t.Errorf("part %d is no UTF-8", i)
		}
	}
	if letters(strings.Join(parts, "")) != letters(text) {
		t.Errorf("cutting %q lost something: %q", text, parts)
	}
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

// Whatever the text, no part is too long or blank, and nothing is lost.
func TestSegmentsOfAnyText(t *testing.T) {
	alphabet := []string{"a", "слово", " ", "  ", "\n", "\n\n", "😀", "e\u0301", "👩‍👧‍👦", "🇺🇦", ". ", "&", "<b>", "CW-000123", "\u00a0", strings.Repeat("x", 40)}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		for range r.IntN(60) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		checkSegments(t, b.String(), 12+r.IntN(60))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzSegments(f *testing.F) {
	f.Add("one two three", 8)
	f.Add("😀😀😀", 4)
	f.Add("a\n\nb. c", 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if !utf8.ValidString(text) || limit < 2 || limit > 1<<20 {
			return
		}
		checkSegments(t, text, limit)
	})
}

// A mention of the case is bold, and no character of a text is ever markup.
func TestMarkup(t *testing.T) {
	for _, test := range []struct{ text, bold, want string }{
		{"plain", "", "plain"},
		{"a < b && c > d", "", "a &lt; b &amp;&amp; c &gt; d"},
		{"CW-000123 is ready", "CW-000123", "<b>CW-000123</b> is ready"},
		{"<CW-000123>", "CW-000123", "&lt;<b>CW-000123</b>&gt;"},
		{"a <b> b", "<b>", "a <b>&lt;b&gt;</b> b"},
	} {
		if got := markup(test.text, test.bold); got != test.want {
			t.Errorf("%q is %q, want %q", test.text, got, test.want)
		}
	}
	if got := strings.Count(markup(strings.Repeat("x ", 200), "x"), "<b>"); got != 100 {
		t.Errorf("%d entities, of which Telegram reads 100", got)
	}
}
