package api

import (
	"context"
	"net/http"
	"time"

	"casewire/casecore"
	"casewire/casecore/staff"
)

// Me is who is signed in.
type Me struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Login     string     `json:"login,omitempty" doc:"Absent for programs."`
	Roles     []string   `json:"roles"`
	Queues    []string   `json:"queues"`
	Capacity  int        `json:"capacity" doc:"Active cases they may hold; 0: no limit."`
	Lang      string     `json:"lang,omitempty"`
	Program   bool       `json:"program" doc:"Signed in with a token."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When the session ends if nothing is asked any more."`
}

type signInInput struct {
	Body Credentials
}

// Credentials are what an operator signs in with.
type Credentials struct {
	Login    string `json:"login" minLength:"1" maxLength:"64"`
	Password string `json:"password" minLength:"1" maxLength:"200" writeOnly:"true"`
}

func (a *API) sessionOperations(r *registrar) {
	register(r, operation{
		id: "sign-in", method: http.MethodPost, path: "/sessions", tag: "Sessions", summary: "Sign in",
		about:  "Sets the console's session cookie: 12 hours at most, 30 minutes without a request. Programs use a token instead.",
		status: http.StatusCreated, body: jsonBody, limit: maxCredentials, refuses: []int{401, 429}, example: map[string]any{"login": "olena", "password": "…"},
	}, a.signIn)
	register(r, operation{
		id: "sign-out", method: http.MethodDelete, path: "/sessions/current", tag: "Sessions", summary: "Sign out",
		about: "Ends the session and closes its live feeds within a second. A token stays; revoke it instead.",
	}, a.signOut)
	register(r, operation{
		id: "me", method: http.MethodGet, path: "/me", tag: "Sessions", summary: "Read who is signed in",
	}, a.me)
}

func (a *API) signIn(ctx context.Context, c *call, in *signInInput) (*created[Me], error) {
	who, err := a.Gate.SignIn(c.w, c.r, in.Body.Login, in.Body.Password)
	if err != nil {
		return nil, err
	}
	me, err := a.meOf(ctx, who, nil)
	if err != nil {
		return nil, err
	}
	return &created[Me]{Status: http.StatusCreated, Body: *me}, nil
}

func (a *API) signOut(_ context.Context, c *call, _ *struct{}) (*struct{}, error) {
	return nil, a.Gate.SignOut(c.w, c.r)
}

func (a *API) me(ctx context.Context, c *call, _ *struct{}) (*plain[Me], error) {
	me, err := a.meOf(ctx, c.actor, c.session)
	if err != nil {
		return nil, err
	}
	return &plain[Me]{Body: *me}, nil
}

func (a *API) meOf(ctx context.Context, who casecore.Actor, s *staff.Session) (*Me, error) {
	me := &Me{ID: who.ID, Name: who.Name, Roles: some(who.Roles), Queues: some(who.Queues), Capacity: who.Capacity}
	if s != nil && s.Token != "" {
		me.Program = true
		return me, nil
	}
	if s != nil {
		me.ExpiresAt = moment(s.Expires())
	}
	o, err := a.Staff.Find(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	me.Login, me.Lang = o.Login, o.Lang
	return me, nil
}
