package sms

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// form is the parameters of a webhook, sorted by name. No name comes twice.
type form []field

type field struct{ name, value string }

// maxFields is how many parameters a webhook may have; Twilio's have about 25.
const maxFields = 200

var (
	errMangled   = errors.New("the form cannot be read")
	errDuplicate = errors.New("a parameter comes twice")
)

// parseForm reads a posted form. It is strict where net/url is lenient: a name
// that comes twice would let two readers see two messages.
func parseForm(body string) (form, error) {
	f := make(form, 0, 32)
	for len(body) > 0 {
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		if pair == "" || len(f) == maxFields || strings.IndexByte(pair, ';') >= 0 {
			return nil, errMangled
		}
		name, value, _ := strings.Cut(pair, "=")
		n, err := url.QueryUnescape(name)
		if err != nil || n == "" {
			return nil, errMangled
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return nil, errMangled
		}
		f = append(f, field{n, v})
	}
	slices.SortFunc(f, func(a, b field) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(f); i++ {
		if f[i].name == f[i-1].name {
			return nil, errDuplicate
		}
	}
	return f, nil
}

// get returns a parameter's value, "" for one that is not there.
func (f form) get(name string) string {
	if i, ok := slices.BinarySearchFunc(f, name, func(x field, n string) int { return strings.Compare(x.name, n) }); ok {
		return f[i].value
	}
	return ""
}

// seals are the ways in which a request may be signed: every valid token over every
// way of writing the URL.
type seals struct {
	keys  [][]byte
	bases []string // the public URL, with and without the port that goes without saying
}

// newSeals prepares for webhooks below a public URL. Twilio is inconsistent about
// default ports in what it signs, so both forms count (S1).
func newSeals(public string, tokens ...string) (seals, error) {
	var s seals
	for _, t := range tokens {
		if t != "" {
			s.keys = append(s.keys, []byte(t))
		}
	}
	u, err := url.Parse(public)
	if err != nil || u.Host == "" || len(s.keys) == 0 {
		return s, errors.New("neither URL nor tokens to check signatures with")
	}
	s.bases = []string{public}
	standard := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	other := *u
	switch u.Port() {
	case "":
		other.Host += ":" + standard
	case standard:
		other.Host = strings.TrimSuffix(u.Host, ":"+standard)
	default:
		// Seen with ports that do not go without saying, too.
		other.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	s.bases = append(s.bases, other.String())
	return s, nil
}

// holds says whether signature is that of the form posted to path (with its
// query, as it was requested) below the public URL. All ways are tried, so that
// the time says nothing.
func (s seals) holds(signature, path string, f form) bool {
	want, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(want) != sha1.Size {
		return false
	}
	size := len(path)
	for _, x := range f {
		size += len(x.name) + len(x.value)
	}
	text := make([]byte, 0, size)
	text = append(text, path...)
	for _, x := range f {
		text = append(append(text, x.name...), x.value...)
	}
	var sum [sha1.Size]byte
	ok := 0
	for _, key := range s.keys {
		for _, base := range s.bases {
			mac := hmac.New(sha1.New, key)
			mac.Write([]byte(base))
			mac.Write(text)
			ok |= subtle.ConstantTimeCompare(mac.Sum(sum[:0]), want)
		}
	}
	return ok == 1
}
