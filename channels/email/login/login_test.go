package login

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"casewire/channels"
)

func secret(s string) channels.Secret { return channels.NewSecret(s) }

// The mechanism is the best that both sides know.
func TestMechanisms(t *testing.T) {
	password := Config{User: "u", Password: secret("p-secret")}
	token := Config{OAuth: OAuth{TokenCommand: []string{"echo", "t-secret"}}}
	for _, test := range []struct {
		cfg     Config
		offered string
		want    string // mechanism and first response, or a part of the error
	}{
		{password, "LOGIN PLAIN", "PLAIN \x00u\x00p-secret"},
		{password, "login", "LOGIN "},
		{password, "CRAM-MD5", "error no way to log in"},
		{password, "", "error no way to log in"},
		{Config{}, "PLAIN", "error no password"},
		{token, "PLAIN XOAUTH2 OAUTHBEARER", "XOAUTH2 user=a@x\x01auth=Bearer t-secret\x01\x01"},
		{token, "OAUTHBEARER", "OAUTHBEARER n,a=a@x,\x01auth=Bearer t-secret\x01\x01"},
		{token, "PLAIN", "error no OAuth"},
	} {
		client, err := New(test.cfg, "a@x", nil).Client(t.Context(), strings.Fields(test.offered))
		var got string
		if err != nil {
			e := new(Error)
			if !errors.As(err, &e) || e.Mend == "" {
				t.Errorf("%s: %v is no *Error with a mend", test.offered, err)
			}
			got = "error " + strings.Replace(err.Error(), "takes no OAuth", "no OAuth", 1)
			got = strings.Replace(got, "the mail server offers ", "", 1)
			got = strings.Replace(got, "the mail server ", "", 1)
		} else {
			name, first, err := client.Start()
			if err != nil {
				t.Fatal(err)
			}
			got = name + " " + string(first)
		}
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %q, want %q", test.offered, got, test.want)
		}
	}
}

// A token lasts until shortly before its end, or until the server refuses it.
func TestTokensAreKept(t *testing.T) {
	now := time.Now()
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		want := "r-secret"
		if n > 1 {
			want = "r2-secret" // the server replaced it
		}
		if r.FormValue("refresh_token") != want || r.FormValue("client_id") != "id" || r.FormValue("client_secret") != "c-secret" || r.FormValue("scope") != "mail" {
			t.Errorf("asked with %v", r.Form)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "t-secret", "expires_in": 3600, "refresh_token": "r2-secret"})
	}))
	defer srv.Close()
	l := New(Config{OAuth: OAuth{
		TokenURL: srv.URL, ClientID: "id", ClientSecret: secret("c-secret"), RefreshToken: secret("r-secret"), Scope: "mail",
	}}, "a@x", func() time.Time { return now })
	for _, step := range []struct {
		what string
		do   func()
		want int64
	}{
		{"first", func() {}, 1},
		{"kept", func() { now = now.Add(50 * time.Minute) }, 1},
		{"near its end", func() { now = now.Add(9 * time.Minute) }, 2},
		{"refused", l.Refused, 3},
		{"kept again", func() {}, 3},
	} {
		step.do()
		if _, err := l.Client(t.Context(), []string{"XOAUTH2"}); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if asked.Load() != step.want {
			t.Errorf("%s: asked %d times, want %d", step.what, asked.Load(), step.want)
		}
	}
}

// Every way in which no token is got is told in words, and tells no secret (E18).
func TestNoToken(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/grant":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"r-secret"}`))
		case "/client":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
		case "/down":
			w.WriteHeader(http.StatusBadGateway)
		case "/elsewhere":
			http.Redirect(w, r, "/grant", http.StatusTemporaryRedirect)
		default:
			_, _ = w.Write([]byte("r-secret is no JSON"))
		}
	}))
	defer srv.Close()
	script := filepath.Join(t.TempDir(), "loud")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho r-secret >&2\necho r-secret\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	url := func(path string) OAuth {
		return OAuth{TokenURL: srv.URL + path, ClientID: "id", RefreshToken: secret("r-secret")}
	}
	for _, test := range []struct {
		name string
		o    OAuth
		want string
	}{
		{"revoked", url("/grant"), "no longer valid"},
		{"unknown client", url("/client"), "does not know us"},
		{"out of order", url("/down"), "out of order"},
		{"sent elsewhere", url("/elsewhere"), "gave no token"},
		{"not JSON", url("/"), "gave no token"},
		{"away", OAuth{TokenURL: "http://127.0.0.1:1/", ClientID: "id", RefreshToken: secret("r-secret")}, "cannot be reached"},
		{"command fails", OAuth{TokenCommand: []string{script}}, "did not succeed"},
		{"no such command", OAuth{TokenCommand: []string{"/nonexistent/token"}}, "did not succeed"},
		{"command says nothing", OAuth{TokenCommand: []string{"true"}}, "printed no token"},
		{"command says too much", OAuth{TokenCommand: []string{"printf", "a\nb"}}, "printed no token"},
		{"command says other JSON", OAuth{TokenCommand: []string{"echo", `{"token":"r-secret"}`}}, "without an access_token"},
	} {
		_, err := New(Config{OAuth: test.o}, "a@x", nil).Client(t.Context(), []string{"XOAUTH2"})
		e := new(Error)
		if !errors.As(err, &e) || !strings.Contains(e.Text, test.want) || e.Mend == "" {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
			continue
		}
		if strings.Contains(e.Error()+e.Mend, "r-secret") {
			t.Errorf("%s: a secret is in %q", test.name, e.Error())
		}
	}
}
