package staff

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// Directory answers who somebody is. It is safe for concurrent use.
type Directory struct {
	store    store.Store
	o        Options
	hash     *hasher
	guesses  *limiter // at a login from one remote
	accounts *limiter // at a login from anywhere
	remotes  *limiter
	seen     *cache
}

// Options of a Directory.
type Options struct {
	Now   func() time.Time     // nil: time.Now
	Log   *slog.Logger         // nil: silent
	Queue func(id string) bool // whether the policy has this queue; nil: not asked
}

// New returns the directory kept in st.
func New(st store.Store, o Options) *Directory {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Directory{
		store: st, o: o, hash: newHasher(standardHashing()), seen: newCache(o.Now),
		guesses:  newLimiter(10, 30*time.Second, 10_000),
		accounts: newLimiter(100, 30*time.Second, 10_000),
		remotes:  newLimiter(30, 5*time.Second, 10_000),
	}
}

// change is Update for what may end a session: nothing remembered from before
// outlives it in this process.
func (d *Directory) change(ctx context.Context, fn func(store.Tx) error) error {
	err := d.store.Update(ctx, fn)
	d.seen.clear()
	return err
}

// Create stores a new operator with the login, name, roles, queues, capacity,
// language, phone and mail address of o. An empty password means none yet: a link sets it. Faults are
// *Refused, joined; a login that is taken is one of them. also runs in the same
// commit.
func (d *Directory) Create(ctx context.Context, o Operator, password string, also ...func(store.Tx, *Operator) error) (*Operator, error) {
	o.Login, o.Name, o.Phone, o.Email = CleanLogin(o.Login), strings.TrimSpace(o.Name), CleanPhone(o.Phone), CleanEmail(o.Email)
	errs := []error{d.check(&o)}
	if password != "" {
		errs = append(errs, checkPassword(password, o.Login))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	phc := ""
	if password != "" {
		var err error
		if phc, err = d.hash.hash(ctx, password); err != nil {
			return nil, err
		}
	}
	var out *Operator
	err := d.change(ctx, func(tx store.Tx) error {
		if _, err := operators.Find(tx, "login", o.Login); err == nil {
			return &Refused{"login", fmt.Sprintf("%q is taken; choose another", o.Login)}
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		out = &Operator{Login: o.Login, Name: o.Name, Password: phc, Roles: o.Roles, Queues: o.Queues,
			Capacity: o.Capacity, Lang: o.Lang, Phone: o.Phone, Email: o.Email, Created: d.o.Now(), Updated: d.o.Now()}
		return put(tx, out, operators.Put, also)
	})
	if err != nil {
		return nil, err
	}
	d.o.Log.Info("operator created", "operator", out.ID, "roles", out.Roles)
	return out, nil
}

// Change is what to change of an operator; nil fields stay.
type Change struct {
	Name     *string
	Roles    []string // nil: unchanged
	Queues   []string // nil: unchanged; empty: none
	Capacity *int
	Lang     *string
	Phone    *string // empty: none
	Email    *string // empty: none
	Disabled *bool   // true: ends their sessions and link
	Password *string // ends their sessions and link
}

// Update changes an operator. It holds at once: the next request has the new
// rights, and open sockets are closed. version, unless 0, must be the stored one
// (store.ErrConflict). Faults are *Refused; the last administrator stays one.
func (d *Directory) Update(ctx context.Context, loginOrID string, c Change, version uint64) (*Operator, error) {
	phc := ""
	if c.Password != nil {
		o, err := d.Find(ctx, loginOrID)
		if err != nil {
			return nil, err
		}
		if phc, err = d.newPassword(ctx, o, *c.Password); err != nil {
			return nil, err
		}
	}
	var out *Operator
	err := d.change(ctx, func(tx store.Tx) error {
		o, err := find(tx, loginOrID)
		if err != nil {
			return err
		}
		if version != 0 && version != o.Version {
			return fmt.Errorf("operator %s has version %d now: %w", o.ID, o.Version, store.ErrConflict)
		}
		was := *o
		o.apply(c)
		if err := d.check(o); err != nil {
			return err
		}
		if err := keepAdmin(tx, &was, o); err != nil {
			return err
		}
		if phc != "" {
			o.Password = phc
		}
		if o.Disabled && !was.Disabled || o.Password != was.Password {
			if err := endAccess(tx, o.ID); err != nil {
				return err
			}
		}
		o.Updated, out = d.o.Now(), o
		return operators.Put(tx, o)
	})
	if err != nil {
		return nil, err
	}
	if phc != "" {
		d.forgive(out.Login)
	}
	d.o.Log.Info("operator changed", "operator", out.ID, "roles", out.Roles, "disabled", out.Disabled, "password", phc != "")
	return out, nil
}

// newPassword checks a password for the operator and returns its hash.
func (d *Directory) newPassword(ctx context.Context, o *Operator, password string) (string, error) {
	if err := checkPassword(password, o.Login); err != nil {
		return "", err
	}
	return d.hash.hash(ctx, password)
}

func (o *Operator) apply(c Change) {
	was := *o
	if c.Name != nil {
		o.Name = strings.TrimSpace(*c.Name)
	}
	if c.Roles != nil {
		o.Roles = c.Roles
	}
	if c.Queues != nil {
		o.Queues = c.Queues
	}
	if c.Capacity != nil {
		o.Capacity = *c.Capacity
	}
	if c.Lang != nil {
		o.Lang = *c.Lang
	}
	if c.Phone != nil {
		o.Phone = CleanPhone(*c.Phone)
	}
	if c.Email != nil {
		o.Email = CleanEmail(*c.Email)
	}
	if c.Disabled != nil {
		o.Disabled = *c.Disabled
	}
	if !slices.Equal(was.Roles, o.Roles) || !slices.Equal(was.Queues, o.Queues) || was.Disabled != o.Disabled || was.Capacity != o.Capacity {
		o.Rights++
	}
}

// keepAdmin refuses to take away the last administrator who can sign in.
func keepAdmin(tx store.Tx, was, now *Operator) error {
	could := func(o *Operator) bool { return !o.Disabled && o.Actor().Is(casecore.RoleAdmin) }
	if !could(was) || could(now) {
		return nil
	}
	for o, err := range operators.Scan(tx, store.Range{}) {
		if err != nil {
			return err
		}
		if o.ID != now.ID && could(o) {
			return nil
		}
	}
	field := "roles"
	if now.Disabled {
		field = "disabled"
	}
	return &Refused{field, "this is the last administrator; give somebody else the role first"}
}

// SetPassword gives an operator a new password and ends their sessions and link.
func (d *Directory) SetPassword(ctx context.Context, loginOrID, password string) error {
	_, err := d.Update(ctx, loginOrID, Change{Password: &password}, 0)
	return err
}

func (d *Directory) putPassword(tx store.Tx, o *Operator, phc string) error {
	o.Password, o.Updated = phc, d.o.Now()
	if err := endAccess(tx, o.ID); err != nil {
		return err
	}
	return operators.Put(tx, o)
}

// endAccess takes away what was given under the password of before: sessions, and
// a link that would set yet another password.
func endAccess(tx store.Tx, operator string) error {
	l, err := links.Get(tx, operator)
	if err == nil {
		err = links.Delete(tx, l)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return endSessions(tx, operator)
}

// endSessions removes the sessions of an operator.
func endSessions(tx store.Tx, operator string) error {
	var all []*Session
	for s, err := range sessions.Scan(tx, store.Range{Index: "operator", Prefix: store.Under(operator)}) {
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	for _, s := range all {
		if err := sessions.Delete(tx, s); err != nil {
			return err
		}
	}
	return nil
}

// Find returns the operator with this login or id, or store.ErrNotFound.
func (d *Directory) Find(ctx context.Context, loginOrID string) (*Operator, error) {
	var o *Operator
	err := d.store.View(ctx, func(tx store.Tx) (err error) {
		o, err = find(tx, loginOrID)
		return err
	})
	return o, err
}

func (d *Directory) byLogin(ctx context.Context, login string) (*Operator, error) {
	var o *Operator
	err := d.store.View(ctx, func(tx store.Tx) (err error) {
		o, err = operators.Find(tx, "login", login)
		return err
	})
	return o, err
}

// Operator returns the actor with this login or id, for giving a case to. Nobody
// of that name, and somebody who is disabled, is store.ErrNotFound.
func (d *Directory) Operator(tx store.Tx, loginOrID string) (casecore.Actor, error) {
	o, err := find(tx, loginOrID)
	if err != nil {
		return casecore.Actor{}, err
	}
	if o.Disabled {
		return casecore.Actor{}, fmt.Errorf("operator %s is disabled: %w", o.ID, store.ErrNotFound)
	}
	return o.Actor(), nil
}

// OfPhone returns the operator at this number, or store.ErrNotFound; of several who
// share it, the first who is not disabled.
func (d *Directory) OfPhone(tx store.Tx, number string) (casecore.Actor, error) {
	if number != "" {
		for o, err := range operators.Scan(tx, store.Range{Index: "login"}) {
			if err != nil {
				return casecore.Actor{}, fmt.Errorf("operator by phone: %w", err)
			}
			if o.Phone == number && !o.Disabled {
				return o.Actor(), nil
			}
		}
	}
	return casecore.Actor{}, fmt.Errorf("operator by phone: %w", store.ErrNotFound)
}

// OfRole returns the operators with a role who are not disabled, by login.
func OfRole(tx store.Tx, role string) ([]*Operator, error) {
	var out []*Operator
	for o, err := range operators.Scan(tx, store.Range{Index: "login"}) {
		if err != nil {
			return nil, fmt.Errorf("operators by role: %w", err)
		}
		if !o.Disabled && slices.Contains(o.Roles, role) {
			out = append(out, o)
		}
	}
	return out, nil
}

func find(tx store.Tx, loginOrID string) (*Operator, error) {
	if len(loginOrID) > store.MaxID {
		return nil, fmt.Errorf("operator %s: %w", clip(loginOrID), store.ErrNotFound)
	}
	o, err := operators.Get(tx, loginOrID)
	if errors.Is(err, store.ErrNotFound) {
		return operators.Find(tx, "login", CleanLogin(loginOrID))
	}
	return o, err
}

// List returns at most limit operators after the mark, by login, and where to go
// on; the zero mark says that there are no more.
func (d *Directory) List(ctx context.Context, after store.Mark, limit int) ([]*Operator, store.Mark, error) {
	r := store.Range{Index: "login", After: after, Limit: limit}
	return page(ctx, d.store, operators, r, func(o *Operator) store.Mark {
		return store.Mark{Key: o.Login, ID: o.ID}
	})
}

// page reads one page of a table and where the next one begins.
func page[T any, P store.Record[T]](ctx context.Context, st store.Store, t *store.Table[T, P], r store.Range, mark func(P) store.Mark) ([]P, store.Mark, error) {
	var out []P
	limit := r.Limit
	r.Limit++
	err := st.View(ctx, func(tx store.Tx) error {
		out = nil
		for p, err := range t.Scan(tx, r) {
			if err != nil {
				return err
			}
			out = append(out, p)
		}
		return nil
	})
	if err != nil || len(out) <= limit {
		return out, store.Mark{}, err
	}
	return out[:limit], mark(out[limit-1]), nil
}

func put[P any](tx store.Tx, p P, write func(store.Tx, P) error, also []func(store.Tx, P) error) error {
	if err := write(tx, p); err != nil {
		return err
	}
	for _, do := range also {
		if err := do(tx, p); err != nil {
			return err
		}
	}
	return nil
}
