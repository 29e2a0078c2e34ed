// Package routing turns facts about a message into a decision: which queue, what
// priority, and why. Rules are compiled once to a pure function; the package
// reads no store and keeps no state. Intake and the desk are its own rooms below.
//
// # How rules are tried
//
// Compile gives every stem that some rule asks for a number, and makes of each
// word or phrase of the rules a pattern over those numbers. Each rule is filed
// under what must be there for it to hold: its patterns, else one of its
// attributes, its channel or its language; the few rules that ask for none of
// these are filed as loose. Route walks the words of the message once and notes
// which patterns occur; then it looks through the files of these patterns and of
// the message's facts, checking the other conditions, and stops in each file at
// the best rule so far. So the time depends on the length of the message and on
// how many rules nearly hold, and hardly on how many there are. A regular
// expression runs only when all other conditions of its rule hold.
//
// Measured by go test -run '^$' -bench . ./routing, which runs the same rules
// one by one beside it.
package routing

import (
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/channels"
)

// Spec is the part of the policy that routes: queues and rules in order.
type Spec struct {
	Queues []Queue `yaml:"queues" json:"queues"`
	Rules  []Rule  `yaml:"rules" json:"rules"`
}

// Queue is where cases wait: a group's, or one person's when Owner is set.
type Queue struct {
	ID    string        `yaml:"id" json:"id"`
	Name  lang.Text     `yaml:"name" json:"name"`
	Owner string        `yaml:"owner" json:"owner,omitempty"` // login, for a personal queue
	React flow.Duration `yaml:"react" json:"react,omitempty"` // by when somebody should have answered; 0: no limit
}

// Rule is one line of the policy: when this holds, do that. The first rule that
// holds decides; the last one must have no condition, so that every case lands.
type Rule struct {
	Name string `yaml:"name" json:"name"`
	When When   `yaml:"when" json:"when"`
	Then Then   `yaml:"then" json:"then"`
	Off  bool   `yaml:"off" json:"off,omitempty"`
}

// When is a condition: every part that is given must hold. A list holds when one
// of its values does. Values of attributes are compared without regard to case.
type When struct {
	Text       *Text               `yaml:"text" json:"text,omitempty"`
	Not        *Text               `yaml:"not" json:"not,omitempty"`         // holds when this text condition does not
	Channel    []string            `yaml:"channel" json:"channel,omitempty"` // a kind ("sms") or a channel's id ("sms:main")
	Language   []string            `yaml:"language" json:"language,omitempty"`
	Hours      string              `yaml:"hours" json:"hours,omitempty"`           // "09:00-18:00" in the policy's zone; "18:00-09:00" spans midnight
	Weekdays   []string            `yaml:"weekdays" json:"weekdays,omitempty"`     // mon ... sun
	Customer   map[string][]string `yaml:"customer" json:"customer,omitempty"`     // attribute → accepted values; "*" any, "" none
	Attributes map[string][]string `yaml:"attributes" json:"attributes,omitempty"` // of the case, likewise
}

// Text is a condition on what the customer wrote. Words are compared folded and
// stemmed, so that every grammatical form matches; a phrase is several words in a
// row; Regex is RE2, over the folded text, whatever the case of its letters. Every
// part that is given must hold.
type Text struct {
	Any   []string `yaml:"any" json:"any,omitempty"`     // at least one word or phrase
	All   []string `yaml:"all" json:"all,omitempty"`     // each of them
	Regex []string `yaml:"regex" json:"regex,omitempty"` // at least one, as well as what Any and All ask
}

// Then is what a rule does.
type Then struct {
	Queue      string            `yaml:"queue" json:"queue"`
	Priority   string            `yaml:"priority" json:"priority,omitempty"` // urgent, high, normal, low; empty: normal
	Category   string            `yaml:"category" json:"category,omitempty"`
	Attributes map[string]string `yaml:"attributes" json:"attributes,omitempty"`
	Tags       []string          `yaml:"tags" json:"tags,omitempty"`
	Reply      string            `yaml:"reply" json:"reply,omitempty"` // template sent at once to the customer
}

// Facts is all that a rule may look at.
type Facts struct {
	Text       string // subject and text
	Kind       channels.Kind
	Channel    string
	Language   string
	At         time.Time
	Customer   map[string]string
	Attributes map[string]string
}

// Decision is what the rules say of a case.
type Decision struct {
	Queue      string
	Priority   casecore.Priority
	Category   string
	Attributes map[string]string
	Tags       []string
	Reply      string
	React      time.Duration
	Trace      casecore.Trace
}
