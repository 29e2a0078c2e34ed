package staff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// link lets its bearer set an operator's password, once. There is one for each
// operator: a newer one replaces it.
type link struct {
	store.Meta           // the operator's id
	Hash       string    `json:"hash"`
	Expires    time.Time `json:"expires"`
}

// Keys of a link: the hash of its secret, unique; when it expires.
func (l *link) Keys() store.Keys {
	k := store.Keys{}
	k.Set("hash", l.Hash)
	k.Set("expires", store.TimeKey(l.Expires))
	return k
}

var links = store.NewTable[link]("signin_link", store.Index{Name: "hash", Unique: true}, store.Index{Name: "expires"})

// ErrBadLink is the answer to a link that is unknown, used or too old.
var ErrBadLink = errors.New("this link was used or is too old; ask for a new one")

// CreateLink returns the secret of a link with which this operator can set a
// password within ttl. Earlier links of theirs end. also runs in the same commit.
func (d *Directory) CreateLink(ctx context.Context, loginOrID string, ttl time.Duration, also ...func(store.Tx) error) (secret string, err error) {
	secret, err = newSecret("")
	if err != nil {
		return "", err
	}
	err = d.change(ctx, func(tx store.Tx) error {
		o, err := find(tx, loginOrID)
		if err != nil {
			return err
		}
		if err := d.putLink(tx, o.ID, secret, ttl); err != nil {
			return err
		}
		for _, do := range also {
			if err := do(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("link for %s: %w", clip(loginOrID), err)
	}
	return secret, nil
}

func (d *Directory) putLink(tx store.Tx, operator, secret string, ttl time.Duration) error {
	l, err := links.Get(tx, operator)
	if errors.Is(err, store.ErrNotFound) {
		l = &link{Meta: store.Meta{ID: operator}}
	} else if err != nil {
		return err
	}
	l.Hash, l.Expires = hashSecret("link", secret), d.o.Now().Add(ttl)
	return links.Put(tx, l)
}

// LinkOwner returns the operator whose password this link can set, or ErrBadLink.
// It does not use the link up.
func (d *Directory) LinkOwner(ctx context.Context, secret string) (*Operator, error) {
	var o *Operator
	err := d.store.View(ctx, func(tx store.Tx) (err error) {
		o, err = d.owner(tx, secret)
		return err
	})
	return o, err
}

func (d *Directory) owner(tx store.Tx, secret string) (*Operator, error) {
	if secret == "" || len(secret) > maxSecret {
		return nil, ErrBadLink
	}
	l, err := links.Find(tx, "hash", hashSecret("link", secret))
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrBadLink
	}
	if err != nil {
		return nil, err
	}
	o, err := operators.Get(tx, l.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if o == nil || o.Disabled || !d.o.Now().Before(l.Expires) {
		return nil, ErrBadLink
	}
	return o, nil
}

// Redeem sets the password of the link's operator, uses the link up and ends
// their other sessions. It returns ErrBadLink, *Refused for the password, or the
// operator, who can now sign in.
func (d *Directory) Redeem(ctx context.Context, secret, password string) (*Operator, error) {
	o, err := d.LinkOwner(ctx, secret)
	if err != nil {
		return nil, err
	}
	phc, err := d.newPassword(ctx, o, password)
	if err != nil {
		return nil, err
	}
	err = d.change(ctx, func(tx store.Tx) error {
		now, err := d.owner(tx, secret)
		if err != nil {
			return err
		}
		o = now
		return d.putPassword(tx, o, phc)
	})
	if err != nil {
		return nil, err
	}
	d.forgive(o.Login)
	d.o.Log.Info("password set by link", "operator", o.ID)
	return o, nil
}

// ErrNotFirst is the answer of Bootstrap to a house that has its administrator.
var ErrNotFirst = errors.New("there is an administrator already")

// Bootstrap makes sure that somebody can get in: when no administrator has a
// password yet it creates one with this login, if there is none, and returns
// the secret of a link for them. Otherwise it answers ErrNotFirst.
func (d *Directory) Bootstrap(ctx context.Context, login string, ttl time.Duration) (secret string, err error) {
	fresh, err := newSecret("")
	if err != nil {
		return "", err
	}
	login = CleanLogin(login)
	err = d.change(ctx, func(tx store.Tx) error {
		var admin *Operator
		for o, err := range operators.Scan(tx, store.Range{}) {
			if err != nil {
				return err
			}
			if !o.Disabled && o.Actor().Is(casecore.RoleAdmin) {
				if o.Password != "" {
					return ErrNotFirst
				}
				admin = o
			}
		}
		if admin == nil {
			admin = &Operator{Login: login, Name: "Administrator", Roles: []string{casecore.RoleAdmin}}
			admin.Created, admin.Updated = d.o.Now(), d.o.Now()
			if err := d.check(admin); err != nil {
				return err
			}
			if err := operators.Put(tx, admin); err != nil {
				return err
			}
		}
		return d.putLink(tx, admin.ID, fresh, ttl)
	})
	if err != nil {
		return "", fmt.Errorf("first administrator: %w", err)
	}
	return fresh, nil
}

func sweepLinks(tx store.Tx, now time.Time, limit int) (int, error) {
	var old []*link
	for l, err := range links.Scan(tx, store.Range{Index: "expires", To: store.TimeKey(now), Limit: limit}) {
		if err != nil {
			return 0, err
		}
		old = append(old, l)
	}
	for _, l := range old {
		if err := links.Delete(tx, l); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
