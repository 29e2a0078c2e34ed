package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/currency"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/search"
	"casewire/config/internal/strict"
	"casewire/notify"
	"casewire/routing"
)

// Parse reads a document strictly. The error is config.Errors: syntax, unknown or
// repeated keys, wrong types. Whether the document makes sense is for Compile.
func Parse(name string, data []byte) (*Document, error) {
	d := parse(name, data)
	if err := d.source.Err(); err != nil {
		return nil, err
	}
	return d, nil
}

// Load reads and compiles a document and returns all faults of both together, as
// config.Errors.
func Load(name string, data []byte, revision int64) (*Policy, error) {
	return Compile(parse(name, data), revision)
}

func parse(name string, data []byte) *Document {
	d := &Document{Settings: defaults(), source: strict.Read(name, data)}
	if len(data) > MaxBytes {
		d.source.Fault("", fmt.Sprintf("%d bytes are more than the %d of a policy", len(data), MaxBytes), "shorten it")
		return d
	}
	d.source.Decode(d)
	return d
}

// Compile checks the document and returns every fault, as config.Errors.
func Compile(doc *Document, revision int64) (*Policy, error) {
	src := doc.source
	if src == nil {
		src = strict.Read("", nil)
	}
	if src.Broken() {
		return nil, src.Err()
	}
	p := &Policy{Revision: revision, Settings: doc.Settings, Document: doc}
	p.Location = checkSettings(doc.Settings, src)
	var statuses []string
	for _, s := range doc.Cases.Statuses {
		statuses = append(statuses, s.ID)
	}
	var err error
	if p.Flow, err = flow.Compile(doc.Cases); err != nil {
		tell(src, err, statuses)
	}
	checkStatuses(doc.Cases, src)
	if p.Router, err = routing.Compile(doc.Spec, routing.Options{Location: p.Location, Revision: revision, Templates: templates(doc.Notices)}); err != nil {
		tell(src, err, statuses)
	}
	queue := func(id, tag string) string {
		if i := slices.IndexFunc(doc.Queues, func(q routing.Queue) bool { return q.ID == id }); i >= 0 {
			return doc.Queues[i].Name.In(tag)
		}
		return id
	}
	language := doc.Settings.Language
	if !slices.Contains(lang.Supported, language) {
		language = lang.Fallback
	}
	if p.Notify, err = notify.Compile(doc.Notices, notify.CompileOptions{
		Flow: p.Flow, Lang: language, Centre: doc.Settings.Name, Queue: queue, Zone: p.Location, Currency: doc.Settings.Currency,
	}); err != nil {
		tell(src, err, statuses)
	}
	checkOverdue(doc, src)
	if err := src.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// checkOverdue finds what would be told of being late where nothing has a time.
func checkOverdue(doc *Document, src *strict.Source) {
	if slices.ContainsFunc(doc.Queues, func(q routing.Queue) bool { return q.React > 0 }) || src.Spoiled(overdueBy) {
		return
	}
	if i := slices.IndexFunc(doc.Notices.Events, func(on notify.OnEvent) bool { return on.Event == "overdue" }); i >= 0 {
		src.Fault(fmt.Sprintf("events[%d].event", i), "no queue has a time to react: nothing is ever overdue", "write react: 30m into the queues")
	}
}

var overdueBy = regexp.MustCompile(`^queues`)

// tell notes the faults that a room found, each at its place in the file.
func tell(src *strict.Source, err error, statuses []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			tell(src, e, statuses)
		}
		return
	}
	note := func(path, msg, mend string, line, column int) {
		if !dangling(src, path) {
			src.FaultIn(path, line, column, msg, mend)
		}
	}
	var inFlow *flow.Fault
	var inRules *routing.Fault
	var inNotices *notify.Fault
	switch {
	case errors.As(err, &inFlow):
		msg, mend, _ := strings.Cut(inFlow.Msg, "; ")
		if name := noStatus.FindStringSubmatch(msg); mend == "" && name != nil {
			mend = suggest(name[1], statuses)
		}
		note(inFlow.Path, msg, mend, 0, 0)
	case errors.As(err, &inRules):
		note(inRules.Path, inRules.Msg, inRules.Mend, 0, 0)
	case errors.As(err, &inNotices):
		note(inNotices.Path, inNotices.Msg, inNotices.Mend, inNotices.Line, inNotices.Col)
	default:
		src.Fault("", err.Error(), "")
	}
}

