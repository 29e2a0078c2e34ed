package console

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// A comparison says all of both texts: what stays and goes is the earlier one, what
// stays and comes the later one.
func TestDifferenceTellsBothTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	text := func() string {
		lines := make([]string, r.IntN(12))
		for i := range lines {
			lines[i] = string(rune('a' + r.IntN(4)))
		}
		return strings.Join(lines, "\n")
	}
	for range 2000 {
		before, after := text(), text()
		var a, b []string
		for _, l := range difference(before, after, -1) {
			if l.Sign != "+" {
				a = append(a, l.Text)
			}
			if l.Sign != "-" {
				b = append(b, l.Text)
			}
		}
		if strings.Join(a, "\n") != before || strings.Join(b, "\n") != after {
			t.Fatalf("%q and %q: %q and %q", before, after, a, b)
		}
	}
}

func TestDifferenceShowsWhatIsNear(t *testing.T) {
	lines := strings.Split("a b c d e f g h i j k l", " ")
	before := strings.Join(lines, "\n")
	lines[5] = "F"
	var got strings.Builder
	for _, l := range difference(before, strings.Join(lines, "\n"), 1) {
		got.WriteString(l.Sign + l.Text + ";")
	}
	if got.String() != " e;-f;+F; g;" {
		t.Errorf("got %s", got.String())
	}
	if d := difference("same\ntext", "same\ntext", 3); len(d) != 0 {
		t.Errorf("no difference: %v", d)
	}
}

// Two long texts with nothing in common are shown whole instead of compared.
func TestDifferenceOfLongTextsIsBounded(t *testing.T) {
	before, after := strings.Repeat("a\n", 3000), strings.Repeat("b\n", 3000)
	if n := len(difference(before, after, 0)); n != 6000 {
		t.Errorf("%d lines", n)
	}
}
