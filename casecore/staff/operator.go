// Package staff keeps who works here: operators with their roles and queues,
// their passwords and sessions, the tokens of programs and one-time links. It
// answers who somebody is and what they are given; what that permits is judged
// by casecore.Authorize. It knows no HTTP: cookies and headers are its callers'.
package staff

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Operator is a person who works with cases.
type Operator struct {
	store.Meta
	Login    string    `json:"login"` // lower case, unique
	Name     string    `json:"name"`
	Password string    `json:"password,omitempty"` // argon2id in PHC form; empty: none is set yet
	Roles    []string  `json:"roles"`
	Queues   []string  `json:"queues,omitempty"`
	Capacity int       `json:"capacity,omitempty"` // active cases they may hold; 0: no limit
	Lang     string    `json:"lang,omitempty"`     // of their pages
	Phone    string    `json:"phone,omitempty"`    // in E.164: rings when they call a customer; empty: they cannot
	Email    string    `json:"email,omitempty"`    // where notices for their role go; empty: they get none
	Disabled bool      `json:"disabled,omitempty"`
	Rights   int64     `json:"rights"` // grows when what they may do changes; closes open sockets
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
}

// Keys of an operator: login, unique.
func (o *Operator) Keys() store.Keys {
	k := store.Keys{}
	k.Set("login", o.Login)
	return k
}

// Actor is the operator as the book knows them.
func (o *Operator) Actor() casecore.Actor {
	return casecore.Actor{ID: o.ID, Name: o.Name, Roles: o.Roles, Queues: o.Queues, Capacity: o.Capacity}
}

var operators = store.NewTable[Operator]("operator", store.Index{Name: "login", Unique: true})

// Collections lists what this room keeps, for opening a store.
func Collections() []*store.Coll {
	return []*store.Coll{operators.Coll(), sessions.Coll(), tokens.Coll(), links.Coll()}
}

// Refused says which part of an account or a token cannot be as it was given.
// Several of them come joined.
type Refused struct{ Field, Msg string }

func (r *Refused) Error() string { return r.Field + ": " + r.Msg }

// Refusals returns every *Refused in err, in order.
func Refusals(err error) []*Refused {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*Refused
		for _, e := range joined.Unwrap() {
			out = append(out, Refusals(e)...)
		}
		return out
	}
	if r, ok := errors.AsType[*Refused](err); ok {
		return []*Refused{r}
	}
	return nil
}

// Limits of what people type.
const (
	MaxLogin    = 64 // characters
	MaxName     = 100
	MinPassword = 10
	MaxPassword = 200
	MaxCapacity = 1000
	maxQueues   = 200
	maxEmail    = 254
)

// CleanLogin is the form under which a login is kept and compared.
func CleanLogin(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func checkLogin(s string) error {
	const also = "._-@"
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(also, r)
	}
	switch {
	case s == "":
		return &Refused{"login", "required"}
	case len(s) < 2 || len(s) > MaxLogin:
		return &Refused{"login", fmt.Sprintf("has %d characters; take 2 to %d", utf8.RuneCountInString(s), MaxLogin)}
	case strings.ContainsFunc(s, bad):
		return &Refused{"login", "may have only the letters a to z, digits and . _ - @"}
	}
	return nil
}

func checkName(field, s string) error {
	switch n := utf8.RuneCountInString(s); {
	case strings.TrimSpace(s) == "":
		return &Refused{field, "required"}
	case n > MaxName:
		return &Refused{field, fmt.Sprintf("has %d characters; at most %d", n, MaxName)}
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return &Refused{field, "has characters that cannot be shown; write it as plain text on one line"}
	}
	return nil
}

func checkRoles(roles, known []string) error {
	if len(roles) == 0 {
		return &Refused{"roles", "required: one or more of " + strings.Join(known, ", ")}
	}
	for i, r := range roles {
		if !slices.Contains(known, r) {
			return &Refused{fmt.Sprintf("roles/%d", i), fmt.Sprintf("%q is not one of %s", clip(r), strings.Join(known, ", "))}
		}
		if slices.Contains(roles[:i], r) {
			return &Refused{fmt.Sprintf("roles/%d", i), fmt.Sprintf("%q is there twice", r)}
		}
	}
	return nil
}

func (d *Directory) checkQueues(queues []string) error {
	if len(queues) > maxQueues {
		return &Refused{"queues", fmt.Sprintf("%d of them; at most %d", len(queues), maxQueues)}
	}
	for i, q := range queues {
		at := fmt.Sprintf("queues/%d", i)
		switch {
		case q == "" || len(q) > 64 || strings.ContainsFunc(q, unicode.IsControl):
			return &Refused{at, "is not the id of a queue"}
		case slices.Contains(queues[:i], q):
			return &Refused{at, fmt.Sprintf("%q is there twice", q)}
		case d.o.Queue != nil && !d.o.Queue(q):
			return &Refused{at, fmt.Sprintf("no queue %q in the policy", q)}
		}
	}
	return nil
}

func (d *Directory) check(o *Operator) error {
	errs := []error{checkLogin(o.Login), checkName("name", o.Name), checkRoles(o.Roles, casecore.Roles), d.checkQueues(o.Queues)}
	if o.Capacity < 0 || o.Capacity > MaxCapacity {
		errs = append(errs, &Refused{"capacity", fmt.Sprintf("%d is not between 0 (no limit) and %d", o.Capacity, MaxCapacity)})
	}
	if len(o.Lang) > 16 || strings.ContainsFunc(o.Lang, unicode.IsControl) {
		errs = append(errs, &Refused{"lang", "is not a language tag; write it like en or sr-Latn"})
	}
	if o.Phone != "" && !casecore.IsNumber(o.Phone) {
		errs = append(errs, &Refused{"phone", "is not a number with its country; write it like +381601234567"})
	}
	if a, err := mail.ParseAddress(o.Email); o.Email != "" && (err != nil || a.Address != o.Email || len(o.Email) > maxEmail) {
		errs = append(errs, &Refused{"email", "is no mail address; write it like olena@shop.example"})
	}
	return errors.Join(errs...)
}

// CleanEmail is the form in which a mail address is kept and compared.
func CleanEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// CleanPhone is the form in which a phone number is kept: without what people
// write between digits.
func CleanPhone(s string) string {
	return strings.NewReplacer(" ", "", "\u00a0", "", "-", "", "(", "", ")", "", ".", "").Replace(s)
}

func checkPassword(password, login string) error {
	switch n := utf8.RuneCountInString(password); {
	case n < MinPassword:
		return &Refused{"password", fmt.Sprintf("has %d characters; take at least %d", n, MinPassword)}
	case n > MaxPassword:
		return &Refused{"password", fmt.Sprintf("has %d characters; at most %d", n, MaxPassword)}
	case !utf8.ValidString(password):
		return &Refused{"password", "is not valid UTF-8"}
	case strings.EqualFold(password, login):
		return &Refused{"password", "is the login; take another"}
	}
	return nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
