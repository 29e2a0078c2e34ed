package portal

import (
	"slices"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
)

// step is one stretch of a repair's way.
type step struct {
	status string
	at     time.Time // when it was entered; zero for what may come
	state  state
}

// state is how a step stands to the present.
type state string

const (
	passed  state = "done"
	present state = "now"
	ahead   state = "next"
)

// maxAhead is how many steps that may come are shown.
const maxAhead = 8

// way returns the steps of a repair: those passed, the present one and those that
// usually follow. A status that was taken back in time never was, and one that can
// still be taken back is not yet: the customer is not told of it either.
func way(f *flow.Flow, events []*casecore.Event, held map[string]bool, hold time.Duration, now time.Time) []step {
	spans := casecore.Spans(f.Spec().Initial, public(events, held, hold, now))
	spans = withoutSlips(spans, hold)
	var out []step
	for _, s := range spans {
		if n := len(out); n > 0 && out[n-1].status == s.Status {
			continue
		}
		out = append(out, step{status: s.Status, at: s.From, state: passed})
	}
	if len(out) == 0 {
		out = []step{{status: f.Spec().Initial}}
	}
	last := &out[len(out)-1]
	last.state = present
	return append(out, following(f, last.status)...)
}

// public leaves out what may still be taken back.
func public(events []*casecore.Event, held map[string]bool, hold time.Duration, now time.Time) []*casecore.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e *casecore.Event) bool {
		return e.Kind == casecore.Moved && held[e.ID] && now.Before(e.At.Add(hold))
	})
}

// withoutSlips leaves out statuses that were left for the one before within the
// time in which that takes them back.
func withoutSlips(spans []casecore.Span, hold time.Duration) []casecore.Span {
	out := slices.Clone(spans)
	for i := 1; i+1 < len(out); {
		slip := out[i-1].Status == out[i+1].Status && out[i].To.Sub(out[i].From) < hold
		if !slip {
			i++
			continue
		}
		out[i-1].To = out[i+1].To
		out = slices.Delete(out, i, i+2)
		i = max(1, i-1)
	}
	return out
}

// following are the statuses that usually come after this one: the policy names
// the usual next status first.
func following(f *flow.Flow, from string) []step {
	var out []step
	seen := map[string]bool{from: true}
	for s := f.Status(from); f.Known(s.ID) && s.Category != flow.Closed && len(out) < maxAhead; {
		i := slices.IndexFunc(s.Next, func(id string) bool { return !seen[id] })
		if i < 0 {
			break
		}
		s = f.Status(s.Next[i])
		seen[s.ID] = true
		out = append(out, step{status: s.ID, state: ahead})
	}
	return out
}
