package policy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/routing/wording"
)

var vera = casecore.Actor{ID: "vera", Name: "Vera", Roles: []string{casecore.RoleSupervisor}}

// openWording is the default policy with an SMS and a mail channel, and one case.
func openWording(t *testing.T) *Wording {
	t.Helper()
	st := openStore(t)
	live, err := Open(t.Context(), st, LiveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, time.March, 12, 9, 0, 0, 0, time.UTC)
	return &Wording{
		Store: st, Live: live, Now: func() time.Time { return at },
		Read: func(_ context.Context, _ casecore.Actor, number string) (*casecore.Case, *casecore.Customer, error) {
			if number != "CW-000007" {
				return nil, nil, store.ErrNotFound
			}
			return &casecore.Case{Number: 7, Status: "ready", Received: at.AddDate(0, 0, -9), StatusAt: at.AddDate(0, 0, -3), Queue: "phones", OwnerName: "Olena"},
				&casecore.Customer{Name: "Грейс", Zone: "Europe/Belgrade"}, nil
		},
		Link:    func(*casecore.Case) string { return "https://help.example.com/c/7" },
		Channel: func(k channels.Kind) (string, bool) { return string(k) + ":main", k != channels.Telegram },
		Measure: func(id, text, _ string) (channels.Measure, bool) {
			return channels.Measure{Sent: "sent: " + text, Parts: len(text)/100 + 1, Wide: !isASCII(text)}, strings.HasPrefix(id, "sms:")
		},
	}
}

func isASCII(s string) bool { return len(s) == len([]rune(s)) }

func draftFrom(t *testing.T, w *Wording, id string) (wording.Draft, int64) {
	t.Helper()
	b, err := w.Book(t.Context(), vera)
	if err != nil {
		t.Fatal(err)
	}
	tpl, ok := b.Find(id)
	if !ok {
		t.Fatalf("no template %s", id)
	}
	d := tpl.Draft
	d.Text = lang.Text{}
	for l, s := range tpl.Text {
		d.Text[l] = s
	}
	return d, b.Revision
}

func TestATemplateIsSavedAsARevision(t *testing.T) {
	w := openWording(t)
	d, expect := draftFrom(t, w, "in_repair")
	if n, err := w.Save(t.Context(), vera, d, wording.Change{Expect: expect}); err != nil || n != 1 {
		t.Errorf("nothing to save: revision %d, %v", n, err)
	}
	d.Text["en"] = "We have begun: {{device|your device}}, {{case}}."
	n, err := w.Save(t.Context(), vera, d, wording.Change{Expect: expect, Note: "shorter"})
	if err != nil || n != 2 {
		t.Fatalf("revision %d, %v", n, err)
	}
	rev, err := w.Revision(t.Context(), vera, 0)
	if err != nil || rev.Author != "Vera" || rev.Note != "shorter" || !rev.Force {
		t.Errorf("got %+v, %v", rev, err)
	}
	old := strings.Split(string(defaultYAML), "\n")
	now := strings.Split(rev.Text, "\n")
	if len(old) != len(now) {
		t.Fatalf("%d lines; had %d", len(now), len(old))
	}
	for i := range old {
		if old[i] != now[i] && strings.TrimSpace(now[i]) != d.Text["en"] {
			t.Errorf("line %d has changed: %q", i+1, now[i])
		}
	}
	c := &casecore.Case{Number: 7, Lang: "en"}
	if m := w.Live.Current().Notify.Render("in_repair", &casecore.Event{}, c, &casecore.Customer{}, ""); m.Body.Text != "We have begun: your device, CW-000007." {
		t.Errorf("customers read %q", m.Body.Text)
	}

	if _, err := w.Restore(t.Context(), vera, 1, wording.Change{Expect: 2}); err != nil {
		t.Fatal(err)
	}
	revs, err := w.History(t.Context(), vera, 0, 2)
	if err != nil || len(revs) != 2 || revs[0].Number != 3 || !revs[0].Force || revs[0].Note != "revision 1 again" || revs[0].Text != "" || revs[1].Force {
		t.Errorf("history %+v, %v", revs, err)
	}
	if rev, err = w.Revision(t.Context(), vera, 3); err != nil || rev.Text != string(defaultYAML) {
		t.Errorf("not as it was: %v", err)
	}
}

