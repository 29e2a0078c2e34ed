package sms

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"casewire/channels/sms/sandbox"

	"github.com/twilio/twilio-go/client"
)

// The vector that Twilio publishes (S1).
const (
	vectorURL   = "https://mycompany.com"
	vectorPath  = "/myapp.php?foo=1&bar=2"
	vectorToken = "12345"
	vectorSign  = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
	vectorForm  = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
)

func mustForm(t testing.TB, body string) form {
	t.Helper()
	f, err := parseForm(body)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mustSeals(t testing.TB, public string, tokens ...string) seals {
	t.Helper()
	s, err := newSeals(public, tokens...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPublishedSignature(t *testing.T) {
	f := mustForm(t, vectorForm)
	for _, v := range []struct {
		name, public, path, sign string
		tokens                   []string
		form                     form
		want                     bool
	}{
		{"as published", vectorURL, vectorPath, vectorSign, []string{vectorToken}, f, true},
		{"second of two tokens", vectorURL, vectorPath, vectorSign, []string{"other", vectorToken}, f, true},
		{"configured with the port", vectorURL + ":443", vectorPath, vectorSign, []string{vectorToken}, f, true},
		{"another token", vectorURL, vectorPath, vectorSign, []string{"12346"}, f, false},
		{"another host", "https://mycompany.org", vectorPath, vectorSign, []string{vectorToken}, f, false},
		{"plain http", "http://mycompany.com", vectorPath, vectorSign, []string{vectorToken}, f, false},
		{"another query", vectorURL, "/myapp.php?foo=1&bar=3", vectorSign, []string{vectorToken}, f, false},
		{"no query", vectorURL, "/myapp.php", vectorSign, []string{vectorToken}, f, false},
		{"a parameter less", vectorURL, vectorPath, vectorSign, []string{vectorToken}, f[1:], false},
		{"no signature", vectorURL, vectorPath, "", []string{vectorToken}, f, false},
		{"no base64", vectorURL, vectorPath, "!", []string{vectorToken}, f, false},
		{"cut short", vectorURL, vectorPath, vectorSign[:24], []string{vectorToken}, f, false},
	} {
		if got := mustSeals(t, v.public, v.tokens...).holds(v.sign, v.path, v.form); got != v.want {
			t.Errorf("%s: %t", v.name, got)
		}
	}
}

func TestSealsNeedAToken(t *testing.T) {
	if _, err := newSeals(vectorURL); err == nil {
		t.Error("without tokens every signature could hold")
	}
	if _, err := newSeals(vectorURL, "", ""); err == nil {
		t.Error("an empty token is no token")
	}
}

// Our signature check and the library's agree on random forms, whole and damaged.
func TestSignaturesAgreeWithTheLibrary(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]rune, rnd.IntN(12)+1)
		for i := range b {
			b[i] = []rune("abcXYZ019 +&=%/?#äя👍\n'\"")[rnd.IntN(22)]
		}
		return string(b)
	}
	lib := client.NewRequestValidator(vectorToken)
	for range 300 {
		public := []string{"https://a.example", "https://a.example:443", "http://a.example:8080", "http://127.0.0.1:1234"}[rnd.IntN(4)]
		path := "/hooks/sms/shop"
		if rnd.IntN(2) == 0 {
			path += "/status?id=" + url.QueryEscape(word())
		}
		values, params := url.Values{}, map[string]string{}
		for range rnd.IntN(20) {
			k, v := word(), word()
			values.Set(k, v)
			params[k] = v
		}
		sign := sandbox.Sign(vectorToken, public+path, values)
		f := mustForm(t, values.Encode())
		s := mustSeals(t, public, vectorToken)
		if !s.holds(sign, path, f) || !lib.Validate(public+path, params, sign) {
			t.Fatalf("%s%s %v: ours %t, the library's %t", public, path, values, s.holds(sign, path, f), lib.Validate(public+path, params, sign))
		}
		if len(f) > 0 {
			f[rnd.IntN(len(f))].value += "x"
			if s.holds(sign, path, f) {
				t.Fatal("a changed value passes")
			}
		}
	}
}

func TestParseForm(t *testing.T) {
	for body, want := range map[string]error{
		"":                             nil,
		"a=1&b=2":                      nil,
		"a":                            nil,
		"a=%D1%8F+%2B":                 nil,
		"a=1&a=1":                      errDuplicate,
		"a=1&b=2&%61=3":                errDuplicate,
		"a=%zz":                        errMangled,
		"a=%2":                         errMangled,
		"=1":                           errMangled,
		"a=1&&b=2":                     errMangled,
		"a=1;b=2":                      errMangled,
		strings.Repeat("a=1&", 300):    errMangled,
		"%zz=1":                        errMangled,
		"Body=a&MessageSid=1&Body=b&x": errDuplicate,
	} {
		if _, err := parseForm(body); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", body, err, want)
		}
	}
}

// A form is read as net/url reads it, or not at all; whatever it holds, a signature
// over it is found valid and one over anything else is not.
func FuzzForm(f *testing.F) {
	f.Add(vectorForm)
	f.Add("Body=%D1%81%D1%82%D0%BE%D0%BF&From=%2B381601234567&MessageSid=SM1")
	f.Add("a=1&a=2")
	f.Add("a=%zz;b&=")
	s := mustSeals(f, "https://a.example", vectorToken)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := parseForm(body)
		if err != nil {
			return
		}
		want, err := url.ParseQuery(body)
		if err != nil || len(want) != len(got) {
			t.Fatalf("%q: %d fields, net/url has %d (%v)", body, len(got), len(want), err)
		}
		for _, x := range got {
			if v := want[x.name]; len(v) != 1 || v[0] != x.value || got.get(x.name) != x.value {
				t.Errorf("%q: %q is %q, net/url has %q", body, x.name, x.value, v)
			}
		}
		if !slices.IsSortedFunc(got, func(a, b field) int { return strings.Compare(a.name, b.name) }) {
			t.Errorf("%q: not sorted", body)
		}
		sign := sandbox.Sign(vectorToken, "https://a.example/x", want)
		if !s.holds(sign, "/x", got) || s.holds(sign, "/y", got) {
			t.Errorf("%q: signature", body)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	values := sample()
	body := values.Encode()
	const public, path = "https://repair.example", "/hooks/sms/shop"
	s := mustSeals(b, public, vectorToken, "another")
	sign := sandbox.Sign(vectorToken, public+path, values)
	b.ReportAllocs()
	for b.Loop() {
		f, err := parseForm(body)
		if err != nil || !s.holds(sign, path, f) {
			b.Fatal(fmt.Errorf("not valid: %w", err))
		}
	}
}

// sample is a form of usual size.
func sample() url.Values {
	return url.Values{
		"MessageSid": {sid(1)}, "SmsSid": {sid(1)}, "SmsMessageSid": {sid(1)}, "AccountSid": {sandbox.DefaultAccount},
		"From": {customer}, "To": {ourNumber}, "Body": {"Здравствуйте, мой телефон упал в воду, посмотрите?"},
		"NumMedia": {"0"}, "NumSegments": {"1"}, "ApiVersion": {"2010-04-01"}, "SmsStatus": {"received"},
		"FromCountry": {"RS"}, "FromCity": {""}, "FromState": {""}, "FromZip": {""},
		"ToCountry": {"US"}, "ToCity": {"SAN FRANCISCO"}, "ToState": {"CA"}, "ToZip": {"94105"},
	}
}
