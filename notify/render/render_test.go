package render_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"casewire/casecore/lang"
	"casewire/notify/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

// N2: what is wrong with a template is said when it is saved, with its place.
func TestFaultsNameTheirPlace(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"unknown", "Hello,\n your {{staus}} is", `line 2, column 7: no variable "staus"; did you mean {{status}}?`},
		{"far from any", "{{zzzzzzzz}} x", `line 1, column 1: no variable "zzzzzzzz"; it is one of case, centre, customer, days, device, link, opened, operator, queue, since, status, subject or attr.…`},
		{"columns are characters", "Привіт {{x}} світ", `line 1, column 8: no variable "x"`},
		{"bare optional", "Dear {{customer}},", `column 6: customer may be empty; write {{customer|what to say then}} or put it into {{#customer}}…{{/customer}}`},
		{"bare attribute", "a {{attr.model}}", `column 3: attr.model may be empty`},
		{"attribute without key", "a {{attr.}}", `column 3: no variable "attr."`},
		{"empty fallback", "a {{device|}}", `nothing stands behind the |`},
		{"not closed", "a {{case b", `column 3: {{ is not closed; write }}`},
		{"not closed before the next", "a {{case {{status}}", `column 3: {{ is not closed`},
		{"over lines", "a {{device|b\nc}}", `{{…}} spans lines`},
		{"nothing inside", "a {{ }}", `nothing stands between the braces`},
		{"section open", "a {{#device}}b", `column 3: section {{#device}} is not closed; write {{/device}} where it ends`},
		{"inverted section open", "a {{^device}}b", `section {{^device}} is not closed`},
		{"section never opened", "a {{/device}}", `no section is open here`},
		{"sections crossed", "a {{#device}}b{{#link}}c{{/device}}d{{/link}}", `{{/device}} closes nothing; the open section is {{#link}}; write {{/link}}`},
		{"section of what is never empty", "a {{#case}}b{{/case}}", `case is never empty; leave the section out`},
		{"bare in the wrong section", "a {{^device}}{{device}}{{/device}}", `device may be empty`},
		{"only sections", "{{#device}}b{{/device}}{{^device}}c{{/device}}", `the text can end up empty`},
		{"nothing", "  \n", `the text can end up empty`},
		{"too deep", strings.Repeat("{{#device}}", 9) + "x" + strings.Repeat("{{/device}}", 9), `more than 8 sections within each other`},
		{"too long", strings.Repeat("x", 20_001), `the text has 20001 bytes, at most 20000`},
		{"not UTF-8", "a\xff", `the text is not valid UTF-8`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := render.Compile(lang.Text{"uk": tc.text})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "uk, line ") {
				t.Errorf("error is %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := render.Compile(lang.Text{"en": "{{one}}\n{{two}} {{device}}", "sr": "{{three}}"})
	for _, want := range []string{"en, line 1, column 1", "en, line 2, column 1", "en, line 2, column 9", "sr, line 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
}

func TestRender(t *testing.T) {
	full := render.Sample()
	for _, tc := range []struct {
		name, text, want string
		v                render.Values
	}{
		{"variables", "{{case}}: {{ status }}", "CW-000123: Repaired, ready for pickup", full},
		{"words instead", "Your {{device|device}} is ready", "Your device is ready", render.Values{}},
		{"words not needed", "Your {{device|device}} is ready", "Your Samsung Galaxy S24 is ready", full},
		{"section", "Hello{{#customer}}, {{customer}}{{/customer}}!", "Hello, Anna Kovalenko!", full},
		{"section left out", "Hello{{#customer}}, {{customer}}{{/customer}}!", "Hello!", render.Values{}},
		{"inverted", "{{^operator}}Nobody{{/operator}}{{#operator}}{{operator}}{{/operator}} has it", "Nobody has it", render.Values{}},
		{"nested", "x{{#device}} {{device}}{{#attr.model}} ({{attr.model}}){{/attr.model}}{{/device}}", "x Samsung Galaxy S24 (Galaxy S24)", full},
		{"empty lines go", "One\n\n{{#link}}{{link}}{{/link}}\n\nTwo\n", "One\n\nTwo", render.Values{}},
		{"values are not templates", "Re: {{subject|x}}", "Re: {{case}} {{#x}}", render.Values{Case: "1", Subject: "{{case}} {{#x}}"}},
		{"values are one line", "Re: {{subject|x}}", "Re: a b c", render.Values{Subject: " a\nb\r\n\tc "}},
		{"values of blanks are empty", "Re: {{subject|x}}", "Re: x", render.Values{Subject: " \n "}},
		{"single braces stand", "{ {{case}} }", "{ CW-000123 }", full},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := compile(t, lang.Text{"en": tc.text}).Render("en", tc.v)
			if got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
	long := compile(t, lang.Text{"en": "{{subject|x}}"}).Render("en", render.Values{Subject: strings.Repeat("ї", 500)})
	if n := utf8.RuneCountInString(long); n != 201 || !strings.HasSuffix(long, "…") {
		t.Errorf("a long value has %d characters", n)
	}
}

func TestLanguageIsTheReadersElseTheCentres(t *testing.T) {
	all := compile(t, lang.Text{"en": "en", "ru": "ru", "uk": "uk"})
	for _, tc := range []struct{ tag, fallback, want string }{
		{"ru", "uk", "ru"}, {"ru-RU", "uk", "ru"}, {"sr", "uk", "uk"}, {"", "uk", "uk"}, {"sr", "sr", "en"}, {"de", "", "en"},
	} {
		if got := all.Lang(tc.tag, tc.fallback); got != tc.want {
			t.Errorf("%q with %q gets %q, want %q", tc.tag, tc.fallback, got, tc.want)
		}
	}
	if got := compile(t, nil).Render("", render.Sample()); got != "" {
		t.Errorf("no text renders as %q", got)
	}
}

// Every variable that is listed works, in every language, and has a meaning.
func TestVariablesAreWhatTheParserKnows(t *testing.T) {
	for _, v := range render.Variables() {
		name := strings.Replace(v.Name, "*", "model", 1)
		text := "x {{" + name + "}}"
		if v.Optional {
			text = "x {{" + name + "|y}}"
		}
		got := compile(t, lang.Text{"en": text}).Render("en", render.Sample())
		if want := "x " + v.Example; got != want {
			t.Errorf("%s renders as %q, want %q", v.Name, got, want)
		}
		for _, l := range lang.Supported {
			if !v.Meaning.Has(l) {
				t.Errorf("%s has no meaning in %s", v.Name, l)
			}
		}
	}
	if got := compile(t, lang.Text{"en": "{{case}} {{#attr.x}}{{link|y}}{{/attr.x}}"}).Names(); !slices.Equal(got, []string{"attr.x", "case", "link"}) {
		t.Errorf("names are %q", got)
	}
}

// Golden renderings: a template in four languages, with everything known of the
// case and with nothing.
func TestGolden(t *testing.T) {
	text := lang.Text{
		"en": "Hello{{#customer}}, {{customer}}{{/customer}}!\n\nYour {{device|device}} is repaired and ready for pickup.{{#operator}} {{operator}} took care of it.{{/operator}}\n\n{{#link}}Details: {{link}}{{/link}}\n\nCase {{case}}, {{centre}}",
		"ru": "Здравствуйте{{#customer}}, {{customer}}{{/customer}}!\n\nВаше устройство{{#device}} {{device}}{{/device}} отремонтировано, его можно забрать.{{#operator}} Ремонт вёл(а) {{operator}}.{{/operator}}\n\n{{#link}}Подробнее: {{link}}{{/link}}\n\nОбращение {{case}}, {{centre}}",
		"uk": "Вітаємо{{#customer}}, {{customer}}{{/customer}}!\n\nВаш пристрій{{#device}} {{device}}{{/device}} відремонтовано, його можна забрати.{{#operator}} Ремонт вів(ла) {{operator}}.{{/operator}}\n\n{{#link}}Докладніше: {{link}}{{/link}}\n\nЗвернення {{case}}, {{centre}}",
		"sr": "Dobar dan{{#customer}}, {{customer}}{{/customer}}!\n\nVaš uređaj{{#device}} {{device}}{{/device}} je popravljen i spreman za preuzimanje.{{#operator}} Popravku je vodio/la {{operator}}.{{/operator}}\n\n{{#link}}Detaljnije: {{link}}{{/link}}\n\nPredmet {{case}}, {{centre}}",
	}
	compiled := compile(t, text)
	for _, tag := range lang.Supported {
		bare := render.Values{Case: "CW-000001", Status: "x", Centre: "Casewire Service", Queue: "x"}
		got := compiled.Render(tag, render.Sample()) + "\n---\n" + compiled.Render(tag, bare) + "\n"
		path := filepath.Join("testdata", "golden", "ready."+tag+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s", path, got, want)
		}
	}
}

// FuzzCompile: whatever is written, it is either refused with a place inside the
// text, or it renders to something that is neither empty nor a template's
// machinery.
func FuzzCompile(f *testing.F) {
	f.Add("Hello{{#customer}}, {{customer}}{{/customer}}: {{case}}", "Anna")
	f.Add("{{#device}}{{^link}}{{device}}{{/link}}{{/device}}{{", "x")
	f.Add("{{attr.a|b}}\n\n\n{{status}}", "{{case}}")
	f.Add("{{opened:day}} {{since:time}} {{days:# day/# days|x}} {{attr.a:money|y}}", "4500")
	f.Fuzz(func(t *testing.T, text, value string) {
		c, err := render.Compile(lang.Text{"en": text})
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if line == "" {
					t.Errorf("an empty fault in %q", err)
				}
			}
			return
		}
		for _, v := range []render.Values{
			{Case: "1", Status: "s", Centre: "c", Queue: "q"},
			{Case: "1", Status: "s", Centre: "c", Queue: "q", Customer: value, Device: value, Subject: value, Operator: value, Link: value,
				Attr: map[string]string{"a": value, "model": value}, Days: len(value), Currency: "EUR"},
		} {
			got := c.Render("en", v)
			if strings.TrimSpace(got) == "" {
				t.Errorf("%q renders to nothing", text)
			}
			if !strings.Contains(value, "{{") && strings.Contains(got, "{{") {
				t.Errorf("%q renders to %q", text, got)
			}
		}
	})
}

func compile(t *testing.T, text lang.Text) *render.Template {
	t.Helper()
	c, err := render.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func BenchmarkRender(b *testing.B) {
	c, err := render.Compile(lang.Text{"en": "Hello{{#customer}}, {{customer}}{{/customer}}! Your {{device|device}} is ready. {{case}}, {{centre}}"})
	if err != nil {
		b.Fatal(err)
	}
	v := render.Sample()
	b.ReportAllocs()
	for b.Loop() {
		c.Render("en", v)
	}
}
