package flow_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore/flow"
	"casewire/casecore/lang"
)

func good() flow.Spec {
	n := lang.Text{"en": "x", "ru": "х"}
	return flow.Spec{
		Initial: "new", Reopen: "work",
		Statuses: []flow.Status{
			{ID: "new", Name: n, Category: flow.New, Next: []string{"work", "gone"}},
			{ID: "work", Name: n, Category: flow.Open, Next: []string{"gone"}, Required: []string{"model"}},
			{ID: "gone", Name: n, Category: flow.Closed, Enter: []string{"supervisor"}},
		},
	}
}

func TestCompileReportsEveryFault(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*flow.Spec)
		want  []string
	}{
		"nothing":          {func(s *flow.Spec) { *s = flow.Spec{} }, []string{"initial: required", "reopen: required"}},
		"unknown initial":  {func(s *flow.Spec) { s.Initial = "NEW" }, []string{`initial: no status "NEW"; did you mean "new"?`, `statuses[0]: no status leads to "new"`}},
		"unknown next":     {func(s *flow.Spec) { s.Statuses[0].Next[0] = "wor" }, []string{`statuses[0].next[0]: no status "wor"; did you mean "work"?`}},
		"twice":            {func(s *flow.Spec) { s.Statuses[1].ID = "gone" }, []string{`statuses[2].id: "gone" is used twice`}},
		"category":         {func(s *flow.Spec) { s.Statuses[0].Category = "fresh" }, []string{`statuses[0].category: "fresh" is not one of`}},
		"reopen to closed": {func(s *flow.Spec) { s.Reopen = "gone" }, []string{`reopen: "gone" is closed`}},
		"no name":          {func(s *flow.Spec) { s.Statuses[2].Name = nil }, []string{"statuses[2].name: required"}},
	} {
		s := good()
		tc.spoil(&s)
		_, err := flow.Compile(s)
		if err == nil {
			t.Errorf("%s: compiled", name)
			continue
		}
		for _, w := range tc.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v\nlacks %q", name, err, w)
			}
		}
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			if _, ok := errors.AsType[*flow.Fault](e); !ok {
				t.Errorf("%s: %v is not a Fault", name, e)
			}
		}
	}
	if _, err := flow.Compile(good()); err != nil {
		t.Errorf("a good spec: %v", err)
	}
}

// Moves draws the buttons and Check guards the door: they must never disagree.
func TestMovesAgreeWithCheck(t *testing.T) {
	f, err := flow.Compile(good())
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"new", "work", "gone", "vanished"} {
		for _, roles := range [][]string{nil, {"operator"}, {"supervisor"}, {"admin"}} {
			for _, attrs := range []map[string]string{nil, {"model": " "}, {"model": "A52"}} {
				offered := map[string]bool{}
				for _, m := range f.Moves(from, roles, attrs) {
					offered[m.Status.ID] = len(m.Missing) == 0
				}
				for _, s := range f.Spec().Statuses {
					if ok := f.Check(from, s.ID, roles, attrs) == nil; ok != offered[s.ID] {
						t.Errorf("%s → %s as %v with %v: offered %v, checked %v", from, s.ID, roles, attrs, offered[s.ID], ok)
					}
				}
			}
		}
	}
}

// A refusal says what to do instead, and the way back is offered as it is checked.
func TestWhatDoesNotFollow(t *testing.T) {
	f, err := flow.Compile(good())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		from, to string
		roles    []string
		want     string
	}{
		{"new", "new", []string{"supervisor"}, `"new" does not follow "new"; from here: work, gone`},
		{"new", "new", nil, `"new" does not follow "new"; from here: work`},
		{"gone", "work", nil, `"work" does not follow "gone"; nothing does`},
	} {
		if err := f.Check(tc.from, tc.to, tc.roles, nil); err == nil || err.Error() != tc.want {
			t.Errorf("%v, want %s", err, tc.want)
		}
	}
	for _, roles := range [][]string{nil, {"supervisor"}} {
		for _, attrs := range []map[string]string{nil, {"model": "A52"}} {
			for _, before := range []string{"", "new", "work", "gone", "vanished"} {
				moves := f.MovesBack("work", before, roles, attrs)
				for i, m := range moves {
					if m.Back != (i == 0 && m.Status.ID == before) || i > 0 && m.Status.ID == before {
						t.Errorf("back to %q: %+v is move %d", before, m, i)
					}
				}
				back := len(moves) > 0 && moves[0].Back && len(moves[0].Missing) == 0
				if ok := f.CheckEnter(before, roles, attrs) == nil; ok != back {
					t.Errorf("back to %q as %v with %v: offered %v, checked %v", before, roles, attrs, back, ok)
				}
			}
		}
	}
}

func TestAStatusThatThePolicyLostStaysVisible(t *testing.T) {
	f, err := flow.Compile(good())
	if err != nil {
		t.Fatal(err)
	}
	s := f.Status("vanished")
	if !s.Category.Active() || s.Label("ru") != "vanished" || len(f.Moves("vanished", nil, nil)) == 0 {
		t.Errorf("lost status: %+v, moves %v", s, f.Moves("vanished", nil, nil))
	}
}

func TestDurationReadsAndWritesAlike(t *testing.T) {
	for _, s := range []string{"48h", "90m", "1h30m", "45s", "30s", "10m", "0s"} {
		var d flow.Duration
		if err := d.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		var back flow.Duration
		if err := back.UnmarshalText([]byte(d.String())); err != nil || back != d {
			t.Errorf("%s is written %s and read as %v (%v)", s, d, time.Duration(back), err)
		}
	}
	for _, bad := range []string{"", "2 days", "-1h"} {
		var d flow.Duration
		if err := d.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if !slices.Contains(flow.Categories, flow.Closed) {
		t.Error("closed is a category")
	}
}
