package staff_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/staff"
	"casewire/casecore/store"
)

func TestPhones(t *testing.T) {
	b := setup(t)
	for typed, want := range map[string]string{
		"": "", "+381601234567": "+381601234567", " +381 (60) 123-45.67 ": "+381601234567", "+381\u00a060\u00a01234567": "+381601234567",
		"060 123 4567": "refused", "+381": "refused", "phone": "refused", "+3816012345678901": "refused", "+381601234567;1": "refused",
	} {
		o, err := b.Create(t.Context(), staff.Operator{
			Login: store.NewID(), Name: "Olena", Roles: []string{casecore.RoleOperator}, Phone: typed,
		}, "")
		all := staff.Refusals(err)
		switch {
		case want == "refused":
			if len(all) != 1 || all[0].Field != "phone" || !strings.Contains(all[0].Msg, "+381601234567") {
				t.Errorf("%q: %v", typed, err)
			}
		case err != nil || o.Phone != want:
			t.Errorf("%q: %q, %v", typed, o.Phone, err)
		}
	}
}

// Whoever answers is known by their number, unless they do not work here any more.
func TestWhoHasAPhone(t *testing.T) {
	b := setup(t)
	const number = "+381601234567"
	gone, here := b.hire(t, "gone", casecore.RoleOperator), b.hire(t, "here", casecore.RoleOperator)
	b.hire(t, "none", casecore.RoleOperator)
	phone, off := "+381 60 1234567", true
	for _, c := range []struct {
		login string
		staff.Change
	}{{"gone", staff.Change{Phone: &phone}}, {"here", staff.Change{Phone: &phone}}, {"gone", staff.Change{Disabled: &off}}} {
		if _, err := b.Update(t.Context(), c.login, c.Change, 0); err != nil {
			t.Fatal(err)
		}
	}
	of := func(number string) (a casecore.Actor, err error) {
		err = b.store.View(t.Context(), func(tx store.Tx) (err error) {
			a, err = b.OfPhone(tx, number)
			return err
		})
		return a, err
	}
	if a, err := of(number); err != nil || a.ID != here.ID {
		t.Errorf("%+v, %v; %s is disabled", a, err, gone.ID)
	}
	for _, nobody := range []string{"", "+381609999999"} {
		if a, err := of(nobody); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q is %+v, %v", nobody, a, err)
		}
	}
	none := ""
	if o, err := b.Update(t.Context(), "here", staff.Change{Phone: &none}, 0); err != nil || o.Phone != "" || o.Rights != here.Rights {
		t.Errorf("taken away: %+v, %v", o, err)
	}
}

// Where notices for a role go: to those who have it, an address, and still work here.
func TestMailForARole(t *testing.T) {
	b := setup(t)
	for typed, want := range map[string]string{
		"": "", " Olena@Shop.example ": "olena@shop.example",
		"olena": "refused", "Olena <olena@shop.example>": "refused", "a@b@c": "refused", strings.Repeat("a", 250) + "@b.cd": "refused",
	} {
		o, err := b.Create(t.Context(), staff.Operator{Login: store.NewID(), Name: "Olena", Roles: []string{casecore.RoleQC}, Email: typed}, "")
		all := staff.Refusals(err)
		switch {
		case want == "refused":
			if len(all) != 1 || all[0].Field != "email" || !strings.Contains(all[0].Msg, "olena@shop.example") {
				t.Errorf("%q: %v", typed, err)
			}
		case err != nil || o.Email != want:
			t.Errorf("%q: %+v, %v", typed, o, err)
		}
	}
	b.hire(t, "zoe", casecore.RoleSupervisor, casecore.RoleOperator)
	b.hire(t, "ada", casecore.RoleSupervisor)
	b.hire(t, "gone", casecore.RoleSupervisor)
	b.hire(t, "else", casecore.RoleOperator)
	mail, off := "ADA@shop.example", true
	if o, err := b.Update(t.Context(), "ada", staff.Change{Email: &mail}, 0); err != nil || o.Email != "ada@shop.example" {
		t.Fatalf("%+v, %v", o, err)
	}
	if _, err := b.Update(t.Context(), "gone", staff.Change{Disabled: &off}, 0); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := b.store.View(t.Context(), func(tx store.Tx) error {
		all, err := staff.OfRole(tx, casecore.RoleSupervisor)
		got = nil
		for _, o := range all {
			got = append(got, o.Login)
		}
		return err
	})
	if err != nil || !slices.Equal(got, []string{"ada", "zoe"}) {
		t.Errorf("%q, %v", got, err)
	}
}
