package access_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/staff"
	"casewire/routing/access"
)

const password = "correct horse battery"

func directory(t *testing.T) *staff.Directory {
	t.Helper()
	st := stores.Open(t, staff.Collections()...)
	d := staff.New(st, staff.Options{})
	if _, err := d.Create(t.Context(), staff.Operator{Login: "olena", Name: "Olena", Roles: []string{casecore.RoleOperator}}, password); err != nil {
		t.Fatal(err)
	}
	return d
}

// serve runs a house with three doors: /in, /out and /who.
func serve(t *testing.T, g *access.Gate, tls bool) (*httptest.Server, *http.Client) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/in", func(w http.ResponseWriter, r *http.Request) {
		if _, err := g.SignIn(w, r, "olena", password); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
		if err := g.SignOut(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		a, s, err := g.Actor(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if !g.Valid(r.Context(), s) {
			http.Error(w, "not valid", http.StatusTeapot)
			return
		}
		_, _ = w.Write([]byte(a.Name))
	})
	srv := httptest.NewUnstartedServer(mux)
	if tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := srv.Client()
	c.Jar = jar
	return srv, c
}

func get(t *testing.T, c *http.Client, url string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res
}

func TestCookie(t *testing.T) {
	for _, tt := range []struct {
		name   string
		secure bool
		want   []string
	}{
		{"https", true, []string{"__Host-casewire=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"}},
		{"plain http", false, []string{"casewire_session=", "Path=/", "HttpOnly", "SameSite=Lax"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := access.New(directory(t), access.Options{Secure: tt.secure})
			srv, c := serve(t, g, tt.secure)
			set := get(t, c, srv.URL+"/in").Header.Get("Set-Cookie")
			for _, want := range tt.want {
				if !strings.Contains(set, want) {
					t.Errorf("Set-Cookie has no %q", want)
				}
			}
			if strings.Contains(set, "Secure") != tt.secure || strings.Contains(set, "Domain") {
				t.Error("Secure or Domain is wrong")
			}
			if got := get(t, c, srv.URL+"/who").StatusCode; got != http.StatusOK {
				t.Errorf("signed in: %d", got)
			}
			get(t, c, srv.URL+"/out")
			if got := get(t, c, srv.URL+"/who").StatusCode; got != http.StatusUnauthorized {
				t.Errorf("signed out: %d", got)
			}
		})
	}
}

func TestSigningInAgainEndsTheSessionBefore(t *testing.T) {
	d := directory(t)
	g := access.New(d, access.Options{})
	srv, c := serve(t, g, false)
	first := get(t, c, srv.URL+"/in").Cookies()[0].Value
	get(t, c, srv.URL+"/in")
	if _, _, err := d.Session(t.Context(), first); !errors.Is(err, staff.ErrNotSignedIn) {
		t.Errorf("the first session: %v", err)
	}
	if got := get(t, c, srv.URL+"/who").StatusCode; got != http.StatusOK {
		t.Errorf("the second one: %d", got)
	}
}

func TestAuthorizationHeaderDecidesAlone(t *testing.T) {
	d := directory(t)
	g := access.New(d, access.Options{})
	srv, c := serve(t, g, false)
	get(t, c, srv.URL+"/in")
	secret, err := d.CreateToken(t.Context(), "1C", []string{casecore.RoleIntegrator}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, value string
		want        int
	}{
		{"token", "Bearer " + secret, 200},
		{"any case", "bearer " + secret, 200},
		{"wrong token", "Bearer cwt_wrong", 401},
		{"empty", "", 401},
		{"no token", "Bearer", 401},
		{"another scheme", "Basic b2xlbmE6eA==", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := get(t, c, srv.URL+"/who", "Authorization", tt.value).StatusCode; got != tt.want {
				t.Errorf("status %d, want %d, although the cookie is good", got, tt.want)
			}
		})
	}
	if got := get(t, c, srv.URL+"/who", "Authorization", "Bearer "+secret, "Authorization", "Bearer x").StatusCode; got != 401 {
		t.Errorf("two headers: %d, want 401", got)
	}
}

func TestRemote(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tt := range []struct {
		name, peer string
		forwarded  []string
		trusted    []netip.Prefix
		want       string
	}{
		{"direct", "192.0.2.1:1234", nil, proxies, "192.0.2.1"},
		{"nobody is trusted by default", "10.0.0.1:1", []string{"203.0.113.5"}, nil, "10.0.0.1"},
		{"forged by a stranger", "192.0.2.1:1", []string{"203.0.113.5"}, proxies, "192.0.2.1"},
		{"one proxy", "10.0.0.1:1", []string{"203.0.113.5"}, proxies, "203.0.113.5"},
		{"two proxies", "10.0.0.1:1", []string{"203.0.113.5, 10.9.9.9"}, proxies, "203.0.113.5"},
		{"forged before the proxy", "10.0.0.1:1", []string{"1.1.1.1, 203.0.113.5"}, proxies, "203.0.113.5"},
		{"two headers", "10.0.0.1:1", []string{"1.1.1.1", "203.0.113.5"}, proxies, "203.0.113.5"},
		{"rubbish", "10.0.0.1:1", []string{"<script>"}, proxies, "10.0.0.1"},
		{"mapped peer", "[::ffff:10.0.0.1]:1", []string{"2001:db8::7"}, proxies, "2001:db8::7"},
		{"no port", "pipe", nil, proxies, "pipe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := access.New(nil, access.Options{TrustedProxies: tt.trusted})
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.peer
			r.Header["X-Forwarded-For"] = tt.forwarded
			if got := g.Remote(r); got != tt.want {
				t.Errorf("Remote = %s, want %s", got, tt.want)
			}
		})
	}
}

// What is open under the administrator's local secret stays open, and nothing
// else calls itself local.
func TestAgain(t *testing.T) {
	d := directory(t)
	g := access.New(d, access.Options{Local: "cwl_local-secret"})
	bearer := func(secret string) (casecore.Actor, *staff.Session) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		a, s, err := g.Actor(r)
		if err != nil {
			t.Fatal(err)
		}
		return a, s
	}
	was, s := bearer("cwl_local-secret")
	now, err := g.Again(t.Context(), s)
	if err != nil || now.ID != was.ID || !now.Is(casecore.RoleAdmin) || !g.Valid(t.Context(), s) {
		t.Errorf("local: %+v, %v; want %+v", now, err, was)
	}
	tok, secret, err := d.IssueToken(t.Context(), &staff.Token{Name: "1C", Roles: []string{casecore.RoleIntegrator}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	was, s = bearer(secret)
	if now, err := g.Again(t.Context(), s); err != nil || now.ID != was.ID {
		t.Errorf("token: %+v, %v; want %+v", now, err, was)
	}
	if _, err := d.RevokeToken(t.Context(), tok.ID); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		g *access.Gate
		s *staff.Session
	}{
		"revoked token": {g, s}, "none": {g, nil}, "unknown": {g, &staff.Session{}},
		"local where there is none": {access.New(d, access.Options{}), &staff.Session{Token: "local"}},
	} {
		if a, err := tt.g.Again(t.Context(), tt.s); !errors.Is(err, staff.ErrNotSignedIn) || a.ID != "" {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
