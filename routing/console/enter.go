package console

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"casewire/casecore/staff"
)

// maxEntry is how many bytes a form of this file may have.
const maxEntry = 1 << 16

type gatePage struct {
	Title, Centre, Path, Back, Login string

	Notice *notice
	Who    string // whose password is set
	Least  int    // characters of a password
	Over   bool   // the link cannot be used
}

// guest is a visit of somebody who is not signed in.
func (c *Console) guest(w http.ResponseWriter, r *http.Request) *visit {
	w.Header().Set("Cache-Control", "no-store")
	return &visit{w: w, r: r, voice: c.voiceFor(r), now: c.now()}
}

// sendToSignIn remembers what was asked for, unless it cannot be repeated.
func (c *Console) sendToSignIn(v *visit) {
	if v.r.Header.Get("X-Part") != "" {
		http.Error(v.w, v.T("error.signed_out"), http.StatusUnauthorized)
		return
	}
	to := "/desk/sign-in"
	if v.r.Method == http.MethodGet && v.r.URL.Path != Prefix {
		to += "?back=" + queryEscape(v.r.URL.RequestURI())
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	v := c.guest(w, r)
	if _, _, err := c.o.Gate.Actor(r); err == nil {
		http.Redirect(w, r, local(r.FormValue("back")), http.StatusSeeOther)
		return
	}
	c.showSignIn(v, http.StatusOK, "", nil)
}

// showSignIn shows the form with what was wrong with the last try.
//
//nolint:contextcheck // the visit's request carries the context
func (c *Console) showSignIn(v *visit, code int, login string, n *notice) {
	p := gatePage{Title: v.T("signin.title"), Centre: c.o.Centre(), Path: "/desk/sign-in", Back: local(v.r.FormValue("back")), Login: login, Notice: n}
	if err := c.show(v, code, "signin", p); err != nil {
		c.fault(v, err)
	}
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	v := c.guest(w, r)
	if err := v.readForm(maxEntry); err != nil {
		c.fault(v, err)
		return
	}
	login := r.FormValue("login")
	_, err := c.o.Gate.SignIn(w, r, login, r.FormValue("password"))
	var many *staff.TooMany
	switch {
	case errors.Is(err, staff.ErrBadLogin):
		c.showSignIn(v, http.StatusUnauthorized, clip(login), &notice{Tone: "red", Icon: "alarm", Text: v.T("signin.bad"), Mend: v.T("signin.bad_do")})
	case errors.As(err, &many):
		c.showSignIn(v, http.StatusTooManyRequests, clip(login), &notice{Tone: "amber", Icon: "clock", Text: v.T("signin.many"), Mend: v.T("signin.many_do", "span", v.Span(many.RetryAfter+minute))})
	case err != nil:
		c.fault(v, err)
	default:
		c.rememberLanguage(v, login)
		http.Redirect(w, r, local(r.FormValue("back")), http.StatusSeeOther)
	}
}

// rememberLanguage starts with the operator's own language in a browser where
// none was chosen.
//
//nolint:contextcheck // the visit's request carries the context
func (c *Console) rememberLanguage(v *visit, login string) {
	if _, err := v.r.Cookie(languageCookie); err == nil {
		return
	}
	o, err := c.o.Staff.Find(v.ctx(), login)
	if err == nil && c.speak[o.Lang] != nil {
		v.setLanguage(o.Lang)
	}
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	v := c.guest(w, r)
	if err := c.o.Gate.SignOut(w, r); err != nil {
		c.fault(v, err)
		return
	}
	http.Redirect(w, r, "/desk/sign-in", http.StatusSeeOther)
}

// setLanguage keeps the chosen language in a cookie of this browser.
func (c *Console) setLanguage(w http.ResponseWriter, r *http.Request) {
	v := c.guest(w, r)
	if err := v.readForm(maxEntry); err != nil {
		c.fault(v, err)
		return
	}
	if tag := r.FormValue("lang"); c.speak[tag] != nil {
		v.setLanguage(tag)
	}
	http.Redirect(w, r, local(r.FormValue("back")), http.StatusSeeOther)
}

func (v *visit) setLanguage(tag string) {
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // a language, no secret; readable over plain http by design
		Name: languageCookie, Value: tag, Path: Prefix, MaxAge: 365 * 24 * 60 * 60,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

type settingsPage struct{ shell }

func (c *Console) settings(v *visit) error {
	s, err := c.shell(v, "settings", v.T("nav.settings"))
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "settings", settingsPage{s})
}

func (c *Console) welcomePage(w http.ResponseWriter, r *http.Request) {
	v := c.guest(w, r)
	o, err := c.o.Staff.LinkOwner(r.Context(), r.PathValue("token"))
	c.showWelcome(v, o, err, nil)
}

// showWelcome shows the form, or that the link cannot be used.
//
//nolint:contextcheck // the visit's request carries the context
func (c *Console) showWelcome(v *visit, o *staff.Operator, err error, n *notice) {
	v.w.Header().Set("Referrer-Policy", "no-referrer")
	p := gatePage{Title: v.T("welcome.title"), Centre: c.o.Centre(), Path: v.r.URL.Path, Least: staff.MinPassword, Notice: n}
	code := http.StatusOK
	switch {
	case errors.Is(err, staff.ErrBadLink):
		code, p.Over = http.StatusGone, true
		p.Notice = &notice{Tone: "amber", Icon: "clock", Text: v.T("welcome.over"), Mend: v.T("welcome.over_do")}
	case err != nil:
		c.fault(v, err)
		return
	case n != nil:
		code = http.StatusUnprocessableEntity
	}
	if o != nil {
		p.Who = o.Name
	}
	if err := c.show(v, code, "welcome", p); err != nil {
		c.fault(v, err)
	}
}

// welcome sets the password of the link's owner and signs them in with it.
func (c *Console) welcome(w http.ResponseWriter, r *http.Request) {
	v := c.guest(w, r)
	if err := v.readForm(maxEntry); err != nil {
		c.fault(v, err)
		return
	}
	token, password := r.PathValue("token"), r.FormValue("password")
	o, err := c.o.Staff.LinkOwner(r.Context(), token)
	if err != nil {
		c.showWelcome(v, nil, err, nil)
		return
	}
	if password != r.FormValue("again") {
		c.showWelcome(v, o, nil, &notice{Tone: "red", Icon: "alarm", Text: v.T("welcome.differ"), Mend: v.T("welcome.differ_do")})
		return
	}
	o2, err := c.o.Staff.Redeem(r.Context(), token, password)
	if refused := staff.Refusals(err); len(refused) > 0 {
		c.showWelcome(v, o, nil, &notice{Tone: "red", Icon: "alarm", Text: v.T("welcome.refused"), Mend: v.N("welcome.rule", staff.MinPassword)})
		return
	}
	if err != nil {
		c.showWelcome(v, nil, err, nil)
		return
	}
	if _, err := c.o.Gate.SignIn(w, r, o2.Login, password); err != nil {
		http.Redirect(w, r, "/desk/sign-in", http.StatusSeeOther)
		return
	}
	c.rememberLanguage(v, o2.Login)
	http.Redirect(w, r, Prefix, http.StatusSeeOther)
}

// local accepts only addresses of the console itself, so that nobody can be led
// elsewhere after signing in.
func local(back string) string {
	back = cmp.Or(back, Prefix)
	if !strings.HasPrefix(back, Prefix) || strings.ContainsAny(back, "\\\r\n") || strings.HasPrefix(back, "/desk/sign-") {
		return Prefix
	}
	return back
}
