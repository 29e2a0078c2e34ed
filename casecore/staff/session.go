package staff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// How long a session lasts.
const (
	SessionAge  = 12 * time.Hour   // from signing in, whatever happens
	SessionIdle = 30 * time.Minute // without a request
	touchEvery  = time.Minute
)

// Answers to who is not, or no longer, signed in.
var (
	ErrNotSignedIn = errors.New("not signed in")
	ErrBadLogin    = errors.New("login or password is wrong")
)

// Session is one sign-in of an operator, or the use of a token. A Session is a
// snapshot; Valid asks whether it still stands.
type Session struct {
	store.Meta           // the id is the hash of the secret, never the secret
	Operator   string    `json:"operator"` // id; empty for a token
	Created    time.Time `json:"created"`
	Seen       time.Time `json:"seen"`
	Token      string    `json:"-"` // id of the token, for programs
	rights     int64
}

// Keys of a session.
//
//	operator  operator, time of signing in
//	created   time of signing in, for sweeping
func (s *Session) Keys() store.Keys {
	k := store.Keys{}
	k.Set("operator", store.Join(s.Operator, store.TimeKey(s.Created)))
	k.Set("created", store.TimeKey(s.Created))
	return k
}

var sessions = store.NewTable[Session]("session", store.Index{Name: "operator"}, store.Index{Name: "created"})

func (s *Session) over(now time.Time) bool {
	return now.Sub(s.Created) >= SessionAge || now.Sub(s.Seen) >= SessionIdle
}

// Expires is when the session ends if nothing more is asked under it.
func (s *Session) Expires() time.Time {
	if idle, age := s.Seen.Add(SessionIdle), s.Created.Add(SessionAge); idle.Before(age) {
		return idle
	}
	return s.Created.Add(SessionAge)
}

// SignIn opens a session for who knows the password. remote is the caller's
// address, for the limiter. The answer to a wrong password, an unknown login, a
// disabled operator and one without a password is ErrBadLogin, after the same
// time; too many of them are *TooMany. The secret is told once and kept nowhere.
func (d *Directory) SignIn(ctx context.Context, login, password, remote string) (secret string, s *Session, err error) {
	login, remote = CleanLogin(login), remoteKey(remote)
	if len(login) > MaxLogin || len(password) > 4*MaxPassword {
		return "", nil, ErrBadLogin
	}
	if err := d.admit(login, remote); err != nil {
		return "", nil, err
	}
	o, err := d.byLogin(ctx, login)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", nil, err
	}
	phc := ""
	if o != nil && !o.Disabled {
		phc = o.Password
	}
	ok, err := d.hash.verify(ctx, password, phc)
	if err != nil {
		return "", nil, fmt.Errorf("sign in: %w", err)
	}
	if !ok {
		return "", nil, ErrBadLogin
	}
	d.guesses.forget(guess(login, remote))
	d.accounts.giveBack(login, d.o.Now())
	d.remotes.giveBack(remote, d.o.Now())
	if d.hash.outdated(phc) {
		if fresh, err := d.hash.hash(ctx, password); err == nil {
			phc = fresh
		}
	}
	return d.open(ctx, o, phc)
}

// admit asks the limiters. A stranger's guesses shut the account to where they
// come from; it takes many addresses to shut it to its owner, too. An attempt is counted before it is made, so that a
// thousand at once are not a thousand guesses.
func (d *Directory) admit(login, remote string) error {
	now := d.o.Now()
	if wait := d.remotes.take(remote, now); wait > 0 {
		return &TooMany{RetryAfter: wait}
	}
	if wait := d.guesses.take(guess(login, remote), now); wait > 0 {
		return &TooMany{RetryAfter: wait}
	}
	if wait := d.accounts.take(login, now); wait > 0 {
		d.guesses.giveBack(guess(login, remote), now)
		return &TooMany{RetryAfter: wait}
	}
	return nil
}

// guess is the key of the attempts at a login from one remote.
func guess(login, remote string) string { return login + "\x00" + remote }

// forgive lets who has a new password in at once, wherever they are.
func (d *Directory) forgive(login string) {
	d.guesses.forgetUnder(guess(login, ""))
	d.accounts.forget(login)
}

// open writes a session for the operator, who must still be as they were when
// their password was checked; phc is a better hash of it, or the same.
func (d *Directory) open(ctx context.Context, o *Operator, phc string) (string, *Session, error) {
	secret, err := newSecret("")
	if err != nil {
		return "", nil, err
	}
	var s *Session
	err = d.store.Update(ctx, func(tx store.Tx) error {
		now, err := operators.Get(tx, o.ID)
		if err != nil {
			return err
		}
		if now.Disabled || now.Password != o.Password {
			return ErrBadLogin
		}
		if phc != now.Password {
			now.Password = phc
			if err := operators.Put(tx, now); err != nil {
				return err
			}
		}
		s = &Session{Meta: store.Meta{ID: hashSecret("session", secret)}, Operator: now.ID, rights: now.Rights}
		s.Created, s.Seen = d.o.Now(), d.o.Now()
		return sessions.Put(tx, s)
	})
	if err != nil {
		return "", nil, fmt.Errorf("open a session: %w", err)
	}
	d.o.Log.Info("signed in", "operator", o.ID)
	return secret, s, nil
}

