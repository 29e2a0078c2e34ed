package casecore

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what people write into a case, in characters unless said otherwise.
const (
	MaxText           = 20_000 // of an answer or a note
	MaxSubject        = 200
	MaxCategory       = 60
	MaxReason         = 500
	MaxAttributes     = 50 // of one case
	MaxAttributeName  = 60
	MaxAttributeValue = 500
	MaxTags           = 20 // of one case
	MaxTag            = 40
)

// Codes of Invalid.
const (
	TooLong       = "long"
	TooMany       = "many"
	BadCharacters = "chars" // not UTF-8, or control characters
	BadName       = "name"  // empty, or with blanks around it
)

// Invalid is the refusal of what somebody wrote, whatever the case's state. Its
// text quotes nothing of it.
type Invalid struct {
	Field string // "text", "subject", "category", "reason", "attributes" or "tags"
	Key   string // name of the attribute, when its value is at fault
	Code  string
	Most  int // of TooLong and TooMany
	Msg   string
	Mend  string
}

func (i *Invalid) Error() string { return i.Field + ": " + i.Msg + "; " + i.Mend }

// checkText refuses what nobody can read. Only texts of several lines may have
// line breaks and tabs.
func checkText(field, s string, most int, lines bool) error {
	return checkValue(Invalid{Field: field}, s, most, lines)
}

// checkValue is checkText for what at names.
func checkValue(at Invalid, s string, most int, lines bool) error {
	if !readable(s, lines) {
		at.Code, at.Msg, at.Mend = BadCharacters, "is not valid UTF-8 or has control characters", "leave them out"
		return &at
	}
	if utf8.RuneCountInString(s) > most {
		at.Code, at.Most, at.Msg, at.Mend = TooLong, most, fmt.Sprintf("has more than %d characters", most), "make it shorter"
		return &at
	}
	return nil
}

func readable(s string, lines bool) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && (!lines || !strings.ContainsRune("\n\r\t", r))
	})
}

func checkName(field, s string, most int) error {
	if s == "" || strings.TrimSpace(s) != s {
		return &Invalid{Field: field, Code: BadName, Msg: "has a name that is empty or has blanks around it", Mend: "leave out the blanks"}
	}
	return checkText(field, s, most, false)
}

// check refuses changes beyond the limits. What the case has already, from a rule
// or a customer, may stay and may be removed.
func (e Edit) check(c *Case) error {
	if e.Subject != nil && *e.Subject != c.Subject {
		if err := checkText("subject", *e.Subject, MaxSubject, false); err != nil {
			return err
		}
	}
	if e.Category != nil && *e.Category != c.Category {
		if err := checkText("category", *e.Category, MaxCategory, false); err != nil {
			return err
		}
	}
	if err := e.checkAttributes(c); err != nil {
		return err
	}
	return e.checkTags(c)
}

func (e Edit) checkAttributes(c *Case) error {
	count, added := len(c.Attributes), false
	for k, v := range e.Attributes {
		old, known := c.Attributes[k]
		switch {
		case v == "" && known:
			count--
		case v == "" || v == old:
			continue
		case !known:
			count, added = count+1, true
			if err := checkName("attributes", k, MaxAttributeName); err != nil {
				return err
			}
		}
		if err := checkValue(Invalid{Field: "attributes", Key: k}, v, MaxAttributeValue, false); err != nil {
			return err
		}
	}
	if added && count > MaxAttributes {
		return tooMany("attributes", MaxAttributes)
	}
	return nil
}

func (e Edit) checkTags(c *Case) error {
	if len(e.Tags) > MaxTags && len(e.Tags) > len(c.Tags) {
		return tooMany("tags", MaxTags)
	}
	for _, t := range e.Tags {
		if slices.Contains(c.Tags, t) {
			continue
		}
		if err := checkName("tags", t, MaxTag); err != nil {
			return err
		}
	}
	return nil
}

func tooMany(field string, most int) *Invalid {
	return &Invalid{Field: field, Code: TooMany, Most: most, Msg: fmt.Sprintf("there would be more than %d", most), Mend: "remove some first"}
}
