package notify_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/notify"
)

// paid counts as SMS does, near enough: ASCII is cheap.
func paid(text, _ string) channels.Measure {
	n, wide := 0, false
	for _, r := range text {
		n++
		wide = wide || r > 126
	}
	room := 160
	if wide {
		room = 70
	}
	return channels.Measure{Parts: (n + room - 1) / room, Wide: wide}
}

func TestLint(t *testing.T) {
	all := func(en string) lang.Text {
		return lang.Text{"en": en, "ru": "Обращение {{case}} готово", "uk": "Звернення {{case}} готове", "sr": "Predmet {{case}} je gotov"}
	}
	for _, tc := range []struct {
		name string
		t    notify.Template
		want []string // severity field lang line:col code args
	}{
		{"nothing to say", notify.Template{Text: all("Case {{case}} is ready")}, nil},
		{"one form of two", notify.Template{Text: all("{{#days}}{{days:# day}} {{/days}}{{case}}")}, []string{"error text en 1:10 forms example=# day/# days n=1 name=days numbers=1, 2 want=2"}},
		{"no such form", notify.Template{Text: all("{{#days}}{{days:weeks}} {{/days}}{{case}}")}, []string{"error text en 1:10 shape list=number, # day/# days name=days shape=weeks"}},
		{"unknown variable", notify.Template{Text: all("Hi {{case}},\n {{staus}}")}, []string{"error text en 2:2 unknown list=case, centre, customer, days, device, link, opened, operator, queue, since, status, subject, attr.* name=staus near=status"}},
		{"no text", notify.Template{}, []string{"error text en 0:0 default lang=en"}},
		{"a language is missing", notify.Template{Text: lang.Text{"en": "Case {{case}}", "ru": "Дело {{case}}", "uk": "Справа {{case}}"}},
			[]string{"warning text sr 0:0 language fallback=en lang=sr"}},
		{"the default language is missing", notify.Template{Text: lang.Text{"ru": "Дело {{case}}", "uk": "Справа {{case}}", "sr": "Predmet {{case}}"}},
			[]string{"error text en 0:0 default lang=en"}},
		{"a subject lacks a language", notify.Template{Text: all("Case {{case}}"), Subject: lang.Text{"en": "A", "ru": "Б", "uk": "В"}},
			[]string{"error subject sr 0:0 unnamed lang=sr"}},
		{"a variable is missing in one", notify.Template{Text: all("It is ready")}, []string{"warning text en 0:0 variable name=case"}},
		{"a variable is in one alone", notify.Template{Text: all("{{queue}}: {{case}}")}, nil},
		{"long as SMS", notify.Template{Text: all("{{case}} " + strings.TrimSpace(strings.Repeat("ready ", 90)))}, []string{"warning text en 0:0 parts most=3 n=4"}},
		{"curly quotes and dashes", notify.Template{Text: all("It’s {{case}} – you’re done")},
			[]string{"warning text en 1:3 wide instead=' sign=’", "warning text en 1:15 wide instead=- sign=–"}},
		{"an emoji", notify.Template{Text: all("{{case}} is ready\n🎉")}, []string{"warning text en 2:1 wide instead= sign=🎉"}},
		{"letters that are no sign", notify.Template{Text: all("{{case}} – café")}, nil},
		{"Cyrillic with dashes", notify.Template{Text: lang.Text{"en": "Case {{case}}", "ru": "Дело {{case}} — готово", "uk": "Справа {{case}}", "sr": "Predmet {{case}}"}}, nil},
		{"a long subject", notify.Template{Text: all("{{case}}"), Subject: lang.Text{"en": strings.TrimSpace(strings.Repeat("word ", 20)), "ru": "а", "uk": "б", "sr": "c"}},
			[]string{"warning subject en 1:1 long_subject most=78 n=99"}},
		{"a link with words", notify.Template{Text: all("{{case}}, see {{link|nothing}}")}, []string{"warning text en 1:15 link what={{link|"}},
		{"a link in its section", notify.Template{Text: all("{{case}} {{#link}}See {{link}}{{/link}}")}, nil},
		{"leftovers", notify.Template{Text: all("TODO {{case}} {case} is\nXXX ready")},
			[]string{"warning text en 1:1 rest what=TODO", "warning text en 1:15 rest what={case}", "warning text en 2:1 rest what=XXX"}},
		{"half a variable", notify.Template{Text: all("{{case}} {{ case is ready")}, []string{"error text en 1:10 unclosed"}},
		{"braces that are meant", notify.Template{Text: all("{{case}}: {1} {}")}, nil},
		{"blanks at the end", notify.Template{Text: all("{{case}} \nis ready")}, []string{"warning text en 1:9 blanks what="}},
		{"not translated", notify.Template{Text: lang.Text{"en": "Case {{case}}", "ru": "Case  {{case}}", "uk": "Справа {{case}}", "sr": "Predmet {{case}}"}},
			[]string{"warning text ru 0:0 same other=en"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, f := range notify.Lint(tc.t, notify.LintOptions{Languages: lang.Supported, Fallback: "en", Measure: paid}) {
				s := fmt.Sprintf("%s %s %s %d:%d %s", f.Severity, f.Field, f.Lang, f.Line, f.Col, f.Code)
				for _, k := range slices.Sorted(maps.Keys(f.Args)) {
					s += " " + k + "=" + f.Args[k]
				}
				if f.Msg == "" || f.Mend == "" {
					t.Errorf("%s says nothing", s)
				}
				got = append(got, s)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestLintOfMail(t *testing.T) {
	tpl := notify.Template{Text: lang.Text{"en": "Case {{case}}"}}
	found := notify.Lint(tpl, notify.LintOptions{Fallback: "en", Mail: true})
	if len(found) != 1 || found[0].Code != notify.LintNoSubject || found[0].Severity != notify.Hint {
		t.Errorf("got %+v", found)
	}
}
