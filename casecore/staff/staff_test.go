package staff_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/staff"
	"casewire/casecore/store"
)

const password = "correct horse battery"

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type bench struct {
	*staff.Directory
	store store.Store
	clock *clock
	log   *strings.Builder
}

func setup(t *testing.T) *bench {
	t.Helper()
	st := stores.Open(t, staff.Collections()...)
	b := &bench{store: st, clock: &clock{t: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}, log: &strings.Builder{}}
	b.Directory = b.node().HashCheaply()
	return b
}

// node returns another process's view of the same people.
func (b *bench) node() *staff.Directory {
	return staff.New(b.store, staff.Options{
		Now: b.clock.Now, Log: slog.New(slog.NewTextHandler(b.log, nil)),
		Queue: func(id string) bool { return id == "phones" || id == "general" },
	})
}

func (b *bench) hire(t *testing.T, login string, roles ...string) *staff.Operator {
	t.Helper()
	o, err := b.Create(t.Context(), staff.Operator{Login: login, Name: "Olena " + login, Roles: roles, Queues: []string{"phones"}}, password)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (b *bench) signIn(t *testing.T, login string) (string, *staff.Session) {
	t.Helper()
	secret, s, err := b.SignIn(t.Context(), login, password, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	return secret, s
}

func TestRevocationReachesAnotherNodeWithinASecond(t *testing.T) {
	b := setup(t)
	b.hire(t, "boss", casecore.RoleAdmin)
	b.hire(t, "olena", casecore.RoleOperator)
	here := staff.New(b.store, staff.Options{}).HashCheaply()
	there := staff.New(b.store, staff.Options{})
	secret, _, err := here.SignIn(t.Context(), "olena", password, "")
	must(t, err)
	_, s, err := there.Session(t.Context(), secret)
	must(t, err)
	revoked := there.Revoked(t.Context(), s)
	select {
	case <-revoked:
		t.Fatal("revoked for no reason")
	default:
	}
	off := true
	_, err = here.Update(t.Context(), "olena", staff.Change{Disabled: &off}, 0)
	must(t, err)
	select {
	case <-revoked:
	case <-time.After(time.Second):
		t.Error("a second later the socket is still open")
	}
	if _, _, err := here.Session(t.Context(), secret); !errors.Is(err, staff.ErrNotSignedIn) {
		t.Errorf("on the node that revoked: %v, want it at once", err)
	}
}

func TestTokens(t *testing.T) {
	b := setup(t)
	tok, secret, err := b.IssueToken(t.Context(), &staff.Token{Name: "1C", Roles: []string{casecore.RoleIntegrator}}, 24*time.Hour)
	must(t, err)
	a, s, err := b.TokenSession(t.Context(), secret)
	must(t, err)
	if !a.Is(casecore.RoleIntegrator) || a.Is(casecore.RoleAdmin) || a.Name != "1C" {
		t.Errorf("actor %+v", a)
	}
	if !b.Valid(t.Context(), s) {
		t.Error("not Valid for sockets")
	}
	for _, wrong := range []string{"", "cwt_", secret + "x", tok.ID, tok.Hash, strings.Repeat("x", 5000)} {
		if _, err := b.Token(t.Context(), wrong); !errors.Is(err, staff.ErrNotSignedIn) {
			t.Errorf("%.20q: %v, want ErrNotSignedIn", wrong, err)
		}
	}
	if _, _, err := b.Session(t.Context(), secret); !errors.Is(err, staff.ErrNotSignedIn) {
		t.Error("a token opens a session")
	}
	_, err = b.RevokeToken(t.Context(), tok.ID)
	must(t, err)
	if _, err := b.Token(t.Context(), secret); !errors.Is(err, staff.ErrNotSignedIn) || b.Valid(t.Context(), s) {
		t.Errorf("revoked: %v", err)
	}
	short, err := b.CreateToken(t.Context(), "night job", []string{casecore.RoleOperator}, time.Hour)
	must(t, err)
	b.clock.pass(time.Hour)
	if _, err := b.Token(t.Context(), short); !errors.Is(err, staff.ErrNotSignedIn) {
		t.Errorf("expired: %v", err)
	}
}

func TestFaultsAreNamedAllAtOnce(t *testing.T) {
	b := setup(t)
	b.hire(t, "olena", casecore.RoleOperator)
	good := staff.Operator{Login: "taras", Name: "Taras", Roles: []string{casecore.RoleOperator}}
	for _, tt := range []struct {
		name     string
		change   func(*staff.Operator)
		password string
		want     string
	}{
		{"empty login", func(o *staff.Operator) { o.Login = " " }, password, "login: required"},
		{"login with blanks", func(o *staff.Operator) { o.Login = "ta ras" }, password, "login: may have only"},
		{"login taken", func(o *staff.Operator) { o.Login = "OLENA" }, password, `login: "olena" is taken`},
		{"no name", func(o *staff.Operator) { o.Name = "" }, password, "name: required"},
		{"NUL in the name", func(o *staff.Operator) { o.Name = "a\x00b" }, password, "name: has characters"},
		{"bad UTF-8 in the name", func(o *staff.Operator) { o.Name = "a\xffb" }, password, "name: has characters"},
		{"long name", func(o *staff.Operator) { o.Name = strings.Repeat("ї", 101) }, password, "name: has 101 characters"},
		{"no roles", func(o *staff.Operator) { o.Roles = nil }, password, "roles: required"},
		{"unknown role", func(o *staff.Operator) { o.Roles = []string{"operator", "god"} }, password, `roles/1: "god" is not one of`},
		{"program's role", func(o *staff.Operator) { o.Roles = []string{"integrator"} }, password, `roles/0: "integrator"`},
		{"role twice", func(o *staff.Operator) { o.Roles = []string{"qc", "qc"} }, password, "roles/1"},
		{"unknown queue", func(o *staff.Operator) { o.Queues = []string{"attic"} }, password, `queues/0: no queue "attic"`},
		{"capacity", func(o *staff.Operator) { o.Capacity = -1 }, password, "capacity: -1"},
		{"short password", func(*staff.Operator) {}, "12345", "password: has 5 characters; take at least 10"},
		{"password is login", func(o *staff.Operator) { o.Login = "taras.shevchenko" }, "Taras.Shevchenko", "password: is the login"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			_, err := b.Create(t.Context(), o, tt.password)
			if all := staff.Refusals(err); len(all) != 1 || !strings.Contains(all[0].Error(), tt.want) {
				t.Errorf("got %v, want one refusal with %q", err, tt.want)
			}
		})
	}
	_, err := b.Create(t.Context(), staff.Operator{Roles: []string{"x"}}, "short")
	if n := len(staff.Refusals(err)); n != 4 {
		t.Errorf("%d refusals (%v), want 4: login, name, roles, password", n, err)
	}
}

func TestLastAdministratorStays(t *testing.T) {
	b := setup(t)
	b.hire(t, "boss", casecore.RoleAdmin)
	off := true
	for _, c := range []staff.Change{{Disabled: &off}, {Roles: []string{casecore.RoleOperator}}} {
		if _, err := b.Update(t.Context(), "boss", c, 0); len(staff.Refusals(err)) != 1 {
			t.Errorf("%+v: %v, want a refusal", c, err)
		}
	}
	b.hire(t, "deputy", casecore.RoleAdmin)
	if _, err := b.Update(t.Context(), "boss", staff.Change{Disabled: &off}, 0); err != nil {
		t.Errorf("with a deputy: %v", err)
	}
	if _, err := b.Update(t.Context(), "deputy", staff.Change{Disabled: &off}, 77); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a stale version: %v", err)
	}
}

