package policy

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"casewire/casecore/lang"
	"casewire/notify"
)

// centre is a small policy written in many ways, with a remark wherever one may be.
const centre = `# head
settings: {name: Orbita} # the name

templates:   # what we say
  # before the first
  - id: flow # in braces
    text: {en: 'It''s {{case}}', ru: 'Готово {{case}}'}

  # before the second
  - text: # text first
      # before English
      en: |-
        Line one # no remark
        # no remark either

        Line two
      # before Russian
      ru: "quoted: {{case}}"   # behind
      # after the last
    subject:
      en: Plain ({{case}})
      ru: 'With: quotes'
    # between the keys
    id: block
    urgent: true

  - {id: inline, text: {en: x}}
  -
    id: apart
    text:
      en: >-
        folded
        text
# behind all
queues: [{id: q, name: {en: Q}}] # last
`

func templatesOf(t *testing.T, doc []byte) map[string]notify.Template {
	t.Helper()
	d, err := Parse("p.yaml", doc)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	out := map[string]notify.Template{}
	for _, tpl := range d.Notices.Templates {
		out[tpl.ID] = full(tpl)
	}
	return out
}

func TestATemplateIsChangedAndNothingElse(t *testing.T) {
	block := notify.Template{ID: "block", Urgent: true,
		Subject: lang.Text{"en": "Plain ({{case}})", "ru": "With: quotes"},
		Text:    lang.Text{"en": "Line one # no remark\n# no remark either\n\nLine two", "ru": "quoted: {{case}}"}}
	with := func(change func(*notify.Template)) notify.Template {
		out := block
		out.Subject, out.Text = maps.Clone(block.Subject), maps.Clone(block.Text)
		change(&out)
		return out
	}
	for _, tc := range []struct {
		name       string
		to         notify.Template
		gone, come []string // lines, trimmed
	}{
		{"nothing", block, nil, nil},
		{"a plain subject", with(func(b *notify.Template) { b.Subject["en"] = "New: {{case}}" }), []string{"en: Plain ({{case}})"}, []string{"en: 'New: {{case}}'"}},
		{"a quoted text", with(func(b *notify.Template) { b.Text["ru"] = "Новое" }), []string{`ru: "quoted: {{case}}"   # behind`}, []string{"ru: Новое"}},
		{"a text of lines", with(func(b *notify.Template) { b.Text["en"] = "One\n\n- two: 3" }),
			[]string{"Line one # no remark", "# no remark either", "Line two"}, []string{"One", "- two: 3"}},
		{"a language more", with(func(b *notify.Template) { b.Text["uk"] = "Готово" }), nil, []string{"uk: |-", "Готово"}},
		{"a language less", with(func(b *notify.Template) { delete(b.Text, "ru") }), []string{`ru: "quoted: {{case}}"   # behind`}, nil},
		{"no subject", with(func(b *notify.Template) { b.Subject = nil }), []string{"subject:", "en: Plain ({{case}})", "ru: 'With: quotes'"}, nil},
		{"less urgent", with(func(b *notify.Template) { b.Urgent = false }), []string{"urgent: true"}, []string{"urgent: false"}},
		{"in braces", notify.Template{ID: "flow", Text: lang.Text{"en": "New", "ru": "Готово {{case}}"}},
			[]string{"text: {en: 'It''s {{case}}', ru: 'Готово {{case}}'}"}, []string{"text:", "en: |-", "New", "ru: |-", "Готово {{case}}"}},
		{"all in braces", notify.Template{ID: "inline", Text: lang.Text{"en": "y"}},
			[]string{"- {id: inline, text: {en: x}}"}, []string{"- id: inline", "text:", "en: |-", "y"}},
		{"folded", notify.Template{ID: "apart", Subject: lang.Text{"en": "true"}, Text: lang.Text{"en": "a\nb"}},
			[]string{"en: >-", "folded", "text"}, []string{"subject:", "en: 'true'", "en: |-", "a", "b"}},
		{"a new one", notify.Template{ID: "fresh", Text: lang.Text{"en": "  begins with blanks\nand goes on"}}, nil,
			[]string{"", "- id: fresh", "text:", "en: |2-", "begins with blanks", "and goes on"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, eol := range []string{"\n", "\r\n"} {
				doc := strings.ReplaceAll(centre, "\n", eol)
				out, err := SetTemplate([]byte(doc), tc.to)
				if err != nil {
					t.Fatal(err)
				}
				gone, come := difference(doc, string(out))
				slices.Sort(tc.gone)
				slices.Sort(tc.come)
				if !slices.Equal(gone, tc.gone) || !slices.Equal(come, tc.come) {
					t.Errorf("gone %q\ncome %q\n%s", gone, come, out)
				}
				want := templatesOf(t, []byte(doc))
				want[tc.to.ID] = full(tc.to)
				if got := templatesOf(t, out); !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v\nwant %+v", got, want)
				}
			}
		})
	}
}