// references are the places that name something, and where what they name stands.
var references = []struct{ from, to *regexp.Regexp }{
	{regexp.MustCompile(`\.then\.queue$`), regexp.MustCompile(`^queues(\[\d+\](\.id)?)?$`)},
	{regexp.MustCompile(`(\.reply|\.notice|\.template)$`), regexp.MustCompile(`^templates(\[\d+\](\.id)?)?$`)},
	{regexp.MustCompile(`^(initial|taken|reopen|statuses\[\d+\](\.next.*)?)$`), regexp.MustCompile(`^statuses(\[\d+\](\.id)?)?$`)},
	{regexp.MustCompile(`^statuses\[\d+\]$`), regexp.MustCompile(`^statuses\[\d+\]\.next`)},
}

var noStatus = regexp.MustCompile(`^no status "(.*)"$`)

// dangling says that the path names something that could not be read: that it is
// not there would be the same mistake told twice.
func dangling(src *strict.Source, path string) bool {
	for _, r := range references {
		if r.from.MatchString(path) && src.Spoiled(r.to) {
			return true
		}
	}
	return false
}

func templates(s notify.Spec) []string {
	out := make([]string, 0, len(s.Templates))
	for _, t := range s.Templates {
		out = append(out, t.ID)
	}
	return out
}

func checkSettings(s Settings, src *strict.Source) *time.Location {
	if strings.TrimSpace(s.Name) == "" {
		src.Fault("settings.name", "is empty", "write the centre's name as customers know it")
	}
	for _, l := range s.Contact.Unknown() {
		unknown(src, "settings.contact."+l, "language", l, lang.Supported)
	}
	unknown(src, "settings.language", "language", s.Language, lang.Supported)
	loc, err := time.LoadLocation(s.TimeZone)
	if err != nil || s.TimeZone == "" || s.TimeZone == "Local" {
		src.Fault("settings.time_zone", fmt.Sprintf("no time zone %q", s.TimeZone), "write it like Europe/Kyiv")
		loc = time.UTC
	}
	if _, err := currency.ParseISO(s.Currency); err != nil || strings.ToUpper(s.Currency) != s.Currency {
		src.Fault("settings.currency", fmt.Sprintf("%q is not a currency", s.Currency), "write its three letters of ISO 4217, EUR")
	}
	return loc
}

// checkStatuses finds what the machine alone cannot know to be wrong: roles that
// nobody has, languages that nobody reads, statuses that keep a case for ever.
func checkStatuses(spec flow.Spec, src *strict.Source) {
	for i, s := range spec.Statuses {
		at := fmt.Sprintf("statuses[%d]", i)
		for j, role := range s.Enter {
			unknown(src, fmt.Sprintf("%s.enter[%d]", at, j), "role", role, append(slices.Clone(casecore.Roles), casecore.RoleIntegrator))
		}
		for j, attr := range s.Required {
			if strings.TrimSpace(attr) == "" {
				src.Fault(fmt.Sprintf("%s.required[%d]", at, j), "is empty", "name the attribute that must be filled in")
			}
		}
		for _, l := range s.Name.Unknown() {
			unknown(src, at+".name."+l, "language", l, lang.Supported)
		}
		for _, l := range s.Customer.Unknown() {
			unknown(src, at+".customer."+l, "language", l, lang.Supported)
		}
		if len(s.Next) == 0 && s.Category != flow.Closed && s.Category != "" {
			src.Fault(at+".next", fmt.Sprintf("a case would stay in %q for ever", s.ID), "name what may follow in next, or make it closed")
		}
	}
}

func unknown(src *strict.Source, path, what, name string, known []string) {
	if slices.Contains(known, name) {
		return
	}
	src.Fault(path, fmt.Sprintf("no %s %q", what, name), suggest(name, known))
}

func suggest(name string, known []string) string {
	if near := search.Nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "write one of " + strings.Join(known, ", ")
}