func TestDisabledOperatorsAreGivenNoCases(t *testing.T) {
	b := setup(t)
	b.hire(t, "boss", casecore.RoleAdmin)
	o := b.hire(t, "olena", casecore.RoleOperator)
	look := func() (err error) {
		return b.store.View(t.Context(), func(tx store.Tx) error {
			for _, id := range []string{"Olena", o.ID} {
				if a, err := b.Operator(tx, id); err != nil || a.ID != o.ID {
					return err
				}
			}
			return nil
		})
	}
	must(t, look())
	off := true
	_, err := b.Update(t.Context(), o.ID, staff.Change{Disabled: &off}, 0)
	must(t, err)
	if err := look(); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestListPages(t *testing.T) {
	b := setup(t)
	for _, l := range []string{"dd", "aa", "cc", "bb", "ee"} {
		_, err := b.Create(t.Context(), staff.Operator{Login: l, Name: l, Roles: []string{"operator"}}, "")
		must(t, err)
	}
	var got []string
	var at store.Mark
	for {
		page, next, err := b.List(t.Context(), at, 2)
		must(t, err)
		for _, o := range page {
			got = append(got, o.Login)
		}
		if at = next; next == (store.Mark{}) {
			break
		}
	}
	if s := strings.Join(got, " "); s != "aa bb cc dd ee" {
		t.Errorf("got %s", s)
	}
}

func TestSweepRemovesWhatIsOver(t *testing.T) {
	b := setup(t)
	b.hire(t, "olena", casecore.RoleOperator)
	b.signIn(t, "olena")
	_, err := b.CreateLink(t.Context(), "olena", time.Hour)
	must(t, err)
	if n, err := b.Sweep(t.Context(), 100); n != 0 || err != nil {
		t.Fatalf("swept %d, %v while all was in use", n, err)
	}
	b.clock.pass(12*time.Hour + time.Second)
	if n, err := b.Sweep(t.Context(), 100); n != 2 || err != nil {
		t.Errorf("swept %d, %v; want the session and the link", n, err)
	}
}

func TestSecretsAreNeitherKeptNorLogged(t *testing.T) {
	b := setup(t)
	b.Directory = b.node()
	b.hire(t, "olena", casecore.RoleOperator)
	session, _ := b.signIn(t, "olena")
	token, err := b.CreateToken(t.Context(), "1C", []string{casecore.RoleIntegrator}, time.Hour)
	must(t, err)
	link, err := b.CreateLink(t.Context(), "olena", time.Hour)
	must(t, err)
	var kept strings.Builder
	kept.WriteString(b.log.String())
	must(t, b.store.View(t.Context(), func(tx store.Tx) error {
		for _, coll := range staff.Collections() {
			for d, err := range tx.Scan(coll, store.Range{}) {
				if err != nil {
					return err
				}
				kept.WriteString(d.ID)
				kept.Write(d.Body)
			}
		}
		return nil
	}))
	for what, secret := range map[string]string{"password": password, "session": session, "token": token, "link": link} {
		if strings.Contains(kept.String(), secret) {
			t.Errorf("the %s is in the store or the log", what)
		}
	}
	if !strings.Contains(kept.String(), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error("no argon2id hash found: this test looks in the wrong place")
	}
}

func TestRivals(t *testing.T) {
	b := setup(t)
	b.hire(t, "boss", casecore.RoleAdmin)
	b.hire(t, "olena", casecore.RoleOperator)
	secret, s := b.signIn(t, "olena")
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				a, _, err := b.Session(t.Context(), secret)
				if err != nil {
					t.Error(err)
					return
				}
				if a.Serves("phones") == a.Serves("general") {
					t.Errorf("torn rights: %v", a.Queues)
				}
				b.Valid(t.Context(), s)
			}
		})
	}
	for i := range 50 {
		q := []string{"phones", "general"}[i%2]
		_, err := b.Update(t.Context(), "olena", staff.Change{Queues: []string{q}}, 0)
		must(t, err)
		if a, _, err := b.Session(t.Context(), secret); err != nil || !a.Serves(q) {
			t.Fatalf("change %d is not seen at once: %v, %v", i, a.Queues, err)
		}
	}
	stop()
	wg.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