// difference returns the lines that only a and only b have, trimmed and sorted.
func difference(a, b string) (gone, come []string) {
	count := map[string]int{}
	for l := range strings.SplitSeq(a, "\n") {
		count[strings.TrimSpace(l)]++
	}
	for l := range strings.SplitSeq(b, "\n") {
		count[strings.TrimSpace(l)]--
	}
	for _, l := range slices.Sorted(maps.Keys(count)) {
		for range max(0, count[l]) {
			gone = append(gone, l)
		}
		for range max(0, -count[l]) {
			come = append(come, l)
		}
	}
	return gone, come
}

func TestATemplateIsDropped(t *testing.T) {
	doc := []byte(centre)
	for _, id := range []string{"flow", "inline", "block", "apart"} {
		want := templatesOf(t, doc)
		delete(want, id)
		out, err := DropTemplate(doc, id)
		if err != nil {
			t.Fatal(id, err)
		}
		if got := templatesOf(t, out); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", id, got)
		}
		doc = out
	}
	for _, remark := range []string{"# head", "# the name", "# what we say", "# before the first", "# before the second", "# behind all", "# last"} {
		if !strings.Contains(string(doc), remark) {
			t.Errorf("%q is gone:\n%s", remark, doc)
		}
	}
	if _, err := DropTemplate(doc, "flow"); err == nil {
		t.Error("dropped twice")
	}
	if out, err := SetTemplate(doc, notify.Template{ID: "again", Text: lang.Text{"en": "x"}}); err != nil || len(templatesOf(t, out)) != 1 {
		t.Errorf("the first of an emptied list: %v\n%s", err, out)
	}
}

func TestTheFirstTemplate(t *testing.T) {
	for _, doc := range []string{"", "# nothing\n", "settings: {name: X}\n", "templates:\n", "templates: [] # none\nqueues: []\n", "templates:\n\n# remark\nqueues: []", "queues:\n- id: q\n"} {
		out, err := SetTemplate([]byte(doc), notify.Template{ID: "one", Text: lang.Text{"en": "Hello {{case}}"}})
		if err != nil {
			t.Errorf("%q: %v", doc, err)
			continue
		}
		if got := templatesOf(t, out); got["one"].Text["en"] != "Hello {{case}}" || strings.Contains(doc, "# remark") && !strings.Contains(string(out), "# remark") {
			t.Errorf("%q: %s", doc, out)
		}
	}
}

