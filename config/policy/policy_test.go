package policy

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/config/internal/strict"
	"casewire/notify"
	"casewire/routing"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestFaults reads every file in testdata and compares all faults of reading and
// compiling it (F17).
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("testdata: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := "no fault"
			if _, err = Load(filepath.Base(file), data, 1); err != nil {
				got = err.Error()
				if all, ok := errors.AsType[strict.Errors](err); !ok || len(all) != strings.Count(got, "\n")+1 {
					t.Errorf("not Errors, one a line: %T", err)
				}
			}
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got+"\n" != string(want) {
				t.Errorf("got\n%s\n\nwant\n%s", got, want)
			}
		})
	}
}

func TestParseRefusesOnlyWhatCannotBeRead(t *testing.T) {
	doc, err := Parse("p.yaml", []byte("queues: [{id: a, name: {en: A}}]"))
	if err != nil || doc.Queues[0].ID != "a" || doc.Settings.Name != "Casewire Service" || doc.Settings.Language != "en" {
		t.Errorf("got %+v, %v", doc, err)
	}
	if _, err := Parse("p.yaml", []byte("quues: []")); err == nil || err.Error() != `p.yaml:1:1: quues: unknown key; did you mean "queues"?` {
		t.Errorf("got %v", err)
	}
	if _, err := Compile(doc, 1); err == nil {
		t.Error("a policy without rules compiles")
	}
	if _, err := Load("p.yaml", []byte("#"+strings.Repeat("x\n#", MaxBytes/2)), 1); err == nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("a text too long: %.200v", err)
	}
}

func TestDocumentMadeByHand(t *testing.T) {
	text := func(s string) lang.Text { return lang.Text{"en": s} }
	doc := &Document{
		Settings: defaults(),
		Spec: routing.Spec{
			Queues: []routing.Queue{{ID: "q", Name: text("Q")}},
			Rules:  []routing.Rule{{Name: "all", Then: routing.Then{Queue: "q", Reply: "hello"}}},
		},
		Cases: flow.Spec{Initial: "new", Reopen: "new", Statuses: []flow.Status{
			{ID: "new", Name: text("New"), Category: flow.New, Next: []string{"done"}},
			{ID: "done", Name: text("Done"), Category: flow.Closed},
		}},
		Notices: notify.Spec{Templates: []notify.Template{{ID: "hello", Text: text("Hello from {{centre}}, {{queue}}")}}},
	}
	p, err := Compile(doc, 7)
	if err != nil {
		t.Fatal(err)
	}
	m := p.Notify.Render("hello", &casecore.Event{}, &casecore.Case{Queue: "q"}, &casecore.Customer{}, "")
	if m.Body.Text != "Hello from Casewire Service, Q" || p.Revision != 7 || p.Router.Default().ID != "q" {
		t.Errorf("got %q, %+v", m.Body.Text, p)
	}
	doc.Rules[0].Then.Queue = "x"
	if _, err := Compile(doc, 7); err == nil || err.Error() != `rules[0].then.queue: no queue "x"; write one of q` {
		t.Errorf("got %v", err)
	}
}

// TestDefaultPolicyIsComplete checks what the default promises: groups, statuses
// and words in all four languages.
func TestDefaultPolicyIsComplete(t *testing.T) {
	p := defaultPolicy(t)
	if q := p.Router.Queues(); len(q) < 5 || p.Router.Default().ID != "general" {
		t.Errorf("%d queues, default %q", len(q), p.Router.Default().ID)
	}
	complete := func(what string, text lang.Text) {
		t.Helper()
		for _, l := range lang.Supported {
			if strings.TrimSpace(text[l]) == "" {
				t.Errorf("%s lacks %s", what, l)
			}
		}
	}
	for _, q := range p.Router.Queues() {
		complete("queue "+q.ID, q.Name)
		if q.React == 0 {
			t.Errorf("queue %s has no time to react", q.ID)
		}
	}
	spec := p.Flow.Spec()
	if len(spec.Statuses) < 10 {
		t.Errorf("%d statuses", len(spec.Statuses))
	}
	used := map[string]bool{}
	for _, s := range spec.Statuses {
		complete("status "+s.ID, s.Name)
		if len(s.Customer) > 0 {
			complete("customer's status "+s.ID, s.Customer)
		}
		used[s.Notice] = true
	}
	for _, e := range p.Document.Notices.Events {
		used[e.Template] = true
	}
	for _, r := range p.Document.Rules {
		used[r.Then.Reply] = true
	}
	for _, r := range p.Document.Notices.Reminders {
		used[r.Template] = true
	}
	for _, tpl := range p.Document.Notices.Templates {
		complete("template "+tpl.ID, tpl.Text)
		if len(tpl.Subject) > 0 {
			complete("subject of "+tpl.ID, tpl.Subject)
		}
		if !used[tpl.ID] {
			t.Errorf("nothing sends template %s", tpl.ID)
		}
	}
}

