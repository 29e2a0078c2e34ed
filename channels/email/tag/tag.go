// Package tag makes and verifies the ids and tokens that we put into mail: by them
// an answer, a bounce or a loop is known again when it comes back. A token proves
// only that we made it. Whether its bearer may speak in the case is not known here.
package tag

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Tags makes and verifies tokens with one key. It is safe for concurrent use.
type Tags struct {
	key    []byte
	domain string
}

// New returns Tags for a key, which must stay the same for as long as answers to
// old mail are to be known, and the domain of Message-IDs. Tokens stay valid when
// the domain changes.
func New(key []byte, domain string) *Tags {
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		ascii = strings.ToLower(domain)
	}
	return &Tags{key: append([]byte(nil), key...), domain: ascii}
}

// Each purpose signs for itself, so that a token that everybody sees, as the
// subject's, is none in a place that says more.
const (
	forMessage = "message-id"
	forReturn  = "return-path"
	forAddress = "address"
	forSubject = "subject"
	forMarker  = "marker"
	forLoop    = "loop"
)

const (
	macBytes = 10 // 80 bits
	maxLocal = 64 // octets of a local part, RFC 5321 section 4.5.3.1.1
	maxInput = 4096
	maxTries = 8
)

// Lower case only: local parts are folded on the way.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (t *Tags) mac(purpose, value string) string {
	h := hmac.New(sha256.New, t.key)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(value))
	return letters.EncodeToString(h.Sum(nil)[:macBytes])
}

func (t *Tags) verify(purpose, value, mac string) bool {
	return subtle.ConstantTimeCompare([]byte(t.mac(purpose, value)), []byte(mac)) == 1
}

// MessageID returns the Message-ID of an outbound message, without <>: the same
// for the same id, so that a repeat after a crash is known for one (O1).
func (t *Tags) MessageID(outboundID string) string {
	return "cw." + encodeID(outboundID) + "." + t.mac(forMessage, outboundID) + "@" + t.domain
}

var messageShape = regexp.MustCompile(`^cw\.([a-z0-9]+)\.([a-z2-7]{16})@.+$`)

// OutboundID returns the id from which MessageID made messageID.
func (t *Tags) OutboundID(messageID string) (string, bool) {
	m := messageShape.FindStringSubmatch(plain(messageID))
	if m == nil {
		return "", false
	}
	return t.idOf(forMessage, m[1], m[2])
}

func (t *Tags) idOf(purpose, code, mac string) (string, bool) {
	id, ok := decodeID(code)
	if !ok || !t.verify(purpose, id, mac) {
		return "", false
	}
	return id, true
}

// CaseAddress returns base with a token of the case in its local part,
// support+cw000123-abcdefghijklmnop@shop.example. It is not ok when that would not
// be an address: a local part of more than 64 octets, or one that is quoted or not
// ASCII.
func (t *Tags) CaseAddress(base, caseNumber string) (addr string, ok bool) {
	code, ok := encodeCase(caseNumber)
	if !ok {
		return "", false
	}
	return withDetail(base, code+"-"+t.mac(forAddress, caseNumber))
}

var addressShape = regexp.MustCompile(`^([a-z]{1,8}[0-9]{1,18})-([a-z2-7]{16})$`)

// CaseOf returns the case whose token addr carries.
func (t *Tags) CaseOf(addr string) (caseNumber string, ok bool) {
	m := addressShape.FindStringSubmatch(detail(addr))
	if m == nil {
		return "", false
	}
	return t.caseOf(forAddress, m[1], m[2])
}

func (t *Tags) caseOf(purpose, code, mac string) (string, bool) {
	number, ok := decodeCase(code)
	if !ok || !t.verify(purpose, number, mac) {
		return "", false
	}
	return number, true
}

// ReturnPath returns base with a token of the outbound message, for the envelope:
// a bounce comes back to it. Where the token does not fit it is base itself.
func (t *Tags) ReturnPath(base, outboundID string) string {
	addr, ok := withDetail(base, "b-"+encodeID(outboundID)+"-"+t.mac(forReturn, outboundID))
	if !ok {
		return base
	}
	return addr
}

var returnShape = regexp.MustCompile(`^b-([a-z0-9]+)-([a-z2-7]{16})$`)

// BouncedID returns the id of the outbound message whose ReturnPath addr is.
func (t *Tags) BouncedID(addr string) (outboundID string, ok bool) {
	m := returnShape.FindStringSubmatch(detail(addr))
	if m == nil {
		return "", false
	}
	return t.idOf(forReturn, m[1], m[2])
}

var subjectShape = regexp.MustCompile(`(?i)\[([a-z]{1,8})-([0-9]{1,18})/([a-z2-7]{16})\]`)