func TestWhatIsNotSaved(t *testing.T) {
	w := openWording(t)
	d, expect := draftFrom(t, w, "ready")
	with := func(change func(*wording.Draft)) wording.Draft {
		out := d
		out.Text = lang.Text{"en": "x", "ru": "y"}
		out.Subject = nil
		change(&out)
		return out
	}
	var moved *wording.Moved
	if _, err := w.Save(t.Context(), vera, d, wording.Change{Expect: 9}); !errors.As(err, &moved) || moved.Newest != 1 {
		t.Errorf("stale: %v", err)
	}
	var bad *wording.Invalid
	_, err := w.Save(t.Context(), vera, with(func(d *wording.Draft) { d.Text["ru"] = "a\n {{staus}}" }), wording.Change{Expect: expect})
	if !errors.As(err, &bad) || len(bad.Findings) != 1 || bad.Findings[0].Lang != "ru" || bad.Findings[0].Line != 2 || bad.Findings[0].Col != 2 {
		t.Errorf("fault: %v, %+v", err, bad)
	}
	if _, err = w.Save(t.Context(), vera, with(func(d *wording.Draft) { delete(d.Text, "en") }), wording.Change{Expect: expect}); !errors.As(err, &bad) {
		t.Errorf("no default language: %v", err)
	}
	if _, err = w.Save(t.Context(), vera, with(func(d *wording.Draft) { d.ID = "Not An Id" }), wording.Change{Expect: expect, New: true}); !errors.As(err, &bad) || bad.Findings[0].Code != "bad_id" {
		t.Errorf("bad id: %v", err)
	}
	var taken *wording.Taken
	if _, err = w.Save(t.Context(), vera, d, wording.Change{Expect: expect, New: true}); !errors.As(err, &taken) {
		t.Errorf("taken: %v", err)
	}
	if _, err = w.Save(t.Context(), vera, with(func(d *wording.Draft) { d.ID = "none" }), wording.Change{Expect: expect}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("not there: %v", err)
	}
	var used *wording.Used
	if _, err = w.Drop(t.Context(), vera, "ready", wording.Change{Expect: expect}); !errors.As(err, &used) || used.Uses[0].Name != "ready" {
		t.Errorf("in use: %v", err)
	}
	if _, err = w.Drop(t.Context(), vera, "none", wording.Change{Expect: expect}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("drop what is not there: %v", err)
	}
	anna := casecore.Actor{ID: "anna", Roles: []string{casecore.RoleOperator}}
	if _, err = w.Save(t.Context(), anna, d, wording.Change{Expect: expect}); !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("an operator saves: %v", err)
	}
	if _, err = w.Try(t.Context(), anna, d, wording.Trial{}); !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("an operator tries: %v", err)
	}
	if now := w.Live.Current().Revision; now != 1 {
		t.Errorf("revision %d", now)
	}
	fresh := wording.Draft{ID: "fresh", Text: lang.Text{"en": "Hello {{case}}"}}
	if n, err := w.Save(t.Context(), vera, fresh, wording.Change{Expect: 1, New: true}); err != nil || n != 2 {
		t.Fatalf("a new one: %v", err)
	}
	if n, err := w.Drop(t.Context(), vera, "fresh", wording.Change{Expect: 2}); err != nil || n != 3 {
		t.Fatalf("dropped: %v", err)
	}
	if rev, err := w.Revision(t.Context(), vera, 3); err != nil || rev.Text != string(defaultYAML) {
		t.Errorf("not as it was: %v", err)
	}
}

