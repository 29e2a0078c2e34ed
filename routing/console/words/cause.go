package words

import (
	"cmp"
	"strings"
)

// codes are what codes of providers mean: those of mail (RFC 3463) by their
// beginning, and those of telephone networks.
var codes = []struct{ code, cause string }{
	{"5.2.2", "cause.full"}, {"4.2.2", "cause.full"}, {"5.2.3", "cause.large"}, {"5.3.4", "cause.large"},
	{"5.1.", "cause.bad_address"}, {"5.2.", "cause.mailbox"}, {"5.4.", "cause.no_route"}, {"4.4.", "cause.no_route"},
	{"5.6.", "cause.bad_content"}, {"5.7.", "cause.filtered"},
	{"30003", "cause.phone_off"}, {"30004", "cause.blocked"}, {"30005", "cause.no_number"}, {"30006", "cause.landline"},
	{"30007", "cause.filtered"}, {"21211", "cause.no_number"}, {"21610", "cause.stop"}, {"21614", "cause.landline"},
}

// Coded says what a provider's code means; "" when that is not known.
func (l *Locale) Coded(code string) string {
	for _, c := range codes {
		if code == c.code || strings.HasSuffix(c.code, ".") && strings.HasPrefix(code, c.code) {
			return l.T(c.cause)
		}
	}
	return ""
}

// Cause says what a reason of ours or a provider's code means; "" when that is not
// known.
func (l *Locale) Cause(code string) string {
	if code == "" {
		return ""
	}
	return cmp.Or(l.Or("cause."+code, ""), l.Coded(code))
}
