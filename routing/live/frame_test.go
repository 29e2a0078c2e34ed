package live

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: whatever a client sends is either a request that has all its type
// needs, or a fault that can be answered; never a panic, and never an echo of
// what was sent other than a usable id.
func FuzzParse(f *testing.F) {
	types := map[string]bool{"hello": true, "claim": true, "next": true, "release": true, "watch": true, "unwatch": true}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFrame {
			return // the reader refuses it unparsed
		}
		r, bad := parse(data)
		if bad != nil {
			answer, err := json.Marshal(bad.frame())
			if err != nil || !utf8.Valid(answer) || len(answer) > 1024 {
				t.Fatalf("answer %q, %v", answer, err)
			}
			if bad.code == "" || bad.detail == "" || len(bad.id) > maxID {
				t.Fatalf("fault %+v says too little or too much", bad)
			}
			return
		}
		if !types[r.T] {
			t.Fatalf("type %q was accepted", r.T)
		}
		if (r.T == "claim" || r.T == "next" || r.T == "release") && usable(r.ID) == "" {
			t.Fatalf("%s without a usable id was accepted", r.T)
		}
		if (r.T == "claim" || r.T == "release" || r.T == "watch") && !strings.HasPrefix(strings.ToUpper(strings.TrimSpace(r.Case)), "CW-") {
			t.Fatalf("%s of %q was accepted", r.T, r.Case)
		}
	})
}

func TestCanonicalOrigins(t *testing.T) {
	for in, want := range map[string]string{
		"https://Desk.Example":    "https://desk.example",
		"http://desk.example:80":  "http://desk.example",
		"http://[::1]:8080":       "http://[::1]:8080",
		"https://[::1]:443":       "https://[::1]",
		"https://desk.example/":   "",
		"https://desk.example?x":  "",
		"ftp://desk.example":      "",
		"//desk.example":          "",
		"null":                    "",
		"https://a b":             "",
		"https://desk.example#x":  "",
		"javascript:alert(1)":     "",
		"http://desk.example:443": "http://desk.example:443",
	} {
		if got := canonical(in); got != want {
			t.Errorf("canonical(%q) = %q, want %q", in, got, want)
		}
	}
}
