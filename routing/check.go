package routing

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/search"
	"casewire/channels"
)

// Fault is one thing wrong in a Spec. Path is where, below the spec; Mend is what
// to write instead.
type Fault struct{ Path, Msg, Mend string }

func (f *Fault) Error() string {
	if f.Mend == "" {
		return f.Path + ": " + f.Msg
	}
	return f.Path + ": " + f.Msg + "; " + f.Mend
}

// checker gathers the faults of a spec.
type checker struct {
	errs      []error
	queues    []string
	templates []string
}

func (c *checker) fault(path, mend, format string, args ...any) {
	c.errs = append(c.errs, &Fault{Path: path, Msg: fmt.Sprintf(format, args...), Mend: mend})
}

// unknown notes a name that is not among those known.
func (c *checker) unknown(path, what, name string, known []string) {
	mend := "write one of " + strings.Join(known, ", ")
	if near := search.Nearest(name, known); near != "" {
		mend = fmt.Sprintf("did you mean %q?", near)
	}
	c.fault(path, mend, "no %s %q", what, name)
}

func check(spec Spec, o Options) error {
	c := &checker{templates: o.Templates}
	c.checkQueues(spec.Queues)
	c.checkRules(spec.Rules)
	return errors.Join(c.errs...)
}

var idShape = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (c *checker) checkQueues(queues []Queue) {
	if len(queues) == 0 {
		c.fault("queues", "name at least one queue", "required")
	}
	for i, q := range queues {
		at := fmt.Sprintf("queues[%d]", i)
		switch {
		case q.ID == "":
			c.fault(at+".id", "give the queue a short name", "required")
		case !idShape.MatchString(q.ID):
			c.fault(at+".id", "use small letters, digits, - and _", "%q is not an id", q.ID)
		case slices.Contains(c.queues, q.ID):
			c.fault(at+".id", "give each queue its own id", "%q is used twice", q.ID)
		}
		c.queues = append(c.queues, q.ID)
		if len(q.Name) == 0 {
			c.fault(at+".name", "write it in at least one language, {en: Phones}", "required")
		}
		for _, l := range q.Name.Unknown() {
			c.noLanguage(at+".name."+l, l)
		}
	}
}

func (c *checker) checkRules(rules []Rule) {
	if len(rules) == 0 {
		c.fault("rules", "end with a rule without conditions", "required")
		return
	}
	names := map[string]int{}
	catches := -1
	for i, r := range rules {
		at := fmt.Sprintf("rules[%d]", i)
		first, twice := names[r.Name]
		switch {
		case strings.TrimSpace(r.Name) == "":
			c.fault(at+".name", "name it; traces show the name", "required")
		case twice:
			c.fault(at+".name", "give each rule its own name", "%q is the name of rules[%d] as well", r.Name, first)
		default:
			names[r.Name] = i
		}
		c.checkWhen(at+".when", r.When)
		c.checkThen(at+".then", r.Then)
		if catches >= 0 && !r.Off {
			c.fault(at, fmt.Sprintf("give rules[%d] a condition, or move it to the end", catches), "never reached: rules[%d] takes everything before", catches)
		} else if !r.Off && r.When.always() {
			catches = i
		}
	}
	last := len(rules) - 1
	switch r := rules[last]; {
	case r.Off:
		c.fault(fmt.Sprintf("rules[%d].off", last), "remove off", "the last rule takes what no other did and must be on")
	case !r.When.always():
		c.fault(fmt.Sprintf("rules[%d].when", last), "add a rule without conditions at the end", "the last rule must take everything")
	}
}

// always says that the condition holds whatever the facts.
func (w When) always() bool {
	return w.Text == nil && w.Not == nil && len(w.Channel) == 0 && len(w.Language) == 0 && w.Hours == "" &&
		len(w.Weekdays) == 0 && len(w.Customer) == 0 && len(w.Attributes) == 0
}

