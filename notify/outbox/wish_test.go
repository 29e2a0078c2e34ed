package outbox_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// evening is a house with quiet hours, and a case that became ready in them; its
// customer has a number and a mailbox.
func evening(t *testing.T, test func(t *testing.T, h *house, c *casecore.Case)) {
	room(t, func(t *testing.T, h *house) {
		h.deliver(notify.Manner{Hold: flow.Duration(hold), Quiet: &notify.Quiet{From: "21:00", To: "08:00"}})
		h.door(mail)
		h.door(text)
		_, stop := h.start(outbox.Options{Reach: reach})
		defer stop()
		c := h.openCase(text, channels.SMS, "+380", true)
		h.also(c, home)
		time.Sleep(22 * time.Hour)
		h.move(c, "ready")
		time.Sleep(time.Hour)
		test(t, h, c)
	})
}

var home = channels.Address{Kind: channels.Email, Handle: "a@b"}

func (h *house) prefer(c *casecore.Case, w casecore.Wish) {
	h.t.Helper()
	h.update(func(tx store.Tx) error {
		_, err := h.ledger.Prefer(tx, casecore.System("page"), c.ID, w)
		return err
	})
	synctest.Wait()
}

// What waits for the morning goes where, and in the language in which, the customer
// wants to be told by then, at the time that it had.
func TestAWishOfTheNightIsKeptInTheMorning(t *testing.T) {
	to, uk := casecore.IdentityID(home), "uk"
	for _, tc := range []struct {
		name           string
		wish           casecore.Wish
		byMail, bySMS  []string
		dropped, total int
	}{
		{"channel and language", casecore.Wish{Address: &to, Lang: &uk}, []string{"CW-000001: Готово до видачі."}, nil, 1, 2},
		{"channel", casecore.Wish{Address: &to}, []string{"CW-000001: Ready for pickup."}, nil, 1, 2},
		{"language", casecore.Wish{Lang: &uk}, nil, []string{"CW-000001: Готово до видачі."}, 1, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			evening(t, func(t *testing.T, h *house, c *casecore.Case) {
				due := h.only().NextAt
				h.prefer(c, tc.wish)
				dropped := 0
				for _, n := range h.notices() {
					switch {
					case n.State == notify.Held && n.NextAt.Equal(due):
					case n.State == notify.Skipped && n.Reason == notify.Renewed && !n.Undelivered() && h.message(n.Message).Delivery.State == channels.Cancelled:
						dropped++
					default:
						t.Errorf("a notice is %s: %s, due %v", n.State, n.Reason, n.NextAt)
					}
				}
				if got := len(h.notices()); got != tc.total || dropped != tc.dropped {
					t.Errorf("%d notices, %d of them dropped", got, dropped)
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if byMail, bySMS := h.door(mail).texts(), h.door(text).texts(); !slices.Equal(byMail, tc.byMail) || !slices.Equal(bySMS, tc.bySMS) {
					t.Errorf("told %q by mail, %q by SMS", byMail, bySMS)
				}
				h.proves(c)
			})
		})
	}
}

// A wish changes nothing else: to and fro it ends where it began, a slip is still
// taken back, and the address that was left is there when the chosen one fails.
func TestAWishOfTheNightChangesNothingElse(t *testing.T) {
	to, none := casecore.IdentityID(home), ""
	evening(t, func(t *testing.T, h *house, c *casecore.Case) {
		h.prefer(c, casecore.Wish{Address: &to})
		h.prefer(c, casecore.Wish{Address: &none})
		time.Sleep(24 * time.Hour)
		if byMail, bySMS := h.door(mail).texts(), h.door(text).texts(); len(byMail) != 0 || len(bySMS) != 1 {
			t.Errorf("told %q by mail, %q by SMS", byMail, bySMS)
		}
	})
	evening(t, func(t *testing.T, h *house, c *casecore.Case) {
		h.move(c, "issued")
		h.prefer(c, casecore.Wish{Address: &to})
		time.Sleep(24 * time.Hour)
		if byMail, bySMS := h.door(mail).texts(), h.door(text).texts(); len(byMail) != 0 || len(bySMS) != 0 {
			t.Errorf("told %q by mail, %q by SMS of what was over", byMail, bySMS)
		}
	})
	evening(t, func(t *testing.T, h *house, c *casecore.Case) {
		h.door(mail).on(refuse(channels.SendError{Reason: channels.BadAddress, Code: "550"}))
		h.prefer(c, casecore.Wish{Address: &to})
		time.Sleep(24 * time.Hour)
		if bySMS := h.door(text).texts(); len(bySMS) != 1 {
			t.Errorf("told %q by SMS when the mailbox was none", bySMS)
		}
	})
}