func TestTry(t *testing.T) {
	w := openWording(t)
	d := wording.Draft{ID: "ready", Subject: lang.Text{"en": "{{status}}"}, Text: lang.Text{
		"en": "{{customer|you}} {{opened:short}} {{since:time}} {{#link}}{{link}}{{/link}}", "ru": "Готово {{days|x}} {{status}}", "uk": "{{bad}}"}}
	got, err := w.Try(t.Context(), vera, d, wording.Trial{Case: "CW-000007"})
	if err != nil || got.Customer != "Грейс" || len(got.Rendered) != 4 {
		t.Fatalf("got %+v, %v", got, err)
	}
	en, ru, uk, sr := got.Rendered[0], got.Rendered[1], got.Rendered[2], got.Rendered[3]
	if en.Text != "Грейс 3 Mar 2026 10:00 https://help.example.com/c/7" || en.Subject != "Repaired, ready for pickup" {
		t.Errorf("en %+v", en)
	}
	if ru.Text != "Готово 3 дня Отремонтировано, можно забирать" || !uk.Broken || sr.In != "en" || sr.Text != en.Text {
		t.Errorf("ru %+v\nuk %+v\nsr %+v", ru, uk, sr)
	}
	var kinds []string
	for _, s := range en.Shown {
		kinds = append(kinds, string(s.Kind))
		if (s.Kind == channels.SMS) != (s.Measure != nil && s.Text == "sent: "+en.Text) {
			t.Errorf("%s: %+v", s.Kind, s)
		}
	}
	if !slices.Equal(kinds, []string{"email", "sms", "webchat"}) {
		t.Errorf("shown on %v", kinds)
	}
	if _, err := w.Try(t.Context(), vera, d, wording.Trial{Case: "CW-000008"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a case that is not there: %v", err)
	}
	if got, err = w.Try(t.Context(), vera, d, wording.Trial{Langs: []string{"ru"}}); err != nil || len(got.Rendered) != 1 || got.Rendered[0].Text != "Готово 5 дней Отремонтировано, можно забирать" {
		t.Errorf("with made-up values: %+v, %v", got, err)
	}
}

// Every template of the default policy can be edited here, and what is not changed
// in it stays as it is.
func TestEveryDefaultTemplateCanBeEdited(t *testing.T) {
	doc := Default()
	for _, tpl := range must(Parse("p", doc))(t).Notices.Templates {
		changed := tpl
		changed.Text = lang.Text{}
		for l, s := range tpl.Text {
			changed.Text[l] = s + "\nP.S."
		}
		out, err := SetTemplate(doc, changed)
		if err != nil {
			t.Errorf("%s: %v", tpl.ID, err)
			continue
		}
		if out, err = SetTemplate(out, tpl); err != nil || string(out) != string(doc) {
			t.Errorf("%s: changing it there and back leaves traces (%v)", tpl.ID, err)
		}
	}
}

func TestWarningsHaveTheirPlace(t *testing.T) {
	p, err := Load("p.yaml", []byte(strings.ReplaceAll(string(defaultYAML), "The repair of {{device|your device}} has begun. Case {{case}}.", "TODO The repair of\n        {{device|your device}} XXX. Case {{case}}.")), 1)
	if err != nil {
		t.Fatal(err)
	}
	var line int
	for i, l := range strings.Split(string(defaultYAML), "\n") {
		if strings.Contains(l, "The repair of {{device") {
			line = i + 1
		}
	}
	var got []string
	for _, w := range p.Warnings(nil) {
		got = append(got, w.Error())
	}
	if len(got) != 2 || !strings.HasPrefix(got[0], fmt.Sprintf("p.yaml:%d:9: templates[", line)) || !strings.HasPrefix(got[1], fmt.Sprintf("p.yaml:%d:32: ", line+1)) || !strings.Contains(got[1], `"XXX" looks left over`) {
		t.Errorf("line %d: %s", line, strings.Join(got, "\n"))
	}
}

// TestCountsAndDatesRead renders counts, dates and sums through a whole policy, as
// customers of each language read them.
func TestCountsAndDatesRead(t *testing.T) {
	doc := must(Parse("default.yaml", defaultYAML))(t)
	doc.Notices.Templates = append(doc.Notices.Templates, notify.Template{ID: "dates", Text: lang.Text{
		"en": "Case {{case}}, opened on {{opened:day}} at {{opened:time}}, has been “{{status}}” since {{since}}{{#days}}, for {{days}}{{/days}}. To pay: {{attr.price:money|nothing}}.",
		"ru": "Обращение {{case}} открыто {{opened}} в {{opened:time}}, статус «{{status}}» с {{since:short}}.{{#days}} {{days:Прошёл/Прошло/Прошло}} {{days}}.{{/days}} К оплате: {{attr.price:money|ничего}}.",
		"uk": "Звернення {{case}} відкрито {{opened}} о {{opened:time}}, статус «{{status}}» з {{since:short}}.{{#days}} {{days:Минув/Минуло/Минуло}} {{days}}.{{/days}} До сплати: {{attr.price:money|нічого}}.",
		"sr": "Predmet {{case}}, otvoren {{opened}} u {{opened:time}}, ima status „{{status}}“{{#days}} već {{days}}{{/days}}, od {{since:short}} Za plaćanje: {{attr.price:money|ništa}}.",
	}})
	doc.source = nil
	p, err := Compile(doc, 1)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	since := time.Date(2026, time.March, 1, 22, 30, 0, 0, time.UTC) // the next day in Kyiv, whose policy it is
	for _, l := range lang.Supported {
		for _, days := range []int{0, 1, 2, 5, 11, 21} {
			c := &casecore.Case{Number: 123, Lang: l, Status: "ready", Received: since.AddDate(0, 0, -10), StatusAt: since, Attributes: map[string]string{"price": "4500"}}
			m := p.Notify.Render("dates", &casecore.Event{At: since.AddDate(0, 0, days)}, c, &casecore.Customer{}, "")
			fmt.Fprintf(&all, "--- %s %d\n%s\n", l, days, m.Body.Text)
		}
	}
	const golden = "testdata/dates.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != all.String() {
		t.Errorf("what customers read has changed (%v); look at it and run the test with -update", err)
	}
}

func BenchmarkTry(b *testing.B) {
	st := Policy{}
	p, err := Load("default.yaml", defaultYAML, 1)
	if err != nil {
		b.Fatal(err)
	}
	st = *p
	w := &Wording{Live: &Live{}, Channel: func(k channels.Kind) (string, bool) { return string(k) + ":main", true },
		Measure: func(string, string, string) (channels.Measure, bool) { return channels.Measure{Parts: 1}, true }}
	w.Live.current.Store(&st)
	d := p.Document.Notices.Templates[0]
	b.Run("try", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.Try(b.Context(), vera, wording.Draft{ID: d.ID, Text: d.Text}, wording.Trial{Langs: []string{"en"}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("book", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.Book(b.Context(), vera); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("save", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			d.Text["en"] = fmt.Sprintf("Case {{case}} %d", n)
			if _, err := SetTemplate(defaultYAML, d); err != nil {
				b.Fatal(err)
			}
		}
	})
}