// TestDefaultTemplatesRead renders every template in every language, with all that
// may be known of a case and with nothing.
func TestDefaultTemplatesRead(t *testing.T) {
	p := defaultPolicy(t)
	var all strings.Builder
	for _, tpl := range p.Document.Notices.Templates {
		for _, l := range lang.Supported {
			for _, link := range []string{"", "https://help.example.com/c/7f3a"} {
				c := &casecore.Case{Number: 123, Lang: l, Status: "ready", Queue: "phones", Attributes: map[string]string{}}
				if link != "" {
					c.Attributes = map[string]string{"brand": "Samsung", "model": "Galaxy S24"}
				}
				m := p.Notify.Render(tpl.ID, &casecore.Event{Kind: casecore.Moved, To: "ready"}, c, &casecore.Customer{}, link)
				for _, s := range []string{m.Body.Subject, m.Body.Text} {
					if strings.Contains(s, "{{") || strings.Contains(s, "  ") || strings.TrimSpace(s) != s {
						t.Errorf("%s in %s reads badly: %q", tpl.ID, l, s)
					}
				}
				if m.Body.Lang != l || !strings.Contains(m.Body.Text, "CW-000123") {
					t.Errorf("%s in %s: language %q, %q", tpl.ID, l, m.Body.Lang, m.Body.Text)
				}
				all.WriteString("--- " + tpl.ID + " " + l + "\n" + m.Body.Subject + "\n" + m.Body.Text + "\n")
			}
		}
	}
	const golden = "testdata/default.notices.golden"
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

// TestTheLifeOfARepair walks the default statuses as a repair does.
func TestTheLifeOfARepair(t *testing.T) {
	f := defaultPolicy(t).Flow
	operator, qc := []string{casecore.RoleOperator}, []string{casecore.RoleQC}
	if s := f.Spec(); s.Initial != "new" || s.Taken != "accepted" {
		t.Fatalf("begins as %q, %q", s.Initial, s.Taken)
	}
	for _, path := range [][]string{
		{"accepted", "diagnosing", "awaiting_approval", "in_repair", "ready", "issued"},
		{"accepted", "diagnosing", "awaiting_parts", "in_repair", "ready", "in_repair"},
		{"accepted", "ready"},
		{"accepted", "answered"},
		{"diagnosing", "no_repair_possible", "issued", "accepted"},
		{"awaiting_approval", "declined", "issued"},
		{"new", "cancelled", "accepted"},
	} {
		for i := range path[1:] {
			if err := f.Check(path[i], path[i+1], operator, nil); err != nil {
				t.Errorf("%s → %s: %v", path[i], path[i+1], err)
			}
		}
	}
	if err := f.Check("in_repair", "quality_control", operator, nil); err == nil {
		t.Error("everybody may pass quality control")
	}
	if err := f.Check("in_repair", "quality_control", qc, nil); err != nil {
		t.Error(err)
	}
	for _, s := range f.Spec().Statuses {
		if s.Paused && s.Category != flow.Waiting {
			t.Errorf("the clock stands still in %s, which is %s", s.ID, s.Category)
		}
		if slices.Contains([]flow.Category{flow.Done, flow.Closed}, s.Category) && s.Notice == "" && s.ID != "answered" {
			t.Errorf("the customer is not told of %s", s.ID)
		}
	}
}

// FuzzLoad promises that any text is a policy or is refused with faults, and that
// a policy routes any message.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "default.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "Телефон не включается")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		p, err := Load("policy.yaml", data, 1)
		if err != nil {
			if all, ok := errors.AsType[strict.Errors](err); !ok || len(all) == 0 {
				t.Fatalf("not Errors: %v", err)
			}
			return
		}
		d := p.Router.Route(routing.Facts{Text: text})
		if _, ok := p.Router.Queue(d.Queue); !ok || d.Trace.Rule == "" {
			t.Fatalf("lands nowhere: %+v", d)
		}
	})
}
