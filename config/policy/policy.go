// Package policy is what supervisors change: queues, rules, statuses, templates,
// as one YAML document kept in numbered revisions in the store. It reads, checks
// and compiles them, and follows new ones. It knows neither how a rule is
// evaluated nor how a notice is sent.
package policy

import (
	_ "embed"
	"slices"
	"time"

	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/config/internal/strict"
	"casewire/notify"
	"casewire/routing"
)

//go:embed default.yaml
var defaultYAML []byte

// Default returns the policy of a repair centre that a fresh store starts with,
// in four languages.
func Default() []byte { return slices.Clone(defaultYAML) }

// MaxBytes is how long the text of a policy may be.
const MaxBytes = 512 << 10

// Document is a policy as it is written: settings, then the keys of its rooms side
// by side.
type Document struct {
	Settings     Settings `yaml:"settings" json:"settings"`
	routing.Spec `yaml:",inline"`
	Cases        flow.Spec   `yaml:",inline" json:"cases"`
	Notices      notify.Spec `yaml:",inline" json:"notices"`

	source *strict.Source // where everything stands; nil for a document made by hand
}

// Settings are what the whole centre has in common.
type Settings struct {
	Name string `yaml:"name" json:"name"` // of the centre, as customers read it
	// Contact is how customers reach the centre otherwise: address, telephone,
	// hours. Their page shows it.
	Contact  lang.Text `yaml:"contact" json:"contact,omitempty"`
	Language string    `yaml:"language" json:"language"`   // for customers whose language is not known
	TimeZone string    `yaml:"time_zone" json:"time_zone"` // "Europe/Kyiv"; for the hours of rules
	Currency string    `yaml:"currency" json:"currency"`   // ISO 4217
}

// defaults is what a document that says nothing says.
func defaults() Settings {
	return Settings{Name: "Casewire Service", Language: "en", TimeZone: "UTC", Currency: "EUR"}
}

// Policy is a compiled Document, immutable and safe for concurrent use.
type Policy struct {
	Revision int64 // 0 for one that is not in the store
	Settings Settings
	Location *time.Location
	Flow     *flow.Flow
	Router   *routing.Router
	Notify   *notify.Policy
	Document *Document // what it was compiled from; not to be changed
}
