package staff

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Token lets a program act, with the roles it was given, until it expires.
type Token struct {
	store.Meta
	Name    string    `json:"name"`
	Hash    string    `json:"hash"`
	Roles   []string  `json:"roles"`
	Queues  []string  `json:"queues,omitempty"` // for roles that are bound to queues
	By      string    `json:"by,omitempty"`     // operator's id
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// Keys of a token.
//
//	hash     of the secret, unique
//	created  time
func (t *Token) Keys() store.Keys {
	k := store.Keys{}
	k.Set("hash", t.Hash)
	k.Set("created", store.TimeKey(t.Created))
	return k
}

var tokens = store.NewTable[Token]("token", store.Index{Name: "hash", Unique: true}, store.Index{Name: "created"})

// TokenRoles lists what a token can be given.
var TokenRoles = append(slices.Clone(casecore.Roles), casecore.RoleIntegrator)

// MaxTokenAge is the longest life of a token.
const MaxTokenAge = 5 * 366 * 24 * time.Hour

// tokenPrefix makes a leaked token recognisable to those who search for them.
const tokenPrefix = "cwt_"

func (t *Token) over(now time.Time) bool { return !t.Revoked.IsZero() || !now.Before(t.Expires) }

// CreateToken issues a token; see IssueToken.
func (d *Directory) CreateToken(ctx context.Context, name string, roles []string, ttl time.Duration) (secret string, err error) {
	_, secret, err = d.IssueToken(ctx, &Token{Name: name, Roles: roles}, ttl)
	return secret, err
}

// IssueToken stores a token with the name, roles and queues of t, to be used for
// ttl, and returns it with its secret, which is told once and kept nowhere.
// Faults are *Refused. also runs in the same commit.
func (d *Directory) IssueToken(ctx context.Context, t *Token, ttl time.Duration, also ...func(store.Tx, *Token) error) (*Token, string, error) {
	errs := []error{checkName("name", t.Name), checkRoles(t.Roles, TokenRoles), d.checkQueues(t.Queues)}
	if ttl < time.Minute || ttl > MaxTokenAge {
		errs = append(errs, &Refused{"expires", "must be between a minute and five years away"})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, "", err
	}
	secret, err := newSecret(tokenPrefix)
	if err != nil {
		return nil, "", err
	}
	var out *Token
	err = d.change(ctx, func(tx store.Tx) error {
		now := d.o.Now()
		out = &Token{Name: t.Name, Roles: t.Roles, Queues: t.Queues, By: t.By, Hash: hashSecret("token", secret), Created: now, Expires: now.Add(ttl)}
		return put(tx, out, tokens.Put, also)
	})
	if err != nil {
		return nil, "", fmt.Errorf("issue a token: %w", err)
	}
	d.o.Log.Info("token issued", "token", out.ID, "roles", out.Roles, "expires", out.Expires)
	return out, secret, nil
}

// Token returns the actor that this bearer token stands for, else ErrNotSignedIn.
func (d *Directory) Token(ctx context.Context, bearer string) (casecore.Actor, error) {
	a, _, err := d.TokenSession(ctx, bearer)
	return a, err
}

// TokenSession is Token with a Session for Valid and Revoked.
func (d *Directory) TokenSession(ctx context.Context, bearer string) (casecore.Actor, *Session, error) {
	if bearer == "" || len(bearer) > maxSecret {
		return casecore.Actor{}, nil, ErrNotSignedIn
	}
	return d.who(ctx, hashSecret("token", bearer), d.readToken)
}

func (d *Directory) readToken(tx store.Tx, hash string) (casecore.Actor, *Session, error) {
	t, err := tokens.Find(tx, "hash", hash)
	if err != nil {
		return casecore.Actor{}, nil, err
	}
	if t.over(d.o.Now()) {
		return casecore.Actor{}, nil, store.ErrNotFound
	}
	a := casecore.Actor{ID: "token:" + t.ID, Name: t.Name, Roles: t.Roles, Queues: t.Queues}
	return a, &Session{Meta: store.Meta{ID: hash}, Token: t.ID, Created: t.Created, Seen: d.o.Now()}, nil
}

// RevokeToken ends the token with this id, at once. An unknown id is
// store.ErrNotFound; a revoked token stays as it is.
func (d *Directory) RevokeToken(ctx context.Context, id string) (*Token, error) {
	var out *Token
	err := d.change(ctx, func(tx store.Tx) (err error) {
		if out, err = tokens.Get(tx, id); err != nil || !out.Revoked.IsZero() {
			return err
		}
		out.Revoked = d.o.Now()
		return tokens.Put(tx, out)
	})
	if err != nil {
		return nil, fmt.Errorf("revoke a token: %w", err)
	}
	d.o.Log.Info("token revoked", "token", id)
	return out, nil
}

// Tokens returns at most limit tokens after the mark, the newest first.
func (d *Directory) Tokens(ctx context.Context, after store.Mark, limit int) ([]*Token, store.Mark, error) {
	r := store.Range{Index: "created", Reverse: true, After: after, Limit: limit}
	return page(ctx, d.store, tokens, r, func(t *Token) store.Mark {
		return store.Mark{Key: store.TimeKey(t.Created), ID: t.ID}
	})
}