func TestTabsAreNoHindrance(t *testing.T) {
	doc := "# a\tremark\ntemplates:\n- id: x\n  text:\n    en: one\n    ru: |-\n      two\nqueues: [] # the\tend\n"
	out, err := SetTemplate([]byte(doc), notify.Template{ID: "x", Text: lang.Text{"en": "c", "ru": "three"}})
	if err != nil || string(out) != strings.NewReplacer("one", "c", "two", "three").Replace(doc) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWhatCannotBeSpliced(t *testing.T) {
	for _, doc := range []string{"templates: [{id: x, text: {en: y}}]\n", "templates:\n- id: x\n  text:\n    en: a\rqueues: []\n"} {
		if _, err := SetTemplate([]byte(doc), notify.Template{ID: "x", Text: lang.Text{"en": "z"}}); !errors.Is(err, ErrUnspliceable) {
			t.Errorf("%q: %v", doc, err)
		}
	}
}

// After any edit the document equals the old one but for that template: the lines
// outside of it are the same, one by one, and so is what it means.
func TestEditsLeaveTheRestAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 6))
	pieces := []string{"Hello", " ", "\n", "\n\n", ": ", "# ", "- ", "'", `"`, "{{case}}", "{", "}", "[", "|", "> ", "&a ", "*b", "!c", "%", "@", "Ёлка", "ї", "😀", "true", "1", "~", "\\n", "    ", "--- ", "...", "?", ","}
	text := func() lang.Text {
		out := lang.Text{}
		for _, l := range lang.Supported {
			if r.IntN(3) == 0 {
				continue
			}
			var b strings.Builder
			for range 1 + r.IntN(8) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			out[l] = b.String()
		}
		return out
	}
	for name, start := range map[string][]byte{"default": Default(), "centre": []byte(centre)} {
		doc, rounds := start, 160
		if name == "default" {
			rounds = 30 // it is long
		}
		for n := range rounds {
			before := templatesOf(t, doc)
			if n%40 == 0 || len(before) == 0 {
				doc, before = start, templatesOf(t, start)
			}
			ids := slices.Sorted(maps.Keys(before))
			id := ids[r.IntN(len(ids))]
			if r.IntN(8) == 0 {
				id = fmt.Sprintf("new-%d", n)
			}
			want := notify.Template{ID: id, Subject: before[id].Subject, Text: before[id].Text, Urgent: r.IntN(2) == 0}
			if r.IntN(2) == 0 {
				want.Subject = text()
			}
			if r.IntN(3) > 0 {
				want.Text = text()
			}
			want = tidied(want)
			if len(want.Text) == 0 {
				continue
			}
			out, err := SetTemplate(doc, want)
			if err != nil {
				t.Fatalf("%s: %q %q %+v: %v\n%s", name, id, want.Text, want.Subject, err, doc)
			}
			a, b := *must(Parse("a", doc))(t), *must(Parse("b", out))(t)
			if before[id] = full(want); !reflect.DeepEqual(before, templatesOf(t, out)) {
				t.Fatalf("%s: got %+v", name, templatesOf(t, out)[id])
			}
			a.source, b.source, a.Notices.Templates, b.Notices.Templates = nil, nil, nil, nil
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("%s: the rest of the policy has changed", name)
			}
			if x, y := without(doc, id), without(out, id); x != y {
				t.Fatalf("%s: lines outside of %s have changed", name, id)
			}
			if r.IntN(6) == 0 {
				if out, err = DropTemplate(out, id); err != nil {
					t.Fatal(err)
				}
				if x, y := squeeze(without(doc, id)), squeeze(without(out, id)); x != y {
					t.Fatalf("%s: dropping %s has changed other lines", name, id)
				}
			}
			doc = out
		}
	}
}

// squeeze leaves out empty lines.
func squeeze(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' }), "\n")
}

// without is the document but for the lines of one template, found by its id and
// the dash before the next one.
func without(doc []byte, id string) string {
	p, err := newPage(doc)
	if err != nil || p.list == nil {
		return string(doc)
	}
	d, err := Parse("p", doc)
	if err != nil {
		return err.Error()
	}
	for i, tpl := range d.Notices.Templates {
		if tpl.ID != id {
			continue
		}
		a, b, _, err := p.item(i)
		if err != nil {
			return err.Error()
		}
		rest := append(slices.Clone(p.lines[:a]), p.lines[b:]...)
		if a > 0 && strings.HasPrefix(id, "new-") && p.lines[a-1] == "" {
			rest = append(slices.Clone(p.lines[:a-1]), p.lines[b:]...) // the empty line that came with it
		}
		return strings.Join(rest, "\n")
	}
	return strings.Join(p.lines, "\n")
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