// Session returns who is signed in under this secret, with the rights they have
// now, and counts as a request: it keeps the session from going idle. Anything
// else is ErrNotSignedIn.
func (d *Directory) Session(ctx context.Context, secret string) (casecore.Actor, *Session, error) {
	if secret == "" || len(secret) > maxSecret {
		return casecore.Actor{}, nil, ErrNotSignedIn
	}
	id := hashSecret("session", secret)
	a, s, err := d.who(ctx, id, d.readSession)
	if err != nil {
		return casecore.Actor{}, nil, err
	}
	if d.o.Now().Sub(s.Seen) >= touchEvery {
		if err := d.Touch(ctx, s); err != nil {
			return casecore.Actor{}, nil, err
		}
		s.Seen = d.o.Now()
	}
	return a, s, nil
}

// Touch keeps a session from going idle, writing at most once a minute. Callers
// whose requests do not pass through Session (frames of a socket) use it.
func (d *Directory) Touch(ctx context.Context, s *Session) error {
	if s.Token != "" || d.o.Now().Sub(s.Seen) < touchEvery {
		return nil
	}
	err := d.store.Update(ctx, func(tx store.Tx) error {
		now, err := sessions.Get(tx, s.ID)
		if err != nil {
			return err
		}
		if t := d.o.Now(); t.Sub(now.Seen) >= touchEvery && !now.over(t) {
			now.Seen = t
			return sessions.Put(tx, now)
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return ErrNotSignedIn
	}
	if err == nil {
		d.seen.drop(s.ID)
	}
	return err
}

func (d *Directory) readSession(tx store.Tx, id string) (casecore.Actor, *Session, error) {
	s, err := sessions.Get(tx, id)
	if err != nil {
		return casecore.Actor{}, nil, err
	}
	o, err := operators.Get(tx, s.Operator)
	if err != nil {
		return casecore.Actor{}, nil, err
	}
	if o.Disabled || s.over(d.o.Now()) {
		return casecore.Actor{}, nil, store.ErrNotFound
	}
	s.rights = o.Rights
	return o.Actor(), s, nil
}

// SignOut ends the session of this secret; one that is over already is no error.
func (d *Directory) SignOut(ctx context.Context, secret string) error {
	id := hashSecret("session", secret)
	err := d.change(ctx, func(tx store.Tx) error {
		s, err := sessions.Get(tx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return sessions.Delete(tx, s)
	})
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// Again returns who s belongs to, with the rights of now, or ErrNotSignedIn when
// it has ended. It writes nothing and is no request.
func (d *Directory) Again(ctx context.Context, s *Session) (casecore.Actor, error) {
	read := d.readSession
	if s.Token != "" {
		read = d.readToken
	}
	a, _, err := d.who(ctx, s.ID, read)
	return a, err
}

// Valid says whether s still stands: not signed out, not over, the operator not
// disabled, and nothing that they may do changed since s was read. It writes
// nothing and is no request; a change elsewhere is seen within CheckEvery.
func (d *Directory) Valid(ctx context.Context, s *Session) bool {
	read, id := d.readSession, s.ID
	if s.Token != "" {
		read = d.readToken
	}
	_, now, err := d.who(ctx, id, read)
	return err == nil && now.rights == s.rights
}

// Revoked returns a channel that is closed within a second after s has ceased to
// be Valid, so that sockets opened under it can be closed. It is watched until
// ctx is done, which the caller must see to; then nothing is sent any more.
func (d *Directory) Revoked(ctx context.Context, s *Session) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		t := time.NewTicker(CheckEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if !d.Valid(ctx, s) && ctx.Err() == nil {
				close(gone)
				return
			}
		}
	}()
	return gone
}

// Sweep removes at most limit sessions, tokens and links whose time is over and
// says how many.
func (d *Directory) Sweep(ctx context.Context, limit int) (int, error) {
	n := 0
	err := d.store.Update(ctx, func(tx store.Tx) error {
		n = 0
		now := d.o.Now()
		var old []*Session
		for s, err := range sessions.Scan(tx, store.Range{Index: "created", To: store.TimeKey(now.Add(-SessionAge)), Limit: limit}) {
			if err != nil {
				return err
			}
			old = append(old, s)
		}
		for _, s := range old {
			if err := sessions.Delete(tx, s); err != nil {
				return err
			}
		}
		l, err := sweepLinks(tx, now, limit)
		n = len(old) + l
		return err
	})
	return n, err
}
