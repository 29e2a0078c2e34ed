package sms

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// e164 says that s has the form of an international number, "+381601234567".
func e164(s string) bool {
	if len(s) < 8 || len(s) > 16 || s[0] != '+' || s[1] == '0' {
		return false
	}
	return digits(s[1:])
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Canonical returns a number in E.164. A number without its country is read as one
// of region, "RS"; ok is false for what cannot be a number (S8).
func Canonical(raw, region string) (number string, ok bool) {
	raw = strings.TrimSpace(raw)
	if e164(raw) {
		return raw, true
	}
	n, err := phonenumbers.Parse(raw, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) || n.GetExtension() != "" {
		return "", false
	}
	s := phonenumbers.Format(n, phonenumbers.E164)
	return s, e164(s)
}

// sender returns whom to answer: an E.164 number where there is one, else what
// the provider says, a short code or a name.
func sender(raw, region string) string {
	raw = strings.TrimSpace(raw)
	if n, ok := Canonical(raw, region); ok && (len(raw) > 6 || !digits(raw)) {
		return n
	}
	return raw
}
