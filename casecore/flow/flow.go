// Package flow is the compiled status machine: which statuses there are, what may
// follow what, who may move a case there and whether the clock runs meanwhile. It
// is pure and knows neither cases nor stores; cases and work orders both use it.
package flow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"casewire/casecore/lang"
)

// Category says what a status means to the house, whatever it is called.
type Category string

// Categories. Work is in hand in New, Open and Waiting; a Done case waits for
// its customer; a Closed one is history.
const (
	New     Category = "new"
	Open    Category = "open"
	Waiting Category = "waiting"
	Done    Category = "done"
	Closed  Category = "closed"
)

// Categories lists them in the order of a case's life.
var Categories = []Category{New, Open, Waiting, Done, Closed}

// Active says that a case in this category belongs on somebody's board.
func (c Category) Active() bool { return c == New || c == Open || c == Waiting }

// Status is one named state as the policy writes it.
type Status struct {
	ID       string    `yaml:"id" json:"id"`
	Name     lang.Text `yaml:"name" json:"name"`
	Customer lang.Text `yaml:"customer" json:"customer,omitempty"` // what the customer reads; Name when empty
	Category Category  `yaml:"category" json:"category"`
	Next     []string  `yaml:"next" json:"next"`                   // what may follow; the status before may, too, while nobody has heard of this one
	Enter    []string  `yaml:"enter" json:"enter,omitempty"`       // roles that may move a case here; empty: every operator
	Required []string  `yaml:"required" json:"required,omitempty"` // attributes that must be filled first
	Paused   bool      `yaml:"paused" json:"paused,omitempty"`     // the SLA clock stands still
	Limit    Duration  `yaml:"limit" json:"limit,omitempty"`       // how long a case should stay; 0: no limit
	Notice   string    `yaml:"notice" json:"notice,omitempty"`     // template the customer is told with
}

// Duration is a time span written as Go writes it ("90m", "48h").
type Duration time.Duration

