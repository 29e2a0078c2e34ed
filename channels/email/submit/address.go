package submit

import (
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

const (
	maxLocal   = 64
	maxAddress = 254
)

// wireAddress returns addr as it is written on the wire, and whether the server
// must know SMTPUTF8 for it: only a local part that is not ASCII needs that, a
// domain has another spelling.
func wireAddress(addr string) (wire string, utf8 bool, err error) {
	at := strings.LastIndexByte(addr, '@')
	if at <= 0 || at == len(addr)-1 {
		return "", false, fmt.Errorf("not an address")
	}
	local, domain := addr[:at], addr[at+1:]
	if strings.ContainsFunc(addr, func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '<' || r == '>' }) ||
		clean(addr) != addr {
		return "", false, fmt.Errorf("an address with signs that none has")
	}
	ascii, err := domainToASCII(domain)
	if err != nil {
		return "", false, fmt.Errorf("a domain that is none")
	}
	if len(local) > maxLocal || len(local)+1+len(ascii) > maxAddress {
		return "", false, fmt.Errorf("an address that is too long")
	}
	if isASCII(local) {
		return local + "@" + ascii, false, nil
	}
	return local + "@" + domain, true, nil
}

func domainToASCII(domain string) (string, error) {
	if strings.HasPrefix(domain, "[") { // an address literal
		if !isDomain(domain) {
			return "", fmt.Errorf("not an address literal")
		}
		return domain, nil
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil && isDomain(domain) { // underscores apart, what is in use must do
		return strings.ToLower(domain), nil
	}
	return ascii, err
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// headerAddress writes an address for a header.
func headerAddress(addr string) string {
	if wire, _, err := wireAddress(addr); err == nil {
		return wire
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || strings.ContainsRune("<>,;:", r) {
			return -1
		}
		return r
	}, addr)
}
