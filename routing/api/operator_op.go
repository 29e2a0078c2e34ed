package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"casewire/casecore"
	"casewire/casecore/staff"
	"casewire/casecore/store"
)

// Operator is a person who works here. Colleagues see the first fields only.
type Operator struct {
	ID       string   `json:"id"`
	Login    string   `json:"login"`
	Name     string   `json:"name"`
	Queues   []string `json:"queues"`
	Disabled bool     `json:"disabled"`
	*Account
}

// Account is what supervisors and administrators see of an operator besides.
type Account struct {
	Roles       []string  `json:"roles"`
	Capacity    int       `json:"capacity" doc:"Active cases they may hold; 0: no limit."`
	Lang        string    `json:"lang"`
	Phone       string    `json:"phone,omitempty" doc:"In E.164: rings when they call a customer."`
	Email       string    `json:"email,omitempty" doc:"Where notices for their role go."`
	HasPassword bool      `json:"has_password"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Version     uint64    `json:"version"`
}

// NewOperator is an operator to be made.
type NewOperator struct {
	Login    string   `json:"login" maxLength:"64" example:"olena"`
	Name     string   `json:"name" maxLength:"100" example:"Olena Bondar"`
	Password string   `json:"password,omitempty" maxLength:"200" writeOnly:"true" doc:"Leave it out to get a link with which they set one."`
	Roles    []string `json:"roles" maxItems:"10" example:"[\"operator\"]"`
	Queues   []string `json:"queues,omitempty" maxItems:"200"`
	Capacity int      `json:"capacity,omitempty" minimum:"0" maximum:"1000"`
	Lang     string   `json:"lang,omitempty" maxLength:"16"`
	Phone    string   `json:"phone,omitempty" maxLength:"32" example:"+381601234567" doc:"Rings when they call a customer. With its country."`
	Email    string   `json:"email,omitempty" maxLength:"254" example:"olena@shop.example" doc:"Where notices for their role go."`
}

// NewlyMade is an operator with the link for their first password.
type NewlyMade struct {
	Operator
	Link *SignInLink `json:"link,omitempty" doc:"Told once: a repeat of the request leaves it out."`
}

// SignInLink lets its bearer set the operator's password, once.
type SignInLink struct {
	Secret    string    `json:"secret,omitempty" doc:"Told once and kept nowhere: a repeat of the request leaves it out."`
	ExpiresAt time.Time `json:"expires_at"`
}

// OperatorEdit is what to change of an operator; what is left out stays.
type OperatorEdit struct {
	Name     *string  `json:"name,omitempty" maxLength:"100"`
	Password *string  `json:"password,omitempty" maxLength:"200" writeOnly:"true" doc:"Ends their sessions."`
	Roles    []string `json:"roles,omitempty" maxItems:"10"`
	Queues   []string `json:"queues,omitempty" maxItems:"200" doc:"All of them; an empty list for none."`
	Capacity *int     `json:"capacity,omitempty" minimum:"0" maximum:"1000"`
	Lang     *string  `json:"lang,omitempty" maxLength:"16"`
	Phone    *string  `json:"phone,omitempty" maxLength:"32" doc:"With its country; empty for none."`
	Email    *string  `json:"email,omitempty" maxLength:"254" doc:"Where notices for their role go; empty for none."`
	Disabled *bool    `json:"disabled,omitempty" doc:"Ends their sessions and closes their live feeds."`
}

type (
	operatorsInput   struct{ Paged }
	newOperatorInput struct {
		Creating
		Body NewOperator
	}
	operatorEditInput struct {
		ID string `path:"id" maxLength:"128" doc:"Id or login of the operator."`
		Matching
		Body OperatorEdit
	}
	linkInput struct {
		Creating
		ID string `path:"id" maxLength:"128" doc:"Id or login of the operator."`
	}
)

// linkAge is how long an operator has to set their first password.
const linkAge = 72 * time.Hour

func (a *API) operatorOperations(r *registrar) {
	register(r, operation{id: "list-operators", method: http.MethodGet, path: "/operators", tag: "Operators", summary: "List operators",
		about: "By login. Roles and accounts are for supervisors and administrators."}, a.listOperators)
	register(r, operation{id: "create-operator", method: http.MethodPost, path: "/operators", tag: "Operators", summary: "Make an operator",
		status: http.StatusCreated, body: jsonBody, refuses: []int{429},
		example: map[string]any{"login": "olena", "name": "Olena Bondar", "roles": []any{"operator"}, "queues": []any{"phones"}, "capacity": 20}}, a.createOperator)
	register(r, operation{id: "change-operator", method: http.MethodPatch, path: "/operators/{id}", tag: "Operators", summary: "Change an operator",
		about: "It holds at once: the next request has the new rights, and live feeds are closed to be opened again. If-Match is asked when it is given.",
		body:  jsonBody, refuses: []int{404, 409, 412, 429}, example: map[string]any{"queues": []any{"phones", "general"}}}, a.changeOperator)
	register(r, operation{id: "link-operator", method: http.MethodPost, path: "/operators/{id}/link", tag: "Operators", summary: "Make a link to set a password",
		about: "It works once, within 72 hours; earlier ones of this operator end.", status: http.StatusCreated, refuses: []int{404}}, a.linkOperator)
}

func operatorOf(o *staff.Operator, full bool) Operator {
	out := Operator{ID: o.ID, Login: o.Login, Name: o.Name, Queues: some(o.Queues), Disabled: o.Disabled}
	if full {
		out.Account = &Account{Roles: some(o.Roles), Capacity: o.Capacity, Lang: o.Lang, Phone: o.Phone, Email: o.Email, HasPassword: o.Password != "",
			CreatedAt: o.Created.UTC(), UpdatedAt: o.Updated.UTC(), Version: o.Version}
	}
	return out
}

func (a *API) listOperators(ctx context.Context, c *call, in *operatorsInput) (*plain[List[Operator]], error) {
	of, err := a.listed(ctx, c, in.Cursor, "operators")
	if err != nil {
		return nil, err
	}
	all, next, err := a.Staff.List(ctx, of.mark, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &plain[List[Operator]]{Body: List[Operator]{Items: []Operator{}, Next: of.write(next)}}
	for _, o := range all {
		out.Body.Items = append(out.Body.Items, operatorOf(o, supervises.allows(c.actor)))
	}
	return out, nil
}

func (a *API) createOperator(ctx context.Context, c *call, in *newOperatorInput) (*created[NewlyMade], error) {
	b := in.Body
	out, err := once(ctx, a, c, in.Key, "", func(keep keep[NewlyMade]) (*created[NewlyMade], error) {
		var out *created[NewlyMade]
		_, err := a.Staff.Create(ctx, staff.Operator{Login: b.Login, Name: b.Name, Roles: b.Roles, Queues: b.Queues, Capacity: b.Capacity, Lang: b.Lang, Phone: b.Phone, Email: b.Email}, b.Password,
			func(tx store.Tx, o *staff.Operator) error {
				out = &created[NewlyMade]{Status: http.StatusCreated, ETag: etag(o.Version), Location: Prefix + "/operators/" + o.ID, Body: NewlyMade{Operator: operatorOf(o, true)}}
				return keep(tx, out)
			})
		return out, err
	})
	if err != nil || b.Password != "" || out.Replayed != "" {
		return out, err
	}
	out.Body.Link, err = a.link(ctx, out.Body.ID)
	return out, err
}

func (a *API) link(ctx context.Context, id string) (*SignInLink, error) {
	secret, err := a.Staff.CreateLink(ctx, id, linkAge)
	if err != nil {
		return nil, err
	}
	return &SignInLink{Secret: secret, ExpiresAt: a.o.Now().Add(linkAge).UTC()}, nil
}

func (a *API) linkOperator(ctx context.Context, c *call, in *linkInput) (*created[SignInLink], error) {
	var secret string
	out, err := once(ctx, a, c, in.Key, "", func(keep keep[SignInLink]) (*created[SignInLink], error) {
		var out *created[SignInLink]
		s, err := a.Staff.CreateLink(ctx, in.ID, linkAge, func(tx store.Tx) error {
			out = &created[SignInLink]{Status: http.StatusCreated, Body: SignInLink{ExpiresAt: a.o.Now().Add(linkAge).UTC()}}
			return keep(tx, out)
		})
		secret = s
		return out, err
	})
	if err == nil && out.Replayed == "" {
		out.Body.Secret = secret
	}
	return out, err
}

func (a *API) changeOperator(ctx context.Context, _ *call, in *operatorEditInput) (*stated[Operator], error) {
	version, p := versionIn(in.Match)
	if p != nil {
		return nil, p
	}
	b := in.Body
	o, err := a.Staff.Update(ctx, in.ID, staff.Change{Name: b.Name, Roles: b.Roles, Queues: b.Queues, Capacity: b.Capacity, Lang: b.Lang, Phone: b.Phone, Email: b.Email, Disabled: b.Disabled, Password: b.Password}, version)
	if errors.Is(err, store.ErrConflict) {
		return nil, problem("stale", "the operator has changed meanwhile; read it again and repeat the change")
	}
	if err != nil {
		return nil, err
	}
	return &stated[Operator]{ETag: etag(o.Version), Body: operatorOf(o, true)}, nil
}

// Token is what programs sign in with.
type Token struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Roles     []string   `json:"roles"`
	Queues    []string   `json:"queues"`
	CreatedBy string     `json:"created_by,omitempty" doc:"Id of the operator."`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

// NewToken is a token to be issued.
type NewToken struct {
	Name      string    `json:"name" maxLength:"100" example:"1C exchange"`
	Roles     []string  `json:"roles" maxItems:"10" example:"[\"integrator\"]"`
	Queues    []string  `json:"queues,omitempty" maxItems:"200" doc:"For roles that are bound to queues."`
	ExpiresAt time.Time `json:"expires_at" doc:"At most five years away."`
}

// IssuedToken is a token with its secret.
type IssuedToken struct {
	Token
	Secret string `json:"secret,omitempty" doc:"For Authorization: Bearer. Told once and kept nowhere: a repeat of the request leaves it out."`
}

type (
	tokensInput   struct{ Paged }
	newTokenInput struct {
		Creating
		Body NewToken
	}
	tokenInput struct {
		ID string `path:"id" maxLength:"128" doc:"Id of the token."`
	}
)

func (a *API) tokenOperations(r *registrar) {
	register(r, operation{id: "list-tokens", method: http.MethodGet, path: "/tokens", tag: "Tokens", summary: "List tokens",
		about: "The newest first, with those that are over."}, a.listTokens)
	register(r, operation{id: "create-token", method: http.MethodPost, path: "/tokens", tag: "Tokens", summary: "Issue a token",
		about: "For a program, with the roles it needs.", status: http.StatusCreated, body: jsonBody,
		example: map[string]any{"name": "1C exchange", "roles": []any{casecore.RoleIntegrator}, "expires_at": "2027-01-01T00:00:00Z"}}, a.createToken)
	register(r, operation{id: "revoke-token", method: http.MethodDelete, path: "/tokens/{id}", tag: "Tokens", summary: "Revoke a token",
		about: "At once; its live feeds close within a second.", refuses: []int{404}}, a.revokeToken)
}

func tokenOf(t *staff.Token) Token {
	return Token{ID: t.ID, Name: t.Name, Roles: some(t.Roles), Queues: some(t.Queues), CreatedBy: t.By,
		CreatedAt: t.Created.UTC(), ExpiresAt: t.Expires.UTC(), RevokedAt: moment(t.Revoked)}
}

func (a *API) listTokens(ctx context.Context, c *call, in *tokensInput) (*plain[List[Token]], error) {
	of, err := a.listed(ctx, c, in.Cursor, "tokens")
	if err != nil {
		return nil, err
	}
	all, next, err := a.Staff.Tokens(ctx, of.mark, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &plain[List[Token]]{Body: List[Token]{Items: []Token{}, Next: of.write(next)}}
	for _, t := range all {
		out.Body.Items = append(out.Body.Items, tokenOf(t))
	}
	return out, nil
}

func (a *API) createToken(ctx context.Context, c *call, in *newTokenInput) (*created[IssuedToken], error) {
	var secret string
	out, err := once(ctx, a, c, in.Key, "", func(keep keep[IssuedToken]) (*created[IssuedToken], error) {
		var out *created[IssuedToken]
		_, s, err := a.Staff.IssueToken(ctx, &staff.Token{Name: in.Body.Name, Roles: in.Body.Roles, Queues: in.Body.Queues, By: c.actor.ID}, in.Body.ExpiresAt.Sub(a.o.Now()),
			func(tx store.Tx, t *staff.Token) error {
				out = &created[IssuedToken]{Status: http.StatusCreated, Body: IssuedToken{Token: tokenOf(t)}}
				return keep(tx, out)
			})
		secret = s
		return out, err
	})
	if err == nil && out.Replayed == "" {
		out.Body.Secret = secret
	}
	return out, err
}

func (a *API) revokeToken(ctx context.Context, _ *call, in *tokenInput) (*plain[Token], error) {
	t, err := a.Staff.RevokeToken(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &plain[Token]{Body: tokenOf(t)}, nil
}
