package staff_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/staff"
)

func TestSignInGivesTheRightsOfNow(t *testing.T) {
	b := setup(t)
	o := b.hire(t, "Olena", casecore.RoleOperator)
	secret, _ := b.signIn(t, " OLENA ")
	a, s, err := b.Session(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if a.ID != o.ID || !a.Is(casecore.RoleOperator) || !a.Serves("phones") || s.Operator != o.ID {
		t.Fatalf("got %+v, %+v", a, s)
	}
	if _, err := b.Update(t.Context(), "olena", staff.Change{Queues: []string{"general"}}, 0); err != nil {
		t.Fatal(err)
	}
	if a, _, err = b.Session(t.Context(), secret); err != nil || a.Serves("phones") || !a.Serves("general") {
		t.Fatalf("after the change: %+v, %v", a, err)
	}
	if b.Valid(t.Context(), s) {
		t.Error("a socket opened under the old rights stays open (W5)")
	}
}

func TestWrongSignInsLookAlike(t *testing.T) {
	b := setup(t)
	b.hire(t, "olena", casecore.RoleOperator)
	off := true
	b.hire(t, "gone", casecore.RoleOperator)
	if _, err := b.Update(t.Context(), "gone", staff.Change{Disabled: &off}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Create(t.Context(), staff.Operator{Login: "fresh", Name: "Fresh", Roles: []string{"operator"}}, ""); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, login, password string }{
		{"wrong password", "olena", "incorrect horse"},
		{"empty password", "olena", ""},
		{"unknown login", "nobody", password},
		{"disabled", "gone", password},
		{"no password set yet", "fresh", ""},
		{"endless login", strings.Repeat("a", 10_000), password},
		{"endless password", "olena", strings.Repeat("a", 10_000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, s, err := b.SignIn(t.Context(), tt.login, tt.password, "192.0.2.1")
			if !errors.Is(err, staff.ErrBadLogin) || s != nil {
				t.Fatalf("got %v, %v", s, err)
			}
		})
	}
}

// The time for an unknown login is that of a wrong password: both compute one
// hash. Compared as medians with a wide margin; without the dummy hash the
// ratio is in the thousands.
func TestUnknownLoginTakesAsLong(t *testing.T) {
	b := setup(t)
	b.Directory = b.node()
	b.hire(t, "olena", casecore.RoleOperator)
	median := func(login string) time.Duration {
		var all []time.Duration
		for range 5 {
			start := time.Now()
			if _, _, err := b.SignIn(t.Context(), login, "wrong password", "192.0.2.1"); !errors.Is(err, staff.ErrBadLogin) {
				t.Fatal(err)
			}
			all = append(all, time.Since(start))
		}
		for i := range all {
			for j := range i {
				if all[i] < all[j] {
					all[i], all[j] = all[j], all[i]
				}
			}
		}
		return all[len(all)/2]
	}
	known, unknown := median("olena"), median("nobody")
	if unknown < known/5 || known < unknown/5 {
		t.Errorf("known login %s, unknown login %s", known, unknown)
	}
}

func TestSignInIsLimited(t *testing.T) {
	b := setup(t)
	b.hire(t, "olena", casecore.RoleOperator)
	b.hire(t, "taras", casecore.RoleOperator)
	var wg sync.WaitGroup
	var mu sync.Mutex
	guesses := 0
	for range 20 {
		wg.Go(func() {
			if _, _, err := b.SignIn(t.Context(), "olena", "wrong password", "192.0.2.1"); errors.Is(err, staff.ErrBadLogin) {
				mu.Lock()
				defer mu.Unlock()
				guesses++
			}
		})
	}
	wg.Wait()
	if guesses > 10 {
		t.Errorf("%d guesses at one account at once, want at most 10", guesses)
	}
	_, _, err := b.SignIn(t.Context(), "olena", password, "192.0.2.1")
	tooMany, ok := errors.AsType[*staff.TooMany](err)
	if !ok || tooMany.RetryAfter <= 0 {
		t.Fatalf("the account from there: %v, want *TooMany", err)
	}
	if _, _, err := b.SignIn(t.Context(), "olena", password, "198.51.100.7"); err != nil {
		t.Errorf("a stranger locks its owner out: %v", err)
	}
	if _, _, err := b.SignIn(t.Context(), "taras", password, "198.51.100.7"); err != nil {
		t.Errorf("another account is shut, too: %v", err)
	}
	b.clock.pass(tooMany.RetryAfter)
	if _, _, err := b.SignIn(t.Context(), "olena", password, "192.0.2.1"); err != nil {
		t.Errorf("after RetryAfter: %v", err)
	}
}

func TestGuessesFromManyAddressesAreLimited(t *testing.T) {
	b := setup(t)
	b.hire(t, "olena", casecore.RoleOperator)
	try := func(password, remote string) error {
		_, _, err := b.SignIn(t.Context(), "olena", password, remote)
		return err
	}
	guesses := 0
	for i := range 20 {
		for range 10 {
			if err := try("wrong password", fmt.Sprintf("192.0.2.%d", i)); errors.Is(err, staff.ErrBadLogin) {
				guesses++
			}
		}
	}
	if guesses != 100 {
		t.Errorf("%d guesses from 20 addresses, want 100", guesses)
	}
	tooMany, ok := errors.AsType[*staff.TooMany](try(password, "198.51.100.7"))
	if !ok || tooMany.RetryAfter > 30*time.Second {
		t.Fatalf("from elsewhere: %v, want *TooMany for 30 s at most", tooMany)
	}
	b.clock.pass(tooMany.RetryAfter)
	if err := try(password, "198.51.100.7"); err != nil {
		t.Errorf("after RetryAfter: %v", err)
	}
	must(t, b.SetPassword(t.Context(), "olena", "another long password"))
	if err := try("another long password", "192.0.2.1"); err != nil {
		t.Errorf("with a new password: %v", err)
	}
}

func TestLinkEndsWithThePasswordOfBefore(t *testing.T) {
	for name, do := range map[string]func(*testing.T, *bench, string){
		"another password": func(t *testing.T, b *bench, _ string) {
			must(t, b.SetPassword(t.Context(), "olena", "another long password"))
		},
		"disabled and enabled": func(t *testing.T, b *bench, _ string) {
			for _, off := range []bool{true, false} {
				_, err := b.Update(t.Context(), "olena", staff.Change{Disabled: &off}, 0)
				must(t, err)
			}
		},
		"used": func(t *testing.T, b *bench, link string) {
			_, err := b.Redeem(t.Context(), link, "another long password")
			must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.hire(t, "olena", casecore.RoleOperator)
			other := b.hire(t, "taras", casecore.RoleOperator)
			link, err := b.CreateLink(t.Context(), "olena", time.Hour)
			must(t, err)
			theirs, err := b.CreateLink(t.Context(), "taras", time.Hour)
			must(t, err)
			do(t, b, link)
			if _, err := b.Redeem(t.Context(), link, "a stranger's password"); !errors.Is(err, staff.ErrBadLink) {
				t.Errorf("the old link: %v, want ErrBadLink", err)
			}
			if o, err := b.LinkOwner(t.Context(), theirs); err != nil || o.ID != other.ID {
				t.Errorf("somebody else's link: %v", err)
			}
		})
	}
}

