package notify_test

import (
	"fmt"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/notify"
)

// What was chosen wins over what was detected: a notice is in the language that the
// customer chose, whatever they write in.
func TestChosenLanguageIsTold(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		c := d.openCase() // written in English, by somebody whose browser is Ukrainian
		d.move(c, "ready")
		d.want(c, "webchat:site: We have it: CW-000001.", "webchat:site: It: Ready for pickup.")
		d.move(c, "repair")
		uk := "uk"
		d.update(func(tx store.Tx) error {
			_, err := d.ledger.Prefer(tx, casecore.System("page"), c.ID, casecore.Wish{Lang: &uk})
			return err
		})
		d.update(func(tx store.Tx) error { // whatever a door makes of their next message
			k, err := casecore.Cases.Get(tx, c.ID)
			if err != nil {
				return err
			}
			k.Lang = "en"
			return casecore.Cases.Put(tx, k)
		})
		d.move(c, "ready")
		d.want(c, "webchat:site: We have it: CW-000001.", "webchat:site: It: Ready for pickup.", "webchat:site: Пристрій: Готово до видачі, phones/uk.")
	})
}

// A channel that the centre has removed writes to nobody: the notice goes by
// another of its kind, else to the customer's next address, and without any waits
// for the channel.
func TestRemovedChannel(t *testing.T) {
	mail, phone := channels.Address{Kind: channels.Email, Handle: "anna@example.com"}, channels.Address{Kind: channels.SMS, Handle: "+380501234589"}
	for _, tc := range []struct {
		name string
		open map[channels.Kind]string
		shut bool // the customer's own address
		want []string
	}{
		{"all there", map[channels.Kind]string{channels.SMS: "sms:main", channels.Email: "email:main"}, false, []string{"sms:main: We have it: CW-000001."}},
		{"another of its kind", map[channels.Kind]string{channels.SMS: "sms:second", channels.Email: "email:main"}, false, []string{"sms:second: We have it: CW-000001."}},
		{"the next address", map[channels.Kind]string{channels.Email: "email:main"}, false, []string{"email:main: We have it: CW-000001."}},
		{"none", nil, false, []string{"sms:main: We have it: CW-000001."}},
		{"none, and not wanted", nil, true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reach := notify.Reach{
				Channel: func(k channels.Kind) (string, bool) { id, ok := tc.open[k]; return id, ok },
				Serves: func(id string) bool {
					for _, open := range tc.open {
						if open == id {
							return true
						}
					}
					return false
				},
			}
			with(t, notify.Options{Reach: reach}, func(t *testing.T, d *desk) {
				d.stop()
				c := d.openCase(func(dr *casecore.Draft, m *casecore.Message, who *casecore.Customer) {
					dr.Channel, dr.To = "sms:main", phone
					m.Channel, m.From = "sms:main", phone
					who.Preferred = phone.Key()
				})
				d.update(func(tx store.Tx) error {
					return casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: casecore.IdentityID(mail)}, Address: mail, Customer: c.Customer})
				})
				if tc.shut {
					d.update(func(tx store.Tx) error {
						_, err := d.ledger.OptOut(tx, casecore.System("page"), c.ID, casecore.IdentityID(phone), casecore.Word{Via: "page"})
						return err
					})
				}
				d.start()
				d.want(c, tc.want...)
				if reach.Reaches(c, phone) != (tc.open[channels.SMS] != "") {
					t.Error("Reaches says otherwise")
				}
			})
		})
	}
}

// A held notice gets the new link to the customer's page, when the old ones end.
func TestHeldNoticeHasTheLinkOfNow(t *testing.T) {
	link := func(c *casecore.Case) string { return fmt.Sprint("https://x/", c.Page) }
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		d := newDesk(t, at, notify.Options{Link: link})
		var err error
		d.policy, err = notify.Compile(notify.Spec{
			Templates: []notify.Template{{ID: "ready", Text: lang.Text{"en": "{{link|none}}"}}, {ID: "back", Text: lang.Text{"en": "Back."}}},
			Delivery:  notify.Manner{Hold: flow.Duration(time.Hour)},
		}, notify.CompileOptions{Flow: d.ledger.Flow(), Lang: "en"})
		d.must(err)
		d.start()
		c := d.openCase()
		d.move(c, "ready")
		was := d.notices(notify.Held)
		time.Sleep(time.Minute)
		d.update(func(tx store.Tx) error { _, err := d.ledger.RenewPage(tx, olena, c.ID); return err })
		is := d.notices(notify.Held)
		if len(was) != 1 || len(is) != 1 || was[0].ID != is[0].ID || !was[0].NextAt.Equal(is[0].NextAt) {
			t.Fatalf("held: %+v, then %+v", was, is)
		}
		for n, want := range map[*notify.Notice]string{was[0]: "https://x/0", is[0]: "https://x/1"} {
			d.must(d.st.View(t.Context(), func(tx store.Tx) error {
				m, err := casecore.Messages.Get(tx, n.Message)
				if err == nil && m.Body.Text != want {
					t.Errorf("the notice says %q, want %q", m.Body.Text, want)
				}
				return err
			}))
		}
		d.stop()
		d.must(d.st.Close())
	})
}
