// Package access is the one place where an HTTP request, a page's or a socket's,
// is told apart by who makes it: a bearer token or a session cookie becomes an
// Actor. It knows cookies, headers and proxies; passwords and rights are staff's
// and casecore's.
package access

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"casewire/casecore"
	"casewire/casecore/staff"
)

// Names of the session cookie. The __Host- prefix makes browsers insist on
// Secure, on Path=/ and on no Domain, so that no neighbouring site can set it.
const (
	CookieSecure = "__Host-casewire"
	CookiePlain  = "casewire_session" // over plain http, for trying out on one's own machine
)

// Options of a Gate.
type Options struct {
	Secure         bool           // the outside reaches us over https
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; none by default
	// Local is a secret that stands for the administrator of this machine; it is
	// made anew by each process. Empty: there is none.
	Local string
}

// Gate authenticates requests. It is safe for concurrent use.
type Gate struct {
	staff *staff.Directory
	o     Options
}

// New returns a gate over these people.
func New(dir *staff.Directory, o Options) *Gate { return &Gate{staff: dir, o: o} }

// Actor returns who makes the request, and under which session or token. A
// request with an Authorization header is judged by that alone, whatever cookies
// come with it. Everything but a valid one is staff.ErrNotSignedIn.
func (g *Gate) Actor(r *http.Request) (casecore.Actor, *staff.Session, error) {
	if h, ok := r.Header["Authorization"]; ok {
		scheme, token, _ := strings.Cut(strings.Join(h, ","), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return casecore.Actor{}, nil, staff.ErrNotSignedIn
		}
		token = strings.TrimSpace(token)
		if g.o.Local != "" && subtle.ConstantTimeCompare([]byte(token), []byte(g.o.Local)) == 1 {
			return local(), &staff.Session{Token: localToken}, nil
		}
		return g.staff.TokenSession(r.Context(), token)
	}
	secret, ok := g.secret(r)
	if !ok {
		return casecore.Actor{}, nil, staff.ErrNotSignedIn
	}
	return g.staff.Session(r.Context(), secret)
}

// localToken marks the session of who holds the secret of this process, which no
// directory knows and nothing but the end of the process revokes.
const localToken = "local"

func (g *Gate) local(s *staff.Session) bool {
	return g.o.Local != "" && s.Token == localToken && s.ID == ""
}

// local is who holds the secret of this process.
func local() casecore.Actor {
	return casecore.Actor{ID: "local", Name: "administrator of this machine", Roles: []string{casecore.RoleAdmin}}
}

// SignIn checks the password, opens a session and sets its cookie; the session
// that the browser had before ends. Errors are those of staff.Directory.SignIn.
func (g *Gate) SignIn(w http.ResponseWriter, r *http.Request, login, password string) (casecore.Actor, error) {
	secret, _, err := g.staff.SignIn(r.Context(), login, password, g.Remote(r))
	if err != nil {
		return casecore.Actor{}, err
	}
	if before, ok := g.secret(r); ok {
		if err := g.staff.SignOut(r.Context(), before); err != nil {
			return casecore.Actor{}, err
		}
	}
	a, _, err := g.staff.Session(r.Context(), secret)
	if err != nil {
		return casecore.Actor{}, err
	}
	http.SetCookie(w, g.cookie(secret, int(staff.SessionAge.Seconds())))
	return a, nil
}

// SignOut ends the request's session and removes its cookie. Without a session
// it does nothing.
func (g *Gate) SignOut(w http.ResponseWriter, r *http.Request) error {
	secret, ok := g.secret(r)
	if !ok {
		return nil
	}
	if err := g.staff.SignOut(r.Context(), secret); err != nil {
		return err
	}
	http.SetCookie(w, g.cookie("", -1))
	return nil
}

// Again returns who a session of Actor belongs to, with the rights of now, or
// staff.ErrNotSignedIn when it has ended. It writes nothing and is no request.
func (g *Gate) Again(ctx context.Context, s *staff.Session) (casecore.Actor, error) {
	switch {
	case s == nil:
		return casecore.Actor{}, staff.ErrNotSignedIn
	case g.local(s):
		return local(), nil
	}
	return g.staff.Again(ctx, s)
}

// Valid says whether what was opened under s may stay open.
func (g *Gate) Valid(ctx context.Context, s *staff.Session) bool {
	return s != nil && (g.local(s) || g.staff.Valid(ctx, s))
}

// Revoked is closed within a second after s has ceased to be valid; see
// staff.Directory.Revoked.
func (g *Gate) Revoked(ctx context.Context, s *staff.Session) <-chan struct{} {
	if g.local(s) {
		return make(chan struct{})
	}
	return g.staff.Revoked(ctx, s)
}

// Touch keeps a session from going idle while its socket is used.
func (g *Gate) Touch(ctx context.Context, s *staff.Session) error {
	return g.staff.Touch(ctx, s)
}

// SignedOut says whether err means that nobody is signed in, rather than that it
// could not be found out.
func SignedOut(err error) bool { return errors.Is(err, staff.ErrNotSignedIn) }

func (g *Gate) name() string {
	if g.o.Secure {
		return CookieSecure
	}
	return CookiePlain
}

func (g *Gate) secret(r *http.Request) (string, bool) {
	c, err := r.Cookie(g.name())
	if err != nil || c.Value == "" {
		return "", false
	}
	return c.Value, true
}

func (g *Gate) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: g.name(), Value: value, Path: "/", MaxAge: maxAge,
		Secure: g.o.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// Remote returns the address the request came from: the peer's, or the nearest
// one in X-Forwarded-For that is not a trusted proxy, when the peer is one.
func (g *Gate) Remote(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	at := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && g.trusts(at); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = next.Unmap()
	}
	return at.String()
}

func (g *Gate) trusts(a netip.Addr) bool {
	for _, p := range g.o.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
