package outbox_test

import (
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
)

// What an operator reads before they confirm a status is what happens then: the
// same words, to the same address, at the same time, or nothing.
func TestForeseenIsWhatHappens(t *testing.T) {
	held(t, func(t *testing.T, h *house, c *casecore.Case, _ func() []string) {
		planner := notify.NewPlanner(h.st, h.ledger, func() *notify.Policy { return h.policy }, notify.Options{Reach: reach})
		foresee := func(to string) (f *notify.Foreseen) {
			t.Helper()
			h.view(func(tx store.Tx) error {
				now, err := casecore.Cases.Get(tx, c.ID)
				if err != nil {
					return err
				}
				f, err = planner.Foresee(tx, &casecore.Event{Kind: casecore.Moved, Case: c.ID, From: now.Status, To: to}, now)
				return err
			})
			return f
		}
		if f := foresee("repair"); f != nil {
			t.Errorf("a silent status is foreseen to tell %+v", f)
		}
		h.move(c, "repair")
		synctest.Wait()
		f := foresee("ready")
		h.move(c, "ready")
		synctest.Wait()
		n := h.only()
		if m := h.message(n.Message); f == nil || m.Body.Text != f.Message.Body.Text || m.To.Key() != f.To.Key() || !n.NextAt.Equal(f.Due) || !f.Due.Equal(time.Now().Add(hold)) {
			t.Errorf("foreseen %+v, then %+v at %s", f, m, n.NextAt)
		}
		if f := foresee("repair"); f == nil || !f.TakesBack || f.Message.Body.Text != "" {
			t.Errorf("taking it back is foreseen as %+v", f)
		}
		if got := h.only(); got.State != notify.Held {
			t.Errorf("looking changed it to %s", got.State)
		}
		h.move(c, "repair")
		synctest.Wait()
		h.update(func(tx store.Tx) error {
			return h.ledger.Stand(tx, casecore.System("test"), channels.Standing{Channel: c.Channel, Address: c.To, Reason: channels.Blocked, At: time.Now()})
		})
		if f := foresee("ready"); f == nil || f.Reason != notify.AllShut || f.To.Handle != "" {
			t.Errorf("whom nothing reaches is foreseen as %+v", f)
		}
	})
}
