package notify_test

import (
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/notify"
)

// A customer who stood at the desk is told at the address that they prefer, else at
// any other that they have.
func TestWhoStoodAtTheDeskIsTold(t *testing.T) {
	sms, mail := channels.Address{Kind: channels.SMS, Handle: "+447700900300"}, channels.Address{Kind: channels.Email, Handle: "anna@example.com"}
	reach := notify.Reach{
		Channel: func(k channels.Kind) (string, bool) {
			return string(k) + ":main", k == channels.SMS || k == channels.Email
		},
		Order: func() []channels.Kind { return []channels.Kind{channels.SMS, channels.Email} },
	}
	shut := &casecore.Shut{Reason: channels.Blocked, Code: casecore.StopCode}
	for _, tc := range []struct {
		name, preferred string
		identities      []casecore.Identity
		want            string // where; empty: nowhere
		reason          string
	}{
		{"no address", "", nil, "", notify.NoAddress},
		{"the first in order", "", []casecore.Identity{{Address: mail}, {Address: sms}}, "sms:main", ""},
		{"as preferred", mail.Key(), []casecore.Identity{{Address: mail}, {Address: sms}}, "email:main", ""},
		{"not where it is shut", "", []casecore.Identity{{Address: mail}, {Address: sms, Shut: shut}}, "email:main", ""},
		{"shut", "", []casecore.Identity{{Address: sms, Shut: shut}}, "", notify.AllShut},
		{"where there is no channel", "", []casecore.Identity{{Address: channels.Address{Kind: channels.Telegram, Handle: "7"}}}, "", notify.NoAddress},
		{"a caller", "", []casecore.Identity{{Address: channels.Address{Kind: channels.Voice, Handle: "CA1"}}}, "", notify.NoAddress},
	} {
		t.Run(tc.name, func(t *testing.T) {
			with(t, notify.Options{Reach: reach}, func(t *testing.T, d *desk) {
				d.stop()
				c := d.openCase(func(dr *casecore.Draft, m *casecore.Message, who *casecore.Customer) {
					dr.Channel, dr.To = "desk:walk_in", channels.Address{Kind: channels.Desk, Handle: "entry-1"}
					m.Channel, m.From, who.Preferred = dr.Channel, dr.To, tc.preferred
				})
				d.update(func(tx store.Tx) error {
					for _, i := range tc.identities {
						i.Meta, i.Customer = store.Meta{ID: casecore.IdentityID(i.Address)}, c.Customer
						if err := casecore.Identities.Put(tx, &i); err != nil {
							return err
						}
					}
					return nil
				})
				var seen *notify.Foreseen
				err := d.st.View(t.Context(), func(tx store.Tx) (err error) {
					seen, err = d.box.Foresee(tx, &casecore.Event{Kind: casecore.Moved, Case: c.ID, From: "new", To: "ready"}, c)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if seen == nil || seen.Reason != tc.reason || (seen.To.Handle == "") != (tc.want == "") {
					t.Errorf("foreseen %+v", seen)
				}
				d.start()
				synctest.Wait()
				receipt := tc.want + ": We have it: CW-000001."
				d.move(c, "ready")
				if tc.want == "" {
					d.want(c)
					return
				}
				d.want(c, receipt, tc.want+": It: Ready for pickup.")
				d.update(func(tx store.Tx) error { // planned again, nobody is told twice
					e, err := casecore.Events.Find(tx, "case", store.Join(c.ID, store.NumberKey(1)))
					if err != nil {
						return err
					}
					e.Pending = append(e.Pending, casecore.PendingNotify)
					return casecore.Events.Put(tx, e)
				})
				d.want(c, receipt, tc.want+": It: Ready for pickup.")
			})
		})
	}
}

// manner puts a policy of this manner in force.
func (d *desk) manner(m notify.Manner) {
	d.t.Helper()
	policy, err := notify.Compile(notify.Spec{
		Templates: []notify.Template{{ID: "ready", Text: lang.Text{"en": "Ready."}}, {ID: "back", Text: lang.Text{"en": "Back."}}},
		Delivery:  m,
	}, notify.CompileOptions{Flow: d.ledger.Flow(), Lang: "en", Centre: "The Centre"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.policy = policy
}

// A status can be taken back within the hold, and for as long as nobody is told of it
// because of quiet hours; without a hold, what is said is said.
func TestSlip(t *testing.T) {
	const hold = 2 * time.Minute
	for _, tc := range []struct {
		name   string
		manner notify.Manner
		to     string
		is     map[time.Duration]bool // after
	}{
		{"no hold", notify.Manner{}, "ready", map[time.Duration]bool{0: false}},
		{"hold", notify.Manner{Hold: flow.Duration(hold)}, "ready", map[time.Duration]bool{0: true, hold - time.Second: true}},
		{"sent at once", notify.Manner{Hold: flow.Duration(hold)}, "ready", map[time.Duration]bool{time.Second: false}},
		{"nothing is told", notify.Manner{Hold: flow.Duration(hold)}, "repair", map[time.Duration]bool{0: true, hold - time.Second: true, hold: false}},
		// Bubbles begin at midnight.
		{"quiet hours", notify.Manner{Hold: flow.Duration(hold), Quiet: &notify.Quiet{From: "21:00", To: "08:00"}}, "ready", map[time.Duration]bool{hold: true, 7 * time.Hour: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
				d := newDesk(t, at, notify.Options{})
				d.manner(tc.manner)
				d.start()
				c := d.openCase()
				synctest.Wait()
				began := time.Now()
				d.move(c, tc.to)
				synctest.Wait()
				if tc.name == "sent at once" {
					d.update(func(tx store.Tx) error {
						n, err := notify.Notices.First(tx, store.Range{Index: "held", Prefix: store.Under(c.ID)})
						if err != nil {
							return err
						}
						return notify.Hurry(tx, n.ID, time.Now())
					})
				}
				for _, after := range []time.Duration{0, time.Second, hold - time.Second, hold, 7 * time.Hour} {
					want, asked := tc.is[after]
					if !asked {
						continue
					}
					time.Sleep(after - time.Since(began))
					synctest.Wait()
					var got bool
					err := d.st.View(t.Context(), func(tx store.Tx) error {
						e, err := casecore.Events.First(tx, store.Range{Index: "case", Prefix: store.Under(c.ID), Reverse: true})
						for err == nil && e.Kind != casecore.Moved {
							e, err = casecore.Events.Find(tx, "case", store.Join(c.ID, store.NumberKey(e.Seq-1)))
						}
						if err == nil {
							got, err = d.policy.Slip(tx, e, time.Now())
						}
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					if got != want {
						t.Errorf("after %v: %v, want %v", after, got, want)
					}
				}
				d.stop()
				if err := d.st.Close(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
