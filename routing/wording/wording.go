// Package wording is what supervisors see of the texts that customers are told: the
// templates of the policy, what is wrong with them, how they look on each channel,
// and the policy's revisions. It knows neither how a text is filled in nor how a
// policy is written: the house wires Room, for this hall and the post room meet in
// the book only.
package wording

import (
	"context"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/channels"
)

// May says whether somebody may change what customers are told.
func May(by casecore.Actor) bool { return by.Is(casecore.RoleSupervisor, casecore.RoleAdmin) }

// Room reads and changes templates and the policy that they are part of. It is safe
// for concurrent use. Whoever May not gets casecore.ErrForbidden from every call.
type Room interface {
	// Book returns all templates as they are in force.
	Book(ctx context.Context, by casecore.Actor) (*Book, error)
	// Try shows what a draft would look like and what is wrong with it. It changes
	// nothing. Trying it on a case that the actor may not read is store.ErrNotFound
	// or casecore.ErrForbidden.
	Try(ctx context.Context, by casecore.Actor, d Draft, t Trial) (*Tried, error)
	// Save puts a draft in force with the next revision and returns its number:
	// that of the revision in force when nothing differs. It is *Moved when another
	// one is in force than the change was made from, *Invalid when the draft
	// cannot be, *Taken when a new one's id is not, store.ErrNotFound when there is
	// nothing to change, and ErrByHand when the document must be edited itself.
	Save(ctx context.Context, by casecore.Actor, d Draft, c Change) (int64, error)
	// Drop takes a template out; *Used while something sends it.
	Drop(ctx context.Context, by casecore.Actor, id string, c Change) (int64, error)
	// History returns at most limit revisions before a number, newest first,
	// without their texts; before 0 begins with the newest.
	History(ctx context.Context, by casecore.Actor, before int64, limit int) ([]Revision, error)
	// Revision returns one with its text; 0 is the one in force.
	Revision(ctx context.Context, by casecore.Actor, number int64) (*Revision, error)
	// Restore puts the text of an older revision in force, as the next one.
	Restore(ctx context.Context, by casecore.Actor, number int64, c Change) (int64, error)
}

// Book is all templates of one revision.
type Book struct {
	Revision  int64
	Languages []string // of the centre, in the order to show them
	Fallback  string   // of customers whose own a text lacks
	Templates []Template
	Variables []Variable
}

// Find returns the template of that id.
func (b *Book) Find(id string) (*Template, bool) {
	for i := range b.Templates {
		if b.Templates[i].ID == id {
			return &b.Templates[i], true
		}
	}
	return nil, false
}

// Draft is a template as somebody writes it.
type Draft struct {
	ID      string
	Subject lang.Text // for channels that have one
	Text    lang.Text
	Urgent  bool // goes out in quiet hours, too
}

// Template is one in force.
type Template struct {
	Draft
	Uses     []Use
	Findings []Finding
}

// Use is one place of the policy that sends a template.
type Use struct {
	Kind string    // "status", "event", "rule", "reminder"
	Name string    // id of the status, kind of event, name of the rule
	Text lang.Text // of a status, as operators read it
}

// Variable describes one that a template may use.
type Variable struct {
	Name     string
	Meaning  lang.Text
	Example  string
	Optional bool     // may be empty
	Shapes   []string // ways to write it, behind a colon; the first needs none
}

// Finding is one thing to look at. Code and Args are for who says it in another
// language than English.
type Finding struct {
	Error     bool   // keeps the draft from being saved; else a warning
	Hint      bool   // or less than that
	Field     string // "subject", "text"; empty: the template or the policy as a whole
	Lang      string
	Line, Col int // within that text, from 1, in characters; 0: no place
	Code      string
	Args      map[string]string
	Detail    string // in English
	Mend      string // in English; may be empty
}

// Trial is how to try a draft.
type Trial struct {
	Langs []string // to write it in; none: those of the centre
	Case  string   // number of a case to fill in; empty: made-up values
}

// Tried is what came of it.
type Tried struct {
	Findings []Finding
	Rendered []Rendered // by language
	Customer string     // of the case that was filled in
}

// Rendered is a draft as a customer of one language gets it.
type Rendered struct {
	Lang    string
	In      string // the language that they get it in
	Subject string
	Text    string
	Broken  bool // it cannot be read
	Shown   []Shown
}

// Shown is a text on one kind of channel.
type Shown struct {
	Kind    channels.Kind
	Text    string            // as it is sent
	Measure *channels.Measure // nil where length does not matter
}

// Change is who changes what, and from which revision.
type Change struct {
	Note   string
	Expect int64 // number of the revision it was made from
	New    bool  // there must not be a template of that id yet
}

// Revision is one numbered state of the policy.
type Revision struct {
	Number int64
	Author string
	Note   string
	At     time.Time
	Text   string // YAML; only of one that was asked for alone
	Force  bool   // it is in force
}

// Moved is the refusal of a change made from a revision that is no longer in force.
type Moved struct{ Newest int64 }

func (m *Moved) Error() string { return fmt.Sprintf("the policy is at revision %d now", m.Newest) }

// Invalid is the refusal of what would not be a policy.
type Invalid struct{ Findings []Finding }

func (i *Invalid) Error() string { return fmt.Sprintf("%d faults", len(i.Findings)) }

// Used is the refusal to take out a template that something sends.
type Used struct{ Uses []Use }

func (u *Used) Error() string { return fmt.Sprintf("it is used in %d places", len(u.Uses)) }

// Taken is the refusal of a new template with the id of another.
type Taken struct{ ID string }

func (t *Taken) Error() string { return fmt.Sprintf("there is a template %q already", t.ID) }

// ErrByHand says that the policy is written in a way in which one template cannot
// be changed alone.
var ErrByHand = byHand{}

type byHand struct{}

func (byHand) Error() string {
	return "the policy is written in a way in which one template cannot be changed alone; change the document itself"
}
