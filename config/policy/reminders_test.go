package policy

import (
	"os"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
)

// TestDefaultRemindersRead renders the default reminders at the times at which they
// come, in every language, with the days in the form that the number asks for.
func TestDefaultRemindersRead(t *testing.T) {
	p := defaultPolicy(t)
	ready := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	var all strings.Builder
	for _, l := range lang.Supported {
		for _, after := range []int{1, 3, 5, 21, 22} {
			c := &casecore.Case{Number: 123, Lang: l, Status: "ready", StatusAt: ready, Received: ready, Attributes: map[string]string{"brand": "Samsung", "model": "Galaxy S24"}}
			e := &casecore.Event{Kind: "reminder", At: ready.AddDate(0, 0, after)}
			m := p.Notify.Render("reminder_pickup", e, c, &casecore.Customer{}, "")
			all.WriteString("--- " + l + "\n" + m.Body.Subject + "\n" + m.Body.Text + "\n")
		}
	}
	const golden = "testdata/default.reminders.golden"
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

// TestWhatWaitsIsRemindedOf: whatever waits to be picked up is reminded of, and the
// last reminder comes before the status has lasted longer than it should.
func TestWhatWaitsIsRemindedOf(t *testing.T) {
	p := defaultPolicy(t)
	for _, s := range p.Flow.Spec().Statuses {
		if s.Category != flow.Done {
			continue
		}
		found := false
		for _, r := range p.Document.Notices.Reminders {
			if r.Status != s.ID {
				continue
			}
			found = true
			if last := r.After + flow.Duration(r.Times-1)*r.Every; last > s.Limit {
				t.Errorf("the last reminder of %s comes after %s, when it should be over (%s)", s.ID, last, s.Limit)
			}
		}
		if !found {
			t.Errorf("nobody is reminded of %s", s.ID)
		}
	}
}