func (c *checker) checkWhen(at string, w When) {
	c.checkText(at+".text", w.Text)
	c.checkText(at+".not", w.Not)
	for i, ch := range w.Channel {
		kind, id, some := strings.Cut(ch, ":")
		if !slices.Contains(kinds, kind) {
			c.unknown(fmt.Sprintf("%s.channel[%d]", at, i), "kind of channel", kind, kinds)
		} else if some && id == "" {
			c.fault(fmt.Sprintf("%s.channel[%d]", at, i), "write the kind alone, or kind:name", "%q names no channel", ch)
		}
	}
	for i, l := range w.Language {
		b := lang.Base(l)
		if mistaken[b] != "" || len(b) < 2 || len(b) > 3 || strings.Trim(b, "abcdefghijklmnopqrstuvwxyz") != "" {
			c.noLanguage(fmt.Sprintf("%s.language[%d]", at, i), l)
		}
	}
	if w.Hours != "" {
		if _, _, err := parseHours(w.Hours); err != nil {
			c.fault(at+".hours", `write them like "09:00-18:00"`, "%v", err)
		}
	}
	for i, d := range w.Weekdays {
		if !slices.Contains(weekdays, d) {
			c.unknown(fmt.Sprintf("%s.weekdays[%d]", at, i), "weekday", d, weekdays)
		}
	}
	c.checkValues(at+".customer", w.Customer)
	c.checkValues(at+".attributes", w.Attributes)
	c.checkList(at+".channel", w.Channel)
	c.checkList(at+".language", w.Language)
	c.checkList(at+".weekdays", w.Weekdays)
}

func (c *checker) checkList(at string, l []string) {
	if l != nil && len(l) == 0 {
		c.fault(at, "name at least one, or leave the line out", "an empty list never holds")
	}
}

func (c *checker) noLanguage(path, l string) {
	if mend := mistaken[lang.Base(l)]; mend != "" {
		c.fault(path, fmt.Sprintf("did you mean %q?", mend), "%q is a country, not a language", l)
		return
	}
	c.unknown(path, "language", l, lang.Supported)
}

// mistaken are countries that are often written for their language.
var mistaken = map[string]string{"ua": "uk", "rs": "sr", "us": "en", "gb": "en"}

var kinds = []string{
	string(channels.Email), string(channels.SMS), string(channels.Telegram),
	string(channels.WebChat), string(channels.Voice), string(channels.Desk),
}

func (c *checker) checkValues(at string, m map[string][]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if strings.TrimSpace(k) == "" {
			c.fault(at, "name the attribute", "an attribute without a name")
		}
		if len(m[k]) == 0 {
			c.fault(at+"."+k, `list accepted values; "*" takes any and "" takes none`, "an empty list never holds")
		}
	}
}

func (c *checker) checkText(at string, t *Text) {
	if t == nil {
		return
	}
	if len(t.Any)+len(t.All)+len(t.Regex) == 0 {
		c.fault(at, "list words below any or all, or expressions below regex", "asks for nothing")
		return
	}
	for _, l := range []struct {
		name  string
		items []string
	}{{"any", t.Any}, {"all", t.All}} {
		c.checkList(at+"."+l.name, l.items)
		for i, item := range l.items {
			if len(search.Words(item, "")) == 0 {
				c.fault(fmt.Sprintf("%s.%s[%d]", at, l.name, i), "write words; signs do not count", "%q has no word in it", item)
			}
		}
	}
	c.checkList(at+".regex", t.Regex)
	for i, expr := range t.Regex {
		path := fmt.Sprintf("%s.regex[%d]", at, i)
		re, err := compileRegex(expr)
		switch {
		case err != nil:
			c.fault(path, "see the syntax of RE2; put a backslash before a sign that stands for itself", "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		case re.MatchString(""):
			c.fault(path, "make some part of it required", "%q matches every message", expr)
		}
	}
}

func (c *checker) checkThen(at string, t Then) {
	if t.Queue == "" {
		c.fault(at+".queue", "write one of "+strings.Join(c.queues, ", "), "required")
	} else if !slices.Contains(c.queues, t.Queue) {
		c.unknown(at+".queue", "queue", t.Queue, c.queues)
	}
	if _, err := casecore.ParsePriority(t.Priority); err != nil {
		c.unknown(at+".priority", "priority", t.Priority, []string{"urgent", "high", "normal", "low"})
	}
	if t.Reply != "" && c.templates != nil && !slices.Contains(c.templates, t.Reply) {
		c.unknown(at+".reply", "template", t.Reply, c.templates)
	}
	for i, tag := range t.Tags {
		if strings.TrimSpace(tag) == "" {
			c.fault(fmt.Sprintf("%s.tags[%d]", at, i), "write a word", "an empty tag")
		}
	}
	if _, ok := t.Attributes[""]; ok {
		c.fault(at+".attributes", "name the attribute", "an attribute without a name")
	}
}
