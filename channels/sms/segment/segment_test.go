package segment

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Vectors of S7: GSM-7 in septets 160/153, UCS-2 in 16-bit units 70/67.
func TestCount(t *testing.T) {
	rep := strings.Repeat
	for _, v := range []struct {
		name, text string
		enc        Encoding
		units      int
		segments   int
		left       int
		culprits   string
	}{
		{"empty", "", GSM7, 0, 0, 160, ""},
		{"one letter", "a", GSM7, 1, 1, 159, ""},
		{"full", rep("a", 160), GSM7, 160, 1, 0, ""},
		{"one over", rep("a", 161), GSM7, 161, 2, 145, ""},
		{"two full", rep("a", 306), GSM7, 306, 2, 0, ""},
		{"three", rep("a", 307), GSM7, 307, 3, 152, ""},
		{"extension costs two", "€", GSM7, 2, 1, 158, ""},
		{"every extension sign", "\f^{}\\[~]|€", GSM7, 20, 1, 140, ""},
		{"eighty euros", rep("€", 80), GSM7, 160, 1, 0, ""},
		{"eighty-one euros: none is split", rep("€", 81), GSM7, 162, 2, 153 - 10, ""},
		{"extension at the seam moves on", rep("a", 152) + "€" + rep("a", 7), GSM7, 161, 2, 153 - 9, ""},
		{"seams can cost a whole part", rep("a", 152) + "€" + rep("a", 150) + "€" + "a", GSM7, 307, 3, 153 - 3, ""},
		{"greek capitals of the basic set", "ΔΦΓΛΩΠΨΣΘΞ", GSM7, 10, 1, 150, ""},
		{"line feed and return", "a\r\nb", GSM7, 4, 1, 156, ""},
		{"one cyrillic letter flips all", "я", UCS2, 1, 1, 69, "я"},
		{"cyrillic among latin", rep("a", 70) + "я", UCS2, 71, 2, 67*2 - 71, "я"},
		{"a curly quote flips all", "it’s ready", UCS2, 10, 1, 60, "’"},
		{"seventy", rep("я", 70), UCS2, 70, 1, 0, "я"},
		{"seventy-one", rep("я", 71), UCS2, 71, 2, 63, "я"},
		{"an emoji is two units", "👍", UCS2, 2, 1, 68, "👍"},
		{"a pair at the seam is not split", rep("я", 66) + "👍" + rep("я", 3), UCS2, 71, 2, 67 - 5, "я👍"},
		{"c with cedilla, small", "ç", UCS2, 1, 1, 69, "ç"},
		{"backquote", "`", UCS2, 1, 1, 69, "`"},
		{"culprits once each", "яЯяЯ", UCS2, 4, 1, 66, "яЯ"},
	} {
		got := Count(v.text)
		if got.Encoding != v.enc || got.Units != v.units || got.Segments != v.segments || got.Left != v.left || string(got.Culprits) != v.culprits {
			t.Errorf("%s: %+v (culprits %q), want %s %d units %d segments %d left %q",
				v.name, got, string(got.Culprits), v.enc, v.units, v.segments, v.left, v.culprits)
		}
	}
}

func TestGSMAlphabetIsComplete(t *testing.T) {
	// 128 positions of the basic table, less the escape to the extension table.
	if n := utf8.RuneCountInString(gsmBasic); n != 127 {
		t.Errorf("%d basic characters, want 127", n)
	}
	for _, r := range gsmBasic {
		if gsmUnits(r) != 1 {
			t.Errorf("%q takes %d units", r, gsmUnits(r))
		}
	}
}

func TestTooLong(t *testing.T) {
	for _, v := range []struct {
		text string
		want bool
	}{
		{strings.Repeat("a", 1530), false},
		{strings.Repeat("a", 1531), true},
		{strings.Repeat("я", 670), false},
		{strings.Repeat("я", 671), true},
	} {
		if got := Count(v.text).TooLong(); got != v.want {
			t.Errorf("%d runes: too long %t", utf8.RuneCountInString(v.text), got)
		}
	}
}

func TestNormalise(t *testing.T) {
	for in, want := range map[string]string{
		"“It’s ready” – come in…":    `"It's ready" - come in...`,
		"1\u00a0200\u202f€\u200b":    "1 200 €",
		"«Готово» — заберите":        `"Готово" - заберите`,
		"a\r\nb\tc":                  "a\nb c",
		"👩\u200d🔧 stays one picture": "👩\u200d🔧 stays one picture",
	} {
		if got := Normalise(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTransliterate(t *testing.T) {
	for _, v := range []struct{ lang, in, want string }{
		{"ru", "Ваш ремонт готов: щётка, съёмник, объезд", "Vash remont gotov: shchetka, semnik, obezd"},
		{"ru", "ЩЁТКА Щётка щётка", "SHCHETKA Shchetka shchetka"},
		{"uk", "Згурський Юрій, Їжакевич, Гоща, Знам’янка", "Zghurskyi Yurii, Yizhakevych, Hoshcha, Znamianka"},
		{"uk", "Короп'є", "Koropie"},
		{"sr", "Ваш уређај је поправљен, ђак и џез", "Vas uredjaj je popravljen, djak i dzez"},
		{"sr", "Vaš uređaj čeka, ćevap, ŽUR", "Vas uredjaj ceka, cevap, ZUR"},
		{"", "Привіт, ђаци №5", "Privit, djatsi No5"},
		{"en", "plain words stay", "plain words stay"},
	} {
		got := Transliterate(v.in, v.lang)
		if got != v.want {
			t.Errorf("%s %q: %q, want %q", v.lang, v.in, got, v.want)
		}
		if v.lang != "" && Count(got).Encoding != GSM7 {
			t.Errorf("%s %q still needs UCS-2: %q", v.lang, v.in, Count(got).Culprits)
		}
	}
}

// Whatever the text, its units fit into its parts, and one part fewer would not do.
func FuzzCount(f *testing.F) {
	for _, s := range []string{"", "a", "€", "я👍", strings.Repeat("a", 152) + "€€€", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i := Count(text)
		alone, part := gsmAlone, gsmPart
		if i.Encoding == UCS2 {
			alone, part = ucsAlone, ucsPart
		}
		room := i.Segments * part
		if i.Segments <= 1 {
			room = alone
		}
		if i.Units+i.Left > room || i.Left < 0 || i.Segments > 1 && i.Units <= (i.Segments-1)*(part-1) && i.Units <= alone {
			t.Errorf("%+v", i)
		}
		if (i.Encoding == UCS2) != (len(i.Culprits) > 0) {
			t.Errorf("%s with culprits %q", i.Encoding, i.Culprits)
		}
		if n := Normalise(text); utf8.ValidString(text) && Normalise(n) != n {
			t.Errorf("normalising %q again changes it", n)
		}
	})
}
