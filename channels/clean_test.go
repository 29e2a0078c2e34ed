package channels_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"casewire/channels"
)

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"one\r\ntwo\rthree\r\r\n4": "one\ntwo\nthree\n4",
		"a\x00b\x1b[31mc\td":       "ab[31mc\td",
		"a\u2028b\u2029c\u0085d":   "a\nb\nc\nd",
		"\xff\xfeкрак":             "\uFFFDкрак",
		"\uFEFFпривет":             "привет",
		"fdp.\u202Eexe\u2066":      "fdp.exe",
		"नमस्\u200Dते":             "नमस्\u200Dते",
	} {
		if got := channels.CleanText(in); got != want {
			t.Errorf("CleanText(%q) is %q, not %q", in, got, want)
		}
	}
}

// TestCleanTextLooksAtEveryCharacter compares what is done with a character alone and
// behind one that cannot stay, because texts without such are only looked through.
func TestCleanTextLooksAtEveryCharacter(t *testing.T) {
	for r := range utf8.MaxRune + 1 {
		if s := string(r); s != "\n" && s != "\r" && channels.CleanText("\r"+s) != "\n"+channels.CleanText(s) {
			t.Errorf("%U alone becomes %q", r, channels.CleanText(s))
		}
	}
}

func TestCleanName(t *testing.T) {
	for in, want := range map[string]string{
		`../../etc/passwd`:                "_.._etc_passwd",
		"photo\u202Egpj.exe":              "photogpj.exe",
		" a \n b .jpg. ":                  "a b .jpg",
		"...":                             "",
		strings.Repeat("я", 200) + ".pdf": strings.Repeat("я", 110) + "…" + "яяяяя.pdf",
	} {
		if got := channels.CleanName(in); got != want {
			t.Errorf("CleanName(%q) is %q, not %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\r\nb\x00\xff\u202E")
	f.Add("\u200B / .. \uFEFF")
	f.Fuzz(func(t *testing.T, s string) {
		text, line, name := channels.CleanText(s), channels.CleanLine(s), channels.CleanName(s)
		for what, pair := range map[string][2]string{
			"text": {text, channels.CleanText(text)}, "line": {line, channels.CleanLine(line)},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: cleaned twice %q is %q", what, pair[0], pair[1])
			}
			if !utf8.ValidString(pair[0]) || strings.ContainsAny(pair[0], "\x00\r\u202E") {
				t.Errorf("%s: %q is left of %q", what, pair[0], s)
			}
		}
		if strings.ContainsAny(line, "\n\t") || strings.ContainsAny(name, "/\\\n") || utf8.RuneCountInString(name) > 120 {
			t.Errorf("line %q, name %q of %q", line, name, s)
		}
	})
}
