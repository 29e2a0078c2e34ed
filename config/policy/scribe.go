package policy

import (
	"regexp"
	"slices"
	"strings"

	"casewire/casecore/lang"
	"casewire/notify"
)

// written is a template as an item of a list whose dashes stand at a column.
func written(t notify.Template, dash int) []string {
	out := []string{strings.Repeat(" ", dash) + "- id: " + scalar(t.ID)}
	if t.Urgent {
		out = append(out, strings.Repeat(" ", dash+2)+"urgent: true")
	}
	out = append(out, inLanguages("subject", dash+2, t.Subject)...)
	return append(out, inLanguages("text", dash+2, t.Text)...)
}

// inLanguages is a key at a column with a text in several languages below it, or
// nothing for an empty text.
func inLanguages(name string, column int, t lang.Text) []string {
	if len(t) == 0 {
		return nil
	}
	out := []string{strings.Repeat(" ", column) + name + ":"}
	for _, tag := range tags(t) {
		out = append(out, inLanguage(tag, t[tag], column+2, name == "text")...)
	}
	return out
}

// inLanguage is one language of a text: in lines of its own when it is to be, or
// has more than one.
func inLanguage(tag, s string, column int, literal bool) []string {
	pad := strings.Repeat(" ", column)
	if !literal && !strings.Contains(s, "\n") {
		return []string{pad + tag + ": " + scalar(s)}
	}
	head := "|-"
	if strings.HasPrefix(s, " ") {
		head = "|2-" // else the first line's blanks would count as the margin
	}
	out := []string{pad + tag + ": " + head}
	for line := range strings.SplitSeq(s, "\n") {
		if line != "" {
			line = pad + "  " + line
		}
		out = append(out, line)
	}
	return out
}

var (
	bare    = regexp.MustCompile(`^\p{L}[^\x00-\x1f"'\\]*$`)
	special = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
)

// scalar writes one line as a YAML value, in quotes where it must be.
func scalar(s string) string {
	plain := bare.MatchString(s) && !strings.Contains(s, ": ") && !strings.Contains(s, " #") &&
		!strings.HasSuffix(s, ":") && strings.TrimSpace(s) == s && !slices.Contains(special, strings.ToLower(s))
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