// Subject returns subject with a token of the case behind it, in place of any that
// was there: "Broken screen [CW-000123/abcdefghijklmnop]".
func (t *Tags) Subject(subject, caseNumber string) string {
	subject = strings.Join(strings.Fields(subjectShape.ReplaceAllString(subject, " ")), " ")
	if _, ok := encodeCase(caseNumber); !ok {
		return subject
	}
	return strings.TrimSpace(subject + " [" + caseNumber + "/" + t.mac(forSubject, caseNumber) + "]")
}

// CaseInSubject returns the case whose token the subject carries, wherever the
// lines were folded.
func (t *Tags) CaseInSubject(subject string) (string, bool) {
	for _, m := range subjectShape.FindAllStringSubmatch(plain(subject), maxTries) {
		if number, ok := t.caseOf(forSubject, m[1]+m[2], m[3]); ok {
			return number, true
		}
	}
	return "", false
}

// Marker returns the token that is hidden in the body and put into a header, for
// mail whose other traces were rewritten (E5). It is "" without a case.
func (t *Tags) Marker(caseNumber string) string {
	code, ok := encodeCase(caseNumber)
	if !ok {
		return ""
	}
	return "casewire-" + code + "-" + t.mac(forMarker, caseNumber)
}

var markerShape = regexp.MustCompile(`casewire-([a-z]{1,8}[0-9]{1,18})-([a-z2-7]{16})`)

// CaseInMarker returns the case of the first marker in s that is ours.
func (t *Tags) CaseInMarker(s string) (string, bool) {
	for _, m := range markerShape.FindAllStringSubmatch(plain(s), maxTries) {
		if number, ok := t.caseOf(forMarker, m[1], m[2]); ok {
			return number, true
		}
	}
	return "", false
}

// Loop returns the value of the header by which we know our own mail again (E9).
func (t *Tags) Loop() string { return "casewire-" + t.mac(forLoop, "") }

// IsLoop says whether v is what Loop returns.
func (t *Tags) IsLoop(v string) bool {
	mac, ok := strings.CutPrefix(plain(v), "casewire-")
	return ok && t.verify(forLoop, "", mac)
}

// plain undoes what the way does to a token: case, folded lines, quotes, brackets.
func plain(s string) string {
	if len(s) > maxInput {
		s = s[:maxInput]
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		switch {
		case r <= ' ', r == 0x7f, r == '<', r == '>', r == '"', r == '\\':
			return -1
		}
		return r
	}, s))
}

// withDetail puts a detail behind the local part of base.
func withDetail(base, detail string) (string, bool) {
	at := strings.LastIndexByte(base, '@')
	if at <= 0 || at == len(base)-1 {
		return "", false
	}
	local := base[:at]
	if strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"\<>@`, r) }) {
		return "", false
	}
	if local += "+" + detail; len(local) > maxLocal {
		return "", false
	}
	return local + base[at:], true
}

// detail returns what stands behind the last plus of the local part.
func detail(addr string) string {
	addr = plain(addr)
	at := strings.LastIndexByte(addr, '@')
	if at < 0 {
		return ""
	}
	plus := strings.LastIndexByte(addr[:at], '+')
	if plus <= 0 {
		return ""
	}
	return addr[plus+1 : at]
}

var caseShape = regexp.MustCompile(`^([A-Z]{1,8})-([0-9]{1,18})$`)

// encodeCase writes "CW-000123" as "cw000123".
func encodeCase(number string) (string, bool) {
	m := caseShape.FindStringSubmatch(number)
	if m == nil {
		return "", false
	}
	return strings.ToLower(m[1]) + m[2], true
}

func decodeCase(code string) (string, bool) {
	digits := strings.IndexFunc(code, func(r rune) bool { return r >= '0' && r <= '9' })
	if digits <= 0 {
		return "", false
	}
	number := strings.ToUpper(code[:digits]) + "-" + code[digits:]
	return number, caseShape.MatchString(number)
}

// encodeID writes an id in small letters and digits: a UUID by its 16 bytes, so
// that it fits a local part, anything else by its text.
func encodeID(id string) string {
	if b, ok := parseUUID(id); ok {
		return "u" + letters.EncodeToString(b)
	}
	return "x" + letters.EncodeToString([]byte(id))
}

func decodeID(code string) (string, bool) {
	if len(code) < 2 {
		return "", false
	}
	b, err := letters.DecodeString(code[1:])
	if err != nil {
		return "", false
	}
	id := string(b)
	if code[0] == 'u' && len(b) == 16 {
		id = formatUUID(b)
	}
	// Bits left over at the end of base32 would let one id be written in two ways.
	return id, utf8.ValidString(id) && encodeID(id) == code
}
