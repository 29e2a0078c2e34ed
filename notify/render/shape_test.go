package render_test

import (
	"strings"
	"testing"
	"time"

	"casewire/casecore/lang"
	"casewire/notify/render"
)

// Numbers, dates and sums read in each language as people write them there (CLDR).
func TestShapesFollowTheLanguage(t *testing.T) {
	at := time.Date(2026, time.March, 12, 14, 5, 0, 0, time.UTC)
	v := render.Values{Opened: at, Since: at, Days: 5, Currency: "EUR", Attr: map[string]string{
		"price": "4500", "cents": "1 234,5", "odd": "4,500", "words": "on request", "until": "2026-03-01"}}
	for _, tc := range []struct{ text, en, ru, uk, sr, cyrl string }{
		{"{{opened}}", "12 March 2026", "12 марта 2026", "12 березня 2026", "12. marta 2026.", "12. марта 2026."},
		{"{{since:short}}", "12 Mar 2026", "12.03.2026", "12.03.2026", "12.3.2026.", "12.3.2026."},
		{"{{since:day}}", "Thursday, 12 March", "четверг, 12 марта", "четвер, 12 березня", "četvrtak, 12. marta", "четвртак, 12. марта"},
		{"{{opened:time}}", "14:05", "14:05", "14:05", "14:05", "14:05"},
		{"{{days|x}}", "5 days", "5 дней", "5 днів", "5 dana", "5 дана"},
		{"{{days:number|x}}", "5", "5", "5", "5", "5"},
		{"{{attr.price:money|x}}", "€4,500.00", "4 500,00 €", "4 500,00 €", "4.500,00 €", "4.500,00 €"},
		{"{{attr.cents:money|x}}", "€1,234.50", "1 234,50 €", "1 234,50 €", "1.234,50 €", "1.234,50 €"},
		{"{{attr.cents:number|x}}", "1,234.5", "1 234,5", "1 234,5", "1.234,5", "1.234,5"},
		{"{{attr.odd:money|x}}", "4,500", "4,500", "4,500", "4,500", "4,500"},
		{"{{attr.words:money|x}}", "on request", "on request", "on request", "on request", "on request"},
		{"{{attr.until:date|x}}", "1 March 2026", "1 марта 2026", "1 березня 2026", "1. marta 2026.", "1. марта 2026."},
		{"{{attr.words:date|x}}", "on request", "on request", "on request", "on request", "on request"},
		{"{{attr.none:money|no price}}", "no price", "no price", "no price", "no price", "no price"},
	} {
		for _, in := range []struct{ tag, before, want string }{
			{"en", "", tc.en}, {"ru", "", tc.ru}, {"uk", "", tc.uk}, {"sr", "Evo: ", tc.sr}, {"sr", "Рок за преузимање: ", tc.cyrl},
		} {
			got := renderIn(t, in.tag, in.before+tc.text, v)
			got = strings.ReplaceAll(strings.TrimPrefix(got, in.before), "\u00a0", " ")
			if got != in.want {
				t.Errorf("%s in %s: %q, want %q", tc.text, in.tag, got, in.want)
			}
		}
	}
}

func TestCountsTakeTheFormOfTheirNumber(t *testing.T) {
	own := map[string]string{
		"en": "{{days:# working day/# working days|x}}",
		"ru": "{{days:прошёл/прошло/прошло|x}} {{days|x}}",
		"uk": "{{days:минув/минуло/минуло|x}} {{days|x}}",
		"sr": "{{days:prošao/prošla/prošlo|x}} {{days|x}}",
	}
	for _, tc := range []struct {
		n              int
		en, ru, uk, sr string
	}{
		{0, "x", "x x", "x x", "x x"},
		{1, "1 working day", "прошёл 1 день", "минув 1 день", "prošao 1 dan"},
		{2, "2 working days", "прошло 2 дня", "минуло 2 дні", "prošla 2 dana"},
		{4, "4 working days", "прошло 4 дня", "минуло 4 дні", "prošla 4 dana"},
		{5, "5 working days", "прошло 5 дней", "минуло 5 днів", "prošlo 5 dana"},
		{11, "11 working days", "прошло 11 дней", "минуло 11 днів", "prošlo 11 dana"},
		{21, "21 working days", "прошёл 21 день", "минув 21 день", "prošao 21 dan"},
		{22, "22 working days", "прошло 22 дня", "минуло 22 дні", "prošla 22 dana"},
		{112, "112 working days", "прошло 112 дней", "минуло 112 днів", "prošlo 112 dana"},
	} {
		for tag, want := range map[string]string{"en": tc.en, "ru": tc.ru, "uk": tc.uk, "sr": tc.sr} {
			if got := renderIn(t, tag, own[tag], render.Values{Days: tc.n}); got != want {
				t.Errorf("%d in %s: %q, want %q", tc.n, tag, got, want)
			}
		}
	}
}

func TestShapesThatThereAreNot(t *testing.T) {
	for _, tc := range []struct{ tag, text, want string }{
		{"en", "{{case:short}}", "case is written in one way only; write {{case}}"},
		{"en", "{{opened:iso}}", `opened is not written as "iso"; write one of date, short, day, time`},
		{"en", "{{opened:}}", `opened is not written as ""`},
		{"en", "{{days:weeks|x}}", `days is not written as "weeks"; write one of number, or the words for 1, 2: # day/# days`},
		{"ru", "{{days:# день/# дней|x}}", "2 forms, and the language counts in 3; write one each for 1, 2, 5, such as {{days:# день/# дня/# дней}}"},
		{"en", "{{days:# day/ |x}}", "1 forms, and the language counts in 2"},
		{"en", "{{days:# day|x}}", "1 forms, and the language counts in 2; write one each for 1, 2, such as {{days:# day/# days}}"},
		{"en", "{{attr.price:gold|x}}", `attr.price is not written as "gold"; write one of money, number, date, short, day`},
		{"en", "{{days}}", "days may be empty"},
		{"en", "{{opned:short}}", `no variable "opned"; did you mean {{opened}}?`},
	} {
		_, err := render.Compile(lang.Text{tc.tag: "a " + tc.text})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v\nwant %s", tc.text, err, tc.want)
		}
	}
}

func TestMoneyByCurrency(t *testing.T) {
	for _, tc := range []struct{ tag, unit, want string }{
		{"en", "USD", "$4,500.00"}, {"en", "UAH", "UAH 4,500.00"}, {"uk", "UAH", "4 500,00 ₴"}, {"ru", "RUB", "4 500,00 ₽"},
		{"sr", "RSD", "4.500 RSD"}, {"en", "JPY", "¥4,500"}, {"en", "", "4500.00"},
	} {
		got := renderIn(t, tc.tag, "{{attr.p:money|x}}", render.Values{Currency: tc.unit, Attr: map[string]string{"p": "4500"}})
		if got = strings.ReplaceAll(got, "\u00a0", " "); got != tc.want {
			t.Errorf("%s in %s: %q, want %q", tc.unit, tc.tag, got, tc.want)
		}
	}
}

func renderIn(t *testing.T, tag, text string, v render.Values) string {
	t.Helper()
	tpl, err := render.Compile(lang.Text{tag: text})
	if err != nil {
		t.Fatal(err)
	}
	return tpl.Render(tag, v)
}