// UnmarshalText reads "90m" or "48h".
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time span; write it like 30m or 48h", b)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes the span without the zero parts: "48h", "1h30m".
func (d Duration) String() string {
	s := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// Spec is a whole machine.
type Spec struct {
	Initial string `yaml:"initial" json:"initial"` // status of a new case
	Taken   string `yaml:"taken" json:"taken"`     // status an initial case gets when it is claimed; empty: unchanged
	Reopen  string `yaml:"reopen" json:"reopen"`   // status a closed case returns to when its customer writes
	// ReopenWithin is how long after closing a reply still joins and reopens
	// the case; later it opens a new one.
	ReopenWithin Duration `yaml:"reopen_within" json:"reopen_within"`
	Statuses     []Status `yaml:"statuses" json:"statuses"`
}

// Fault is one thing wrong in a Spec. Path is where, below the spec.
type Fault struct{ Path, Msg string }

func (f *Fault) Error() string { return f.Path + ": " + f.Msg }

// Flow is a compiled Spec, immutable and safe for concurrent use.
type Flow struct {
	spec Spec
	byID map[string]*Status
}

// Compile checks the spec and returns every fault, joined, each a *Fault.
func Compile(spec Spec) (*Flow, error) {
	f := &Flow{spec: spec, byID: map[string]*Status{}}
	var errs []error
	fault := func(path, format string, args ...any) {
		errs = append(errs, &Fault{path, fmt.Sprintf(format, args...)})
	}
	for i := range f.spec.Statuses {
		s := &f.spec.Statuses[i]
		at := fmt.Sprintf("statuses[%d]", i)
		switch {
		case s.ID == "":
			fault(at+".id", "required")
		case f.byID[s.ID] != nil:
			fault(at+".id", "%q is used twice", s.ID)
		default:
			f.byID[s.ID] = s
		}
		if !slices.Contains(Categories, s.Category) {
			fault(at+".category", "%q is not one of new, open, waiting, done, closed", s.Category)
		}
		if len(s.Name) == 0 {
			fault(at+".name", "required, in at least one language")
		}
	}
	f.checkReferences(fault)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return f, nil
}

func (f *Flow) checkReferences(fault func(path, format string, args ...any)) {
	known := func(path, id string, required bool) {
		if id == "" && required {
			fault(path, "required")
		}
		if id != "" && f.byID[id] == nil {
			fault(path, "no status %q%s", id, f.suggest(id))
		}
	}
	known("initial", f.spec.Initial, true)
	known("reopen", f.spec.Reopen, true)
	known("taken", f.spec.Taken, false)
	reached := map[string]bool{f.spec.Initial: true, f.spec.Reopen: true, f.spec.Taken: true}
	for i, s := range f.spec.Statuses {
		for j, n := range s.Next {
			known(fmt.Sprintf("statuses[%d].next[%d]", i, j), n, true)
			reached[n] = true
		}
	}
	for i, s := range f.spec.Statuses {
		if s.ID != "" && !reached[s.ID] {
			fault(fmt.Sprintf("statuses[%d]", i), "no status leads to %q", s.ID)
		}
	}
	if s := f.byID[f.spec.Reopen]; s != nil && !s.Category.Active() {
		fault("reopen", "%q is %s; a reopened case must be new, open or waiting", s.ID, s.Category)
	}
	if s := f.byID[f.spec.Initial]; s != nil && !s.Category.Active() {
		fault("initial", "%q is %s; a new case must be new, open or waiting", s.ID, s.Category)
	}
}

// Spec returns what the flow was compiled from.
func (f *Flow) Spec() Spec { return f.spec }

// Status returns the status of that id; a status that the policy no longer knows
// is named by its id and counts as open, so that its cases stay visible.
func (f *Flow) Status(id string) Status {
	if s := f.byID[id]; s != nil {
		return *s
	}
	return Status{ID: id, Name: lang.Text{lang.Fallback: id}, Category: Open}
}

// Known says whether the flow has a status of that id.
func (f *Flow) Known(id string) bool { return f.byID[id] != nil }

// Label is the status as its customer reads it.
func (s Status) Label(tag string) string {
	if len(s.Customer) > 0 {
		return s.Customer.In(tag)
	}
	return s.Name.In(tag)
}

// Move is a step that somebody could take, and what stands in the way.
type Move struct {
	Status  Status
	Missing []string // required attributes that are empty
	Back    bool     // it takes back the status that was just set, whatever may follow that
}

// Moves returns the statuses that these roles may give a case in status from, in
// the policy's order. A case in a status that the policy no longer knows may go
// to any of them.
func (f *Flow) Moves(from string, roles []string, attributes map[string]string) []Move {
	next := f.Status(from).Next
	if !f.Known(from) {
		for _, s := range f.spec.Statuses {
			next = append(next, s.ID)
		}
	}
	var out []Move
	for _, id := range next {
		if s := f.Status(id); s.allows(roles) {
			out = append(out, Move{Status: s, Missing: s.missing(attributes)})
		}
	}
	return out
}

// MovesBack is Moves, but first with the way back to the status that the case came
// from, if these roles may give it that one.
func (f *Flow) MovesBack(from, before string, roles []string, attributes map[string]string) []Move {
	out := f.Moves(from, roles, attributes)
	s := f.byID[before]
	if s == nil || !s.allows(roles) {
		return out
	}
	out = slices.DeleteFunc(out, func(m Move) bool { return m.Status.ID == before })
	return slices.Insert(out, 0, Move{Status: *s, Missing: s.missing(attributes), Back: true})
}

// Refused is why a move cannot be made. Code is stable, Msg is for people.
type Refused struct {
	Code    string // "unknown_status", NotNext, "role", "required"
	Msg     string
	Missing []string
}

func (r *Refused) Error() string { return r.Msg }

// Check says whether these roles may move a case with these attributes; the
// error is a *Refused.
func (f *Flow) Check(from, to string, roles []string, attributes map[string]string) error {
	if f.Known(from) && f.Known(to) && !slices.Contains(f.byID[from].Next, to) {
		return &Refused{Code: NotNext, Msg: fmt.Sprintf("%q does not follow %q; %s", to, from, f.follows(from, roles))}
	}
	return f.CheckEnter(to, roles, attributes)
}

// NotNext is the Code of a move to a status that does not follow.
const NotNext = "not_next"

// follows says where these roles may go from a status.
func (f *Flow) follows(from string, roles []string) string {
	var ids []string
	for _, m := range f.Moves(from, roles, nil) {
		ids = append(ids, m.Status.ID)
	}
	if len(ids) == 0 {
		return "nothing does"
	}
	return "from here: " + strings.Join(ids, ", ")
}

// CheckEnter is Check without regard to the status that the case is in.
func (f *Flow) CheckEnter(to string, roles []string, attributes map[string]string) error {
	s := f.byID[to]
	if s == nil {
		return &Refused{Code: "unknown_status", Msg: fmt.Sprintf("no status %q%s", to, f.suggest(to))}
	}
	if !s.allows(roles) {
		return &Refused{Code: "role", Msg: fmt.Sprintf("only %s may move a case to %q", strings.Join(s.Enter, " or "), to)}
	}
	if miss := s.missing(attributes); len(miss) > 0 {
		return &Refused{Code: "required", Missing: miss,
			Msg: fmt.Sprintf("fill in %s before moving to %q", strings.Join(miss, ", "), to)}
	}
	return nil
}

func (s Status) allows(roles []string) bool {
	if len(s.Enter) == 0 || slices.Contains(roles, "admin") {
		return true
	}
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(s.Enter, r) })
}

func (s Status) missing(attributes map[string]string) []string {
	var miss []string
	for _, a := range s.Required {
		if strings.TrimSpace(attributes[a]) == "" {
			miss = append(miss, a)
		}
	}
	return miss
}

func (f *Flow) suggest(id string) string {
	for _, s := range f.spec.Statuses {
		if id != "" && (strings.HasPrefix(s.ID, id) || strings.HasPrefix(id, s.ID) || strings.EqualFold(s.ID, id)) {
			return fmt.Sprintf("; did you mean %q?", s.ID)
		}
	}
	return ""
}
