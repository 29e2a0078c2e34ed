// Package chain is how a record is sealed: its canonical JSON, the SHA-256 of that,
// and the seal of the record before it as one of its members. It knows neither what
// a record says nor where it is kept.
//
// The canonical form is that of RFC 8785 for objects whose numbers are integers
// below 2^53: members sorted by name, no white space, strings with the shortest
// escapes, times in UTC (RFC 3339, without trailing zeros), members that are empty
// left out as the record's own JSON leaves them out. So anybody can check a seal
// who has the record:
//
//	python3 -c 'import hashlib, json, sys
//	r = json.load(sys.stdin)
//	s = json.dumps(r, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
//	print(hashlib.sha256(s.encode()).hexdigest())' < record.json
//
// A seal proves that a record is as it was written, and a chain of them that none
// is missing, as long as its last seal is known from elsewhere: whoever can write
// everything can seal everything anew.
package chain

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"
)

// Form is the canonical text of one record while it is written. Its methods add
// members, which the caller names in the order of their names. What is empty is
// left out by those that do not say otherwise.
type Form struct{ b []byte }

// Begin begins a record of about size bytes.
func Begin(size int) Form { return Form{append(make([]byte, 0, size), '{')} }

// Sum ends the record and returns its seal: the SHA-256 of its canonical form, in
// hexadecimal.
func (f *Form) Sum() string {
	f.b = append(f.b, '}')
	return Hash(f.b)
}

// Bytes returns what is written so far.
func (f *Form) Bytes() []byte { return f.b }

// Hash is the SHA-256 of b in hexadecimal; "" for nothing.
func Hash(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	sum := sha256.Sum256(b)
	var out [2 * sha256.Size]byte
	hex.Encode(out[:], sum[:])
	return string(out[:])
}

// name begins a member, or with an empty name an element of a list.
func (f *Form) name(name string) {
	if last := f.b[len(f.b)-1]; last != '{' && last != '[' {
		f.b = append(f.b, ',')
	}
	if name != "" {
		f.b = append(append(append(f.b, '"'), name...), '"', ':')
	}
}

// String adds a text, empty or not.
func (f *Form) String(name, v string) {
	f.name(name)
	f.b = quote(f.b, v)
}

// Text adds a text.
func (f *Form) Text(name, v string) {
	if v != "" {
		f.String(name, v)
	}
}

// Int adds a number, zero or not.
func (f *Form) Int(name string, v int64) {
	f.name(name)
	f.b = strconv.AppendInt(f.b, v, 10)
}

// Count adds a number.
func (f *Form) Count(name string, v int64) {
	if v != 0 {
		f.Int(name, v)
	}
}

// Flag adds what is true.
func (f *Form) Flag(name string, v bool) {
	if v {
		f.name(name)
		f.b = append(f.b, "true"...)
	}
}

// Time adds a time.
func (f *Form) Time(name string, t time.Time) {
	if !t.IsZero() {
		f.Moment(name, t)
	}
}

// Moment adds a time, zero or not.
func (f *Form) Moment(name string, t time.Time) {
	f.name(name)
	f.b = append(t.UTC().AppendFormat(append(f.b, '"'), time.RFC3339Nano), '"')
}

// Texts adds a list of texts.
func (f *Form) Texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	f.List(name)
	for _, v := range list {
		f.String("", v)
	}
	f.EndList()
}

// Object begins a member that is an object, or with an empty name an element.
func (f *Form) Object(name string) {
	f.name(name)
	f.b = append(f.b, '{')
}

// EndObject ends the innermost object.
func (f *Form) EndObject() { f.b = append(f.b, '}') }

// List begins a member that is a list.
func (f *Form) List(name string) {
	f.name(name)
	f.b = append(f.b, '[')
}

// EndList ends the innermost list.
func (f *Form) EndList() { f.b = append(f.b, ']') }

const hexDigits = "0123456789abcdef"

// quote appends s as RFC 8785 writes it. Bytes that are no UTF-8 become U+FFFD, as
// they do when the record is stored.
func quote(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}