func TestLinkWorksOnce(t *testing.T) {
	b := setup(t)
	secret, err := b.Bootstrap(t.Context(), "admin", time.Hour)
	must(t, err)
	again, err := b.Bootstrap(t.Context(), "admin", time.Hour)
	must(t, err)
	if _, err := b.LinkOwner(t.Context(), secret); !errors.Is(err, staff.ErrBadLink) {
		t.Errorf("the older link: %v, want ErrBadLink", err)
	}
	if _, err := b.Redeem(t.Context(), again, "short"); len(staff.Refusals(err)) != 1 {
		t.Errorf("a short password: %v", err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 8 {
		wg.Go(func() {
			if _, err := b.Redeem(t.Context(), again, password); err == nil {
				mu.Lock()
				defer mu.Unlock()
				done++
			}
		})
	}
	wg.Wait()
	if done != 1 {
		t.Errorf("%d of 8 could use the link, want 1", done)
	}
	b.signIn(t, "admin")
	if none, err := b.Bootstrap(t.Context(), "admin", time.Hour); !errors.Is(err, staff.ErrNotFirst) || none != "" {
		t.Errorf("a link for a house that has an administrator: %v", err)
	}
	late, err := b.CreateLink(t.Context(), "admin", time.Hour)
	must(t, err)
	b.clock.pass(time.Hour)
	if _, err := b.Redeem(t.Context(), late, password); !errors.Is(err, staff.ErrBadLink) {
		t.Errorf("an old link: %v", err)
	}
}

func TestSessionEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, b *bench, secret string)
		ends bool
	}{
		{"nothing", func(*testing.T, *bench, string) {}, false},
		{"29 minutes idle", func(t *testing.T, b *bench, _ string) { b.clock.pass(29 * time.Minute) }, false},
		{"30 minutes idle", func(t *testing.T, b *bench, _ string) { b.clock.pass(30 * time.Minute) }, true},
		{"busy for 11 hours", func(t *testing.T, b *bench, s string) { b.work(t, s, 11*time.Hour) }, false},
		{"busy for 12 hours", func(t *testing.T, b *bench, s string) { b.work(t, s, 12*time.Hour) }, true},
		{"signed out", func(t *testing.T, b *bench, s string) { must(t, b.SignOut(t.Context(), s)) }, true},
		{"another password", func(t *testing.T, b *bench, _ string) {
			must(t, b.SetPassword(t.Context(), "olena", "another long password"))
		}, true},
		{"disabled", func(t *testing.T, b *bench, _ string) {
			off := true
			_, err := b.Update(t.Context(), "olena", staff.Change{Disabled: &off}, 0)
			must(t, err)
		}, true},
		{"disabled and enabled", func(t *testing.T, b *bench, _ string) {
			for _, off := range []bool{true, false} {
				_, err := b.Update(t.Context(), "olena", staff.Change{Disabled: &off}, 0)
				must(t, err)
			}
		}, true},
		{"renamed", func(t *testing.T, b *bench, _ string) {
			name := "Olena Bondar"
			_, err := b.Update(t.Context(), "olena", staff.Change{Name: &name}, 0)
			must(t, err)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := setup(t)
			b.hire(t, "boss", casecore.RoleAdmin)
			b.hire(t, "olena", casecore.RoleOperator)
			secret, s := b.signIn(t, "olena")
			tt.do(t, b, secret)
			_, _, err := b.Session(t.Context(), secret)
			if over := errors.Is(err, staff.ErrNotSignedIn); over != tt.ends || err != nil && !over {
				t.Errorf("session: %v, want it to end: %v", err, tt.ends)
			}
			if tt.ends && b.Valid(t.Context(), s) {
				t.Error("it is still Valid for sockets")
			}
		})
	}
}

// work makes a request every 20 minutes.
func (b *bench) work(t *testing.T, secret string, d time.Duration) {
	t.Helper()
	for range d/(20*time.Minute) - 1 {
		b.clock.pass(20 * time.Minute)
		if _, _, err := b.Session(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	b.clock.pass(20 * time.Minute)
}
